"""Builds the model that settings describe: an autoencoder, or a denoiser if the network has no code."""

from __future__ import annotations

from torch import nn

from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.autoencoder import Model
from isthmus.models.denoiser import Denoiser
from isthmus.parts.networks import is_without_code


def build_model(
    config: ModelConfig, preprocess: Preprocess, *, own: nn.Module | None = None, flatten: bool | str = "auto"
) -> AbstractModel:
    """A new model with the default weights of its layers; `own` and `flatten` are for the user's own module."""
    if own is None and is_without_code(config.network):
        return Denoiser(config, preprocess)
    return Model(config, preprocess, own=own, flatten=flatten)
