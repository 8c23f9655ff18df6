"""The error for images of several sizes, with options to make them one size that work for these images."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from isthmus.data.images.pixels import Look
from isthmus.errors import DataError
from isthmus.wording import counted, printable

EASY_SIDE = 64  # pixels: training of the usual length then takes minutes; time grows with the square of the side
LEAST_SIDE = 16  # pixels: accepted by every network, `parts.convolutions.SMALLEST`
RESIZE, CROP, PATCHES = "to resize all to one size", "to keep the center of each", "to cut each into pieces"

Size = tuple[int, int]


class Way(NamedTuple):
    """An option that makes all images one size (height, width), and what it does to them."""

    flag: str
    size: Size
    purpose: str

    @property
    def option(self) -> str:
        """The option as typed.

        >>> Way("--crop", (64, 48), CROP).option
        '--crop 64x48'
        """
        return f"{self.flag} {self.size[0]}x{self.size[1]}"


class MixedSizes(DataError):
    """Images of several sizes with `channels` channels; `ways` are all options that fit them, the best first."""

    def __init__(self, message: str, channels: int, ways: Sequence[Way], problems: Sequence[str]) -> None:
        super().__init__("DATA-SIZE", message, problems=problems)
        self.channels = channels
        self.offer(ways)

    def offer(self, ways: Sequence[Way]) -> None:
        """Writes the fix from these ways, using the first of each option."""
        self.ways = tuple(ways)
        first = {way.flag: way for way in reversed(ways)}
        texts = [f"{first[flag].option} {first[flag].purpose}" for flag in dict.fromkeys(way.flag for way in ways)]
        self.fix = "pass " + (f"{', '.join(texts[:-1])}, or {texts[-1]}" if len(texts) > 1 else texts[0])

    def offer_what(self, fits: Callable[[tuple[int, int, int]], bool]) -> None:
        """Leaves out the ways whose samples (C, H, W) do not fit; keeps all if none fits, as size is then not the
        problem.
        """
        self.offer([way for way in self.ways if fits((self.channels, *way.size))] or self.ways)


def mixed_sizes(path: Path, good: Sequence[Look], channels: int) -> MixedSizes:
    """The error for images that do not all have the same size."""
    sizes = Counter((seen.height, seen.width) for seen in good)
    examples: dict[Size, list[str]] = defaultdict(list)
    for seen in good:
        if len(examples[seen.height, seen.width]) < 2:
            inside = seen.path.relative_to(path) if seen.path.is_relative_to(path) else seen.path.name
            examples[seen.height, seen.width].append(printable(inside))
    problems = [
        f"{h} x {w}: {counted(n, 'image')}, e.g. {', '.join(examples[h, w])}" for (h, w), n in sizes.most_common()
    ]
    message = f"{printable(path)} holds images of {len(sizes):,} sizes (height x width); a model takes a single size."
    return MixedSizes(message, channels, ways_for(sizes), problems)


def ways_for(sizes: Counter[Size]) -> list[Way]:
    """Ways to make images of these sizes one size, the best first; crops fit inside every image.

    >>> [way.option for way in ways_for(Counter({(512, 768): 9, (436, 720): 1}))]
    ['--resize 43x64', '--crop 64x64', '--patches 64x64']
    """
    usual = sizes.most_common(1)[0][0]
    least = min(h for h, _ in sizes), min(w for _, w in sizes)
    small = min(EASY_SIDE, least[0]), min(EASY_SIDE, least[1])
    resized = dict.fromkeys([_easy(usual), _at_least(_easy(usual))])
    return [
        *(Way("--resize", size, RESIZE) for size in resized),
        Way("--crop", small, CROP),
        Way("--patches", small, PATCHES),
    ]


def _easy(size: Size) -> Size:
    """The same proportions, with no side above `EASY_SIDE`."""
    scale = min(1.0, EASY_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _at_least(size: Size) -> Size:
    return max(LEAST_SIDE, size[0]), max(LEAST_SIDE, size[1])
