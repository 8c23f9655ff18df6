"""A photograph through the app, in the system's Chromium: chosen, compared, blended, kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image

from browser import SIZES, attached, chromium, needs_chromium, open_page
from isthmus.models.photo import PhotoDenoiser
from isthmus.web.app import build_app
from isthmus.web.guard import Access
from isthmus.web.ports import listening
from isthmus.web.served_photo import ServedPhoto
from served import TOKEN

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with listening("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        app = build_app(ServedPhoto(PhotoDenoiser()), Access(TOKEN, port))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{port}/?token={TOKEN}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    waves = 128 + 60 * np.sin(np.arange(96)[:, None] / 9) * np.cos(np.arange(128) / 11)
    pixels = np.stack([waves, waves[::-1], 200 - waves / 2], -1) + rng.normal(0, 25, (96, 128, 3))
    path = tmp_path_factory.mktemp("photos") / "my holiday.png"
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("size", SIZES)
def test_it_is_compared_blended_and_kept(address: str, photograph: Path, size: str, tmp_path: Path) -> None:
    width, height = SIZES[size]
    with chromium() as browser:
        settings: dict[str, Any] = {"viewport": {"width": width, "height": height}, "accept_downloads": True}
        seen = attached(lambda: open_page(browser, address, settings, ready="body[data-ready]"))
        page = seen.page
        page.set_input_files("#photo-file", photograph)
        page.wait_for_selector("#photo-result:not([hidden])")
        assert "removed" in page.inner_text("#photo-said")
        drawn = "getComputedStyle(document.querySelector('#photo-after'))"
        page.fill("#photo-divider", "20")
        assert page.evaluate(f"{drawn}.clipPath") == "inset(0px 0px 0px 20%)"
        page.fill("#photo-strength", "0.5")
        assert page.evaluate(f"{drawn}.opacity") == "0.5"
        with page.expect_download() as download:
            page.click("#photo-keep")
        assert download.value.suggested_filename == "my holiday-denoised.png"
        download.value.save_as(tmp_path / "kept.png")
        given, kept = (np.asarray(Image.open(path)).astype(float) for path in (photograph, tmp_path / "kept.png"))
        whole = PhotoDenoiser().denoise(given.astype(np.uint8)).astype(float)
        assert np.abs(kept - (given + whole) / 2).max() <= 1
        seen.assert_fits()
        seen.assert_accessible()
        assert seen.said == []
