from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import ModelFileError, UsageError
from isthmus.models import loading
from isthmus.models.autoencoder import Model
from isthmus.models.loading import load_model
from isthmus.system import files


@pytest.fixture(scope="module")
def model(digits: tiny.Digits) -> Model:
    """A denoiser of digits, not trained."""
    return tiny.trainer(tiny.prepared(digits.samples, noise="gaussian:0.3", dropout=0.1)).model


def test_a_loaded_model_is_the_saved_one(model: Model, digits: tiny.Digits, tmp_path: Path) -> None:
    with tiny.assert_global_generator_untouched():
        loaded = load_model(model.save(tmp_path / "model"))
    assert not loaded.training
    assert (loaded.config, loaded.preprocess) == (model.config, model.preprocess)
    tiny.assert_equal_weights(tiny.weights(loaded), tiny.weights(model))
    assert all(p.requires_grad for p in loaded.parameters())
    assert np.array_equal(loaded.denoise(digits.x[:9]), model.denoise(digits.x[:9]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_fault_114_weights_that_are_no_numbers_are_a_fault_of_the_model(
    value: float, digits: tiny.Digits, tmp_path: Path
) -> None:
    broken = tiny.trainer(tiny.prepared(digits.samples)).model
    with torch.no_grad():
        list(broken.parameters())[-1].view(-1)[0] = value
    name = list(broken.state_dict())[-1]
    with pytest.raises(ModelFileError, match=rf"{name} has values that are not finite numbers") as caught:
        load_model(broken.save(tmp_path / "model"))
    assert caught.value.exit_code == 4


def rewritten(folder: Path, change: Any) -> Path:
    """The folder with another config.json and a matching manifest, as by an attack or a mistake."""
    text = json.dumps(change(json.loads((folder / "config.json").read_text())))
    content = {"config.json": text.encode(), "model.safetensors": (folder / "model.safetensors").read_bytes()}
    return files.write_folder(folder, {name: lambda path, c=c: path.write_bytes(c) for name, c in content.items()})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: {}, "config.json cannot be used: 'format' is missing\\."),
        (lambda about: [], "config.json cannot be used: TypeError"),
        (lambda about: about | {"preprocess": {"shape": [1]}}, "config.json cannot be used"),
        (
            lambda about: about | {"preprocess": about["preprocess"] | {"code": "os.system"}},
            "config.json cannot be used",
        ),
        (lambda about: about | {"model": about["model"] | {"network": "os.system"}}, "unknown network 'os.system'"),
        (
            lambda about: about | {"model": about["model"] | {"_target_": "os.system"}},
            "there is no setting 'model._target_'",
        ),
        (
            lambda about: about | {"model": about["model"] | {"z_size": 10**9}},
            "model.z_size is 1000000000, but must be at most 65,536",
        ),
        (lambda about: about | {"model": about["model"] | {"hidden": [65_536] * 9}}, "does not fit: .* in the file"),
        (lambda about: about | {"model": about["model"] | {"z_size": 5}}, "does not fit: .* in the file"),
        (
            lambda about: about | {"preprocess": about["preprocess"] | {"shape": [1, 10**5, 10**5]}},
            "does not fit: .* in the",
        ),
        (lambda about: about | {"model": about["model"] | {"noise": "loud:1"}}, "unknown noise 'loud'"),
        (
            lambda about: about | {"preprocess": about["preprocess"] | {"shape": [1, 10**12, 10**12]}},
            "model.safetensors does not fit",  # more than a 64-bit number of bytes
        ),
        (
            lambda about: about | {"preprocess": about["preprocess"] | {"shape": [1, -28, 28]}},
            "is not a shape of samples",
        ),
        (lambda about: about | {"preprocess": about["preprocess"] | {"shape": [2.5]}}, "is not a shape of samples"),
        (
            lambda about: about | {"preprocess": about["preprocess"] | {"dtype": "load"}},
            "the type 'load' is not one of",
        ),
        (lambda about: about | {"preprocess": about["preprocess"] | {"offset": [1, 2, 3]}}, "offset needs 1 finite"),
        (lambda about: about | {"preprocess": about["preprocess"] | {"columns": ["a"]}}, "1 column names"),
        (lambda about: about | {"format": "one"}, "config.json cannot be used"),
        (lambda about: {k: v for k, v in about.items() if k != "format"}, "'format' is missing"),
    ],
)
def test_fault_64_a_model_file_can_name_neither_code_nor_absurd_sizes(
    change: Any, message: str, model: Model, tmp_path: Path
) -> None:
    folder = rewritten(model.save(tmp_path / "model"), change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(folder)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "MANIFEST.json"])
