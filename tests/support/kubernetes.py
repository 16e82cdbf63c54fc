"""Emulator of the part of a Kubernetes API that keeps InferenceServices of KServe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from jsonschema import Draft202012Validator

_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_PREDICTOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["containers"],
    "properties": {
        "minReplicas": {"type": "integer"},
        "serviceAccountName": {"type": "string"},
        "canaryTrafficPercent": {"type": "integer", "minimum": 0, "maximum": 100},
        "containers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "image"],
                "properties": {
                    "command": {"type": "array", "items": {"type": "string"}},
                    "env": {"type": "array", "items": _TEXTS},
                },
            },
        },
    },
}
SCHEMA = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "serving.kserve.io/v1beta1"},
        "kind": {"const": "InferenceService"},
        "metadata": {"required": ["name"], "properties": {"annotations": _TEXTS}},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["predictor"],
            "properties": {"predictor": _PREDICTOR},
        },
    },
}


@dataclass
class KubernetesEmulator:
    """State of the emulator; `traffic` is how KServe splits requests, by bundle."""

    url: str = ""
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    ready: bool = True
    changes: int = 0
    _rolled_out: dict[str, str] = field(default_factory=dict)

    def apply(self, path: str, wanted: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Server-side apply of one field manager; the generation counts changes of the spec."""
        errors = [error.message for error in Draft202012Validator(SCHEMA).iter_errors(wanted)]
        if errors:
            return 422, {"kind": "Status", "message": "; ".join(errors)}
        current = self.services.get(path, {"spec": None, "metadata": {"generation": 0}})
        changed = current["spec"] != wanted["spec"]
        generation = current["metadata"]["generation"] + changed
        self.services[path] = {
            **wanted,
            "metadata": {**wanted["metadata"], "generation": generation},
        }
        self.changes += 1
        self._roll_out(path)
        return (201 if generation == 1 else 200), self.read(path)

    def read(self, path: str) -> dict[str, Any]:
        """The service with its status."""
        service = self.services[path]
        if self.ready:
            self._roll_out(path)
        condition = {"type": "Ready", "status": "True" if self.ready else "False"}
        status = {
            "conditions": [condition],
            "observedGeneration": service["metadata"]["generation"],
        }
        return {**service, "status": status}

    def traffic(self) -> dict[str, int]:
        """The percentages of the only service, by the end of the bundle's address."""
        [(path, service)] = self.services.items()
        share = service["spec"]["predictor"].get("canaryTrafficPercent", 100)
        split = {self._rolled_out[path]: 100 - share} if share < 100 else {}
        return split | {_bundle(service): share}

    def _roll_out(self, path: str) -> None:
        """A ready revision without a canary takes all requests."""
        predictor = self.services[path]["spec"]["predictor"]
        if self.ready and predictor.get("canaryTrafficPercent", 100) == 100:
            self._rolled_out[path] = _bundle(self.services[path])


def _bundle(service: dict[str, Any]) -> str:
    [container] = service["spec"]["predictor"]["containers"]
    return str(container["env"][0]["value"].rsplit("/", 1)[1].partition("-")[0])


@contextmanager
def serve_cluster() -> Iterator[KubernetesEmulator]:
    """A running emulator."""
    cluster = KubernetesEmulator()

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path in cluster.services
            self._respond(*((200, cluster.read(self.path)) if found else (404, {"kind": "Status"})))

        def do_PATCH(self) -> None:
            path, _, query = self.path.partition("?")
            assert self.headers["content-type"] == "application/apply-patch+yaml"
            assert "fieldManager=" in query
            body = self.rfile.read(int(self.headers["content-length"]))
            self._respond(*cluster.apply(path, json.loads(body)))

        def _respond(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    Thread(target=server.serve_forever, daemon=True).start()
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
