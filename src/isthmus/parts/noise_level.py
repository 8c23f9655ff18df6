"""The strength of noise: one number, or a range from which a level is drawn for every sample."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor

NUMBER = r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|nan|inf)"
COUNTS = "count"  # the raw unit in which a level may be given


class Level:
    """A noise level: one number, or `LOW-HIGH` for a level that is drawn for every sample.

    `200counts` is in units of the raw data; `unit` is the size of one raw unit in x. `name` is for messages.
    """

    def __init__(
        self,
        text: float | str,
        *,
        name: str = "level",
        low: float = 0.0,
        high: float = math.inf,
        unit: float | None = None,
    ) -> None:
        found = re.fullmatch(rf"({NUMBER})(?:-({NUMBER}))?(\s*{COUNTS}s?)?", str(text).strip(), re.IGNORECASE)
        if found is None:
            raise ValueError(f"the {name} {text!r} is neither a number nor LOW-HIGH, such as 0.1-0.8")
        if found[3] and unit is None:
            raise ValueError(f"the {name} {text!r} is in counts, but this noise or this data has none")
        step = unit if found[3] and unit is not None else 1.0
        first, last = self.bounds = (float(found[1]) * step, float(found[2] or found[1]) * step)
        if first > last:
            raise ValueError(
                f"the {name} {text!r} goes from high to low; did you mean {found[2]}-{found[1]}{found[3] or ''}?"
            )
        if not (low <= first and last <= high) or math.isinf(last):
            allowed = f"{low:g} to {high:,.10g}" if math.isfinite(high) else f"finite numbers of {low:g} or more"
            raise ValueError(f"the {name} {text!r} is out of bounds; allowed are {allowed}")

    def draw(self, x: Tensor, generator: torch.Generator | None) -> Tensor | float:
        """The level itself, or levels (B, 1, …) that broadcast over x."""
        low, high = self.bounds
        if low == high:
            return low
        shape = (len(x), *[1] * (x.ndim - 1))
        return low + (high - low) * torch.rand(shape, generator=generator, device=x.device, dtype=x.dtype)

    def drawn(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """The same as a tensor, () or (B, 1, …)."""
        level = self.draw(x, generator)
        return level if isinstance(level, Tensor) else x.new_full((), level)
