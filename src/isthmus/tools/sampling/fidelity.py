"""The quality of a set of samples: precision (do they look real?) and recall (do they cover the real ones?)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.errors import DataError
from isthmus.wording import counted

K = 3  # neighbors that set the radius of a sample's ball: the paper's choice
PIECE = 2**24  # distances held at once: 64 MB


class Fidelity(NamedTuple):
    """Both from 0 to 1; `n` real samples were compared with `n_generated` generated ones."""

    precision: float
    recall: float
    n: int
    n_generated: int


def precision_recall(real: Float[Tensor, "N F"], generated: Float[Tensor, "M F"], k: int = K) -> Fidelity:
    """Precision: the share of generated samples inside the ball of at least one real sample, whose radius is the
    distance to its k-th neighbor among the real ones. Recall: the same with the sets exchanged.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1 and 2. Both depend on the features and the numbers of
    samples, so compare only values measured in the same way.

    Raises: DataError if a set has k samples or fewer.
    """
    for name, features in (("real", real), ("generated", generated)):
        if len(features) <= k:
            found = counted(len(features), f"{name} sample")
            message = f"precision and recall need more than {k} samples of each kind; found {found}."
            raise DataError("DATA-COUNT", message, fix="use more samples")
    precision = _covered(generated, real, k)
    recall = _covered(real, generated, k)
    return Fidelity(precision, recall, len(real), len(generated))


def _covered(queries: Tensor, centers: Tensor, k: int) -> float:
    """The share of queries inside the ball of at least one center."""
    step = max(1, PIECE // len(centers))
    radii = torch.cat([_distances(part, centers).kthvalue(k + 1).values for part in centers.split(step)])
    inside = [(_distances(part, centers) <= radii).any(1) for part in queries.split(step)]
    return float(torch.cat(inside).double().mean())


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Not by |a|^2 - 2ab + |b|^2, which rounds differently for the same two samples in another batch."""
    return torch.cdist(a.float(), b.float(), compute_mode="donot_use_mm_for_euclid_dist")


__all__ = ["Fidelity", "precision_recall"]
