"""Steps that do not fit into memory: computes them in smaller pieces, whose gradients add up to the batch's."""

from __future__ import annotations

import warnings
from typing import final

import torch
from torch import Tensor

from isthmus.errors import ResourceError, UsageError
from isthmus.models.abstract_model import AbstractModel
from isthmus.parts.corruptions import Pair
from isthmus.system.memory import is_lack_of_memory
from isthmus.system.process_group import ONE
from isthmus.system.requests import Requests
from isthmus.training.agreement import AgreedRequests
from isthmus.training.dropout_slices import Dice
from isthmus.training.gradients import AbstractGradients, Learned
from isthmus.training.shared_gradients import SharedGradients
from isthmus.training_config import TrainingConfig
from isthmus.wording import counted


@final
class HalvingGradients(AbstractGradients):
    """The gradients of `whole`; after running out of memory, the same from two pieces of the batch, or four, …

    Raises: ResourceError if not even single samples fit, or the model cannot be trained in pieces.
    """

    def __init__(
        self, whole: AbstractGradients, model: AbstractModel, settings: TrainingConfig, device: torch.device
    ) -> None:
        self.used, self.model, self.settings, self.device = whole, model, settings, device
        self.moving = list(model.bottleneck.buffers())  # a pass may have changed them before memory ran out

    def __call__(self, pair: Pair, generator: torch.Generator, done: float | Tensor) -> Learned:
        drawn, dice, pieces = generator.get_state(), Dice(self.device), 1
        moving = [] if isinstance(self.used, SharedGradients) else [buffer.clone() for buffer in self.moving]
        while True:
            try:
                learned = self.used(pair, generator, done)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_lack_of_memory(error):
                    raise
            generator.set_state(drawn)  # after `except`, where the error no longer holds tensors of the pass
            dice.begin()
            for buffer, value in zip(self.moving, moving, strict=False):
                buffer.copy_(value)
            moving = []  # from here on, the pieces restore the buffers themselves
            pieces = self._halve(len(pair.x_in))
        if pieces > 1:
            self._say(len(pair.x_in), pieces)
        return learned

    def look(self) -> None:
        self.used.look()

    def _halve(self, B: int) -> int:
        """Divides the batch further, and returns the number of pieces."""
        for parameter in self.model.parameters():
            parameter.grad = None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if not isinstance(self.used, SharedGradients):
            try:
                self.used = SharedGradients(AgreedRequests(ONE, Requests()), self.model, self.settings, self.device)
            except UsageError as error:
                smaller = f"with --batch-size {B // 2}, or " if B > 3 else ""  # batch normalization needs 2 samples
                fix = f"train {smaller}a smaller network"
                raise _no_space(B, f"; it cannot be divided: {error.message.rstrip('.')}", fix) from None
        pieces = self.used.halve()
        if pieces >= 2 * B:
            more = ", nor does a single sample of it" if B > 1 else ""
            raise _no_space(B, more, "train a smaller network, such as --hidden 64, or on smaller samples")
        return pieces

    def _say(self, B: int, pieces: int) -> None:
        where = "GPU" if self.device.type == "cuda" else "machine"
        message = f"a step of {B:,} samples does not fit into the memory of this {where}; from now on it is computed in"
        warnings.warn(f"{message} {pieces} pieces, with the same result", stacklevel=2)


def _no_space(B: int, more: str, fix: str) -> ResourceError:
    message = f"a step of {counted(B, 'sample')} does not fit into memory{more}."
    return ResourceError("RESOURCE-MEMORY", message, fix=fix)


__all__ = ["HalvingGradients"]
