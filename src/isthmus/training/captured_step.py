"""A step that is captured once and replayed: one launch of a CUDA graph instead of a few hundred operations.

A graph repeats what was recorded, on the same memory. So everything that changes from step to step has its own tensor,
which is filled before each replay. The generator is seeded again, so a replay draws the same random numbers as the
step itself.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html, CUDA graphs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from isthmus.data.batching.batches import AbstractBatches
from isthmus.models.abstract_model import AbstractModel
from isthmus.randomness import seed_of
from isthmus.training.adamw import AdamW
from isthmus.training.gradients import WholeGradients
from isthmus.training.halving import HalvingGradients
from isthmus.training.step import AbstractStep, EagerStep, Stepped
from isthmus.training_config import TrainingConfig

WARM = 3  # steps before the capture, in which libraries choose kernels and allocate memory; as in PyTorch's docs
# How much a replay may differ from the step itself because of rounding, which was not measured on a GPU in bfloat16.
# Another batch, or other noise, changes the update by more; the tests check this.
COST_AGREES, UPDATE_AGREES = 1e-3, 0.05

Work = Callable[[], Stepped]


class AbstractRecorder(ABC):
    """Runs work, or records it to run again on the same tensors."""

    @abstractmethod
    def warm(self, work: Work) -> Stepped:
        """Runs `work` on the stream where it will be recorded."""

    @abstractmethod
    def record(self, work: Work, generator: torch.Generator) -> Work:
        """Returns a function that repeats `work`, which draws from `generator`. May run `work`; the caller undoes it.

        Raises: RuntimeError if `work` does something that cannot be recorded.
        """


@final
class CudaRecorder(AbstractRecorder):
    """Records CUDA graphs."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)

    def warm(self, work: Work) -> Stepped:
        usual = torch.cuda.current_stream()
        self.stream.wait_stream(usual)
        with torch.cuda.stream(self.stream):
            stepped = work()
        usual.wait_stream(self.stream)
        return stepped

    def record(self, work: Work, generator: torch.Generator) -> Work:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        usual = torch.cuda.current_stream()
        try:  # other threads may use the GPU meanwhile, such as that of a page that shows the training
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                stepped = work()
        finally:  # after a failed capture its own stream would stay the current one
            torch.cuda.set_stream(usual)

        def replay() -> Stepped:
            graph.replay()
            return stepped

        return replay


