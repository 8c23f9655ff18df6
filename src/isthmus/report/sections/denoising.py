"""The results of a denoiser: noisy, denoised and clean images to compare, and a table with simple filters."""

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
    "The network was trained only on noisy images, because there are no clean ones, so nothing here is compared with "
    "clean images. What was removed should look like noise: edges or textures in it are missing from the result. "
    "The errors in the table come from predicting noisy pixels that were left out; they include the noise of those "
    "pixels, which is the same for all methods."
)
FEW = 3  # up to this number, images are shown larger
COLUMNS = 5  # images per row of the picture, so that they are large enough on a phone


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
        images["removed"] = enlarged(images["noisy"], images["denoised"])[0]
    each = ", ".join(run_data.class_of(row) or test.id_of(row) for row in rows)
    columns, side = min(COLUMNS, len(rows)), tiles.SIDE if len(rows) <= FEW else tiles.SIDE // 2
    sheets = {name: tiles.montage(x, columns, side=side) for name, x in images.items()}
    about = {"noisy": "with noise", "denoised": "denoised by this model", "clean": "without noise"}
    about |= {"removed": "minus the model's output, with increased contrast"}
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
    """One row per method, the best first; values that are not finite (a perfect copy) come first."""
    by = measure_of(block)
    found: list[tuple[str, Mapping[str, Any], str]] = [
        ("noisy input", block["noisy"], ""),
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
    noise = "" if block["noise"] == "pairs" else f" ({block['noise']})"
    said = [f"The network gets noisy {run_data.sample}s{noise} and was trained to return the clean ones."]
    if run_data.is_image:
        said.append("Drag the line, or use the arrow keys, to compare two pictures.")
    before, after = (three_digits(v) if v is not None and finite(v) else "–" for v in (noisy, ours))
    on = f"On {block.get('n') or 0:,} test {run_data.sample}s it goes from {before} to {after}"
    if by.unit:
        said.append(f"PSNR, in decibels, says how close an image is to the clean one; higher is better. {on} dB.")
    else:
        said.append(f"The mean squared error is measured against the clean {run_data.sample}s; lower is better. {on}.")
    if noisy is not None and ours is not None and finite(noisy) and finite(ours):
        left = 10 ** ((noisy - ours) / 10) if by.unit else ours / (noisy or 1.0)
        said.append(f"This leaves {left:.0%} of the squared error caused by the noise.")
    said.append(f"The other methods were tuned for this noise, without using the test {run_data.sample}s.")
    return " ".join(said)
