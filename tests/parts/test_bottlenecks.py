from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch.distributions import Bernoulli, Normal, kl_divergence

from contract import assert_close, assert_gradient_everywhere, drawn, seeded
from isthmus.errors import UsageError
from isthmus.parts.bottlenecks import LOG_VAR, bottleneck
from tiny import assert_global_generator_untouched


def test_identity_passes_the_features_through() -> None:
    h = drawn(5, 3)
    code = bottleneck("identity", 3)(h, sample=True)
    assert code.z is h
    assert (code.penalties, code.aux) == ({}, {})


def test_sigmoid_equals_scipys_and_lies_between_zero_and_one() -> None:
    h = 40 * drawn(5, 3, dtype=torch.float64) - 20
    part = bottleneck("sigmoid", 3)
    z = part(h, sample=False).z
    assert z.numpy() == pytest.approx(expit(h.numpy()), rel=1e-12)
    assert 0 <= float(z.min()) <= float(z.max()) <= 1
    assert not part.signed
    assert bottleneck("identity", 3).signed


@pytest.mark.parametrize("name", ["identity", "sigmoid"])
def test_a_code_without_a_prior_cannot_be_sampled(name: str) -> None:
    with pytest.raises(UsageError, match=f"the bottleneck '{name}' has no prior to sample from"):
        bottleneck(name, 3).sample_prior(2, seeded(0))


def test_unknown_bottlenecks_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown bottleneck 'sigmiod'") as caught:
        bottleneck("sigmiod", 3)
    assert "did you mean 'sigmoid'?" in str(caught.value.fix)


def test_the_kl_of_a_gaussian_code_is_that_of_torch_distributions() -> None:
    h = 8 * drawn(5, 6, dtype=torch.float64) - 4
    code = bottleneck("gaussian", 3)(h, sample=False)
    mean, log_var = h[:, :3], h[:, 3:]
    expected = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(torch.zeros(()), torch.ones(()))).sum(1)
    assert_close(code.penalties["kl"], expected)
    assert torch.equal(code.z, mean)
    assert torch.equal(code.aux["mean"], mean)
    assert torch.equal(code.aux["log_var"], log_var)


def test_a_gaussian_code_at_the_prior_costs_nothing_and_one_near_it_never_less() -> None:
    part = bottleneck("gaussian", 2)
    assert float(part(torch.zeros(1, 4), sample=False).penalties["kl"]) == 0
    near = torch.cat([torch.zeros(1_000, 2), 1e-3 * torch.randn(1_000, 2, generator=seeded(0))], dim=1)
    assert bool((part(near, sample=False).penalties["kl"] >= 0).all())  # rounded, exp(v) - 1 - v is below 0


def test_samples_of_a_gaussian_code_have_its_mean_and_deviation() -> None:
    h = torch.tensor([[1.0, -2.0, 0.0, 2 * math.log(0.5)]]).repeat(200_000, 1)
    z = bottleneck("gaussian", 2)(h, sample=True, generator=seeded(0)).z
    # The mean of 200,000 draws errs by sigma / 447, a deviation by sigma / 632; five times that is never seen.
    assert z.mean(0).tolist() == pytest.approx([1.0, -2.0], abs=0.012)
    assert z.std(0).tolist() == pytest.approx([1.0, 0.5], abs=0.008)


@pytest.mark.parametrize("log_var", [1e4, 88.0, -1e4, -300.0])
def test_fault_45_log_variances_that_would_overflow_are_held_and_counted(log_var: float) -> None:
    part = bottleneck("gaussian", 2).train()
    h = torch.tensor([[0.5, 0.5, log_var, 0.0]], requires_grad=True)
    code = part(h, sample=True, generator=seeded(0))
    assert bool(code.z.isfinite().all())
    assert bool(code.penalties["kl"].isfinite().all())
    assert float(code.aux["log_var"][0, 0].detach()) == (LOG_VAR[1] if log_var > 0 else LOG_VAR[0])
    assert part.statistics() == {"log_var_held": 0.5}
    (gradient,) = torch.autograd.grad(code.penalties["kl"].sum(), h)
    assert bool(gradient.isfinite().all())
    assert math.copysign(1, float(gradient[0, 2])) == math.copysign(1, log_var)  # a step downhill leads back


def test_fault_45_nothing_is_counted_outside_of_training() -> None:
    part = bottleneck("gaussian", 2)
    h = torch.full((3, 4), 1e4)
    part.eval()(h, sample=True, generator=seeded(0))
    part.train()(h, sample=False)
    assert part.statistics() == {"log_var_held": 0.0}


def test_codes_are_float32_under_autocast() -> None:
    h = drawn(3, 8).bfloat16()
    for text in ("gaussian", "sparse", "vq:4", "fsq"):
        part = bottleneck(text, 4)
        assert part(h[:, : part.width_in(4)], sample=True, generator=seeded(0)).z.dtype == torch.float32, text


