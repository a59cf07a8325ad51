"""A stand-in for the Hugging Face Hub that serves one dataset, ``me/made``, from a folder."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub_of(folder: Path) -> Iterator[str]:
    """Serves the files of a folder; gives the address of the server."""
    handler = type("Handler", (_Handler,), {"folder": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        route = self.path.partition("?")[0]
        if route.startswith("/api/datasets/me/made/tree/"):
            self._send(json.dumps([_entry(path) for path in self.folder.iterdir()]).encode())
        elif route.startswith("/api/datasets/me/made"):
            names = [{"rfilename": path.name} for path in self.folder.iterdir()]
            self._send(json.dumps({"id": "me/made", "sha": COMMIT, "siblings": names}).encode())
        elif route.startswith("/datasets/me/made/resolve/"):
            self._send_file(self.folder / Path(route).name)
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def _send_file(self, path: Path) -> None:
        if not path.is_file():
            self._send(b"", 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            return
        headers = {"ETag": f'"{_entry(path)["oid"]}"', "X-Repo-Commit": COMMIT}
        self._send(path.read_bytes(), 200, headers)

    def _send(self, body: bytes, code: int = 200, headers: Any = None) -> None:
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "type": "file",
        "oid": hashlib.sha1(content).hexdigest(),
        "size": len(content),
        "path": path.name,
    }
