"""A Hugging Face Hub with one data set on 127.0.0.1, and what is read from it; a separate program, run by a test.

`datasets` reads the address of the Hub when it is imported, so it is set before. Prints one JSON object.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import polars as pl

COMMIT = 40 * "a"
COLUMNS: dict[str, dict[str, list[Any]]] = {
    "train": {"height": [1.5, 2.5, 3.5, 4.5], "width": [1.0, 0.0, 2.0, 7.0]},
    "test": {"height": [9.5, 8.5], "width": [3.0, 4.0]},
}
REFUSALS = {"me/none": (404, "RepoNotFound"), "me/gated": (403, "GatedRepo")}


def parquet(columns: dict[str, list[Any]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


FILES = {f"data/{split}-00000-of-00001.parquet": parquet(columns) for split, columns in COLUMNS.items()}


FOLDERS = {name.rpartition("/")[0] for name in FILES}


def about_file(name: str) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(FILES[name]), "oid": hashlib.sha1(FILES[name]).hexdigest()}


class Hub(BaseHTTPRequestHandler):
    """Answers the requests of `datasets`: facts about a data set, the list of its files, and the files."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(f"{self.command} {path}")
        if refusal := next((REFUSALS[name] for name in REFUSALS if name in path), None):
            return self.answer(refusal[0], b"{}", X_Error_Code=refusal[1])
        if path.startswith("/api/datasets/me/tiny"):
            return self.answer(200, json.dumps(self.about(path.removeprefix("/api/datasets/me/tiny"))).encode())
        name = path.removeprefix(f"/datasets/me/tiny/resolve/{COMMIT}/")
        if name not in FILES:
            return self.answer(404, b"{}", X_Error_Code="EntryNotFound")
        about = {"ETag": f'"{hashlib.sha1(FILES[name]).hexdigest()}"', "X_Repo_Commit": COMMIT}
        return self.answer(200, FILES[name], **about)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """The entries at some paths: files, folders, or omitted."""
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["paths"]
        files = [about_file(name) for name in asked if name in FILES]
        folders = [{"type": "directory", "path": n, "oid": COMMIT} for n in asked if n in FOLDERS]
        self.answer(200, json.dumps([*files, *folders]).encode())

    def about(self, rest: str) -> Any:
        if rest.startswith("/tree/"):
            folder = "/".join(rest.split("/")[3:])
            return [about_file(name) for name in FILES if name.startswith(folder)]
        siblings = [{"rfilename": name} for name in FILES]
        return {"id": "me/tiny", "sha": COMMIT, "private": False, "gated": False, "tags": [], "siblings": siblings}

    def answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *given: Any) -> None:
        """Logs nothing, because the output is one JSON object."""


def attempt(read: Callable[[], Any]) -> Any:
    """The values of each part that was read, or the error."""
    from isthmus.errors import IsthmusError

    try:
        bundle = read()
    except IsthmusError as error:
        return {"code": error.code, "exit_code": error.exit_code, "message": error.message, "fix": error.fix}
    parts = {"train": bundle.train, "test": bundle.test}
    return {role: None if part is None else part.x.tolist() for role, part in parts.items()}


def main(folder: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(folder)}
    os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(seconds, 0.01))  # otherwise the Hub is asked for half a minute
    from isthmus.data.read import read

    names = ("hub:me/tiny", "hub:me/tiny@test", "hub:me/tiny@dev", "hub:me/tiny#large", "hub:me/none", "hub:me/gated")
    found = {name: attempt(lambda name=name: read(name)) for name in names}
    fetched = sum(line.startswith("GET") and line.endswith(".parquet") for line in Hub.asked)
    server.shutdown()
    server.server_close()
    found |= {"away": attempt(lambda: read("hub:me/other")), "again": attempt(lambda: read("hub:me/tiny"))}
    print(json.dumps(found | {"fetched": fetched}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
