"""Loads a saved model; manifest, format, settings and sizes are checked before anything is built."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from isthmus.config import ModelConfig
from isthmus.data.batching.batches import CHUNK
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import IsthmusError, ModelFileError, UsageError
from isthmus.models.abstract_model import CONFIG, WEIGHTS, AbstractModel
from isthmus.models.autoencoder import Model
from isthmus.models.building import build_model
from isthmus.settings import build as build_config
from isthmus.system import files, regular
from isthmus.system.memory import available_bytes, size_of
from isthmus.wording import counted

Shapes = dict[str, tuple[int, ...]]


class Described(NamedTuple):
    """The contents of `config.json`: architecture, preprocessing, and the name of the user's own module."""

    config: ModelConfig
    preprocess: Preprocess
    own_name: str | None
    flatten: bool | str


def load_model(folder: Path, *, module: nn.Module | None = None, device: str | torch.device = "cpu") -> AbstractModel:
    """Loads the model that `save` wrote, in evaluation mode, after verifying its manifest.

    `module` is an instance of the user's own class, if the model was built from one; its weights are replaced.

    Raises: ModelFileError for a damaged, foreign or newer folder, or if `module` is missing or does not fit;
    UsageError for a model that is larger than the free memory.
    """
    return files.steadily(folder, lambda place: _load(place, module, device))


def _load(folder: Path, module: nn.Module | None, device: str | torch.device) -> AbstractModel:
    manifest = files.verify_folder(folder)
    described = _described(folder, manifest)
    own = described.own_name
    if own is not None and module is None:
        message = f"{folder} contains the weights of your own module {own}, but not its code."
        fix = f"load it in Python: isthmus.load({str(folder)!r}, module={own}())"
        raise ModelFileError("MODEL-MODULE", message, fix=fix)
    path = folder / WEIGHTS
    try:
        _refuse_too_large(path, described)
        model = _built(described, module)
        _refuse_differences(_shapes_in(path), {k: tuple(v.shape) for k, v in model.state_dict().items()})
        model = model if own else model.to_empty(device="cpu")
        model.load_state_dict(load_file(path))
        _refuse_nan(model)
    except (OSError, RuntimeError, SafetensorError, ModelFileError, UsageError) as error:
        if isinstance(error, UsageError) and error.code == "USAGE-MEMORY":
            raise
        is_known = isinstance(error, IsthmusError)
        fix = f"pass {own}, built as for the training" if own else "use the folder that it was saved in"
        raise ModelFileError(
            "MODEL-WEIGHTS",
            f"{path} does not fit: {error.message if is_known else str(error).strip()}",
            fix=fix,
            problems=error.problems if is_known else (),
        ) from None
    model = model.to(device).eval()
    model.note_file(manifest["files"][WEIGHTS]["sha256"])
    return model


def _described(folder: Path, manifest: dict[str, Any]) -> Described:
    """The contents of `config.json`, checked. Raises: ModelFileError for a newer format or invalid contents."""
    path = folder / CONFIG
    try:
        about = regular.read_json(path)
        files.refuse_newer(path, int(about["format"]), manifest)
        preprocess = Preprocess.from_dict(about["preprocess"])
        config = build_config({"model": about["model"]}).model
        return Described(config, preprocess, about["module"], about.get("flatten", "auto"))
    except ModelFileError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IsthmusError) as error:
        reason = error.message if isinstance(error, IsthmusError) else f"{error!r}."
        reason = f"{error.args[0]!r} is missing." if isinstance(error, KeyError) else reason
        raise ModelFileError("MODEL-CONFIG", f"{path} cannot be used: {reason}", fix="train again") from None


def _refuse_too_large(path: Path, described: Described) -> None:
    """The weights are in memory twice for a moment, and the user's own module is tried on two samples."""
    needed, free = 2 * path.stat().st_size, available_bytes()
    if described.own_name is not None:
        needed += 4 * 2 * described.preprocess.size
    if free is not None and needed > free:
        message = f"loading {path} needs {size_of(needed)} of memory; {size_of(free)} are free."
        raise UsageError("USAGE-MEMORY", message, fix="close other programs, or use a machine with more memory")


def _built(described: Described, module: nn.Module | None) -> AbstractModel:
    """The model, without memory unless it is the user's own module, because a file may claim any size."""
    if described.own_name is not None:
        return build_model(described.config, described.preprocess, own=module, flatten=described.flatten)
    with torch.device("meta"):
        return build_model(described.config, described.preprocess)


def _shapes_in(path: Path) -> Shapes:
    """The shape of each tensor, from the header of the file."""
    with safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _refuse_differences(found: Shapes, expected: Shapes) -> None:
    problems = [
        f"{name} is {found.get(name, 'absent')} in the file, but {expected.get(name, 'absent')} in the network"
        for name in dict.fromkeys([*expected, *found])
        if found.get(name) != expected.get(name)
    ]
    if len(problems) == 1:
        raise ModelFileError("MODEL-WEIGHTS", f"{problems[0]}.")
    if problems:
        message = f"{len(problems)} weights have different sizes in the file and in the network."
        raise ModelFileError("MODEL-WEIGHTS", message, problems=problems)


def _refuse_nan(model: nn.Module) -> None:
    """Raises: ModelFileError for weights that are not finite, with which every output would be wrong."""
    broken = [name for name, weight in model.named_parameters() if not bool(weight.isfinite().all())]
    broken += [name for name, buffer in model.named_buffers() if bool(buffer.isnan().any())]  # masks may be infinite
    if broken:
        more = f" and {counted(len(broken) - 1, 'other')}" if len(broken) > 1 else ""
        verb = "have" if len(broken) > 1 else "has"
        raise ModelFileError("MODEL-WEIGHTS", f"{broken[0]}{more} {verb} values that are not finite numbers.")


class Double:
    """A copy of `model` in float64 on the CPU, in evaluation mode; `model` itself is not changed.

    Everything here is deterministic and uses the network's scale: x is the output of `Preprocess.to_x`.
    """

    def __init__(self, model: Model) -> None:
        self.model = copy.deepcopy(model).cpu().double().eval()

    def codes(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B Z"]:
        """The codes z of x."""
        return _in_chunks(self._code, x)

    def x_hat(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B ..."]:
        """The decoder's output for codes."""
        return _in_chunks(self._picture, z)

    def errors(self, x: Float[Tensor, "B ..."]) -> Tensor:
        """The mean squared error of the reconstruction of each sample, (B,); for columns of several kinds, the mean
        over columns, where missing values add nothing.
        """
        return _in_chunks(self._errors, x)

    def _errors(self, x: Tensor) -> Tensor:
        known, x_hat = self.model.preprocess, self._picture(self._code(x))
        if known.encoding is None:
            return (x_hat - x).square().flatten(1).mean(1)
        return known.evened(known.known_only(x, x_hat) - x).square().sum(1) / len(known.encoding.blocks)

    def _code(self, x: Tensor) -> Tensor:
        return self.model.bottleneck(self.model.encoder(x), sample=False).z

    def _picture(self, z: Tensor) -> Tensor:
        return self.model.likelihood.mean(self.model.decoder(z))


@torch.no_grad()
def _in_chunks(function: Callable[[Tensor], Tensor], data: Tensor) -> Tensor:
    return torch.cat([function(chunk.double()) for chunk in data.split(CHUNK)])
