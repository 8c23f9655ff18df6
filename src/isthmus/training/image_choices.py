"""What `auto` stands for where samples are images in color, or large: convolutions beside principal components."""

from __future__ import annotations

from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.parts.networks import AUTO, fitting_network
from isthmus.registry import parse

BESIDE_COMPONENTS = "conv,shortcut=true"
COMPONENTS_FROM = 32  # pixels a side; of fewer `conv` alone holds most of what there is, docs/experiments.md
Z_SIZE_OF_PICTURES = 128  # of photographs, 64 x 64 in color, 128 components keep 0.975 of the variance, 32 keep 0.953


def starts_at_components(model: ModelConfig, preprocess: Preprocess) -> bool:
    """Whether convolutions get a linear path that starts at the principal components of the images.

    Of images in color, or large, a short training of layers alone finds less than components tell. Only under squared
    error and where the code is what the encoder makes: else components are no best start. With noise, and with pixels
    that nobody sees, that was not tried.
    """
    if not preprocess.is_image:
        return False
    if parse(model.network)[0] == "conv" and parse(model.network)[2].get("shortcut") == "true":
        return True
    plain = model.bottleneck == "identity" and model.noise == model.terms == "none" and not preprocess.alpha
    large = min(preprocess.shape[1:]) >= COMPONENTS_FROM and fitting_network(preprocess.shape) == "conv"
    chosen = model.network == AUTO and model.activation != "linear" and model.likelihood in {"auto", "gaussian"}
    return plain and large and chosen


def fitting_picture_code(n_values: int) -> tuple[int, str]:
    """The size of their code, and the sentence that says so."""
    return (
        Z_SIZE_OF_PICTURES,
        f"code of {Z_SIZE_OF_PICTURES} numbers for images of {n_values:,} values (--z-size: another)",
    )


__all__ = ["BESIDE_COMPONENTS", "fitting_picture_code", "starts_at_components"]
