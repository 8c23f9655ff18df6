"""Whether a whole set that a run is used on is unlike its training data, how, and what may have been done to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError
from isthmus.evaluation.metrics.exceedance import excess, mostly_beyond
from isthmus.evaluation.metrics.neighbor_score import NeighborScore
from isthmus.evaluation.verdicts.column_check import Column, unlike_columns
from isthmus.evaluation.verdicts.level_check import level_sentence
from isthmus.evaluation.verdicts.undone_transformations import Undone, what_was_done
from isthmus.runs.folder import RunFolder
from isthmus.runs.set_facts import MOST, SetFacts, as_input, set_facts, spread
from isthmus.wording import counted, number

# At most one healthy set in a thousand is called unlike, because people ignore a message that is often wrong. The
# eight checks share this rate: scores at two rates, two levels, units, columns, transformations at the median and by
# their gain.
ALARM = 1e-3
EACH = ALARM / 8
RATE = 0.01  # the usual rate of false alarms of `isthmus score`
TENTH, HALF = 0.1, 0.5  # further shares of normal samples
FEWEST = 3  # samples: two of two may be outliers by chance
NAMED = 3  # columns, as many as `isthmus score` names for a row


class SetScores(NamedTuple):
    """Scores of `calibration` samples (n,), those `found` for the set (N,), and the chosen rate of false alarms."""

    calibration: np.ndarray
    found: np.ndarray
    rate: float


@dataclass(frozen=True)
class SetCheck:
    """Whether a set is `unlike` the training data, None if that is unknown, and why, in a sentence.

    Of n samples, `n_outliers` are outliers; by chance, `expected` would be. `columns` are those that are unlike;
    `undo` is what may have been done to all images.
    """

    unlike: bool | None
    text: str = ""
    n: int = 0
    n_outliers: int | None = None
    expected: float | None = None
    columns: tuple[str, ...] = ()
    undo: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As in `--json`: `{"unlike": false}` if nothing was found, null if nothing can be compared."""
        if not self.unlike:
            return {"unlike": self.unlike} | ({"text": self.text} if self.text else {})
        about = {"unlike": True, "text": self.text, "n": self.n, "outliers": self.n_outliers, "expected": self.expected}
        return about | {"columns": list(self.columns), "seems": self.undo}


NOT_CHECKED = SetCheck(None)


def check_set(run: RunFolder, samples: Samples, *, noisy: bool = False, scored: SetScores | None = None) -> SetCheck:
    """Compares `samples` with what the run folder keeps of the training data.

    `noisy`: the samples are input for a denoiser, and are compared with noisy ones. `scored`: their scores, if they
    are already known. If samples come in groups (pieces of one photograph), only one per group counts, because the
    others are not independent.
    """
    rows = _independent(samples)
    if len(rows) < FEWEST:
        return SetCheck(False)
    try:
        facts = set_facts(run.path)
        scale = None if scored is not None else NeighborScore.of_run(run, facts, noisy=noisy)
    except ModelFileError as error:  # the command itself does not need these files
        return SetCheck(None, f"cannot check whether the set is like the training data: {error.message}")
    raw = np.asarray(samples.x[rows[spread(len(rows), MOST)]])
    x = as_input(raw, run.model.preprocess)
    if scored is not None:
        scored = scored._replace(found=scored.found[rows])
    elif scale is not None:
        scored = SetScores(scale.calibration, scale.of(x), RATE)
    if scored is not None and not len(scored.calibration):
        scored = scale = None
    if facts is None and scored is None:
        return NOT_CHECKED
    columns = [] if facts is None or not facts.sizes.size else unlike_columns(facts, raw, samples.columns, EACH)
    if samples.schema is not None:  # the index of a category is not a quantity
        columns = [column for column in columns if column.name in samples.schema.quantities]
    # The darkest and lightest pixels of noisy images come from the noise, whose strength may differ.
    level = level_sentence(facts, x, EACH) if facts is not None and len(facts.light) and not noisy else None
    undone = None if scored is None or x.ndim != 4 else _undone(run, x, scale, facts, scored, level, noisy=noisy)
    return _answer(scored, columns, level, undone)


def _independent(samples: Samples) -> np.ndarray:
    """Row numbers: all, or the first of each group where samples come in groups."""
    if samples.groups is None:
        return np.arange(len(samples))
    return np.sort(np.unique(samples.groups, return_index=True)[1])


def _beyond(scored: SetScores | None) -> float | None:
    """The share of normal samples that most of the set is beyond; None if that could be chance."""
    shares = () if scored is None else (scored.rate, TENTH)
    return next((s for s in shares if scored and mostly_beyond(scored.calibration, scored.found, s, EACH)), None)


def _undone(
    run: RunFolder,
    x: Tensor,
    scale: NeighborScore | None,
    facts: SetFacts | None,
    scored: SetScores,
    level: str | None,
    *,
    noisy: bool,
) -> Undone | None:
    """What may have been done; tried if the set is unlike, or its median is more anomalous than chance allows."""
    sure = level is not None or _beyond(scored) is not None
    if not sure and excess(scored.calibration, scored.found, HALF).tail >= EACH:
        return None
    with suppress(ModelFileError):  # then nothing can be tried
        scale = scale or NeighborScore.of_run(run, facts, noisy=noisy)
    return None if scale is None else what_was_done(x, scale, facts, sure=sure, by_level=level is not None, alarm=EACH)


def _answer(scored: SetScores | None, columns: list[Column], level: str | None, undone: Undone | None) -> SetCheck:
    share, units = _beyond(scored), [column for column in columns if column.units]
    if share is None and not (level or units or undone):
        return SetCheck(False)
    named = columns if share is not None else units
    why = [*_counted(scored, share if share is not None or level or units else HALF)]
    why += [level] if level else []
    why += [f"column {column.name} {column.words}" for column in named[:NAMED]]
    n_more = len(named) - NAMED
    why += [f"{counted(n_more, 'more column')} {'is' if n_more == 1 else 'are'} unlike"] if n_more > 0 else []
    text = f"the set as a whole is unlike the training data: {'; '.join(why)}"
    if undone is not None:
        text += f". {undone.name.capitalize()}? {_both_counts(undone)}"
    names = tuple(column.name for column in named)
    if scored is None:
        return SetCheck(True, text, columns=names)
    seen, expected, *_ = excess(*scored)
    return SetCheck(True, text, len(scored.found), seen, expected, names, None if undone is None else undone.name)


def _both_counts(undone: Undone) -> str:
    """The outliers after and before undoing it, among the same images: of a large set, only some are tried."""
    if undone.n_outliers == undone.n_before:  # as where only the levels differed
        return "If that is undone, the images look like the training data"
    are = "is an outlier" if undone.n_outliers == 1 else "are outliers"
    return f"If that is undone, {undone.n_outliers} of {undone.n:,} {are}, instead of {undone.n_before}"


def _counted(scored: SetScores | None, share: float | None) -> list[str]:
    """How many samples are beyond that share of normal ones, and how many would be by chance; empty for None."""
    if scored is None or share is None:
        return []
    what = "outliers" if share == scored.rate else f"more anomalous than {1 - share:.0%} of normal samples"
    seen, expected, *_ = excess(scored.calibration, scored.found, share)
    of = counted(len(scored.found), "sample")
    return [f"{seen:,} of {of} are {what} (expected by chance: {number(expected)})"]


__all__ = ["NOT_CHECKED", "SetCheck", "SetScores", "check_set"]
