"""Starts a training from the weights of another model of the same kind."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from isthmus.config import PHOTO
from isthmus.errors import UsageError
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.denoiser import Denoiser
from isthmus.models.loading import load_model
from isthmus.models.photo import COLORS, PhotoDenoiser
from isthmus.wording import shortened

MODEL = "model"  # the folder in a run folder


def start_from(model: AbstractModel, source: str) -> AbstractModel:
    """`model` with the weights of `source`: a run folder, a model folder, or `photo`.

    A U-Net for color images can start one for gray images, and vice versa: weights of the input are summed over the
    colors, or divided between them; weights of the output are averaged, or repeated.

    Raises: UsageError if there is no such folder, or for a model that is built differently, with the differences;
    ModelFileError.
    """
    found = _found(source, model)
    weights = dict(found.state_dict())
    if isinstance(model, Denoiser) and isinstance(found, Denoiser):
        weights |= _for_channels(weights, found.preprocess.shape[0], model.preprocess.shape[0])
    wanted = model.state_dict()
    problems = [
        f"{name}: {tuple(weights[name].shape) if name in weights else 'absent'} there, {tuple(wanted[name].shape)} here"
        for name in wanted
        if name not in weights or weights[name].shape != wanted[name].shape
    ]
    if problems:
        message = f"the model in {source} and the model to train are built differently."
        raise UsageError("USAGE-START", message, fix="train with the network and sizes of that run", problems=problems)
    model.load_state_dict({name: weights[name] for name in wanted})
    return model


def _found(source: str, model: AbstractModel) -> AbstractModel:
    folder = Path(source)
    if source == PHOTO and not folder.exists():
        photo = PhotoDenoiser()
        return photo.color if model.preprocess.shape[0] == COLORS else photo.gray
    if not folder.exists():
        message = f"there is no folder {shortened(folder)} to start from."
        raise UsageError("USAGE-START", message, fix="pass a run folder, a model folder, or photo")
    return load_model(folder / MODEL if (folder / MODEL).is_dir() else folder)


def _for_channels(weights: dict[str, Tensor], given: int, wanted: int) -> dict[str, Tensor]:
    if given == wanted:
        return {}
    head, tail = weights["network.head.weight"], weights["network.tail.weight"]
    with torch.no_grad():
        into = head.sum(1, keepdim=True) / wanted
        out = tail.mean(0, keepdim=True)
        return {
            "network.head.weight": into.expand(-1, wanted, -1, -1).clone(),
            "network.tail.weight": out.expand(wanted, -1, -1, -1).clone(),
        }


__all__ = ["start_from"]
