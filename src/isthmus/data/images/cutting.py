"""`--crop` and `--patches`: the middle of every image, or all of it in pieces that are samples of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.images.sizes import parse_size
from isthmus.data.samples import Samples
from isthmus.errors import DataError, UsageError
from isthmus.system.memory import refuse_too_large
from isthmus.wording import counted, printable

Corner = tuple[int, int]  # the upper left one: row, column


class Cut(NamedTuple):
    """What is cut out of every image: its middle, or (`pieces`) as many pieces of `size` as fit beside each other."""

    size: tuple[int, int]
    pieces: bool

    @property
    def option(self) -> str:
        """As it was asked for: "--crop 64x48"."""
        return f"--{'patches' if self.pieces else 'crop'} {self.size[0]}x{self.size[1]}"

    def corners(self, height: int, width: int) -> list[Corner]:
        """Where the pieces of an image begin, row by row; what is left over is left at all four edges alike."""
        h, w = self.size
        rows, columns = (height // h, width // w) if self.pieces else (min(1, height // h), min(1, width // w))
        top, left = (height - rows * h) // 2, (width - columns * w) // 2
        return [(top + i * h, left + j * w) for i in range(rows) for j in range(columns)]

    def why_not(self, height: int, width: int) -> str | None:
        """Why nothing can be cut out of an image of that size, to follow its name."""
        if height >= self.size[0] and width >= self.size[1]:
            return None
        return f"has {height} x {width} pixels (height x width), fewer than {self.option} needs"


def cut_of(options: DataConfig) -> Cut | None:
    """What the options ask for.

    Raises: UsageError for both at once, or a piece larger than `--resize` makes the images.
    """
    if options.crop is not None and options.patches is not None:
        message = f"--crop {options.crop} and --patches {options.patches} were both given."
        raise UsageError("USAGE-CUT", message, fix="leave one of them out")
    text = options.crop or options.patches
    if text is None:
        return None
    cut = Cut(parse_size(text), options.patches is not None)
    if options.resize is not None:
        why = cut.why_not(*parse_size(options.resize))
        if why:
            raise UsageError("USAGE-CUT", f"after --resize {options.resize} an image {why}.", fix="cut out less")
    return cut


def cut_out(pixels: np.ndarray, corners: Sequence[Corner], size: tuple[int, int]) -> np.ndarray:
    """The pieces (n, C, h, w) of an image (C, H, W)."""
    return np.stack([pixels[:, y : y + size[0], x : x + size[1]] for y, x in corners])


def piece_name(name: str, corner: Corner) -> str:
    """`"a/photo.png"` at row 64, column 0 -> `"a/photo_64_0.png"`: a name under which the piece can be written.

    >>> piece_name("a/photo.png", (64, 0)), piece_name("17", (0, 0))
    ('a/photo_64_0.png', '17_0_0')
    """
    path = PurePath(name)
    return str(path.with_name(f"{path.stem}_{corner[0]}_{corner[1]}{path.suffix}"))


def cut_samples(samples: Samples, cut: Cut) -> Samples:
    """Images that came as an array, cut; those that are cut already are returned as they are.

    Raises: DataError if they are too small.
    """
    if samples.cut == cut.option:
        return samples
    N, C, H, W = samples.x.shape
    why = cut.why_not(H, W)
    if why:
        message = f"{samples.name}: every image {why}."
        raise DataError("DATA-SIZE", message, fix=f"pass {cut.option.split()[0]} {min(H, W)}, or a smaller size")
    corners = cut.corners(H, W)
    n_bytes = N * len(corners) * C * cut.size[0] * cut.size[1] * samples.x.itemsize
    refuse_too_large(n_bytes, f"cutting {N:,} images", fix="read fewer with --limit")
    x = np.stack([samples.x[:, :, y : y + cut.size[0], x : x + cut.size[1]] for y, x in corners], axis=1)
    rows = np.repeat(np.arange(N), len(corners))
    return replace(
        samples,
        x=x.reshape(-1, C, *cut.size),
        labels=None if samples.labels is None else samples.labels[rows],
        ids=tuple(piece_name(samples.id_of(i), c) for i in range(N) for c in corners) if cut.pieces else samples.ids,
        groups=rows if cut.pieces else samples.groups,
        cut=cut.option,
        notes=(*samples.notes, told(samples.name, cut, N, len(rows))),
    )


def told(name: str, cut: Cut, n_images: int, n_pieces: int) -> str:
    """What was done, in a sentence."""
    size = f"{cut.size[0]} x {cut.size[1]} pixels (height x width)"
    if not cut.pieces:
        return f"{printable(name)}: the middle of every image is cut out, {size}."
    return (
        f"{printable(name)}: {counted(n_images, 'image')} cut into {counted(n_pieces, 'piece')} of {size}; "
        "those of one image stay together in training, validation or test."
    )
