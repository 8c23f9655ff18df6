"""Connections that do not ask: closed in time, and never in the way of those that do."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from isthmus.web import connections
from isthmus.web.connections import connections as connection_class
from isthmus.web.ports import listening

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
PATIENCE = 20.0  # seconds until a test fails that waits for something


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


@contextlib.contextmanager
def served(app: Any = hello) -> Iterator[int]:
    """A server with our connections in a thread; its port."""
    config = uvicorn.Config(app, log_level="critical", lifespan="off", http=connection_class(), ws="none")
    server = uvicorn.Server(config)
    with listening("127.0.0.1", 0) as sock:
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
    assert not thread.is_alive()


def opened(port: int, sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), PATIENCE)
    made.sendall(sent)
    return made


def answer(port: int) -> bytes:
    with opened(port, HEAD + b"Connection: close\r\n\r\n") as asking:
        return b"".join(iter(lambda: asking.recv(4096), b""))


def is_answered(asking: socket.socket) -> bool:
    """Whether the whole answer comes, which may be in pieces."""
    came = b""
    while not came.endswith(b"hi"):
        piece = asking.recv(4096)
        if not piece:
            return False
        came += piece
    return True


def is_closed(waiting: socket.socket) -> bool:
    """Whether the server closes it within the patience of a test."""
    with contextlib.suppress(ConnectionResetError):
        return waiting.recv(1) == b""
    return True


@pytest.mark.parametrize("sent", [b"", b"GET", HEAD])
def test_fault_97_headers_that_never_end_are_waited_for_so_long_and_no_longer(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.3)
    with served() as port, opened(port, sent) as half_open:
        begun = time.monotonic()
        assert is_closed(half_open)
        assert time.monotonic() - begun < PATIENCE / 2
        assert answer(port).endswith(b"hi")


def test_fault_97_a_byte_now_and_then_buys_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.5)
    with served() as port, opened(port) as dripping:
        dripping.settimeout(0.05)
        until = time.monotonic() + PATIENCE
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() < until:
                dripping.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if dripping.recv(1) == b"":
                        break
        assert time.monotonic() < until


def test_fault_97_the_time_counts_anew_for_every_request_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.5)
    with served() as port, opened(port, HEAD + b"\r\n") as asking:
        assert is_answered(asking)
        asking.sendall(HEAD)
        assert is_closed(asking)


def test_fault_97_a_long_answer_is_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.2)

    async def slowly(scope: Any, receive: Any, send: Any) -> None:
        import asyncio

        await asyncio.sleep(0.8)
        await hello(scope, receive, send)

    with served(slowly) as port:
        assert answer(port).endswith(b"hi")


@pytest.mark.parametrize(("soft", "hard", "most"), [(256, 512, 256), (1_024, 524_288, 1_024), (64, 64, 32)])
def test_fault_97_as_many_wait_as_there_are_files_for(
    soft: int, hard: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [soft, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda which: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda which, given: limits.__setitem__(slice(None), given))
    assert connection_class().most == most
    assert limits[1] == hard


def test_fault_97_those_that_only_wait_give_way_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WAITING", 4)
    with served() as port, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(opened(port, HEAD)) for _ in range(12)]
        assert answer(port).endswith(b"hi")
        assert all(is_closed(one) for one in waiting[:8])
        waiting[-1].sendall(b"\r\n")  # one of the newest may still ask
        assert is_answered(waiting[-1])
