"""What may have been done to a whole set of images: inverted, mirrored, rotated, other channels, another exposure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy import special
from torch import Tensor

from isthmus.evaluation.metrics.exceedance import excess
from isthmus.evaluation.metrics.neighbor_score import NeighborScore
from isthmus.evaluation.verdicts.level_check import level_sentence
from isthmus.runs.set_facts import SetFacts, levels, spread

Undo = Callable[[Tensor], Tensor]

# The symmetries of a square except the identity: what was done, and what undoes it.
TURNS: dict[str, Undo] = {
    "mirrored": lambda x: x.flip(-1),
    "upside down": lambda x: x.flip(-2),
    "rotated by 180 degrees": lambda x: x.flip(-1, -2),
    "transposed": lambda x: x.transpose(-1, -2),
    "rotated by 90 degrees": lambda x: torch.rot90(x, -1, (-2, -1)),
    "rotated by 270 degrees": lambda x: torch.rot90(x, 1, (-2, -1)),
    "transposed about the other diagonal": lambda x: x.flip(-1, -2).transpose(-1, -2),
}
KEEP_SIDES = 3  # the first of TURNS, which also apply to images that are not square
TRIED = 17  # transformations at most: the seven, each also inverted; inverting alone; channels; exposure
TRIED_ON = 200  # images: seventeen transformations take the usual network half a second
SHARES = (0.1, 0.5)  # of normal samples; the set must be normal again at both
# Share of the set that may still be anomalous once the right transformation is undone, because the set may contain
# anomalies; with few images, a larger share if chance gives it in one case of twenty.
BACK, BY_CHANCE = 0.25, 0.05
# Share of the images that become less anomalous. A digit may look as normal upside down; an inverted one never does.
BETTER, NEARLY_ALL = 0.65, 0.9


class Undone(NamedTuple):
    """What may have been done, and how many of n images are outliers, at a rate of 1 %: before and after undoing it."""

    name: str
    n_before: int
    n_outliers: int
    n: int


def what_was_done(
    x: Tensor, scale: NeighborScore, facts: SetFacts | None, *, sure: bool, by_level: bool, alarm: float
) -> Undone | None:
    """The transformation whose undoing makes images x (N, C, H, W), as network input, like the training data; or None.

    `sure`: the set is already known to be unlike, so the best transformation is chosen by which nearly all images
    become less anomalous. Else the gain must be more than chance, by a sign test over all transformations. `by_level`:
    the set is darker or lighter, which an error may not show, because dark pictures are easy to reconstruct; then
    the levels must become normal.
    """
    x = x[spread(len(x), TRIED_ON)]
    before, bounded = scale.of(x), scale.model.preprocess.range == (0.0, 1.0)
    for ways in (_single(x, facts, bounded=bounded), _double(x, bounded=bounded)):
        found = []
        for name, undone in ways:
            after = scale.of(undone)
            fine = by_level and facts is not None and level_sentence(facts, undone, alarm) is None
            if _is_back(scale.calibration, after) and (fine or _gains(before, after, sure=sure, alarm=alarm)):
                found.append((float(np.median(after)), name, after))
        if found:
            _, name, after = min(found, key=lambda way: way[0])
            as_is, again = (excess(scale.calibration, scores, 0.01).seen for scores in (before, after))
            return Undone(name, as_is, again, len(after))
    return None


def _is_back(calibration: np.ndarray, after: np.ndarray) -> bool:
    found = [excess(calibration, after, share) for share in SHARES]
    return all(beyond.share <= BACK or beyond.tail > BY_CHANCE for beyond in found)


def _gains(before: np.ndarray, after: np.ndarray, *, sure: bool, alarm: float) -> bool:
    better, n = int((after < before).sum()), len(before)
    if sure:
        return better >= NEARLY_ALL * n
    return better >= BETTER * n and float(special.bdtrc(better - 1, n, 0.5)) < alarm / TRIED


def _single(x: Tensor, facts: SetFacts | None, *, bounded: bool) -> Iterator[tuple[str, Tensor]]:
    """(what may have been done, x with that undone); `bounded`: the input is in [0, 1], so it can be inverted."""
    if bounded:
        yield "inverted", 1 - x
    yield from ((name, undo(x)) for name, undo in _turns(x))
    if x.shape[1] == 3:
        yield "with red and blue swapped", x.flip(1)
    if bounded and facts is not None and len(facts.light):
        yield "with another exposure or scale", _exposed(x, facts)


def _double(x: Tensor, *, bounded: bool) -> Iterator[tuple[str, Tensor]]:
    """The same for images that were also inverted; tried if no single transformation explains them."""
    if bounded:
        yield from ((f"{name} and inverted", 1 - undo(x)) for name, undo in _turns(x))


def _turns(x: Tensor) -> list[tuple[str, Undo]]:
    return list(TURNS.items())[: len(TURNS) if x.shape[-1] == x.shape[-2] else KEEP_SIDES]


def _exposed(x: Tensor, facts: SetFacts) -> Tensor:
    """x stretched so that its median dark and light levels are those of the training data."""
    dark, light = (float(np.median(found)) for found in levels(x))
    wanted_dark, wanted_light = float(np.median(facts.dark)), float(np.median(facts.light))
    times = (wanted_light - wanted_dark) / (light - dark) if light > dark else 1.0
    return ((x - dark) * times + wanted_dark).clamp(0, 1)


__all__ = ["Undone", "what_was_done"]
