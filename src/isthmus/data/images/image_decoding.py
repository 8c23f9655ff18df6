"""One pass over image files: first the headers, then the pixels of each file into its rows of one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from isthmus.data.images.deep_files import read_planes
from isthmus.data.images.image_notes import is_dark
from isthmus.data.images.listing import Listing
from isthmus.data.images.pixel_conversion import decode
from isthmus.data.images.pixels import Form, Look, look, opened, reason
from isthmus.data.images.transforms import Cut, cut_out
from isthmus.data.images.unreadable import Unreadable
from isthmus.data.whole_images import Corner
from isthmus.system.scratch import room
from isthmus.system.workers import Progress, each


@dataclass
class Reading:
    """One pass over the files of a listing: what was read, what failed and why."""

    listing: Listing
    progress: Progress | None = None
    looks: list[Look] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)  # which file of the listing each look belongs to
    bad: dict[int, str] = field(default_factory=dict)
    pieces: list[tuple[int, Corner | None]] = field(default_factory=list)  # for each sample: its look and its place
    starts: list[int] = field(default_factory=list)  # the first sample of each look, then the number of samples
    dark: list[int] = field(default_factory=list)  # 16-bit looks in a mixed set that use only 12 bits

    def look_all(self, every_frame: bool) -> None:
        """Reads the headers."""
        found = each(lambda path: look(path, every_frame=every_frame), self.listing.files, self._progress(0))
        for i, result in enumerate(found):
            if isinstance(result, Exception):
                self.bad[i] = reason(self.listing.files[i], result)
            else:
                self.looks += result
                self.owners += [i] * len(result)

    def note_small(self, cut: Cut) -> None:
        """Records files that are too small to be cut."""
        for owner, seen in zip(self.owners, self.looks, strict=True):
            why = cut.why_not(seen.height, seen.width)
            if why:
                self.bad.setdefault(owner, why)

    def plan(self, form: Form, cut: Cut | None) -> None:
        """Decides which piece of which image each sample is."""
        for i, seen in enumerate(self.looks):
            size = form.size or (seen.height, seen.width)
            self.starts.append(len(self.pieces))
            self.pieces += [(i, None)] if cut is None else [(i, corner) for corner in cut.corners(*size)]
        self.starts.append(len(self.pieces))

    def decode_all(self, form: Form, shape: tuple[int, ...], cut: Cut | None = None) -> np.ndarray:
        """Reads the pixels into memory or a file; rows of files that fail stay undefined and are recorded in `bad`.

        Raises: ResourceError if neither has enough space.
        """
        what = f"{len(self.looks):,} images of {shape[2]} x {shape[1]} pixels"
        x = room((len(self.pieces), *shape), form.dtype, what)
        self.decode_each(form, lambda i, pixels: self.place(x, i, pixels, cut))
        return x

    def decode_each(self, form: Form, use: Callable[[int, np.ndarray], None]) -> None:
        """Calls `use(i, pixels)` with the pixels (C, H, W) of every look; files that fail are recorded in `bad`."""

        def decoded(i: int) -> None:
            seen = self.looks[i]
            pixels = decode(seen, form)
            if pixels.shape[1:] != (form.size or (seen.height, seen.width)):
                raise Unreadable(f"has {pixels.shape[2]} x {pixels.shape[1]} pixels, but its header says otherwise")
            if form.is_mixed and seen.dtype == "uint16" and is_dark(pixels[:-1] if form.alpha else pixels):
                self.dark.append(i)
            use(i, pixels)

        self._note_failures(each(decoded, range(len(self.looks)), self._progress(1)))

    def good_looks(self) -> list[int]:
        """The looks whose files have no known fault."""
        return [i for i, owner in enumerate(self.owners) if owner not in self.bad]

    def place(self, x: np.ndarray, i: int, pixels: np.ndarray, cut: Cut | None) -> None:
        """Puts an image, or its pieces, into its rows of x."""
        rows = slice(self.starts[i], self.starts[i + 1])
        if cut is None:
            x[rows] = pixels
        elif rows.start < rows.stop:
            x[rows] = cut_out(pixels, cut.corners(*pixels.shape[1:]), cut.size)

    def verify_all(self) -> None:
        """Reads the pixels only to find the files that fail."""

        def load(row: int) -> None:
            seen = self.looks[row]
            if seen.deep is not None:
                read_planes(seen.path, seen.deep, seen.frame)
                return
            with opened(seen.path, seen.frame) as image:
                image.load()

        self._note_failures(each(load, range(len(self.looks)), self._progress(1)))

    def good_rows(self) -> np.ndarray:
        good = [row for row, (i, _) in enumerate(self.pieces) if self.owners[i] not in self.bad]
        return np.array(good, dtype=np.int64)

    def _note_failures(self, results: Sequence[object]) -> None:
        for row, result in enumerate(results):
            if isinstance(result, Exception):
                self.bad.setdefault(self.owners[row], reason(self.looks[row].path, result))

    def _progress(self, half: int) -> Callable[[int], None]:
        n = len(self.listing.files) if half == 0 else len(self.looks)

        def done(count: int) -> None:
            if self.progress is not None:  # headers are the first half of the progress, pixels the second
                self.progress(half * n + count, 2 * n)

        return done
