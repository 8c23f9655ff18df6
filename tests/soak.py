"""Half-open, slow and honest clients of one served run; a separate program, started by a test.

python tests/soak.py RUN SECONDS

Prints one JSON object: what each kind of client did and got, and what the server was left with.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CROWD = 400  # half-open connections at a time; an earlier version of the app was blocked by 256
HONEST, SLOW = 3, 3  # number of threads
PATIENCE = 60.0  # seconds that an honest client waits for an answer
ODD = ("127.0.0.1:²", f"127.0.0.1:{'8' * 5_000}", "evil.example", "127.0.0.1:\xd9\xa8", "")


@contextlib.contextmanager
def served(run: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Runs `isthmus serve` in a separate process; returns its output and its process id."""
    command = [sys.executable, "-m", "isthmus", "serve", run, "--port", "0", "--json", "--until-closed"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield json.loads(process.stdout.readline()), process.pid
        assert process.poll() is None, "the server has ended"
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()


class Clients:
    """All clients of one server; `counts` are the outcomes of their requests."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.counts: Counter[str] = Counter()
        self.longest, self.done = 0.0, threading.Event()
        self._lock = threading.Lock()

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def head(self, host: str | None = None, path: str = "/api/about") -> bytes:
        lines = [f"GET {path} HTTP/1.1", f"Host: {f'127.0.0.1:{self.port}' if host is None else host}"]
        return "\r\n".join([*lines, f"Authorization: Bearer {self.token}", "Connection: close", "", ""]).encode(
            "latin-1"
        )

    def status(self, sent: Callable[[socket.socket], None]) -> str:
        """The status of the answer to `sent`, or how it failed."""
        try:
            with self.connected() as asking:
                sent(asking)
                came = b"".join(iter(lambda: asking.recv(65_536), b""))
            return came.split(b" ", 2)[1].decode() if came else "nothing"
        except OSError as error:
            return type(error).__name__

    def honest(self) -> None:
        """Sends one request after the other, as a script does."""
        while not self.done.is_set():
            begun = time.monotonic()
            self.count(f"honest {self.status(lambda asking: asking.sendall(self.head()))}")
            self.longest = max(self.longest, time.monotonic() - begun)

    def slow(self) -> None:
        """Sends its headers in pieces, over half a second."""

        def slowly(asking: socket.socket) -> None:
            head = self.head()
            for start in range(0, len(head), 40):
                asking.sendall(head[start : start + 40])
                self.done.wait(0.1)

        while not self.done.is_set():
            self.count(f"slow {self.status(slowly)}")

    def odd(self) -> None:
        """Sends other host names, also with invalid digits."""
        while not self.done.is_set():
            for host in ODD:
                self.count(f"odd {self.status(lambda asking, host=host: asking.sendall(self.head(host)))}")

    def half_open(self) -> None:
        """Holds many connections without requests open, and replaces those that the server closes."""
        crowd: list[socket.socket] = []
        while not self.done.is_set():
            for one in [one for one in crowd if is_closed(one)]:
                crowd.remove(one)
                one.close()
                self.count("half-open closed")
            with contextlib.suppress(OSError):
                while len(crowd) < CROWD and not self.done.is_set():
                    crowd.append(self.connected())
                    crowd[-1].sendall(self.head()[: len(crowd) % 90])
                    crowd[-1].setblocking(False)
                    self.count("half-open opened")
            self.done.wait(0.05)
        for one in crowd:
            one.close()


def is_closed(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def files_of(process: int) -> int:
    """How many files and connections a process has open, if the system knows."""
    folder = Path(f"/proc/{process}/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def main(run: str, seconds: float) -> None:
    with served(run) as (told, process):
        clients = Clients(told["port"], told["token"])
        before = files_of(process)
        kinds = [clients.half_open, clients.odd, *[clients.honest] * HONEST, *[clients.slow] * SLOW]
        threads = [threading.Thread(target=kind) for kind in kinds]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        most = files_of(process)
        clients.done.set()
        for thread in threads:
            thread.join(PATIENCE)
        last = clients.status(lambda asking: asking.sendall(clients.head()))
    found = {"counts": dict(sorted(clients.counts.items())), "longest": round(clients.longest, 3)}
    print(json.dumps(found | {"files": most - before, "last": last}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
