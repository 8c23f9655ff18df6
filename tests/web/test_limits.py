"""More than a request may bring is 413 with the limit, and what drips too slowly 408."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.api import Run
from isthmus.web.limits import Limits, Metered
from served import app_of, client, png, uri

SMALL = Limits(n_bytes=20_000, files=3, samples=4, pixels=5_000, seconds=0.2)


@pytest.fixture(scope="module")
def small(denoiser: Run) -> Any:
    return client(app_of(denoiser.path, SMALL))


def assert_refused(answer: Any, limit: str) -> None:
    assert answer.status_code == 413
    assert limit in answer.json()["error"]["message"]


def test_fault_75_too_many_bytes_by_their_own_word(small: Any) -> None:
    assert_refused(small.post("/api/encode", content=b"x" * 20_001), "20,000 bytes")


def test_fault_75_too_many_bytes_that_come_in_pieces(small: Any) -> None:
    assert_refused(small.post("/api/encode", content=(b"x" * 1_000 for _ in range(21))), "20,000 bytes")


def test_fault_75_too_many_files_fields_samples_and_pixels(small: Any) -> None:
    picture = png(np.zeros((28, 28), np.uint8))
    assert_refused(small.post("/api/encode", files=[("files", ("a.png", picture))] * 4), "3 files")
    assert_refused(
        small.post("/api/encode", files=[("files", ("a.png", picture))], data={f"f{i}": "x" for i in range(70)}),
        "64 fields",
    )
    assert_refused(small.post("/api/encode", json={"images": [uri(np.zeros((2, 2), np.uint8))] * 4}), "the limit is 3")
    assert_refused(small.post("/api/encode", json={"x": [[0] * 784] * 5}), "the limit is 4")
    assert_refused(small.post("/api/decode", json={"z": [[0] * 4] * 5}), "the limit is 4")
    assert_refused(
        small.post("/api/encode", files={"files": ("a.png", png(np.zeros((71, 71), np.uint8)))}), "the limit is 5,000"
    )


def test_fault_75_images_are_counted_together(denoiser: Run) -> None:
    asked = client(app_of(denoiser.path, Limits(pixels_together=2_000)))
    picture = np.zeros((28, 28), np.uint8)
    picture[9:20, 9:20] = 255
    assert asked.post("/api/encode", json={"images": [uri(picture)] * 2}).status_code == 200
    assert_refused(asked.post("/api/encode", json={"images": [uri(picture)] * 3}), "2,000 pixels in total")
    assert_refused(asked.post("/api/encode", files=[("files", ("a.png", png(picture)))] * 3), "2,000 pixels in total")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=z"])
def test_a_form_that_cannot_be_read_is_no_matter_of_size(small: Any, kind: str) -> None:
    answer = small.post("/api/encode", content=b"x" * 100, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "USAGE-FORM")


def test_fault_75_a_bomb_is_known_by_its_header(small: Any) -> None:
    bomb = bytearray(png(np.zeros((28, 28), np.uint8)))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2  # sizes in the header; the pixels were never there
    assert small.post("/api/encode", files={"files": ("a.png", bytes(bomb))}).status_code in {413, 422}


def drip(pause: float) -> tuple[int, list[bytes]]:
    """The status of a request whose body comes a byte each `pause` seconds."""
    sent: list[dict[str, Any]] = []

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(asyncio.wait_for(Metered(reads, SMALL)(scope, receive, send), 20))
    return sent[0]["status"], [m.get("body", b"") for m in sent]


def test_fault_75_a_slow_drip_is_cut_off() -> None:
    status, bodies = drip(0.05)
    assert status == 408
    assert b"0.2 s" in b"".join(bodies)


def test_fault_75_nothing_stays_on_disk(small: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for files in ([("files", ("a.png", b"x" * 9_000))], [("files", ("a.png", b"x" * 9_000))] * 4):
        assert small.post("/api/encode", files=files).status_code in {413, 422}
    assert list(tmp_path.iterdir()) == []


def test_the_length_of_a_request_is_a_number(small: Any) -> None:
    for length in ("-1", "9" * 5_000):
        answer = small.post("/api/encode", content=b"", headers={"Content-Length": length})
        assert re.search("the limit", answer.json()["error"]["message"])


def test_fault_97_requests_beyond_what_is_answered_at_once_are_told_to_come_again() -> None:
    sent: list[dict[str, Any]] = []

    async def both() -> None:
        let_go = asyncio.Event()

        async def waits(scope: Any, receive: Any, send: Any) -> None:
            await let_go.wait()

        async def send(message: Any) -> None:
            sent.append(message)

        metered = Metered(waits, Limits(at_once=1))
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        first = asyncio.create_task(metered(scope, asyncio.Event().wait, send))
        await asyncio.sleep(0)
        await metered(scope, asyncio.Event().wait, send)
        let_go.set()
        await first
        await metered(scope, asyncio.Event().wait, send)  # the place is free again, and `waits` says nothing

    asyncio.run(both())
    assert [m.get("status") for m in sent] == [503, None]
    assert b"try again in a moment" in sent[1]["body"]
