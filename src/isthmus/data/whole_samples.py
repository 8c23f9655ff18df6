"""Sets of pieces of whole images, with pieces of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

import numpy as np

from isthmus.data.samples import Samples
from isthmus.data.whole_images import Corner
from isthmus.errors import DataError


def piece_name(name: str, corner: Corner) -> str:
    """`"a/photo.png"` at row 64, column 0 -> `"a/photo_64_0.png"`: a file name for the piece.

    >>> piece_name("a/photo.png", (64, 0)), piece_name("17", (0, 0))
    ('a/photo_64_0.png', '17_0_0')
    """
    path = PurePath(name)
    return str(path.with_name(f"{path.stem}_{corner[0]}_{corner[1]}{path.suffix}"))


def of_one_size(sets: Sequence[Samples | None]) -> list[Samples | None]:
    """The sets; if pieces of whole images have different sizes, they are cut again to the smallest of these."""
    sides = {samples.shape[1] for samples in sets if samples is not None and samples.whole is not None}
    if len(sides) < 2:
        return list(sets)
    return [samples if samples is None else cut_anew(samples, min(sides)) for samples in sets]


def cut_anew(samples: Samples, side: int) -> Samples:
    """Pieces of the given side from the same images; other sets, and sets that already have it, are unchanged.

    Raises: DataError if all images are smaller.
    """
    whole, owner = samples.whole, samples.owner
    if whole is None or owner is None or samples.shape[1] == side:
        return samples
    known, first = np.unique(owner, return_index=True)
    x, image, corners = whole.take(known.tolist()).pieces(side)
    if not len(x):
        message = f"{samples.name}: all images are smaller than {side} x {side} pixels, the size of the pieces."
        raise DataError("DATA-SIZE", message, fix="use larger images, or `isthmus denoise`, which takes all sizes")
    owners, C = known[image], samples.shape[0]
    of_images = {"labels": samples.labels, "groups": samples.groups}
    return replace(
        samples,
        x=x[:, :C],
        x_in=None if samples.x_in is None else x[:, C:],
        **{name: None if each is None else each[first][image] for name, each in of_images.items()},
        ids=tuple(piece_name(whole.names[i], corner) for i, corner in zip(owners.tolist(), corners, strict=True)),
        owner=owners,
        notes=(*samples.notes, f"{samples.name}: cut again into {len(x):,} pieces of {side} x {side} pixels."),
    )
