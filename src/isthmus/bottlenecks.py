"""What makes the code `z` (B, z_size) out of the encoder's features `h`; several in a row are written `a+b`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from isthmus.errors import UsageError
from isthmus.registry import build, joined

# Below, sigma is 5e-5, less than the decoder's bfloat16 can tell; above, 148 times as wide as the prior: in between
# nothing overflows, and no code that is of use lies outside.
LOG_VAR = (-20.0, 10.0)


class Code(NamedTuple):
    """The code `z` (B, z_size), its named penalties in nats, unweighted, and whatever else is worth keeping.

    A penalty is (B,), one value a sample; or (), where samples of the batch are compared with each other.
    """

    z: Tensor
    penalties: dict[str, Tensor]
    aux: dict[str, Tensor]


class AbstractBottleneck(nn.Module):
    """Makes a `Code` of h (B, width_in); `sample=False` draws nothing at random and moves no buffer."""

    penalties: Mapping[str, float] = {}  # what `forward` announces, each with its weight unless configured
    signed = True  # whether code values go both ways from zero; decides the colours of the heat strip
    continuous = True  # whether every point near a code is a code too, as edits and interpolations need
    couples = False  # whether a penalty compares the samples of a batch, so that one sample alone has none

    def width_in(self, z_size: int) -> int:
        """How many features the encoder must give."""
        return z_size

    @abstractmethod
    def forward(self, h: Tensor, *, sample: bool, generator: torch.Generator | None = None) -> Code: ...

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size) codes from the prior. Raises: UsageError where there is none."""
        name = type(self).__name__.lower()
        raise UsageError("USAGE-PRIOR", f"the bottleneck {name!r} has no prior to sample from.", fix="encode real data")

    @property
    def has_prior(self) -> bool:
        return type(self).sample_prior is not AbstractBottleneck.sample_prior


class Identity(AbstractBottleneck):
    """identity: the features as they are, z = h."""

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        return Code(h, {}, {})


class Sigmoid(AbstractBottleneck):
    """sigmoid: z = 1 / (1 + exp(-h)), the notebook's code; every value lies between 0 and 1."""

    signed = False

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        return Code(h.sigmoid(), {}, {})


class Gaussian(AbstractBottleneck):
    """gaussian: z = mean + sigma n, as in the variational autoencoder; without `sample` z is the mean.

    Penalty `kl`: KL(N(mean, sigma^2) || N(0, I)). Source: Kingma and Welling 2014, arXiv:1312.6114, appendix B.
    `clamped` counts the log-variances of the training that were held at an end of LOG_VAR, and all of them.
    """

    penalties: Mapping[str, float] = {"kl": 1.0}  # 1: the evidence lower bound
    clamped: Tensor

    def __init__(self, z_size: int) -> None:
        super().__init__()
        self.z_size = z_size
        self.register_buffer("clamped", torch.zeros(2, dtype=torch.int64))

    def width_in(self, z_size: int) -> int:
        return 2 * z_size

    def forward(self, h: Float[Tensor, "B H"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        mean, raw = precise(h).chunk(2, dim=1)
        log_var = held(raw, LOG_VAR)
        z = mean
        if sample:
            noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
            z = mean + (log_var / 2).exp() * noise
            if self.training:
                self.clamped[0] += (log_var != raw).sum()
                self.clamped[1] += raw.numel()
        # expm1(v) - v is never below zero, however it is rounded; exp(v) - 1 - v is
        kl = 0.5 * (mean.square() + log_var.expm1() - log_var).sum(1)
        return Code(z, {"kl": kl}, {"mean": mean, "log_var": log_var})

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size) from N(0, I)."""
        return torch.randn(n, self.z_size, generator=generator, device=generator.device)


class Chain(AbstractBottleneck):
    """One bottleneck after the other, `a+b`: the code of a is what b makes its code of. Penalties are joined."""

    def __init__(self, parts: Sequence[AbstractBottleneck], z_size: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        names = [name for part in parts for name in part.penalties]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError("USAGE-PART", f"two bottlenecks announce the penalty {twice!r}.", fix="name one of them")
        self.penalties = {name: weight for part in parts for name, weight in part.penalties.items()}
        self.signed = next((part.signed for part in reversed(parts) if not isinstance(part, PASSING)), True)
        self.continuous = all(part.continuous for part in parts)
        self.couples = any(part.couples for part in parts)

    def width_in(self, z_size: int) -> int:
        for part in reversed(self.parts):
            z_size = part.width_in(z_size)  # type: ignore[operator]
        return z_size

    def forward(self, h: Float[Tensor, "B H"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        penalties, aux = {}, {}
        for part in self.parts:
            code = part(h, sample=sample, generator=generator)
            h, penalties, aux = code.z, penalties | code.penalties, aux | code.aux
        return Code(h, penalties, aux)

    @property
    def has_prior(self) -> bool:
        return any(part.has_prior for part in self.parts)

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """The last prior of the chain, through the parts behind it."""
        first = max((i for i, part in enumerate(self.parts) if part.has_prior), default=0)
        z = self.parts[first].sample_prior(n, generator)  # type: ignore[operator]
        for part in self.parts[first + 1 :]:
            z = part(z, sample=False).z
        return z


def precise(h: Tensor) -> Tensor:
    """h in float32 at least: autocast gives bfloat16, which has two digits."""
    return h if h.dtype in (torch.float32, torch.float64) else h.float()


def held(raw: Tensor, ends: tuple[float, float]) -> Tensor:
    """raw kept within `ends`, with the gradient of raw: what was held can come back, where a clamp's zero slope would
    hold it for good."""
    return raw.detach().clamp(*ends) + (raw - raw.detach())


PASSING = (Identity,)  # z = h without `sample`, so that the part before decides how the strip is read
BOTTLENECKS: dict[str, type[AbstractBottleneck]] = {"identity": Identity, "sigmoid": Sigmoid, "gaussian": Gaussian}


def bottleneck(text: str, z_size: int) -> AbstractBottleneck:
    """The bottleneck that `text` names, such as `"sigmoid"`, or a chain of them, such as `"sigmoid+noise:0.1"`."""
    parts: list[AbstractBottleneck] = []
    width = z_size
    for name in reversed(joined(text)):  # the last one makes the code, the others what the next one takes
        parts.insert(0, build("bottleneck", BOTTLENECKS, name, z_size=width))
        width = parts[0].width_in(width)
    return parts[0] if len(parts) == 1 else Chain(parts, z_size)
