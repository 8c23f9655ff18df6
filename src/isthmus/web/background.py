"""The server of `isthmus train --serve`: a separate process that ends when the training process ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from isthmus.errors import ResourceError


class BackgroundServer:
    """`with BackgroundServer(say) as server:` … `server.begin(run_path)` shows a run; `server.wait()` keeps it open.

    Training does not run in the server, so closing or killing the server does not affect it. The server reads a pipe
    from the training process, which closes however that process ends, and then the server ends too.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self.process = say, None

    process: subprocess.Popen[str] | None

    def __enter__(self) -> BackgroundServer:
        return self

    def begin(self, run_path: str | Path) -> str:
        """Starts the server and prints its address. Raises: ResourceError with its message if it cannot start."""
        command = [sys.executable, "-m", "isthmus", "serve", str(run_path), "--watch", "--until-closed", "--json"]
        # A separate session: Ctrl-C goes to the training, which saves; the page shows that.
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        answer = json.loads(line) if line.startswith("{") else {}
        if "address" not in answer:
            message = answer.get("error", {}).get("message", "the server did not start.")
            raise ResourceError("RESOURCE-SERVE", message, fix="train without --serve, and run `isthmus serve` later")
        self.say(f"watch the training at {answer['address']}")
        return answer["address"]

    def wait(self) -> None:
        """Waits until Ctrl-C, or until the server ends by itself."""
        if self.process is not None:
            self.say("the page stays available until you press Ctrl-C")
            try:
                self.process.wait()
            except KeyboardInterrupt:
                return

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is None:
            return
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        finally:
            self.process.stdout.close()


__all__ = ["BackgroundServer"]
