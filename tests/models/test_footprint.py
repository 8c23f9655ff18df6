from __future__ import annotations

import resource
from typing import Any

import numpy as np
import pytest
import torch

import isthmus
import tiny
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.models import footprint as module
from isthmus.models.autoencoder import Model
from isthmus.models.footprint import Footprint, footprint, refuse_too_large

IMAGE, TABLE = Preprocess((3, 8, 8), "uint8", range=(0.0, 1.0)), Preprocess((12,), "float32")
CPU = torch.device("cpu")


@pytest.mark.parametrize("preprocess", [IMAGE, TABLE])
@pytest.mark.parametrize(
    "settings", [{}, {"hidden": []}, {"hidden": [20, 9], "dropout": 0.2}, {"z_size": 7, "likelihood": "laplace"}]
)
def test_weights_are_counted_as_they_will_be(preprocess: Preprocess, settings: dict[str, Any]) -> None:
    config = tiny.config(**{"likelihood": "gaussian", "network": "mlp"} | settings).model
    assert footprint(config, preprocess).n_weights == Model(config, preprocess).n_parameters


def test_values_between_the_layers_are_counted() -> None:
    config = tiny.config(likelihood="gaussian", network="mlp", hidden=[20, 9], z_size=4).model
    # encoder: two layers and their activations, the code; decoder: the same backwards, and the output
    assert footprint(config, TABLE).n_values == 2 * (20 + 9) + 4 + 2 * (9 + 20) + 12


def test_training_takes_five_numbers_a_weight_and_two_a_value() -> None:
    assert Footprint(1000, 10).training_bytes(batch_size=64) == 20_000 + 8 * 640


def test_what_is_counted_is_what_training_allocates() -> None:
    """With weights of 40 MB, the count is below the peak of the process, and above weights and averages."""
    config = tiny.config(likelihood="gaussian", network="mlp", hidden=[3000], z_size=4, epochs=1, batch_size=64)
    expected = footprint(config.model, Preprocess((1700,), "float32")).training_bytes(64)
    ready = tiny.prepared(tiny.table(200, 1700), hidden=[3000], epochs=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tiny.run(tiny.trainer(ready))
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < 2 * expected  # the peak of the process may have been high before, so there is no lower bound


@pytest.mark.parametrize(
    ("preprocess", "settings", "fix"),
    [
        (IMAGE, {"hidden": [65_536] * 3}, "pass smaller widths with --hidden; they are 65536,65536,65536"),
        (TABLE, {"hidden": [512], "z_size": 65_536}, "pass a smaller --z-size; it is 65,536"),
        (Preprocess((3, 4000, 3000), "uint8", range=(0.0, 1.0)), {"hidden": [16]}, "--resize 1000x750"),
        (Preprocess((10**7,), "float32"), {"hidden": [16]}, "drop columns with --drop-column"),
        (TABLE, {"hidden": [64], "batch_size": 10**9}, "pass a smaller --batch-size; it is 1,000,000,000"),
    ],
)
def test_fault_64_what_is_too_large_is_told_before_it_is_made(
    preprocess: Preprocess, settings: dict[str, Any], fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "available_bytes", lambda: 10**8)
    config = tiny.config(**{"likelihood": "gaussian", "network": "mlp"} | settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError, match=r"the network has [\d,]+ weights .* 100\.0 MB are free") as caught:
        refuse_too_large(config.model, preprocess, batch_size=config.training.batch_size, device=CPU)
    assert fix in str(caught.value.fix)
    assert caught.value.exit_code == 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_fault_64_three_wide_layers_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_bytes", lambda: 12_300_000_000)
    config = tiny.config(likelihood="gaussian", network="mlp", hidden=[65_536] * 3, z_size=32).model
    n = 2 * (65_536 * 784 + 2 * 65_536**2 + 65_536 * 32) + 6 * 65_536 + 32 + 784
    with pytest.raises(UsageError, match="of memory for training") as caught:
        refuse_too_large(config, Preprocess((1, 28, 28), "uint8"), batch_size=64, device=CPU)
    assert f"the network has {n:,} weights" in caught.value.message
    assert f"{(20 * n + 8 * 64 * (12 * 65_536 + 32 + 784)) / 1e9:.1f} GB of memory for training" in caught.value.message
    assert caught.value.message.endswith("(20 bytes per weight, and 403.1 MB for a batch of 64); 12.3 GB are free.")


def test_what_fits_passes_and_where_nobody_can_tell_everything_does(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny.config(likelihood="gaussian").model
    needed = footprint(config, TABLE).training_bytes(64)
    for free, fits in ((needed, True), (needed - 1, False), (None, True)):
        monkeypatch.setattr(module, "available_bytes", lambda free=free: free)
        if fits:
            assert refuse_too_large(config, TABLE, batch_size=64, device=CPU) is None
        else:
            with pytest.raises(UsageError, match="weights"):
                refuse_too_large(config, TABLE, batch_size=64, device=CPU)


def test_fault_64_a_training_and_its_plan_are_refused_alike(tmp_path: Any) -> None:
    from isthmus.pipeline.train import configure, dry_run

    x, settings = np.zeros((20, 1, 8, 8), np.uint8), {"hidden": [65_536] * 3}
    with pytest.raises(UsageError, match="the network has 17,") as planned:
        dry_run(configure(x, None, None, settings), x, show=False)
    with pytest.raises(UsageError, match="the network has 17,") as trained:
        isthmus.train(x, out=tmp_path / "run", show=False, **settings)
    assert planned.value.message.partition(";")[0] == trained.value.message.partition(";")[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("settings", [{}, {"hidden": ()}, {"dropout": 0.5}, {"activation": "sigmoid", "hidden": (7,)}])
def test_widths_say_what_a_pass_counts(settings: dict) -> None:
    """The shortcut for linear layers gives the same as a pass."""
    ready = tiny.prepared(tiny.table(), **settings)
    with torch.device("meta"), torch.no_grad():
        model = Model(ready.config.model, ready.preprocess)
        assert module._linear_values(model) == module._passed_values(model)
