"""Interpolates between two codes: on the straight line, or on an arc around the mean code."""

from __future__ import annotations

import numpy as np

from isthmus.errors import UsageError, unknown
from isthmus.models.autoencoder import Model

PATHS = ("straight", "spherical")
OPPOSITE = 1e-6  # sine of the angle: below it, the arc is not unique


def blend(
    a: np.ndarray, b: np.ndarray, steps: int, path: str = "straight", center: np.ndarray | None = None
) -> np.ndarray:
    """(steps, Z) codes from a to b, both (Z,), ends included.

    "straight": (1 - t) a + t b. "spherical": the direction from `center` (default: zero) turns at a constant speed by
    sin((1 - t) w) / sin w and sin(t w) / sin w, with the angle w between both, while the distance from the center
    changes linearly; so codes of equal length keep it. Source: White 2016, arXiv:1609.04468, section 2; Shoemake 1985.
    If both are on one line with the center, the path is straight.

    Raises: UsageError for an unknown path or fewer than two steps.
    """
    if path not in PATHS:
        raise unknown("path", path, PATHS)
    if steps < 2:
        raise UsageError(
            "USAGE-STEPS", f"interpolation needs at least 2 steps; --steps is {steps}.", fix="use --steps 12"
        )
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    middle = np.zeros_like(a) if center is None else np.asarray(center, np.float64)
    t = np.linspace(0.0, 1.0, steps)[:, None]
    straight = (1 - t) * a + t * b
    if path == "straight":
        return straight.astype(np.float32)
    lengths = np.linalg.norm(a - middle), np.linalg.norm(b - middle)
    if min(lengths) == 0:
        return straight.astype(np.float32)
    u, v = (a - middle) / lengths[0], (b - middle) / lengths[1]
    angle = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))  # arccos loses half of its digits near 0
    if np.sin(angle) < OPPOSITE:
        return straight.astype(np.float32)
    turned = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    return (middle + ((1 - t) * lengths[0] + t * lengths[1]) * turned).astype(np.float32)


def refuse_discrete(model: Model, tool: str) -> None:
    """Raises: UsageError if the code is discrete, so that there is nothing between two codes."""
    if not model.bottleneck.continuous:
        kind = model.config.bottleneck.partition(":")[0]
        message = f"{tool} needs a continuous code; {kind!r} codes are discrete."
        raise UsageError("USAGE-DISCRETE", message, fix="train with --recipe modern or --recipe vae")


__all__ = ["blend", "refuse_discrete"]
