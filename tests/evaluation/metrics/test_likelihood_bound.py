"""The bound on a model whose likelihood is known: probabilistic PCA, x = W z + mu + n (Tipping and Bishop 1999)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import nn

import isthmus
import tiny
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.errors import UsageError
from isthmus.evaluation.metrics.likelihood_bound import BINARIZATIONS, importance_bound
from isthmus.models.autoencoder import Model

AXES = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0][:, :2] * [2.0, 0.7]  # W, with W^T W diagonal
MEAN = np.linspace(-1, 1, 6)


def ppca(wrong: float = 1.0) -> tuple[Model, torch.Tensor, np.ndarray]:
    """A Gaussian autoencoder that is probabilistic PCA of deviation 1, data drawn from it, and log p of each row.

    `wrong` widens the encoder's deviations: at 1 q(z | x) is the posterior itself, (W^T W + I)^-1 being diagonal.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)) @ AXES.T + MEAN + rng.normal(size=(200, 6))
    exact = multivariate_normal(MEAN, AXES @ AXES.T + np.eye(6)).logpdf(x)
    settings: dict[str, Any] = {"scale": "none", "hidden": [], "z_size": 2, "bottleneck": "gaussian"}
    model = tiny.trainer(tiny.prepared(tiny.table(), likelihood="gaussian", **settings)).model
    precision = (AXES**2).sum(0) + 1
    encode = np.concatenate([AXES.T / precision[:, None], np.zeros((2, 6))])
    shift = np.concatenate([-AXES.T @ MEAN / precision, np.log(wrong**2 / precision)])
    (inner,), (outer,) = (
        [m for m in part.modules() if isinstance(m, nn.Linear)] for part in (model.encoder, model.decoder)
    )
    with torch.no_grad():
        for layer, weight, bias in ((inner, encode, shift), (outer, AXES, MEAN)):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
    return model, torch.from_numpy(x).float(), exact


def test_with_the_true_posterior_one_draw_gives_the_likelihood_itself() -> None:
    model, x, exact = ppca()
    found = importance_bound(model, x, draws=1)
    assert found["nll"] == pytest.approx(-exact.mean(), rel=1e-5)
    assert found["negative_elbo"] == pytest.approx(-exact.mean(), rel=1e-5)
    assert found["nll_sem"] == pytest.approx(exact.std(ddof=1) / math.sqrt(200), rel=1e-3)
    assert (found["n"], found["unit"], found["binarization"]) == (200, "nats per row", None)


def test_with_a_wrong_posterior_the_bound_falls_to_the_likelihood_as_draws_grow() -> None:
    model, x, exact = ppca(wrong=1.3)
    found = [importance_bound(model, x, draws=draws)["nll"] for draws in (1, 10, 100, 3_000)]
    assert found == sorted(found, reverse=True)
    kl = 2 * (0.5 * 1.3**2 - 0.5 - math.log(1.3))  # of the two units, which is what one draw loses
    assert found[0] == pytest.approx(-exact.mean() + kl, abs=0.1)  # the deviation of one draw, 1.0, over sqrt(200)
    assert found[-1] == pytest.approx(-exact.mean(), abs=0.005)
    assert found[-1] > -exact.mean() - 0.005


def test_draws_in_several_passes_give_the_same_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, exact = ppca(wrong=1.3)
    monkeypatch.setattr("isthmus.evaluation.metrics.likelihood_bound.AT_ONCE", 6 * 100 * 7)
    monkeypatch.setattr("isthmus.evaluation.metrics.likelihood_bound.SAMPLES_AT_ONCE", 100)
    found = importance_bound(model, x, draws=500)
    assert found["nll"] == pytest.approx(-exact.mean(), abs=0.02)
    assert found == importance_bound(model, x, draws=500)
    assert found["nll"] != importance_bound(model, x, draws=500, seed=1)["nll"]


