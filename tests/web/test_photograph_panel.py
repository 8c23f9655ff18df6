"""Photographs in the app: cleaned once, judged, blended, kept in their own format; one at a time, and bounded."""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image

from isthmus.api import Run
from isthmus.models.photo import PhotoDenoiser
from isthmus.web.app import build_app
from isthmus.web.guard import Access
from isthmus.web.limits import Limits
from isthmus.web.served_photo import ServedPhoto
from served import PORT, TOKEN, app_of, client

RNG = np.random.default_rng(0)


def packed(pixels: np.ndarray, kind: str = "PNG", **settings: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **settings)
    return file.getvalue()


def smooth(H: int, W: int, noise: float) -> np.ndarray:
    waves = 128 + 60 * np.sin(np.arange(H)[:, None] / 9) * np.cos(np.arange(W) / 11)
    return (waves + RNG.normal(0, noise, (H, W))).clip(0, 255).astype(np.uint8)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.fixture(scope="module")
def served() -> ServedPhoto:
    return ServedPhoto(PhotoDenoiser())


@pytest.fixture
def asked(served: ServedPhoto) -> Any:
    return client(build_app(served, Access(TOKEN, PORT), Limits(pixels=9_000)))


def sent(asked: Any, content: bytes) -> Any:
    return asked.post("/api/photograph", files={"file": ("../x.html", content, "text/html")})


def test_it_is_cleaned_told_of_and_kept_in_its_own_format(asked: Any, served: ServedPhoto) -> None:
    pixels = smooth(70, 90, 20)
    found = sent(asked, packed(pixels, dpi=(300, 300))).json()
    assert (found["height"], found["width"], found["frames"]) == (70, 90, 1)
    assert not found["better_left_alone"]
    assert "removed" in found["said"][0]
    assert opened(base64.b64decode(found["before"].partition(",")[2])).size == (90, 70)
    expected = served.model.denoise(pixels)
    for strength, wanted in ((1, expected), (0, pixels), (0.5, np.round((pixels + expected.astype(float)) / 2))):
        answer = asked.get("/api/photograph/file", params={"key": found["key"], "strength": strength})
        assert answer.headers["content-disposition"] == "attachment; filename=denoised.png"
        kept = opened(answer.content)
        assert np.abs(np.asarray(kept).astype(float) - wanted).max() <= 1
        assert round(kept.info["dpi"][0]) == 300
    assert asked.get("/api/photograph/progress").json() == {"done": 1, "total": 1}


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP"])
def test_formats_stay(asked: Any, kind: str) -> None:
    found = sent(asked, packed(np.stack([smooth(40, 50, 15)] * 3, -1), kind)).json()
    assert opened(asked.get("/api/photograph/file", params={"key": found["key"]}).content).format == kind


def test_black_and_white_alone_is_better_left_alone_as_with_the_command(asked: Any) -> None:
    found = sent(asked, packed(RNG.random((40, 50)) < 0.5)).json()
    assert found["better_left_alone"]
    assert found["said"] == ["only black and white: the denoised picture has grays"]


def test_a_clean_one_is_better_left_alone_and_said_so(asked: Any) -> None:
    found = sent(asked, packed(smooth(70, 90, 0))).json()
    assert found["better_left_alone"]
    assert "better left unchanged" in found["said"][0]


def test_what_is_too_large_or_no_image_is_refused_before_it_is_decoded(asked: Any) -> None:
    large = sent(asked, packed(np.zeros((100, 91), np.uint8)))
    assert (large.status_code, "9,100 pixels" in large.json()["error"]["message"]) == (413, True)
    film = io.BytesIO()
    frames = [Image.new("RGB", (50, 50), (k, 0, 0)) for k in range(4)]
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:])
    assert sent(asked, film.getvalue()).status_code == 413  # four times 2,500
    text = sent(asked, b"<svg onload=alert(1)>")
    assert (text.status_code, "alert" in text.text) == (422, False)
    assert sent(asked, packed(smooth(40, 50, 9))[:300]).status_code == 422
    assert asked.post("/api/photograph").status_code == 400


def test_another_photograph_takes_the_place_of_the_last(asked: Any) -> None:
    first = sent(asked, packed(smooth(40, 50, 9))).json()["key"]
    second = sent(asked, packed(smooth(40, 50, 9))).json()["key"]
    answers = [asked.get("/api/photograph/file", params={"key": key}).status_code for key in (first, second)]
    assert answers == [404, 200]
    assert asked.get("/api/photograph/file", params={"key": second, "strength": 2}).status_code == 400


def test_others_are_answered_while_one_is_worked_on(served: ServedPhoto) -> None:
    app = build_app(served, Access(TOKEN, PORT))
    begun, go_on = threading.Event(), threading.Event()
    real = app.state.photographs.clean

    def slow(content: bytes) -> Any:
        begun.set()
        assert go_on.wait(60)
        return real(content)

    app.state.photographs.clean = slow
    with client(app) as asked:
        answers: list[int] = []
        working = threading.Thread(target=lambda: answers.append(sent(asked, packed(smooth(40, 50, 9))).status_code))
        working.start()
        assert begun.wait(60)
        assert asked.get("/api/about").json()["photographs"] is True
        assert asked.get("/api/photograph/progress").status_code == 200
        go_on.set()
        working.join(60)
    assert answers == [200]


def test_what_photo_has_not_is_said(asked: Any) -> None:
    about = asked.get("/api/about").json()
    assert (about["name"], about["model"], about["photographs"]) == ("photo", False, True)
    answer = asked.post("/api/encode", json={"x": [[0.0]]})
    assert (answer.status_code, "neither a code nor data" in answer.json()["error"]["message"]) == (400, True)


def test_a_run_of_one_size_takes_none(denoiser: Run) -> None:
    asked = client(app_of(denoiser.path))
    assert asked.get("/api/about").json()["photographs"] is False
    answer = sent(asked, packed(smooth(40, 50, 9)))
    assert (answer.status_code, "takes images of one fixed size" in answer.json()["error"]["message"]) == (400, True)