def test_the_sparsity_is_the_kl_between_the_wanted_and_the_mean_activity() -> None:
    h = 6 * drawn(7, 3, dtype=torch.float64) - 3
    found = bottleneck("sparse:0.2", 3)(h, sample=False).penalties["sparsity"]
    wanted = Bernoulli(torch.tensor(0.2, dtype=torch.float64))
    assert_close(found, kl_divergence(wanted, Bernoulli(h.sigmoid().mean(0))).sum())
    at_target = torch.logit(torch.full((4, 3), 0.2, dtype=torch.float64))
    assert float(bottleneck("sparse:0.2", 3)(at_target, sample=False).penalties["sparsity"]) == pytest.approx(
        0, abs=1e-12
    )
    silent = torch.full((4, 3), -200.0, requires_grad=True)
    cost = bottleneck("sparse:0.2", 3)(silent, sample=False).penalties["sparsity"]
    assert bool(cost.isfinite())  # sigmoid(-200) is 0 in float32


def test_the_l1_penalty_is_the_sum_of_absolute_values() -> None:
    h = 6 * drawn(7, 3, dtype=torch.float64) - 3
    code = bottleneck("l1", 3)(h, sample=False)
    assert code.z is h
    assert code.penalties["l1"].numpy() == pytest.approx(np.abs(h.numpy()).sum(1), rel=1e-12)


def test_noise_is_added_to_the_code_in_training_only() -> None:
    part, h = bottleneck("noise:0.3", 4), drawn(50_000, 4)
    assert part(h, sample=False).z is h
    with assert_global_generator_untouched():
        noise = part(h, sample=True, generator=seeded(0)).z - h
    assert float(noise.std()) == pytest.approx(0.3, rel=0.01)  # of 200,000 draws the deviation errs by 0.16 %
    assert float(noise.mean()) == pytest.approx(0, abs=0.004)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sparse:0", "must be between 0 and 1"),
        ("sparse:1.2", "must be between 0 and 1"),
        ("noise:-1", "SIGMA must be a number of 0 or more"),
        ("gaussian:0.5", "takes no level"),
        ("gaussian+gaussian", "two bottlenecks have the penalty 'kl'"),
        ("gaussian+", "unknown bottleneck 'gaussian\\+'"),
    ],
)
def test_impossible_bottlenecks_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bottleneck(text, 4)


def test_a_chain_passes_the_code_on_and_joins_widths_and_penalties() -> None:
    part = bottleneck("gaussian + sigmoid + l1", 3)
    assert part.width_in(3) == 6
    h = 4 * drawn(5, 6, dtype=torch.float64) - 2
    code = part(h, sample=False)
    assert_close(code.z, h[:, :3].sigmoid())
    assert list(part.penalties) == list(code.penalties) == ["kl", "l1"]
    assert_close(code.penalties["l1"], code.z.abs().sum(1))
    assert_close(code.penalties["kl"], bottleneck("gaussian", 3)(h, sample=False).penalties["kl"])
    assert torch.equal(code.aux["mean"], h[:, :3])


def test_a_gaussian_code_at_the_end_of_a_chain_is_fed_by_what_stands_before_it() -> None:
    part = bottleneck("sigmoid+gaussian", 3)
    h = 4 * drawn(5, 6, dtype=torch.float64) - 2
    assert part.width_in(3) == 6
    assert_close(part(h, sample=False).z, h.sigmoid()[:, :3])


@pytest.mark.parametrize(
    ("text", "signed", "continuous", "couples"),
    [
        ("sigmoid+noise:0.1", False, True, False),
        ("noise:0.1+sigmoid", False, True, False),
        ("l1+noise:0.1", True, True, False),
        ("sigmoid+gaussian", True, True, False),
        ("noise:0.1+vq", True, False, False),
        ("sparse+noise:0.1", False, True, True),
    ],
)
def test_a_chain_is_read_by_its_parts(text: str, signed: bool, continuous: bool, couples: bool) -> None:
    part = bottleneck(text, 4)
    assert (part.signed, part.continuous, part.couples) == (signed, continuous, couples)


def test_the_prior_of_a_chain_is_its_last_one_through_what_follows() -> None:
    z = bottleneck("gaussian+sigmoid", 3).sample_prior(7, seeded(0))
    assert torch.equal(z, bottleneck("gaussian", 3).sample_prior(7, seeded(0)).sigmoid())
    assert not bottleneck("sigmoid+noise:0.1", 3).has_prior
    with pytest.raises(UsageError, match="has no prior to sample from"):
        bottleneck("sigmoid+noise:0.1", 3).sample_prior(2, seeded(0))


def test_gradients_of_every_penalty_reach_the_features() -> None:
    h = (4 * drawn(5, 6, dtype=torch.float64) - 2).requires_grad_()
    code = bottleneck("gaussian+l1", 3)(h, sample=True, generator=seeded(0))
    for name, penalty in code.penalties.items():
        assert_gradient_everywhere(penalty.sum(), [(f"h from {name}", h)])
    assert set(code.penalties) == {"kl", "l1"}


def test_the_sparsity_still_pulls_at_a_unit_that_never_fires() -> None:
    """d KL / d h of a unit with the same h everywhere is sigmoid(h) - rho, by hand; at h = -30 that is -rho."""
    for h0 in (-30.0, -14.0, 0.5, 30.0):
        h = torch.full((64, 1), h0, dtype=torch.float64, requires_grad=True)
        bottleneck("sparse:0.1", 1)(h, sample=False).penalties["sparsity"].backward()
        assert h.grad is not None
        assert_close(h.grad.sum(), torch.tensor(expit(h0) - 0.1, dtype=torch.float64))
