"""A folder of images of any sizes, or one image, kept whole; pieces of one size are used for evaluation."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.images.image_decoding import Reading
from isthmus.data.images.image_folder import dark_names, form_of, left_out, listed_files, problems_of, settle_bad
from isthmus.data.images.image_notes import dark_notes, notes_on
from isthmus.data.images.pixels import Form, frame_name, pixel_limit
from isthmus.data.samples import Samples
from isthmus.data.whole_images import WholeImages
from isthmus.data.whole_samples import piece_name
from isthmus.errors import UsageError
from isthmus.system.memory import refuse_too_large
from isthmus.system.naming import text_of
from isthmus.system.workers import Progress
from isthmus.wording import counted, printable

SMALLEST = 16  # pixels per side: in smaller images, a network that halves the sides twice sees little but borders


def read_whole(path: Path, options: DataConfig, progress: Progress | None = None) -> Samples:
    """Every image under a folder in natural order, or one image file, at its own size, as `Samples.whole`.

    x holds pieces of one size for evaluation; pieces of the same image stay together, and so do all frames of a file if
    there are several files. Types and colors are as in `read_images`.

    Raises: DataError as `read_images`; UsageError together with --crop or --patches.
    """
    _refuse_cuts(options)
    reading = Reading(listed_files(path), progress)
    with warnings.catch_warnings(), pixel_limit(options.max_pixels):
        warnings.simplefilter("ignore")  # Pillow warns about metadata and large images; we report what matters
        reading.look_all(options.frames == "all")
        for owner, seen in zip(reading.owners, reading.looks, strict=True):
            if min(seen.height, seen.width) < SMALLEST:
                why = f"has {seen.width} x {seen.height} pixels; at least {SMALLEST} per side are needed"
                reading.bad.setdefault(owner, why)
        if reading.bad:
            settle_bad(path, reading, options)
        form = form_of([reading.looks[i] for i in reading.good_looks()], options)
        whole, owners = _decoded(reading, form)
        if not owners or (reading.bad and not options.skip_bad_files):
            settle_bad(path, reading, options)
    return _samples(path, reading, form, whole, owners)


def _decoded(reading: Reading, form: Form) -> tuple[WholeImages, list[int]]:
    """The good images, and the index of the file that each came from."""
    good = reading.good_looks()
    sizes = [form.size or (reading.looks[i].height, reading.looks[i].width) for i in good]
    n_bytes = sum(h * w for h, w in sizes) * form.channels * np.dtype(form.dtype).itemsize
    refuse_too_large(2 * n_bytes, f"reading {counted(len(good), 'image')}", fix="read fewer, or pass --resize")
    frames = Counter(reading.owners)
    names = [_name(reading, i, frames) for i in good]
    whole, place = WholeImages.empty(sizes, form.channels, form.dtype, names), {look: k for k, look in enumerate(good)}

    def put(look: int, pixels: np.ndarray) -> None:
        if look in place:
            whole.image(place[look])[:] = pixels

    reading.decode_each(form, put)
    kept = [i for i in reading.good_looks() if i in place]
    return whole.take([place[i] for i in kept]), [reading.owners[i] for i in kept]


def _name(reading: Reading, look: int, frames: Mapping[int, int]) -> str:
    """The name of an image, with its frame number if its file has several `frames`."""
    owner, seen = reading.owners[look], reading.looks[look]
    name = reading.listing.ids[owner]
    return frame_name(name, seen) if frames[owner] > 1 else name


def _samples(path: Path, reading: Reading, form: Form, whole: WholeImages, owners: list[int]) -> Samples:
    listing = reading.listing
    x, image, corners = whole.pieces()
    names = [piece_name(whole.names[i], corner) for i, corner in zip(image.tolist(), corners, strict=True)]
    n, side = counted(len(whole), "image"), x.shape[2]
    note = f"{printable(path.name)}: {n} kept whole, evaluated on {counted(len(x), 'piece')} of {side} x {side} pixels."
    notes = [*listing.notes, *notes_on([reading.looks[i] for i in reading.good_looks()], form), note]
    few = len(whole) - len(np.unique(image))
    notes += [f"{counted(few, 'image')} smaller than that left out; otherwise all pieces would be as small."] * (
        few > 0
    )
    notes += dark_notes(dark_names(reading), len(whole))
    notes += [left_out(reading)] if reading.bad else []
    return Samples(
        x=x,
        name=text_of(Path(path.resolve().name)) or "images",
        labels=None if listing.labels is None else listing.labels[[owners[i] for i in image]],
        classes=listing.classes,
        ids=tuple(names),
        notes=tuple(notes),
        groups=image if len(set(owners)) == 1 else np.array(owners, np.int64)[image],
        owner=image,
        skipped=tuple(problems_of(reading)),
        whole=whole,
        alpha=form.alpha,
        says_alpha=True,
    )


def _refuse_cuts(options: DataConfig) -> None:
    for flag, given in (("--crop", options.crop), ("--patches", options.patches)):
        if given is not None:
            message = f"{flag} {given} asks for parts of images, but this network takes each image whole."
            raise UsageError("USAGE-CUT", message, fix=f"leave {flag} out")
