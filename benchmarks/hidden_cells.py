"""Filling hidden cells, compared with the usual methods; finding odd rows and changed cells; on mixed tables.

python benchmarks/hidden_cells.py fill TABLE.csv … wine diabetes      3 seeds, a tenth of the cells of test rows hidden
python benchmarks/hidden_cells.py blame orders.csv [orders.odd.txt]   12 changed cells, and the rows that are odd
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.datasets import load_diabetes, load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.metrics import roc_auc_score

import isthmus
from isthmus.config import DataConfig
from isthmus.data.schema import Schema
from isthmus.data.tables.reading import samples_from_frame
from isthmus.runs.fill_errors import filled
from isthmus.tools.anomaly.detector import Detector
from isthmus.tools.inference.imputation import answered

NAMED = {"category", "yes-no"}
CHANGED = ("price", "shipping", "count", "temperature", "product", "region")  # of orders.csv, two cells each
FAR = 3.0  # deviations by which a number is moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fill", "blame"])
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], help="settings of the training, as hide=0.2")
    options = parser.parse_args()
    settings: dict[str, Any] = {name: float(value) for name, _, value in (pair.partition("=") for pair in options.set)}
    if options.what == "blame":
        blame(
            Path(options.tables[0]),
            [int(line) for path in options.tables[1:] for line in Path(path).read_text().split()],
        )
        return
    for table in options.tables:
        fill(table, options.seeds, settings)


def frame_of(table: str) -> pl.DataFrame:
    """A table by its path, or by its name in scikit-learn with the target as an additional column."""
    if table in {"wine", "diabetes"}:
        found = {"wine": load_wine, "diabetes": load_diabetes}[table]()
        columns = {str(name): found.data[:, i] for i, name in enumerate(found.feature_names)}
        target = [f"class {k}" for k in found.target] if table == "wine" else found.target
        return pl.DataFrame(columns | {"cultivar" if table == "wine" else "progression": target})
    return pl.read_csv(table, infer_schema=False)


def fill(table: str, seeds: int, settings: dict[str, Any]) -> None:
    """Prints the mean RMSE (in standard deviations) of numbers, the mean accuracy of names, and both per column."""
    frame, by_way = frame_of(table), dict[str, list[dict[str, float]]]()
    for seed in range(seeds):
        for way, scores in one_seed(frame, seed, settings).items():
            by_way.setdefault(way, []).append(scores)
    print(f"{table}: {len(frame):,} rows, {seeds} seeds", flush=True)
    for way, found in by_way.items():
        mean = {name: float(np.nanmean([scores[name] for scores in found])) for name in found[0]}
        print(f"  {way:<12}" + "  ".join(f"{name} {value:.3f}" for name, value in mean.items()), flush=True)


def one_seed(frame: pl.DataFrame, seed: int, settings: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Scores of every method on the hidden cells of a fifth of the rows."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frame))
    test, train = frame[order[: len(frame) // 5].tolist()], frame[order[len(frame) // 5 :].tolist()]
    with tempfile.TemporaryDirectory() as folder:
        # A table of numbers without gaps would be trained without gaps; a named kind makes it train with them.
        kinds: dict[str, Any] = {} if pl.String in frame.dtypes else {"kinds": (f"{frame.columns[0]}=number",)}
        run = isthmus.train({"train": train, "test": test}, out=f"{folder}/run", seed=seed, threads=1, show=False,
                            **kinds, **settings)  # fmt: skip
        schema = run.model.preprocess.schema
        assert schema is not None
        known, truth = (raw_of(part, schema) for part in (train, test))
        holed = np.where(rng.random(truth.shape) < 0.1, np.nan, truth)
        ways: dict[str, np.ndarray] = {"ours": answered(run, holed), "model alone": filled(run.model, holed)}
    ways |= {name: way(known, holed, schema) for name, way in RIVALS.items()}
    return {name: scores(answer, truth, holed, known, schema) for name, answer in ways.items()}


def raw_of(frame: pl.DataFrame, schema: Schema) -> np.ndarray:
    return samples_from_frame(frame, name="table", options=DataConfig(), expected=schema).x


def scores(
    answer: np.ndarray, truth: np.ndarray, holed: np.ndarray, known: np.ndarray, schema: Schema
) -> dict[str, float]:
    """ "RMSE" and "accuracy", first the mean over columns, then the value of each column."""
    hidden, found = np.isnan(holed) & ~np.isnan(truth), dict[str, float]()
    kinds = {column.name: column.kind in NAMED for column in schema.modeled}
    for k, column in enumerate(schema.modeled):
        at = hidden[:, k]
        if not at.any():  # few rows: by chance none of its cells was hidden
            found[column.name] = float("nan")
        elif kinds[column.name]:
            found[column.name] = float((answer[at, k] == truth[at, k]).mean())
        else:
            deviation = np.nanstd(known[:, k]) or 1.0
            found[column.name] = float(np.sqrt(np.square((answer[at, k] - truth[at, k]) / deviation).mean()))
    means = {word: [found[name] for name, named in kinds.items() if named == is_named]
             for word, is_named in (("RMSE", False), ("accuracy", True))}  # fmt: skip
    return {word: float(np.nanmean(values)) for word, values in means.items() if values} | found


def by_median(known: np.ndarray, holed: np.ndarray, schema: Schema) -> np.ndarray:
    usual = np.nanmedian(known, axis=0)
    for k, column in enumerate(schema.modeled):
        if column.kind in NAMED:
            usual[k] = np.bincount(known[~np.isnan(known[:, k]), k].astype(int)).argmax()
    return np.where(np.isnan(holed), usual, holed)


def by_imputer(make: Callable[[], Any]) -> Callable[[np.ndarray, np.ndarray, Schema], np.ndarray]:
    """An imputer of scikit-learn on standardized numbers and names coded as 0 and 1; the largest value is the answer.

    The most frequent name has no column of its own. With one, the values that are missing together would determine each
    other, because they sum to 1, and IterativeImputer would stay at its starting point, the shares.
    """

    def answer(known: np.ndarray, holed: np.ndarray, schema: Schema) -> np.ndarray:
        mean, deviation = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
        deviation[deviation == 0] = 1.0
        names = [range(1, len(c.levels)) if c.kind in NAMED else None for c in schema.modeled]

        def wide(raw: np.ndarray) -> np.ndarray:
            parts = []
            for k, own in enumerate(names):
                column = raw[:, k : k + 1]
                scaled = (column - mean[k]) / deviation[k]
                parts.append(scaled if own is None else np.where(np.isnan(column), np.nan, column == np.array([own])))
            return np.concatenate(parts, 1)

        full, result, at = make().fit(wide(known)).transform(wide(holed)), holed.copy(), 0
        for k, own in enumerate(names):
            part = full[:, at : at + (1 if own is None else len(own))]
            at += part.shape[1]
            value = part[:, 0] * deviation[k] + mean[k] if own is None else _largest(part)
            result[:, k] = np.where(np.isnan(holed[:, k]), value, holed[:, k])
        return result

    return answer


def _largest(shares: np.ndarray) -> np.ndarray:
    """The index of the name with the largest share (N,), from shares (N, L - 1) without those of the first name."""
    return np.concatenate([1 - shares.sum(1, keepdims=True), shares], 1).argmax(1)


RIVALS = {
    "median, mode": by_median,
    "KNN": by_imputer(KNNImputer),
    "iterative": by_imputer(lambda: IterativeImputer(random_state=0)),
}


def blame(table: Path, odd: list[int]) -> None:
    """Trains on the whole table with 12 cells changed; prints which of them are blamed, and the AUROC of odd rows."""
    frame, rng = pl.read_csv(table, infer_schema=False), np.random.default_rng(0)
    rows = rng.permutation([i for i in range(len(frame)) if i not in odd])[:12]
    changed = {int(row): CHANGED[i % len(CHANGED)] for i, row in enumerate(rows)}
    for row, column in changed.items():
        frame = with_cell(frame, row, column, rng)
    with tempfile.TemporaryDirectory() as folder:
        run = isthmus.train(frame, out=f"{folder}/run", seed=0, threads=1, show=False)
        schema = run.model.preprocess.schema
        assert schema is not None
        raw, detector = raw_of(frame, schema), Detector.of_run(run)
        blamed, score = detector.blame(raw[list(changed)]), detector.scores(raw).score
    hits = [
        schema.names.index(column) in np.argsort(-nats)[:2]
        for column, nats in zip(changed.values(), blamed, strict=True)
    ]
    for (row, column), hit in zip(changed.items(), hits, strict=True):
        print(f"  row {row}, {column}: {'among the first two' if hit else 'missed'}")
    print(f"{sum(hits)} of {len(hits)} changed cells among the first two of the blame")
    is_changed = np.isin(np.arange(len(frame)), list(changed))
    print(f"AUROC of the changed rows {roc_auc_score(is_changed, score):.3f}")
    if odd:
        is_odd = np.isin(np.arange(len(frame)), odd)
        print(f"AUROC of the odd rows {roc_auc_score(is_odd[~is_changed], score[~is_changed]):.3f}")


def with_cell(frame: pl.DataFrame, row: int, column: str, rng: np.random.Generator) -> pl.DataFrame:
    """The table with one cell changed: a number moves by FAR deviations, up if it would be negative; a name becomes
    another one.
    """
    cells = frame[column].to_list()
    numbers = frame[column].cast(pl.Float64, strict=False)
    if numbers.null_count() == frame[column].null_count():
        digits = len(cells[row].partition(".")[2])
        step = FAR * float(np.std(numbers.drop_nulls().to_numpy()))
        down = float(cells[row]) - step >= 0 and rng.random() < 0.5
        cells[row] = f"{float(cells[row]) + (-step if down else step):.{digits}f}"
    else:
        cells[row] = str(rng.choice([name for name in sorted({*cells}) if name != cells[row]]))
    return frame.with_columns(pl.Series(column, cells))


if __name__ == "__main__":
    main()
