"""Splits data into three different sets, training, validation and test; and `--limit`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from isthmus.data.hashing import Matches
from isthmus.data.labels import evenly
from isthmus.data.samples import Bundle, Samples
from isthmus.data.series_layout import SeriesLayout
from isthmus.data.whole_samples import of_one_size
from isthmus.errors import DataError
from isthmus.randomness import seed_of
from isthmus.wording import counted

EVERY_FRAME = "--frames all"  # in the note about files of which only the first frame was read
TEST_SHARE = 0.1
VALIDATION_SHARE = 0.1
FEWEST_CALIBRATING = 9  # with fewer, no p-value is below 0.1, and they are more useful for choosing the epoch
VALIDATION_MOST = 5_000  # with 5,000 images, the standard error of MNIST's cost is under 1 %; more only costs time


@dataclass(frozen=True)
class Splits:
    """Early stopping uses `validation`; results are reported on `test`. `series` is the layout behind windows. `drawn`
    are the validation samples, and the test samples if not given by name, if the former were drawn from the training
    data; else there are none.
    """

    train: Samples
    validation: Samples
    test: Samples
    series: SeriesLayout | None = None
    drawn: tuple[Samples, ...] = ()

    @cached_property
    def overlap(self) -> Matches:
        """The test samples that equal one of the training samples."""
        return self.train.overlap(self.test)


def split(
    bundle: Bundle,
    *,
    seed: int,
    limit: int | None = None,
    validation: Samples | None = None,
    test: Samples | None = None,
    rule: str = "stratified",
    most_test: int | None = None,
) -> Splits:
    """A set with a test part keeps it; otherwise 80 / 10 / 10 by a seeded shuffle. `limit` thins the training part
    evenly.

    Validation is a tenth of the training part, at most 5,000. Given sets replace the drawn ones. With the rule
    `stratified`, every class has its share of each set, as closely as whole samples or whole groups allow, and a class
    with a single sample or group stays in training; `shuffled` ignores labels. `most_test` limits the number of drawn
    test samples, and of validation samples too.

    Raises: DataError if fewer than two samples would be left for training, if there are fewer groups than sets, or if a
    given set has another shape.
    """
    generator = np.random.default_rng(seed)
    given = (bundle.train, validation, bundle.test if test is None else test)
    train, validation, test = of_one_size(given)
    assert train is not None
    n_needed = 2 + (validation is None) + (test is None)
    if len(train) < n_needed:
        raise DataError(
            "DATA-COUNT",
            f"{train.name} has {counted(len(train), 'sample')}; "
            f"training, validation and test need at least {n_needed}.",
            fix=_fix_for_few(train),
        )
    _refuse_few_groups(train, n_needed - 1)
    order, ends = _shuffled(train, generator, least=n_needed - 1, stratified=rule == "stratified")
    most = len(train) if most_test is None else most_test
    n_test = 0 if test is not None else max(1, min(round(TEST_SHARE * len(train)), most))
    n_rest = len(train) - n_test
    whole = len(train) if n_test else n_rest  # in 80 / 10 / 10, both tenths are of the whole data
    n_validation = 0 if validation is not None else max(1, min(round(VALIDATION_SHARE * whole), VALIDATION_MOST, most))
    cuts = [n_test, n_test + n_validation]
    parts = np.split(order, cuts if ends is None else _at_ends(cuts, ends))
    rows = parts[2] if limit is None else evenly(parts[2], train.labels, limit)
    # Kept in random order: data is often sorted by class, and the first hundred should be like the rest.
    drawn = [train.take(part) for part, named in ((parts[1], validation), (parts[0], test)) if named is None]
    others = iter(drawn)
    splits = Splits(
        train=train.take(np.sort(rows)),
        validation=next(others) if validation is None else validation,
        test=next(others) if test is None else test,
        drawn=tuple(drawn) if validation is None else (),
    )
    for role in ("validation", "test"):
        _same_kind(splits.train, getattr(splits, role), role)
    return splits


def _fix_for_few(train: Samples) -> str:
    """The fix for too few samples; files of which only the first page was read may hold enough."""
    more = "provide more data, or pass other data with --validation and --test"
    return f"pass {EVERY_FRAME}, or {more}" if any(EVERY_FRAME in note for note in train.notes) else more


def _refuse_few_groups(train: Samples, least: int) -> None:
    """Raises: DataError if a requested group column has too few groups to keep them together."""
    if train.group_column is None or train.groups is None or (n := len(np.unique(train.groups))) >= least:
        return
    message = f'{train.name}: column "{train.group_column}" has {counted(n, "group")}; to keep groups together, '
    message += f"training, validation and test need at least {least}."
    raise DataError("DATA-GROUP", message, fix="leave --group out, or pass other data with --validation and --test")


def _shuffled(
    samples: Samples, generator: np.random.Generator, *, least: int, stratified: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Row numbers in random order, and the ends of groups in it if groups are kept together.

    Fewer than `least` groups (such as the pieces of a single photograph) cannot be split; their samples are shuffled.
    """
    order, groups = generator.permutation(len(samples)), samples.groups
    labels = samples.labels if stratified else None
    if groups is None or len(names := np.unique(groups)) < least:
        return order if labels is None else order[_in_turn(labels[order], np.ones(len(order)))], None
    group_of, place_of = np.searchsorted(names, groups), generator.permutation(len(names))
    if labels is not None:
        drawn = np.argsort(place_of)
        turn = _in_turn(_usual_label(group_of, labels)[drawn], np.bincount(group_of)[drawn])
        place_of[drawn[turn]] = np.arange(len(names))
    places = place_of[group_of]
    order = order[np.argsort(places[order], kind="stable")]
    return order, np.flatnonzero(np.diff(places[order], append=-1)) + 1


