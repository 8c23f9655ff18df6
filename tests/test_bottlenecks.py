from __future__ import annotations

import pytest
import torch
from scipy.special import expit

from contract import drawn, seeded
from isthmus.bottlenecks import bottleneck
from isthmus.errors import UsageError


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
