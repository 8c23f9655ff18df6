"""What verdicts are judged from besides `metrics.json` and the history, measured once after training."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

import numpy as np

from isthmus.config import TrainingConfig

USUAL_STEPS = TrainingConfig().steps
DIVIDING = {"--limit", "--validation", "--test"}  # which `isthmus check` has not: it looks at all of the data
SHORT = 0.25  # of the usual steps: by a quarter of its schedule a network on MNIST has long beaten the mean image


@dataclass(frozen=True, eq=False)
class Facts:
    """All that judging needs and that is not in the metrics; what is None is not known, and is not judged.

    `train_cost` and `test_cost` are the finished model's readable costs per value (`readable` of the likelihood), the
    former on training samples without augmentation, both on the same kind of input (noisy for a denoiser); `_sem` are
    the standard errors of the mean of what each sample costs above its own floor. `train_floor` and `test_floor` are
    the least costs possible: under a Bernoulli likelihood the mean entropies of those very samples (the metrics'
    `bce_floor` where they are not given), else 0. `has_floor` is False where the likelihood learns its variance, so
    that costs fall below any number: the two costs are then mean squared errors.

    `code` are the codes of the test samples (N, z_size); `signed_code` is False where a sigmoid makes them. `n_overlap`
    counts test samples that are in the training set too, `n_duplicates` training samples that repeat an earlier one,
    `n_out_of_range` values that the likelihood cannot take, out of those from `lowest` to `highest`.

    `steps` were trained in all the epochs. `path` is the run folder; `options` are data options of the command
    line, such as "--label y --shape 28x28"; `from_python` says that no command repeats the run, as with a module of
    one's own or data in memory.
    """

    source: str
    recipe: str
    best_epoch: int
    epochs: int
    path: str = ""
    options: str = ""
    from_python: bool = False
    noise: str | None = None
    augment: str | None = None
    likelihood: str = "bernoulli"
    schedule: str = "one-cycle"
    stopped_by: str = "budget"
    steps: int | None = None
    train_cost: float | None = None
    test_cost: float | None = None
    train_cost_sem: float | None = None
    test_cost_sem: float | None = None
    train_floor: float | None = None
    test_floor: float | None = None
    has_floor: bool = True
    code: np.ndarray | None = None
    signed_code: bool = True
    n_duplicates: int | None = None
    n_overlap: int | None = None
    n_out_of_range: int | None = None
    lowest: float | None = None
    highest: float | None = None

    @property
    def is_denoiser(self) -> bool:
        return self.noise not in (None, "", "none")

    @property
    def is_short(self) -> bool:
        """Whether so few steps were trained that nothing but more of them need be tried."""
        return self.steps is not None and self.steps < SHORT * USUAL_STEPS

    @property
    def more_epochs(self) -> int:
        """The epochs to try where more may help: those of the usual budget, and at least twice those there were."""
        usual = round(USUAL_STEPS * self.epochs / self.steps) if self.steps else 0
        return max(2 * self.epochs, usual)

    def train(self, changes: str, *, recipe: str | None = None) -> str | None:
        """The command that trains once more with `changes`; with another recipe only the data and noise are kept."""
        if self.from_python:
            return None
        if self.path and recipe is None:
            return f"isthmus train --config {shlex.quote(f'{self.path}/config.toml')} {changes}".strip()
        noise = f"--noise {self.noise}" if self.is_denoiser else ""
        words = ["isthmus train", shlex.quote(self.source), "--recipe", recipe or self.recipe, noise, self.options]
        return " ".join(word for word in [*words, changes] if word)

    def check(self) -> str | None:
        """The command that looks at the data."""
        words = ["isthmus check", shlex.quote(self.source), self._options_without(DIVIDING)]
        return None if self.from_python else " ".join(word for word in words if word)

    def with_more_data(self) -> str | None:
        """The command that trains on all of the data where that was limited, else the one that looks at it."""
        if "--limit" not in shlex.split(self.options):
            return self.check()
        return replace(self, options=self._options_without({"--limit"})).train("", recipe=self.recipe)

    def _options_without(self, left_out: set[str]) -> str:
        """The options but for those, each of which has one value."""
        given = shlex.split(self.options)
        pairs = zip(["", *given], given, strict=False)
        return shlex.join(word for before, word in pairs if not {before, word} & left_out)

    def resume(self, changes: str = "") -> str | None:
        """The command that goes on with the run."""
        return None if self.from_python else f"isthmus resume {shlex.quote(self.path or 'latest')} {changes}".strip()
