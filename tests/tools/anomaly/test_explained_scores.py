from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import UsageError
from isthmus.tools.anomaly.detector import Scores
from isthmus.tools.anomaly.score_table import score

SETTINGS: dict[str, Any] = tiny.SMALL | {"epochs": 2, "batch_size": 16}


def orders(n: int = 120, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    size = rng.normal(10, 2, n).round(1)
    product = rng.choice(["tea", "coffee", "cocoa"], n)
    return pl.DataFrame({"size": size, "price": (size * 3 + rng.normal(size=n)).round(2), "product": product})


@pytest.fixture(scope="module", params=["mixed", "numbers"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, pl.DataFrame, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    frame = orders() if request.param == "mixed" else orders().drop("product")
    frame.write_csv(folder / "orders.csv")
    return isthmus.train(folder / "orders.csv", out=folder / "run", show=False, **SETTINGS), frame, folder


def test_blame_is_what_the_command_writes(made: tuple[Run, pl.DataFrame, Path]) -> None:
    run, frame, folder = made
    score(run, folder / "orders.csv", folder / "scores.csv")
    written, found = pl.read_csv(folder / "scores.csv"), run.score(frame)
    blame = found.blame
    assert blame.columns == frame.columns
    np.testing.assert_allclose(found.score, written["score"], rtol=1e-4, atol=1e-6)  # float32, in other batches
    for row in np.flatnonzero(written["amount1"].is_not_null().to_numpy()):
        name, amount = written["blame1"][int(row)], written["amount1"][int(row)]
        assert blame[name][int(row)] == pytest.approx(amount, rel=1e-3, abs=1e-5)
        assert blame.row(int(row))[blame.columns.index(name)] == pytest.approx(max(blame.row(int(row))), abs=1e-5)


def test_kinds_of_rows(made: tuple[Run, pl.DataFrame, Path]) -> None:
    run, frame, _ = made
    pandas = pytest.importorskip("pandas")
    given = pandas.DataFrame(frame[:5].to_dict(as_series=False), index=[3, 1, 4, 15, 9])
    blame = run.score(given).blame
    assert (list(blame.columns), blame.index.tolist()) == (frame.columns, [3, 1, 4, 15, 9])
    np.testing.assert_allclose(blame.to_numpy(), run.score(frame[:5]).blame.to_numpy(), rtol=1e-6)
    if "product" not in frame.columns:
        array = run.score(frame[:5].to_numpy()).blame
        assert isinstance(array, np.ndarray)
        np.testing.assert_allclose(array, blame.to_numpy(), rtol=1e-6)


def test_it_is_found_once_and_only_if_asked(made: tuple[Run, pl.DataFrame, Path], monkeypatch: Any) -> None:
    from isthmus.tools.anomaly.detector import Detector

    run, frame, _ = made
    asked: list[int] = []
    real = Detector.blame
    monkeypatch.setattr(Detector, "blame", lambda self, raw: asked.append(len(raw)) or real(self, raw))
    found = run.score(frame[:4])
    assert (len(found), asked) == (5, [])  # five arrays, as before
    assert found.blame is found.blame
    assert asked == [4]


@pytest.mark.parametrize("made", ["numbers"], indirect=True)
def test_blame_is_of_what_was_scored(made: tuple[Run, pl.DataFrame, Path]) -> None:
    """Whatever the caller writes into the array before it is asked for."""
    run, frame, _ = made
    x = np.array(frame[:4].to_numpy(), np.float32, order="C")  # as the model takes it, without a copy
    expected, found = run.score(x.copy()).blame, run.score(x)
    x[:] = 9e3
    np.testing.assert_array_equal(found.blame, expected)


def test_scores_go_to_another_process(made: tuple[Run, pl.DataFrame, Path]) -> None:
    run, frame, _ = made
    found = run.score(frame[:4])
    sent = pickle.loads(pickle.dumps(found))  # noqa: S301 - as joblib and multiprocessing do
    assert type(sent) is Scores
    np.testing.assert_array_equal(sent.score, found.score)


def test_images_have_no_columns(digit_run: Run, digits: Any) -> None:
    with pytest.raises(UsageError, match="images have no columns to blame") as caught:
        _ = digit_run.score(digits.x[:2]).blame
    assert "--picture" in str(caught.value.fix)


def test_rows_of_a_series_are_blamed_by_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    level = np.sin(np.arange(240) / 5)
    frame = pl.DataFrame({"a": level + 0.1 * rng.normal(size=240), "b": -level + 0.1 * rng.normal(size=240)})
    run = isthmus.train(frame, window=8, out=tmp_path / "run", show=False, **SETTINGS)
    blame = run.score(frame).blame
    assert (blame.columns, blame.height) == (["a", "b"], 240)
    assert (blame.to_numpy() >= 0).all()
