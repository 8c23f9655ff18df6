"""Errors for a training that diverges to NaN or infinity: where, the likely cause, and what to try."""

from __future__ import annotations

from torch import Tensor

from isthmus.errors import DivergedError
from isthmus.wording import plural

EARLY_STEPS = 16  # a non-finite cost before this step comes from the weights or the module, not from the rate


def diverged(
    what: str, step: int, epoch: int, samples: Tensor, data: Tensor, lr: float, kept_epoch: int
) -> DivergedError:
    """For a `what` (cost or gradient) that was not finite at `step`, counted from 0, on `samples` with values `data`.

    `samples` are their positions in the training part, counted from 0. `epoch` is the number of finished epochs,
    `kept_epoch` the epoch of the checkpoint, 0 for none.
    """
    fix = _lower(lr)
    if not bool(data.isfinite().all()):
        cause = "the batch itself contains values that are not finite"
        fix = "remove NaN and infinite values from the data, and train again"
    elif step < EARLY_STEPS and what == "cost":
        cause = "this began in the first steps, so either the weights overflow, or the module returns such values"
    else:
        cause = "the usual cause is a learning rate that is too high"
    first = ", ".join(str(int(i)) for i in samples[:5]) + (", …" if len(samples) > 5 else "")
    kept = f" The checkpoint of epoch {kept_epoch} is kept." if kept_epoch else ""
    message = (
        f"the {what} was not a finite number in epoch {epoch + 1:,}, step {step + 1:,} "
        f"(training {plural(len(samples), 'sample')} {first}); {cause}. This update was skipped.{kept}"
    )
    return DivergedError("TRAIN-DIVERGED", message, fix=fix)


def diverged_in_validation(cost: float, epoch: int, lr: float) -> DivergedError:
    """For a validation cost that is not finite after `epoch`."""
    message = f"the validation cost of epoch {epoch:,} is {cost}, which is not a finite number."
    return DivergedError("TRAIN-DIVERGED", message, fix=_lower(lr))


def _lower(lr: float) -> str:
    return f"train again with a lower learning rate: --lr {lr / 3:.1g}"
