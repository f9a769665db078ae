"""A seam for what is not vLLM's part: a local HTTP server that speaks the few addresses of vLLM that the gateway uses.

Its answers tell model and prompt ("dpo says: Why?"), and it can be told to fail. What vLLM itself does is tested with
vLLM.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ScriptedEngine:
    """Serves `models`; `script` holds what the next chat requests get instead of an answer: "500", "break", "400"."""

    def __init__(self, *models: str) -> None:
        self.models = list(models)
        self.script: list[str] = []
        self.asked: Counter[tuple[str, str]] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.loaded: list[str] = []
        self.healthy = True
        self.most_at_once = self.at_once = 0
        self.lock = threading.Lock()
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, again on the same port after a `stop`."""
        engine = self

        class Handler(EngineHandler):
            script = engine

        ThreadingHTTPServer.request_queue_size = 128
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class EngineHandler(BaseHTTPRequestHandler):
    script: ScriptedEngine

    def do_GET(self) -> None:
        if self.path == "/health":
            self.reply(200 if self.script.healthy else 503, {})
        elif self.path == "/version":
            self.reply(200, {"version": "0.0.scripted"})
        else:
            root = self.script.models[0]
            models = [{"id": name, "max_model_len": 256 if name == root else None} for name in self.script.models]
            self.reply(200, {"data": models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/load_lora_adapter":
            self.script.models.append(body["lora_name"])
            self.script.loaded.append(body["lora_name"])
            return self.reply(200, {})
        with self.script.lock:
            self.script.at_once += 1
            self.script.most_at_once = max(self.script.most_at_once, self.script.at_once)
            todo = self.script.script.pop(0) if self.script.script else ""
        try:
            self.chat(body, todo)
        finally:
            with self.script.lock:
                self.script.at_once -= 1
        return None

    def chat(self, body: dict[str, Any], todo: str) -> None:
        if body["model"] not in self.script.models:
            return self.reply(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
        if todo.isdigit():
            return self.reply(int(todo), {"error": {"message": f"scripted {todo}"}})
        prompt = body["messages"][-1]["content"]
        with self.script.lock:
            self.script.asked[body["model"], prompt] += 1
            self.script.bodies.append(body)
        self.send_response(200)
        self.end_headers()
        self.event(delta={"role": "assistant", "content": ""})
        self.event(delta={"content": f"{body['model']} says: "})
        if todo == "break":
            return None
        self.event(delta={"content": prompt}, finish="stop")
        self.wfile.write(b'data: {"choices": [], "usage": {"completion_tokens": 7}}\n\ndata: [DONE]\n\n')
        return None

    def event(self, delta: dict[str, str], finish: str | None = None) -> None:
        data = {"choices": [{"delta": delta, "finish_reason": finish}]}
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())

    def reply(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output clean."""
