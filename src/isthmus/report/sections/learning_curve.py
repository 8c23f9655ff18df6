"""The cost over the epochs, with its floor, the best epoch and the values of every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.evaluation.metrics.forward_pass import floors
from isthmus.evaluation.verdicts.cases import finite
from isthmus.report.markup import numeral
from isthmus.report.plots import Axis, Line, ReferenceLine, line_chart, y_axis
from isthmus.report.run_data import RunData, Section
from isthmus.wording import counted, three_digits

SERIES = (("train_cost", "training", "s0"), ("validation_cost", "validation", "s1"))
LOG_FROM = 2.0  # ratio of the highest to the lowest cost above which a logarithmic scale is used
MOST_EPOCHS = 2_000  # most rows on the page; if there are more, every second or third is used


def training(run_data: RunData) -> Section | None:
    """The curves of one run; None without epochs."""
    rows = thinned(run_data.history)
    levels, best = _levels(run_data), best_row(run_data)
    drawn = draw(curves(rows), levels, (best["epoch"], best["validation_cost"]) if best else None)
    if drawn is None:
        return None
    values, script = drawn
    values |= {"best": numeral(best["epoch"]) if best else None, "unit": cost_unit(run_data)}
    return Section("training", "Learning curves", "training.html", _read(run_data, best, levels), values, script)


def draw(
    lines: Sequence[Line], levels: Sequence[ReferenceLine], mark: tuple[float, float] | None = None
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The values for training.html and script.js, on a linear and a logarithmic scale; None without lines."""
    if not lines:
        return None
    first, last = min(line.xs[0] for line in lines), max(line.xs[-1] for line in lines)
    x, charts, axes = Axis(first, max(last, first + 1)), {}, {}
    for name, log in (("linear", False), ("log", True)):
        y = y_axis(lines, levels, log=log)
        if y is not None:
            label = f"Cost by epoch, {name} scale: {_ends(lines)}"
            charts[name] = line_chart(lines, levels, x, y, label=label, mark=mark)
            axes[name] = y.as_list()
    values = {
        "charts": charts,
        "first": "log" if "log" in charts and _spans(lines, levels) else "linear",
        "lines": [{"name": line.name, "kind": line.kind, "last": numeral(line.ys[-1])} for line in lines],
        "levels": [{"name": level.name, "value": numeral(level.value)} for level in levels],
    }
    epochs = sorted({epoch for line in lines for epoch in line.xs})
    series = [[line.name, line.kind, _at(epochs, line)] for line in lines]
    return values, {"x": x.as_list(), "y": axes, "epochs": epochs, "lines": series}


def _at(epochs: Sequence[float], line: Line) -> list[float | None]:
    """The line's values at these epochs; None where it has none."""
    known = {x: y for x, y in zip(line.xs, line.ys, strict=True) if math.isfinite(y)}
    return [known.get(epoch) for epoch in epochs]


def cost_unit(run_data: RunData) -> str:
    """The unit of the cost."""
    return run_data.metrics["test"].get("cost_unit", "cost")


def thinned(history: Sequence[Mapping[str, Any]], most: int = MOST_EPOCHS) -> list[Mapping[str, Any]]:
    """Evenly spaced rows if there are too many; always with the last one."""
    rows = [row for row in history if finite(row.get("epoch"))]
    step = -(-len(rows) // most) or 1
    return rows[(len(rows) - 1) % step :: step]


def curves(rows: Sequence[Mapping[str, Any]]) -> list[Line]:
    """The series that have at least one value."""
    epochs = [row["epoch"] for row in rows]
    found = []
    for key, name, kind in SERIES:
        ys = [float(row[key]) if finite(row.get(key)) else math.nan for row in rows]
        if any(map(math.isfinite, ys)):
            found.append(Line(name, epochs, ys, kind))
    return found


def best_row(run_data: RunData) -> Mapping[str, Any] | None:
    """The row of the history for the epoch whose weights were kept."""
    best = run_data.metrics.get("best_epoch")
    rows = [row for row in run_data.history if row.get("epoch") == best and finite(row.get("validation_cost"))]
    return rows[0] if rows else None


def _levels(run_data: RunData) -> list[ReferenceLine]:
    mean, (of, floor) = run_data.metrics.get("mean_cost"), _floor(run_data)
    named = ((f"mean {run_data.sample}", mean, "level mean"), (f"lowest possible, {of}", floor, "level floor"))
    return [ReferenceLine(name, value, kind) for name, value, kind in named if value is not None and finite(value)]


def _floor(run_data: RunData) -> tuple[str, float | None]:
    """The lowest possible cost, and the set that it is for: validation if its samples are available, else test."""
    floor, model, watched = run_data.metrics["test"].get("bce_floor"), run_data.model, run_data.watched
    if floor is None or model is None or watched is None or run_data.prepared is None:
        return "test", floor
    return "validation", float(floors(model, run_data.prepared.tensor(watched)).mean())


def _spans(lines: Sequence[Line], levels: Sequence[ReferenceLine]) -> bool:
    values = [v for line in lines for v in line.ys if math.isfinite(v)] + [level.value for level in levels]
    return min(values) > 0 and max(values) > LOG_FROM * min(values)


def _ends(lines: Sequence[Line]) -> str:
    return "; ".join(f"{line.name} from {three_digits(line.ys[0])} to {three_digits(line.ys[-1])}" for line in lines)


def _about_least(of: str, least: float, sample: str) -> str:
    return (
        f"The dashed line at {three_digits(least)} is the cost of a perfect copy of the {of} {sample}s. It is not "
        f"zero, because gray pixels are neither black nor white. Other {sample}s have more or less gray, so the "
        "training curve may be below the line."
    )


def _watched(run_data: RunData) -> str:
    """The samples that chose the epoch, with their number if they are available."""
    return f"{run_data.sample}s" if run_data.watched is None else counted(len(run_data.watched), run_data.sample)


def _read(run_data: RunData, best: Mapping[str, Any] | None, levels: Sequence[ReferenceLine]) -> str:
    n, epochs = run_data.metrics["data"]["n_train"], len(run_data.history)
    said = [
        f"An epoch is one pass over the {n:,} training {run_data.sample}s; there were {epochs:,}. Training minimizes "
        "the cost, so lower is better."
    ]
    named = {level.name: level.value for level in levels}
    said += [_about_least(of, named[f"lowest possible, {of}"], run_data.sample)
             for of in ("validation", "test") if f"lowest possible, {of}" in named]  # fmt: skip
    mean = f"mean {run_data.sample}"
    if mean in named:
        said.append(f"Always predicting the {mean} would cost {three_digits(named[mean])}.")
    if best is not None:
        cost = three_digits(best["validation_cost"])
        said.append(
            f"The validation cost, on {_watched(run_data)} not used for training, was lowest in epoch "
            f"{best['epoch']:,}, at {cost} (the ring); the weights of this epoch were kept."
        )
        train = best.get("train_cost")
        if finite(train):
            gap = best["validation_cost"] - train
            said.append(
                f"There the two curves are {three_digits(abs(gap))} apart. If validation rises while training falls, "
                "the network overfits: it memorizes its training data."
            )
    if epochs == 1:
        said.append(f"After {counted(epochs, 'epoch')}, there is only one point, and no curve yet.")
    return " ".join(said)
