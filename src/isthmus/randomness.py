"""Random generators by address: a generator is made from (seed, place, purpose), never from a saved state.

So a resumed run draws the same numbers as an uninterrupted one. PyTorch's global generator is never used.
"""

from __future__ import annotations

from hashlib import blake2b

import torch


def seed_of(seed: int, *address: int | str) -> int:
    """A 63-bit seed for `address`, such as `seed_of(0, 12, "noise")`; different addresses are independent."""
    return int.from_bytes(blake2b(repr((seed, *address)).encode(), digest_size=8).digest(), "big") >> 1


def generator_for(seed: int, *address: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on `device` that always draws the same numbers for the same seed and address."""
    return torch.Generator(device).manual_seed(seed_of(seed, *address))
