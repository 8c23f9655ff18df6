"""A run's codes judged by its labels, beside raw values and PCA: `isthmus probe`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isthmus.data.batching.split import TEST_SHARE, align_labels, apart
from isthmus.data.samples import Samples
from isthmus.errors import DataError
from isthmus.evaluation.metrics.label_probe import K, beside, chosen, sizes
from isthmus.randomness import seed_of
from isthmus.runs.folder import RunFolder
from isthmus.system.progress import tell
from isthmus.tools.exploration.encoded_samples import all_parts, coded, joined
from isthmus.training.prepared import IN_MEMORY
from isthmus.wording import printable, shell_word


def probe_run(
    run: RunFolder, source: Any = None, *, k: int = K, everything: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """`{"data", "codes", "pca", "raw", "standard_error", "said"}`: how much of the labels each holds, by `probe.probe`.

    The standard error is that of the least certain of the accuracies; of samples in groups, which may be right or wrong
    together, only the groups count (`n_groups` of the test part).

    The run's training and validation data teach, its test data is asked. Of other data its own parts do; what comes in
    one part is divided 80 / 20, groups kept together. Test samples of a class that the training part lacks are left
    out. Where there is more than takes about half a minute, fewer samples of both parts are taken, evenly over the
    classes; `everything` takes all.

    Labels that are a column which the model takes are hidden from it, as gaps: else they would be read off themselves.

    Raises: DataError for data without labels.
    """
    train, test = _parts(run, source, settings)
    train, test, hidden = _hidden(run, train, test)
    seed = run.config.training.seed
    generator = np.random.default_rng(seed_of(seed, "probe", "rows"))
    said, taken = hidden, []
    known = [np.flatnonzero(s.labels >= 0) for s in (train, test) if s.labels is not None]
    counts = sizes(len(known[0]), len(known[1]), train.x[0].size) if not everything else tuple(map(len, known))
    for samples, most, what in zip((train, test), counts, ("training", "test"), strict=True):
        assert samples.labels is not None
        rows = chosen(samples.labels, most, generator)
        if len(rows) < len(samples):
            said.append(f"{len(rows):,} of {len(samples):,} {what} samples are taken (--all takes all with a label)")
        taken.append(coded(run, samples.take(rows)))
    first, second = taken
    z, x, y = (first.z, second.z), (first.x, second.x), (first.samples.labels, second.samples.labels)
    tell("fitting a classifier to the codes, and to the data itself")
    spaces = beside(z, x, y, k=k, seed=seed)
    accuracies = [found[name] for found in spaces.values() for name in ("knn", "linear")]
    groups = second.samples.groups
    n = len(second) if groups is None else len(np.unique(groups))
    error = max(accuracy_error(accuracy, n) for accuracy in accuracies)
    found = {"data": train.name, **spaces, "standard_error": error, "said": said}
    return found if groups is None else found | {"n_groups": n}


def accuracy_error(accuracy: float, n: int) -> float:
    """Of a share of n samples. One right and one wrong are added (Laplace), or 18 of 18 would leave no doubt."""
    share = (accuracy * n + 1) / (n + 2)
    return (share * (1 - share) / n) ** 0.5


def _parts(run: RunFolder, source: Any, settings: Mapping[str, Any] | None) -> tuple[Samples, Samples]:
    """The samples that teach and those that are asked, with labels counted alike."""
    parts = all_parts(run, source, settings)
    if any(samples.labels is None or (samples.labels < 0).all() for samples in parts.values()):
        fix = _naming(run)
        raise DataError("DATA-LABEL", f"{parts['train'].name} has no labels to judge codes by.", fix=fix)
    if "test" not in parts:
        return _divided(parts["train"], run.config.training.seed)
    train = joined([samples for part, samples in parts.items() if part != "test"])
    return train, align_labels(parts["test"], train.classes)


def _naming(run: RunFolder) -> str:
    """How labels are named: of a table with a column of names, by that."""
    schema, source = run.model.preprocess.schema, run.config.data.source
    named = [c.name for c in schema.modeled if c.kind in {"category", "yes-no"}] if schema is not None else []
    if not named or run.model.preprocess.series is not None or source == IN_MEMORY:
        return "give images in one sub-folder per class, or a table with --label COLUMN"
    words = (run.path, source, named[0])
    return "name a column: `isthmus probe {} {} --label {}`".format(*map(shell_word, words))


def _hidden(run: RunFolder, *parts: Samples) -> tuple[Samples, Samples, list[str]]:
    """Both parts with gaps in the place of the column of labels, where the model knows that column, and what is said
    of it.
    """
    known, (train, test) = run.model.preprocess, parts
    column, names = train.label_column, known.schema.names if known.schema is not None else ()
    if column is None or column not in names or known.series is not None:
        return train, test, []
    at = names.index(column)
    first, second = (samples.changed(lambda x: _without(x, at)) for samples in (train, test))
    return first, second, [f'the column "{printable(column)}" is hidden from the model, as it is what is asked for']


def _without(x: np.ndarray, at: int) -> np.ndarray:
    x = np.array(x)
    x[:, at] = np.nan
    return x


def _divided(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    generator = np.random.default_rng(seed_of(seed, "probe", "split"))
    test, train = apart(samples, round(2 * TEST_SHARE * len(samples)), generator)
    return samples.take(np.sort(train)), samples.take(np.sort(test))
