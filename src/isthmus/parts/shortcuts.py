"""A linear path beside a network: what straight lines can tell need not be learned by layers that bend."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

SMALL = 0.1  # of its usual size, what the layers add at first: at full size it would bury the linear path


class Shortcut(nn.Linear):
    """The linear path itself: a layer without activation and without bias, which the layer beside it has."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, bias=False)


class Beside(nn.Module):
    """layers(x) + shortcut(x)."""

    def __init__(self, layers: nn.Module, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layers, self.shortcut = layers, Shortcut(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)


def has_shortcut(module: nn.Module) -> bool:
    """Whether a linear path leads past the layers of the module."""
    return any(isinstance(part, Shortcut) for part in module.modules())


@torch.no_grad()
def start_linear(encoder: nn.Module, decoder: nn.Module, components: Float[Tensor, "D K"]) -> None:
    """Lets both linear paths start at K principal components: z = components' x, x_hat = components z, and the layers
    beside them small. Where the code is longer than K, its other numbers start at 0.

    The best linear code has a closed form (Baldi and Hornik 1989, Neural Networks 2), so no step is spent on it.
    """
    for side, weight in ((encoder, components.T), (decoder, components)):
        for part in (m for m in side.modules() if isinstance(m, Beside)):
            own = part.shortcut.weight
            own.zero_()
            own[: weight.shape[0], : weight.shape[1]] = weight.to(own)
            last = [layer for layer in part.layers.modules() if isinstance(layer, nn.Linear)][-1]
            last.weight.mul_(SMALL)


__all__ = ["Beside", "Shortcut", "has_shortcut", "start_linear"]
