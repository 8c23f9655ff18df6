"""The training loop. It reads like the notebook: model, criterion, optimizer, monitor; then epochs of steps.

Nothing in a step waits for the device. Random numbers come from (seed, step, purpose), so a resumed run draws the same
numbers as an uninterrupted one. A step whose cost or gradient is not finite is skipped on the device, and the loop
checks the count every few steps.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from isthmus.data.batching.batches import AbstractBatches
from isthmus.errors import DivergedError, FolderGoneError, ResourceError
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.costs import mean_cost, refuse_alone
from isthmus.randomness import generator_for
from isthmus.system.process_group import ONE, AbstractGroup
from isthmus.system.requests import Requests
from isthmus.system.signals import StopSignals
from isthmus.training.agreement import AgreedRequests
from isthmus.training.averaging import AveragedWeights
from isthmus.training.captured_step import step_for
from isthmus.training.divergence import diverged, diverged_in_validation
from isthmus.training.gradients import AbstractGradients, WholeGradients
from isthmus.training.halving import HalvingGradients
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.optimizer import adamw, plan, rate
from isthmus.training.shared_gradients import SharedGradients
from isthmus.training.step_context import own_randomness, widest
from isthmus.training.written_steps import write_out
from isthmus.training_config import TrainingConfig

LOOK_EVERY = 8  # steps between two checks of the device's count of bad steps: a delay of 40 ms, without any cost
SKIPS_ALLOWED = 3  # steps with a finite cost but a non-finite gradient that are skipped before training stops
CHECKPOINT_SHARE = 0.1  # the largest share of the training time for checkpoints, if epochs are shorter than a save


@dataclass
class Progress:
    """The state of the loop, for displays and checkpoints."""

    epochs: int
    batches: int
    epoch: int = 0  # finished epochs
    batch: int = 0  # finished batches of the current epoch
    cost_sum: float = 0.0  # sum over the samples of the current epoch
    penalty_sums: dict[str, Any] = field(default_factory=dict)  # the same for each penalty, in nats and unweighted
    train_seconds: float = 0.0
    samples_seen: int = 0
    stopped_by: str = "budget"
    exit_code: int = 0
    log: list[str] = field(default_factory=list)

    @property
    def step(self) -> int:
        return self.epoch * self.batches + self.batch

    @property
    def samples_per_second(self) -> float:
        return self.samples_seen / self.train_seconds if self.train_seconds else 0.0


OnStep = Callable[[Progress], None]


class Trainer:
    """Trains `model` on `batches`, with the others of `group`; evaluates `validation` (a tensor) after every epoch."""

    def __init__(
        self,
        model: AbstractModel,
        batches: AbstractBatches,
        validation: Tensor,
        settings: TrainingConfig,
        monitor: TrainingMonitor,
        requests: Requests | None = None,
        group: AbstractGroup = ONE,
    ) -> None:
        self.model, self.batches, self.validation = model, batches, validation
        self.settings, self.monitor, self.group = settings, monitor, group
        self.requests: Requests | AgreedRequests = requests or Requests()
        self.device = batches.device
        self.progress = Progress(*plan(settings, len(batches)))
        self.optimizer = adamw(model, settings)
        refuse_alone(model, batches.batch_size, len(validation))
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        given = model, settings, self.device
        gradients: AbstractGradients = WholeGradients(*given)
        if group.size > 1:
            self.requests = AgreedRequests(group, self.requests)
            gradients = SharedGradients(self.requests, *given)
        self.step = step_for(model, batches, settings, self.optimizer, HalvingGradients(gradients, *given))
        self.progress.log = self.step.notes  # shown with all other messages
        self.written = write_out(model, self.optimizer, settings)
        self.averaged = AveragedWeights(model, settings.average) if settings.average else None
        self.skipped = 0  # steps whose gradient was not finite
        self.kept_epoch = 0  # the last finished epoch in a checkpoint
        self._flags = torch.zeros(LOOK_EVERY, device=self.device)  # flags of the steps since the last check
        self._saved_at = self._save_took = 0.0

    def restore(self, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> None:
        """Restores a checkpoint, which may be from the middle of an epoch."""
        self.monitor.restore(tensors, state)
        self.optimizer.restore(tensors["optimizer"])
        if self.averaged:
            self.averaged.restore(tensors["average"])
        for name in ("epoch", "batch", "cost_sum", "train_seconds", "samples_seen"):
            setattr(self.progress, name, state[name])
        self.progress.penalty_sums = dict(state.get("penalty_sums", {}))
        self.kept_epoch = self.monitor.epoch

    def run(self, on_epoch: Callable[[dict[str, Any]], None], on_step: OnStep) -> Progress:
        """Trains until the budget or the patience is used up, or until a request or a signal.

        Then restores the best weights, except after a signal. `on_epoch` gets the logged row, `on_step` is called every
        few steps. On a request to finish within an epoch, the part of it that was trained counts as an epoch.

        Raises: DivergedError if the cost is not finite. The last checkpoint is kept.
        """
        progress = self.progress
        with StopSignals() as signals, own_randomness(self.step.shakes), contextlib.closing(self.written):
            stop = self._stop(signals)
            while not self.is_done and progress.stopped_by == "budget":
                self._advance(stop, on_epoch, on_step)
        if progress.stopped_by == "interrupted":
            return progress
        if progress.stopped_by == "budget" and self._gives_up():
            progress.stopped_by = "patience"
        self.monitor.restore_best()  # after saving: the checkpoint has the weights to resume with
        return progress

    def save(self) -> None:
        """Saves a checkpoint. Raises: ResourceError; FolderGoneError if the run folder was deleted or moved."""
        kept = ("step", "epoch", "batch", "cost_sum", "penalty_sums", "train_seconds", "samples_seen")
        state = {name: getattr(self.progress, name) for name in kept}
        average = {"average": self.averaged.tensors()} if self.averaged else {}
        if self.monitor.save_checkpoint({"optimizer": self.optimizer.tensors()} | average, **state) is not None:
            self.kept_epoch = self.monitor.epoch

    @property
    def is_done(self) -> bool:
        """Whether the budget or the patience is used up."""
        return self.progress.epoch >= self.progress.epochs or self._gives_up()

    def _gives_up(self) -> bool:
        share = self.settings.stall
        stalls = share is not None and self.monitor.since_better >= max(1.0, share * self.progress.epochs)
        # With a decaying schedule the last epochs are the best ones, so patience would stop too early.
        return stalls or (self.settings.schedule == "constant" and self.monitor.out_of_patience)

    def _stop(self, signals: StopSignals) -> StopSignals:
        """The stop signal, which all processes see at the same step."""
        if not isinstance(self.requests, AgreedRequests):
            return signals
        self.requests.signals = signals
        return self.requests.stop

    def _advance(self, stop: StopSignals, on_epoch: Callable[[dict[str, Any]], None], on_step: OnStep) -> None:
        """Trains to the end of the epoch and closes it, or until a signal or a request."""
        whole = self._train_epoch(stop, on_step)
        if not whole and (stop or not self.requests.finishes):
            return self._halt(stop)
        if self.progress.batch:  # 0 after a request to finish between two epochs
            with self.averaged.in_place() if self.averaged else contextlib.nullcontext():
                self._close_epoch(on_epoch)
        if self.requests.finishes and not self.is_done:
            self.progress.stopped_by = "request"
        self._save(force=self.is_done or self.requests.finishes)

    def _halt(self, stop: StopSignals) -> None:
        """Saves within an epoch, then ends after a signal, or waits during a pause."""
        self._save(force=True)
        if stop:
            self.progress.stopped_by, self.progress.exit_code = "interrupted", stop.exit_code
        else:
            self.requests.wait(stop)

    def _train_epoch(self, stop: StopSignals, on_step: OnStep) -> bool:
        """Trains the rest of one epoch; returns False after a signal or a request."""
        progress, rows = self.progress, self.batches.rows(self.progress.epoch)
        cost_sum = torch.tensor(progress.cost_sum, device=self.device, dtype=widest(self.device))
        self.model.train()
        self.optimizer.refresh_low()
        begun = time.perf_counter()
        try:
            while progress.batch < progress.batches and not stop and not self.requests.pending:
                batch = rows[progress.batch]
                cost_sum += self._step(batch) * len(batch)
                if self.averaged:
                    self.averaged.update(progress.step)
                progress.batch += 1
                progress.samples_seen += len(batch)
                if progress.batch % LOOK_EVERY == 0 or progress.batch == progress.batches:
                    self._look(rows, cost_sum)
                    progress.train_seconds += -begun + (begun := time.perf_counter())
                    on_step(progress)
                    self.requests.look()
            if progress.batch % LOOK_EVERY:  # stopped between two checks
                self._look(rows, cost_sum)
        finally:  # also if another process has ended within a step; then all earlier steps are saved
            progress.train_seconds += time.perf_counter() - begun
            progress.cost_sum = float(cost_sum)
            progress.penalty_sums = {name: float(value) for name, value in progress.penalty_sums.items()}
        return progress.batch == progress.batches

    def _step(self, rows: Tensor) -> Tensor:
        """One batch: cost, gradient, update, all on the device. Returns the cost per value, for reports."""
        progress, sums = self.progress, self.progress.penalty_sums
        steps = progress.epochs * progress.batches
        stepped = self.step(rows, progress.step, progress.step / steps, rate(progress.step, steps, self.settings))
        self._flags[progress.batch % LOOK_EVERY] = stepped.bad
        for name, mean in stepped.penalties.items():  # for the history, on the device
            sums[name] = sums.get(name, 0.0) + mean * len(rows)
        return stepped.told

    def _look(self, rows: list[Tensor], cost_sum: Tensor) -> None:
        """Reads the flags of the last few steps. Raises: DivergedError if training cannot continue."""
        self.step.look()
        flags = self._flags.tolist()
        self._flags.zero_()
        if not any(flags):
            return
        batch = (self.progress.batch - 1) // LOOK_EVERY * LOOK_EVERY + next(i for i, flag in enumerate(flags) if flag)
        self.skipped += int(sum(flags))
        if not bool(cost_sum.isfinite()):
            raise self._diverged("cost", batch, rows)
        if self.skipped > SKIPS_ALLOWED:
            raise self._diverged("gradient", batch, rows)

    def _diverged(self, what: str, batch: int, rows: list[Tensor]) -> DivergedError:
        progress, samples = self.progress, rows[batch]
        step = progress.epoch * progress.batches + batch
        data = self.batches.take(samples, generator_for(0))
        return diverged(what, step, progress.epoch, samples, data, self.settings.lr, self.kept_epoch)

    def _close_epoch(self, on_epoch: Callable[[dict[str, Any]], None]) -> None:
        progress, settings = self.progress, self.settings
        begun, before = time.perf_counter(), sum(row["seconds"] for row in self.monitor.history)
        validation = mean_cost(self.model, self.validation, self.device, settings.seed, "validation")
        validation = float(self.group.copy_(torch.tensor(validation, dtype=torch.float64)))  # the same for all
        n = min(progress.batch * self.batches.batch_size, self.batches.n_samples)
        row = self.monitor.log(
            train_cost=progress.cost_sum / n,
            validation_cost=validation,
            **{name: value / n for name, value in progress.penalty_sums.items()},
            **self.model.bottleneck.statistics(),
            lr=self.optimizer.rate,
            seconds=round(progress.train_seconds + time.perf_counter() - begun - before, 4),
        )
        progress.epoch, progress.batch, progress.cost_sum, progress.penalty_sums = progress.epoch + 1, 0, 0.0, {}
        if not torch.isfinite(torch.tensor(validation)):
            raise diverged_in_validation(validation, progress.epoch, self.settings.lr)
        on_epoch(row)

    def _save(self, *, force: bool) -> None:
        """Saves a checkpoint after every epoch; if epochs are shorter than a save, in at most a tenth of the time."""
        now = time.perf_counter()
        if not force and now - self._saved_at < self._save_took / CHECKPOINT_SHARE:
            return
        try:
            self.save()
        except ResourceError as error:
            if force or isinstance(error, FolderGoneError):
                raise
            epoch = self.progress.epoch
            self.progress.log.append(
                f"the checkpoint of epoch {epoch} could not be saved: {error.message} Training continues."
            )
        self._saved_at = time.perf_counter()
        self._save_took = self._saved_at - now
