"""`Prepared`: settings, data and preprocessing of a training, all settled before the first step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.config import Config
from isthmus.data.batching.batches import in_order, resident
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.split import Splits
from isthmus.data.samples import Samples

IN_MEMORY = "data in memory"


@dataclass(frozen=True)
class Prepared:
    """All that is settled before the first step. `config` has no `auto` left; `said` are sentences for people."""

    config: Config
    splits: Splits
    preprocess: Preprocess
    device: torch.device
    said: tuple[str, ...]

    def tensor(self, samples: Samples) -> Tensor:
        return resident(samples.x, self.preprocess, self.device)

    def x(self, samples: Samples, most: int | None = None) -> Tensor:
        """Network input on the processor; of at most `most` samples, spread evenly since data is often sorted."""
        stride = 1 if most is None else -(-len(samples) // max(most, 1))
        data = resident(samples.x[::stride], self.preprocess, torch.device("cpu"))
        if data.dtype != torch.uint8:
            return data
        x, at = torch.empty(data.shape), 0  # filled piece by piece: joined pieces would be there twice
        for part in in_order(data, self.preprocess, torch.device("cpu")):
            x[at : at + len(part)] = part
            at += len(part)
        return x
