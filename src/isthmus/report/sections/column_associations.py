"""A table's run: how its columns go together, in the data and in what comes back."""

from __future__ import annotations

import numpy as np

from isthmus.evaluation.metrics.associations import associations
from isthmus.report.association_grid import association_grid
from isthmus.report.run_data import RunData, Section
from isthmus.report.sections.column_errors import MOST_VALUES
from isthmus.wording import counted

MOST_COLUMNS = 24  # of a square that can be read on a page; of more those that go together most
FEWEST_ROWS = 10  # of fewer an association is chance
MEASURES = (
    "Of two columns of numbers or times a cell holds Pearson's correlation, of two columns of names Cramér's V, and of "
    "a name with a number the correlation ratio; the last two have no sign."
)


def column_associations(run_data: RunData) -> Section | None:
    """Two squares of associations, of the test rows and of their reconstructions; None for images and without data."""
    passed, test, prepared = run_data.passed, run_data.test, run_data.prepared
    if passed is None or test is None or prepared is None or run_data.is_image or len(passed) < FEWEST_ROWS:
        return None
    known = prepared.preprocess.of_rows
    seen = passed.rows(range(0, len(passed), -(-test.x.size // MOST_VALUES)))
    raw, raw_hat = (known.to_raw(t.reshape(-1, known.size)).double().numpy() for t in (seen.x, seen.x_hat))
    names = list(known.columns or (f"x{i}" for i in range(raw.shape[1])))
    if len(names) < 2:
        return None
    named = [c.kind in {"category", "yes-no"} for c in known.schema.modeled] if known.schema else [False] * len(names)
    chosen = _together_most(raw, named)
    raw, raw_hat = raw[:, chosen], np.where(np.isnan(raw), np.nan, raw_hat)[:, chosen]
    names, named = [names[k] for k in chosen], [named[k] for k in chosen]
    before, after = associations(raw, named), associations(raw_hat, named)
    of, back = f"in {counted(len(raw), 'test row')}", "in their reconstructions"
    squares = [{"name": words, "grid": association_grid(square, names, label=f"how columns go together {words}")}
               for words, square in ((of, before), (back, after))]  # fmt: skip
    read = f"{_read(before, after, names)} {MEASURES if any(named) else ''}".strip()
    return Section("associations", "How columns go together", "associations.html", read, {"squares": squares})


def _together_most(raw: np.ndarray, named: list[bool]) -> list[int]:
    """The columns that are shown, in their order. Of very many the first are looked at: all pairs take too long."""
    K = raw.shape[1]
    if K <= MOST_COLUMNS:
        return list(range(K))
    looked = min(K, 4 * MOST_COLUMNS)
    found = np.abs(np.nan_to_num(associations(raw[:, :looked], named[:looked]) - np.eye(looked)))
    return sorted(np.argsort(-found.max(1), kind="stable")[:MOST_COLUMNS].tolist())


def _read(before: np.ndarray, after: np.ndarray, names: list[str]) -> str:
    pairs = [(i, j) for i in range(len(names)) for j in range(i) if np.isfinite(before[i, j] + after[i, j])]
    first = "The darker a cell, the more two columns tell of each other; both squares should look alike."
    if not pairs:
        return first
    strongest = max(pairs, key=lambda p: abs(before[p]))
    changed = max(pairs, key=lambda p: abs(after[p] - before[p]))
    mean = float(np.mean([abs(after[p] - before[p]) for p in pairs]))
    said = [first, f"Most together go {_told(strongest, before, after, names)}."]
    if changed != strongest:
        said.append(f"The largest change is that of {_told(changed, before, after, names)}.")
    return " ".join([*said, f"In the mean two columns change by {mean:.2f}."])


def _told(pair: tuple[int, int], before: np.ndarray, after: np.ndarray, names: list[str]) -> str:
    i, j = pair
    numbers = " in the data, ".join(f"{square[i, j]:.2f}".replace("-", "−") for square in (before, after))
    return f"{names[j]} and {names[i]} ({numbers} in what comes back)"


__all__ = ["column_associations"]
