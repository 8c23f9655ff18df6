"""`Feature`: a change that is added to a code, or subtracted from it, to change one property of a sample.

A feature is an affine change of the code, z -> z + strength (shift + (z - origin) spread). Without `spread` it is the
same direction for all codes; with it, the codes of one group are mapped onto those of another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from isthmus.errors import DataError, ModelFileError, UsageError, unknown
from isthmus.runs.artifacts import Artifact
from isthmus.wording import counted

ARRAYS = ("shift", "origin", "spread", "readout")


@dataclass(frozen=True)
class Feature:
    """A named change of codes (N, Z); `unit` describes strength 1 in words.

    `shift` (Z,) is the step of a code at `origin` (Z,); `spread` (Z, Z), symmetric, is the change of the step away from
    there, or None. `readout` (Z,) is the linear measure of the feature, so that `z @ readout` grows with it, or None.
    """

    name: str
    kind: str
    method: str
    unit: str
    shift: np.ndarray
    origin: np.ndarray
    spread: np.ndarray | None = None
    readout: np.ndarray | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, z: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """Codes (N, Z) with the feature added with `strength`; a negative strength removes it."""
        return z + strength * self.step(z)

    def step(self, z: np.ndarray) -> np.ndarray:
        """The change of each code for strength 1, (N, Z) in float64."""
        if self.spread is None:
            return np.broadcast_to(self.shift, z.shape).astype(np.float64)
        return self.shift + (z.astype(np.float64) - self.origin) @ self.spread

    def keeping(self, others: Sequence[Feature], covariance: np.ndarray) -> Feature:
        """The feature, changed as little as possible so that it no longer moves the measures of `others`.

        S W (W' S W)^-1 W' step is subtracted from every step, with the readouts W (Z, K) and the covariance S of the
        codes. Of all steps with W' step = 0, the result is the nearest by Mahalanobis distance.

        Raises: UsageError for another feature without a measure, or if nothing would be left.
        """
        without = [other.name for other in others if other.readout is None]
        if without:
            message = f"the feature {without[0]!r} cannot be kept: it has no linear measure."
            raise UsageError("USAGE-FEATURE", message, fix="keep a column, a measure, or a pair of classes")
        if not others:
            return self
        W = np.stack([np.asarray(other.readout, np.float64) for other in others], axis=1)
        project = np.eye(len(self.shift)) - covariance @ W @ np.linalg.pinv(W.T @ covariance @ W) @ W.T
        shift = project @ self.shift
        if np.linalg.norm(shift) < 1e-6 * np.linalg.norm(self.shift):
            message = (
                f"nothing of the feature {self.name!r} is left if {', '.join(o.name for o in others)} must not change."
            )
            raise UsageError("USAGE-FEATURE", message, fix="keep fewer features")
        spread = None if self.spread is None else self.spread @ project.T
        return replace(self, shift=shift, spread=spread)

    def as_part(self) -> Artifact:
        """The form in which it is saved in the run folder."""
        words = {name: getattr(self, name) for name in ("name", "kind", "method", "unit")}
        values = {name: getattr(self, name) for name in ARRAYS}
        arrays = {name: np.asarray(v, np.float64) for name, v in values.items() if v is not None}
        return Artifact(words | {"evidence": dict(self.evidence)}, arrays)

    @classmethod
    def from_part(cls, part: Artifact, z_size: int) -> Feature:
        """Raises: ModelFileError if the arrays are not those of a feature for codes of that size."""
        shapes = {"shift": (z_size,), "origin": (z_size,), "spread": (z_size, z_size), "readout": (z_size,)}
        try:
            for key, value in part.arrays.items():
                if value.shape != shapes[key] or not np.isfinite(value).all():
                    raise ValueError(f"{key} has shape {value.shape} instead of {shapes[key]}, or is not finite")
            name, kind, method, unit = (str(part.about[key]) for key in ("name", "kind", "method", "unit"))
            return cls(name, kind, method, unit, **part.arrays, evidence=dict(part.about["evidence"]))
        except (KeyError, TypeError, ValueError) as error:
            fix = "learn it again with `isthmus feature learn`"
            raise ModelFileError(
                "LATENT-FILE", f"a feature in the run folder cannot be used: {error}.", fix=fix
            ) from None


@dataclass(frozen=True)
class Group:
    """Codes of one group as a Gaussian: `mean` (Z,), `covariance` (Z, Z), and `n`, the number of codes."""

    name: str
    mean: np.ndarray
    covariance: np.ndarray
    n: int

    @classmethod
    def of(cls, name: str, codes: np.ndarray) -> Group:
        """The Gaussian of codes (N, Z), with a shrunk covariance. Raises: DataError for fewer than two codes."""
        from isthmus.runs.density import fit_gaussian

        if len(codes) < 2:
            message = f"a feature needs at least two samples in each group; {name}: {counted(len(codes), 'sample')}."
            raise DataError("DATA-COUNT", message, fix="use more samples")
        fitted = fit_gaussian(codes)
        return cls(name, fitted.means[0], fitted.covariances[0], len(codes))


def transport(without: Group, with_: Group) -> Feature:
    """Maps the Gaussian of one group onto that of the other with the least change, T(z) = m_b + A (z - m_a).

    A = Sa^-1/2 (Sa^1/2 Sb Sa^1/2)^1/2 Sa^-1/2 is symmetric and positive, so T is the optimal transport for squared
    distance, and strength s is its displacement interpolation. A code that is unusual in its group stays unusual in
    the other. Source: Peyre and Cuturi 2019, arXiv:1803.00567, remark 2.31.
    """
    half, inverse = _power(without.covariance, 0.5), _power(without.covariance, -0.5)
    A = inverse @ _power(half @ with_.covariance @ half, 0.5) @ inverse
    return replace(means(without, with_), method="transport", spread=(A + A.T) / 2 - np.eye(len(A)))


def means(without: Group, with_: Group) -> Feature:
    """The step from the mean of one group to the mean of the other, the same for every code."""
    return Feature(
        name=with_.name,
        kind="groups",
        method="means",
        unit=f"the full step from {without.name} to {with_.name}",
        shift=with_.mean - without.mean,
        origin=without.mean,
        readout=discriminant_of(without, with_),
        evidence={"without": without.name, "n_without": without.n, "with": with_.name, "n_with": with_.n},
    )


def discriminant(without: Group, with_: Group) -> Feature:
    """A step along the linear discriminant w that moves z' w from the mean of one group to that of the other.

    It changes what separates the groups and little else; the result need not look like the other group.
    """
    step = means(without, with_)
    w = np.asarray(step.readout)
    return replace(step, method="discriminant", shift=w * (w @ step.shift) / (w @ w))


def discriminant_of(without: Group, with_: Group) -> np.ndarray:
    """Fisher's direction w = S^-1 (m_b - m_a) with the pooled covariance S, regularized by the groups' shrinkage."""
    freedom = max(without.n + with_.n - 2, 1)
    pooled = (without.covariance * (without.n - 1) + with_.covariance * (with_.n - 1)) / freedom
    return np.linalg.solve(pooled, with_.mean - without.mean)


METHODS = {"transport": transport, "means": means, "discriminant": discriminant}


def between(without: Group, with_: Group, method: str) -> Feature:
    """From one group of codes to another. Raises: UsageError for an unknown method."""
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    return METHODS[method](without, with_)


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric positive matrix; eigenvalues that are zero up to rounding are raised slightly above it."""
    values, vectors = np.linalg.eigh(matrix)
    values = np.clip(values, max(values[-1], 0.0) * 1e-10 + 1e-300, None)
    return (vectors * values**exponent) @ vectors.T


__all__ = ["METHODS", "Feature", "Group", "between", "discriminant", "means", "transport"]
