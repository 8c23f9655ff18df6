"""Training that starts from the weights of another model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contract import drawn, redraw
from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.models.building import build_model
from isthmus.models.denoiser import Denoiser
from isthmus.models.starting import start_from

PHOTO = ModelConfig(network="unet", hidden=(4, 6), noise="gaussian:0.1", likelihood="gaussian")


def denoiser(C: int, hidden: tuple[int, ...] = (4, 6)) -> Denoiser:
    model = build_model(
        ModelConfig(network="unet", hidden=hidden, noise="gaussian:0.1", likelihood="gaussian"),
        Preprocess((C, 16, 16), "uint8", range=(0.0, 1.0)),
    )
    assert isinstance(model, Denoiser)
    redraw(model, C)
    with torch.no_grad():  # small weights, so that rounding them to float32 stays small
        for weight in model.parameters():
            weight.mul_(0.2)
    return model.eval()


@pytest.mark.parametrize("place", ["run/model", "model"])
def test_the_weights_are_those_of_the_run_or_model_folder(tmp_path: Path, place: str) -> None:
    other = denoiser(3)
    other.save(tmp_path / place)
    started = start_from(denoiser(3), str((tmp_path / place).parent if place != "model" else tmp_path / place))
    for name, weight in other.state_dict().items():
        assert torch.equal(started.state_dict()[name], weight)


@torch.no_grad()
def test_a_gray_network_from_a_color_one_gives_what_that_gives_of_gray_images(tmp_path: Path) -> None:
    color = denoiser(3)
    color.save(tmp_path / "color")
    gray = start_from(denoiser(1), str(tmp_path / "color"))
    gray, color, x = gray.double(), color.double(), drawn(2, 1, 16, 20).double()
    expected = color.network(x.expand(-1, 3, -1, -1)).mean(1, keepdim=True)
    torch.testing.assert_close(gray.network(x), expected)


@torch.no_grad()
def test_a_color_network_from_a_gray_one_adds_to_each_color_what_that_adds_to_the_mean(tmp_path: Path) -> None:
    gray = denoiser(1)
    gray.save(tmp_path / "gray")
    color = start_from(denoiser(3), str(tmp_path / "gray"))
    gray, color, x = gray.double(), color.double(), drawn(2, 3, 16, 20).double()
    mean = x.mean(1, keepdim=True)
    torch.testing.assert_close(color.network(x), x + (gray.network(mean) - mean))


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*runs/gone to start from") as caught:
        start_from(denoiser(1), str(tmp_path / "runs" / "gone"))
    assert caught.value.fix == "pass a run folder, a model folder, or photo"


def test_another_network_is_refused_with_the_differences(tmp_path: Path) -> None:
    denoiser(1, (4, 8)).save(tmp_path / "model")
    with pytest.raises(UsageError, match="are built differently") as caught:
        start_from(denoiser(1), str(tmp_path / "model"))
    assert "network.downsample.0.weight: (8, 4, 2, 2) there, (6, 4, 2, 2) here" in caught.value.problems
