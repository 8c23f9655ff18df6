"""Make the screenshots of the README: the page of a run and the app, as they look on a desktop and a phone.

python benchmarks/make_screenshots.py                    trains a denoiser in a temporary folder, 2 minutes
python benchmarks/make_screenshots.py RUN                takes the page of a finished run

It needs Chromium (`apt-get install chromium`) and the extra `dev`.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import sync_playwright

import isthmus

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"


class Shot(NamedTuple):
    """A window of width x height that starts at the section `at`, in light or dark."""

    name: str
    size: tuple[int, int]
    at: str
    scheme: str


SHOTS = (
    Shot("report.png", (1280, 1280), "", "light"),
    Shot("report-denoising.png", (1280, 1280), "denoising", "light"),
    Shot("report-phone.png", (390, 1170), "", "dark"),
)


APP = (
    Shot("serve.png", (1280, 1280), "draw", "light"),
    Shot("serve-map.png", (1280, 1280), "map", "dark"),
    Shot("serve-phone.png", (390, 1170), "draw", "dark"),
)


def take_app(browser: Any, run: Path) -> None:
    """The app of a run, with a drawn digit in it."""
    command = [sys.executable, "-m", "isthmus", "serve", str(run), "--json", "--until-closed"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        for shot in APP:
            print(f"{shot.name:<24}{take(browser, address, shot, draw_a_three):>8,} bytes")
        server.terminate()


def draw_a_three(page: Any) -> None:
    """Draws as a person would, and waits until everything has responded."""
    page.wait_for_selector("#drawn img", timeout=120_000)
    page.locator("input[value=tsne]").check()
    page.wait_for_function("() => document.querySelector('#map-told').textContent.includes('t-SNE')", timeout=120_000)
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    bows = ((0.42, 0.33, 0.14, 3.6), (0.42, 0.63, 0.17, -1.6))
    for k, (x, y, radius, start) in enumerate(bows):
        for i in range(25):
            angle = start + i / 24 * (6.9 - start if k == 0 else 4.1)
            at = x + radius * math.cos(angle), y + radius * math.sin(angle)
            page.mouse.move(box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"])
            if i == 0:
                page.mouse.down()
        page.mouse.up()
    page.wait_for_timeout(2_000)


def take(browser: Any, page_of: Path | str, shot: Shot, prepare: Any = None) -> int:
    """Writes one screenshot in 256 colors, little fewer than these pages have; returns its size in bytes."""
    width, height = shot.size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=shot.scheme)
    page = context.new_page()
    page.goto(page_of if isinstance(page_of, str) else page_of.resolve().as_uri())
    if prepare is not None:
        prepare(page)
    if shot.at:
        page.evaluate("id => document.getElementById(id)?.scrollIntoView({behavior: 'instant'})", shot.at)
    target = PICTURES / shot.name
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            target, optimize=True
        )
    context.close()
    return target.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", nargs="?", type=Path, help="the run folder of a denoiser")
    run = parser.parse_args().run
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("there is no chromium here; apt-get install chromium")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        if run is None:
            run = isthmus.train(noise="gaussian:0.5", out=Path(folder, "mnist-2k-modern-gaussian-1")).path
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for shot in SHOTS:
            print(f"{shot.name:<24}{take(browser, run / 'report.html', shot):>8,} bytes")
        take_app(browser, run)
        browser.close()


if __name__ == "__main__":
    main()
