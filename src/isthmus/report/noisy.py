"""What a denoiser does: noisy, denoised and clean images on top of each other, and the table of classical filters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from isthmus.cases import finite
from isthmus.pictures import SHOWN, one_of_each, shown
from isthmus.questions import FILTERS
from isthmus.report import tiles
from isthmus.report.markup import number, told
from isthmus.report.material import Material, Section
from isthmus.report.plots import bar

COLUMNS = 5  # images in a line of the picture, so that each can be seen on a phone


def denoising(material: Material) -> Section | None:
    """Ten test images noisy, denoised and clean, and the PSNR of every method; None for plain autoencoders."""
    block = material.metrics.get("denoising")
    if not block or "psnr_db" not in block["noisy"]:
        return None
    content = {"table": _table(block), "pictures": _pictures(material), "noise": block["noise"], "n": block.get("n")}
    return Section("denoising", "Noise in, clean out", "denoising.html", _read(material, block), content)


def _pictures(material: Material) -> dict[str, Any] | None:
    passed, test = material.passed, material.test
    if passed is None or test is None or not material.is_image:
        return None
    rows = one_of_each(test, SHOWN)
    seen = passed.rows(rows)
    images = {"noisy": shown(seen.x_in, seen.x), "denoised": shown(seen.x_hat, seen.x), "clean": shown(seen.x)}
    each = ", ".join(material.class_of(row) or test.id_of(row) for row in rows)
    sheets = {name: tiles.montage(x, COLUMNS) for name, x in images.items()}
    about = {"noisy": "with noise", "denoised": "as this model gives them back", "clean": "as they were"}
    alts = {name: f"{len(rows)} test images ({each}) {about[name]}{_mean_db(images, name)}" for name in sheets}
    size = images["clean"].shape
    lines = -(-len(rows) // COLUMNS)
    return {"sheets": sheets, "alts": alts, "sharp": tiles.is_sharp(size),
            "width": min(len(rows), COLUMNS) * size[3], "height": lines * size[2]}  # fmt: skip


def _mean_db(images: Mapping[str, np.ndarray], name: str) -> str:
    errors = np.square(images[name] - images["clean"]).mean((1, 2, 3))
    return "" if (errors <= 0).any() else f", {told(float(np.mean(-10 * np.log10(errors))))} dB on average"


def _table(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a method, the best first; one whose PSNR is infinite, since it gave an image back exactly, before all."""
    found: list[tuple[str, Mapping[str, Any], str]] = [
        ("noisy, untouched", block["noisy"], ""),
        ("this model", block["denoised"], "ours"),
    ]
    for name, numbers in block.get("baselines", {}).items():
        if isinstance(numbers, Mapping):
            found.append((str(FILTERS.get(name, name)), numbers, _settings(numbers.get("settings"))))
    most = max(_psnr(numbers, 0.0) for _, numbers, _ in found) or 1.0
    found.sort(key=lambda row: -_psnr(row[1], math.inf))
    return [
        {
            "name": name,
            "psnr": number(numbers.get("psnr_db")),
            "ssim": number(numbers.get("ssim")),
            "note": "" if note == "ours" else note,
            "ours": note == "ours",
            "bar": bar(_psnr(numbers, most) / most, "s0" if note == "ours" else "other"),
        }
        for name, numbers, note in found
    ]


def _psnr(numbers: Mapping[str, Any], otherwise: float) -> float:
    value = numbers.get("psnr_db")
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else otherwise


def _settings(settings: Any) -> str:
    if not isinstance(settings, Mapping):
        return ""
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def _read(material: Material, block: Mapping[str, Any]) -> str:
    noisy, ours = block["noisy"].get("psnr_db"), block["denoised"].get("psnr_db")
    said = [
        f"The network is given images with noise ({block['noise']}) and was trained to answer with the clean ones. "
        "Drag the line, or move it with the arrow keys, to lay one over the other.",
        f"PSNR says in decibels how near an image is to the clean one, more is better: on {block.get('n', 0):,} test "
        f"images it goes from {told(noisy) if finite(noisy) else '–'} to {told(ours) if finite(ours) else '–'} dB.",
    ]
    if finite(noisy) and finite(ours):
        said.append(f"That leaves {10 ** ((noisy - ours) / 10):.0%} of the squared error that the noise had made.")
    said.append("The filters below need no training; their settings were chosen for this noise on validation images.")
    return " ".join(said)
