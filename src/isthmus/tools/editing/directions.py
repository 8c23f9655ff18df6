"""Creates features from classes of the data, two sets of samples, a number per sample, or the codes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import FastICA

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.samples import Samples
from isthmus.errors import DataError, ModelFileError, UsageError, unknown
from isthmus.evaluation.metrics.strokes import MEASURES, measure
from isthmus.randomness import seed_of
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import Latent, refuse_without_code
from isthmus.tools.editing.features import Feature, Group, between
from isthmus.tools.editing.levels import levels_of, of_level, refuse_columns_of_names
from isthmus.tools.sampling.interpolation import refuse_discrete
from isthmus.wording import counted, shell_word, span

FOLDER = "features"  # in RUN/latent/
OTHERS = "the others"
INSTEAD = "name a column or a measure, or learn from two sets of samples"
METHOD = "transport"  # for two groups: 94 % of edited digits were classified as the target; with "means", 73 %
FOUND = ("principal", "independent")
LARGEST_DRAWING = 64  # pixels per side: data sets of characters have 28 to 64; larger gray images are photos or scans
TRIED = 500  # codes used to find the length of a measured step: enough to know its mean to 3 %
ROUNDS = 3  # iterations for the length, which starts within a factor of 2: on digits the third changes it by under 3 %
LONGEST = 4.0  # times the step given by the slope: a measure that needs more is not in the code
ICA_STEPS = 500  # FastICA settles on 32 numbers in 20 to 200


def feature_of(run: RunFolder, name: str, method: str = METHOD) -> Feature:
    """The feature with this name: a learned feature, a class, a measure of the picture, or a column of a table.

    Raises: UsageError that lists the known names; like `refuse_editing`.
    """
    refuse_editing(run)
    artifacts = run.artifacts
    if name in artifacts.names(FOLDER):
        return _kept(run, name)
    if name in run.latent.classes:
        return of_classes(run.latent, name, None, method)
    if (level := levels_of(run).get(name)) is not None:
        return of_level(run, level, method)
    refuse_columns_of_names(run, name)
    if name in _measurable(run) or (run.model.preprocess.is_image and name in MEASURES):  # not listed, but allowed
        return of_measure(run, name)
    known = known_names(run)
    if not known:
        message = f"there is no feature {name!r}: this run has no features yet."
        how = f"isthmus feature learn {shell_word(run.path)} {shell_word(name)} --with SAMPLES --without OTHERS"
        raise UsageError("USAGE-NAME", message, fix=f"learn it: `{how}`")
    raise unknown("feature", name, known)


def _kept(run: RunFolder, name: str) -> Feature:
    """Raises: ModelFileError if it is damaged, or was learned with other weights."""
    try:
        return run.artifacts.read(f"{FOLDER}/{name}", lambda part: Feature.from_part(part, run.latent.z_size))
    except ModelFileError as error:
        if error.code == "LATENT-STALE":
            error.message = f"the feature {name!r} was learned with different weights than {run.path} has now."
            error.fix = f"learn it again with `isthmus feature learn {shell_word(run.path)} {shell_word(name)} …`"
        raise


def known_names(run: RunFolder) -> list[str]:
    """The names that `feature_of` accepts for this run."""
    return [*_fitting(run), *tellable(run.latent), *_measurable(run), *levels_of(run)]


def _fitting(run: RunFolder) -> list[str]:
    """The names of the features that were learned with the run's current weights."""
    artifacts = run.artifacts
    return [name for name in artifacts.names(FOLDER) if artifacts.has(f"{FOLDER}/{name}")]


def tellable(latent: Latent) -> list[str]:
    """The classes with at least two codes in them and at least two outside."""
    labels, names = latent.labels, latent.classes
    if labels is None:
        return []
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    return [name for name, n in zip(names, counts, strict=True) if n > 1 and counts.sum() - n > 1]


def measures_of(preprocess: Preprocess) -> tuple[str, ...]:
    """The measures of strokes, for small gray pictures such as digits; a photograph has no strokes."""
    channels, *sides = preprocess.shape
    return tuple(MEASURES) if channels == 1 and max(sides) <= LARGEST_DRAWING else ()


