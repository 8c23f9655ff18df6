from __future__ import annotations

import torch

from isthmus.randomness import generator_for, seed_of
from tiny import assert_global_generator_untouched


def test_the_same_address_draws_the_same_and_another_does_not() -> None:
    with assert_global_generator_untouched():
        first = torch.rand(4, generator=generator_for(3, 12, "noise"))
        assert torch.equal(torch.rand(4, generator=generator_for(3, 12, "noise")), first)
        for other in [(4, 12, "noise"), (3, 13, "noise"), (3, 12, "order"), (3, "12", "noise"), (31, 2, "noise")]:
            assert not torch.equal(torch.rand(4, generator=generator_for(*other)), first), other


def test_seeds_fit_into_63_bits_and_use_them_all() -> None:
    seeds = [seed_of(0, i, "step") for i in range(2_000)]
    assert len(set(seeds)) == 2_000
    assert all(0 <= seed < 2**63 for seed in seeds)
    ones = [sum(seed >> bit & 1 for seed in seeds) for bit in range(63)]
    assert all(abs(n - 1_000) < 5 * 22.4 for n in ones)  # five standard deviations of a fair coin, sqrt(2000) / 2


def test_neighboring_addresses_are_not_correlated() -> None:
    draws = torch.stack([torch.randn(4_000, generator=generator_for(0, i, "step")) for i in range(8)])
    correlations = torch.corrcoef(draws) - torch.eye(8)
    assert float(correlations.abs().max()) < 5 / 4_000**0.5  # five standard errors
