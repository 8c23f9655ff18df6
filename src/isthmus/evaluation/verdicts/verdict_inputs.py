"""What verdicts are based on besides `metrics.json` and the history, measured once after training."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from isthmus.evaluation.verdicts.data_facts import Spans, Swallowed
from isthmus.training_config import STEPS
from isthmus.wording import counted, shell_word

USUAL_STEPS = STEPS
# Options that `isthmus check` does not have, because it reads all of the data.
DIVIDING = {"--limit", "--validation", "--test", "--duplicates"}
SHORT = 0.25  # of the usual steps: after a quarter of them, a network on MNIST is far better than the mean image


@dataclass(frozen=True, eq=False)
class Facts:
    """What the verdicts need and the metrics do not contain; None means unknown, and is not judged.

    `train_cost` and `test_cost` are the readable costs per value of the finished model (`readable` of the likelihood),
    on training samples without augmentation and on test samples, with the same kind of input (noisy for a denoiser).
    `_sem` are the standard errors of the mean cost above each sample's floor. `train_floor` and `test_floor` are the
    lowest possible costs: with a Bernoulli likelihood, the mean entropies of the same samples (the `bce_floor` of the
    metrics if they are not given), else 0. `has_floor` is False if the likelihood learns its variance, so that costs
    have no lower limit; the two costs are then mean squared errors.

    `code` has the codes of the test samples (N, z_size); `signed_code` is False if they come from a sigmoid.
    `n_overlap` is the number of test samples that are also in the training set, `n_duplicates` that of training samples
    that repeat an earlier one, and `n_out_of_range` that of values that the likelihood does not allow, where all values
    are from `lowest` to `highest`.

    `validation_…` are the same costs on validation samples. `validation_mse` and `test_mse`, with their `_sem` and
    `_median`, are squared errors per sample; `validation_varies` is the error of the mean training sample on validation
    samples. `unlike` says in words where test and training data differ most. `worst` is the test sample with the
    highest error, `worst_share` its share of all squared errors, and `mse_without` the test error without it. `n_half`
    is the smallest number of test samples that account for half of all squared errors, and `mse_of_others` the test
    error without them.

    `spans` is the range of nearly all training images as network input (see `data_facts.spans`), None if a scaling was
    chosen. `swallowed` are the columns whose scale is determined by one value. `n_of_class` has the numbers of training
    and held-out samples by class. `unit_effects` (Z,) is how much the test error grows if a unit is held at its mean.
    `weights` has the weight of each penalty and the usual one.

    `steps` is the number of training steps in all epochs, and `steps_of_pass` that of one pass over the training data;
    a very short training has one epoch that is less than a pass. `path` is the run folder; `options` are the data
    options of the command line, such as "--label y --shape 28x28". `from_python` means that no command repeats the
    run, as with a custom module or data in memory.
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
    steps_of_pass: int | None = None
    train_cost: float | None = None
    test_cost: float | None = None
    train_cost_sem: float | None = None
    test_cost_sem: float | None = None
    train_floor: float | None = None
    test_floor: float | None = None
    has_floor: bool = True
    validation_cost: float | None = None
    validation_cost_sem: float | None = None
    validation_floor: float | None = None
    validation_mse: float | None = None
    validation_mse_sem: float | None = None
    validation_median: float | None = None
    validation_varies: float | None = None
    test_mse_sem: float | None = None
    test_median: float | None = None
    unlike: str = ""
    worst: str = ""
    worst_share: float | None = None
    mse_without: float | None = None
    n_half: int | None = None
    mse_of_others: float | None = None
    spans: Spans | None = None
    swallowed: tuple[Swallowed, ...] = ()
    n_of_class: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unit_effects: np.ndarray | None = None
    weights: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    lr: float | None = None
    starts_at_components: bool = False
    dropout: float = 0.0
    penalty_warmup: float = 0.0
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
        """Whether the training was so short that more steps should be tried first."""
        return self.steps is not None and self.steps < SHORT * USUAL_STEPS

    @property
    def whole_epochs(self) -> float | None:
        """The number of passes over the training data; under 1 if training ended within the first."""
        return self.steps / self.steps_of_pass if self.steps and self.steps_of_pass else None

    @property
    def length(self) -> str:
        """The length of the training in words: "20 epochs"."""
        if self.whole_epochs is None or self.whole_epochs >= 1:
            return counted(self.epochs, "epoch")
        return f"{counted(self.steps or 0, 'step')}, {self.whole_epochs:.0%} of a pass over the data,"

    @property
    def more_epochs(self) -> int:
        """The number of epochs to suggest: that of the usual budget, and at least twice as many as before."""
        usual = round(USUAL_STEPS / self.steps_of_pass) if self.steps_of_pass else 0
        return max(2 * self.epochs, usual)

    def train(self, changes: str, *, recipe: str | None = None) -> str | None:
        """The command that trains again with `changes`; with another recipe, only data and noise are kept."""
        if self.from_python:
            return None
        if self.path and recipe is None:
            return f"isthmus train --config {shell_word(f'{self.path}/config.toml')} {changes}".strip()
        given = self.is_denoiser and "--target" not in shlex.split(self.options)
        noise = f"--noise {shell_word(str(self.noise))}" if given else ""
        words = ["isthmus train", shell_word(self.source), "--recipe", recipe or self.recipe, noise]
        words.append(_shown(self.options))
        return " ".join(word for word in [*words, changes] if word)

    def check_test(self) -> str | None:
        """The command that checks the test data, if it has its own name; else all of the data."""
        given = shlex.split(self.options)
        if "--test" not in given:
            return self.check()
        return replace(self, source=given[given.index("--test") + 1]).check()

    def check(self) -> str | None:
        """The command that checks the data."""
        words = ["isthmus check", shell_word(self.source), _shown(self._options_without(DIVIDING))]
        return None if self.from_python else " ".join(word for word in words if word)

    def with_more_data(self) -> str | None:
        """The command that trains on all of the data if it was limited, else the one that checks it."""
        if "--limit" not in shlex.split(self.options):
            return self.check()
        return replace(self, options=self._options_without({"--limit"})).train("", recipe=self.recipe)

    def _options_without(self, left_out: set[str]) -> str:
        """The options except those, each of which has one value."""
        given = shlex.split(self.options)
        pairs = zip(["", *given], given, strict=False)
        return shlex.join(word for before, word in pairs if not {before, word} & left_out)

    def longer(self) -> str | None:
        """The command that trains for more epochs; it continues the run if there is a run folder."""
        more = f"--epochs {self.more_epochs}"
        return self.resume(more) if self.path else self.train(more)

    def resume(self, changes: str = "") -> str | None:
        """The command that continues the run."""
        return None if self.from_python else f"isthmus resume {shell_word(self.path or 'latest')} {changes}".strip()


def _shown(options: str) -> str:
    """Options as typed in a shell."""
    return " ".join(map(shell_word, shlex.split(options)))