def _measurable(run: RunFolder) -> Sequence[str]:
    """Measures of pictures, or numeric columns."""
    preprocess = run.model.preprocess
    if preprocess.schema is not None:
        return tuple(c.name for c in preprocess.schema.modeled if c.kind in {"number", "count", "time"})
    return measures_of(preprocess) if preprocess.is_image else preprocess.columns or ()


def refuse_editing(run: RunFolder) -> None:
    """Raises: UsageError if the codes of this run cannot be changed gradually; it says why."""
    refuse_without_code(run.model)
    refuse_discrete(run.coder, "adding a feature")


def of_classes(latent: Latent, to: str | None, away: str | None, method: str = METHOD) -> Feature:
    """From class `away` to class `to`; None means all other samples. Raises: UsageError for unknown classes."""
    for name in (to, away):
        if name is not None and not latent.classes:
            message = f"there is no class {name!r}: the data of this run has no labels."
            raise UsageError("USAGE-NAME", message, fix=INSTEAD)
        if name is not None and name not in latent.classes:
            raise unknown("class", name, latent.classes)
    if to == away:
        raise UsageError("USAGE-FEATURE", f"{to} is both added and removed.", fix="name two different classes")
    inside = {name: latent.labels == latent.classes.index(name) for name in (to, away) if name is not None}
    labeled = latent.labels >= 0 if latent.labels is not None else np.ones(len(latent.codes), bool)
    rest = labeled & ~np.logical_or.reduce(list(inside.values()))
    if None in (to, away) and not rest.any():
        message = f"all samples of this run are in class {to or away}, so there is nothing to compare it with."
        raise UsageError("USAGE-FEATURE", message, fix=INSTEAD)
    without, with_ = (
        Group.of(name or OTHERS, latent.codes[inside[name] if name is not None else rest]) for name in (away, to)
    )
    feature = between(without, with_, method)
    return replace(feature, name=to or f"no {away}", kind="classes")


def of_numbers(name: str, z: np.ndarray, y: np.ndarray) -> Feature:
    """The average step of codes (N, Z) when the number y (N,) grows by one standard deviation.

    That is cov(z, y) / sd(y), the slope of z on y. The readout is the slope of y on z, S^-1 cov(z, y). The fewer the
    samples, the more the covariance S is shrunk (Ledoit and Wolf 2004). NaN in y are left out.

    Raises: DataError for fewer than three numbers, or if all numbers are equal.
    """
    there = np.isfinite(y)
    z, y = z[there].astype(np.float64), y[there].astype(np.float64)
    if len(y) < 3 or np.ptp(y) == 0:
        message = f"{name} has {counted(len(y), 'number')}" + (", all equal" if len(y) > 2 else "")
        fix = "learn from another column or measure"
        raise DataError("DATA-COUNT", f"{message}; a feature needs at least three, not all equal.", fix=fix)
    centered, deviations = z - z.mean(0), y - y.mean()
    together = centered.T @ deviations / len(y)
    scale = np.where(centered.std(0) > 0, centered.std(0), 1.0)
    S = ledoit_wolf(centered / scale)[0] * np.outer(scale, scale)
    S[np.diag_indices_from(S)] += 1e-9 * np.trace(S) / len(S)
    return Feature(
        name=name,
        kind="numbers",
        method="slope",
        unit=f"one standard deviation of {name}, {y.std():.3g}",
        shift=together / y.std(),
        origin=z.mean(0),
        readout=np.linalg.solve(S, together),
        evidence={"of": name, "n": len(y), "mean": float(y.mean()), "sd": float(y.std())},
    )


