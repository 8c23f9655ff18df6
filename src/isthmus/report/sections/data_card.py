"""The data section: sizes and contents of the training, validation and test data."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.data.summary import facts_of, from_zero, rows_about
from isthmus.evaluation.figures.data_pictures import one_of_each, shown
from isthmus.report import tiles
from isthmus.report.markup import numeral
from isthmus.report.run_data import RunData, Section

STRIP = 6  # images of each class, in two columns of classes
MOST_CLASSES = 30  # strips; more would fill a page


def data(run_data: RunData) -> Section:
    """Sizes and shape from the metrics; range, counts, duplicates and samples if the data is available."""
    about, prepared, pairs, repeated = run_data.metrics["data"], run_data.prepared, [], 0
    counting = ""
    shape = " × ".join(map(str, about["shape"]))
    rows: list[tuple[str, object]] = [("name", about["name"]), (f"shape of one {run_data.sample}", shape)]
    if prepared is None:
        classes = ", ".join(about.get("classes", [])[:30])
        rows += [("classes", classes)] if classes else []
    else:
        facts = facts_of(prepared.splits.train)
        rows += [(title, text) for title, text in rows_about(facts) if title not in ("samples", "duplicates")]
        repeated = facts.duplicates.count
        rows.append(
            ("duplicates", f"{repeated:,} of {facts.n:,} are identical to an earlier one" if repeated else "none")
        )
        counting = from_zero(sum(facts.pairs, ()))
        pairs = [f"{later} = {first}" for first, later in facts.pairs]
        rows.append((f"test {run_data.sample}s also in training", numeral(prepared.splits.overlap.count)))
    sizes = {role: numeral(about[f"n_{role}"]) for role in ("train", "validation", "test")}
    content: dict[str, Any] = {"rows": rows, "sizes": sizes, "said": list(run_data.record.get("said", []))}
    content |= {"pairs": pairs, "unlisted": repeated - len(pairs), "counting": counting}
    content |= {"strips": _strips(run_data), "picture": _left_picture(run_data)}
    content["sharp"] = tiles.is_sharp(tuple(about["shape"]))
    return Section("data", "The data", "data.html", _read(run_data), content)


def _strips(run_data: RunData) -> list[dict[str, str]]:
    """A strip of training images for each class, or one strip without classes."""
    if not run_data.is_image or run_data.prepared is None:
        return []
    train, ends = run_data.prepared.splits.train, run_data.prepared.preprocess.ends
    if train.labels is None or not train.classes:
        x = shown(train.x[one_of_each(train, 2 * STRIP)], ends, train.alpha)
        return [{"name": "", "uri": tiles.montage(x, 2 * STRIP), "alt": f"{len(x)} training images"}]
    strips = []
    for k, name in enumerate(train.classes[:MOST_CLASSES]):
        rows = np.flatnonzero(train.labels == k)[:STRIP]
        if len(rows):
            uri = tiles.montage(shown(train.x[rows], ends, train.alpha), STRIP)
            strips.append({"name": name, "uri": uri, "alt": f"{len(rows)} training images of class {name}"})
    return strips


def _left_picture(run_data: RunData) -> dict[str, object] | None:
    """The run's own picture of its data, if the data is not available."""
    found = tiles.from_file(run_data.path / "data.png") if run_data.is_image and run_data.prepared is None else None
    if found is None:
        return None
    return {"uri": found[0], "width": found[1], "height": found[2], "alt": "Training images, a row for each class"}


def _validation(run_data: RunData) -> str:
    """What the validation samples are for: some may only calibrate anomaly scores."""
    n, watched = run_data.metrics["data"]["n_validation"], run_data.watched
    apart = 0 if watched is None else n - len(watched)
    if apart <= 0:
        return f"The {n:,} validation {run_data.sample}s decide which epoch is kept."
    return (
        f"Of the {n:,} validation {run_data.sample}s, {n - apart:,} decide which epoch is kept and {apart:,} calibrate "
        "anomaly scores."
    )


def _read(run_data: RunData) -> str:
    d, sample = run_data.metrics["data"], run_data.sample
    return (
        f"The network is trained on the {d['n_train']:,} training {sample}s. {_validation(run_data)} "
        f"The {d['n_test']:,} test {sample}s are used only once, at the end: every number on this page is measured on "
        "them, unless it says otherwise, and nothing in this run was chosen by them. Resuming the run, or trying what "
        "a verdict suggests, uses them again. Test samples that are also in the training data make the model look "
        "better than it is."
    )
