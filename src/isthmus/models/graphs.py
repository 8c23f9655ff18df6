"""Three ONNX graphs of a model, with preprocessing: raw samples to codes, codes to samples, and both in one.

PyTorch's exporter writes them (torch.onnx, based on torch.export); they need the extra `onnx`.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.errors import UsageError
from isthmus.extras import installing
from isthmus.models.abstract_model import AbstractModel, evaluation

NEEDED = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18  # PyTorch's exporter writes it without conversion; runtimes have read it since 2023
LARGEST = 2**31 - 2**24  # bytes of weights in one file, whose sizes have 31 bits, with room for the graph


class AbstractGraph(nn.Module):
    """One tensor in, one tensor out; `names` are the names of both."""

    names: tuple[str, str]

    def __init__(self, model: AbstractModel) -> None:
        super().__init__()
        self.model = model

    @property
    def raw_type(self) -> torch.dtype:
        """The type of raw samples, as in the training data."""
        return getattr(torch, self.model.preprocess.dtype)


class Encoder(AbstractGraph):
    """Raw samples to codes, like `Model.encode`."""

    names = ("x", "z")

    def forward(self, x: Tensor) -> Tensor:
        return self.model.bottleneck(self.model.sides[0](self.model.preprocess.to_x(x)), sample=False).z.float()


class Decoder(AbstractGraph):
    """Codes to raw samples, like `Model.decode`."""

    names = ("z", "x_hat")

    def forward(self, z: Tensor) -> Tensor:
        return self.model.preprocess.to_raw(self.model.likelihood.mean(self.model.sides[1](z).float()), self.raw_type)


class Whole(AbstractGraph):
    """Raw samples to their reconstructions, like `Model.reconstruct`."""

    names = ("x", "x_hat")

    def forward(self, x: Tensor) -> Tensor:
        preprocess = self.model.preprocess
        return preprocess.to_raw(self.model.x_hat(preprocess.to_x(x)), self.raw_type)


def onnx_bytes(graph: AbstractGraph, example: Tensor, about: Mapping[str, str]) -> bytes:
    """The content of the file: opset OPSET, with a first axis of any size; `about` becomes its metadata.

    `example`: two samples of the graph's input.

    Raises: UsageError if the extra is not installed, or if the weights are too large for one file.
    """
    need_onnx()
    import onnx

    size = 4 * sum(p.numel() for p in graph.parameters())
    if size > LARGEST:
        message = f"the weights take {size / 1e9:.1f} GB, but an ONNX file can hold at most 2 GB."
        raise UsageError("USAGE-ONNX-SIZE", message, fix="train a smaller network, with smaller --hidden widths")
    proto = _exported(graph, example)
    if proto.graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value"):
        message = f"{_whose(graph)} fixes the number of samples at {len(example)}, so its file would take no other."
        raise UsageError("USAGE-ONNX", message, fix="use x.shape[0] instead of len(x) or int(x.shape[0]) in its code")
    onnx.helper.set_model_props(proto, dict(about))
    return proto.SerializeToString()


def _exported(graph: AbstractGraph, example: Tensor) -> Any:
    source, result = graph.names
    try:
        with torch.no_grad(), evaluation(graph), _silence():
            program: Any = torch.onnx.export(
                graph,
                (example,),
                input_names=[source],
                output_names=[result],
                opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        cause = str(error.__cause__ or error).strip().partition("\n")[0]
        message = f"PyTorch cannot export {_whose(graph)} to ONNX: {cause}"
        raise UsageError("USAGE-ONNX", message, fix="make its code depend only on shapes, not on values") from error
    return program.model_proto


def _whose(graph: AbstractGraph) -> str:
    own = graph.model.own
    return "the network" if own is None else type(own).__name__


def need_onnx() -> None:
    """Raises: UsageError with the command that installs what is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        message = f"{', '.join(missing)} {verb} not installed, but needed to write and check ONNX files."
        raise UsageError("USAGE-ONNX", message, fix=installing("onnx"))


@contextmanager
def _silence() -> Iterator[None]:
    """Hides the exporter's warnings, logs and prints about its internals; the result is checked afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
