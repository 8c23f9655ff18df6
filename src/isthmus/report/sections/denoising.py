"""What a denoiser does: noisy, denoised and clean images on top of each other, and the table of simple filters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from isthmus.evaluation.figures.data_pictures import as_pictures, one_of_each
from isthmus.evaluation.figures.figures import enlarged
from isthmus.evaluation.figures.run_pictures import SHOWN
from isthmus.evaluation.verdicts.cases import finite
from isthmus.evaluation.verdicts.questions import FILTERS
from isthmus.report import tiles
from isthmus.report.markup import numeral
from isthmus.report.plots import bar
from isthmus.report.run_data import RunData, Section
from isthmus.report.sections.headline import measure_of
from isthmus.wording import three_digits

NO_TRUTH = (
    "The network was trained on noisy images alone, as no clean ones exist, so nothing here is measured against the "
    "truth. What was taken away should look like noise: where edges or textures show in it, the picture has lost them. "
    "The errors in the table are those of guessing noisy pixels that were left out; they hold the noise of those "
    "pixels, alike for every method."
)
FEW = 3  # images that are shown larger, since they leave room beside each other
COLUMNS = 5  # images in a line of the picture, so that each can be seen on a phone


def denoising(run_data: RunData) -> Section | None:
    """Ten test images noisy, denoised and clean, and the PSNR or error of every method; None for plain autoencoders."""
    block = run_data.metrics.get("denoising")
    if not block:
        return None
    content = {"table": _table(block), "pictures": _pictures(run_data), "noise": block["noise"], "n": block.get("n")}
    content |= {"measure": measure_of(block).name, "samples": f"{run_data.sample}s"}
    return Section("denoising", "Denoising: noise in, clean out", "denoising.html", _read(run_data, block), content)


def _pictures(run_data: RunData) -> dict[str, Any] | None:
    passed, test = run_data.passed, run_data.test
    if passed is None or test is None or not run_data.is_image:
        return None
    rows = one_of_each(test, SHOWN)
    seen = passed.rows(rows)
    images = {
        "noisy": as_pictures(seen.x_in, seen.x, of=passed.model.preprocess),
        "denoised": as_pictures(seen.x_hat, seen.x, of=passed.model.preprocess),
        "clean": as_pictures(seen.x, of=passed.model.preprocess),
    }
    if not run_data.metrics["denoising"].get("truth", True):
        del images["clean"]
        images["taken away"] = enlarged(images["noisy"], images["denoised"])[0]
    each = ", ".join(run_data.class_of(row) or test.id_of(row) for row in rows)
    columns, side = min(COLUMNS, len(rows)), tiles.SIDE if len(rows) <= FEW else tiles.SIDE // 2
    sheets = {name: tiles.montage(x, columns, side=side) for name, x in images.items()}
    about = {"noisy": "with noise", "denoised": "as this model gives them back", "clean": "as they were"}
    about |= {"taken away": "minus the model's output, with the contrast raised"}
    alts = {name: f"{len(rows)} test images ({each}) {about[name]}{_mean_db(images, name)}" for name in sheets}
    size = images["noisy"].shape
    lines = -(-len(rows) // columns)
    return {"sheets": sheets, "alts": alts, "sharp": tiles.is_sharp(size),
            "width": columns * size[3], "height": lines * size[2]}  # fmt: skip


def _mean_db(images: Mapping[str, np.ndarray], name: str) -> str:
    if "clean" not in images:
        return ""
    errors = np.square(images[name] - images["clean"]).mean((1, 2, 3))
    return "" if (errors <= 0).any() else f", {three_digits(float(np.mean(-10 * np.log10(errors))))} dB on average"


def _table(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a method, the best first; what is not finite (an image given back exactly) before all."""
    by = measure_of(block)
    found: list[tuple[str, Mapping[str, Any], str]] = [
        ("noisy, untouched", block["noisy"], ""),
        ("this model", block["denoised"], "ours"),
    ]
    for name, numbers in block.get("baselines", {}).items():
        if isinstance(numbers, Mapping):
            found.append((str(FILTERS.get(name, name)), numbers, _settings(numbers.get("settings"))))
    known = [float(v) for _, numbers, _ in found if finite(v := numbers.get(by.key)) and v is not None]
    most = max(known, default=1.0) or 1.0
    extreme = by.best(-math.inf, math.inf)

    def value(numbers: Mapping[str, Any], otherwise: float) -> float:
        given = numbers.get(by.key)
        return float(given) if given is not None and finite(given) else otherwise

    found.sort(key=lambda row: value(row[1], extreme), reverse=by.best is max)
    return [
        {
            "name": name,
            "value": numeral(numbers.get(by.key)),
            "ssim": numeral(numbers["ssim"]) if "ssim" in numbers else None,
            "note": "" if note == "ours" else note,
            "ours": note == "ours",
            "bar": bar(value(numbers, most) / most, "s0" if note == "ours" else "other"),
        }
        for name, numbers, note in found
    ]


def _settings(settings: Any) -> str:
    if not isinstance(settings, Mapping):
        return ""
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def _read(run_data: RunData, block: Mapping[str, Any]) -> str:
    if not block.get("truth", True):
        return NO_TRUTH
    by = measure_of(block)
    noisy, ours = block["noisy"].get(by.key), block["denoised"].get(by.key)
    said = [
        f"The network is given {run_data.sample}s with noise "
        + ("of their own" if block["noise"] == "pairs" else f"({block['noise']})")
        + " and was trained to answer with the clean ones."
    ]
    if run_data.is_image:
        said.append("Drag the line, or move it with the arrow keys, to lay one over the other.")
    before, after = (three_digits(v) if v is not None and finite(v) else "–" for v in (noisy, ours))
    on = f"on {block.get('n') or 0:,} test {run_data.sample}s it goes from {before} to {after}"
    if by.unit:
        said.append(f"PSNR says in decibels how near an image is to the clean one, more is better: {on} dB.")
    else:
        said.append(f"The mean squared error is the distance from the clean {run_data.sample}s, less is better: {on}.")
    if noisy is not None and ours is not None and finite(noisy) and finite(ours):
        left = 10 ** ((noisy - ours) / 10) if by.unit else ours / (noisy or 1.0)
        said.append(f"That leaves {left:.0%} of the squared error that the noise had made.")
    said.append(f"The other methods were fitted to this very noise, without a look at the test {run_data.sample}s.")
    return " ".join(said)
