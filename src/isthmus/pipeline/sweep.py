"""`isthmus sweep`: the error for each value of a setting, often the code size, compared with PCA; chooses a value."""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.config import SPELLED, is_list
from isthmus.data.named.catalog import name_of
from isthmus.data.tables.writing import write_table
from isthmus.errors import IsthmusError, UsageError
from isthmus.evaluation.figures import canvas
from isthmus.evaluation.figures.charts import errors_against
from isthmus.pipeline import run_batches
from isthmus.runs.folder import RunFolder
from isthmus.settings import merge, parse_sets, where_is
from isthmus.system import files
from isthmus.training.display import AbstractDisplay, display_of
from isthmus.wording import number

# A doubling is not worth its cost if it explains less than this additional share of the variance: 0.01 is about the
# smallest visible difference in the reconstructions of digits (0.0007 of MSE), and far above the spread between seeds.
PAYS = 0.01
MOST_VALIDATION = 2_000  # samples on which the size is chosen: enough to know their mean error to 2 %


@dataclass(frozen=True)
class Point:
    """One run: its settings, errors per value, and PCA's on the same test data with one component per code unit."""

    name: str
    values: tuple[str, ...]
    validation_mse: float
    test_mse: float
    mean_mse: float
    pca_mse: float | None
    parameters: int
    seconds: float


@dataclass(frozen=True)
class Scan:
    """`points` in the order of the grid of `names`; `choice` is the chosen value of the first setting, or None."""

    folder: Path
    data: str
    names: tuple[str, ...]
    points: tuple[Point, ...]
    failed: Mapping[str, str]
    choice: str | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        about = {"out": str(self.folder), "data": self.data, "settings": list(self.names)}
        points = [
            {"run": p.name, **dict(zip(self.names, p.values, strict=True))}
            | {key: getattr(p, key) for key in NUMBERS}
            for p in self.points
        ]  # fmt: skip
        return about | {
            "points": points, "failed": dict(self.failed), "choice": self.choice, "reason": self.reason,
        }  # fmt: skip


NUMBERS = ("validation_mse", "test_mse", "mean_mse", "pca_mse", "parameters", "seconds")


def sweep(
    grid: Sequence[str], data: str = "mnist-2k", *, recipe: str = "modern", out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None, show: bool | AbstractDisplay = True,
) -> Scan:  # fmt: skip
    """Trains a run for each combination of `grid`, such as ["z_size=2,4,8", "lr=1e-3,1e-2"], and draws the errors.

    For values that are lists themselves, use an x: "hidden=512x256,256". Writes sweep.json, .csv and .png next to the
    runs; the same call continues where it was stopped.

    Raises: UsageError for an unknown setting, one with fewer than two values, or one that is named twice.
    """
    display = display_of(show)
    names, values = parse_grid(grid)
    jobs: list[run_batches.Job] = []
    for combination in itertools.product(*values):
        pairs = list(zip(names, combination, strict=True))
        chosen = parse_sets(f"{name}={_as_list(name, value)}" for name, value in pairs)
        title = _title(pairs, taken={job.name for job in jobs})
        jobs.append(run_batches.Job(title, recipe, merge(settings or {}, chosen)))
    folder = run_batches.folder_for(out, f"sweep-{name_of(data) or Path(data).stem}")
    done = run_batches.carry_out(folder, jobs, data, display)
    points, failed = [], {}
    for job, combination in zip(jobs, itertools.product(*values), strict=True):
        run = done[job.name]
        if isinstance(run, IsthmusError):
            failed[job.name] = run.message
        else:
            points.append(_point(job.name, combination, run))
    choice, reason = choose(names[0], points if len(names) == 1 else [])
    scan = Scan(folder, data, names, tuple(points), failed, choice, reason)
    _write(scan, recipe)
    return scan


def _title(pairs: Sequence[tuple[str, str]], taken: Container[str]) -> str:
    """The name of a run's folder: `z_size-4-lr-0.01`, with a number if values differ only in characters not allowed."""
    text = "-".join(f"{name.rpartition('.')[2]}-{value}" for name, value in pairs)
    title = re.sub(r"[^\w.-]+", "-", text)
    numbered = (f"{title}{f'-{n}' if n > 1 else ''}" for n in itertools.count(1))
    return next(name for name in numbered if name not in taken)


