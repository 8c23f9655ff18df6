"""Runs that were made before the package's modules moved: they load, score and go on as they did then.

The expected numbers are those that the version which made the runs gave for them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import isthmus
from isthmus.runs.finding import find
from isthmus.tools.anomaly.score_table import score
from isthmus.tools.inference.apply import encode

KEPT = Path(__file__).parents[1] / "fixtures" / "before_layers"
SOURCES = {"digits": "digits.npz", "table": "rows.csv"}
CLOSE = {"rtol": 1e-3, "atol": 1e-4}  # other processors add in another order


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own with the runs, and their data where they look for it."""
    shutil.copytree(KEPT, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.parametrize("name", SOURCES)
def test_it_loads_and_scores_as_it_did(home: Path, name: str) -> None:
    run = find(name)
    score(run, f"{SOURCES[name]}:0-19", home / "scores.csv")
    found, expected = pl.read_csv(home / "scores.csv"), pl.read_csv(home / f"{name}.score.csv")
    assert found.columns == expected.columns
    for column in ("score", "p_value", "from_error", "from_code"):
        np.testing.assert_allclose(found[column], expected[column], **CLOSE)
    encode(run, f"{SOURCES[name]}:0-19", home / "codes.csv")
    found, expected = (pl.read_csv(path).select("^z.*$") for path in (home / "codes.csv", home / f"{name}.codes.csv"))
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), **CLOSE)


@pytest.mark.parametrize(("name", "epochs"), [("digits", 5), ("table", 9)])
def test_it_goes_on_as_it_did(home: Path, name: str, epochs: int) -> None:
    done = isthmus.resume(name, epochs=epochs, show=False)
    assert len(done.history) == epochs
    found = load_file(home / name / "model" / "model.safetensors")
    expected = load_file(home / f"{name}.resumed.safetensors")
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, err_msg=key, **CLOSE)


@pytest.mark.parametrize("name", SOURCES)
def test_it_is_measured_as_it_was(home: Path, name: str) -> None:
    then = find(name).metrics
    now = isthmus.evaluate(name)
    for key, value in then["test"].items():
        if isinstance(value, float):
            assert now["test"][key] == pytest.approx(value, rel=1e-3), key
    assert now["baselines"]["pca"]["mse"] == pytest.approx(then["baselines"]["pca"]["mse"], rel=1e-3)
    assert {v["id"] for v in then["verdicts"]} <= {v["id"] for v in now["verdicts"]}
