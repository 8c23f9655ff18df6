"""What makes the code `z` (B, z_size) out of the encoder's features `h`."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from isthmus.errors import UsageError
from isthmus.registry import build


class Code(NamedTuple):
    """The code `z` (B, z_size), its named penalties (B,) in nats, unweighted, and whatever else is worth keeping."""

    z: Tensor
    penalties: dict[str, Tensor]
    aux: dict[str, Tensor]


class AbstractBottleneck(nn.Module):
    """Makes a `Code` of h (B, width_in); `sample=False` draws nothing at random."""

    penalties: tuple[str, ...] = ()  # the names of what `forward` announces; each has a weight in the configuration
    signed = True  # whether code values go both ways from zero; decides the colours of the heat strip

    def width_in(self, z_size: int) -> int:
        """How many features the encoder must give."""
        return z_size

    @abstractmethod
    def forward(self, h: Tensor, *, sample: bool, generator: torch.Generator | None = None) -> Code: ...

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size) codes from the prior. Raises: UsageError where there is none."""
        name = type(self).__name__.lower()
        raise UsageError("USAGE-PRIOR", f"the bottleneck {name!r} has no prior to sample from.", fix="encode real data")


class Identity(AbstractBottleneck):
    """identity: the features as they are, z = h."""

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        return Code(h, {}, {})


class Sigmoid(AbstractBottleneck):
    """sigmoid: z = 1 / (1 + exp(-h)), the notebook's code; every value lies between 0 and 1."""

    signed = False

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        return Code(h.sigmoid(), {}, {})


BOTTLENECKS: dict[str, type[AbstractBottleneck]] = {"identity": Identity, "sigmoid": Sigmoid}


def bottleneck(text: str, z_size: int) -> AbstractBottleneck:
    """The bottleneck that `text` names, such as `"sigmoid"`."""
    return build("bottleneck", BOTTLENECKS, text, z_size=z_size)
