"""ONNX graphs of every registered part, run by onnxruntime and compared with the model itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor, nn

from contract import example
from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.extras import installing
from isthmus.models import graphs
from isthmus.models.autoencoder import Model
from isthmus.models.graphs import OPSET, AbstractGraph, Decoder, Encoder, Whole, onnx_bytes
from isthmus.parts.bottlenecks import BOTTLENECKS
from isthmus.parts.likelihoods import LIKELIHOODS
from isthmus.parts.networks import NETWORKS
from isthmus.randomness import generator_for

GRAY = Preprocess((1, 16, 16), "uint8", range=(0.0, 1.0))
TABLE = Preprocess((3,), "float32", offset=(1.0, -2.0, 0.0), scale=(0.5, 3.0, 1.0), fill=(1.0, 2.0, 3.0))
CHAIN = "gaussian+noise:0.1"
TEXTS = [*(example(name, part) for name, part in BOTTLENECKS.items()), CHAIN]
PAIRS = [(net, text) for net in NETWORKS for text in TEXTS]
# Each export takes a second: by default each bottleneck with the first network, and each network with the first.
SHORT = [pair for pair in PAIRS if pair[0] == next(iter(NETWORKS)) or pair[1] == TEXTS[0]]
SHORT += [(f"{net},shortcut=true", TEXTS[0]) for net in NETWORKS]


def model_of(preprocess: Preprocess, **settings: Any) -> Model:
    """An untrained model whose biases are large enough that losing them is visible."""
    chosen = {"hidden": (16,), "z_size": 4, "likelihood": "gaussian"} | settings
    model = Model(ModelConfig(**chosen), preprocess).initialize(generator_for(0, "weights"))
    generator = generator_for(0, "biases")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1, generator=generator)
    return model.eval()


def raw(preprocess: Preprocess, n: int = 7) -> np.ndarray:
    """n raw samples from the whole range."""
    rng, shape = np.random.default_rng(0), (n, *preprocess.shape)
    kind = np.dtype(preprocess.dtype)
    if kind.kind == "u":
        return rng.integers(0, np.iinfo(kind).max + 1, size=shape).astype(kind)
    return (rng.random(shape) if preprocess.is_image else rng.normal(size=shape)).astype(np.float32)


def answers(graph: AbstractGraph, given: np.ndarray) -> np.ndarray:
    """The output of onnxruntime for the samples, the first alone and the rest together."""
    session = onnxruntime.InferenceSession(onnx_bytes(graph, torch.from_numpy(given[:2]), {}))
    source, result = graph.names
    return np.concatenate([session.run([result], {source: part})[0] for part in (given[:1], given[1:])])


def assert_same(graph: AbstractGraph, given: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> None:
    expected, found = function(given), answers(graph, given)
    assert found.dtype == expected.dtype
    # float32 sums in another order: 1e-5; of rounded bytes one level
    assert_allclose(found.astype(float), expected.astype(float), atol=1e-5 if expected.dtype.kind == "f" else 1)


@pytest.mark.parametrize(("network", "bottleneck"), PAIRS if os.environ.get("ISTHMUS_LONG") else SHORT)
def test_every_network_and_bottleneck(network: str, bottleneck: str) -> None:
    """Turns off rounding to bytes, which would hide differences."""
    model = model_of(Preprocess((1, 16, 16), "float32"), network=network, bottleneck=bottleneck)
    x = raw(model.preprocess)
    assert_same(Encoder(model), x, model.encode)
    if bottleneck == TEXTS[0]:  # the parts after the code do not depend on the bottleneck
        assert_same(Decoder(model), model.encode(x), model.decode)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_every_likelihood(likelihood: str) -> None:
    model = model_of(GRAY, likelihood=likelihood)
    assert_same(Decoder(model), model.encode(raw(GRAY)), model.decode)


@pytest.mark.parametrize(
    "preprocess",
    [GRAY, Preprocess((3, 16, 16), "uint16", range=(0.0, 1.0)), Preprocess((3, 16, 16), "float32"), TABLE],
    ids=["bytes", "16 bit", "floats", "table"],
)
def test_every_kind_of_raw_values(preprocess: Preprocess) -> None:
    model, x = model_of(preprocess), raw(preprocess)
    assert_same(Whole(model), x, model.reconstruct)


def test_gaps_are_filled_and_columns_standardized_inside() -> None:
    model, x = model_of(TABLE), raw(TABLE)
    filled = x.copy()
    x[2, 1], filled[2, 1] = np.nan, 2.0  # the column's median
    found = answers(Encoder(model), x)
    assert np.isfinite(found).all()
    scaled = torch.from_numpy((filled - np.array([1.0, -2.0, 0.0])) * np.array([0.5, 3.0, 1.0])).float()
    with torch.no_grad():
        assert_allclose(found, model.encoder(scaled), atol=1e-5)


def test_what_the_file_says() -> None:
    model = model_of(GRAY)
    proto = onnx.load_from_string(
        onnx_bytes(Encoder(model), torch.from_numpy(raw(GRAY, 2)), {"isthmus": "1", "a": "é"})
    )
    onnx.checker.check_model(proto, full_check=True)
    assert [opset.version for opset in proto.opset_import if opset.domain == ""] == [OPSET]
    assert {p.key: p.value for p in proto.metadata_props} == {"isthmus": "1", "a": "é"}
    source, result = proto.graph.input[0], proto.graph.output[0]
    assert (source.name, result.name) == ("x", "z")
    assert source.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_param or d.dim_value for d in source.type.tensor_type.shape.dim] == ["batch", 1, 16, 16]
    assert [d.dim_param or d.dim_value for d in result.type.tensor_type.shape.dim] == ["batch", 4]


def test_it_is_silent_and_leaves_the_model_as_it_was(capfd: Any) -> None:
    model = model_of(GRAY, dropout=0.5).train()
    onnx_bytes(Whole(model), torch.from_numpy(raw(GRAY, 2)), {})
    assert capfd.readouterr() == ("", "")
    assert all(module.training for module in model.modules())


class Counts(nn.Module):
    """A custom module whose code converts the batch size to a number."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(3, 2), nn.Linear(2, 3)

    def encode(self, x: Tensor) -> Tensor:
        return self.enter(x).reshape(len(x), 2)

    def decode(self, z: Tensor) -> Tensor:
        return self.leave(z)


