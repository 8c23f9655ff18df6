"""A split loaded by the package `datasets`, as samples, according to the declared types of its columns."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import polars as pl
from PIL import Image, UnidentifiedImageError

from isthmus.config import DataConfig
from isthmus.data.arrays.ndarrays import samples_from_array
from isthmus.data.images.image_folder import samples_from_pictures
from isthmus.data.images.pixels import FORMATS, pixel_limit, reason
from isthmus.data.labels import encode_labels
from isthmus.data.samples import Samples
from isthmus.data.schema import Expected
from isthmus.data.tables.reading import samples_from_frame
from isthmus.errors import SHOWN, DataError, UsageError, unknown
from isthmus.system.scratch import room
from isthmus.wording import counted, listed, shell_word

AT_ONCE = 1000  # rows of arrays that are read from Arrow at once: some megabytes
SKIP = "pass --skip-bad-files to leave such images out"
ARRAYS = {"Array2D", "Array3D"}


def samples_of(split: Any, name: str, options: DataConfig, expected: Expected | None = None) -> Samples:
    """The samples of a `datasets.Dataset`: its images, its arrays, or its columns as a table.

    The label is `options.label`, otherwise the first column of type ClassLabel; its names are the classes. `expected`
    are the columns of a trained model.

    Raises: DataError for invalid values; UsageError for options that do not fit.
    """
    kinds = {column: type(feature).__name__ for column, feature in split.features.items()}
    label = _label_of(kinds, options)
    of_values = [column for column, kind in kinds.items() if kind == "Image" or kind in ARRAYS]
    if not of_values:
        return _table(split, name, replace(options, label=label), expected)
    column = _only(of_values, name, options)
    others = [each for each in kinds if each not in {column, label}]
    notes = (f'{name}: column "{column}" is used; not used: {listed(others)}.',) if others else ()
    if kinds[column] == "Image":
        samples, rows = _images(split, column, name, options)
    else:
        samples, rows = samples_from_array(_array(split, column, name), name=name, options=options), None
    samples = replace(samples, notes=(*notes, *samples.notes))
    return samples if label is None else _labeled(samples, split, label, rows)


def _label_of(kinds: dict[str, str], options: DataConfig) -> str | None:
    if options.label is not None:
        if options.label not in kinds:
            raise unknown("column", options.label, kinds)
        return options.label
    return next((column for column, kind in kinds.items() if kind == "ClassLabel"), None)


def _only(columns: list[str], name: str, options: DataConfig) -> str:
    """The only column of images or arrays that is not left out."""
    left = [column for column in columns if column not in options.drop_columns]
    if len(left) == 1:
        return left[0]
    message = f"{name} has {len(left)} columns of images or arrays in use, of {listed(columns)}; one is needed."
    fix = " ".join(f"--drop-column {shell_word(column)}" for column in columns[1:])
    raise DataError("DATA-COLUMNS", message, fix=f"pass {fix}" if len(left) else "keep one of them")


class EncodedImages(Sequence[Image.Image]):
    """The images of a column, opened on access."""

    def __init__(self, column: Sequence[Any], rows: Sequence[int], name: str) -> None:
        self.column, self.rows, self.name = column, rows, name

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, key: int) -> Image.Image: ...
    @overload
    def __getitem__(self, key: slice) -> EncodedImages: ...
    def __getitem__(self, key: int | slice) -> Image.Image | EncodedImages:
        if isinstance(key, slice):
            return EncodedImages(self.column, self.rows[key], self.name)
        row = self.rows[key]
        why, picture = self.opened(row)
        if picture is None:
            raise DataError("DATA-FILE", f"{self.name}: image {row} {why}.", fix=SKIP)
        return picture

    def opened(self, row: int) -> tuple[str, Image.Image | None]:
        """The image of a row; or the reason why there is none, as a phrase that follows its name."""
        found = self.column[row]
        if found is None or not (found["bytes"] or found["path"]):
            return "is missing", None
        try:
            return "", Image.open(io.BytesIO(found["bytes"] or Path(found["path"]).read_bytes()), formats=FORMATS)
        except UnidentifiedImageError:
            return "is not an image in a supported format", None
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            return reason(Path(found["path"] or str(row)), error), None


def _images(split: Any, column: str, name: str, options: DataConfig) -> tuple[Samples, np.ndarray]:
    """Samples, and the row of the split that each image is from."""
    from datasets import Image as ImageColumn  # pyright: ignore[reportMissingImports]

    if options.whole:
        message = f"{name} is from the Hugging Face Hub, but --recipe photo needs image files."
        raise UsageError("USAGE-HUB", message, fix="leave --recipe photo out, or save the images into a folder")
    encoded = split.select_columns([column]).cast_column(column, ImageColumn(decode=False))[column]
    pictures = EncodedImages(encoded, range(len(encoded)), name)
    with pixel_limit(options.max_pixels):
        bad = _bad(pictures) if options.skip_bad_files else {}
        rows = np.array([row for row in range(len(encoded)) if row not in bad], np.int64)
        if not len(rows):
            raise DataError("DATA-EMPTY", f"{name} has no image that can be read.", fix="use another split or data set")
        try:
            samples = samples_from_pictures(EncodedImages(encoded, rows.tolist(), name), options, name=name)
        except DataError as error:
            if error.code == "DATA-FILE":  # found only when the image is decoded
                error.fix = SKIP
            raise
    if not bad:
        return samples, rows
    told = "; ".join(f"row {row} {why}" for row, why in list(bad.items())[:SHOWN])
    note = f"{name}: {counted(len(bad), 'image')} left out: {told}."
    skipped = tuple(f"row {row} {why}" for row, why in bad.items())
    return replace(samples, notes=(note, *samples.notes), skipped=skipped), rows


def _bad(pictures: EncodedImages) -> dict[int, str]:
    """The rows whose image cannot be read, each with the reason."""
    bad: dict[int, str] = {}
    for row in pictures.rows:
        why, picture = pictures.opened(row)
        try:
            if picture is not None:
                picture.load()
        except (OSError, SyntaxError, ValueError) as error:
            why = reason(Path(str(row)), error)
        if why:
            bad[row] = why
    return bad


def _array(split: Any, column: str, name: str) -> np.ndarray:
    """A column of arrays of one shape, (N, ...), in memory or a file."""
    numbers = split.select_columns([column]).with_format("numpy")
    first = np.asarray(numbers[0][column])
    whole = room((len(split), *first.shape), first.dtype, name)
    for at in range(0, len(split), AT_ONCE):
        part = numbers[at : at + AT_ONCE][column]
        for i, values in enumerate(part):
            if np.shape(values) != first.shape:
                message = f"{name}, row {at + i}: {column} has shape {np.shape(values)}, but row 0 has {first.shape}."
                raise DataError(
                    "DATA-SHAPE", message, fix=f"pass --drop-column {shell_word(column)}, or give all the same shape"
                )
            whole[at + i] = values
    return whole


def _table(split: Any, name: str, options: DataConfig, expected: Expected | None) -> Samples:
    dropped = [column for column in options.drop_columns if column in split.features]
    frame = (split.remove_columns(dropped) if dropped else split).to_polars()
    nested = [column for column, kind in frame.schema.items() if kind.is_nested() or kind == pl.Binary]
    if nested:
        message = f"{name}: columns with lists or files cannot be part of a table: {listed(nested)}."
        raise DataError(
            "DATA-COLUMNS", message, fix=" ".join(["pass", *(f"--drop-column {shell_word(one)}" for one in nested)])
        )
    named = [column for column in frame.columns if type(split.features[column]).__name__ == "ClassLabel"]
    frame = frame.with_columns(_by_name(frame[column], split.features[column].names) for column in named)
    options = replace(options, drop_columns=tuple(c for c in options.drop_columns if c not in dropped))
    return samples_from_frame(frame, name=name, options=options, expected=expected)


def _by_name(codes: pl.Series, names: Sequence[str]) -> pl.Series:
    """The names of classes; -1 means none."""
    return codes.replace_strict(dict(enumerate(names)), default=None, return_dtype=pl.String)


def _labeled(samples: Samples, split: Any, label: str, rows: np.ndarray | None) -> Samples:
    """The samples with the labels of their rows, if all rows have one."""
    values = split.select_columns([label]).to_polars()[label]
    if rows is not None:
        values = values[rows]
        values = values[samples.groups] if len(samples) != len(rows) and samples.groups is not None else values
    feature = split.features[label]
    classes = tuple(feature.names) if type(feature).__name__ == "ClassLabel" else ()
    lacking = int((values.fill_null(-1) < 0).sum() if classes else values.null_count())
    if lacking:
        note = f"{samples.name}: {counted(lacking, 'sample')} without a label in column {label}, so it is not used."
        return replace(samples, notes=(*samples.notes, note))
    codes = values.to_numpy().astype(np.int64) if classes else None
    if codes is None:
        codes, classes = encode_labels(values.to_list(), name=f"the column {label} of {samples.name}")
    return replace(samples, labels=codes, classes=classes)


__all__ = ["samples_of"]
