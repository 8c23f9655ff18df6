"""Parses image sizes and applies the options that convert images: --gray, --resize, --crop, --patches, --alpha."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.images.pixel_conversion import resized_plane
from isthmus.data.images.pixels import FULL
from isthmus.data.samples import Bundle, Samples
from isthmus.data.whole_images import Corner
from isthmus.data.whole_samples import piece_name
from isthmus.errors import DataError, UsageError
from isthmus.system.scratch import room
from isthmus.system.workers import each
from isthmus.wording import counted, printable


class Cut(NamedTuple):
    """What is cut out of every image: its center, or (`pieces`) as many pieces of `size` as fit side by side."""

    size: tuple[int, int]
    pieces: bool

    @property
    def option(self) -> str:
        """The option as typed: "--crop 64x48"."""
        return f"--{'patches' if self.pieces else 'crop'} {self.size[0]}x{self.size[1]}"

    def corners(self, height: int, width: int) -> list[Corner]:
        """The corners of the pieces of an image, row by row; the unused border is the same on opposite sides."""
        h, w = self.size
        rows, columns = (height // h, width // w) if self.pieces else (min(1, height // h), min(1, width // w))
        top, left = (height - rows * h) // 2, (width - columns * w) // 2
        return [(top + i * h, left + j * w) for i in range(rows) for j in range(columns)]

    def within(self, height: int, width: int) -> Cut:
        """The same cut, limited to the size of an image."""
        return Cut((min(self.size[0], height), min(self.size[1], width)), self.pieces)

    def why_not(self, height: int, width: int) -> str | None:
        """Why an image of that size is too small, as a phrase that follows its name; None if it is not."""
        if height >= self.size[0] and width >= self.size[1]:
            return None
        return f"has {height} x {width} pixels (height x width), fewer than {self.option} needs"


def cut_of(options: DataConfig) -> Cut | None:
    """The cut that the options ask for.

    Raises: UsageError for both at once, or for pieces larger than the images after `--resize`.
    """
    if options.crop is not None and options.patches is not None:
        message = f"--crop {options.crop} and --patches {options.patches} were both given."
        raise UsageError("USAGE-CUT", message, fix="leave one of them out")
    text = options.crop or options.patches
    if text is None:
        return None
    cut = Cut(parse_size(text), options.patches is not None)
    if options.resize is not None:
        height, width = parse_size(options.resize)
        why = cut.why_not(height, width)
        if why:
            fix = f"pass {cut.within(height, width).option}, or a larger --resize"
            raise UsageError("USAGE-CUT", f"after --resize {options.resize}, every image {why}.", fix=fix)
    return cut


def cut_out(pixels: np.ndarray, corners: Sequence[Corner], size: tuple[int, int]) -> np.ndarray:
    """The pieces (n, C, h, w) of an image (C, H, W)."""
    return np.stack([pixels[:, y : y + size[0], x : x + size[1]] for y, x in corners])


def cut_samples(samples: Samples, cut: Cut) -> Samples:
    """Cuts images from an array; images that are already cut are returned unchanged.

    Raises: DataError if they are too small.
    """
    if samples.cut == cut.option:
        return samples
    N, C, H, W = samples.x.shape
    why = cut.why_not(H, W)
    if why:
        message = f"{samples.name}: every image {why}."
        raise DataError(
            "DATA-SIZE", message, fix=f"pass {cut._replace(size=(min(cut.size[0], H), min(cut.size[1], W))).option}"
        )
    corners = cut.corners(H, W)
    x = room((N, len(corners), C, *cut.size), samples.x.dtype, f"cutting {N:,} images")
    for k, (top, left) in enumerate(corners):
        x[:, k] = samples.x[:, :, top : top + cut.size[0], left : left + cut.size[1]]
    rows = np.repeat(np.arange(N), len(corners))
    return replace(
        samples,
        x=x.reshape(-1, C, *cut.size),
        labels=None if samples.labels is None else samples.labels[rows],
        ids=tuple(piece_name(samples.id_of(i), c) for i in range(N) for c in corners) if cut.pieces else samples.ids,
        groups=samples.groups if not cut.pieces else rows if samples.groups is None else samples.groups[rows],
        cut=cut.option,
        notes=(*samples.notes, cut_note(samples.name, cut, N, len(rows))),
    )


def cut_note(name: str, cut: Cut, n_images: int, n_pieces: int) -> str:
    """A sentence about what was cut."""
    size = f"{cut.size[0]} x {cut.size[1]} pixels (height x width)"
    if not cut.pieces:
        return f"{printable(name)}: every image is cropped to its center, {size}."
    return (
        f"{printable(name)}: {counted(n_images, 'image')} cut into {counted(n_pieces, 'piece')} of {size}; "
        "pieces of the same image stay together in training, validation or test."
    )


MOST_SIDE = 16_384  # a longer side is a typing error


def parse_size(text: str) -> tuple[int, int]:
    """`"28"` or `"28x32"` as (height, width).

    Raises: UsageError if it is neither, or out of bounds.
    """
    found = re.fullmatch(r"\s*(\d{1,6})(?:\s*[xX×,]\s*(\d{1,6}))?\s*", text)
    height, width = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not (1 <= height <= MOST_SIDE and 1 <= width <= MOST_SIDE):
        message = f"{text!r} is not an image size of 1 to {MOST_SIDE:,} pixels per side."
        raise UsageError("USAGE-SIZE", message, fix="write it as 64 or 48x64 (height x width)")
    return height, width


def resized(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images (N, C, H, W) of any image type at another size, in the same type and range.

    Raises: ResourceError if neither memory nor the temporary folder has enough space.
    """
    N, C, H, W = x.shape
    if size == (H, W):
        return x
    out = room((N, C, *size), x.dtype, f"resizing {N:,} images to {size[0]} x {size[1]} pixels")

    def place(row: int) -> None:
        for channel in range(C):
            out[row, channel] = resized_plane(x[row, channel], size)

    for result in each(place, range(N), lambda _: None):
        if isinstance(result, Exception):
            raise result
    return out


LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601, as in Pillow


BLOCK = 1 << 24  # pixels converted at once
WITH_ALPHA = (2, 4)  # numbers of channels of gray and RGB with transparency


def conform_bundle(bundle: Bundle, options: DataConfig) -> Bundle:
    """Both parts with the channels and the size that `options` ask for."""
    return Bundle(conform(bundle.train, options), None if bundle.test is None else conform(bundle.test, options))


def conform(samples: Samples, options: DataConfig) -> Samples:
    """The samples with the channels and the size that `options` ask for; samples that already fit are returned as is.

    A fourth channel of an array is kept unless a background or gray is requested. It counts as an ordinary channel
    unless `options.alpha` says that it is transparency. For files this was decided when they were read: a fourth band
    is not transparency.
    """
    cut = cut_of(options)
    if not samples.is_image or (cut is not None and samples.cut == cut.option):  # files are cut as they are read
        return samples
    x, notes = samples.x, []
    if x.shape[1] == 4 and not samples.says_alpha and (options.gray or options.alpha in ("white", "black")):
        paper = "black" if options.alpha == "black" else "white"
        x = _on_paper(x, 0.0 if paper == "black" else 1.0)
        notes.append(f"{samples.name}: transparency is replaced by a {paper} background.")
    if x.shape[1] == 3 and options.gray:
        x = _gray(x)
        notes.append(f"{samples.name}: color is converted to gray.")
    if options.resize is not None:
        size = parse_size(options.resize)
        if x.shape[2:] != size:
            notes.append(f"{samples.name}: images resized to {size[0]} x {size[1]} pixels (height x width).")
        x = resized(x, size)
    samples = samples if x is samples.x else replace(samples, x=x, notes=(*samples.notes, *notes))
    if options.alpha == "keep" and not samples.says_alpha and samples.shape[0] in WITH_ALPHA:
        samples = replace(samples, alpha=True)
    samples = samples if cut is None else cut_samples(samples, cut)
    if samples.columns is not None and len(samples.columns) != samples.x[:1].size:  # the names of the original pixels
        return replace(samples, columns=None)
    return samples


def _gray(x: np.ndarray) -> np.ndarray:
    return _by_blocks(x, 1, lambda part: np.einsum("nchw,c->nhw", part, LUMA)[:, None])


def _on_paper(x: np.ndarray, paper: float) -> np.ndarray:
    """(N, 4, H, W) -> (N, 3, H, W): color * alpha + paper * (1 - alpha)."""
    full = FULL[str(x.dtype)]

    def lay(part: np.ndarray) -> np.ndarray:
        alpha = part[:, 3:] / np.float32(full)
        return part[:, :3] * alpha + np.float32(paper * full) * (1 - alpha)

    return _by_blocks(x, 3, lay)


def _by_blocks(x: np.ndarray, channels: int, convert) -> np.ndarray:
    """`convert` applied to float32 blocks, in the type of x, rounded if that is an integer type."""
    N, _, H, W = x.shape
    out = room((N, channels, H, W), x.dtype, f"{N:,} images")
    step = max(1, BLOCK // max(1, x[:1].size))
    for start in range(0, N, step):
        part = convert(x[start : start + step].astype(np.float32))
        out[start : start + step] = part if x.dtype == np.float32 else part.round().clip(0, FULL[str(x.dtype)])
    return out
