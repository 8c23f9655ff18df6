"""A folder of images, or one image, as `Samples`: (N, C, H, W) of one size, number of channels and type.

Headers are read first, so mixed sizes, bombs and lack of memory are reported before any pixel is decoded.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.images.image_decoding import Reading
from isthmus.data.images.image_notes import dark_notes, notes_on
from isthmus.data.images.listing import Listing, list_files
from isthmus.data.images.mixed_sizes import mixed_sizes, ways_for
from isthmus.data.images.pixel_conversion import convert
from isthmus.data.images.pixels import SUFFIXES, Form, Look, frame_name, look_at, pixel_limit, reason
from isthmus.data.images.transforms import Cut, cut_note, cut_of, parse_size
from isthmus.data.numeric import rows_of
from isthmus.data.samples import Samples
from isthmus.data.whole_samples import piece_name
from isthmus.errors import SHOWN, DataError
from isthmus.system.naming import natural_key, text_of
from isthmus.system.scratch import room
from isthmus.system.workers import Progress
from isthmus.wording import counted, printable


def read_images(path: Path, options: DataConfig, progress: Progress | None = None) -> Samples:
    """Every image under a folder in natural order, or one image file. `progress(done, total)`: two steps per file.

    x is uint8, or uint16 if any file has 16 bits, or float32 in [0, 1] if any is a float image; others are scaled by
    their range. Gray becomes color if any image has color, unless `options.gray`. Labels are the first sub-folders.

    Raises: DataError for an empty folder, files that cannot be read (all are listed), several sizes without `resize`.
    """
    cut = cut_of(options)
    reading = Reading(listed_files(path), progress)
    with warnings.catch_warnings(), pixel_limit(options.max_pixels):
        warnings.simplefilter("ignore")  # Pillow warns about metadata and large images; we report what matters
        reading.look_all(options.frames == "all")
        if cut is not None and options.resize is None:
            reading.note_small(cut)
        if reading.bad:
            settle_bad(path, reading, options)
        form, shape, notes = _agree(path, reading, options, cut)
        x = reading.decode_all(form, shape, cut)
    notes = [*reading.listing.notes, *notes]
    rows = reading.good_rows()
    if len(rows) < len(x):
        _refuse_bad(path, reading, options)
        x = rows_of(x, rows, printable(path.name))
    notes += dark_notes(dark_names(reading), len(reading.good_looks()))
    notes += [left_out(reading)] if reading.bad else []
    n_images = len({reading.pieces[row][0] for row in rows})
    notes += [cut_note(path.name, cut, n_images, len(rows))] if cut is not None else []
    return _samples(path, x, rows, reading, notes, cut, form.alpha)


def listed_files(path: Path) -> Listing:
    """The files of a folder, or a single file. Raises: DataError for an empty folder."""
    listing = list_files(path) if path.is_dir() else Listing((path,), (text_of(Path(path.name)),), None, (), ())
    if not listing.files:
        raise _no_images(path)
    return listing


def samples_from_pictures(pictures: Sequence[Image.Image], options: DataConfig, *, name: str) -> Samples:
    """Open Pillow images as samples, converted to one form as files are.

    Raises: DataError as `read_images`.
    """
    looks = [look_at(picture, str(i)) for i, picture in enumerate(pictures)]
    listing = Listing(tuple(seen.path for seen in looks), tuple(str(i) for i in range(len(looks))), None, (), ())
    reading = Reading(listing, looks=looks, owners=list(range(len(looks))))
    cut = cut_of(options)
    if cut is not None and options.resize is None:
        reading.note_small(cut)
    if reading.bad:
        h, w = min(seen.height for seen in looks), min(seen.width for seen in looks)
        message = f"{name}: image {min(reading.bad)} {min(reading.bad.items())[1]}."
        raise DataError("DATA-SIZE", message, fix=f"use a size of at most {h}x{w}, which fits every image")
    form, shape, notes = _agree(Path(name), reading, options, cut)
    x = room((len(reading.pieces), *shape), form.dtype, name)
    for row, (picture, seen) in enumerate(zip(pictures, looks, strict=True)):
        try:
            reading.place(x, row, convert(picture.copy(), seen, form), cut)
        except (OSError, SyntaxError, ValueError) as error:
            message = f"{name}: image {row} {reason(seen.path, error)}."
            raise DataError("DATA-FILE", message, fix="leave that image out") from None
    if cut is None:
        return Samples(x, name=name, notes=tuple(notes), alpha=form.alpha, says_alpha=True)
    notes.append(cut_note(name, cut, len(looks), len(x)))
    found = _samples(Path(name), x, np.arange(len(x)), reading, notes, cut, form.alpha)
    return replace(found, name=name, ids=found.ids if cut.pieces else None)


def _samples(
    path: Path, x: np.ndarray, rows: np.ndarray, reading: Reading, notes: list[str], cut: Cut | None, alpha: bool
) -> Samples:
    listing = reading.listing
    pieces = [reading.pieces[row] for row in rows]
    files = [reading.owners[i] for i, _ in pieces]
    frames = Counter(reading.owners[i] for i in {i for i, _ in pieces})
    ids = []
    for file, (i, corner) in zip(files, pieces, strict=True):
        name = (
            listing.ids[file] if corner is None or not (cut and cut.pieces) else piece_name(listing.ids[file], corner)
        )
        ids.append(name if frames[file] == 1 else frame_name(name, reading.looks[i]))
    labels = None if listing.labels is None else listing.labels[files]
    # Frames of one file resemble each other, like pieces of one image; with a single file, there are no other groups.
    together = (cut is not None and cut.pieces) or 1 < len(frames) < frames.total()
    return Samples(
        x=x,
        name=text_of(Path(path.resolve().name)) or "images",
        labels=labels,
        classes=listing.classes,
        ids=tuple(ids),
        notes=tuple(notes),
        groups=np.array(files, dtype=np.int64) if together else None,
        cut="" if cut is None else cut.option,
        skipped=tuple(problems_of(reading)),
        alpha=alpha,
        says_alpha=True,
    )


def _agree(
    path: Path, reading: Reading, options: DataConfig, cut: Cut | None
) -> tuple[Form, tuple[int, ...], list[str]]:
    """The form that all images are converted to, its shape (C, H, W), and notes about it."""
    good = [reading.looks[i] for i in reading.good_looks()]
    size = parse_size(options.resize) if options.resize else None
    form = form_of(good, options)
    if size is None and cut is None and _differ(good):
        raise mixed_sizes(path, good, form.channels)
    shape = (form.channels, *(cut.size if cut is not None else size or (good[0].height, good[0].width)))
    reading.plan(form, cut)
    return form, shape, notes_on(good, form)


def _differ(good: Sequence[Look]) -> bool:
    return len({(seen.height, seen.width) for seen in good}) > 1


def form_of(good: Sequence[Look], options: DataConfig) -> Form:
    """The color, depth and transparency that all images are converted to."""
    bands = _bands_of(good, options)
    keep_alpha = options.alpha == "keep" and any(seen.alpha for seen in good)
    return Form(
        channels=bands + keep_alpha,
        dtype=max((seen.dtype for seen in good), key=("uint8", "uint16", "float32").index),
        backdrop=0 if options.alpha == "black" else 255,  # auto: white, as on a page or in a browser
        size=parse_size(options.resize) if options.resize else None,
        alpha=keep_alpha,
        by_type=options.range == "type" and options.scale == "auto",
        is_mixed=len({seen.dtype for seen in good}) > 1,
    )


def _bands_of(good: Sequence[Look], options: DataConfig) -> int:
    """1 for gray images, 3 for color or both; any other number only if all images have it, as bands are never dropped.

    Raises: DataError for images with different numbers of bands, and for --gray if more than color would be lost.
    """
    counts = Counter(seen.n_bands for seen in good)
    if not counts.keys() <= {1, 3} and (len(counts) > 1 or options.gray):
        found = ", ".join(f"{counted(n, 'image')} with {counted(bands, 'band')}" for bands, n in sorted(counts.items()))
        if options.gray and len(counts) == 1:
            raise DataError(
                "DATA-BANDS", f"--gray converts RGB to gray, but the data holds {found}.", fix="leave --gray out"
            )
        message = f"the images have different numbers of bands: {found}; bands are never dropped."
        raise DataError(
            "DATA-BANDS", message, fix="put images with the same number of bands into a folder of their own"
        )
    return 1 if options.gray else max(counts)


def _no_images(path: Path, others: Sequence[str] = ()) -> DataError:
    looked_for = ", ".join(sorted(SUFFIXES, key=natural_key))
    message = f"0 images under {printable(path)} (looked for {looked_for})."
    return DataError("DATA-EMPTY", message, fix="pass the folder that contains the images", problems=others)


def settle_bad(path: Path, reading: Reading, options: DataConfig) -> None:
    """After the headers: a folder with only other files counts as empty; otherwise finds all bad files, then raises."""
    if path.is_dir() and not reading.looks and not any(f.suffix.lower() in SUFFIXES for f in reading.listing.files):
        raise _no_images(path, problems_of(reading))
    if not options.skip_bad_files or not reading.good_looks():
        reading.verify_all()
        _refuse_bad(path, reading, options)


def _refuse_bad(path: Path, reading: Reading, options: DataConfig) -> None:
    n_bad, n_files = len(reading.bad), len(reading.listing.files)
    n_left = n_files - n_bad
    if options.skip_bad_files and n_left:
        return
    if not path.is_dir():
        fix = _smaller_cut(reading, options) or "use another file, or save it again"
        raise DataError("DATA-FILE", f"{printable(path)} {reading.bad[0]}.", fix=fix)
    message = f"{n_bad:,} of {n_files:,} files under {printable(path)} cannot be read as images."
    rest = f"{counted(n_left, 'image')} would be left{_as_well(reading, options)}"
    fix = _smaller_cut(reading, options) or "save the images again"
    fix = f"pass --skip-bad-files ({rest}), or remove these files" if n_left else fix
    raise DataError("DATA-FILE", message, fix=fix, problems=problems_of(reading))


def _smaller_cut(reading: Reading, options: DataConfig) -> str | None:
    """The fix if all images are too small for --crop or --patches; None otherwise."""
    cut = cut_of(options)
    if cut is None or options.resize is not None or not reading.looks:
        return None
    if not all(cut.why_not(seen.height, seen.width) for seen in reading.looks):
        return None
    smallest = min(seen.height for seen in reading.looks), min(seen.width for seen in reading.looks)
    return f"pass {cut.within(*smallest).option}, which fits every image, or use larger images"


def _as_well(reading: Reading, options: DataConfig) -> str:
    """What else is needed to read the remaining images if they have several sizes."""
    good = [reading.looks[i] for i in reading.good_looks()]
    if options.whole or cut_of(options) is not None or options.resize is not None or not _differ(good):
        return ""
    sizes = Counter((seen.height, seen.width) for seen in good)
    return f", in {len(sizes):,} sizes: also pass {ways_for(sizes)[0].option}"


def problems_of(reading: Reading) -> list[str]:
    """The files that cannot be used, each with the reason."""
    return [f"{printable(reading.listing.ids[i])} {why}" for i, why in sorted(reading.bad.items())]


def dark_names(reading: Reading) -> list[str]:
    """The files of `Reading.dark`, each once."""
    return list(dict.fromkeys(reading.listing.ids[reading.owners[i]] for i in sorted(reading.dark)))


def left_out(reading: Reading) -> str:
    """The same in one sentence, about the files that are left out."""
    problems = problems_of(reading)
    more = f"; and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
    return f"{counted(len(problems), 'file')} left out: {'; '.join(problems[:SHOWN])}{more}."
