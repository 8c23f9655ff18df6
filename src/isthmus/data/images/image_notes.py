"""Notes for the user about a set of images: converted modes, transparency, rotation, sizes and frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from isthmus.data.images.pixels import FULL, Form, Look
from isthmus.data.ranges import TWELVE_BITS
from isthmus.wording import counted, printable

MODE_NAMES = {
    "1": "1-bit", "L": "gray", "LA": "gray with alpha", "P": "palette", "PA": "palette with alpha", "RGB": "RGB",
    "RGBA": "RGB with alpha", "CMYK": "CMYK", "YCbCr": "YCbCr", "LAB": "Lab", "HSV": "HSV", "F": "float",
    "I": "32-bit gray", "RGB of 16 bits": "RGB with 16 bits", "RGBA of 16 bits": "RGB with alpha and 16 bits",
}  # fmt: skip
CONVERTED = {"1-bit", "palette", "palette with alpha", "CMYK", "YCbCr", "Lab", "HSV", "32-bit gray"}


def notes_on(good: Sequence[Look], form: Form) -> list[str]:
    """Sentences about everything that `form` changes in the images; none if it changes nothing."""
    return [*_mode_notes(good, form), *_size_notes(good, form.size), *_frame_notes(good)]


def _mode_notes(good: Sequence[Look], form: Form) -> list[str]:
    modes = Counter(MODE_NAMES.get(seen.mode, "16-bit gray" if ";16" in seen.mode else seen.mode) for seen in good)
    bands = form.channels - form.alpha
    target = {1: "gray", 3: "RGB"}.get(bands, f"{bands} bands") + " with alpha" * form.alpha
    target = {
        "uint8": target,
        "uint16": f"16-bit {target}, scaled by range",
        "float32": f"floating-point {target}, scaled by range",
    }[form.dtype]
    notes = []
    is_changed = len({(seen.n_bands, seen.alpha, seen.dtype) for seen in good} | {(bands, form.alpha, form.dtype)}) > 1
    if len(modes) > 1 or is_changed or next(iter(modes)) in CONVERTED:
        counts = ", ".join(f"{n:,} {mode}" for mode, n in modes.most_common())
        notes.append(f"Images by mode: {counts}; all are read as {target}.")
    n_alpha = sum(seen.alpha for seen in good)
    if n_alpha and not form.alpha:
        paper = "black" if form.backdrop == 0 else "white"
        notes.append(
            f"{counted(n_alpha, 'image')} with transparency placed on a {paper} background "
            "(--alpha keep keeps it as a channel)."
        )
    n_cut = sum("of 16 bits" in seen.mode for seen in good)
    if n_cut:
        notes.append(f"{counted(n_cut, 'color image')} with 16 bits per channel; only the upper 8 are read.")
    n_turned = sum(seen.rotated for seen in good)
    return [*notes, f"{counted(n_turned, 'image')} rotated according to EXIF data."] if n_turned else notes


def is_dark(pixels: np.ndarray) -> bool:
    """Whether 16-bit images, in whatever type they were converted to, hold no value above 12 bits."""
    return float(pixels.max()) <= TWELVE_BITS * FULL[str(pixels.dtype)] / FULL["uint16"]


def dark_notes(names: Sequence[str], n: int) -> list[str]:
    """Notes on 16-bit images, by name, that use only 12 bits next to other images; there are `n` images in all."""
    if not names or len(names) == n:
        return []
    said = f"of {counted(n, 'image')} {{}} 16 bits but no value above {TWELVE_BITS:,}"
    white = "next to the others, whose white is the maximum of their type,"
    if len(names) == 1:
        return [
            f"1 {said.format('has')}, {printable(names[0])}: {white} it is nearly black. "
            "If it is a 12-bit image, multiply its values by 16, or put it into another folder."
        ]
    return [
        f"{len(names):,} {said.format('have')}, e.g. {printable(names[0])}: {white} they are nearly black. "
        "If they are 12-bit images, multiply their values by 16, or put them into a folder of their own."
    ]


def _size_notes(good: Sequence[Look], size: tuple[int, int] | None) -> list[str]:
    sizes = Counter((seen.height, seen.width) for seen in good)
    if size is None or set(sizes) == {size}:
        return []
    n_changed = sum(n for found, n in sizes.items() if found != size)
    n_bent = sum(n for (h, w), n in sizes.items() if abs(h * size[1] - w * size[0]) > max(h, w) / 2)  # beyond rounding
    which = f"{n_bent:,} of them" if n_bent < n_changed else "it" if n_bent == 1 else "them"
    bent = f"; this distorts {which}" if n_bent else ""
    return [f"{counted(n_changed, 'image')} resized to {size[0]} x {size[1]} pixels (height x width){bent}."]


def _frame_notes(good: Sequence[Look]) -> list[str]:
    several = {seen.path: seen.frames for seen in good if seen.frames > 1}
    if not several:
        return []
    count = f"{counted(len(several), 'file')} with several frames or pages"
    if len(good) > len({seen.path for seen in good}):
        return [f"{count}; each frame is a sample ({sum(several.values()):,} in total)."]
    return [f"{count}; only the first is read (--frames all reads every one)."]
