"""`TrainingMonitor`: logs costs, keeps the best weights, writes checkpoints and the history, and stops early."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from isthmus.errors import UsageError
from isthmus.system import checksums, files
from isthmus.training.checkpoint import Checkpoints


class TrainingMonitor:
    """Keeps `history` (one dict per epoch), the best epoch and its weights.

    `watch` names the logged value that decides which epoch is best; `better` is "lower" or "higher". `patience` is the
    number of epochs without a better value after which `early_stopping` returns True; with None it never does.
    Patience counts only after the watched value has been better than `start_below` (the cost of the mean image: before
    that, a network has learned nothing). `least` is the smallest change that counts as better.
    """

    def __init__(
        self,
        model: nn.Module,
        out: str | Path | None = None,
        *,
        patience: int | None = None,
        watch: str = "validation_cost",
        better: Literal["lower", "higher"] = "lower",
        start_below: float | None = None,
        least: float = 0.0,
    ) -> None:
        self.model, self.out = model, None if out is None else Path(out)
        self.patience, self.watch, self.start, self.least = patience, watch, start_below, least
        if better not in {"lower", "higher"}:
            raise UsageError(
                "USAGE-MONITOR", f"better is {better!r}.", fix='use "lower" (a cost) or "higher" (an accuracy)'
            )
        self.sign = 1.0 if better == "lower" else -1.0
        self.history: list[dict[str, Any]] = []
        self.best_epoch = 0
        self.best_value = math.inf  # multiplied by sign, so that lower is always better
        self.best_weights: dict[str, Tensor] = {}
        self._begun_at: int | None = None if start_below is not None else 0
        self._made = self.out is not None and self.out.is_dir()  # an existing folder is not created again

    @property
    def epoch(self) -> int:
        """The number of epochs logged, which is also the number of the last one (they count from 1)."""
        return len(self.history)

    def log(self, **values: float) -> dict[str, Any]:
        """Adds one epoch to the history and keeps the weights if it is the best so far.

        Raises: UsageError if the watched value is not among `values`.
        """
        if self.watch not in values:
            logged = f"only {', '.join(values)} {'was' if len(values) == 1 else 'were'}" if values else "nothing was"
            message = f"the monitor watches {self.watch!r}, but {logged} logged."
            raise UsageError(
                "USAGE-MONITOR", message, fix=f"log it, or make Monitor(…, watch={next(iter(values), 'cost')!r})"
            )
        row = {"epoch": self.epoch + 1} | values
        self.history.append(row)
        value = self.sign * float(values[self.watch])
        if value < self.best_value - self.least:
            self.best_value, self.best_epoch = value, self.epoch
            self.best_weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        if self._begun_at is None and self.start is not None and value < self.sign * self.start:
            self._begun_at = self.epoch
        return row

    @property
    def out_of_patience(self) -> bool:
        """Whether `patience` epochs have passed without a better value."""
        return self.patience is not None and self.since_better >= self.patience

    @property
    def since_better(self) -> int:
        """Epochs without a better value; 0 until patience counts."""
        return 0 if self._begun_at is None else self.epoch - max(self.best_epoch, self._begun_at)

    def early_stopping(self) -> bool:
        """Whether to stop because patience has run out; if so, the best weights are restored."""
        if self.out_of_patience:
            self.restore_best()
        return self.out_of_patience

    def renew_patience(self) -> None:
        """Counts patience from now on, for a run that is extended after it had stopped."""
        self._begun_at = self.epoch

    def restore_best(self) -> int:
        """Restores the weights of the best epoch and returns its number (0: nothing logged)."""
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)
        return self.best_epoch

    def save_checkpoint(self, tensors: Mapping[str, Mapping[str, Tensor]] | None = None, **state: Any) -> Path | None:
        """Saves weights, best weights and history in `out`, and writes `history.csv`.

        A training loop may add groups of `tensors`, such as its optimizer's, and its `state`: the step, and the batch
        within an epoch.
        """
        if self.out is None:
            return None
        self._make(self.out)
        groups = {"model": self.model.state_dict()} | dict(tensors or {})
        moved_on = self.best_epoch != self.epoch or state.get("batch") or "average" in groups
        if self.best_weights and moved_on:
            groups["best"] = self.best_weights
        about = {"history": self.history, "best_epoch": self.best_epoch, "begun_at": self._begun_at}
        self.write_history()
        return Checkpoints(self.out / "checkpoint").save(int(state.get("step", self.epoch)), groups, about | state)

    def restore(self, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Restores what `save_checkpoint` saved."""
        self.model.load_state_dict(dict(tensors["model"]))
        self.history = list(state["history"])
        self.best_epoch, self._begun_at = int(state["best_epoch"]), state["begun_at"]
        if self.best_epoch:
            self.best_value = self.sign * float(self.history[self.best_epoch - 1][self.watch])
            weights = tensors.get("best", tensors["model"])
            current = self.model.state_dict()
            self.best_weights = {k: v.to(current[k].device, copy=True) for k, v in weights.items()}

    def write_history(self) -> Path | None:
        """Writes `history.csv`: one row per epoch."""
        if self.out is None or not self.history:
            return None
        self._make(self.out)
        columns = list(dict.fromkeys(key for row in self.history for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        return checksums.write_text(self.out / "history.csv", text.getvalue(), begin=False)

    def move(self, out: Path) -> None:
        """Writes into another, existing folder from now on."""
        self.out, self._made = out, True

    def _make(self, out: Path) -> None:
        """Creates the folder before the first save, and never again."""
        if not self._made:
            try:
                out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise files.resource_error(out, error) from None
            self._made = True
