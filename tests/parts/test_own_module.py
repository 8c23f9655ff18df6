"""Custom modules, in every form in which people write autoencoders."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from isthmus.errors import ModelFileError, UsageError
from isthmus.models.autoencoder import Model
from isthmus.models.loading import load_model
from isthmus.parts.networks import linear_block
from isthmus.parts.own_module import adapt


class Notebook(nn.Module):
    """The class of the teaching notebook: rows of pixels, `encoder` and `decoder`."""

    def __init__(self, z_size: int = 3, n: int = 64) -> None:
        super().__init__()
        self.encoder = nn.Sequential(linear_block(n, 16, "sigmoid"), linear_block(16, z_size, "sigmoid"))
        self.decoder = nn.Sequential(linear_block(z_size, 16, "sigmoid"), linear_block(16, n, "sigmoid"))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class Methods(nn.Module):
    """`encode` and `decode`, for images."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(64, 3), nn.Linear(3, 64)

    def encode(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        return self.enter(x.reshape(B, C * H * W))

    def decode(self, z: Tensor) -> Tensor:
        return self.leave(z).reshape(-1, 1, 8, 8)


class OnlyForward(nn.Module):
    """A module without a code."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Convolutional(nn.Module):
    """A code with three axes, batch normalization and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2))
        self.decoder = nn.ConvTranspose2d(4, 1, 2, 2)


class Picky(Notebook):
    """Asserts the shape of its input, as people do."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)

    def encode(self, x: Tensor) -> Tensor:
        assert x.shape[1:] == (64,)
        return super().get_submodule("encoder")(x)

    def decode(self, z: Tensor) -> Tensor:
        return super().get_submodule("decoder")(z)


MODULES: dict[str, tuple[type[nn.Module], int | None]] = {
    "notebook": (Notebook, 3),
    "methods": (Methods, 3),
    "only forward": (OnlyForward, None),
    "convolutional": (Convolutional, 64),
    "picky": (Picky, 3),
}


def made(kind: type[nn.Module], **arguments: Any) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(**arguments)


def small(digits: tiny.Digits) -> np.ndarray:
    return np.ascontiguousarray(digits.x[:, :, 6:22:2, 6:22:2])


@pytest.mark.parametrize(("kind", "z_size"), MODULES.values(), ids=MODULES)
def test_every_form_is_found_trained_and_brought_back(
    kind: type[nn.Module], z_size: int | None, digits: tiny.Digits, tmp_path: Path
) -> None:
    images = small(digits)
    module = made(kind)
    ready = tiny.prepared(images, epochs=2, likelihood="gaussian", network="own", batch_size=16)
    before = tiny.weights(module)
    with tiny.assert_global_generator_untouched():
        trainer = tiny.trainer(ready, own=module)
        tiny.run(trainer)
    model = trainer.model
    assert all(not torch.equal(value, before[name]) for name, value in tiny.weights(module).items() if "weight" in name)
    assert model.has_code == (z_size is not None)
    assert model.reconstruct(images[:3]).shape == images[:3].shape
    if z_size is not None:
        z = model.encode(images[:3])
        assert z.shape == (3, z_size)
        assert model.decode(z) == pytest.approx(model.reconstruct(images[:3]))
    loaded = load_model(model.save(tmp_path / "model"), module=made(kind))
    assert np.array_equal(loaded.reconstruct(images), model.reconstruct(images))
    assert loaded.z_size == model.z_size


def test_reconstruction_equals_the_modules_own_forward(digits: tiny.Digits) -> None:
    module = made(Notebook)
    model = tiny.trainer(tiny.prepared(small(digits), likelihood="gaussian"), own=module).model
    x = torch.from_numpy(small(digits)[:5]).float() / 255
    with torch.no_grad():
        expected = module.eval()(x.flatten(1)).reshape(5, 1, 8, 8)
        assert torch.allclose(model.x_hat(x), expected, atol=1e-6)


def test_weights_are_saved_once_under_the_modules_own_names(digits: tiny.Digits) -> None:
    module = made(Notebook)
    model = tiny.trainer(tiny.prepared(small(digits)), own=module).model
    assert set(model.state_dict()) == {f"own.{name}" for name in module.state_dict()}
    assert model.n_parameters == sum(p.numel() for p in module.parameters())


def test_a_module_starts_from_its_own_weights_and_in_its_own_mode(digits: tiny.Digits) -> None:
    module = made(Convolutional)
    module.encoder[1].eval()
    before = tiny.weights(module)
    tiny.trainer(tiny.prepared(small(digits), output_bias="mean"), own=module)
    tiny.assert_equal_weights(tiny.weights(module), before)  # also batch statistics: the trial run changed nothing
    assert (module.training, module.encoder[1].training, module.encoder[3].training) == (True, False, True)


def test_rows_are_tried_after_images_and_either_can_be_demanded() -> None:
    line = made(nn.Linear, in_features=8, out_features=8)  # takes the last axis of any input
    assert adapt(line, (1, 8, 8)).z_size is None
    rows = adapt(made(Notebook), (1, 8, 8))
    assert rows.z_size == 3
    assert rows.encoder(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    with pytest.raises(UsageError, match=r"Notebook does not return samples of shape \(1, 8, 8\)") as caught:
        adapt(made(Notebook), (1, 8, 8), flatten=False)
    assert len(caught.value.problems) == 1
    with pytest.raises(UsageError):
        adapt(line, (1, 8, 8), flatten=True)


def test_a_demanded_form_is_kept_with_the_weights(digits: tiny.Digits, tmp_path: Path) -> None:
    class Both(nn.Module):
        """Accepts images and rows, but returns other values for rows."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            return self.scale * (x.flip(1) if x.ndim == 2 else x)

    preprocess = tiny.prepared(small(digits)).preprocess
    model = Model(tiny.config(likelihood="gaussian").model, preprocess, own=Both(), flatten=True)
    loaded = load_model(model.save(tmp_path / "model"), module=Both())
    images = small(digits)[:2]
    assert np.array_equal(model.reconstruct(images), images[:, :, ::-1, ::-1])
    assert np.array_equal(loaded.reconstruct(images), images[:, :, ::-1, ::-1])