def parse_grid(grid: Sequence[str]) -> tuple[tuple[str, ...], list[list[str]]]:
    """`["z_size=2,4"]` -> `(("z_size",), [["2", "4"]])`; options such as `z-size` and `loss` work as names.

    Raises: UsageError for a setting that is named twice, or without two different values.
    """
    names, values = [], []
    for text in grid:
        name, equals, listed = text.partition("=")
        found = list(dict.fromkeys(value.strip() for value in listed.split(",") if value.strip()))
        if not equals or len(found) < 2:
            message = f"{text!r} does not list at least two values to try."
            raise UsageError("USAGE-SWEEP", message, fix="list them like this: z_size=2,4,8,16; the data comes first")
        name = _of_option(name.strip())
        _refuse_twice(name, names)
        names.append(name)
        values.append(found)
    if not names:
        message = "no setting is given."
        raise UsageError("USAGE-SWEEP", message, fix="name a setting with its values: z_size=2,4,8,16")
    return tuple(names), values


def _of_option(name: str) -> str:
    """The setting of an option, or the name itself."""
    settings = {option.lstrip("-"): setting for setting, option in SPELLED.items()}
    return settings.get(name.lstrip("-"), name.lstrip("-").replace("-", "_"))


def _refuse_twice(name: str, names: Sequence[str]) -> None:
    address = where_is(name)
    if address in map(where_is, names):
        message = f"the setting {name} is named twice."
        raise UsageError("USAGE-SWEEP", message, fix=f"list all its values once: {name}=…,…")


def choose(name: str, points: Sequence[Point]) -> tuple[str | None, str]:
    """The smallest value of a numeric setting beyond which a doubling explains less than 1 % more of the variance.

    Uses the validation errors of neighboring values; a step by a factor f counts as log2 f doublings. The variance is
    the error of the mean. Returns (None, reason) if there is no such value.
    """
    try:
        known = sorted({float(p.values[0]): p for p in points}.items(), key=lambda pair: pair[0])
    except ValueError:
        known = []
    if len(known) < 2 or known[0][0] <= 0:
        return None, ""
    for (size, point), (larger, after) in itertools.pairwise(known):
        doublings = np.log2(larger / size)
        gain = (point.validation_mse - after.validation_mse) / point.mean_mse / doublings
        if gain < PAYS:
            gained = f"{abs(gain):.1%} {'more' if gain > 0 else 'less'} of the variance"
            return point.values[0], (
                f"{name} {size:g} is large enough. Beyond it, each doubling explains {gained} on validation data (at "
                f"{larger:g}), below the limit of {PAYS:.0%}. Test error at {size:g}: {number(point.test_mse)}"
                + (f"; PCA of that size: {number(point.pca_mse)}." if point.pca_mse is not None else ".")
            )
    (size, _), (largest, last) = known[-2:]
    gain = (known[-2][1].validation_mse - last.validation_mse) / last.mean_mse / np.log2(largest / size)
    return None, (
        f"{name} {largest:g} is not large enough yet: from {size:g} on, each doubling explains {gain:.1%} more of the "
        "variance. Try larger values."
    )


def _point(name: str, values: Sequence[str], run: RunFolder) -> Point:
    metrics, prepared = run.metrics, run.prepared
    x = prepared.x(prepared.splits.validation, MOST_VALIDATION)
    raw = run.model.preprocess.to_raw(x, None)
    error = (run.model.preprocess.to_x(run.model.reconstruct(raw)) - x).double().square().mean()
    baselines = metrics["baselines"]
    return Point(
        name, tuple(values), float(error), metrics["test"]["mse"], baselines["mean"]["mse"],
        baselines.get("pca", {}).get("mse"), metrics["parameters"], metrics["seconds"],
    )  # fmt: skip


def _as_list(name: str, value: str) -> str:
    section, _, key = where_is(name).partition(".")
    return value.replace("x", ",") if key and is_list(section, key) else value


def _write(scan: Scan, recipe: str) -> None:
    files.write_json(scan.folder / "sweep.json", scan.as_dict())
    columns = {name: [p.values[i] for p in scan.points] for i, name in enumerate(scan.names)}
    numbers = {key: [getattr(p, key) for p in scan.points] for key in NUMBERS}
    write_table(scan.folder / "sweep.csv", columns | numbers)
    if not scan.points:
        return
    lines: dict[str, list[tuple[str, float]]] = {}
    for point in scan.points:
        rest = ", ".join(f"{n} {v}" for n, v in zip(scan.names[1:], point.values[1:], strict=True))
        lines.setdefault(rest or recipe, []).append((point.values[0], point.test_mse))
    if not scan.names[1:]:
        lines["PCA"] = [(p.values[0], p.pca_mse) for p in scan.points if p.pca_mse is not None]
    figure = errors_against(scan.names[0], lines, mark=scan.choice)
    canvas.save(figure, scan.folder / "sweep.png")


__all__ = ["Point", "Scan", "choose", "parse_grid", "sweep"]
