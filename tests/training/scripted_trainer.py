"""A trainer without torch for tests of the supervision: does what SCRIPT in its RUN_DIR says.

`python scripted_trainer.py RUN_DIR`; the script is a list of steps: {"say": event}, {"sleep": s}, {"exit": n},
{"ignore_term": true}, {"print_environment": true}, {"spawn": true} (a child in the same group), {"result": {...}}.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

folder = Path(sys.argv[1])
attempt = json.loads((folder / "config.json").read_text())["attempt"]
signal.signal(signal.SIGTERM, lambda *_: os._exit(3))

for step in json.loads((folder / "script.json").read_text()):
    if "say" in step:
        with (folder / "events.jsonl").open("a") as file:
            file.write(json.dumps({"at": time.time(), "attempt": attempt, "step": 0} | step["say"]) + "\n")
    if "sleep" in step:
        time.sleep(step["sleep"])
    if "ignore_term" in step:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "spawn" in step:
        child = subprocess.Popen(["sleep", "60"])
        (folder / "child.pid").write_text(str(child.pid))
    if "result" in step:
        (folder / "result.json").write_text(json.dumps(step["result"]))
    if "print" in step:
        print(step["print"], flush=True)
    if "print_environment" in step:
        print(*sorted(os.environ), flush=True)
    if "exit" in step:
        os._exit(step["exit"])
    if "kill" in step:
        os.kill(os.getpid(), signal.SIGKILL)
