"""The base of every model: noise, a network and a likelihood, with preprocessing; saved without a pickle."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from isthmus.config import ModelConfig
from isthmus.data.batching.batches import chunk_of, resident
from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.parts import corruptions, likelihoods, terms
from isthmus.parts.codes import AbstractBottleneck, Code
from isthmus.parts.corruptions import Pair
from isthmus.system import files
from isthmus.system.progress import each
from isthmus.system.tensors import save_tensors

HIDING_ROWS = 0.5  # share of the rows of a batch with hidden cells
WEIGHTS, CONFIG = "model.safetensors", "config.json"


def corruption_for(noise: str, preprocess: Preprocess) -> corruptions.AbstractCorruption:
    """The corruption that `noise` names, for samples with this preprocessing.

    Raises: UsageError for a noise that is not valid.
    """
    p = preprocess
    return corruptions.corruption(noise, p.range, p.shape, clips=p.clips, unit=p.count)


class Output(NamedTuple):
    """The result of a forward pass: the decoder's output and the code."""

    params: Tensor
    code: Code


class AbstractModel(nn.Module):
    """Corruption and likelihood around a network that subclasses build; `has_code`: whether the network has a code.

    `own` is the user's own module that the network was taken from, if there is one.
    """

    bottleneck: AbstractBottleneck
    has_code: bool

    def __init__(
        self, config: ModelConfig, preprocess: Preprocess, *, own: nn.Module | None = None, flatten: bool | str = "auto"
    ):
        super().__init__()
        self.config, self.preprocess, self.own, self.flatten = config, preprocess, own, flatten
        self.saved_as: str | None = None
        self._saved_at = 0
        self.likelihood = likelihoods.likelihood(config.likelihood, preprocess.encoding)
        self.corruption = corruption_for(config.noise, preprocess)
        self.terms = terms.terms(config.terms)

    @property
    @abstractmethod
    def sides(self) -> tuple[nn.Module, nn.Module]:
        """The part of the network that takes the input, and the part that gives the output."""

    @abstractmethod
    def initialize(self, generator: torch.Generator, mean: Tensor | None = None) -> AbstractModel:
        """New weights from `generator`; with `mean` (shape of a sample), the first output is the mean if possible."""

    @abstractmethod
    def forward(self, x_in: Tensor, *, sample: bool = False, generator: torch.Generator | None = None) -> Output:
        """One pass over network input (B, *shape); `sample` lets the bottleneck draw from `generator`."""

    def pair(self, x: Tensor, generator: torch.Generator | None) -> Pair:
        """The input and the target for a batch x (B, *shape): x corrupted, and x.

        A batch (B, 2C, ...) of pairs contains its own input: first the channels of the targets, then of the inputs.
        """
        C = self.preprocess.shape[0]
        return self._weighted(Pair(x[:, C:], x[:, :C]) if x.shape[1] == 2 * C else self.corruption(x, generator))

    def _weighted(self, pair: Pair) -> Pair:
        """The pair with weight 0 for fully transparent pixels."""
        weight = self.preprocess.weights(pair.target)
        if weight is None:
            return pair
        return pair._replace(weight=weight if pair.weight is None else weight * pair.weight)

    def training_pair(self, x: Tensor, generator: torch.Generator | None, done: float | Tensor) -> Pair:
        """Like `pair`, for a training step after the share `done` of the training."""
        if x.shape[1] != self.preprocess.shape[0]:
            return self.pair(x, generator)
        return self._weighted(self.corruption.training_pair(x, generator, self.x_hat, done))

    def judged_pair(self, x: Tensor, generator: torch.Generator | None) -> Pair:
        """Like `pair`, for evaluation; without clean targets, x is the input and is compared with itself."""
        if x.shape[1] == self.preprocess.shape[0] and not self.corruption.has_truth:
            return Pair(x, x)
        return self.pair(x, generator)

    def target(self, x: Tensor) -> Tensor:
        """The target of a batch: for pairs the first half of the channels, otherwise the whole batch."""
        return x[:, : self.preprocess.shape[0]]

    @property
    def z_size(self) -> int:
        return self.config.code_size

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the file with these weights; None if they were never saved, or were trained since."""
        return self.saved_as if self._saved_at == self._changes() else None

    def note_file(self, sha256: str | None) -> None:
        """Records the file that the weights were just written to, or read from, as `saved_as`."""
        self.saved_as, self._saved_at = sha256, self._changes()

    def _changes(self) -> int:
        """A number that grows with every in-place change of a weight, from PyTorch's counters, not from the device."""
        return sum(0 if t.is_inference() else t._version for t in self.state_dict(keep_vars=True).values())

    @property
    def penalties(self) -> dict[str, float]:
        """The penalties that are added to the cost, by name, with their default weights.

        Raises: UsageError if two parts have a penalty of the same name.
        """
        known: dict[str, float] = {}
        for part in (self.bottleneck, *self.terms):
            for name, weight in part.penalties.items():
                if name in known:
                    raise UsageError("USAGE-PART", f"two parts have the penalty {name!r}.", fix="remove one of them")
                known[name] = weight
        return known

    @property
    def n_parameters(self) -> int:
        return sum(p.numel() for p in self.parameters())

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def with_gaps(self, pair: Pair, share: float, generator: torch.Generator | None) -> Pair:
        """The pair with some input cells hidden: none in half of the rows, and the share 2 * `share` in the others.

        Hidden cells stay in the target, so the model learns to fill missing values. Half of the rows stay complete,
        because later rows mostly are. Only for columns of several kinds, because only their encoding can mark a value
        as missing.
        """
        encoding = self.preprocess.encoding
        if encoding is None or not share:
            return pair
        x = pair.x_in
        draws = torch.rand((len(x), len(encoding.blocks) + 1), generator=generator, device=x.device)
        rate = 2 * share * (draws[:, :1] < HIDING_ROWS)
        return pair._replace(x_in=encoding.hidden(x, draws[:, 1:] < rate))

    def x_hat(self, x: Tensor) -> Tensor:
        """The reconstruction of network input x (B, *shape), on the scale of x."""
        return self.likelihood.mean(self(x).params.float())

    def reconstruct(self, given: Any) -> Any:
        """Encodes and decodes each sample; the result has the kind, shape and type of the input."""
        carrier = Carrier(given, self.preprocess)
        return carrier.back(self._in_chunks(self.x_hat, carrier.raw))

    def denoise(self, given: Any) -> Any:
        """Removes noise from samples. The same pass as `reconstruct`; only the training differs.

        Raises: UsageError if the model was not trained with noise.
        """
        self.refuse_denoising()
        return self.reconstruct(given)

    def refuse_denoising(self) -> None:
        """Raises: UsageError if the model was not trained with noise."""
        if self.config.noise == "none":
            message = "this model was not trained on noisy input, so it does not remove noise."
            fix = "train a denoiser with `isthmus train DATA --noise gaussian:0.5`, or use reconstruct"
            raise UsageError("USAGE-DENOISE", message, fix=fix)

    def _in_chunks(self, function: Callable[[Tensor], Tensor], data: Tensor, *, scaled: bool = False) -> Tensor:
        device = self.device
        with torch.no_grad(), evaluation(self):
            if not scaled and self.preprocess.dtype == "float64":  # Apple's GPUs have no float64
                data, scaled = resident(data.cpu().to(torch.float64), self.preprocess, torch.device("cpu")), True
            parts = data.split(chunk_of(self.preprocess.size))
            chunks = (chunk.to(device) for chunk in each(parts, len(parts), "batch"))
            return torch.cat([function(c if scaled else self.preprocess.to_x(c)).cpu() for c in chunks])

    def save(self, folder: str | Path) -> Path:
        """Writes weights, architecture and preprocessing into `folder`, atomically, with a manifest, without pickle."""
        about = {
            "format": files.FORMAT,
            "model": asdict(self.config),
            "preprocess": self.preprocess.as_dict(),
            "module": type(self.own).__name__ if self.own is not None else None,
            "flatten": self.flatten,
        }
        written = files.write_folder(
            Path(folder),
            {
                WEIGHTS: lambda path: save_tensors(path, self.state_dict()),
                CONFIG: lambda path: path.write_text(json.dumps(about, indent=1), encoding="utf-8"),
            },
        )
        self.note_file(files.stated(written, WEIGHTS))
        return written


class evaluation:
    """Evaluation mode inside the block; afterwards the mode of every part is restored."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.training = model, [m for m in model.modules() if m.training]

    def __enter__(self) -> None:
        self.model.eval()

    def __exit__(self, *_: object) -> None:
        for module in self.training:
            module.training = True
