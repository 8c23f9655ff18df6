"""For a table: the associations between its columns, in the data and in the reconstructions."""

from __future__ import annotations

import numpy as np

from isthmus.evaluation.metrics.associations import associations
from isthmus.report.association_grid import association_grid
from isthmus.report.run_data import RunData, Section
from isthmus.report.sections.column_errors import MOST_VALUES
from isthmus.wording import counted

MOST_COLUMNS = 24  # of a readable square; if there are more, those with the strongest associations
FEWEST_ROWS = 10  # with fewer, an association is due to chance
MEASURES = (
    "For two columns of numbers or times, a cell shows Pearson's correlation; for two categories, Cramér's V; for a "
    "category and a number, the correlation ratio. The last two have no sign."
)


def column_associations(run_data: RunData) -> Section | None:
    """Two squares of associations, in the test rows and in their reconstructions; None for images or without data."""
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
    squares = [{"name": words, "grid": association_grid(square, names, label=f"associations between columns {words}")}
               for words, square in ((of, before), (back, after))]  # fmt: skip
    read = f"{_read(before, after, names)} {MEASURES if any(named) else ''}".strip()
    return Section("associations", "Associations between columns", "associations.html", read, {"squares": squares})


def _together_most(raw: np.ndarray, named: list[bool]) -> list[int]:
    """The columns to show, in their order. If there are very many, only the first are considered, to save time."""
    K = raw.shape[1]
    if K <= MOST_COLUMNS:
        return list(range(K))
    looked = min(K, 4 * MOST_COLUMNS)
    found = np.abs(np.nan_to_num(associations(raw[:, :looked], named[:looked]) - np.eye(looked)))
    return sorted(np.argsort(-found.max(1), kind="stable")[:MOST_COLUMNS].tolist())


def _read(before: np.ndarray, after: np.ndarray, names: list[str]) -> str:
    pairs = [(i, j) for i in range(len(names)) for j in range(i) if np.isfinite(before[i, j] + after[i, j])]
    first = "The darker a cell, the more strongly two columns are related; both squares should look alike."
    if not pairs:
        return first
    strongest = max(pairs, key=lambda p: abs(before[p]))
    changed = max(pairs, key=lambda p: abs(after[p] - before[p]))
    mean = float(np.mean([abs(after[p] - before[p]) for p in pairs]))
    said = [first, f"The strongest association is between {_told(strongest, before, after, names)}."]
    if changed != strongest:
        said.append(f"The largest change is between {_told(changed, before, after, names)}.")
    return " ".join([*said, f"On average, an association changes by {mean:.2f}."])


def _told(pair: tuple[int, int], before: np.ndarray, after: np.ndarray, names: list[str]) -> str:
    i, j = pair
    numbers = " in the data, ".join(f"{square[i, j]:.2f}".replace("-", "−") for square in (before, after))
    return f"{names[j]} and {names[i]} ({numbers} in the reconstructions)"


__all__ = ["column_associations"]
