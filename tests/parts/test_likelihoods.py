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
from isthmus.parts.likelihoods import likelihood

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


@pytest.mark.parametrize("variance", ["fixed", "learned"])
def test_scaled_costs_whose_output_is_a_logit_are_densities_about_its_sigmoid(variance: str) -> None:
    params, target = pair((5, 2, 4, 6))
    raw, scale = (params, 1.0) if variance == "fixed" else (params[:, :1], params[:, 1:].clamp(-2, 2))
    params = raw if variance == "fixed" else torch.cat([raw, scale], 1)
    target = 3 * target[:, : raw.shape[1]] - 1  # also below black and above white
    width = 1.0 if variance == "fixed" else scale.exp()
    for name, density in (("gaussian", distributions.Normal), ("laplace", distributions.Laplace)):
        part = likelihood(f"{name},variance={variance},output=sigmoid")
        expected = -density(raw.sigmoid(), width).log_prob(target).flatten(1).sum(1)
        assert part.nll(params, target).numpy() == pytest.approx(expected.numpy(), rel=1e-6)
        assert torch.equal(part.mean(params), raw.sigmoid())


@pytest.mark.parametrize("shape", SHAPES)
def test_bernoulli_equals_the_probability_of_black_and_white_pixels(shape: tuple[int, ...]) -> None:
    params, gray = pair(shape)
    target = gray.round()
    expected = -distributions.Bernoulli(logits=params).log_prob(target).flatten(1).sum(1)
    assert likelihood("bernoulli").nll(params, target).numpy() == pytest.approx(expected.numpy(), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_bernoulli_of_gray_pixels_is_their_cross_entropy(shape: tuple[int, ...]) -> None:
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


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["gaussian", "laplace"])
def test_a_learned_scale_gives_the_density_with_that_scale(name: str, shape: tuple[int, ...]) -> None:
    density = {"gaussian": distributions.Normal, "laplace": distributions.Laplace}[name]
    mean, target = pair(shape)
    log_scale = 2 * drawn(*shape, dtype=torch.float64, seed=2) - 1
    each = likelihood(f"{name},variance=learned")
    found = each.nll(torch.cat([mean, log_scale], dim=1), target)
    assert found.numpy() == pytest.approx(-density(mean, log_scale.exp()).log_prob(target).flatten(1).sum(1).numpy())
    assert each.channels_out(3) == 6
    shared = likelihood(f"{name},variance=shared")
    with torch.no_grad():
        shared.log_scale.fill_(-0.7)  # type: ignore[operator, union-attr]
        found = shared.nll(mean, target)
    expected = -density(mean, math.exp(-0.7)).log_prob(target).flatten(1).sum(1)
    assert found.numpy() == pytest.approx(expected.numpy(), rel=1e-6)  # -0.7 is float32
    for part in (each, shared):
        assert (part.unit, part.readable(1.25), part.range) == ("nats", 1.25, None)


def test_the_best_shared_deviation_is_the_root_of_the_mean_squared_error() -> None:
    mean, target = pair((50, 7))
    part = likelihood("gaussian,variance=shared").double()
    best = 0.5 * torch.log(F.mse_loss(mean, target))  # Rybkin et al. 2021, eq. 5
    with torch.no_grad():
        part.log_scale.copy_(best)  # type: ignore[operator, union-attr]
    (slope,) = torch.autograd.grad(part.nll(mean, target).sum(), part.parameters())
    assert abs(slope.item()) < 1e-9 * target.numel()


def test_a_scale_beyond_its_range_is_held_and_can_come_back() -> None:
    part = likelihood("gaussian,variance=learned")
    params = torch.tensor([[0.0, -50.0]], requires_grad=True)
    cost = part.nll(params, torch.tensor([[1e-6]]))
    assert cost.item() == pytest.approx(math.log(2 * math.pi) / 2 - 6, abs=1e-5)  # at a deviation of exp(-6)
    (slope,) = torch.autograd.grad(part.nll(params, torch.tensor([[1.0]])).sum(), params)
    assert slope[0, 1].item() < 0  # a larger one costs less


def test_only_bernoulli_has_a_range() -> None:
    assert likelihood("bernoulli").range == (0, 1)
    assert likelihood("gaussian").range is likelihood("laplace").range is None
    assert likelihood("bernoulli").channels_out(3) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bernouli", "unknown likelihood 'bernouli'"),
        ("gaussian,variance=free", "variance is 'free', but must be one of 'fixed', 'shared', 'learned'"),
        ("bernoulli,output=odds", "output is 'odds', but must be 'logits' or"),
    ],
)
def test_other_likelihoods_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        likelihood(text)


@pytest.mark.parametrize("name", ["gaussian", "laplace"])
def test_a_learned_scale_comes_back_from_its_bounds_and_never_runs_away(name: str) -> None:
    part = likelihood(f"{name},variance=shared")
    target = torch.zeros(64, 1, 2, 2)
    optimizer = torch.optim.Adam(part.parameters(), lr=0.01)

    def steps(error: float, n: int) -> float:
        for _ in range(n):
            optimizer.zero_grad()
            part.nll(target + error, target).mean().backward()
            optimizer.step()
        return float(part.log_scale.detach())

    assert -6.5 < steps(0.0, 1_500) < -5.9  # a perfect fit; the optimizer's momentum carries it a little further
    assert steps(0.1, 600) > -4  # the scale of such errors is -2.3
