"""`Prepared`: settings, data and preprocessing of a training, all final before the first step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from isthmus.config import Config
from isthmus.data.batching.batches import in_order, resident
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.split import Splits
from isthmus.data.numeric import value_range
from isthmus.data.samples import Samples
from isthmus.parts.refinement import step_of
from isthmus.parts.shortcuts import LinearCode
from isthmus.training.components import Components, components_of, linear_code_of_images, rough_code

IN_MEMORY = "data in memory"
CPU = torch.device("cpu")


class TrainingStatistics:
    """Statistics of training samples as network input, each computed once, when it is first needed."""

    def __init__(self, train: Samples, preprocess: Preprocess) -> None:
        self.train, self.preprocess = train, preprocess
        self._of_images: dict[int, LinearCode] = {}

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest raw value."""
        return value_range(self.train.x if self.train.whole is None else self.train.whole.values)

    @property
    def reaches_beyond(self) -> bool:
        """Whether a few values of images are darker than their black, or brighter than their white."""
        if self.preprocess.ends is None:
            return False
        (black, white), (least, greatest) = self.preprocess.ends, self.ends
        slack = 1e-6 * (white - black)  # float32 has seven digits
        return least < black - slack or greatest > white + slack

    @cached_property
    def mean(self) -> Tensor:
        """The mean sample as network input, float32, on the CPU."""
        data = resident(self.train.x, self.preprocess, CPU)
        total = sum(x.sum(0, dtype=torch.float64) for x in in_order(data, self.preprocess, CPU))
        return (torch.as_tensor(total) / len(data)).float()

    @cached_property
    def components(self) -> Components:
        """The principal components of a table."""
        return components_of(self.train, self.preprocess)

    def linear_code(self, k: int) -> LinearCode:
        """The code of the first k principal components, or of fewer if there are fewer."""
        if not self.preprocess.is_image:
            return self.components.code(k)
        if k not in self._of_images:
            self._of_images[k] = linear_code_of_images(self.train, self.preprocess, k)
        return self._of_images[k]

    def found_code(self, k: int) -> LinearCode | None:
        """The result of `linear_code` for images in full resolution, if it was computed; the PCA baseline reuses it."""
        whole = self.preprocess.is_image and step_of(self.preprocess.shape) == 1
        return self._of_images.get(k) if whole else None


@dataclass(frozen=True)
class Prepared:
    """Everything that is decided before the first step. `config` has no `auto` left; `said` are notes for the user.

    The same data with other settings can share `training_statistics`; for other data they are computed again.
    """

    config: Config
    splits: Splits
    preprocess: Preprocess
    device: torch.device
    said: tuple[str, ...]
    training_statistics: TrainingStatistics | None = None

    def __post_init__(self) -> None:
        known = self.training_statistics
        if known is None or known.train is not self.splits.train or known.preprocess is not self.preprocess:
            made = TrainingStatistics(self.splits.train, self.preprocess)
            object.__setattr__(self, "training_statistics", made)

    @property
    def mean(self) -> Tensor:
        """The mean of the training data as network input, in the shape of one sample."""
        assert self.training_statistics is not None
        return self.training_statistics.mean

    def linear_code(self, k: int) -> LinearCode:
        """The code of at most k principal components of the training data."""
        assert self.training_statistics is not None
        return self.training_statistics.linear_code(k)

    def found_code(self, k: int) -> LinearCode | None:
        """As `TrainingStatistics.found_code`."""
        assert self.training_statistics is not None
        return self.training_statistics.found_code(k)

    def rough_code(self, k: int) -> LinearCode:
        """An approximation from a few thousand samples, for layers that are trained further."""
        return rough_code(self.splits.train, self.preprocess, k)

    def tensor(self, samples: Samples) -> Tensor:
        """The targets, as a resident tensor."""
        return resident(samples.x, self.preprocess, self.device)

    def pairs(self, samples: Samples) -> Tensor:
        """Like `tensor`, with the network's input of pairs as additional channels, for `AbstractModel.pair`."""
        return resident(samples.both, self.preprocess, self.device)

    def x(self, samples: Samples, most: int | None = None) -> Tensor:
        """Network input on the CPU; of at most `most` samples, evenly spaced because data is often sorted."""
        return self._on_processor(samples.x[:: _stride(samples, most)])

    def x_pairs(self, samples: Samples, most: int | None = None) -> Tensor:
        """Like `x`, with the network's input of pairs as additional channels."""
        stride = _stride(samples, most)
        return self._on_processor(samples.changed(lambda x: x[::stride]).both)

    def _on_processor(self, raw: np.ndarray) -> Tensor:
        data = resident(raw, self.preprocess, CPU)
        if data.dtype != torch.uint8:
            return data
        x, at = torch.empty(data.shape), 0  # filled piece by piece: joining pieces needs twice the memory
        for part in in_order(data, self.preprocess, CPU):
            x[at : at + len(part)] = part
            at += len(part)
        return x


def _stride(samples: Samples, most: int | None) -> int:
    return 1 if most is None else max(1, -(-len(samples) // max(most, 1)))
