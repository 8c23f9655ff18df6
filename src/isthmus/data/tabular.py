"""Turns a matrix of numbers into samples: a table, or images if its rows are pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.layout import (
    LEAST_PIXELS,
    TABLE,
    are_pixel_names,
    guess_shape,
    images_from_rows,
    nearby_shapes,
    pixel_order,
)
from isthmus.data.numeric import are_whole, blocks, converted, has_nan
from isthmus.data.ranges import image_values
from isthmus.data.samples import Samples
from isthmus.data.sentinels import about_sentinel
from isthmus.errors import DataError
from isthmus.wording import listed, plural, shell_word

PROBED = 1_000  # rows that are tested first for repeated values
MOST_CLASSES, PER_CLASS = 10, 10  # digits have ten; with fewer rows per class, it is more likely a count or a rating
DENSE = 1.1  # range of row numbers per row: about a tenth of the rows may have been removed
IDENTIFYING = {"id", "ids", "index", "idx", "row", "rows", "rownum", "nr", "no", "key", "uuid", "guid", "serial"}
ID_ROWS = 20  # fewer rows can all differ by chance


@dataclass(frozen=True)
class Origin:
    """Where a matrix comes from. `file_name` is its name in notes (for a file, with its suffix).

    `labels` are indices into `classes`. `declared` means that the user chose the type of the values. `predicting` means
    that the data is for a trained model, so nothing is guessed and there are no warnings.
    """

    name: str
    file_name: str = ""
    columns: tuple[str, ...] | None = None
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    label_column: str | None = None
    groups: np.ndarray | None = None
    group_column: str | None = None
    ids: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    declared: bool = False
    predicting: bool = False

    @property
    def display_name(self) -> str:
        return self.file_name or self.name


def samples_from_matrix(matrix: np.ndarray, origin: Origin, options: DataConfig) -> Samples:
    """Samples from values (N, D); NaN is a gap, to be filled with the median of its column.

    They are images with `--shape`, or if the columns look like square images (a note says so). Otherwise they are a
    table: float64 if the matrix is float64 (see `numeric.table_type`), else float32.

    Raises: DataError if the shape does not fit, or if images have gaps or values outside the range of images.
    """
    shape, guessed = options.shape, False
    if shape is None and not origin.predicting:
        shape = guess_shape(matrix, origin.columns)
        guessed = shape is not None
    if shape is None or shape == TABLE:
        notes = () if origin.predicting else _about_table(matrix, origin)
        x = matrix if matrix.dtype == np.float64 else converted(matrix, np.float32)
        return _samples(x, origin, origin.columns, notes)
    return _as_images(matrix, shape, guessed, origin, options)


def _as_images(matrix: np.ndarray, shape: str, guessed: bool, origin: Origin, options: DataConfig) -> Samples:
    notes, columns = (), origin.columns
    if has_nan(matrix):
        what = f"its rows are images of {shape}, but pixels are missing"
        message = f"{origin.display_name}: {what}; only tables are filled with medians."
        raise DataError("DATA-MISSING", message, fix="pass --missing drop to leave those rows out, or --shape table")
    order = None if origin.predicting else pixel_order(columns)
    if order is not None and columns is not None:
        matrix, columns = matrix[:, order], tuple(columns[i] for i in order)
        notes += (f"{origin.display_name}: the pixel columns were sorted by their numbers.",)
    images = images_from_rows(matrix, shape, name=origin.display_name, columns=columns)
    known = {"scale": options.scale, "range": options.range, "declared": origin.declared}
    values, value_notes = image_values(images, name=origin.display_name, **known)
    if guessed:
        word = f"{matrix.shape[1]:,} columns of whole numbers from 0 to 255 are read as gray images of {shape}"
        notes += (f"{origin.display_name}: {word}; --shape table keeps them as a table.",)
    return _samples(values, origin, columns, notes + value_notes)


def _samples(x: np.ndarray, origin: Origin, columns: tuple[str, ...] | None, notes: tuple[str, ...]) -> Samples:
    return Samples(
        x,
        origin.name,
        labels=origin.labels,
        classes=origin.classes,
        ids=origin.ids,
        columns=columns,
        label_column=origin.label_column,
        groups=origin.groups,
        group_column=origin.group_column,
        notes=origin.notes + notes,
        file_name=origin.file_name,
    )


def _about_table(matrix: np.ndarray, origin: Origin) -> tuple[str, ...]:
    """Notes about a table that the user should see before training."""
    names = origin.columns or tuple(f"column_{i + 1}" for i in range(matrix.shape[1]))
    notes = []
    constant = _constant(matrix)
    if constant.any() and len(matrix) > 1:
        found = [names[i] for i in np.flatnonzero(constant).tolist()]
        which = (
            f"column {listed(found)} never changes"
            if len(found) == 1
            else f"{len(found):,} columns never change: {listed(found)}"
        )
        it = "it" if len(found) == 1 else "them"
        notes.append(f"{origin.display_name}: {which}, so there is nothing to learn from {it} (scaled by 1).")
    notes += _about_identifiers(matrix, names, origin)
    notes += _about_sentinels(matrix, origin.columns or [str(i) for i in range(matrix.shape[1])], origin)
    notes += _about_pixels(matrix, origin)
    return tuple(notes)


def _constant(matrix: np.ndarray) -> np.ndarray:
    return np.fmin.reduce(matrix) == np.fmax.reduce(matrix)  # both ignore gaps


def _binary(matrix: np.ndarray) -> np.ndarray:
    found = [((part == 0) | (part == 1) | np.isnan(part)).all(0) for part in blocks(matrix)]
    return np.all(found, axis=0)


def _about_identifiers(matrix: np.ndarray, names: Sequence[str], origin: Origin) -> list[str]:
    notes = []
    if len(matrix) >= ID_ROWS:
        found = [names[i] for i in _all_different(matrix) if are_named_so(names[i]) or is_dense(matrix[:, i])]
        if found:
            verb, it = ("seems", "it") if len(found) == 1 else ("seem", "them")
            what = f"{plural(len(found), 'column')} {listed(found)} {verb} to number the rows (no value occurs twice)"
            drop = " ".join(f"--drop-column {shell_word(name)}" for name in found)
            notes.append(f"{origin.display_name}: {what}; leave {it} out with {drop}.")
    if origin.labels is None:
        binary = [names[i] for i in np.flatnonzero(_binary(matrix) & ~_constant(matrix)).tolist()]
        if len(binary) == 1:  # several are probably one-hot categories
            advice = f"if it is what you want to predict, exclude it with --label {shell_word(binary[0])}"
            notes.append(f"{origin.display_name}: column {listed(binary)} holds only 0 and 1; {advice}.")
        elif not binary and (column := _classes(matrix)) is not None:
            low, high = int(matrix[:, column].min()), int(matrix[:, column].max())
            advice = f"if it is what you want to predict, exclude it with --label {shell_word(names[column])}"
            sentence = f"holds only the whole numbers {low} to {high}"
            notes.append(f"{origin.display_name}: column {listed([names[column]])} {sentence}; {advice}.")
    return notes


def _about_sentinels(matrix: np.ndarray, names: Sequence[str], origin: Origin) -> list[str]:
    """`names` are as in --null-values: for an array, the indices of its columns."""
    if matrix.dtype == np.uint8:
        return []
    told = [(name, about_sentinel(name, matrix[:, i])) for i, name in enumerate(names)]
    return [
        f"{origin.display_name}: column {listed([name])}: {text.removeprefix('; ')}." for name, text in told if text
    ]


def are_named_so(name: str) -> bool:
    """Whether the name of a column suggests row numbers or IDs: `id`, `customer_id`, `Row No.`, `index`.

    >>> [are_named_so(name) for name in ("customerID", "Unnamed: 0", "income", "width", "paid")]
    [True, True, False, False, False]
    """
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = [word for word in re.split(r"[^a-z0-9]+", words.lower()) if word]
    return bool(words) and (bool({*words} & IDENTIFYING) or words[0] == "unnamed")


def is_dense(column: np.ndarray) -> bool:
    """Whether distinct whole numbers have almost no holes, or equal steps: then they number the rows.

    Their order does not matter: a table may be sorted by income, or its row numbers may be shuffled.
    """
    ordered = np.sort(column.astype(np.float64))
    steps = np.diff(ordered)
    return bool(steps.min() == steps.max() or ordered[-1] - ordered[0] < DENSE * len(ordered))


def _classes(matrix: np.ndarray) -> int | None:
    """The only column that may hold classes: few consecutive whole numbers, from 0 or 1, or first or last in the table.

    None if there are several such columns (probably ratings or counts), or if the classes would be tiny.
    """
    few = [i for i in range(matrix.shape[1]) if _few_in_a_row(matrix[:, i])]
    ends = [i for i in few if i in (0, matrix.shape[1] - 1)]
    from_the_start = [i for i in few if matrix[:, i].min() in (0, 1)]
    for found in (from_the_start, ends):
        if len(found) == 1 and len(few) <= 2:
            return found[0]
    return None


def _few_in_a_row(column: np.ndarray) -> bool:
    """Whether it holds 3 to 10 consecutive whole numbers, each in ten rows on average."""
    head = np.unique(column[:PROBED])
    if not MOST_CLASSES >= len(head) >= 2 or not (head == np.floor(head)).all():
        return False
    values = np.unique(column)
    in_a_row = bool((np.diff(values) == 1).all()) and bool((values == np.floor(values)).all())
    return in_a_row and 3 <= len(values) <= MOST_CLASSES and len(column) >= PER_CLASS * len(values)


def _all_different(matrix: np.ndarray) -> list[int]:
    """Columns of whole numbers without duplicates."""
    head = matrix[:PROBED]
    whole = np.flatnonzero((head == np.floor(head)).all(0))
    likely = [int(i) for i in whole if len(np.unique(head[:, i])) == len(head)]
    return [i for i in likely if are_whole(matrix[:, i]) and len(np.unique(matrix[:, i])) == len(matrix)]


def _about_pixels(matrix: np.ndarray, origin: Origin) -> list[str]:
    n_columns = matrix.shape[1]
    if are_pixel_names(origin.columns):
        fits = nearby_shapes(n_columns)
        advice = f"if the rows are images, pass --shape {fits[0] if fits else 'HxW'}"
        return [f"{origin.display_name}: the columns are named like pixels, but are read as a table; {advice}."]
    side = math.isqrt(n_columns - 1)
    if side * side == n_columns - 1 >= LEAST_PIXELS:
        advice = "name the label with --label, or leave the extra column out with --drop-column"
        found = f"{n_columns:,} columns, one more than an image of {side}x{side} has pixels"
        return [f"{origin.display_name}: {found}; {advice}."]
    return []
