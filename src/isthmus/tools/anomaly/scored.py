"""What `isthmus score` wrote, and a sentence on the number of outliers and the false-alarm rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.evaluation.verdicts.set_check import NOT_CHECKED, SetCheck
from isthmus.wording import counted


@dataclass(frozen=True)
class Scored:
    """The files written, the number of samples and outliers, the false-alarm rate, and notes for people.

    `threshold` is the score above which samples are outliers; None if models of folds decide. `n_trained` of the n
    samples were trained on; None if that was not checked. If whole groups calibrate, `groups` is (groups with an
    outlier, all groups), and the rate is that of groups with a false alarm.
    """

    out: Path
    picture: Path | None
    n: int
    n_outliers: int
    rate: float
    threshold: float | None
    n_calibration: int
    said: tuple[str, ...]
    n_trained: int | None = None
    set: SetCheck = NOT_CHECKED
    groups: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        if not self.n_calibration:
            why = "there are too few validation samples to set a threshold"
            return f"{counted(self.n, 'sample')} scored, but no outliers marked: {why}. Written to {self._files}"
        n_found = counted(self.n_outliers, "outlier")
        if self.groups is not None:
            found, groups = self.groups
            usual = f"; {_rounded(self.rate * groups)} would be expected if all were normal" * (not self.n_trained)
            return (
                f"{n_found} of {self.n:,}, in {found:,} of {counted(groups, 'group')}, at a false-alarm rate of "
                f"{self.rate:.2g} per group{usual}. Scores written to {self._files}"
            )
        new = self.n - (self.n_trained or 0)
        among = f" among the {counted(new, 'new sample')}" if self.n_trained else ""
        usual = f"; {_rounded(self.rate * new)} would be expected{among} if all were normal" if new else ""
        return (
            f"{n_found} of {self.n:,} at a false-alarm rate of {self.rate:.2g}{usual}. Scores written to {self._files}"
        )

    @property
    def _files(self) -> str:
        return str(self.out) + (f", the picture to {self.picture}" if self.picture else "")

    def as_dict(self) -> dict[str, Any]:
        about = {"out": str(self.out), "picture": str(self.picture) if self.picture else None, "n": self.n}
        about |= {"outliers": self.n_outliers, "false_alarms": self.rate if self.n_calibration else None}
        about |= {"threshold": self.threshold, "n_trained_on": self.n_trained, "set": self.set.as_dict()}
        if self.groups is not None:
            about["groups"] = {"n": self.groups[1], "with_outliers": self.groups[0]}
        return about | {"n_calibration": self.n_calibration, "said": list(self.said)}


def _rounded(expected: float) -> str:
    return f"{expected:,.0f}" if expected >= 10 else f"{expected:.2g}"


__all__ = ["Scored"]
