from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import DataError, UsageError
from isthmus.runs.artifacts import Artifacts
from isthmus.runs.density import density_of
from isthmus.tools.sampling.classifier import classifier_of
from isthmus.tools.sampling.sampling import PRIOR, as_code, draw_samples

CENTERS = {"a": -8, "b": 0, "c": 8}


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a table of three classes far apart."""
    folder = tmp_path_factory.mktemp("clouds")
    rng = np.random.default_rng(0)
    points = [(kind, point) for kind, center in CENTERS.items() for point in rng.normal(center, 0.5, (80, 2))]
    rows = [f"{kind},{x:.4f},{y:.4f},{x + y:.4f}" for kind, (x, y) in points]
    (folder / "table.csv").write_text("\n".join(["kind,x,y,s", *rows]))
    settings = tiny.SMALL | {"z_size": 2, "epochs": 60, "label": "kind", "batch_size": 32}
    return isthmus.train(folder / "table.csv", out=folder / "run", show=False, **settings)


@pytest.fixture(scope="module")
def variational(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return isthmus.train(images, recipe="vae", out=tmp_path_factory.mktemp("vae") / "run", **tiny.FAST)


@pytest.mark.parametrize("density", ["gaussian", "mixture"])
@pytest.mark.parametrize(("of", "center"), CENTERS.items())
def test_samples_of_a_class_lie_where_the_class_lies(clouds: Run, density: str, of: str, center: float) -> None:
    drawn = draw_samples(clouds, 100, density=density, of=of)
    assert drawn.x.shape == (100, 3)
    assert drawn.labels == (of,) * 100
    nearest = np.abs(drawn.x[:, :2].mean(1)[:, None] - [-8, 0, 8]).argmin(1)
    assert np.mean(np.array([-8, 0, 8])[nearest] == center) > 0.97


def test_samples_without_a_class_have_the_mean_and_spread_of_the_data(clouds: Run) -> None:
    x = draw_samples(clouds, 4_000).x
    train = clouds.prepared.splits.train.x
    np.testing.assert_allclose(x.mean(0), train.mean(0), atol=0.8)  # the network's error and 0.1 of chance
    np.testing.assert_allclose(x.std(0), train.std(0), rtol=0.15)


def test_samples_of_a_digit_are_that_digit_to_a_classifier(digit_run: Run) -> None:
    judge = classifier_of(digit_run)
    for digit in "017":
        x = draw_samples(digit_run, 60, of=digit, temperature=0.7).x
        predicted = judge.predict(torch.from_numpy(x).float() / 255)
        assert np.mean([judge.classes[k] == digit for k in predicted]) > 0.8


def test_the_same_seed_draws_the_same(digit_run: Run) -> None:
    with tiny.assert_global_generator_untouched():
        first, again, other = (draw_samples(digit_run, 4, density="gaussian", seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)
    assert (first.x.dtype, first.x.shape) == (np.uint8, (4, 1, 28, 28))


def test_the_mixture_is_kept_and_read_again(digit_run: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(digit_run.path, tmp_path / "run"))
    shutil.rmtree(Artifacts(run.path).folder / "density", ignore_errors=True)
    first = density_of(run, "mixture")
    assert Artifacts(run.path).has("density")
    np.testing.assert_array_equal(density_of(Run(run.path), "mixture").covariances, first.covariances)
    assert set(first.groups.tolist()) == set(range(10))


def test_a_moved_run_without_its_data_still_draws(clouds: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(clouds.path, tmp_path / "moved"))
    config = (run.path / "config.toml").read_text()
    (run.path / "config.toml").write_text(config.replace("table.csv", "gone.csv"))
    np.testing.assert_array_equal(draw_samples(run, 5, of="b").x, draw_samples(clouds, 5, of="b").x)
    with pytest.raises(DataError, match="can no longer be read"):
        _ = run.prepared


def test_the_prior_of_a_variational_code_is_standard_normal(variational: Run) -> None:
    drawn = draw_samples(variational, 5_000)
    assert drawn.source == PRIOR
    np.testing.assert_allclose(drawn.z.mean(0), 0, atol=0.06)  # four standard errors
    np.testing.assert_allclose(np.cov(drawn.z.T), np.eye(4), atol=0.1)
    half = draw_samples(variational, 5_000, temperature=0.5)
    np.testing.assert_allclose(half.z, drawn.z / 2, rtol=1e-6)
    with pytest.raises(UsageError, match="the prior has no classes"):
        draw_samples(variational, 1, density="prior", of="7")


def test_codes_stay_within_what_training_codes_reach(digit_run: Run) -> None:
    z = draw_samples(digit_run, 500, temperature=30.0, density="gaussian").z
    codes = digit_run.latent.codes
    assert (z >= codes.min(0)).all()
    assert (z <= codes.max(0)).all()


@pytest.mark.parametrize("bottleneck", ["vq:16,width=2", "fsq:5", "sigmoid+fsq:5"])
def test_of_finitely_many_codes_the_nearest_is_taken(bottleneck: str) -> None:
    model = isthmus.training.prepare.fresh_model(tiny.prepared(tiny.table(), bottleneck=bottleneck))
    z = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    found = as_code(model, z)
    assert torch.equal(as_code(model, found), found)  # a code is its own nearest
    step = torch.full_like(z, 0.5) if "fsq" in bottleneck else None
    if step is not None:
        assert torch.equal(found, (z * 2).round() / 2)


def test_what_cannot_be_drawn(digit_run: Run, denoiser: Run) -> None:
    with pytest.raises(UsageError, match="'identity' codes have no prior") as caught:
        draw_samples(digit_run, 1, density="prior")
    assert "--density mixture" in str(caught.value.fix)
    with pytest.raises(UsageError, match="unknown density 'normal'"):
        draw_samples(digit_run, 1, density="normal")
    with pytest.raises(UsageError, match="unknown class 'x'"):
        draw_samples(digit_run, 1, of="x")
    with pytest.raises(UsageError, match="has no labels, so there is no class '7'"):
        draw_samples(denoiser, 1, of="7")
    with pytest.raises(UsageError, match="0 samples cannot be drawn; allowed: 1 or more"):
        draw_samples(digit_run, 0)
    with pytest.raises(UsageError, match="the temperature is -1; allowed: 0 or more"):
        draw_samples(digit_run, 1, temperature=-1)