@final
class CapturedStep(AbstractStep):
    """Replays the step of `eager` for batches of `batch_size` samples; `eager` itself computes all other batches.

    The first replay is compared with the step itself. If they differ, or nothing can be recorded, `notes` says so and
    `eager` computes all steps.
    """

    def __init__(self, eager: EagerStep, recorder: AbstractRecorder, batch_size: int) -> None:
        self.eager, self.recorder, self.notes = eager, recorder, eager.notes
        device = eager.device
        self.rows = torch.zeros(batch_size, dtype=torch.int64, device=device)
        self.done, self.share = (torch.zeros((), device=device) for _ in range(2))
        self.generator = torch.Generator(device)
        self.begun = 0  # whole batches so far that were not replayed
        self.replay: Work | None = None
        self.augmented = False  # whether the recording augments
        self.is_given_up = False

    @property
    def shakes(self) -> bool:
        return self.eager.shakes

    def __call__(self, rows: Tensor, step: int, done: float, share: float) -> Stepped:
        if self.is_given_up or len(rows) != len(self.rows):
            return self.eager(rows, step, done, share)
        if self.begun < WARM:
            self.begun += 1
            return self.recorder.warm(lambda: self.eager(rows, step, done, share))
        if self.replay is None or self.augmented is not self.eager.batches.augments(done):
            return self._capture(rows, step, done, share)
        return self._replayed(self.replay, rows, step, done, share)

    def look(self) -> None:
        self.eager.look()

    def _replayed(self, replay: Work, rows: Tensor, step: int, done: float, share: float) -> Stepped:
        self._fill(rows, seed_of(self.eager.settings.seed, step, "step"), done, share)
        self.eager.shake(step)
        return replay()

    def _fill(self, rows: Tensor, seed: int, done: float, share: float) -> None:
        self.rows.copy_(rows)
        self.generator.manual_seed(seed)
        self.done.fill_(done)
        self.share.fill_(share)

    def _capture(self, rows: Tensor, step: int, done: float, share: float) -> Stepped:
        """Records with other values, tries the recording on this step, and returns what `eager` computes for it."""
        before = [tensor.clone() for tensor in self._changed()]
        self.augmented = self.eager.batches.augments(done)
        self._fill(rows.flip(0), seed_of(self.eager.settings.seed, "capture"), done / 2, share / 2)
        try:
            if why := why_not(self.eager):
                raise RuntimeError(why)
            replay = self.recorder.record(self._work, self.generator)
        except (RuntimeError, MemoryError) as error:
            self._restore(before)
            return self._give_up(_reason(error))(rows, step, done, share)
        self._restore(before)
        tried, found = self._replayed(replay, rows, step, done, share), self._weights()
        self._restore(before)
        stepped = self.eager(rows, step, done, share)
        agrees = _agree(tried, stepped, found, self._weights(), before[: len(found)])
        if agrees is False:
            self._give_up("the replay gives a different result")
        self.replay = replay if agrees else None
        return stepped

    def _work(self) -> Stepped:
        """The work to record: the step of `eager`, on tensors that keep their memory."""
        eager = self.eager
        pair = eager.pair(self.rows, self.generator, self.done, augmented=self.augmented)
        learned = eager.gradients.used(pair, self.generator, self.done)
        return Stepped(learned.told, learned.penalties, eager.update_unseen(learned.cost, self.share))

    def _changed(self) -> list[Tensor]:
        """All tensors that a step changes; the weights come first."""
        groups = self.eager.optimizer.groups
        moved = [tensor for group in groups for tensor in (*group.moments, group.steps)]
        return [group.weights for group in groups] + moved + list(self.eager.model.buffers())

    def _weights(self) -> list[Tensor]:
        return [group.weights.clone() for group in self.eager.optimizer.groups]

    @torch.no_grad()
    def _restore(self, before: list[Tensor]) -> None:
        for tensor, value in zip(self._changed(), before, strict=True):
            tensor.copy_(value)
        self.eager.optimizer.refresh_low()

    def _give_up(self, why: str) -> EagerStep:
        self.is_given_up, self.replay = True, None
        self.notes.append(_note(why))
        return self.eager


def step_for(
    model: AbstractModel,
    batches: AbstractBatches,
    settings: TrainingConfig,
    optimizer: AdamW,
    gradients: HalvingGradients,
) -> EagerStep | CapturedStep:
    """The step that the settings request; if a graph is not possible, a step without one, with a note."""
    eager = EagerStep(model, batches, settings, optimizer, gradients)
    if settings.step != "graph":
        return eager
    if why := why_not(eager):
        eager.notes.append(_note(why))
        return eager
    return CapturedStep(eager, CudaRecorder(batches.device), batches.batch_size)


def why_not(eager: EagerStep) -> str | None:
    """Why a step cannot be recorded, as far as this is known in advance."""
    if eager.model.own is not None:
        return "the network is your own module, and a graph would not repeat its Python code"
    if not isinstance(eager.gradients.used, WholeGradients):
        return "the step is computed in parts"
    if eager.batches.lies_on.type != eager.device.type:
        return "the data is not in the memory of the GPU"
    if not eager.optimizer.is_fused:
        return "this version of PyTorch has no fused AdamW for this device"
    return None


def _agree(
    tried: Stepped, stepped: Stepped, found: list[Tensor], right: list[Tensor], before: list[Tensor]
) -> bool | None:
    """Whether the replay gave the same result as the step; None if the step was skipped."""
    if float(stepped.bad):
        return None
    costs = float((tried.told - stepped.told).abs() / stepped.told.abs().clamp_min(1e-12))
    gap = sum(float((a - b).square().sum()) for a, b in zip(found, right, strict=True))
    update = sum(float((a - b).square().sum()) for a, b in zip(right, before, strict=True))
    return costs <= COST_AGREES and gap <= UPDATE_AGREES**2 * update


def _reason(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _note(why: str) -> str:
    return f"the training step was not captured as a CUDA graph: {why}. Training runs without it, more slowly."


__all__ = ["AbstractRecorder", "CapturedStep", "CudaRecorder", "step_for", "why_not"]
