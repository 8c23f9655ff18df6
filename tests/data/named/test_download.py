"""Downloads against a local server that cuts, corrupts, stalls and refuses; nothing leaves this machine."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from isthmus.data.named.download import fetch
from isthmus.errors import DataError, ResourceError
from isthmus.system.lock import FolderLock

CONTENT = bytes(os.urandom(300_000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
Answer = Callable[["Handler", int], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, int]]  # (path, first byte asked for)
    plans: dict[str, list[Answer]]  # per path, one answer a request; the last one repeats

    def do_GET(self) -> None:
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.asked.append((self.path, first))
        plan = self.plans[self.path]
        self.close_connection = True
        (plan.pop(0) if len(plan) > 1 else plan[0])(self, first)

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def give(self, first: int, body: bytes, *, content: bytes = CONTENT) -> None:
        """The head for everything from `first`, then only `body`."""
        status = 206 if first else 200
        extra = {"Content_Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if first else {}
        self.head(status, Content_Length=len(content) - first, **extra)
        self.wfile.write(body)


def whole(handler: Handler, first: int) -> None:
    handler.give(first, CONTENT[first:])


def without_range(handler: Handler, _: int) -> None:
    handler.give(0, CONTENT)


def cut(n: int) -> Answer:
    return lambda handler, first: handler.give(first, CONTENT[first : first + n])


def corrupt(handler: Handler, first: int) -> None:
    handler.give(first, CONTENT[first:-1] + bytes([CONTENT[-1] ^ 1]))


def refuse(status: int, **headers: object) -> Answer:
    return lambda handler, _: handler.head(status, Content_Length=0, **headers)


def stall(handler: Handler, first: int) -> None:
    handler.give(first, CONTENT[first : first + 70_000])
    handler.wfile.flush()
    time.sleep(1.0)  # longer than the time-out that the test sets


class Server:
    """Mirrors at paths of one server, what they were asked for, and the pauses that were made."""

    def __init__(self, port: int, handler: type[Handler]) -> None:
        self.root, self.handler = f"http://127.0.0.1:{port}", handler
        self.pauses: list[float] = []

    def plan(self, **answers: Answer | list[Answer]) -> list[str]:
        self.handler.plans = {f"/{k}": v if isinstance(v, list) else [v] for k, v in answers.items()}
        return [f"{self.root}/{name}" for name in answers]

    @property
    def asked(self) -> list[tuple[str, int]]:
        return self.handler.asked


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = type("Planned", (Handler,), {"asked": [], "plans": {}})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    http.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are part of these tests
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Server(http.server_address[1], handler)
    http.shutdown()
    thread.join()
    http.server_close()


def get(server: Server, urls: list[str], path: Path, **extra: object) -> Path:
    settings = {"sha256": SHA256, "size": len(CONTENT), "timeout": 5.0, "sleep": server.pauses.append} | extra
    return fetch(urls, path, **settings)  # type: ignore[arg-type]


def assert_complete(path: Path) -> None:
    assert path.read_bytes() == CONTENT
    assert not path.with_name(path.name + ".part").exists()


def test_whole_file_with_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = get(server, server.plan(a=whole), tmp_path / "sub" / "x.gz", progress=lambda *s: seen.append(s))
    assert_complete(path)
    assert seen[-1] == (300_000, 300_000)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert server.pauses == []


def test_a_file_that_is_there_is_not_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"here")
    assert get(server, server.plan(a=refuse(500)), tmp_path / "x").read_bytes() == b"here"
    assert server.asked == []


def test_a_cut_connection_is_resumed_where_it_broke(server: Server, tmp_path: Path) -> None:
    urls = server.plan(a=[cut(100_000), cut(150_000), whole])
    assert_complete(get(server, urls, tmp_path / "x"))
    assert server.asked == [("/a", 0), ("/a", 100_000), ("/a", 250_000)]


def test_a_server_without_ranges_is_read_from_the_start(server: Server, tmp_path: Path) -> None:
    assert_complete(get(server, server.plan(a=[cut(100_000), without_range]), tmp_path / "x"))
    assert server.asked == [("/a", 0), ("/a", 100_000)]


def test_a_part_from_last_time_is_continued(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(CONTENT[:123_456])
    assert_complete(get(server, server.plan(a=whole), tmp_path / "x"))
    assert server.asked == [("/a", 123_456)]


def test_a_complete_part_is_only_checked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(CONTENT)
    assert_complete(get(server, server.plan(a=refuse(500)), tmp_path / "x"))
    assert server.asked == []


def test_a_wrong_part_from_last_time_is_dropped_and_fetched_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(b"\0" * 1000)
    assert_complete(get(server, server.plan(a=whole), tmp_path / "x"))
    assert server.asked == [("/a", 1000), ("/a", 0)]


def test_corrupt_content_goes_to_the_next_mirror(server: Server, tmp_path: Path) -> None:
    assert_complete(get(server, server.plan(a=corrupt, b=whole), tmp_path / "x"))
    assert server.asked == [("/a", 0), ("/b", 0)]


def test_corrupt_everywhere_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="x could not be downloaded") as caught:
        get(server, server.plan(a=corrupt), tmp_path / "x")
    assert "damaged content: sha256 " in caught.value.problems[0]
    assert SHA256[:12] in caught.value.problems[0]
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "x.part").exists()


def test_md5_is_compared_where_only_it_is_known(server: Server, tmp_path: Path) -> None:
    assert_complete(get(server, server.plan(a=corrupt, b=whole), tmp_path / "x", sha256=None, md5=MD5))
    assert server.asked == [("/a", 0), ("/b", 0)]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusals_go_to_the_next_mirror_at_once(server: Server, tmp_path: Path, status: int) -> None:
    assert_complete(get(server, server.plan(a=refuse(status), b=whole), tmp_path / "x"))
    assert server.asked == [("/a", 0), ("/b", 0)]
    assert server.pauses == []


def test_503_is_tried_again_with_growing_pauses_then_the_next_mirror(server: Server, tmp_path: Path) -> None:
    assert_complete(get(server, server.plan(a=refuse(503), b=whole), tmp_path / "x"))
    assert server.asked == [("/a", 0)] * 4 + [("/b", 0)]
    assert server.pauses == [1.0, 2.0, 4.0]


def test_503_says_how_long_to_wait(server: Server, tmp_path: Path) -> None:
    assert_complete(get(server, server.plan(a=[refuse(503, Retry_After=7), whole]), tmp_path / "x"))
    assert server.pauses == [7.0]


def test_a_server_that_wants_too_long_a_pause_is_left(server: Server, tmp_path: Path) -> None:
    assert_complete(get(server, server.plan(a=refuse(429, Retry_After=3600), b=whole), tmp_path / "x"))
    assert server.pauses == []


def test_a_stalled_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    assert_complete(get(server, server.plan(a=[stall, whole]), tmp_path / "x", timeout=0.2))
    assert server.asked[0] == ("/a", 0)
    assert server.asked[1][1] > 0


def test_a_web_page_instead_of_the_file(server: Server, tmp_path: Path) -> None:
    def page(handler: Handler, _: int) -> None:
        handler.head(200, Content_Length=6, Content_Type="text/html")
        handler.wfile.write(b"<html>")

    with pytest.raises(DataError) as caught:
        get(server, server.plan(a=page), tmp_path / "x")
    assert "offers 6 bytes (a web page), but 300,000 are expected" in caught.value.problems[0]


def test_a_server_that_sends_without_end_is_stopped(server: Server, tmp_path: Path) -> None:
    def endless(handler: Handler, _: int) -> None:
        handler.protocol_version = "HTTP/1.0"
        handler.head(200)
        for _ in range(100):
            handler.wfile.write(CONTENT)

    with pytest.raises(DataError) as caught:
        get(server, server.plan(a=endless), tmp_path / "x")
    assert "sent more than the expected 300,000 bytes" in caught.value.problems[0]
    assert not (tmp_path / "x").exists()


def test_a_part_longer_than_their_file_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(b"\0" * 400_000)
    urls = server.plan(a=[refuse(416), whole])
    assert_complete(get(server, urls, tmp_path / "x", size=None))
    assert server.asked == [("/a", 400_000), ("/a", 0)]


def test_all_mirrors_fail_with_one_error_and_the_part_stays(server: Server, tmp_path: Path) -> None:
    urls = [*server.plan(a=cut(10_000), b=refuse(403)), "http://127.0.0.1:9/closed", "ftp://127.0.0.1/x"]
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        get(server, urls, tmp_path / "x")
    problems = caught.value.problems
    assert caught.value.exit_code == 3
    assert "/a: the connection was lost after 40,000 of 300,000 bytes" in problems[0]
    assert "/b: answered 403" in problems[1]
    assert "cannot be reached" in problems[2]
    assert problems[3].endswith("only http and https are supported")
    assert str(tmp_path / "x") in (caught.value.fix or "")
    assert (tmp_path / "x.part").read_bytes() == CONTENT[:40_000]


def test_fault_52_a_full_disk_is_told_before_the_download(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.data.named.download.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(ResourceError, match=r"needs 300\.0 kB more disk space; 1\.0 kB are free"):
        get(server, server.plan(a=whole), tmp_path / "x")
    assert server.asked == []


def test_fault_52_a_disk_that_fills_up_keeps_the_part(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __init__(self, path: Path, mode: str) -> None:
            self.file = path.open(mode)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, block: bytes) -> None:
            if self.file.tell() > 100_000:
                raise OSError(28, "No space left on device")
            self.file.write(block)

        def flush(self) -> None:
            self.file.flush()

    monkeypatch.setattr("isthmus.data.named.download._open", Full)
    with pytest.raises(ResourceError, match="No space left on device"):
        get(server, server.plan(a=whole), tmp_path / "x")
    part = (tmp_path / "x.part").read_bytes()
    assert len(part) > 100_000
    assert part == CONTENT[: len(part)]


def test_fault_53_a_folder_that_may_not_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="cannot be written"):
        get(server, server.plan(a=whole), tmp_path / "file" / "x")


def test_two_at_once_fetch_only_once(server: Server, tmp_path: Path) -> None:
    urls = server.plan(a=whole)
    lock = FolderLock(tmp_path)
    lock.__enter__()
    pauses: list[float] = []
    done: list[Path] = []

    def wait(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(0.01)

    second = threading.Thread(target=lambda: done.append(get(server, urls, tmp_path / "x", sleep=wait)))
    second.start()
    while not pauses:
        time.sleep(0.005)
    (tmp_path / "x").write_bytes(CONTENT)  # what the first process, which holds the lock, has fetched meanwhile
    lock.__exit__(None, None, None)
    second.join(timeout=10)
    assert done == [tmp_path / "x"]
    assert server.asked == []
