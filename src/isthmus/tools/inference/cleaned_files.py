"""Describes in sentences what denoising did to photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.tools.inference.photo_judgment import Judgment
from isthmus.wording import counted, printable


class CleanedFile(NamedTuple):
    """The result for one file: how its noise was judged, and whether it was left unchanged. `is_bilevel`: it has only
    black and white.
    """

    path: Path
    judgment: Judgment
    is_left: bool
    is_bilevel: bool = False

    def as_dict(self) -> dict[str, Any]:
        found = self.judgment
        about = {"out": str(self.path), "noise": found.noise, "left": self.is_left}
        return about | {"structure_removed": found.took_structure and not self.is_left}


def told(done: Sequence[CleanedFile], strength: float, *, tells_noise: bool = True) -> tuple[str, ...]:
    """Sentences about the noise that was found, files that were left unchanged, and structure that was removed.

    `tells_noise`: the network measures all the noise in a picture. If it does not, only the noise that it removes is
    reported.
    """
    if not done:
        return ()
    if len(done) == 1:
        return _about_one(done[0], strength, tells_noise)
    noise = [found.judgment.noise for found in done]
    left, lost = [f for f in done if f.is_left], [f for f in done if not f.is_left and f.judgment.took_structure]
    what = "noise found" if tells_noise else "noise removed at full strength"
    said = [f"{what}: {_level(min(noise))} to {_level(max(noise))} of 255, in flat parts"]
    if left:
        said.append(
            f"{_such(left)} with hardly any noise, or with only black and white, left unchanged; --strength 1 also "
            f"denoises {'it' if len(left) == 1 else 'them'}"
        )
    if lost:
        said.append(f"detail was removed from {_such(lost)}; --strength 0.5 keeps half of it")
    return tuple(said)


def _such(files: Sequence[CleanedFile]) -> str:
    """The number of files, with the name of the first: `2 files (such as a.png)`."""
    name = printable(files[0].path.name)
    return f"{counted(len(files), 'file')} ({name if len(files) == 1 else f'such as {name}'})"


def _about_one(found: CleanedFile, strength: float, tells_noise: bool) -> tuple[str, ...]:
    if found.is_bilevel:
        return (_about_bilevel(found.is_left),)
    level = f"noise of {_level(found.judgment.noise)} of 255 in flat parts"
    if found.is_left:
        return (f"hardly any noise ({level}): left unchanged (--strength 1 denoises it)",)
    if found.judgment.is_clean:
        if not tells_noise:  # there may be noise that this network does not remove
            return (f"{level}, all that this network finds",)
        return (f"hardly any noise ({level}): denoising can only blur it",)
    said = [f"{level}, {'removed' if strength == 1 else f'of which {strength:.0%} was removed'}"]
    if found.judgment.took_structure:
        said.append("detail was removed too: more was removed where the picture has detail; --strength 0.5 keeps half")
    return tuple(said)


def _about_bilevel(is_left: bool) -> str:
    if is_left:
        return "only black and white: left unchanged (--strength 1 denoises it)"
    return "only black and white: the denoised picture has grays"


def _level(noise: float) -> str:
    return f"{255 * noise:.1f}"


__all__ = ["CleanedFile", "told"]
