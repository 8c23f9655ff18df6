"""Tries the image sizes that a message suggests, without data: can the model be built, and does it fit into memory?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from isthmus.config import Config
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.images.mixed_sizes import RESIZE, MixedSizes, Way
from isthmus.data.samples import Samples
from isthmus.errors import IsthmusError
from isthmus.models.footprint import refuse_too_large
from isthmus.system.devices import pick_device
from isthmus.training.choices import fitting_likelihood, settle_network

USUAL = 1_000  # number of samples for choosing widths, which for images do not depend on it


@contextmanager
def offering_what_fits(config: Config) -> Iterator[None]:
    """Inside the block, the error for images of several sizes suggests only sizes that fit the model of `config`."""
    try:
        yield
    except MixedSizes as error:
        error.offer_what(lambda shape: fits(config, shape))
        raise


@contextmanager
def offering_that_of(train: Samples) -> Iterator[None]:
    """Inside the block, the error for images of several sizes suggests only the size of the training images."""
    try:
        yield
    except MixedSizes as error:
        if train.is_image:
            H, W = train.shape[1:]
            error.offer([Way("--resize", (H, W), f"{RESIZE}, that of the training images")])
        raise


def fits(config: Config, shape: tuple[int, int, int]) -> bool:
    """Whether the model of `config` accepts bytes of shape (C, H, W), and its training fits into memory."""
    preprocess = Preprocess(shape, "uint8", range=(0.0, 1.0))
    try:
        model, _ = settle_network(config.model, preprocess, USUAL)
        if model.likelihood == "auto":
            model = replace(model, likelihood=fitting_likelihood(model, preprocess))
        device = pick_device(config.training.device)
        refuse_too_large(model, preprocess, batch_size=config.training.batch_size, device=device)
    except IsthmusError:
        return False
    return True
