"""What the web process does to stay small."""

import subprocess
import sys

ARRAY_OF_A_LIST = """
import sys
from alignapp.web import stay_small
stay_small()
import pyarrow
assert pyarrow.array(["a", None]).to_pylist() == ["a", None]
assert "pandas" not in sys.modules
"""


def test_arrow_does_not_bring_pandas_into_the_web_process():
    done = subprocess.run([sys.executable, "-c", ARRAY_OF_A_LIST], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
