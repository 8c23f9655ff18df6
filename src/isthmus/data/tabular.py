"""A matrix of numbers as samples: a table, or images where its rows are pixels."""

from __future__ import annotations

import math
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
from isthmus.data.numeric import are_whole, converted, listed
from isthmus.data.ranges import image_values
from isthmus.data.samples import Samples
from isthmus.errors import DataError

PROBED = 1_000  # rows that already show whether a column repeats itself
ID_ROWS = 20  # fewer rows may well be all different by chance


@dataclass(frozen=True)
class Origin:
    """Where a matrix comes from. `told_as` names it in notes (a file: with its suffix).

    `labels` are indices into `classes`. `declared` says that somebody chose the type of the values, `predicting` that a
    trained model asks: nothing is guessed then, and nothing warned about.
    """

    name: str
    told_as: str = ""
    columns: tuple[str, ...] | None = None
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    label_column: str | None = None
    groups: np.ndarray | None = None
    group_column: str | None = None
    ids: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    declared: bool = False
    predicting: bool = False

    @property
    def told(self) -> str:
        return self.told_as or self.name


def samples_from_matrix(matrix: np.ndarray, origin: Origin, options: DataConfig) -> Samples:
    """Samples from (N, D) values; NaN is a gap that a median of its column will fill.

    Images with `--shape`, or where the columns look like square images (said in the notes); a table otherwise, of
    float64 where the values come so (see `numeric.table_type`), else of float32.

    Raises: DataError if the shape does not fit, or the values have no range that images may have, or gaps.
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
    if matrix.dtype.kind == "f" and np.isnan(matrix).any():
        message = f"{origin.told}: its rows are images of {shape}, and pixels are missing; medians are for tables."
        raise DataError("DATA-MISSING", message, fix="pass --missing drop to leave those rows out, or --shape table")
    order = None if origin.predicting else pixel_order(columns)
    if order is not None and columns is not None:
        matrix, columns = matrix[:, order], tuple(columns[i] for i in order)
        notes += (f"{origin.told}: the pixel columns were put in the order of their numbers.",)
    images = images_from_rows(matrix, shape, name=origin.told, columns=columns)
    values, told = image_values(images, scale=options.scale, name=origin.told, declared=origin.declared)
    if guessed:
        word = f"{matrix.shape[1]:,} columns of whole numbers from 0 to 255 are read as gray images of {shape}"
        notes += (f"{origin.told}: {word}; --shape table keeps them a table.",)
    return _samples(values, origin, columns, notes + told)


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
    )


def _about_table(matrix: np.ndarray, origin: Origin) -> tuple[str, ...]:
    """What a person should hear about a table before it is trained on."""
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
        notes.append(f"{origin.told}: {which}; scaled by 1, and nothing to learn from.")
    notes += _about_identifiers(matrix, names, origin)
    notes += _about_pixels(matrix, origin)
    return tuple(notes)


def _constant(matrix: np.ndarray) -> np.ndarray:
    return np.fmin.reduce(matrix) == np.fmax.reduce(matrix)  # which pass over gaps


def _binary(matrix: np.ndarray) -> np.ndarray:
    return ((matrix == 0) | (matrix == 1) | np.isnan(matrix)).all(0)


def _about_identifiers(matrix: np.ndarray, names: Sequence[str], origin: Origin) -> list[str]:
    notes = []
    if len(matrix) >= ID_ROWS:
        found = [names[i] for i in _all_different(matrix)]
        if found:
            advice = f"leave it out with --drop-column {found[0]}"
            notes.append(f"{origin.told}: column {listed(found)} counts or names the rows (no number twice); {advice}.")
    if origin.labels is None:
        binary = [names[i] for i in np.flatnonzero(_binary(matrix) & ~_constant(matrix)).tolist()]
        if len(binary) == 1:  # several are rather categories spread over columns
            advice = f"if it is what you would predict, keep it out with --label {binary[0]}"
            notes.append(f"{origin.told}: column {listed(binary)} holds only 0 and 1; {advice}.")
    return notes


def _all_different(matrix: np.ndarray) -> list[int]:
    """Columns of whole numbers of which none comes twice."""
    head = matrix[:PROBED]
    whole = np.flatnonzero((head == np.floor(head)).all(0))
    likely = [int(i) for i in whole if len(np.unique(head[:, i])) == len(head)]
    return [i for i in likely if are_whole(matrix[:, i]) and len(np.unique(matrix[:, i])) == len(matrix)]


def _about_pixels(matrix: np.ndarray, origin: Origin) -> list[str]:
    n_columns = matrix.shape[1]
    if are_pixel_names(origin.columns):
        fits = nearby_shapes(n_columns)
        advice = f"say --shape {fits[0]} if it fits" if fits else "say which shape with --shape HxW"
        return [f"{origin.told}: the columns are named like pixels, but are read as a table; {advice}."]
    side = math.isqrt(n_columns - 1)
    if side * side == n_columns - 1 >= LEAST_PIXELS:
        advice = "name the label with --label or leave the column out with --drop-column"
        return [f"{origin.told}: {n_columns:,} columns are one more than images of {side}x{side} have; {advice}."]
    return []
