"""Dropout of a part of a batch that drops what dropout of the whole batch would drop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn


@final
class SlicedDropout:
    """The dropout layers of `model`. Inside `of(own, B)` each is given its samples of a batch of B, so that it draws
    for all of them; layers that are handed something else than a row a sample draw as they are.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
        self._own, self._B = slice(0), 0
        self._amid: set[nn.Module] = set()

    @contextmanager
    def of(self, own: slice, B: int) -> Iterator[None]:
        """`own` has a start and a stop."""
        self._own, self._B = own, B
        hooks = [layer.register_forward_pre_hook(self._embed) for layer in self.layers]
        hooks += [layer.register_forward_hook(self._cut) for layer in self.layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _embed(self, layer: nn.Module, given: tuple[Any, ...]) -> tuple[Tensor] | None:
        (x,), own = given, self._own
        if len(x) != own.stop - own.start:
            return None
        self._amid.add(layer)
        rest = x.shape[1:]
        return (torch.cat([x.new_zeros((own.start, *rest)), x, x.new_zeros((self._B - own.stop, *rest))]),)

    def _cut(self, layer: nn.Module, given: tuple[Any, ...], x: Tensor) -> Tensor | None:
        if layer not in self._amid:
            return None
        self._amid.remove(layer)
        return x[self._own]


@final
class Dice:
    """PyTorch's own generator, which dropout draws from, as it stood when this was made; put back by `begin`."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.first = self.now()

    def now(self) -> Tensor:
        """How it stands now."""
        return torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else torch.get_rng_state()

    def begin(self, state: Tensor | None = None) -> None:
        """Puts it where it stood at first, or at `state`."""
        state = self.first if state is None else state
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state, self.device)
        else:
            torch.set_rng_state(state)
