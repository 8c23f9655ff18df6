"""`Samples`: one set of samples in memory, as read, without scaling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from isthmus.data.hashing import Matches, find_exact_duplicates, find_overlap, numbers_of
from isthmus.data.schema import Schema
from isthmus.data.stored_rows import RowNames, StoredRows
from isthmus.data.whole_images import WholeImages


class Windows(NamedTuple):
    """Windows of a series: the `first` row (N,) of each, in time order, and the number of rows per window."""

    first: np.ndarray
    length: int


@dataclass(frozen=True)
class Samples:
    """Raw values with their metadata.

    `x` is (N, C, H, W) for images: uint8 0..255, uint16 0..65535, or float32 in [0, 1] (outside only if `--scale` will
    scale it). For a table it is (N, D) in the table's own units: float32, or float64 if float32 has too few digits for
    a column (a time in seconds since 1970). `labels` is (N,) int64, indices into `classes`. `ids` are file names; None
    means row numbers. `columns` are the names of the table columns in `x` (also for images from a table of pixels).
    `notes` are sentences for the user about guesses and conversions. `groups` (N,) int64 are equal for samples that
    belong together, such as pieces of one image or rows with the same value in `group_column`; groups are never split.
    `cut` is the option by which images were cut. `skipped` are the files that were left out, each with the reason.
    `whole` holds the images that x was cut from, if a network takes patches, and `owner` (N,) the image of each piece.
    `alpha` says that the last channel of images is transparency, and `says_alpha` that this information comes from
    files, which arrays do not have.

    For pairs, x is the target and `x_in`, of the same shape and type, the input; `whole` holds both, the channels of x
    before those of x_in.

    If the data is larger than memory, x is a `StoredRows`, which is used like an array and reads from disk.

    `schema` describes the columns of a table if they are of several kinds; NaN in x is then a gap. Samples that are
    `windows` of a series hold consecutive rows, and are split in time. `frame` is the library, polars or pandas, of the
    frame that they come from. Messages name the table by its `file_name`, if it comes from a file.
    """

    x: np.ndarray
    name: str
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    ids: Sequence[str] | None = None
    columns: tuple[str, ...] | None = None
    label_column: str | None = None
    group_column: str | None = None
    notes: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    cut: str = ""
    skipped: tuple[str, ...] = ()
    whole: WholeImages | None = None
    alpha: bool = False
    says_alpha: bool = False
    owner: np.ndarray | None = None
    x_in: np.ndarray | None = None
    schema: Schema | None = None
    windows: Windows | None = None
    frame: str = ""
    file_name: str = ""

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        shape, classes = " x ".join(map(str, self.shape)), f", {len(self.classes)} classes" if self.classes else ""
        return f"Samples({self.name!r}: {len(self):,} of {shape}, {self.x.dtype}{classes})"

    @property
    def display_name(self) -> str:
        return self.file_name or self.name

    @cached_property
    def numbers(self) -> np.ndarray:
        """(N,) uint64, equal for equal samples; see `hashing.numbers_of`."""
        return numbers_of(self.x)

    @cached_property
    def duplicates(self) -> Matches:
        """The samples that equal an earlier one; for pairs, both halves must be equal."""
        if self.x_in is not None:
            return find_exact_duplicates(self.both)
        return find_exact_duplicates(self.x, numbers=self.numbers)

    def overlap(self, test: Samples) -> Matches:
        """The samples of `test` that equal one of these."""
        return find_overlap(self.x, test.x, numbers=(self.numbers, test.numbers))

    @property
    def is_image(self) -> bool:
        return self.x.ndim == 4

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: (C, H, W) or (D,)."""
        return self.x.shape[1:]

    def id_of(self, row: int) -> str:
        return self.ids[row] if self.ids is not None else str(row)

    def all_ids(self) -> list[str]:
        """As `id_of`, of every sample."""
        return list(map(str, range(len(self)))) if self.ids is None else list(self.ids)

    def all_labels(self) -> list[str]:
        """The name of every sample's class, where there are labels; "" for none."""
        assert self.labels is not None
        return np.array([*self.classes, ""], object)[self.labels].tolist()  # -1, for none, is the last

    def take(self, rows: np.ndarray) -> Samples:
        """The samples at `rows`, in that order. Row numbers become ids, so they still refer to the original rows."""
        streamed = isinstance(self.x, StoredRows)
        ids = RowNames(rows, self.ids) if streamed else self._ids_of(rows)
        windows = None if self.windows is None else self.windows._replace(first=self.windows.first[rows])
        known = {"labels": self.labels, "groups": self.groups, "owner": self.owner, "x_in": self.x_in}
        taken = {k: None if each is None else each[rows] for k, each in known.items()}
        x = self.x.part(rows) if isinstance(self.x, StoredRows) else self.x[rows]
        return replace(self, x=x, ids=ids, windows=windows, **taken)

    def _ids_of(self, rows: np.ndarray) -> tuple[str, ...]:
        return tuple(map(str if self.ids is None else self.ids.__getitem__, rows.tolist()))

    @property
    def is_streamed(self) -> bool:
        """Whether x stays on disk."""
        return isinstance(self.x, StoredRows)

    def changed(self, function: Callable[[np.ndarray], np.ndarray]) -> Samples:
        """The same samples with `function` applied to x, and to x_in for pairs."""
        return replace(self, x=function(self.x), x_in=None if self.x_in is None else function(self.x_in))

    @property
    def both(self) -> np.ndarray:
        """Pairs as one array (N, 2C, ...), x before x_in along the first dimension of a sample; only x without pairs.

        As one array, both are shifted, cropped and rotated in the same way, with one set of random numbers.
        """
        return self.x if self.x_in is None else np.concatenate([self.x, self.x_in], axis=1)


@dataclass(frozen=True)
class Bundle:
    """The result of reading a source: its training part and, if it has one, its test part."""

    train: Samples
    test: Samples | None = None


def skipped_files(*sets: Samples | None) -> tuple[str, ...]:
    """The files that were left out of these sets, each listed once with the reason."""
    return tuple(dict.fromkeys(text for samples in sets if samples is not None for text in samples.skipped))
