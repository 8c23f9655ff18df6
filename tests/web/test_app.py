"""The application as a whole: names of files, uploads that are no images, paths out of the run, panels."""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.api import Run
from isthmus.runs.folder import RunFolder
from served import app_of, client, png

NAMES = ["../../x.png", "..\\..\\x.png", "/etc/passwd", "C:\\x.png", "a\x00b.png", "CON", "x" * 300, "<script>.png"]


@pytest.fixture(scope="module")
def asked(denoiser: Run) -> Any:
    return client(app_of(denoiser.path))


@pytest.mark.parametrize("name", NAMES)
def test_fault_74_the_name_of_an_upload_is_never_used(asked: Any, denoiser: Run, name: str, tmp_path: Path) -> None:
    before = sorted(denoiser.path.rglob("*"))
    picture = png(np.full((28, 28), 9, np.uint8))
    answer = asked.post("/api/encode", files={"files": (name, picture, "image/png")})
    plain = asked.post("/api/encode", files={"files": ("x.png", picture, "image/png")})
    assert answer.json() == plain.json()
    assert sorted(denoiser.path.rglob("*")) == before


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "image/png"])
def test_fault_79_html_and_svg_are_no_images_and_never_come_back(asked: Any, kind: str) -> None:
    for text in (b"<html><script>alert(1)</script>", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'):
        answer = asked.post("/api/reconstruct", files={"files": ("a.svg", text, kind)})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/json"
        assert "alert" not in answer.text


def test_fault_79_an_image_is_made_anew_and_its_extras_do_not_come_back(asked: Any) -> None:
    packed = png(np.full((28, 28), 50, np.uint8)) + b"<script>alert(1)</script>"
    answer = asked.post("/api/reconstruct", files={"files": ("a.png", packed)}, headers={"Accept": "image/png"})
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content.startswith(b"\x89PNG")
    assert b"script" not in answer.content


OUTSIDE = [
    "../run.json",
    "%2e%2e%2frun.json",
    "run.json",
    "config.toml",
    "model",
    ".lock",
    "sanity.png",
    "/etc/passwd",
    "a%00",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_fault_80_only_known_names_of_the_run_are_served(asked: Any, name: str) -> None:
    assert asked.get(f"/run/{name}").status_code in {404, 405}
    assert asked.get(f"/static/{name}").status_code in {404, 405}


def test_fault_80_a_link_out_of_the_run_is_not_followed(copy: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    for name in ("sanity.png", "report.html"):
        (copy / name).unlink(missing_ok=True)
        (copy / name).symlink_to(secret)
    for name in ("sanity", "report"):
        answer = client(app_of(copy)).get(f"/run/{name}")
        assert (answer.status_code, b"secret" in answer.content) == (404, False)


def test_fault_80_a_number_beyond_the_codes_is_404(digit_run: Run) -> None:
    found = client(app_of(digit_run.path))
    assert found.get("/api/codes/999999").status_code == 404
    assert found.get("/api/codes/-1").status_code == 404
    assert found.get("/api/codes/0").json()["z"] == pytest.approx(digit_run.latent.codes[0].tolist())


def test_fault_79_the_report_is_shown_in_a_sandbox(digit_run: Run) -> None:
    answer = client(app_of(digit_run.path)).get("/run/report")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "allow-same-origin" not in policy


def test_the_page_asks_for_nothing_but_its_own_files(asked: Any) -> None:
    page = asked.get("/").text
    links = re.findall(r'(?:href|src)="([^"#]+)"', page)
    assert set(links) >= {"/static/style.css", "/static/app.css", "/static/app.js"}
    for link in links:
        assert link == "data:," or asked.get(link).status_code in {200, 404}, link
    assert not re.search(r"<style|style=|<script>|\son\w+=", page)


def test_every_script_that_is_imported_is_served(asked: Any) -> None:
    folder = resources.files("isthmus.web") / "static"
    for path in folder.iterdir():
        if path.name != "index.html":
            answer = asked.get(f"/static/{path.name}")
            assert (answer.status_code, answer.content) == (200, path.read_bytes())


def test_a_run_without_a_model_is_watched_and_says_why_it_cannot_be_played(copy: Path) -> None:
    shutil.rmtree(copy / "model")
    found = client(app_of(copy))
    assert found.get("/api/about").json()["model"] is False
    answer = found.get("/api/model")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "MODEL-MISSING")


def test_panels_say_why_a_model_cannot_serve_them(digit_run: Run, denoiser: Run) -> None:
    told = client(app_of(digit_run.path)).get("/api/model").json()
    assert "trained without noise" in told["reasons"]["denoise"]
    assert told["reasons"]["code"] is None
    assert client(app_of(denoiser.path)).get("/api/model").json()["reasons"]["denoise"] is None


def test_units_come_in_the_order_of_what_they_move(digit_run: Run) -> None:
    units = client(app_of(digit_run.path)).get("/api/model").json()["units"]
    moved = [u["movement"] for u in units]
    assert moved == sorted(moved, reverse=True)
    assert sorted(u["unit"] for u in units) == list(range(12))
    assert [u["unit"] for u in units] == digit_run.traverse().units.tolist()
    latent = RunFolder(digit_run.path).latent
    for u in units:
        mean, deviation = latent.mean[u["unit"]], latent.std[u["unit"]]
        assert u["ends"] == pytest.approx([mean - 3 * deviation, mean + 3 * deviation], rel=1e-5)
