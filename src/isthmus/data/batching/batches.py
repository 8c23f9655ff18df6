"""A data set as one tensor on the device; a batch is an indexed slice, scaled there. No Python code per sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.streamed_tensor import StreamedTensor
from isthmus.data.stored_rows import StoredRows
from isthmus.errors import UsageError
from isthmus.randomness import generator_for
from isthmus.registry import parse, plain
from isthmus.system.progress import each

CHUNK = 2_000  # samples at once in a pass without gradients: enough to keep the cores busy, 6 MB of MNIST
CHUNK_VALUES = 2**22  # fewer large samples: 16 MB of x, while activations take many times as much


def resident(raw: np.ndarray | StoredRows | Tensor, preprocess: Preprocess, device: torch.device) -> Tensor:
    """The samples as one tensor on `device`: bytes stay bytes and are scaled batch by batch; others become x at once.

    Data that does not fit next to a model on an accelerator (more than half its free memory) stays where it is, and
    batches are copied. Rows that stay on disk are not read here; a `StreamedTensor` represents them.
    """
    if isinstance(raw, StoredRows):
        return cast(Tensor, StreamedTensor(raw, preprocess))  # it is used like a tensor
    tensor = raw if isinstance(raw, Tensor) else torch.from_numpy(raw if raw.flags.writeable else raw.copy())
    if tensor.dtype == torch.float64:
        tensor = _narrowed(tensor, preprocess)
        return tensor.to(device) if _fits(tensor, device) else tensor
    if _fits(tensor, device):
        tensor = tensor.to(device)
    return tensor if tensor.dtype == torch.uint8 else preprocess.to_x(tensor)


def _fits(tensor: Tensor, device: torch.device) -> bool:
    """Whether the whole tensor fits on the accelerator next to a model."""
    return (device.type == "cuda" and tensor.nbytes < torch.cuda.mem_get_info(device)[0] // 2) or device.type == "mps"


def _narrowed(tensor: Tensor, preprocess: Preprocess) -> Tensor:
    """x of a float64 tensor, piece by piece to save memory, on its own device because Apple's GPUs have no float64."""
    x, n = torch.empty((len(tensor), *preprocess.shape)), chunk_of(preprocess.size)
    for part, out in zip(tensor.split(n), x.split(n), strict=True):
        out.copy_(preprocess.to_x(part))
    return x


def as_x(batch: Tensor, preprocess: Preprocess) -> Tensor:
    """x of samples of a `resident` tensor."""
    return preprocess.to_x(batch) if batch.dtype == torch.uint8 else batch


def batches_of_pass(n_samples: int, batch_size: int) -> int:
    """The number of batches in a pass over the samples; a single last sample joins the batch before it."""
    whole, rest = divmod(n_samples, min(batch_size, n_samples))
    return max(1, whole + (rest > 1 or (rest == 1 and not whole)))


class AbstractBatches(ABC):
    """Shuffled training batches of x from `n_samples` samples, in a new order every epoch.

    The last batch is kept, however small; a single last sample joins the batch before it, since batch normalization
    needs at least two samples.
    """

    def __init__(self, n_samples: int, *, batch_size: int, seed: int, device: torch.device) -> None:
        self.n_samples, self.device, self.seed = n_samples, device, seed
        self.batch_size = min(batch_size, n_samples)

    def __len__(self) -> int:
        return batches_of_pass(self.n_samples, self.batch_size)

    def rows(self, epoch: int) -> list[Tensor]:
        """The samples of each batch of the epoch; depends only on (seed, epoch)."""
        order = torch.randperm(self.n_samples, generator=generator_for(self.seed, epoch, "order"))
        cuts = [self.batch_size] * (len(self) - 1)
        return list(order.to(self.lies_on).split([*cuts, len(order) - sum(cuts)]))

    @property
    def lies_on(self) -> torch.device:
        """The device that holds the samples before they are taken."""
        return self.device

    def augments(self, done: float) -> bool:
        """Whether samples are augmented after the fraction `done` of training."""
        return True

    @abstractmethod
    def take(self, rows: Tensor, generator: torch.Generator, *, augmented: bool = True, own: bool = False) -> Tensor:
        """x of these samples, (B, *shape) float32 on the device; augmented by the settings, if `augmented`.

        With `own`, only the samples of this process matter; the others may have any finite values.
        """


