from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import tiny
from contract import BATCHES, assert_close, assert_gradient_everywhere, drawn, example, seeded
from isthmus.errors import UsageError
from isthmus.models.autoencoder import Model, Output
from isthmus.models.costs import with_terms
from isthmus.parts.corruptions import Pair
from isthmus.parts.terms import SCALES, TERMS, mmd, terms

NAMES = [example(name, factory) for name, factory in TERMS.items()]


def model_and_pair(n: int, **settings: Any) -> tuple[Model, Pair]:
    """A small network for tables, in float64 so that sums can be compared, and a pair of n rows."""
    ready = tiny.prepared(tiny.table(), **settings)
    model = tiny.trainer(ready).model.double()
    x = ready.x(ready.splits.train)[:n].double()
    return model, Pair(x, x)


def penalties(model: Model, pair: Pair, seed: int = 0) -> dict[str, Tensor]:
    output = model(pair.x_in, sample=True, generator=seeded(seed))
    return with_terms(model, pair, output, seeded(seed)).code.penalties


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("text", NAMES)
def test_terms_give_what_they_announce_and_their_gradient_reaches_the_encoder(text: str, B: int) -> None:
    model, pair = model_and_pair(B, terms=text)
    (term,) = model.terms
    if term.couples and B == 1:
        with pytest.raises(UsageError, match="compares the samples of a batch with each other"):
            penalties(model, pair)
        return
    with tiny.assert_global_generator_untouched():
        found = penalties(model, pair)
    assert list(found) == list(term.penalties) == list(model.penalties)
    for name, penalty in found.items():
        assert penalty.shape == (() if term.couples else (B,))
        weights = [(n, p) for n, p in model.encoder.named_parameters() if n.endswith("weight")]
        assert_gradient_everywhere(penalty.sum(), weights)
        assert torch.equal(penalties(model, pair)[name], penalty), "the same seed gave another penalty"
    with torch.no_grad():
        untracked = penalties(model, pair)
    for name, penalty in found.items():
        assert_close(untracked[name], penalty.detach(), "without gradients")


def encoder_matrix(model: Model) -> np.ndarray:
    (layer,) = [m for m in model.encoder.modules() if isinstance(m, torch.nn.Linear)]
    return layer.weight.detach().numpy()


@pytest.mark.parametrize("probes", [4, 100])
def test_the_contraction_of_a_linear_encoder_is_its_squared_frobenius_norm(probes: int) -> None:
    model, pair = model_and_pair(5, terms=f"contractive:{probes}", hidden=[], z_size=4)
    found = penalties(model, pair)["contractive"].detach().numpy()
    assert found == pytest.approx(np.full(5, np.square(encoder_matrix(model)).sum()), rel=1e-12)


def test_the_contraction_is_that_of_autograds_jacobian() -> None:
    model, pair = model_and_pair(3, terms="contractive:4", z_size=4, bottleneck="sigmoid")
    code = lambda x: model.bottleneck(model.encoder(x[None]), sample=False).z[0]  # noqa: E731
    expected = [torch.autograd.functional.jacobian(code, x).square().sum() for x in pair.x_in]
    assert_close(penalties(model, pair)["contractive"], torch.stack(expected))


def test_random_probes_estimate_the_contraction_without_bias() -> None:
    model, pair = model_and_pair(1, terms="contractive", z_size=4)
    exact = float(penalties(model_with(model, "contractive:4"), pair)["contractive"].detach())
    many = Pair(pair.x_in.expand(40_000, -1), pair.target.expand(40_000, -1))
    with torch.no_grad():
        draws = penalties(model_with(model, "contractive"), many)["contractive"].numpy()
    assert draws.std() > 0.01 * exact
    assert draws.mean() == pytest.approx(exact, abs=5 * draws.std() / math.sqrt(len(draws)))


def model_with(model: Model, text: str) -> Model:
    model.terms = terms(text)
    return model


@pytest.mark.parametrize(("kernel", "of"), [("rbf", lambda d, c: math.exp(-d / c)), ("imq", lambda d, c: c / (c + d))])
def test_mmd_equals_a_double_loop(kernel: str, of: Any) -> None:
    N, Z = 6, 3
    a, b = 2 * drawn(N, Z, dtype=torch.float64), torch.randn(N, Z, generator=seeded(1), dtype=torch.float64)

    def k(x: Tensor, y: Tensor) -> float:
        return float(np.mean([of(float((x - y).square().sum()), 2 * Z * s) for s in SCALES]))

    pairs = list(itertools.permutations(range(N), 2))
    expected = sum(k(a[i], a[j]) + k(b[i], b[j]) for i, j in pairs) / (N * (N - 1))
    expected -= 2 * sum(k(a[i], b[j]) for i in range(N) for j in range(N)) / N**2
    assert float(mmd(a, b, kernel)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_mmd_is_zero_on_average_between_samples_of_one_distribution_and_positive_between_two(kernel: str) -> None:
    def estimates(shift: float) -> np.ndarray:
        pairs = (torch.randn(2, 30, 4, generator=seeded(seed), dtype=torch.float64) for seed in range(400))
        return np.array([float(mmd(a + shift, b, kernel)) for a, b in pairs])

    same = estimates(0.0)
    assert same.mean() == pytest.approx(0, abs=4 * same.std() / 20)  # the standard error over 400
    assert same.min() < 0  # unbiased, so it can have both signs
    assert estimates(1.0).mean() > 10 * same.std() / 20


def test_the_mmd_term_compares_with_the_prior_whatever_the_codes() -> None:
    model, pair = model_and_pair(20, terms="mmd,kernel=rbf")
    with torch.no_grad():
        output = model(pair.x_in)
    prior = torch.randn(20, 4, generator=seeded(5), dtype=torch.float64)
    (term,) = model.terms
    found = term(model, pair, output, seeded(5))["mmd"]
    assert float(found) == pytest.approx(float(mmd(output.code.z, prior, "rbf")), rel=1e-12)
    z = model.sample_prior(50_000, seeded(0))
    assert z.shape == (50_000, 4)
    assert z.std(0).tolist() == pytest.approx([1.0] * 4, abs=0.02)


def test_the_l2_term_is_half_the_squared_length_of_the_code() -> None:
    model, pair = model_and_pair(5, terms="l2")
    output = model(pair.x_in)
    found = with_terms(model, pair, output, None)
    assert_close(found.code.penalties["l2"], output.code.z.square().sum(1) / 2)
    assert isinstance(found, Output)
    assert output.code.penalties == {}  # the output of the caller is not changed


def test_terms_are_joined_with_a_plus_and_none_is_none() -> None:
    assert [type(term).__name__ for term in terms("contractive:2 + mmd,kernel=rbf+l2")] == ["Contractive", "MMD", "L2"]
    assert terms("none") == ()
    model, pair = model_and_pair(5, terms="contractive+l2", bottleneck="gaussian")
    assert list(penalties(model, pair)) == ["kl", "contractive", "l2"] == list(model.penalties)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contractiv", "unknown term 'contractiv'"),
        ("mmd,kernel=linear", "kernel is 'linear', but must be one of imq, rbf"),
        ("contractive:0", "probes must be 1 to 65,536, not 0"),
        ("l2+l2", "two parts have the penalty 'l2'"),
    ],
)
def test_impossible_terms_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _ = model_and_pair(5, terms=text)[0].penalties
