"""Few rows and a small rate of false alarms: which rows every model sees, what is kept, and when none are trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import UsageError
from isthmus.runs.folder import RunFolder
from isthmus.tools.anomaly import fold_training, score_table
from isthmus.tools.anomaly.detector import Detector
from isthmus.tools.anomaly.fold_detectors import FOLDS, FoldDetectors
from isthmus.tools.anomaly.fold_training import LONGEST, detector_for, rate_of_folds

N = 80  # rows of the table: 8 for the test, 8 for validation, so 72 calibrate


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("few")
    pl.DataFrame(tiny.table(N), schema=list("abcdef")).write_csv(folder / "rows.csv")
    return isthmus.train(folder / "rows.csv", out=folder / "run", device="cpu", **tiny.FAST)


@pytest.fixture
def fresh(few: Run, tmp_path: Path) -> Run:
    """The same run with no fold trained."""
    path = shutil.copytree(few.path, tmp_path / "run")
    shutil.rmtree(path / "latent" / "folds", ignore_errors=True)
    return Run(path)


def trainings(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The rows of every model that is trained from now on."""
    seen: list[np.ndarray] = []
    train = fold_training.train_in_memory

    def noted(config: Any, samples: Any, **options: Any) -> Any:
        seen.append(samples.x)
        return train(config, samples, **options)

    monkeypatch.setattr(fold_training, "train_in_memory", noted)
    return seen