def test_fault_60_61_damaged_model_files_are_named(name: str, model: Model, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    (folder / name).write_bytes((folder / name).read_bytes()[:-5])
    with pytest.raises(ModelFileError, match=name.replace(".", r"\.")):
        load_model(folder)


def test_a_manifest_that_names_no_files_is_not_enough(tmp_path: Path) -> None:
    folder = files.write_folder(tmp_path / "model", {})
    with pytest.raises(ModelFileError, match=r"config\.json cannot be used"):
        load_model(folder)


def test_fault_62_weights_that_are_a_pickle_are_refused(model: Model, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    config = (folder / "config.json").read_bytes()

    def pickled(path: Path) -> None:
        torch.save({"w": Tensor([1.0])}, path)

    files.write_folder(folder, {"config.json": lambda path: path.write_bytes(config), "model.safetensors": pickled})
    with pytest.raises(ModelFileError, match=r"model\.safetensors does not fit"):
        load_model(folder)


def test_fault_63_a_newer_model_says_which_version_made_it(model: Model, tmp_path: Path) -> None:
    folder = rewritten(model.save(tmp_path / "model"), lambda about: about | {"format": 2})
    with pytest.raises(
        ModelFileError, match=r"config\.json was written by a newer version of isthmus .*, in format 2"
    ) as caught:
        load_model(folder)
    assert (caught.value.code, caught.value.fix) == ("MODEL-VERSION", "install a newer version of isthmus")


def test_fault_64_no_claimed_size_is_allocated(model: Model, tmp_path: Path) -> None:
    claims = {"hidden": [65_536] * 3}
    folder = rewritten(model.save(tmp_path / "model"), lambda about: about | {"model": about["model"] | claims})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        ModelFileError, match=r"\d+ weights have different sizes in the file and in the network"
    ) as caught:
        load_model(folder)
    assert "encoder.1.0.weight is (16, 784) in the file, but (65536, 784) in the network" in caught.value.problems
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB; the claim is 34 GB


def test_fault_64_a_model_larger_than_the_free_memory_is_not_read(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model.save(tmp_path / "model")
    n_bytes = 2 * (folder / "model.safetensors").stat().st_size
    monkeypatch.setattr(loading, "available_bytes", lambda: n_bytes - 1)
    with pytest.raises(UsageError, match=r"loading .*model\.safetensors needs .*kB of memory; .*kB are free"):
        load_model(folder)
    monkeypatch.setattr(loading, "available_bytes", lambda: n_bytes)
    assert load_model(folder).n_parameters == model.n_parameters


class Small(nn.Module):
    """A custom autoencoder."""

    def __init__(self, z_size: int = 3) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(16, z_size), nn.Linear(z_size, 16)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder of a model of `Small`."""
    config = tiny.config(likelihood="gaussian").model
    return Model(config, Preprocess((1, 4, 4), "uint8", range=(0.0, 1.0)), own=Small()).save(tmp_path / "own")


@pytest.mark.parametrize(
    ("module", "problems"),
    [
        (Small(4), ["own.encoder.weight is (3, 16) in the file, but (4, 16) in the network"]),
        (nn.Sequential(nn.Linear(16, 16)), ["own.encoder.weight is (3, 16) in the file, but absent in the network"]),
        (nn.Linear(3, 3), ["given (2, 16): RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x16 and 3x3)"]),
    ],
)
def test_a_wrong_module_is_told_with_everything_that_differs(own: Path, module: nn.Module, problems: list[str]) -> None:
    with pytest.raises(ModelFileError, match=r"model\.safetensors does not fit: .{20}") as caught:
        load_model(own, module=module)
    assert set(problems) <= set(caught.value.problems)
    assert caught.value.fix == "pass Small, built as for the training"


def test_one_difference_is_told_in_the_message(own: Path) -> None:
    module = Small()
    module.decoder = nn.Linear(3, 16, bias=False)
    with pytest.raises(
        ModelFileError, match=r"fit: own.decoder.bias is \(16,\) in the file, but absent in the network"
    ):
        load_model(own, module=module)


def test_a_class_is_no_module(own: Path) -> None:
    with pytest.raises(ModelFileError, match=r"the module must be a torch\.nn\.Module, but it is a type"):
        load_model(own, module=Small)  # type: ignore[arg-type]


def test_fault_64_a_module_is_not_tried_on_samples_larger_than_the_memory(own: Path) -> None:
    about = {"shape": [1, 10**6, 10**6]}  # two such samples of zeros would be 8 TB
    folder = rewritten(own, lambda a: a | {"preprocess": a["preprocess"] | about})
    with pytest.raises(UsageError, match=r"needs 8\.0 TB of memory"):
        load_model(folder, module=Small())
