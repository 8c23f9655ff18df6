"""`Density`: a mixture of Gaussians fitted to codes, used to draw new codes and to compute the density at a code."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from isthmus.errors import DataError, ModelFileError, UsageError, unknown
from isthmus.randomness import seed_of
from isthmus.runs.artifacts import Artifact
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import Latent
from isthmus.system.progress import tell
from isthmus.wording import counted

PART = "density"
MOST_COMPONENTS = 128  # with 10,000 codes of 32 numbers, the validation likelihood peaks at 16 to 64 components
HELD_OUT = 0.2  # share of the codes used to choose the number of components
FEWEST = 8  # fewest codes per component: with fewer, its covariance is little more than the added ridge
# Added to each variance, relative to the variance of the codes. With 10,000 codes of MNIST, 0.01 and 0.001 chose the
# same number of components; with 1,600 codes, 0.01 was better by 0.4 nats.
RIDGE = 0.01
MOST_VALUES = 2**25  # in all covariances together: 256 MB
AT_ONCE = 2**17  # values of codes that are whitened at once: 1 MB, which stays in the processor's cache
ARRAYS = ("weights", "means", "covariances", "groups")


@dataclass(frozen=True)
class Density:
    """sum_k weights[k] N(means[k], covariances[k]); a single Gaussian is a mixture with K = 1.

    `weights` (K,), `means` (K, Z) and `covariances` (K, Z, Z) are float64. `groups` (K,) is the class that each
    component was fitted to, -1 for none. `tried` holds, for each number of components that was tried, the mean log
    density of held-out codes in nats. `n` is the number of codes.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    groups: np.ndarray
    n: int
    tried: Mapping[int, float] = field(default_factory=dict)

    @property
    def words(self) -> str:
        K = len(self.weights)
        kind = "one Gaussian" if K == 1 else f"a mixture of {K} Gaussians"
        return f"{kind} fitted to {self.n:,} training codes"

    def draw(self, n: int, generator: torch.Generator, temperature: float = 1.0) -> Float[Tensor, "n Z"]:
        """n codes, float32; `temperature` scales the deviations from the component's mean: 0 draws only means."""
        Z = self.means.shape[1]
        weights = torch.from_numpy(self.weights)
        components = torch.multinomial(weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, Z, generator=generator, dtype=torch.float64)
        z = torch.from_numpy(self.means)[components]
        for k, factor in enumerate(torch.from_numpy(self._factors())):
            rows = components == k
            z[rows] += temperature * noise[rows] @ factor.T
        return z.float()

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """log p(z) of codes (N, Z), in nats, (N,)."""
        z = np.asarray(z, np.float64)
        n = max(1, AT_ONCE // self.means.size)
        parts = [self._log_parts(z[i : i + n]) for i in range(0, len(z), n)]
        return np.asarray(logsumexp(np.concatenate([np.zeros((0, len(self.weights))), *parts]), axis=1))

    def _log_parts(self, z: np.ndarray) -> np.ndarray:
        """The log of each component's share of p(z), (N, K), by one product for all components."""
        K, Z = self.means.shape
        factors, offsets, constants = self._whitening
        white = (z @ factors - offsets).reshape(len(z), K, Z)
        return constants - 0.5 * np.einsum("nkz,nkz->nk", white, white)

    @cached_property
    def _whitening(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(Z, K Z), (K Z,) and (K,): z times the first, less the second, has a standard normal of Z numbers for each
        component, with the covariance L L'; the third is the rest of the log. A product takes a fifth of the time of
        solving with L.
        """
        K, Z = self.means.shape
        inverses = np.stack([solve_triangular(factor, np.eye(Z), lower=True) for factor in self._factors()])
        offsets = np.einsum("kyz,kz->ky", inverses, self.means).reshape(K * Z)
        log_det = np.log(np.diagonal(inverses, axis1=1, axis2=2)).sum(1)
        constants = np.log(self.weights) + log_det - 0.5 * Z * math.log(2 * math.pi)
        return inverses.transpose(2, 0, 1).reshape(Z, K * Z), offsets, constants

    def of_group(self, group: int, n: int) -> Density:
        """The density of one class, which had n codes. Raises: DataError if no component was fitted to it."""
        rows = self.groups == group
        if not rows.any():
            raise _too_few(n)
        weights = self.weights[rows] / self.weights[rows].sum()
        return Density(weights, self.means[rows], self.covariances[rows], self.groups[rows], n)

    def _factors(self) -> np.ndarray:
        """Lower triangles L with L L' = covariance."""
        return np.linalg.cholesky(self.covariances)

    def as_part(self) -> Artifact:
        """The form in which it is saved in the run folder."""
        about = {"n": self.n, "tried": {str(K): nats for K, nats in self.tried.items()}}
        return Artifact(about, {name: getattr(self, name) for name in ARRAYS})

    @classmethod
    def from_part(cls, part: Artifact, z_size: int) -> Density:
        """Raises: ModelFileError if the arrays are not a density of codes of that size."""
        try:
            K = len(part.arrays["weights"])
            shapes = {"weights": (K,), "means": (K, z_size), "covariances": (K, z_size, z_size), "groups": (K,)}
            if {name: value.shape for name, value in part.arrays.items()} != shapes:
                raise ValueError("the shapes of its arrays do not match")
            tried = {int(k): float(nats) for k, nats in part.about["tried"].items()}
            density = cls(**part.arrays, n=int(part.about["n"]), tried=tried)
            density._factors()
            return density
        except (KeyError, TypeError, ValueError, AttributeError, np.linalg.LinAlgError) as error:
            message = f"the density in the run folder cannot be used: {error}."
            raise ModelFileError(
                "LATENT-FILE", message, fix="remove latent/density in the run folder; it is recreated when it is needed"
            ) from None


def fit_gaussian(codes: np.ndarray) -> Density:
    """One Gaussian fitted to codes (N, Z). The fewer the codes, the more its covariance is shrunk to equal variances.

    Source: Ledoit and Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices.

    Raises: DataError for fewer than two codes.
    """
    if len(codes) < 2:
        raise _too_few(len(codes))
    codes, mean, scale = _standardized(codes)
    covariance = ledoit_wolf(codes)[0]
    covariance[np.diag_indices_from(covariance)] += 1e-9  # constant units stay constant
    covariance = covariance * np.outer(scale, scale)
    return Density(np.ones(1), mean[None], covariance[None], np.array([-1]), len(codes))


def fit_mixture(codes: np.ndarray, seed: int, most: int = MOST_COMPONENTS, groups: np.ndarray | None = None) -> Density:
    """The mixture of Gaussians with the number of components that fits held-out codes best.

    1, 2, 4 … `most` components are tried until more are no better; then the best number is fitted to all codes. For one
    component, `fit_gaussian` is used. Codes of the same group (`groups`, (N,)) are held out together.

    Raises: DataError for fewer than two codes.
    """
    is_held = _held_out(len(codes), groups, seed)
    held, rest = codes[is_held], codes[~is_held]
    tried: dict[int, float] = {}
    best, most = 1, min(most, most_components(codes.shape[1]), len(rest) // FEWEST) if len(held) else 0
    for K in (2**i for i in range(most.bit_length())):
        tried[K] = float(_fitted(rest, K, seed).log_density(held).mean())
        if tried[K] < tried[best]:
            break
        best = K
    return replace(_fitted(codes, best, seed), tried=tried)


def _held_out(n: int, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """(n,) bool: the codes used to choose the number of components; none if there is only one group."""
    _, group_of, sizes = np.unique(np.arange(n) if groups is None else groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed_of(seed, "density")).permutation(len(sizes))
    chosen = np.cumsum(sizes[order]) <= round(HELD_OUT * n)
    if groups is not None and len(order) > 1 and not chosen.any():  # even the first group is too large
        chosen[0] = True
    return np.isin(group_of, order[chosen])


def fit_by_class(codes: np.ndarray, labels: np.ndarray, seed: int, groups: np.ndarray | None = None) -> Density:
    """One mixture per class, weighted by the share of the class; `labels` (N,) are integers, -1 for no class.

    On held-out codes it is as good as one mixture of all classes, better with few codes, and fitted in a tenth of the
    time. Classes with a single code are left out. With too many classes, one mixture of all is fitted. `groups` (N,) as
    for `fit_mixture`.
    """
    found, counts = np.unique(labels, return_counts=True)
    large = [int(label) for label, count in zip(found, counts, strict=True) if count > 1]
    most = most_components(codes.shape[1]) // max(len(large), 1)
    if most < 1 or not large:
        return fit_mixture(codes, seed, groups=groups)
    parts = [
        (label, fit_mixture(codes[labels == label], seed, most, None if groups is None else groups[labels == label]))
        for label in large
    ]
    n = sum(part.n for _, part in parts)
    return Density(
        np.concatenate([part.weights * part.n / n for _, part in parts]),
        np.concatenate([part.means for _, part in parts]),
        np.concatenate([part.covariances for _, part in parts]),
        np.concatenate([np.full(len(part.weights), label) for label, part in parts]),
        n,
    )


def most_components(z_size: int) -> int:
    """The largest number of covariances of codes of that size that can be kept."""
    return max(1, min(MOST_COMPONENTS, MOST_VALUES // z_size**2))


def _fitted(codes: np.ndarray, components: int, seed: int) -> Density:
    if components == 1:
        return fit_gaussian(codes)
    codes, mean, scale = _standardized(codes)
    state = seed_of(seed, "density", components) % 2**32  # the range that scikit-learn accepts
    mixture = GaussianMixture(components, reg_covar=RIDGE, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit that has not quite converged is still a density
        mixture.fit(codes)
    means, covariances = mixture.means_ * scale + mean, mixture.covariances_ * np.outer(scale, scale)
    return Density(np.asarray(mixture.weights_), means, covariances, np.full(components, -1), len(codes))


def _standardized(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(codes with mean 0 and deviation 1, their mean, their deviation), so that a ridge is the same for each unit."""
    codes = np.asarray(codes, np.float64)
    mean, scale = codes.mean(0), codes.std(0)
    scale = np.where(scale > 1e-6 * np.abs(mean) + 1e-12, scale, 1e-6)  # a dead unit: float32 has seven digits
    return (codes - mean) / scale, mean, scale


def _too_few(n: int) -> DataError:
    message = f"a density cannot be fitted to {counted(n, 'code')}; at least two are needed."
    return DataError("DATA-COUNT", message, fix="choose a class with more training samples, or leave out --class")


def density_of(run: RunFolder, kind: str, of: str | None = None) -> Density:
    """The Gaussian or mixture fitted to the run's training codes, or to those of one class.

    A mixture is fitted when it is first needed (MNIST: 2 s, without labels 20 s) and kept in latent/density.

    Raises: UsageError for an unknown class; DataError if the class has fewer than two codes.
    """
    latent = run.latent
    group = None if of is None else class_of(latent, of)
    if kind == "gaussian":
        return fit_gaussian(latent.codes if group is None else latent.codes[latent.labels == group])
    artifacts, seed = run.artifacts, run.config.training.seed
    if artifacts.has(PART):
        found = artifacts.read(PART, lambda part: Density.from_part(part, latent.z_size))
    else:
        tell("fitting a density to the training codes")
        found = (
            fit_mixture(latent.codes, seed, groups=latent.groups)
            if latent.labels is None
            else fit_by_class(latent.codes, latent.labels, seed, latent.groups)
        )
        artifacts.keep(PART, *found.as_part())
    if group is None:
        return found
    if (found.groups < 0).all():  # so many classes that they share one mixture
        of_class = latent.labels == group
        together = None if latent.groups is None else latent.groups[of_class]
        return fit_mixture(latent.codes[of_class], seed, groups=together)
    return found.of_group(group, int((latent.labels == group).sum()))


def class_of(latent: Latent, name: str) -> int:
    """The index of a class. Raises: UsageError with the most similar name, or if the data had no labels."""
    if latent.labels is None:
        message = f"the run's data has no labels, so there is no class {name!r} to draw from."
        raise UsageError("USAGE-CLASS", message, fix="leave out --class, or train with --label COLUMN")
    if name not in latent.classes:
        raise unknown("class", name, latent.classes)
    return latent.classes.index(name)


__all__ = ["Density", "fit_by_class", "fit_gaussian", "fit_mixture"]
