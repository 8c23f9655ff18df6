"""Training on pairs: inputs and targets come from the data, from the first batch to the verdicts."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

import isthmus
import tiny
from isthmus.api import Run
from isthmus.data.read import read
from isthmus.errors import DataError, UsageError
from isthmus.recipes import resolve


def shaken(x: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.clip(x + np.random.default_rng(seed).normal(0, 60, x.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def files(digits: tiny.Digits, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Noisy and clean digits, as arrays in files."""
    folder = tmp_path_factory.mktemp("pairs")
    x = digits.x[:200]
    np.save(folder / "clean.npy", x)
    np.save(folder / "noisy.npy", shaken(x))
    return folder / "noisy.npy", folder / "clean.npy"


@pytest.fixture(scope="module")
def run(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    noisy, clean = files
    return isthmus.train(noisy, target=clean, out=tmp_path_factory.mktemp("runs") / "pairs", **tiny.FAST)


def test_the_settings_name_the_target(run: Run, files: tuple[Path, Path]) -> None:
    kept = tomllib.loads((run.path / "config.toml").read_text(encoding="utf-8"))
    assert kept["data"]["target"] == str(files[1])
    assert kept["model"]["noise"] == "pairs"
    assert (run.path / "denoising.png").is_file()


def test_the_noise_that_is_told_is_that_of_the_files(run: Run) -> None:
    test = run.prepared.splits.test
    assert test.x_in is not None
    told = run.metrics["denoising"]["noisy"]["psnr_db"]
    each = [peak_signal_noise_ratio(a[0], b[0], data_range=255) for a, b in zip(test.x, test.x_in, strict=True)]
    assert told == pytest.approx(np.mean(each), abs=1e-4)  # scaled to [0, 1] in float32


def test_the_error_that_is_told_is_that_of_the_clean_ones(run: Run) -> None:
    test = run.prepared.splits.test
    assert test.x_in is not None
    found = np.asarray(run.model.reconstruct(test.x_in.astype(np.float32) / 255))
    assert run.metrics["test"]["mse"] == pytest.approx(np.square(found - test.x / 255).mean(), rel=1e-4)


def test_it_is_measured_again_alike_and_on_other_pairs(run: Run, files: tuple[Path, Path]) -> None:
    assert isthmus.evaluate(run.path)["denoising"] == run.metrics["denoising"]
    noisy, clean = (read(path).train.x for path in files)
    found = isthmus.evaluate(run, noisy, target=clean)
    assert found["denoising"]["noise"] == "pairs"
    assert found["data"]["n_test"] == 200
    with pytest.raises(UsageError, match="trained on pairs") as caught:
        isthmus.evaluate(run, noisy)
    assert "--target" in str(caught.value.fix)


def test_any_denoiser_is_judged_on_pairs_that_are_given(denoiser: Run, files: tuple[Path, Path]) -> None:
    found = isthmus.evaluate(denoiser.path, files[0], target=files[1])
    x, x_in = (read(path).train.x for path in (files[1], files[0]))
    assert found["denoising"]["noise"] == "pairs"
    each = [peak_signal_noise_ratio(a[0], b[0], data_range=255) for a, b in zip(x, x_in, strict=True)]
    assert found["denoising"]["noisy"]["psnr_db"] == pytest.approx(np.mean(each), abs=1e-4)


def test_a_run_goes_on_with_its_pairs_and_with_no_others(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    settings = tiny.FAST | {"epochs": 1}
    begun = isthmus.train(read(files[0]).train.x, target=files[1], out=tmp_path / "a", **settings)
    with pytest.raises(UsageError, match="data in memory"):
        isthmus.resume(begun.path, epochs=2, show=False)
    with pytest.raises(UsageError, match="differs from the data that"):
        isthmus.resume(begun.path, epochs=2, data=shaken(read(files[1]).train.x, 1), show=False)
    longer = isthmus.resume(begun.path, epochs=2, data=read(files[0]).train.x, show=False)
    assert len(longer.history) == 2


def test_a_batch_of_pairs_brings_its_own_input(run: Run) -> None:
    x = torch.rand((3, 2, *run.model.preprocess.shape[1:]))
    pair = run.model.pair(x, None)
    assert torch.equal(pair.x_in, x[:, 1:])
    assert torch.equal(pair.target, x[:, :1])
    assert torch.equal(run.model.target(x), x[:, :1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"data": {"target": "clean"}, "model": {"noise": "gaussian:0.1"}},
            "--noise gaussian:0.1 cannot be used with --target",
        ),
        ({"model": {"noise": "pairs"}}, "--noise pairs needs the clean samples"),
    ],
)
def test_a_target_and_its_noise_belong_together(settings: dict[str, dict[str, str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(settings)
    assert resolve({"recipe": "photo", "data": {"target": "clean"}}).model.noise == "pairs"


def test_pairs_are_no_noise_that_is_added_to_others(digits: tiny.Digits, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="masking, pairs and unknown noise cannot be combined"):
        isthmus.train(digits.x[:50], noise="gaussian:0.1+pairs", out=tmp_path / "a", **tiny.FAST)
    with pytest.raises(DataError, match="matched by position"):
        isthmus.train(digits.x[:50], target=digits.x[:49], out=tmp_path / "a", **tiny.FAST)
    assert not (tmp_path / "a").exists()
