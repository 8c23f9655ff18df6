"""What verdicts are judged from besides `metrics.json` and the history, measured once after training."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from isthmus.evaluation.verdicts.data_facts import Spans, Swallowed
from isthmus.training_config import STEPS
from isthmus.wording import counted, shell_word

USUAL_STEPS = STEPS
DIVIDING = {
    "--limit",
    "--validation",
    "--test",
    "--duplicates",
}  # which `isthmus check` has not: it looks at all of the data
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

    `validation_…` are the same costs of validation samples. `validation_mse`, `test_mse` with their `_sem` and
    `_median` are squared errors a sample, `validation_varies` that of the mean training sample on validation samples;
    `unlike` says in words where test and training data differ most. `worst` is the one test sample that costs most, its
    share of all squared errors `worst_share`, and `mse_without` the test error without it. `n_half` is the least number
    of test samples that make half of all squared errors, `mse_of_others` the test error without them.

    `spans` are the ends of nearly all training images as the network takes them (see `data_facts.spans`), None where a
    range was chosen; `swallowed` the columns whose scale one value makes. `n_of_class` counts training and held-out
    samples by class. `unit_effects` (Z,) is by how much the test error grows with each unit held at its mean.
    `weights` are the penalties' weights, each beside the usual one.

    `steps` were trained in all the epochs, and a pass over the training data takes `steps_of_pass`; a short training
    has one epoch that ends within it. `path` is the run folder; `options` are data options of the command
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
        """Whether so few steps were trained that nothing but more of them need be tried."""
        return self.steps is not None and self.steps < SHORT * USUAL_STEPS

    @property
    def whole_epochs(self) -> float | None:
        """How many passes over the data the steps were; under 1 of a training that ended within its first."""
        return self.steps / self.steps_of_pass if self.steps and self.steps_of_pass else None

    @property
    def length(self) -> str:
        """How long was trained, in words: "20 epochs"."""
        if self.whole_epochs is None or self.whole_epochs >= 1:
            return counted(self.epochs, "epoch")
        return f"{counted(self.steps or 0, 'step')}, {self.whole_epochs:.0%} of a pass over the data,"

    @property
    def more_epochs(self) -> int:
        """The epochs to try where more may help: those of the usual budget, and at least twice those there were."""
        usual = round(USUAL_STEPS / self.steps_of_pass) if self.steps_of_pass else 0
        return max(2 * self.epochs, usual)

    def train(self, changes: str, *, recipe: str | None = None) -> str | None:
        """The command that trains once more with `changes`; with another recipe only the data and noise are kept."""
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
        """The command that looks at the test data, where that has a name of its own; else at all of the data."""
        given = shlex.split(self.options)
        if "--test" not in given:
            return self.check()
        return replace(self, source=given[given.index("--test") + 1]).check()

    def check(self) -> str | None:
        """The command that looks at the data."""
        words = ["isthmus check", shell_word(self.source), _shown(self._options_without(DIVIDING))]
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

    def longer(self) -> str | None:
        """The command that trains for more epochs: it goes on with the run where that has a folder."""
        more = f"--epochs {self.more_epochs}"
        return self.resume(more) if self.path else self.train(more)

    def resume(self, changes: str = "") -> str | None:
        """The command that goes on with the run."""
        return None if self.from_python else f"isthmus resume {shell_word(self.path or 'latest')} {changes}".strip()


def _shown(options: str) -> str:
    """Options as a person types them."""
    return " ".join(map(shell_word, shlex.split(options)))
