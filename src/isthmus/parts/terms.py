"""Penalties that need more than the code: the encoder's Jacobian, or a comparison of the whole batch with the prior.

A term is called with the model, the pair, the output and a generator, and returns penalties in nats by name, (B,) or
(). Terms are written like bottlenecks, several with a plus: `contractive`, `mmd,kernel=imq`, `contractive:4+l2`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.errors import UsageError
from isthmus.parts.codes import Code, precise
from isthmus.parts.corruptions import Pair
from isthmus.registry import build, joined

# Widths of the kernels, as multiples of the mean squared distance between two draws from the prior; a single width
# would see only the shape or only the location. Source: the seven in the authors' own code for arXiv:1711.01558.
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Encodes(Protocol):
    """The parts of a model that terms need: encoder (B, *shape) -> h, and bottleneck h -> `Code`."""

    @property
    def encoder(self) -> Any: ...

    @property
    def bottleneck(self) -> Any: ...


class HoldsCode(Protocol):
    """The part of a model's output that terms need."""

    @property
    def code(self) -> Code: ...


class AbstractTerm(ABC):
    """`(model, pair, output, generator) -> {name: penalty}`."""

    penalties: Mapping[str, float] = {}  # its penalties, with their default weights
    couples = False  # whether it compares samples with each other, and so needs several
    normal = False  # whether it draws the codes to N(0, I), so that there is a prior to sample from
    encodes = False  # whether it runs the encoder itself, sample by sample, and so has `of_part`

    @abstractmethod
    def __call__(
        self, model: Encodes, pair: Pair, output: HoldsCode, generator: torch.Generator | None
    ) -> dict[str, Tensor]: ...

    def of_part(
        self, model: Encodes, part: Pair, own: slice, B: int, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """The penalties (b,) of the samples `own` of a batch of B, whose pair is `part`, as in a call with the batch.

        Only if `encodes`: all other terms need only the code.
        """
        raise NotImplementedError


class Contractive(AbstractTerm):
    """contractive:PROBES: an unbiased estimate of ||dz/dx||_F^2 for each sample from PROBES random directions.

    E ||v^T J||^2 = ||J||_F^2 for random signs v; exact with as many probes as the code has numbers.
    Source: Rifai et al. 2011, Contractive auto-encoders, ICML; Hutchinson 1989 for the estimate.
    """

    # 0.01: on digits, a seventh of the slope of a plain code at the same error; see docs/experiments.md
    penalties: Mapping[str, float] = {"contractive": 0.01}
    encodes = True

    def __init__(self, probes: int = 1) -> None:  # 1: each costs two passes, and steps average over them
        if not 1 <= int(probes) <= 65_536:
            raise ValueError(f"the number of probes must be 1 to 65,536, not {probes}")
        self.probes = int(probes)

    def __call__(
        self, model: Encodes, pair: Pair, output: HoldsCode, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        return self.of_part(model, pair, slice(None), len(pair.x_in), generator)

    def of_part(
        self, model: Encodes, part: Pair, own: slice, B: int, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        trained = torch.is_grad_enabled()
        with torch.enable_grad():
            x_in = part.x_in.detach().requires_grad_()
            z = precise(model.bottleneck(model.encoder(x_in), sample=False).z)
            directions = [v[own] for v in self._directions(z.detach(), B, generator)]
            squares = [_pulled_back(z, v, x_in, keep=trained or i + 1 < len(directions), higher=trained)
                       for i, v in enumerate(directions)]  # fmt: skip
        total = torch.stack(squares).sum(0)
        return {"contractive": total if self.probes >= z.shape[1] else total / self.probes}

    def _directions(self, z: Tensor, B: int, generator: torch.Generator | None) -> Iterable[Tensor]:
        """The directions, each (B, Z)."""
        Z = z.shape[1]
        if self.probes >= Z:
            return torch.eye(Z, device=z.device, dtype=z.dtype)[:, None].expand(Z, B, Z)
        signs = torch.randint(0, 2, (self.probes, B, Z), generator=generator, device=z.device)
        return 2 * signs.to(z.dtype) - 1


def _pulled_back(z: Tensor, v: Tensor, x_in: Tensor, *, keep: bool, higher: bool) -> Tensor:
    """||v^T dz/dx||^2 for each sample, (B,)."""
    (gradient,) = torch.autograd.grad(z, x_in, v, retain_graph=keep, create_graph=higher)
    return gradient.flatten(1).square().sum(1)


class MMD(AbstractTerm):
    """mmd,kernel=imq: the maximum mean discrepancy between the codes of a batch and N(0, I); or kernel=rbf.

    The estimate is unbiased, so it may be slightly below zero. Both kernels are means over the same seven widths, and 1
    at distance 0. Source: Tolstikhin et al. 2018, Wasserstein auto-encoders, arXiv:1711.01558, algorithm 2; Gretton et
    al. 2012, A kernel two-sample test, JMLR 13, eq. 3.
    """

    # 100: a squared distance of 0.01, which is large, costs one nat; see docs/experiments.md
    penalties: Mapping[str, float] = {"mmd": 100.0}
    couples = True
    normal = True

    def __init__(self, kernel: str = "imq") -> None:  # imq: its tails reach outliers, where the slope of rbf is 0
        if kernel not in KERNELS:
            raise ValueError(f"kernel is {kernel!r}, but must be one of {', '.join(sorted(KERNELS))}")
        self.kernel = kernel

    def __call__(
        self, model: Encodes, pair: Pair, output: HoldsCode, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        z = precise(output.code.z)
        if len(z) < 2:
            raise alone("the term 'mmd'")
        drawn = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        return {"mmd": mmd(z, drawn, self.kernel)}


def mmd(a: Float[Tensor, "N Z"], b: Float[Tensor, "N Z"], kernel: str) -> Tensor:
    """The unbiased estimate of MMD^2 between two samples of the same size N, at least 2."""
    N = len(a)
    within = [(_kernel(s, s, kernel).sum() - N) / (N * (N - 1)) for s in (a, b)]  # the kernel is 1 on the diagonal
    return within[0] + within[1] - 2 * _kernel(a, b, kernel).mean()


def _kernel(a: Tensor, b: Tensor, kernel: str) -> Tensor:
    """k(a_i, b_j), (N, M)."""
    mean_square = 2.0 * a.shape[1]  # squared distance between two draws from N(0, I)
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)
    distances = (lengths - 2 * a @ b.T).clamp_min(0) / mean_square
    if a is b:  # exactly 0 in spite of rounding
        distances = distances.fill_diagonal_(0.0)
    return torch.stack([KERNELS[kernel](distances / scale) for scale in SCALES]).mean(0)


KERNELS = {"rbf": lambda d: (-d).exp(), "imq": lambda d: 1 / (1 + d)}


class L2(AbstractTerm):
    """l2: half the squared length of the code, which keeps it near the origin.

    Source: Ghosh et al. 2020, From variational to deterministic autoencoders, arXiv:1903.12436, eq. 9.
    """

    # 0.01: with 0.1, the rows of a table lose half of their information, see docs/experiments.md
    penalties: Mapping[str, float] = {"l2": 0.01}

    def __call__(
        self, model: Encodes, pair: Pair, output: HoldsCode, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        return {"l2": precise(output.code.z).square().sum(1) / 2}


TERMS: dict[str, type[AbstractTerm]] = {"contractive": Contractive, "l2": L2, "mmd": MMD}


def terms(text: str) -> tuple[AbstractTerm, ...]:
    """The terms that `text` names, such as `"contractive+mmd,kernel=rbf"`; none for `"none"`."""
    return () if text.strip() == "none" else tuple(build("term", TERMS, part) for part in joined(text))


def alone(who: str) -> UsageError:
    """The error for one sample if several must be compared."""
    message = f"{who} compares the samples of a batch with each other, but got only one sample."
    return UsageError("USAGE-BATCH", message, fix="pass --batch-size 2 or more, with at least 2 validation samples")
