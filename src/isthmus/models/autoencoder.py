"""`Model`: corruption, encoder, bottleneck, decoder and likelihood in a row, with the preprocessing of its data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.config import ModelConfig
from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.models.abstract_model import AbstractModel, Output
from isthmus.parts import bottlenecks, networks
from isthmus.parts.own_module import adapt
from isthmus.wording import counted


class Model(AbstractModel):
    """An autoencoder that takes raw images or tables and returns the same kind.

    `encode`, `decode`, `reconstruct` and `denoise` are deterministic and do not change the model. Their input is a
    numpy array, a tensor or a data frame; images are uint8, uint16 or floats in [0, 1].
    """

    def __init__(
        self, config: ModelConfig, preprocess: Preprocess, *, own: nn.Module | None = None, flatten: bool | str = "auto"
    ):
        super().__init__(config, preprocess, own=own, flatten=flatten)
        self.bottleneck = bottlenecks.bottleneck(config.bottleneck, config.code_size)
        if own is not None:
            self._adapt(own, flatten)
            return
        self.has_code = True
        if self.likelihood.params_range is not None:
            message = f"network {config.network} does not end in a sigmoid, so its output is not a probability."
            raise UsageError("USAGE-OUTPUT", message, fix=f"pass --loss {config.likelihood.partition(',')[0]}")
        C = preprocess.shape[0]
        width, channels = self.bottleneck.width_in(config.code_size), self.likelihood.channels_out(C)
        sizes = networks.Sizes(preprocess.shape, width, config.code_size, channels)
        self.encoder, self.decoder = networks.network(
            config.network, sizes, hidden=config.hidden, activation=config.activation, dropout=config.dropout or 0.0
        )

    def _adapt(self, own: nn.Module, flatten: bool | str) -> None:
        """Takes encoder, decoder and their sizes from the user's own module.

        Raises: UsageError for a bottleneck or likelihood that needs another number of features.
        """
        adapted = adapt(own, self.preprocess.shape, flatten)
        self.encoder, self.decoder, self.has_code = adapted.encoder, adapted.decoder, adapted.z_size is not None
        z_size, C = adapted.z_size or self.config.code_size, self.preprocess.shape[0]
        self.config = replace(self.config, z_size=z_size)
        self.bottleneck = bottlenecks.bottleneck(self.config.bottleneck, z_size)
        for part, text, needed, given in (
            ("bottleneck", self.config.bottleneck, self.bottleneck.width_in(z_size), z_size),
            ("likelihood", self.config.likelihood, self.likelihood.channels_out(C), C),
        ):
            if needed != given:
                message = (
                    f"the {part} {text!r} needs {counted(needed, 'value')}, but {type(own).__name__} returns {given}."
                )
                raise UsageError("USAGE-MODULE", message, fix=f"choose another {part} for your module")

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size) codes from the prior: the bottleneck's, or N(0, I) if a term draws the codes towards it.

        Raises: UsageError if there is no prior.
        """
        if not self.bottleneck.has_prior and any(term.normal for term in self.terms):
            return torch.randn(n, self.z_size, generator=generator, device=generator.device)
        return self.bottleneck.sample_prior(n, generator)

    @property
    def sides(self) -> tuple[nn.Module, nn.Module]:
        return self.encoder, self.decoder

    def initialize(self, generator: torch.Generator, mean: Tensor | None = None) -> Model:
        """New weights from `generator`; with `mean` (shape of a sample), the first output is the mean.

        This saves the first hundred steps, in which a network learns nothing but the mean image.
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

    def encode(self, given: Any) -> Any:
        """The codes (N, z_size) of raw samples.

        Raises: UsageError if the network has no code (a custom module with only `forward`).
        """
        self._need_code()
        carrier = Carrier(given, self.preprocess)
        return carrier.in_kind(self._in_chunks(self._code, carrier.raw), [f"z{i}" for i in range(self.z_size)])

    def decode(self, z: Any) -> Any:
        """Raw samples (N, *shape) from codes (N, z_size), in the type of the training data (uint8 for bytes).

        The result has the kind of the codes: a data frame of codes (columns z0, z1, …) gives a data frame.
        """
        self._need_code()
        names = tuple(f"z{i}" for i in range(self.z_size))
        carrier = Carrier(z, Preprocess((self.z_size,), "float32", columns=names))
        codes = carrier.raw.float()
        x = self._in_chunks(lambda part: self.likelihood.mean(self.decoder(part).float()), codes, scaled=True)
        dtype = getattr(torch, self.preprocess.dtype) if self.preprocess.is_image else None
        raw = self.preprocess.to_raw(x, dtype)
        if carrier.frame is None:
            return carrier.in_kind(raw, ())
        if self.preprocess.schema is not None:
            return self._frame_like(carrier, raw)
        return carrier.table(self.preprocess.cells(raw.numpy(force=True)))

    def _frame_like(self, carrier: Carrier, raw: Tensor) -> Any:
        """Raw rows (N, K) as a frame of the same library as the codes, with their index (pandas)."""
        from isthmus.data.tables.column_types import library_of, trained_frame  # late: polars is slow to import

        schema, wanted = self.preprocess.schema, library_of(carrier.frame)
        assert schema is not None
        found = trained_frame(raw.numpy(force=True), schema, self.preprocess.frame, wanted)
        return carrier.indexed(found)

    def _code(self, x: Tensor) -> Tensor:
        return self.bottleneck(self.encoder(x), sample=False).z.float()

    def _need_code(self) -> None:
        if not self.has_code:
            message = f"{type(self.own).__name__} has only a forward method, so it has no code."
            raise UsageError("USAGE-CODE", message, fix="add encode and decode methods to the module")


def coded(model: AbstractModel) -> Model:
    """The same model, if it has a code. Raises: UsageError for a denoiser, with what works instead."""
    if isinstance(model, Model):
        return model
    message = "this denoiser has no code, so it cannot encode, decode, sample, edit or map."
    fix = "use `isthmus denoise` or `isthmus evaluate`, or train a model with a code, for example with recipe modern"
    raise UsageError("USAGE-CODE", message, fix=fix)


__all__ = ["Model", "coded"]