class Half(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1]


class Pair(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x, x


class Silent(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError


class TwoCodes(nn.Module):
    def encode(self, x: Tensor) -> Any:
        return x, x

    def decode(self, z: Tensor) -> Tensor:
        return z


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (Half, r"given \(2, 3, 4, 4\): ValueError: it returned (2, 1, 4, 4)"),
        (Pair, r"given \(2, 3, 4, 4\): TypeError: it returned a tuple, but one tensor is needed"),
        (Silent, r"given \(2, 3, 4, 4\): KeyError: "),
        (TwoCodes, r"given \(2, 3, 4, 4\): TypeError: its encoder returned a tuple, but one tensor is needed"),
    ],
)
def test_a_module_that_does_not_give_back_its_input_is_refused_with_what_it_gave(
    kind: type[nn.Module], problem: str
) -> None:
    with pytest.raises(UsageError, match=r"does not return samples of shape \(3, 4, 4\)") as caught:
        adapt(kind(), (3, 4, 4))
    assert caught.value.problems[0] == problem.replace("\\", "")
    assert caught.value.problems[1].startswith("given (2, 48): ")
    assert caught.value.__cause__ is not None


def test_a_module_without_a_code_says_so_when_asked_for_one(digits: tiny.Digits) -> None:
    model = tiny.trainer(tiny.prepared(small(digits)), own=made(OnlyForward)).model
    for ask in (model.encode, model.decode):
        with pytest.raises(UsageError, match="OnlyForward has only a forward method, so it has no code"):
            ask(np.zeros((1, 64)))


def test_own_weights_need_their_class_and_fit_no_other(digits: tiny.Digits, tmp_path: Path) -> None:
    folder = tiny.trainer(tiny.prepared(small(digits)), own=made(Notebook)).model.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match="your own module Notebook, but not its code") as caught:
        load_model(folder)
    assert caught.value.exit_code == 4
    assert "module=Notebook()" in str(caught.value.fix)
    with pytest.raises(ModelFileError, match=r"model\.safetensors does not fit"):
        load_model(folder, module=made(Notebook, z_size=5))
    with pytest.raises(ModelFileError, match=r"model\.safetensors does not fit"):
        load_model(folder, module=made(Methods))


@pytest.mark.parametrize("n", [33, 49, 17])
def test_fault_47_batch_normalization_meets_no_batch_of_one(n: int, digits: tiny.Digits) -> None:
    images = small(digits)[:n]
    ready = tiny.prepared(images, batch_size=16, epochs=1, likelihood="gaussian")
    trainer = tiny.trainer(ready, own=made(Convolutional))
    assert min(len(rows) for rows in trainer.batches.rows(0)) > 1
    tiny.run(trainer)
    assert math.isfinite(trainer.monitor.history[0]["train_cost"])


class Identity(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def frozen() -> nn.Module:
    return made(Notebook).requires_grad_(False)


@pytest.mark.parametrize("module", [Identity(), frozen()], ids=["no weights", "frozen"])
def test_a_module_without_trainable_weights_is_refused(module: nn.Module, digits: tiny.Digits) -> None:
    ready = tiny.prepared(small(digits), likelihood="gaussian")
    with pytest.raises(UsageError, match=rf"{type(module).__name__} has no trainable weights") as caught:
        tiny.trainer(ready, own=module)
    assert "requires_grad_()" in str(caught.value.fix)


class Normalized(nn.Module):
    """Batch normalization of a vector, which has no variance for one sample."""

    def __init__(self, norm: type[nn.Module] = nn.BatchNorm1d, **arguments: Any) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), norm(8, **arguments))
        self.decoder = nn.Linear(8, 64)


@pytest.mark.parametrize("arguments", [{}, {"track_running_stats": False}, {"affine": False}])
def test_fault_47_batch_normalization_needs_a_batch(arguments: dict[str, Any], digits: tiny.Digits) -> None:
    module, settings = made(Normalized, **arguments), {"likelihood": "gaussian", "epochs": 1}
    before = tiny.weights(module)
    with pytest.raises(
        UsageError, match="Normalized has a BatchNorm1d, which does not work with batches of one"
    ) as caught:
        tiny.trainer(tiny.prepared(small(digits), batch_size=1, **settings), own=module)
    assert caught.value.fix == "pass a batch_size of 2 or more"
    tiny.assert_equal_weights(tiny.weights(module), before)
    for layers, batch_size in ((module, 2), (made(Normalized, norm=nn.LayerNorm), 1), (made(Convolutional), 1)):
        ready = tiny.prepared(small(digits)[:20], batch_size=batch_size, **settings)
        assert tiny.run(tiny.trainer(ready, own=layers)).epoch == 1