def test_binarization_is_named_and_changes_what_is_bounded(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, bottleneck="gaussian")
    model, data = tiny.trainer(ready).model, ready.tensor(ready.splits.test)
    found = {how: importance_bound(model, data, draws=3, binarize=how) for how in ("none", "threshold", "sample")}
    assert len({round(block["nll"], 3) for block in found.values()}) == 3
    assert {how: block["binarization"] for how, block in found.items()} == {how: how for how in found}
    assert "not a likelihood" in found["none"]["values"]
    assert found["threshold"]["unit"] == "nats per image"
    black_and_white = ((data / 255) >= 0.5).to(torch.uint8) * 255
    again = importance_bound(model, black_and_white, draws=3)
    assert again["nll"] == pytest.approx(found["threshold"]["nll"], rel=1e-6)


def test_models_without_a_density_of_codes_and_impossible_pixels_are_refused(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples)
    with pytest.raises(UsageError, match=r"the bottleneck 'identity' has no density q\(z \| x\)"):
        importance_bound(tiny.trainer(ready).model, ready.tensor(ready.splits.test), draws=1)
    model, x, _ = ppca()
    with pytest.raises(UsageError, match="binarize cannot be 'threshold'"):
        importance_bound(model, x, draws=1, binarize="threshold")


def test_the_command_bounds_a_vae_and_names_the_binarization(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(isthmus.train(images, recipe="vae", out=tmp_path / "run", **tiny.FAST).path)

    def bound(draws: int, *options: str) -> dict[str, Any]:
        assert run_guarded(build_app(), ["evaluate", run, "--nll", str(draws), *options, "--json"]) == 0
        return json.loads(capsys.readouterr().out)["bound"]

    few, some, many = (bound(draws, "--binarize", "threshold") for draws in (1, 10, 200))
    # of the same draws log E w >= E log w, by Jensen; and on average it rises with their number (Burda et al. 2016)
    assert few["nll"] == pytest.approx(few["negative_elbo"])
    for found in (some, many):
        assert found["nll"] < found["negative_elbo"]
    assert few["nll"] > some["nll"] > many["nll"]
    assert (many["draws"], many["n"], many["unit"]) == (200, 20, "nats per image")
    for binarization, words in BINARIZATIONS.items():
        found = bound(2, "--binarize", binarization)
        assert (found["binarization"], found["values"]) == (binarization, words)
    assert bound(2)["binarization"] == "none"
    assert run_guarded(build_app(), ["evaluate", run, "--nll", "10", "--binarize", "threshold"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("nll "))
    assert line.startswith(f"nll        at most {some['nll']:.2f} ± {some['nll_sem']:.2f} nats per image")
    assert line.endswith("(10 draws per sample, black and white with a threshold of 0.5)")


def test_the_command_says_why_there_is_no_bound(denoiser: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_guarded(build_app(), ["evaluate", str(denoiser.path), "--nll", "5"]) == 2
    assert "has no density q(z | x), so there is no bound" in capsys.readouterr().err


def test_a_density_says_of_which_values_it_is_one() -> None:
    """p(raw) = p(standardized) / product of the deviations, so -log p differs by the sum of their logarithms."""
    ready = tiny.prepared(100 * tiny.table(), likelihood="gaussian", bottleneck="gaussian")
    model = tiny.trainer(ready).model
    told = importance_bound(model, ready.tensor(ready.splits.test), draws=2)["values"]
    nats = float(np.log(ready.splits.train.x.std(0, dtype=np.float64)).sum())
    assert nats > 0
    assert told == f"density of standardized values, gaussian; in their original units, it is {nats:.2f} nats higher"
    plain = tiny.prepared(tiny.table(), likelihood="gaussian", bottleneck="gaussian", scale="none")
    found = importance_bound(tiny.trainer(plain).model, plain.tensor(plain.splits.test), draws=2)["values"]
    assert found == "density of values scaled for the network, gaussian"
