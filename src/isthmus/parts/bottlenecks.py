"""Bottlenecks: from the encoder's features `h` to the code `z` (B, z_size); several in a row are written `a+b`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from isthmus.errors import UsageError
from isthmus.parts.codes import AbstractBottleneck, Code, precise, straight_through
from isthmus.parts.quantizers import FSQ, VQ
from isthmus.registry import build, joined

# At the lower end, sigma is 5e-5, below the resolution of bfloat16 in the decoder; at the upper end, 148 times the
# prior's. In between nothing overflows, and no useful code is outside.
LOG_VAR = (-20.0, 10.0)


class Identity(AbstractBottleneck):
    """identity: the unchanged features, z = h."""

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        return Code(h, {}, {})


class Sigmoid(AbstractBottleneck):
    """sigmoid: z = 1 / (1 + exp(-h)), the notebook's code; every value is between 0 and 1."""

    signed = False

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        return Code(h.sigmoid(), {}, {})


class L1(AbstractBottleneck):
    """l1: z = h with the penalty `l1`, the sum of |z|, which keeps most values of a code near zero."""

    penalties: Mapping[str, float] = {"l1": 1.0}

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        return Code(h, {"l1": precise(h).abs().sum(1)}, {})


class Sparse(AbstractBottleneck):
    """sparse:RHO: a sigmoid code in which the mean activity of every unit over the batch is pushed to RHO.

    Penalty `sparsity`: the sum over units of KL(rho || mean activity), one value per batch.
    Source: Ng 2011, Sparse autoencoder (Stanford CS294A lecture notes), section 3.
    """

    penalties: Mapping[str, float] = {"sparsity": 1.0}
    signed = False
    couples = True

    def __init__(self, rho: float = 0.1) -> None:  # in the middle of the usual range, 0.05 to 0.2
        super().__init__()
        if not 0 < rho < 1:
            raise ValueError(f"RHO must be between 0 and 1, not {rho!r}")
        self.rho = rho

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        h, rho = precise(h), self.rho
        # With logarithms: if the activity itself rounds to 0 or 1, the gradient can still revive a dead unit.
        log_B = torch.ones_like(h[:, 0]).sum().log()  # as a tensor: an exported graph takes any number of samples
        on, off = (torch.logsumexp(logsigmoid(s), 0) - log_B for s in (h, -h))
        kl = rho * (math.log(rho) - on) + (1 - rho) * (math.log(1 - rho) - off)
        return Code(h.sigmoid(), {"sparsity": kl.sum()}, {})


class Noise(AbstractBottleneck):
    """noise:SIGMA: z = h + sigma n in training, else h; the decoder learns to tolerate it, which smooths the code."""

    draws = True

    def __init__(self, level: float) -> None:
        super().__init__()
        if not 0 <= level < math.inf:
            raise ValueError(f"SIGMA must be a number of 0 or more, not {level!r}")
        self.level = level

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        if not sample:
            return Code(h, {}, {})
        noise = torch.randn(h.shape, generator=generator, device=h.device, dtype=h.dtype)
        return Code(h + self.level * noise, {}, {})


class Gaussian(AbstractBottleneck):
    """gaussian: z = mean + sigma n, as in a variational autoencoder; without `sample`, z is the mean.

    Penalty `kl`: KL(N(mean, sigma^2) || N(0, I)). Source: Kingma and Welling 2014, arXiv:1312.6114, appendix B.
    `clamped` counts the log-variances in training that were clamped to an end of LOG_VAR, and all of them. Clamped
    values keep their gradient, so that they can return; with the zero gradient of a clamp they would stay forever.
    """

    penalties: Mapping[str, float] = {"kl": 1.0}  # 1: the evidence lower bound
    draws = True
    clamped: Tensor

    def __init__(self, z_size: int) -> None:
        super().__init__()
        self.z_size = z_size
        self.register_buffer("clamped", torch.zeros(2, dtype=torch.int64))

    def width_in(self, z_size: int) -> int:
        return 2 * z_size

    def forward(self, h: Float[Tensor, "B H"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        mean, raw = precise(h).chunk(2, dim=1)
        log_var = straight_through(raw, raw.clamp(*LOG_VAR))
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

    def statistics(self) -> dict[str, float]:
        """The share of the log-variances in training that were clamped to an end of their range."""
        held, seen = self.clamped.tolist()
        return {"log_var_held": held / max(seen, 1)}

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size) from N(0, I)."""
        return torch.randn(n, self.z_size, generator=generator, device=generator.device)


class Chain(AbstractBottleneck):
    """One bottleneck after the other, `a+b`: the code of a is the input of b. All penalties are used."""

    def __init__(self, parts: Sequence[AbstractBottleneck]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        names = [name for part in parts for name in part.penalties]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError("USAGE-PART", f"two bottlenecks have the penalty {twice!r}.", fix="remove one of them")
        self.penalties = {name: weight for part in parts for name, weight in part.penalties.items()}
        self.signed = next((part.signed for part in reversed(parts) if not isinstance(part, PASSING)), True)
        self.continuous = all(part.continuous for part in parts)
        self.draws = any(part.draws for part in parts)
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

    def statistics(self) -> dict[str, float]:
        return {name: number for part in self.parts for name, number in part.statistics().items()}  # type: ignore[operator]

    @property
    def has_prior(self) -> bool:
        return any(part.has_prior for part in self.parts)

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """The prior of the last part that has one, passed through the parts after it."""
        last = max((i for i, part in enumerate(self.parts) if part.has_prior), default=0)
        z = self.parts[last].sample_prior(n, generator)  # type: ignore[operator]
        for part in self.parts[last + 1 :]:
            z = part(z, sample=False).z
        return z


PASSING = (Identity, L1, Noise)  # z = h without `sample`, so the part before decides whether values are signed
BOTTLENECKS: dict[str, type[AbstractBottleneck]] = {
    "identity": Identity,
    "sigmoid": Sigmoid,
    "l1": L1,
    "sparse": Sparse,
    "noise": Noise,
    "gaussian": Gaussian,
    "vq": VQ,
    "fsq": FSQ,
}


def bottleneck(text: str, z_size: int) -> AbstractBottleneck:
    """The bottleneck that `text` names, such as `"sigmoid"`, or a chain of them, such as `"sigmoid+noise:0.1"`."""
    parts: list[AbstractBottleneck] = []
    width = z_size
    for name in reversed(joined(text)):  # the last one returns the code, the others the input of the next one
        parts.insert(0, build("bottleneck", BOTTLENECKS, name, z_size=width))
        width = parts[0].width_in(width)
    return parts[0] if len(parts) == 1 else Chain(parts)


__all__ = ["BOTTLENECKS", "LOG_VAR", "AbstractBottleneck", "Chain", "Code", "Gaussian", "bottleneck"]
