"""What a run keeps for whole sets: against numpy on the data itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from isthmus.api import Run
from isthmus.errors import ModelFileError
from isthmus.runs.error_signals import error_signals
from isthmus.runs.set_facts import column_sizes, levels, set_facts, spread


def test_columns_are_kept_in_raw_units(table_run: Run) -> None:
    facts, rows = set_facts(table_run.path), table_run.prepared.splits.train.x.astype(np.float64)
    assert facts is not None
    np.testing.assert_allclose(facts.mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(facts.deviation, rows.std(0), rtol=1e-12)
    np.testing.assert_allclose(facts.sizes, np.quantile(np.abs(rows), [0.05, 0.25, 0.5, 0.75, 0.95], axis=0))
    assert facts.n_rows == len(rows)
    assert facts.noisy is None


def test_gaps_are_left_out_of_the_sizes() -> None:
    rows = np.array([[1.0, np.nan], [-3.0, np.nan], [np.nan, np.nan]])
    found = column_sizes(rows)
    np.testing.assert_allclose(found[:, 0], np.quantile([1, 3], [0.05, 0.25, 0.5, 0.75, 0.95]))
    assert np.isnan(found[:, 1]).all()


def test_levels_are_the_first_and_last_hundredth() -> None:
    x = torch.linspace(0, 1, 101)[torch.randperm(101, generator=torch.Generator().manual_seed(0))]
    dark, light = levels(x.reshape(1, 1, 1, 101))
    assert (dark[0], light[0]) == pytest.approx((0.01, 0.99), rel=1e-5)  # float32


def test_a_denoiser_keeps_noisy_samples(denoiser: Run) -> None:
    facts = set_facts(denoiser.path)
    assert facts is not None
    assert facts.watched is not None
    assert facts.noisy is not None
    assert (len(facts.watched), len(facts.noisy.log_error), facts.noisy.z.shape) == (10, 10, (10, 4))  # of 20, halves
    clean = error_signals(denoiser.model, torch.from_numpy(denoiser.prepared.splits.validation.x / np.float32(255)))
    assert np.median(facts.noisy.log_error) > np.median(clean.log_error) + 0.3  # the noise itself is in the error


def test_rows_are_spread_evenly() -> None:
    assert spread(3, 5).tolist() == [0, 1, 2]
    assert spread(101, 5).tolist() == [0, 25, 50, 75, 100]


def test_older_runs_keep_nothing_and_damage_is_told(digit_run: Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(digit_run.path, tmp_path / "copy"))
    part = folder / "latent" / "set" / "set.safetensors"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="set"):
        set_facts(folder)
    shutil.rmtree(folder / "latent" / "set")
    assert set_facts(folder) is None