def discovered(latent: Latent, n: int, method: str = "principal", seed: int = 0) -> list[Feature]:
    """Up to n directions found without labels, each one standard deviation long, sorted by length.

    "principal": the axes of the covariance. "independent": FastICA's sources (Hyvarinen 1999), which need not be
    orthogonal. The sign is chosen so that the skewness of the source is positive.

    Raises: UsageError for another method.
    """
    if method not in FOUND:
        raise unknown("method", method, FOUND)
    n = min(n, latent.z_size)
    if method == "principal":
        values, vectors = np.linalg.eigh(latent.covariance)
        order = np.argsort(-values)[:n]
        order = order[values[order] > 1e-12 * values[-1]]
        steps, readouts = (vectors[:, order] * np.sqrt(values[order])).T, (vectors[:, order] / np.sqrt(values[order])).T
    else:
        found = FastICA(n, whiten="unit-variance", max_iter=ICA_STEPS, random_state=seed_of(seed, "ica") % 2**32)
        found.fit(latent.codes.astype(np.float64))
        mixing = np.asarray(found.mixing_).T
        order = np.argsort(-np.linalg.norm(mixing, axis=1))
        steps, readouts = mixing[order], np.asarray(found.components_)[order]
    sources = (latent.codes - latent.mean) @ readouts.T
    signs = np.where((sources**3).mean(0) < 0, -1.0, 1.0)
    return [
        Feature(
            name=f"{method}-{i + 1}",
            kind="discovered",
            method=method,
            unit="one standard deviation of the codes in this direction",
            shift=sign * step,
            origin=latent.mean,
            readout=sign * readout,
            evidence={"n": latent.n, "share": float(step @ step / np.trace(latent.covariance))},
        )
        for i, (step, readout, sign) in enumerate(zip(steps, readouts, signs, strict=True))
    ]


def of_measure(run: RunFolder, name: str) -> Feature:
    """The feature for a measure of the picture, or for a column of a table, from training samples kept with the run.

    Its length is chosen so that strength 1 changes the decoded samples by one standard deviation, on average.

    Raises: UsageError for an unknown name; DataError if the run's data cannot be read.
    """
    refuse_columns_of_names(run, name)
    latent, train = run.latent, run.prepared.splits.train
    feature = of_numbers(name, latent.codes, numbers(name, train.take(latent.rows), run.model.preprocess))
    if is_time(train, name):
        unit = f"one standard deviation of {name}, {span(feature.evidence['sd'])}"
        feature = replace(feature, unit=unit)
    z, shift = latent.codes[:: -(-len(latent.codes) // TRIED)], feature.shift

    def decoded(codes: np.ndarray) -> np.ndarray:
        x = np.asarray(run.coder.decode(codes.astype(np.float32)))
        return numbers(name, replace(train, x=x), run.model.preprocess)

    before, length = decoded(z), 1.0
    for _ in range(ROUNDS):
        moved = float(np.nanmean(decoded(z + length * shift) - before)) / feature.evidence["sd"]
        if not moved > length / LONGEST:  # hardly moved, or moved backward: no length helps
            length = 1.0
            break
        length = float(np.clip(length / moved, 1 / LONGEST, LONGEST))
    return replace(feature, shift=length * shift)


def numbers(name: str, samples: Samples, preprocess: Preprocess) -> np.ndarray:
    """A measure of each image, or a column of each row, (N,). Raises: UsageError for an unknown name.

    Pixels at the black level of the images, such as -1,000 for CT values, do not count in a measure.
    """
    if samples.is_image:
        black = preprocess.ends[0] if preprocess.ends else 0.0
        return measure(name, np.maximum(samples.x.astype(np.float32) - black, 0) if black else samples.x)
    columns = samples.columns or ()
    if name not in columns:
        raise unknown("column", name, columns)
    return samples.x[:, columns.index(name)]


def is_time(samples: Samples, name: str) -> bool:
    """Whether a column holds times, which are stored in seconds."""
    schema = samples.schema
    return schema is not None and any(column.name == name and column.kind == "time" for column in schema.modeled)


def keep(run: RunFolder, feature: Feature) -> None:
    """Writes the feature to RUN/latent/features/NAME. Raises: UsageError for a name that is the name of a class."""
    if feature.name in run.latent.classes:
        message = f"{feature.name!r} is a class of this run's data."
        raise UsageError("USAGE-NAME", message, fix="choose another name for the feature")
    run.artifacts.put(f"{FOLDER}/{feature.name}", *feature.as_part())


def learned(run: RunFolder) -> Sequence[Feature]:
    """The features that were learned with the run's current weights."""
    return [_kept(run, name) for name in _fitting(run)]


def out_of_date(run: RunFolder) -> list[str]:
    """The names of the features that were learned with other weights, before the run was trained further."""
    fitting = _fitting(run)
    return [name for name in run.artifacts.names(FOLDER) if name not in fitting]


__all__ = [
    "discovered",
    "feature_of",
    "is_time",
    "keep",
    "learned",
    "numbers",
    "of_classes",
    "of_measure",
    "of_numbers",
    "out_of_date",
    "refuse_editing",
]