class Branches(nn.Module):
    """A custom module whose code depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(3, 2)
        self.decoder = nn.Linear(2, 3)

    def encoder(self, x: Tensor) -> Tensor:
        z = self.enter(x)
        return z if z.sum() > 0 else -z


class Plain(nn.Module):
    """A custom module that can be exported."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(3, 2), nn.Linear(2, 3)


def own(module: nn.Module) -> Model:
    return Model(ModelConfig(likelihood="gaussian", bottleneck="identity"), TABLE, own=module).eval()


def test_modules_of_a_users_own() -> None:
    torch.nn.init.constant_((module := Plain()).encoder.weight, 0.5)
    model = own(module)
    assert_same(Whole(model), raw(TABLE), model.reconstruct)


def test_own_code_that_cannot_be_written(capfd: Any) -> None:
    with pytest.raises(UsageError, match=r"Counts fixes the number of samples at 2.*\nfix: use x.shape\[0\]"):
        onnx_bytes(Encoder(own(Counts())), torch.zeros(2, 3), {})
    with pytest.raises(UsageError, match=r"PyTorch cannot export Branches to ONNX: .*data-dependent"):
        onnx_bytes(Encoder(own(Branches())), torch.zeros(2, 3), {})
    assert capfd.readouterr() == ("", "")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "find_spec", lambda name: None if name != "onnx" else object())
    with pytest.raises(UsageError, match=r"onnxscript, onnxruntime are not installed") as caught:
        graphs.need_onnx()
    assert caught.value.fix == installing("onnx")


def test_more_than_a_file_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "LARGEST", 1_000)
    with pytest.raises(UsageError, match=r"the weights take 0\.0 GB, but an ONNX file can hold at most 2 GB"):
        onnx_bytes(Whole(model_of(GRAY)), torch.from_numpy(raw(GRAY, 2)), {})