def _in_turn(labels: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """An order in which every section holds its share of each class: each unit is placed at the fraction of its class
    that comes before its middle; ties keep their order. A class with one unit comes last. labels, sizes (U,) of units.

    >>> _in_turn(np.array([0, 0, 0, 0, 1, 1, 2]), np.ones(7))
    array([0, 4, 1, 2, 5, 3, 6])
    """
    _, classes, n_units = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.argsort(classes, kind="stable")
    of_class = np.bincount(classes, sizes)
    before = np.concatenate([[0], np.cumsum(of_class)[:-1]])[classes]
    share = np.empty(len(labels))
    share[by_class] = np.cumsum(sizes[by_class]) - sizes[by_class] / 2
    share = (share - before) / of_class[classes]
    return np.argsort(np.where(n_units[classes] == 1, 1.0, share), kind="stable")


def _usual_label(group_of: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The most frequent label (G,) of each group; group_of (N,) counts them from 0."""
    pairs, counts = np.unique(np.column_stack([group_of, labels]), axis=0, return_counts=True)
    order = np.lexsort((counts, pairs[:, 0]))
    usual = np.empty(group_of.max() + 1, dtype=labels.dtype)
    usual[pairs[order, 0]] = pairs[order, 1]  # NumPy keeps the last value per index, the most frequent
    return usual


def _at_ends(cuts: list[int], ends: np.ndarray) -> list[int]:
    """The cuts, each moved to the nearest end of a group, all different and none at the very end; 0 stays 0."""
    found: list[int] = []
    for i, cut in enumerate(cuts):
        before = found[-1] if found else 0
        unused = cut == (cuts[i - 1] if i else 0)
        left = len({c for c in cuts[i + 1 :] if c > cut})  # groups that the later parts need
        possible = ends[(ends > before)][: -1 - left]
        found.append(before if unused or not len(possible) else int(possible[np.abs(possible - cut).argmin()]))
    return found


def _same_kind(train: Samples, other: Samples, role: str) -> None:
    if not len(other):
        raise DataError(
            "DATA-COUNT", f"the {role} data {other.name} holds no samples.", fix=f"pass other data with --{role}"
        )
    if other.shape != train.shape:
        raise DataError(
            "DATA-SHAPE",
            f"the {role} data {other.name} has samples of shape {other.shape}, the training data has {train.shape}.",
            fix=_alike(train, other) or f"pass other data with --{role}",
        )


def _alike(train: Samples, other: Samples) -> str | None:
    """Options with which both are read in the same shape, if there are any."""
    from isthmus.data.images.reading_fix import fix_for_both

    return fix_for_both(train.shape, other.shape) if train.is_image and other.is_image else None


def align_labels(samples: Samples, classes: tuple[str, ...]) -> Samples:
    """The same samples with labels as indices into `classes`; unknown classes get -1."""
    if samples.labels is None or samples.classes == classes:
        return samples
    index = {name: i for i, name in enumerate(classes)}
    table = np.array(
        [*(index.get(name, -1) for name in samples.classes), -1], dtype=np.int64
    )  # the last entry is for samples without a class
    return replace(samples, labels=table[samples.labels], classes=classes)


def held_apart(validation: Samples, share: float, seed: int, *, rule: str = "stratified") -> tuple[Samples, Samples]:
    """(samples for early stopping, samples by which nothing is chosen): the second part is the fraction `share`, drawn
    by the seed.

    For samples in groups, it is that fraction of the groups. If it would have fewer than 9 samples or groups, it is
    empty. The `rule` of older runs, `shuffled`, ignores groups. Windows of a series are split in time.
    """
    if validation.windows is not None:
        return _held_in_time(validation, share)
    groups = None if rule == "shuffled" else validation.groups
    of_unit = np.arange(len(validation)) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(of_unit.max(initial=-1)) + 1
    n = int(share * n_units)
    if n < FEWEST_CALIBRATING:
        return validation, validation.take(np.zeros(0, np.int64))
    order = np.random.default_rng(seed_of(seed, "calibration")).permutation(n_units)
    held = np.isin(of_unit, order[:n])
    return validation.take(np.flatnonzero(~held)), validation.take(np.flatnonzero(held))


def _held_in_time(validation: Samples, share: float) -> tuple[Samples, Samples]:
    """(earlier windows, later windows) without common rows: the later part is the last `share` of each run of windows
    that share rows, and every other run that is too short for that.
    """
    assert validation.windows is not None
    (first, length), late, early = validation.windows, [], []
    runs = np.split(np.arange(len(first)), np.flatnonzero(np.diff(first) > length) + 1) if share and len(first) else []
    for k, run in enumerate(runs):
        begin, end = int(first[run[0]]), int(first[run[-1]]) + length
        cut = begin + round((1 - share) * (end - begin))
        before, after = run[first[run] + length <= cut], run[first[run] >= cut]
        if len(before) and len(after):
            early, late = [*early, before], [*late, after]
        else:
            (late if k % 2 else early).append(run)
    if not early or not late:
        return validation, validation.take(np.zeros(0, np.int64))
    return validation.take(np.concatenate(early)), validation.take(np.concatenate(late))


def apart(samples: Samples, n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(held-out rows, other rows), both shuffled: n samples, or whole groups with as close to n samples as possible.

    Pieces of a single photograph, if there is nothing else, are shuffled.
    """
    order, ends = _shuffled(samples, generator, least=2, stratified=False)
    cut = n if ends is None else _at_ends([n], ends)[0]
    return order[:cut], order[cut:]
