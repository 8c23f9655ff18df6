"""Errors for a training that diverges to NaN or infinity: where, the likely cause, and what to try."""

from __future__ import annotations

from torch import Tensor

from isthmus.errors import DivergedError

EARLY_STEPS = 16  # a non-finite cost before this step comes from the weights or the module, not from the rate


def diverged(
    what: str, step: int, epoch: int, samples: Tensor, data: Tensor, lr: float, kept_epoch: int
) -> DivergedError:
    """For a `what` (cost or gradient) that was not finite at `step`, counted from 0, on `samples` with values `data`.

    `epoch` is the number of finished epochs, `kept_epoch` the epoch of the checkpoint, 0 for none.
    """
    if not bool(data.isfinite().all()):
        cause = "the batch itself contains values that are not finite"
    elif step < EARLY_STEPS and what == "cost":
        cause = "this began in the first steps, so either the weights overflow, or the module returns such values"
    else:
        cause = "the usual cause is a learning rate that is too high"
    first = ", ".join(str(int(i)) for i in samples[:5])
    kept = f" The checkpoint of epoch {kept_epoch} is kept." if kept_epoch else ""
    message = (
        f"the {what} was not a finite number in epoch {epoch + 1}, step {step + 1} "
        f"(training samples {first}, …); {cause}. This update was skipped.{kept}"
    )
    return _error(message, lr)


def diverged_in_validation(cost: float, epoch: int, lr: float) -> DivergedError:
    """For a validation cost that is not finite after `epoch`."""
    return _error(f"the validation cost of epoch {epoch} is {cost}, which is not a finite number.", lr)


def _error(message: str, lr: float) -> DivergedError:
    return DivergedError("TRAIN-DIVERGED", message, fix=f"train again with a lower learning rate: --lr {lr / 3:.1g}")