class Batches(AbstractBatches):
    """Batches of one resident tensor."""

    def __init__(
        self, data: Tensor, preprocess: Preprocess, *, batch_size: int, augment: str, seed: int, device: torch.device
    ):
        super().__init__(len(data), batch_size=batch_size, seed=seed, device=device)
        self.data, self.preprocess = data, preprocess
        self.shift, self.shift_until = shift_of(augment, preprocess)

    @property
    def lies_on(self) -> torch.device:
        return self.data.device

    def augments(self, done: float) -> bool:
        return bool(self.shift) and done < self.shift_until

    def take(self, rows: Tensor, generator: torch.Generator, *, augmented: bool = True, own: bool = False) -> Tensor:
        batch = self.data.index_select(0, rows)
        if self.shift and augmented:
            batch = shifted(batch, self.shift, generator)
        return as_x(batch.to(self.device, non_blocking=True), self.preprocess)


def chunk_of(n_values: int) -> int:
    """The number of samples of `n_values` values to use at once in a pass without gradients."""
    return min(CHUNK, max(1, CHUNK_VALUES // n_values))


def in_order(data: Tensor, preprocess: Preprocess, device: torch.device, chunk: int | None = None) -> Iterator[Tensor]:
    """x of all samples in their order, chunk by chunk, on the device."""
    n = chunk or chunk_of(preprocess.size)
    for batch in each(data.split(n), -(-len(data) // n), "batch"):  # streamed data gives one chunk at a time
        yield as_x(batch.to(device), preprocess)


def shift_of(augment: str, preprocess: Preprocess) -> tuple[int, float]:
    """Pixels of the random shift that `augment` asks for, and the fraction of training in which it is used.

    `"shift:2"` -> (2, 1.0), `"shift:1,until=0.8"` -> (1, 0.8), `"none"` -> (0, 1.0).

    Raises: UsageError for other values, tables, and shifts as large as the image.
    """
    name, level, options = parse(augment)
    if name == "none" and level is None and not options:
        return 0, 1.0
    until = plain(options.pop("until", "1.0"))
    if (
        name != "shift"
        or options
        or not (level or "").isdecimal()
        or not (isinstance(until, int | float) and 0 <= until <= 1)
    ):
        fix = "use none, shift:PIXELS, or shift:PIXELS,until=0.8 to stop shifting after that fraction of training"
        raise UsageError("USAGE-AUGMENT", f"unknown augmentation {augment!r}.", fix=fix)
    if not preprocess.is_image:
        raise UsageError("USAGE-AUGMENT", "a table cannot be shifted.", fix="pass --augment none")
    if int(level or 0) >= min(preprocess.shape[1:]):
        raise UsageError(
            "USAGE-AUGMENT",
            f"{augment} shifts images of {preprocess.shape[1:]} pixels out of view.",
            fix="use a smaller shift",
        )
    return int(level or 0), float(until)


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Shifts every image by its own random number of pixels, -most..most in each direction; edges are repeated.

    images (B, C, H, W) of any type. Repeating the edge keeps a black border black and a gray one gray.
    """
    B, C, H, W = images.shape
    device = images.device
    moves = torch.randint(-most, most + 1, (2, B, 1), generator=generator, device=generator.device).to(device)
    rows = (torch.arange(H, device=device) + moves[0]).clamp_(0, H - 1)
    columns = (torch.arange(W, device=device) + moves[1]).clamp_(0, W - 1)
    pixels = (rows[:, :, None] * W + columns[:, None, :]).flatten(1)
    return images.flatten(2).gather(2, pixels[:, None].expand(B, C, H * W)).reshape(B, C, H, W)
