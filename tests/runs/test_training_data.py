from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import DataError
from isthmus.runs.artifacts import Artifacts
from isthmus.runs.latent import Latent


def test_a_run_keeps_its_latent_and_makes_it_anew_from_its_data(tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    np.save(path, tiny.table())
    run = isthmus.train(path, out=tmp_path / "run", show=False, epochs=1, **tiny.SMALL)
    kept = Latent.load(run.path)
    Artifacts(run.path).folder.rename(tmp_path / "elsewhere")
    np.testing.assert_array_equal(Run(run.path).latent.covariance, kept.covariance)
    np.testing.assert_array_equal(Latent.load(run.path).codes, kept.codes)
    np.testing.assert_array_equal(run.prepared.splits.train.x[kept.rows], tiny.table()[list(map(int, kept.ids))])


def test_without_latent_folder_the_data_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    np.save(path, tiny.table())
    run = isthmus.train(path, out=tmp_path / "run", show=False, epochs=1, **tiny.SMALL)
    Artifacts(run.path).folder.rename(tmp_path / "elsewhere")
    np.save(path, tiny.table(seed=1))
    with pytest.raises(DataError, match=r"has changed since .* was trained on it"):
        _ = run.latent
    path.unlink()
    with pytest.raises(DataError, match="can no longer be read") as caught:
        _ = Run(run.path).latent
    assert caught.value.fix == f"put {path} back where it was"


def test_all_files_that_a_run_reads_are_named(tmp_path: Path) -> None:
    path, test = tmp_path / "data.npy", tmp_path / "test.npy"
    np.save(path, tiny.table())
    np.save(test, tiny.table(seed=1))
    run = isthmus.train(path, test=str(test), out=tmp_path / "run", show=False, epochs=1, **tiny.SMALL)
    test.unlink()
    with pytest.raises(DataError, match=r"test\.npy") as caught:
        _ = Run(run.path).prepared
    assert caught.value.fix == f"put {path} and {test} back where they were"


def test_a_folder_of_data_in_memory_keeps_its_latent_but_not_its_data(tmp_path: Path) -> None:
    run = isthmus.train(tiny.table(), out=tmp_path / "run", show=False, epochs=1, **tiny.SMALL)
    assert len(run.prepared.splits.train) == 96  # 80 % of 120; it holds them as long as it is there
    assert Run(run.path).latent.n == 96
    with pytest.raises(DataError, match="data in memory, which was not saved"):
        _ = Run(run.path).prepared
