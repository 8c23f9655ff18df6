"""A trained model in float64, so that what comes out for a sample does not depend on what stands beside it.

In float32 a matrix product rounds otherwise for a batch of one than for a batch of twenty, by some 1e-7. Where results
are compared, as scikit-learn's users do, that shows; in float64 the difference is 1e-16 and nobody meets it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.data.batching.batches import CHUNK
from isthmus.models.autoencoder import Model


class Double:
    """`model` in float64 on the processor, in evaluation mode; `model` itself stays as it is.

    Everything here is deterministic and takes and gives network scale: x is what `Preprocess.to_x` makes of raw values.
    """

    def __init__(self, model: Model) -> None:
        self.model = copy.deepcopy(model).cpu().double().eval()

    def codes(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B Z"]:
        """The codes z of x."""
        return _in_chunks(self._code, x)

    def x_hat(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B ..."]:
        """What the decoder makes of codes."""
        return _in_chunks(self._picture, z)

    def errors(self, x: Float[Tensor, "B ..."]) -> Tensor:
        """The mean squared error of the reconstruction of each sample, (B,)."""
        return _in_chunks(lambda part: (self._picture(self._code(part)) - part).square().flatten(1).mean(1), x)

    def _code(self, x: Tensor) -> Tensor:
        return self.model.bottleneck(self.model.encoder(x), sample=False).z

    def _picture(self, z: Tensor) -> Tensor:
        return self.model.likelihood.mean(self.model.decoder(z))


@torch.no_grad()
def _in_chunks(function: Callable[[Tensor], Tensor], data: Tensor) -> Tensor:
    return torch.cat([function(chunk.double()) for chunk in data.split(CHUNK)])
