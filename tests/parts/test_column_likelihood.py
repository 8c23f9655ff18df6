"""The likelihood for columns of several kinds, compared with PyTorch and SciPy."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats

from contract import assert_costs_soundly
from isthmus.data.batching.encoding import Block, Encoding
from isthmus.parts.column_likelihood import ColumnsLikelihood

ENCODING = Encoding((
    Block("number", 3.0, 0.5, constant=0.5),
    Block("yes-no", constant=0.6),
    Block("category", n_levels=3, constant=1.2),
    Block("count", 1.2, 2.0, poisson=True, constant=0.8, decimals=0),
    Block("time", 1.7e9, 1e-7, cycles=(86_400.0,), constant=0.5),
))  # fmt: skip
RAW = torch.tensor([[1.0, 0, 2, 4, 1.70e9], [5.5, 1, 0, 0, 1.71e9], [2.0, 1, 1, 9, 1.69e9]], dtype=torch.float64)
PARAMS = torch.randn(3, 1 + 1 + 4 + 1 + 3, generator=torch.Generator().manual_seed(0))


def part(variance: str = "fixed") -> ColumnsLikelihood:
    return ColumnsLikelihood(variance=variance, encoding=ENCODING)


def test_it_keeps_the_contract_of_likelihoods() -> None:
    x = ENCODING.to_x(RAW)
    assert_costs_soundly(part(), PARAMS, x)
    assert_costs_soundly(part(), PARAMS.double(), x.double())
    assert part().channels_out(ENCODING.size) == PARAMS.shape[1]


def test_each_column_costs_what_its_kind_says_over_its_best_constant() -> None:
    x = ENCODING.to_x(RAW)
    found = part().errors(PARAMS, x).numpy()
    number = (PARAMS[:, 0] - x[:, 0]).square() / 2 / 0.5
    truth = F.binary_cross_entropy_with_logits(PARAMS[:, 1], RAW[:, 1].float(), reduction="none") / 0.6
    name = F.cross_entropy(PARAMS[:, 2:6], RAW[:, 2].long(), reduction="none") / 1.2
    rate = np.exp(PARAMS[:, 6].numpy() / 2.0 + 1.2)
    counts = RAW[:, 3].numpy()
    count = (stats.poisson.logpmf(counts, counts) - stats.poisson.logpmf(counts, rate)) / 0.8
    # 2e-4: a count passes through logarithms in float32.
    for k, expected in enumerate((number, truth, name, torch.from_numpy(count))):
        np.testing.assert_allclose(found[:, k], expected.numpy(), rtol=2e-4)


def test_gaps_cost_nothing_whatever_the_answer() -> None:
    raw = torch.full((1, 5), torch.nan, dtype=torch.float64)
    x = ENCODING.to_x(raw)
    assert float(part().nll(PARAMS[:1], x)) == 0.0
    params = PARAMS[:1].clone().requires_grad_()
    part().nll(params, x).sum().backward()
    assert params.grad is not None
    assert bool((params.grad == 0).all())


def test_the_mean_is_what_from_mean_was_given() -> None:
    x = ENCODING.to_x(RAW)
    back = part().mean(part().from_mean(x))
    assert torch.allclose(back, x, atol=1e-2)  # shares keep 0.0001 away from 0 and 1, a rate 0.001 from none
    np.testing.assert_array_equal(ENCODING.to_raw(back)[:, 1:4].numpy(), RAW[:, 1:4].numpy())


def test_a_learned_variance_is_the_normal_density() -> None:
    likelihood = part("learned")
    with torch.no_grad():
        likelihood.log_scale.fill_(0.5)
    x = ENCODING.to_x(RAW)
    expected = -stats.norm.logpdf(x[:, 0].numpy(), PARAMS[:, 0].numpy(), np.exp(0.5)) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(likelihood.errors(PARAMS, x)[:, 0].detach().numpy(), expected, rtol=1e-5)


def test_a_constant_costs_about_one_a_column() -> None:
    """With the entropy, the variance and the deviance of the blocks."""
    x = torch.zeros(4000, 1)
    x[:1000] = 2.0
    weights = Encoding((Block("yes-no", constant=float(stats.entropy([0.25, 0.75]))),))
    signs = torch.where(x > 0, 1.0, -1.0)
    likelihood = ColumnsLikelihood(encoding=weights)
    constant = torch.full((4000, 1), float(np.log(0.25 / 0.75)))
    assert abs(float(likelihood.errors(constant, signs).mean()) - 1) < 1e-5
