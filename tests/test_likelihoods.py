"""Costs equal those of torch.distributions, scipy and torch.nn.functional."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from scipy.special import log_expit
from torch import distributions

from contract import drawn
from isthmus.errors import UsageError
from isthmus.likelihoods import likelihood

SHAPES = [(5, 1, 4, 6), (3, 7)]


def pair(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Params in -4..4 and targets in 0..1, in double precision."""
    return 8 * drawn(*shape, dtype=torch.float64, seed=1) - 4, drawn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_gaussian_and_laplace_equal_the_densities(shape: tuple[int, ...]) -> None:
    params, target = pair(shape)
    for name, density in (
        ("gaussian", distributions.Normal(params, 1.0)),
        ("laplace", distributions.Laplace(params, 1.0)),
    ):
        expected = -density.log_prob(target).flatten(1).sum(1)
        assert likelihood(name).nll(params, target).numpy() == pytest.approx(expected.numpy(), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_bernoulli_equals_the_probability_of_black_and_white_pixels(shape: tuple[int, ...]) -> None:
    params, grey = pair(shape)
    target = grey.round()
    expected = -distributions.Bernoulli(logits=params).log_prob(target).flatten(1).sum(1)
    assert likelihood("bernoulli").nll(params, target).numpy() == pytest.approx(expected.numpy(), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_bernoulli_of_grey_pixels_is_their_cross_entropy(shape: tuple[int, ...]) -> None:
    params, target = pair(shape)
    x, logit = target.numpy(), params.numpy()
    expected = -(x * log_expit(logit) + (1 - x) * log_expit(-logit)).reshape(len(x), -1).sum(1)
    assert likelihood("bernoulli").nll(params, target).numpy() == pytest.approx(expected, rel=1e-12)
    of_probabilities = likelihood("bernoulli,output=probabilities").nll(params.sigmoid(), target)
    assert of_probabilities.numpy() == pytest.approx(expected, rel=1e-12)


def test_what_people_read_are_the_fields_own_numbers() -> None:
    params, target = pair((5, 1, 4, 6))
    expected = {
        "bernoulli": F.binary_cross_entropy_with_logits(params, target),
        "gaussian": F.mse_loss(params, target),
        "laplace": F.l1_loss(params, target),
    }
    for name, value in expected.items():
        part = likelihood(name)
        per_value = part.nll(params, target).mean() / target[0].numel()
        assert float(part.readable(per_value)) == pytest.approx(float(value), rel=1e-12)


def test_saturated_logits_cost_their_distance_and_never_infinity() -> None:
    part, logits = likelihood("bernoulli"), torch.tensor([[100.0], [-100.0]])
    assert part.nll(logits, torch.tensor([[0.0], [1.0]])).tolist() == [100, 100]
    assert part.nll(logits, torch.tensor([[1.0], [0.0]])).tolist() == pytest.approx([0, 0], abs=1e-40)


def test_half_precision_params_are_costed_in_the_targets_precision() -> None:
    params, target = pair((3, 7))
    cost = likelihood("gaussian").nll(params.bfloat16(), target)
    assert cost.dtype == torch.float64
    expected = likelihood("gaussian").nll(params.bfloat16().double(), target)
    assert torch.equal(cost, expected)


def test_means_are_probabilities_or_the_params_themselves() -> None:
    params, _ = pair((3, 7))
    assert torch.equal(likelihood("bernoulli").mean(params), params.sigmoid())
    for name in ("bernoulli,output=probabilities", "gaussian", "laplace"):
        assert torch.equal(likelihood(name).mean(params), params)


def test_black_pixels_start_at_a_thousandth_not_at_minus_infinity() -> None:
    logits = likelihood("bernoulli").from_mean(torch.tensor([0.0, 0.25, 1.0]))
    assert logits.tolist() == pytest.approx([math.log(0.001 / 0.999), math.log(1 / 3), math.log(999)], rel=1e-4)


def test_only_bernoulli_has_a_range() -> None:
    assert likelihood("bernoulli").range == (0, 1)
    assert likelihood("gaussian").range is likelihood("laplace").range is None
    assert likelihood("bernoulli").channels_out(3) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bernouli", "unknown likelihood 'bernouli'"),
        ("bernoulli,output=odds", "output is 'odds', allowed are 'logits' and"),
    ],
)
def test_other_likelihoods_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        likelihood(text)
