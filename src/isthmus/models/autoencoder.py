"""`Model`: corruption, encoder, bottleneck, decoder and likelihood in a row, with the preprocessing of its data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from isthmus.config import ModelConfig
from isthmus.data.batching.batches import chunk_of, resident
from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.parts import bottlenecks, corruptions, likelihoods, networks, terms
from isthmus.parts.bottlenecks import Code
from isthmus.parts.own_module import adapt
from isthmus.system import files
from isthmus.system.tensors import save_tensors

WEIGHTS, CONFIG = "model.safetensors", "config.json"


class Output(NamedTuple):
    """What a forward pass gives: the decoder's output and the code."""

    params: Tensor
    code: Code


class Model(nn.Module):
    """An autoencoder that takes raw images or tables and gives back the same kind.

    `encode`, `decode`, `reconstruct` and `denoise` are deterministic and leave the model as it was. Their input is a
    numpy array, a tensor or a data frame; images are uint8, uint16 or floats in [0, 1].
    """

    def __init__(
        self, config: ModelConfig, preprocess: Preprocess, *, own: nn.Module | None = None, flatten: bool | str = "auto"
    ):
        super().__init__()
        self.config, self.preprocess, self.own, self.flatten = config, preprocess, own, flatten
        self.saved_as: str | None = None
        self._saved_at = 0
        self.likelihood = likelihoods.likelihood(config.likelihood)
        self.corruption = corruptions.corruption(config.noise, preprocess.range, preprocess.shape)
        self.terms = terms.terms(config.terms)
        self.bottleneck = bottlenecks.bottleneck(config.bottleneck, config.z_size)
        if own is not None:
            self._adapt(own, flatten)
            return
        self.has_code = True
        if self.likelihood.params_range is not None:
            message = f"the network {config.network} ends without a sigmoid, so its output is no probability."
            raise UsageError("USAGE-OUTPUT", message, fix=f"pass --loss {config.likelihood.partition(',')[0]}")
        C = preprocess.shape[0]
        width, channels = self.bottleneck.width_in(config.z_size), self.likelihood.channels_out(C)
        sizes = networks.Sizes(preprocess.shape, width, config.z_size, channels)
        self.encoder, self.decoder = networks.network(
            config.network, sizes, hidden=config.hidden, activation=config.activation, dropout=config.dropout
        )

    def _adapt(self, own: nn.Module, flatten: bool | str) -> None:
        """Takes encoder and decoder from a module of the user's, whose sizes decide.

        Raises: UsageError for a bottleneck or likelihood that needs more features than there are.
        """
        adapted = adapt(own, self.preprocess.shape, flatten)
        self.encoder, self.decoder, self.has_code = adapted.encoder, adapted.decoder, adapted.z_size is not None
        z_size, C = adapted.z_size or self.config.z_size, self.preprocess.shape[0]
        self.config = replace(self.config, z_size=z_size)
        self.bottleneck = bottlenecks.bottleneck(self.config.bottleneck, z_size)
        for part, text, needed, given in (
            ("bottleneck", self.config.bottleneck, self.bottleneck.width_in(z_size), z_size),
            ("likelihood", self.config.likelihood, self.likelihood.channels_out(C), C),
        ):
            if needed != given:
                message = f"the {part} {text!r} takes {needed} values where {type(own).__name__} gives {given}."
                raise UsageError("USAGE-MODULE", message, fix=f"choose another {part} for a module of your own")

    @property
    def z_size(self) -> int:
        return self.config.z_size

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the file that holds these weights; None where none does: never saved, or trained on since."""
        return self.saved_as if self._saved_at == self._changes() else None

    def note_file(self, sha256: str | None) -> None:
        """Notes the file that the weights were just written to, or read from, as `saved_as`."""
        self.saved_as, self._saved_at = sha256, self._changes()

    def _changes(self) -> int:
        """Grows with every change to a weight in its place, which PyTorch counts; nothing is read from the device."""
        return sum(0 if t.is_inference() else t._version for t in self.state_dict(keep_vars=True).values())

    @property
    def penalties(self) -> dict[str, float]:
        """What is added to the cost, by name, with its weight unless configured.

        Raises: UsageError if two parts announce the same.
        """
        known: dict[str, float] = {}
        for part in (self.bottleneck, *self.terms):
            for name, weight in part.penalties.items():
                if name in known:
                    raise UsageError("USAGE-PART", f"two parts announce the penalty {name!r}.", fix="name one of them")
                known[name] = weight
        return known

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size) codes from the prior: the bottleneck's, or N(0, I) where a term brings the codes there.

        Raises: UsageError where there is none.
        """
        if not self.bottleneck.has_prior and any(term.normal for term in self.terms):
            return torch.randn(n, self.z_size, generator=generator, device=generator.device)
        return self.bottleneck.sample_prior(n, generator)

    @property
    def n_parameters(self) -> int:
        return sum(p.numel() for p in self.parameters())

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def initialize(self, generator: torch.Generator, mean: Tensor | None = None) -> Model:
        """Fresh weights from `generator`; with `mean` (shape of a sample) the output starts at it.

        Starting at the mean image saves the first hundred steps, in which a network learns nothing else.
        """
        if self.own is not None:
            return self
        for part in (self.encoder, self.decoder):
            networks.initialize(part, self.config.activation, generator, scheme=self.config.init)
        if mean is not None:
            networks.start_at(self.decoder, mean, self.likelihood.from_mean)
        return self

    def forward(self, x_in: Tensor, *, sample: bool = False, generator: torch.Generator | None = None) -> Output:
        """One pass over network input (B, *shape); `sample` lets the bottleneck draw from `generator`."""
        code = self.bottleneck(self.encoder(x_in), sample=sample, generator=generator)
        return Output(self.decoder(code.z), code)

    def x_hat(self, x: Tensor) -> Tensor:
        """The reconstruction of network input x (B, *shape), on the scale of x."""
        return self.likelihood.mean(self(x).params.float())

    def encode(self, given: Any) -> Any:
        """The codes (N, z_size) of raw samples.

        Raises: UsageError if the network has no code (a module of the user's with only `forward`).
        """
        self._need_code()
        carrier = Carrier(given, self.preprocess)
        return carrier.in_kind(self._in_chunks(self._code, carrier.raw), [f"z{i}" for i in range(self.z_size)])

    def decode(self, z: Any) -> Any:
        """Raw samples (N, *shape) from codes (N, z_size), in the type of the training data (uint8 for bytes).

        They come in the kind of the codes; a data frame of codes (columns z0, z1, …) gives a data frame.
        """
        self._need_code()
        names = tuple(f"z{i}" for i in range(self.z_size))
        carrier = Carrier(z, Preprocess((self.z_size,), "float32", columns=names))
        codes = carrier.raw.float()
        x = self._in_chunks(lambda part: self.likelihood.mean(self.decoder(part).float()), codes, scaled=True)
        dtype = getattr(torch, self.preprocess.dtype) if self.preprocess.is_image else None
        columns = self.preprocess.columns or tuple(f"{self.preprocess.unit}{i}" for i in range(self.preprocess.size))
        return carrier.in_kind(self.preprocess.to_raw(x, dtype), columns)

    def reconstruct(self, given: Any) -> Any:
        """Each sample through the code and back: same kind, shape and type as given."""
        carrier = Carrier(given, self.preprocess)
        return carrier.back(self._in_chunks(self.x_hat, carrier.raw))

    def denoise(self, given: Any) -> Any:
        """Noisy samples in, clean ones out. The same pass as `reconstruct`: what differs is the training.

        Raises: UsageError if the model was not trained with noise.
        """
        if self.config.noise == "none":
            fix = "train one with `isthmus train DATA --noise gaussian:0.5`, or call reconstruct"
            raise UsageError("USAGE-DENOISE", "this model was not trained on noisy input, so it removes none.", fix=fix)
        return self.reconstruct(given)

    def _code(self, x: Tensor) -> Tensor:
        return self.bottleneck(self.encoder(x), sample=False).z.float()

    def _need_code(self) -> None:
        if not self.has_code:
            message = f"{type(self.own).__name__} has only forward, so there is no code between its halves."
            raise UsageError("USAGE-CODE", message, fix="give the module encode and decode methods")

    def _in_chunks(self, function: Callable[[Tensor], Tensor], data: Tensor, *, scaled: bool = False) -> Tensor:
        device = self.device
        with torch.no_grad(), evaluation(self):
            if not scaled and self.preprocess.dtype == "float64":  # which Apple's GPUs lack
                data, scaled = resident(data.cpu().to(torch.float64), self.preprocess, torch.device("cpu")), True
            chunks = (chunk.to(device) for chunk in data.split(chunk_of(self.preprocess.size)))
            return torch.cat([function(c if scaled else self.preprocess.to_x(c)).cpu() for c in chunks])

    def save(self, folder: str | Path) -> Path:
        """Writes weights, architecture and preprocessing into `folder`, atomically, with a manifest. No pickle."""
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
    """Evaluation mode inside; afterwards every part is in its own mode again."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.training = model, [m for m in model.modules() if m.training]

    def __enter__(self) -> None:
        self.model.eval()

    def __exit__(self, *_: object) -> None:
        for module in self.training:
            module.training = True
