"""How well left-out noisy pixels are predicted: a way to compare denoisers if no clean image is known.

Source: Batson, Royer 2019, arXiv:1901.11365, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.evaluation.metrics.baselines import Filter, Grid, filters
from isthmus.parts.abstract_corruption import Pair

TUNED_ON = 10  # images for the choice of settings: 2,300 left-out pixels in each image of 192 x 192
SLOW = {"nlm", "tv", "wavelet"}  # only every second setting is tried: half a second per setting and image


def guessed(pair: Pair, answers: Tensor) -> float:
    """The mean squared error of `answers` (N, C, H, W) on the left-out pixels."""
    weight = torch.ones_like(pair.target) if pair.weight is None else pair.weight
    return float((weight * (answers - pair.target).square()).double().mean())


def guessing_filters(
    validation: Pair, test: Pair, sd: float, learned: Mapping[str, tuple[Filter, Grid]] | None = None
) -> dict[str, Any]:
    """`{"median": {"mse", "settings"}, …}` of the available classical filters, for noise of standard deviation `sd`,
    and of `learned` ones under their names; all settings are those that predict best on `validation`.
    """
    x_in, target, weight = validation
    known = Pair(x_in[:TUNED_ON], target[:TUNED_ON], None if weight is None else weight[:TUNED_ON])
    found: dict[str, Any] = {}
    classical = filters(sd, min(test.target.shape[2:]))
    for name, (clean_up, grid) in (classical | dict(learned or {})).items():
        tried = grid[::2] if name in SLOW else grid
        settings = min(tried, key=lambda chosen, f=clean_up: guessed(known, _applied(f, known.x_in, chosen)))
        found[name] = {"mse": guessed(test, _applied(clean_up, test.x_in, settings)), "settings": settings}
    return found


def _applied(clean_up: Filter, x_in: Tensor, settings: dict[str, Any]) -> Tensor:
    return torch.from_numpy(clean_up(x_in.float().numpy(), **settings).astype(np.float32))


__all__ = ["guessed", "guessing_filters"]
