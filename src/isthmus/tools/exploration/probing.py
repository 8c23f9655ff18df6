"""`isthmus probe`: how well labels can be predicted from a run's codes, compared with raw values and PCA."""

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
    """`{"data", "codes", "pca", "raw", "standard_error", "said"}`: how well each predicts the labels.

    The standard error is that of the least certain accuracy. Samples of a group may be right or wrong together, so the
    number of groups in the test part (`n_groups`) is used if there are groups.

    Classifiers are trained on the run's training and validation data and tested on its test data. Other data is used
    with its own parts; data in one part is split 80 / 20, with groups kept together. Test samples of a class that is
    not in the training part are left out. If all samples would take more than about half a minute, fewer are used,
    balanced over the classes; `everything` uses all.

    If the label is a column that the model takes, it is hidden from the model as gaps; otherwise it would predict
    itself.

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
        rows, n_known = chosen(samples.labels, most, generator), int((samples.labels >= 0).sum())
        if n_known < len(samples):
            said.append(f"{len(samples) - n_known:,} of {len(samples):,} {what} samples have no label")
        if len(rows) < n_known:
            said.append(f"{len(rows):,} of {len(samples):,} {what} samples are used (--all uses all with a label)")
        taken.append(coded(run, samples.take(rows)))
    first, second = taken
    z, x, y = (first.z, second.z), (first.x, second.x), (first.samples.labels, second.samples.labels)
    tell("fitting classifiers to the codes and to the data itself")
    spaces = beside(z, x, y, k=k, seed=seed)
    accuracies = [found[name] for found in spaces.values() for name in ("knn", "linear")]
    groups = second.samples.groups
    n = len(second) if groups is None else len(np.unique(groups))
    error = max(accuracy_error(accuracy, n) for accuracy in accuracies)
    found = {"data": train.name, **spaces, "standard_error": error, "said": said}
    return found if groups is None else found | {"n_groups": n}


def accuracy_error(accuracy: float, n: int) -> float:
    """The standard error of a share of n samples. One right and one wrong are added (Laplace): never 0."""
    share = (accuracy * n + 1) / (n + 2)
    return (share * (1 - share) / n) ** 0.5


def _parts(run: RunFolder, source: Any, settings: Mapping[str, Any] | None) -> tuple[Samples, Samples]:
    """The training and the test samples, with the same class indices."""
    parts = all_parts(run, source, settings)
    if any(samples.labels is None or (samples.labels < 0).all() for samples in parts.values()):
        fix = _naming(run, (settings or {}).get("label"))
        raise DataError(
            "DATA-LABEL", f"{parts['train'].name} has no labels, so codes cannot be judged by them.", fix=fix
        )
    if "test" not in parts:
        return _divided(parts["train"], run.config.training.seed)
    train = joined([samples for part, samples in parts.items() if part != "test"])
    return train, align_labels(parts["test"], train.classes)


def _naming(run: RunFolder, asked: str | None) -> str:
    """The fix for missing labels: for a table with a column of names, the command with that column, or the one
    that was `asked` for."""
    schema, source = run.model.preprocess.schema, run.config.data.source
    named = [c.name for c in schema.modeled if c.kind in {"category", "yes-no"}] if schema is not None else []
    if not named or run.model.preprocess.series is not None or source == IN_MEMORY:
        return "use images in one subfolder per class, or a table with --label COLUMN"
    words = (run.path, source, asked if asked in named else named[0])
    return "name a column: `isthmus probe {} {} --label {}`".format(*map(shell_word, words))


def _hidden(run: RunFolder, *parts: Samples) -> tuple[Samples, Samples, list[str]]:
    """Both parts with gaps in the label column if the model takes that column, and a note about it."""
    known, (train, test) = run.model.preprocess, parts
    column, names = train.label_column, known.schema.names if known.schema is not None else ()
    if column is None or column not in names or known.series is not None:
        return train, test, []
    at = names.index(column)
    first, second = (samples.changed(lambda x: _without(x, at)) for samples in (train, test))
    return first, second, [f'the column "{printable(column)}" is hidden from the model, because it is the label']


def _without(x: np.ndarray, at: int) -> np.ndarray:
    x = np.array(x)
    x[:, at] = np.nan
    return x


def _divided(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    generator = np.random.default_rng(seed_of(seed, "probe", "split"))
    test, train = apart(samples, round(2 * TEST_SHARE * len(samples)), generator)
    return samples.take(np.sort(train)), samples.take(np.sort(test))
