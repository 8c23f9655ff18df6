"""What replaces `auto` for images that are in color or large: convolutions, added to principal components."""

from __future__ import annotations

from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.parts.networks import AUTO, fitting_network
from isthmus.registry import is_on, parse

BESIDE_COMPONENTS = "conv,shortcut=true"
COMPONENTS_FROM = 32  # pixels per side; for smaller images `conv` alone is good enough, docs/experiments.md
Z_SIZE_OF_PICTURES = 128  # for 64 x 64 color photographs, 128 components hold 0.975 of the variance, 32 hold 0.953


def starts_at_components(model: ModelConfig, preprocess: Preprocess) -> bool:
    """Whether convolutions get a linear path that starts at the principal components of the images.

    For images that are in color or large, a short training of layers alone is worse than the components. Only for
    squared error and a code that is the encoder's output, because otherwise components are not the best start. Not
    tried with noise or transparent pixels.
    """
    if not preprocess.is_image:
        return False
    if parse(model.network)[0] == "conv" and is_on(model.network, "shortcut"):
        return True
    plain = model.bottleneck == "identity" and model.noise == model.terms == "none" and not preprocess.alpha
    large = min(preprocess.shape[1:]) >= COMPONENTS_FROM and fitting_network(preprocess.shape) == "conv"
    chosen = model.network == AUTO and model.activation != "linear" and model.likelihood in {"auto", "gaussian"}
    return plain and large and chosen


def fitting_picture_code(n_values: int) -> tuple[int, str]:
    """The code size for these images, and a note on it."""
    return (
        Z_SIZE_OF_PICTURES,
        f"code of {Z_SIZE_OF_PICTURES} numbers for images of {n_values:,} values (change with --z-size)",
    )


__all__ = ["BESIDE_COMPONENTS", "fitting_picture_code", "starts_at_components"]