def test_every_row_calibrates_once_by_a_model_that_did_not_see_it(fresh: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, said = trainings(monkeypatch), []
    found = detector_for(fresh, 0.02, said.append)
    assert isinstance(found, FoldDetectors)
    splits = fresh.prepared.splits
    rows = np.concatenate([splits.train.x, splits.validation.x])
    assert found.n == len(rows) == 72
    counts = sum((rows[:, None] == part[None]).all(2).any(1).astype(int) for part in seen)
    np.testing.assert_array_equal(counts, FOLDS - 1)
    assert not any((splits.test.x[:, None] == part[None]).all(2).any() for part in seen)
    for fold, part in zip(found.folds, seen, strict=True):
        out = rows[~(rows[:, None] == part[None]).all(2).any(1)]
        np.testing.assert_allclose(
            np.sort(fold.scores(out).score), np.sort(fold.calibration), rtol=1e-5, atol=1e-5
        )  # float32 products round by their place in a batch
    start = "0 samples were held out for calibration, too few for a false-alarm rate of 0.02; training 5 additional "
    assert [line.partition("(about")[0] for line in said] == [f"{start}models, each without a part of the 72 rows "]


def test_fault_144_a_small_rate_can_be_asked_of_few_rows(
    fresh: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    normal, odd = tiny.table(N)[:20], np.random.default_rng(1).normal(0, 30, (20, 6))
    pl.DataFrame(np.concatenate([normal, odd]), schema=list("abcdef")).write_csv(tmp_path / "new.csv")
    scored = score_table.score(fresh, tmp_path / "new.csv", tmp_path / "s.csv", false_alarms=0.02)
    table = pl.read_csv(tmp_path / "s.csv")
    assert (scored.rate, scored.n_calibration, scored.threshold) == (0.02, 72, None)
    assert table["outlier"][20:].all()
    assert table["p_value"].min() == pytest.approx(1 / 73)
    assert any("cross-conformal: 5 additional models" in said for said in scored.said)
    seen = trainings(monkeypatch)
    again = score_table.score(Run(fresh.path), tmp_path / "new.csv", tmp_path / "t.csv", false_alarms=0.02)
    assert (again.n_outliers, len(seen)) == (scored.n_outliers, 0)
    assert fresh.score(odd.astype(np.float32), false_alarms=0.02).p_value.max() <= 0.02


def test_what_was_trained_before_an_interruption_is_kept(fresh: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = trainings(monkeypatch)
    detector_for(fresh, 0.02)
    shutil.rmtree(fresh.path / "latent" / "folds" / "3")
    detector_for(Run(fresh.path), 0.02)
    assert len(seen) == FOLDS + 1
    np.testing.assert_array_equal(seen[3], seen[-1])


@pytest.mark.parametrize("rate", [None, 0.5, 1.5])
def test_nothing_is_trained_where_nothing_is_gained(few: Run, rate: float | None) -> None:
    detector = Detector.of_run(few)
    assert detector.n == 0  # of 8 rows none are held out
    found = detector_for(few, rate) if rate != 0.5 else detector_for(few, 1 - 1e-12)
    assert isinstance(found, Detector)


def test_fault_144_a_rate_that_all_rows_cannot_hold_is_told_with_the_least(few: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"0\.001 needs 999 normal samples for calibration; this run has 72") as caught:
        score_table.score(few, _source(few), tmp_path / "s.csv", false_alarms=0.001)
    assert "pass --false-alarms 0.0137, the lowest possible rate" in str(caught.value.fix)


def test_fault_144_the_rate_that_a_note_offers_is_one_that_the_rows_allow(fresh: Run, tmp_path: Path) -> None:
    """72 rows allow 1 / 73; a rate of 0.01, for which they are too few, is not offered."""
    said = score_table.score(fresh, _source(fresh), tmp_path / "s.csv").said
    note = next(text for text in said if text.startswith("no validation samples were held out for calibration"))
    assert note.endswith("or pass --false-alarms 0.0137, which trains additional models")
    scored = score_table.score(fresh, _source(fresh), tmp_path / "s.csv", false_alarms=0.0137)
    assert (scored.rate, scored.n_calibration) == (0.0137, 72)
    assert rate_of_folds(fresh, "group") is None


def test_fault_144_a_rate_whose_trainings_would_be_refused_is_not_offered(fresh: Run) -> None:
    assert rate_of_folds(fresh, "sample") is not None
    path = fresh.path / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": LONGEST / 4 + 1}))
    (fresh.path / "MANIFEST.json").unlink()  # the checksums
    assert rate_of_folds(RunFolder(fresh.path), "sample") is None


def test_fault_144_trainings_that_take_long_are_refused_with_their_time(
    fresh: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold_training, "seconds_a_step", lambda *_: (LONGEST / 4 + 1) / 6)  # 3 epochs of 2 steps
    with pytest.raises(
        UsageError, match=r"5 additional models .* would take about 124 s, more than the limit of 120 s"
    ):
        score_table.score(fresh, _source(fresh), tmp_path / "s.csv", false_alarms=0.02)


def test_fault_144_data_that_is_gone_is_told(fresh: Run, tmp_path: Path) -> None:
    new = shutil.copy(_source(fresh), tmp_path / "new.csv")
    source = Path(_source(fresh))
    moved = source.rename(source.with_name("moved.csv"))
    try:
        with pytest.raises(UsageError, match=r"the training data is needed: .* can no longer be read"):
            score_table.score(fresh, new, tmp_path / "s.csv", false_alarms=0.02)
    finally:
        moved.rename(source)


def test_columns_of_several_kinds_and_groups(tmp_path: Path) -> None:
    """Folds keep groups whole, and each model knows the names of the whole table."""
    rng = np.random.default_rng(0)
    n, a = 120, rng.normal(size=120).round(3)
    columns = {"g": np.arange(n) // 4 + 900, "a": a, "b": (2 * a + 0.1 * rng.normal(size=n)).round(3)}
    frame = pl.DataFrame(columns | {"tea": np.where(a > 0, "green", "black")})
    frame = frame.with_columns(pl.when(pl.int_range(n) % 9 == 0).then(None).otherwise(pl.col("b")).alias("b"))
    frame.write_csv(tmp_path / "t.csv")
    run = isthmus.train(tmp_path / "t.csv", group="g", out=tmp_path / "run", device="cpu", **tiny.FAST)
    found = detector_for(run, 0.05)
    assert isinstance(found, FoldDetectors)
    splits = run.prepared.splits
    assert splits.train.groups is not None
    assert splits.validation.groups is not None
    assert found.n == len(np.unique(splits.train.groups)) + len(np.unique(splits.validation.groups))
    scores = run.score(frame.drop("g"), false_alarms=0.05)
    assert np.isfinite(scores.score).all()
    assert scores.p_value.min() >= 1 / (found.n + 1)


def _source(run: Run) -> str:
    return run.config.data.source or ""
