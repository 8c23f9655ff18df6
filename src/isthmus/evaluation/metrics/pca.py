"""The error of PCA, the best linear code, on samples that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jaxtyping import Float
from torch import Tensor

from isthmus.errors import DataError
from isthmus.training.principal_components import Rows

ToWeights = Callable[[Tensor], Tensor | None]  # samples (B, *shape) on the scale of x -> weight of each value
Range = tuple[float, float] | None


def error_of(
    test: Iterable[Float[Tensor, "M ..."]],
    mean: Tensor,
    components: Tensor,
    *,
    value_range: Range = None,
    weigh: ToWeights | None = None,
) -> float:
    """Mean squared error of test samples, in chunks, projected onto mean + components.

    Reconstructions are clipped to `value_range`, in which all true values are. `weigh` gives the weight of each value,
    with mean 1 in each sample; None if all have the same weight.
    """
    total, n = 0.0, 0
    for chunk in test:
        if chunk[:1].numel() != len(mean):
            message = f"training samples have {len(mean):,} values, but test samples the shape {tuple(chunk.shape)}."
            raise DataError("DATA-SHAPE", message, fix="pass at least one of each, in the same shape")
        for _, piece in Rows(chunk, Tensor.float):
            x_hat = (piece - mean) @ components @ components.T + mean
            x_hat = x_hat.clamp(*value_range) if value_range else x_hat
            squares = (piece - x_hat).square()
            weights = None if weigh is None else weigh(piece.reshape(-1, *chunk.shape[1:]))
            squares = squares if weights is None else squares * weights.flatten(1)
            total, n = total + float(squares.mean(1).sum()), n + len(piece)
    return total / n
