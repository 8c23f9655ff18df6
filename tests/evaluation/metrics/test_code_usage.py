from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.distributions import Normal, kl_divergence

import tiny
from contract import drawn, seeded
from isthmus.evaluation.metrics.code_usage import occupancy, of_gaussian, of_tokens
from isthmus.models.autoencoder import Model


def model_and_data(**settings: Any) -> tuple[Model, torch.Tensor]:
    ready = tiny.prepared(tiny.table(), **settings)
    return tiny.trainer(ready).model, ready.tensor(ready.splits.train)


def test_nats_per_unit_are_those_of_torch_distributions() -> None:
    mean, log_var = 4 * drawn(50, 3, dtype=torch.float64) - 2, drawn(50, 3, dtype=torch.float64, seed=1) - 1
    found = of_gaussian(mean, log_var)
    each = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).mean(0)
    assert found["kl_per_unit"] == pytest.approx(each.tolist())
    assert found["kl"] == pytest.approx(float(each.sum()))


def test_units_are_active_whose_mean_varies_with_the_data() -> None:
    mean = torch.stack([torch.linspace(-1, 1, 100), torch.full((100,), 5.0), torch.linspace(-0.1, 0.1, 100)], dim=1)
    # variances: 0.34; 0, however far from the prior; 0.0034, under the hundredth that counts
    assert of_gaussian(mean.double(), torch.zeros(100, 3).double())["active_units"] == 1


def test_perplexity_counts_codewords_by_how_evenly_they_come() -> None:
    even = of_tokens(torch.tensor([[0, 1], [2, 3]]), 16)
    assert even == {"codes": 16, "tokens": 4, "used": 4, "perplexity": pytest.approx(4.0)}
    assert of_tokens(torch.zeros(9, 2, dtype=torch.int64), 16)["perplexity"] == pytest.approx(1.0)
    skewed = of_tokens(torch.tensor([0, 0, 0, 1]), 16)["perplexity"]
    assert skewed == pytest.approx((4 / 3) ** 0.75 * 4**0.25)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("gaussian", {"kl", "kl_per_unit", "active_units", "log_var_held"}),
        ("sigmoid+gaussian", {"kl", "kl_per_unit", "active_units", "log_var_held"}),
        ("vq:8", {"codes", "tokens", "used", "perplexity"}),
        ("noise:0.1+fsq:4", {"codes", "tokens", "used", "perplexity"}),
        ("sigmoid", set()),
    ],
)
def test_a_model_tells_what_its_code_allows(text: str, keys: set[str]) -> None:
    model, data = model_and_data(bottleneck=text)
    model.train()
    before = tiny.weights(model)
    found = occupancy(model, data)
    assert found.keys() == keys
    tiny.assert_equal_weights(tiny.weights(model), before)
    if "kl" in keys:
        with torch.no_grad():  # a table is kept as network input
            aux = model.eval().bottleneck(model.encoder(data), sample=True, generator=seeded(0)).aux
        expected = of_gaussian(aux["mean"].double(), aux["log_var"].double())
        assert found["kl"] == pytest.approx(expected["kl"], rel=1e-5)
