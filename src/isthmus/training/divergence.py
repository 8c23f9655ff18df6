"""The errors of a training whose numbers stopped being numbers: where, why most likely, and what to try."""

from __future__ import annotations

from torch import Tensor

from isthmus.errors import DivergedError

EARLY_STEPS = 16  # in which a cost that is not finite comes from the weights or the module, not from the rate


def diverged(
    what: str, step: int, epoch: int, samples: Tensor, data: Tensor, lr: float, kept_epoch: int
) -> DivergedError:
    """For a `what` (cost or gradient) that was not finite at `step`, counted from 0, on `samples` with values `data`.

    `epoch` are the finished ones, `kept_epoch` is the one in the checkpoint, 0 for none.
    """
    if not bool(data.isfinite().all()):
        cause = "the batch itself holds values that are not finite"
    elif step < EARLY_STEPS and what == "cost":
        cause = "it was so from the first steps: the weights overflow, or the module returns it for real data"
    else:
        cause = "a learning rate that is too high does this most often"
    first = ", ".join(str(int(i)) for i in samples[:5])
    kept = f" Epoch {kept_epoch} is kept in the checkpoint." if kept_epoch else ""
    message = (
        f"the {what} was not a finite number in epoch {epoch + 1}, step {step + 1} "
        f"(training samples {first}, …); {cause}. That update was skipped.{kept}"
    )
    return _error(message, lr)


def diverged_in_validation(cost: float, epoch: int, lr: float) -> DivergedError:
    """For a validation cost that is not finite after `epoch`."""
    return _error(f"the validation cost of epoch {epoch} is {cost}.", lr)


def _error(message: str, lr: float) -> DivergedError:
    return DivergedError("TRAIN-DIVERGED", message, fix=f"train again with a lower rate: --lr {lr / 3:.1g}")
