"""The error of the best linear variational autoencoder with a given KL: the counterpart of PCA for VAEs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from torch import Tensor


class LinearVae(NamedTuple):
    """The mean squared error per value of reconstructions from the mean code, and the number of units in use."""

    mse: float
    active: int


def variances(test: Iterable[Tensor], mean: Tensor, components: Tensor) -> tuple[np.ndarray, float, int]:
    """Mean squares (K,) of test samples, in chunks (M, …), along the components (D, K) relative to the mean (D,), the
    largest first; their mean squared distance from the mean; and D.
    """
    along, total, n = np.zeros(components.shape[1]), 0.0, 0
    for chunk in test:
        centered = chunk.flatten(1).cpu().float() - mean
        along += (centered @ components).double().square().sum(0).numpy()
        total, n = total + float(centered.double().square().sum()), n + len(chunk)
    return -np.sort(-along / n), total / n, len(mean)


def linear_vae(along: np.ndarray, total: float, D: int, nats: float) -> LinearVae:
    """The linear VAE with `nats` of KL per sample, for data with the variances `along` (K,) and `total` in sum.

    At its optimum, with the variance s of the decoder, every direction of variance v below s is dropped, because its
    code is not worth the divergence. Each other one costs log(v / s) / 2 nats, and leaves s^2 / v of its variance,
    because it is shrunk by 1 - s / v. So the nats determine s, as in reverse water-filling.

    Source: Lucas et al. 2019, arXiv:1911.02469, section 4; Tipping and Bishop 1999, J. R. Stat. Soc. B 61, eq. 7.
    """
    v = along[along > 0]
    m = np.arange(1, len(v) + 1)
    log_s = (np.cumsum(np.log(v)) - 2 * max(nats, 0.0)) / m if len(v) else np.zeros(0)
    active = int((log_s < np.log(v)).sum())  # True for the first directions, and then False for all others
    if not active:
        return LinearVae(total / D, 0)
    s = np.exp(log_s[active - 1])
    left = float(np.sum(s**2 / v[:active]) + total - v[:active].sum())
    return LinearVae(left / D, active)


__all__ = ["LinearVae", "linear_vae", "variances"]
