"""Several runs on one page: their numbers, different settings, cost curves, and reconstructions of the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from isthmus.data.batching.preprocess import Preprocess
from isthmus.evaluation.figures.data_pictures import as_pictures, one_of_each
from isthmus.evaluation.figures.run_pictures import SHOWN
from isthmus.evaluation.verdicts.cases import finite
from isthmus.report import tiles
from isthmus.report.markup import numeral
from isthmus.report.plots import Line
from isthmus.report.run_data import RunData, Section
from isthmus.report.sections.learning_curve import cost_unit, draw, thinned
from isthmus.report.sections.provenance import flat
from isthmus.wording import three_digits

KINDS = 10  # colors of the curves; the eleventh run gets the first color again


class Measure(NamedTuple):
    """A number of a run: its name, its place in metrics.json, and whether "low", "high" or neither is better."""

    name: str
    keys: tuple[str, ...]
    better: str = ""


MEASURES = (
    Measure("mean squared error", ("test", "mse"), "low"),
    Measure("binary cross-entropy", ("test", "bce"), "low"),
    Measure("PSNR, dB", ("test", "psnr_db"), "high"),
    Measure("SSIM", ("test", "ssim"), "high"),
    Measure("PSNR denoised, dB", ("denoising", "denoised", "psnr_db"), "high"),
    Measure("PCA's squared error", ("baselines", "pca", "mse")),
    Measure("numbers in the code", ("z_size",)),
    Measure("weights", ("parameters",)),
    Measure("epochs", ("epochs",)),
    Measure("seconds", ("seconds",)),
)


@dataclass(frozen=True)
class Comparison:
    """The content of the page about several runs."""

    name: str
    sentence: str
    runs: tuple[dict[str, str], ...]
    sections: tuple[Section, ...]
    missing: tuple[str, ...]


def compare(found: Sequence[RunData]) -> Comparison:
    """The page about several runs, with the sections that are possible for them."""
    names = names_of(found)
    makers: tuple[Callable[[Sequence[RunData], Sequence[str]], Section | None], ...] = (
        _numbers, _settings, _curves, _images,
    )  # fmt: skip
    sections = tuple(section for make in makers if (section := make(found, names)) is not None)
    runs = [{"name": name, "kind": f"r{i % KINDS}", "path": str(m.path), "about": _about(m)}
            for i, (name, m) in enumerate(zip(names, found, strict=True))]  # fmt: skip
    missing = tuple(f"{name}: {text}" for name, m in zip(names, found, strict=True) for text in m.missing)
    return Comparison(f"{len(found)} runs", _sentence(found, names), tuple(runs), sections, missing)


def names_of(found: Sequence[RunData]) -> list[str]:
    """The names of the folders, or their full paths if names are equal."""
    names = [m.name for m in found]
    return [name if names.count(name) == 1 else str(m.path) for name, m in zip(names, found, strict=True)]


def _about(run_data: RunData) -> str:
    kind = f"denoiser for {run_data.noise}" if run_data.noise else "autoencoder"
    return f"{kind} on {run_data.metrics['data']['name']}, recipe {run_data.config.recipe}"


def same_test(found: Sequence[RunData]) -> bool:
    """Whether all were tested on the same data."""
    digests = {str((m.record.get("data") or {}).get("test") or m.record.get("data_sha256")) for m in found}
    return len(digests) == 1


def _value(run_data: RunData, keys: Sequence[str]) -> Any:
    value: Any = run_data.metrics
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _sentence(found: Sequence[RunData], names: Sequence[str]) -> str:
    """Which run is best, if they can be compared."""
    if not same_test(found):
        return "These runs were tested on different data, so their numbers cannot be compared."
    if len({m.noise for m in found}) > 1:
        return "These runs were tested with different noise, so their errors cannot be compared."
    errors = sorted(
        (m.metrics["test"]["mse"], n) for m, n in zip(found, names, strict=True) if finite(_value(m, ("test", "mse")))
    )
    if len(errors) < 2:
        return "Fewer than two of these runs have a finite test error."
    (best, name), (second, other) = errors[:2]
    if best <= 0:
        return f"{name} has no error on the test data."
    return (
        f"{name} has the lowest error on the same test data: a mean squared error of {three_digits(best)}. {other} has "
        f"{three_digits(second)}, which is {three_digits(second / best)} times as much."
    )


def _numbers(found: Sequence[RunData], names: Sequence[str]) -> Section:
    comparable = same_test(found) and len({m.noise for m in found}) == 1
    measures = [m for m in MEASURES if _worth_a_column(found, m)]
    best = {m.name: _best(found, m) if comparable else None for m in measures}
    rows = [
        {"name": name, "kind": f"r{i % KINDS}", "cells": [
            {"value": numeral(_value(run, m.keys)), "best": _value(run, m.keys) == best[m.name] is not None}
            for m in measures
        ]}
        for i, (name, run) in enumerate(zip(names, found, strict=True))
    ]  # fmt: skip
    n = {run.metrics["data"]["n_test"] for run in found}
    on = f"on {n.pop():,} test samples each" if len(n) == 1 else "each on its own test data"
    read = f"One row per run, measured {on}. "
    read += "The best value of a column is bold; another seed could change the third digit."
    if not comparable:
        read = (
            f"One row per run, measured {on}. No value is marked as best, because the runs were measured differently."
        )
    return Section("numbers", "Numbers", "numbers.html", read, {"heads": [m.name for m in measures], "rows": rows})


def _worth_a_column(found: Sequence[RunData], measure: Measure) -> bool:
    """Whether any run has it; for a measure without a better direction, whether the runs differ."""
    values = [v for run in found if finite(v := _value(run, measure.keys))]
    return bool(values) and (bool(measure.better) or len(set(values)) > 1 or len(values) < len(found))


def _best(found: Sequence[RunData], measure: Measure) -> Any:
    values = [v for run in found if finite(v := _value(run, measure.keys))]
    if not measure.better or len(set(values)) < 2:
        return None
    return min(values) if measure.better == "low" else max(values)


def _settings(found: Sequence[RunData], names: Sequence[str]) -> Section:
    every = [{"recipe": m.config.recipe} | flat(m.config) for m in found]
    keys = list(dict.fromkeys(key for values in every for key in values))
    rows = [(key, [values.get(key, "–") for values in every]) for key in keys
            if len({values.get(key) for values in every}) > 1]  # fmt: skip
    differ = "setting differs" if len(rows) == 1 else "settings differ"
    everywhere = "both runs" if len(found) == 2 else f"all {len(found)} runs"
    read = f"{len(rows)} {differ}; the other {len(keys) - len(rows)} are the same in {everywhere}."
    if not rows:
        read = f"All {len(keys)} settings are the same, so the runs differ only by chance, machine or data."
    return Section("settings", "What differs", "differences.html", read, {"names": list(names), "rows": rows})


def _curves(found: Sequence[RunData], names: Sequence[str]) -> Section | None:
    """The validation costs of the runs whose cost has the same unit as that of the first run."""
    unit = cost_unit(found[0])
    lines, left = [], []
    for i, (name, run_data) in enumerate(zip(names, found, strict=True)):
        rows = [row for row in thinned(run_data.history) if finite(row.get("validation_cost"))]
        if cost_unit(run_data) != unit:
            left.append(name)
        elif rows:
            ys = [row["validation_cost"] for row in rows]
            lines.append(Line(name, [row["epoch"] for row in rows], ys, f"r{i % KINDS}"))
    drawn = draw(lines, [])
    if drawn is None:
        return None
    values, script = drawn
    ends = ", ".join(f"{line.name} {three_digits(line.ys[-1])}" for line in lines)
    read = f"The validation cost ({unit}) of each run by epoch; lower is better. The last values are: {ends}."
    if left:
        read += f" Left out, because they use another cost: {', '.join(left)}."
    if not same_test(found):
        read += " The runs used different data, so only the shapes of the curves can be compared."
    return Section("curves", "Learning curves", "training.html", read, values | {"best": None, "unit": unit}, script)


def _images(found: Sequence[RunData], names: Sequence[str]) -> Section | None:
    """Test images of the first run, and their reconstructions by all runs with the same test data."""
    first = found[0]
    if first.passed is None or first.test is None or not first.is_image or not same_test(found):
        return None
    chosen = one_of_each(first.test, SHOWN)
    titles = [first.class_of(row) or first.test.id_of(row) for row in chosen]
    seen = first.passed.rows(chosen)
    of = first.passed.model.preprocess
    rows = [_row("original", seen.x, titles, of)]
    noisy = [m for m in found if m.noise]
    if len(noisy) == len(found) and len({(m.noise, m.config.training.seed) for m in found}) == 1:
        rows.append(_row("with noise", seen.x_in, titles, of))
    for name, run_data in zip(names, found, strict=True):
        if run_data.passed is not None and run_data.passed.data.shape == first.passed.data.shape:
            of = run_data.passed.model.preprocess
            rows.append(_row(name, run_data.passed.rows(chosen).x_hat, titles, of, seen.x))
    if len(rows) < 2:
        return None
    read = f"The same {len(chosen)} test images in every row: the originals, then the output of each run. "
    read += "The number next to a name is the mean squared error on these images."
    if noisy:
        each = (
            "each run"
            if len(noisy) == len(found)
            else " and ".join(n for n, m in zip(names, found, strict=True) if m.noise)
        )
        read += f" The input of {each} was noisy."
    content = {"rows": rows, "sharp": tiles.is_sharp(seen.x.shape)}
    return Section("images", "The same images", "images.html", read, content)


def _row(
    name: str, images: torch.Tensor, titles: Sequence[str], of: Preprocess, x: torch.Tensor | None = None
) -> dict[str, Any]:
    errors = [None] * len(images) if x is None else (images - x).square().flatten(1).mean(1).tolist()
    alts = [
        f"{title}, {name}" + ("" if e is None else f", error {three_digits(e)}")
        for title, e in zip(titles, errors, strict=True)
    ]
    mean = None if x is None else numeral(float(np.mean([e for e in errors if e is not None])))
    return {
        "title": name,
        "pictures": list(zip(tiles.tiles(as_pictures(images, of=of)), alts, strict=True)),
        "mean": mean,
    }
