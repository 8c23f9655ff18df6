"""A folder of images, or one image, as `Samples`: (N, C, H, W) in one size, one number of channels, one type.

Headers are read first, so that mixed sizes, bombs and a lack of memory are told before any pixel is decoded.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.image_notes import notes_on
from isthmus.data.listing import Listing, list_files
from isthmus.data.memory import refuse_too_large
from isthmus.data.naming import counted, natural_key, printable, text_of
from isthmus.data.pixels import SUFFIXES, Form, Look, Unreadable, convert, decode, look, look_at, opened, reason
from isthmus.data.samples import Samples
from isthmus.data.sizes import parse_size
from isthmus.data.workers import Progress, each
from isthmus.errors import SHOWN, DataError


@dataclass
class Reading:
    """One pass over the files of a listing: what was seen, what failed and why."""

    listing: Listing
    progress: Progress | None = None
    looks: list[Look] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)  # which file of the listing each look belongs to
    bad: dict[int, str] = field(default_factory=dict)

    def look_all(self, every_frame: bool) -> None:
        """Reads the headers."""
        found = each(lambda path: look(path, every_frame=every_frame), self.listing.files, self._told(0))
        for i, result in enumerate(found):
            if isinstance(result, Exception):
                self.bad[i] = reason(self.listing.files[i], result)
            else:
                self.looks += result
                self.owners += [i] * len(result)

    def decode_all(self, form: Form, shape: tuple[int, ...]) -> np.ndarray:
        """Reads the pixels; rows of files that fail are left as they are and noted in `bad`."""
        x = np.empty((len(self.looks), *shape), dtype=form.dtype)

        def place(row: int) -> None:
            pixels = decode(self.looks[row], form)
            if pixels.shape != shape:
                raise Unreadable(f"has {pixels.shape[2]} x {pixels.shape[1]} pixels, other than its header says")
            x[row] = pixels

        self._note_failures(each(place, range(len(self.looks)), self._told(1)))
        return x

    def verify_all(self) -> None:
        """Reads the pixels only to find the files that fail."""

        def load(row: int) -> None:
            with opened(self.looks[row].path, self.looks[row].frame) as image:
                image.load()

        self._note_failures(each(load, range(len(self.looks)), self._told(1)))

    def good_rows(self) -> np.ndarray:
        return np.array([row for row, owner in enumerate(self.owners) if owner not in self.bad], dtype=np.int64)

    def _note_failures(self, results: Sequence[object]) -> None:
        for row, result in enumerate(results):
            if isinstance(result, Exception):
                self.bad.setdefault(self.owners[row], reason(self.looks[row].path, result))

    def _told(self, half: int) -> Callable[[int], None]:
        n = len(self.listing.files) if half == 0 else len(self.looks)

        def done(count: int) -> None:
            if self.progress is not None:  # headers are the first half of the way, pixels the second
                self.progress(half * n + count, 2 * n)

        return done


def read_images(path: Path, options: DataConfig, progress: Progress | None = None) -> Samples:
    """Every image under a folder in natural order, or one image file. `progress(done, total)` counts steps, two a file.

    x is uint8, or uint16 where any file has 16 bits, or float32 in [0, 1] where any is a float image; others are scaled
    by their range. Colour wins over gray, unless `options.gray`. Labels are the first sub-folders.

    Raises: DataError for an empty folder, files that cannot be read (all are listed), several sizes without `resize`.
    """
    listing = list_files(path) if path.is_dir() else Listing((path,), (text_of(Path(path.name)),), None, (), ())
    if not listing.files:
        raise _no_images(path)
    reading = Reading(listing, progress)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's about odd metadata and large images; what matters is told by us
        reading.look_all(options.frames == "all")
        if reading.bad:
            _settle_bad(path, reading, options)
        form, shape, notes = _agree(path, reading, options)
        x = reading.decode_all(form, shape)
    notes = [*listing.notes, *notes]
    rows = reading.good_rows()
    if len(rows) < len(x):
        _refuse_bad(path, reading, options)
        x = x[rows]
    notes += [_left_out(reading)] if reading.bad else []
    return _samples(path, x, rows, reading, notes)


def samples_from_pictures(pictures: Sequence[Image.Image], options: DataConfig, *, name: str) -> Samples:
    """Open Pillow images as samples, brought to one form as files are.

    Raises: DataError as `read_images`.
    """
    looks = [look_at(picture, str(i)) for i, picture in enumerate(pictures)]
    listing = Listing(tuple(seen.path for seen in looks), tuple(str(i) for i in range(len(looks))), None, (), ())
    reading = Reading(listing, looks=looks, owners=list(range(len(looks))))
    form, shape, notes = _agree(Path(name), reading, options)
    x = np.empty((len(looks), *shape), dtype=form.dtype)
    for row, (picture, seen) in enumerate(zip(pictures, looks, strict=True)):
        try:
            x[row] = convert(picture.copy(), seen, form)
        except (OSError, SyntaxError, ValueError) as error:
            message = f"{name}, image {row}, {reason(seen.path, error)}."
            raise DataError("DATA-FILE", message, fix="leave that image out") from None
    return Samples(x, name=name, notes=tuple(notes))


def _samples(path: Path, x: np.ndarray, rows: np.ndarray, reading: Reading, notes: list[str]) -> Samples:
    listing = reading.listing
    files = [reading.owners[row] for row in rows]
    single = Counter(files)
    ids = [
        listing.ids[i] if single[i] == 1 else f"{listing.ids[i]}#{reading.looks[row].frame}"
        for row, i in zip(rows, files, strict=True)
    ]
    labels = None if listing.labels is None else listing.labels[files]
    return Samples(
        x=x,
        name=text_of(Path(path.resolve().name)) or "images",
        labels=labels,
        classes=listing.classes,
        ids=tuple(ids),
        notes=tuple(notes),
    )


def _agree(path: Path, reading: Reading, options: DataConfig) -> tuple[Form, tuple[int, ...], list[str]]:
    """The form that all images are brought to, the shape (C, H, W) it has, and what is to be said about it."""
    good = [seen for seen, owner in zip(reading.looks, reading.owners, strict=True) if owner not in reading.bad]
    size = parse_size(options.resize) if options.resize else None
    sizes = Counter((seen.height, seen.width) for seen in good)
    if size is None and len(sizes) > 1:
        raise _mixed_sizes(path, good, sizes)
    colour = not options.gray and any(seen.colour for seen in good)
    keep_alpha = options.alpha == "keep" and any(seen.alpha for seen in good)
    form = Form(
        channels=(3 if colour else 1) + keep_alpha,
        dtype=max((seen.dtype for seen in good), key=("uint8", "uint16", "float32").index),
        backdrop=0 if options.alpha == "black" else 255,  # auto: white, as a page or a browser would show it
        size=size,
    )
    shape = (form.channels, *(size or next(iter(sizes))))
    n_bytes = len(reading.looks) * int(np.prod(shape)) * np.dtype(form.dtype).itemsize
    what = f"reading {len(good):,} images of {shape[2]} x {shape[1]} pixels"
    refuse_too_large(n_bytes, what, fix="bring them to a smaller size with --resize, or read fewer")
    return form, shape, notes_on(good, form)


def _mixed_sizes(path: Path, good: list[Look], sizes: Counter[tuple[int, int]]) -> DataError:
    examples: dict[tuple[int, int], list[str]] = defaultdict(list)
    for seen in good:
        if len(examples[seen.height, seen.width]) < 2:
            examples[seen.height, seen.width].append(printable(seen.path.name))
    problems = [
        f"{h} x {w}: {counted(n, 'image')}, e.g. {', '.join(examples[h, w])}" for (h, w), n in sizes.most_common()
    ]
    h, w = sizes.most_common(1)[0][0]
    message = f"{printable(path)} holds images of {len(sizes):,} sizes (height x width); a model takes one."
    return DataError("DATA-SIZE", message, fix=f"pass --resize {h}x{w} to bring all to one size", problems=problems)


def _no_images(path: Path, others: Sequence[str] = ()) -> DataError:
    looked_for = ", ".join(sorted(SUFFIXES, key=natural_key))
    message = f"0 images under {printable(path)} (looked for {looked_for})."
    return DataError("DATA-EMPTY", message, fix="name the folder that holds the images", problems=others)


def _settle_bad(path: Path, reading: Reading, options: DataConfig) -> None:
    """After the headers: only foreign files make an empty folder; else all bad files are found before the error."""
    if path.is_dir() and not reading.looks and not any(f.suffix.lower() in SUFFIXES for f in reading.listing.files):
        raise _no_images(path, _problems(reading))
    if not options.skip_bad_files or not reading.looks:
        reading.verify_all()
        _refuse_bad(path, reading, options)


def _refuse_bad(path: Path, reading: Reading, options: DataConfig) -> None:
    n_bad, n_files = len(reading.bad), len(reading.listing.files)
    n_left = n_files - n_bad
    if options.skip_bad_files and n_left:
        return
    if not path.is_dir():
        raise DataError("DATA-FILE", f"{printable(path)} {reading.bad[0]}.", fix="name another file, or save it again")
    message = f"{n_bad:,} of {n_files:,} files under {printable(path)} cannot be read as images."
    rest = f"{counted(n_left, 'image')} would be left"
    fix = f"pass --skip-bad-files ({rest}), or remove these files" if n_left else "save the images again"
    raise DataError("DATA-FILE", message, fix=fix, problems=_problems(reading))


def _problems(reading: Reading) -> list[str]:
    return [f"{printable(reading.listing.ids[i])} {why}" for i, why in sorted(reading.bad.items())]


def _left_out(reading: Reading) -> str:
    problems = _problems(reading)
    more = f"; and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
    return f"{counted(len(problems), 'file')} left out: {'; '.join(problems[:SHOWN])}{more}."
