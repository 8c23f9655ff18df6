from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.split import split
from isthmus.data.objects import read_object
from isthmus.data.samples import Bundle, Samples
from isthmus.errors import DataError, ResourceError, UsageError
from isthmus.recipes import resolve
from isthmus.system import devices
from isthmus.training import choices, notes, prepare
from isthmus.training.prepared import TrainingStatistics
from isthmus.training.settling import settle_training
from isthmus.training_config import TrainingConfig

IMAGE, TABLE = Preprocess((1, 28, 28), "uint8", range=(0.0, 1.0)), Preprocess((5,), "float32")


def counts(hot: int | None = None) -> np.ndarray:
    """20 images of counts from 100 to 4,000, with one hot pixel."""
    x = np.linspace(100, 4_000, 20 * 3 * 16 * 16).astype(np.uint16).reshape(20, 3, 16, 16)
    if hot is not None:
        x[::2, 0, 3, 3] = hot
    return x


def test_nothing_is_left_on_auto(digits: tiny.Digits) -> None:
    config = tiny.prepared(digits.samples, precision="auto", augment="auto", device="auto").config
    settled = config.as_dict()
    assert "auto" not in {settled["training"][name] for name in ("precision", "augment", "device")}
    assert settled["model"]["likelihood"] == "bernoulli"


@pytest.mark.parametrize(
    ("data", "settings", "likelihood"),
    [
        (tiny.table(), {}, "gaussian"),
        (tiny.table(), {"scale": "minmax"}, "gaussian"),
        (tiny.table(), {"likelihood": "laplace"}, "laplace"),
        (tiny.table(), {"bottleneck": "noise:0.1+gaussian"}, "gaussian,variance=shared"),
        (np.zeros((20, 1, 4, 4), np.uint8), {"scale": "standard"}, "gaussian"),
        (counts(), {}, "gaussian,output=sigmoid"),
        (counts(), {"bottleneck": "gaussian"}, "gaussian,variance=shared,output=sigmoid"),
        (counts(hot=60_000), {}, "gaussian"),  # beyond the white of 99.8 % of the pixels, where no sigmoid reaches
        (counts().astype(np.float32) - 300, {}, "gaussian,output=sigmoid"),
        (np.zeros((20, 3, 4, 4), np.uint16), {"range": "type"}, "bernoulli"),
        (np.zeros((20, 1, 4, 4), np.float32), {}, "bernoulli"),
    ],
)
def test_the_cost_fits_the_data(data: np.ndarray, settings: dict, likelihood: str) -> None:
    assert tiny.prepared(data, **settings).config.model.likelihood == likelihood


def test_fault_47_the_batch_size_is_lowered_to_the_data_and_said() -> None:
    ready = tiny.prepared(tiny.table(20), batch_size=64)
    assert ready.config.training.batch_size == 16
    assert "batch size lowered from 64 to 16, the number of training samples" in ready.said
    assert [len(rows) for rows in prepare.batches_of(ready).rows(0)] == [16]
    assert not any("batch size" in line for line in tiny.prepared(tiny.table(100), batch_size=64).said)


def test_fault_42_tables_beyond_a_sigmoid_are_refused() -> None:
    """Standardized columns are below 0 in half of the rows, which a sigmoid cannot reach."""
    with pytest.raises(DataError, match="but the gaussian,output=sigmoid cost needs 0 to 1") as caught:
        tiny.prepared(tiny.table(40), likelihood="gaussian,output=sigmoid")
    assert "--scale minmax" in str(caught.value.fix)
    for settings in ({"likelihood": "gaussian,output=sigmoid", "scale": "minmax"}, {"likelihood": "gaussian"}):
        ready = tiny.prepared(tiny.table(40), **settings)
        assert ready.config.model.likelihood == settings["likelihood"]


@pytest.mark.parametrize("role", ["train", "validation", "test"])
def test_fault_42_targets_outside_of_the_range_are_refused_in_every_set(role: str) -> None:
    inside = Samples(np.linspace(0, 1, 60, dtype=np.float32).reshape(30, 2), "inside")
    outside = replace(inside, x=inside.x + np.float32(1.5), name="outside")
    given = {name: outside if name == role else inside for name in ("train", "validation", "test")}
    splits = split(Bundle(given["train"], given["test"]), seed=0, validation=given["validation"])
    config = tiny.config(likelihood="bernoulli", scale="none")
    part = "training" if role == "train" else role
    message = rf"the {part} data has values from 1\.5 to 2\.5, but the bernoulli cost needs 0 to 1"
    with pytest.raises(DataError, match=message) as caught:
        prepare.prepare(config, splits)
    assert caught.value.exit_code == 3
    assert "--scale minmax" in str(caught.value.fix)
    assert prepare.prepare(tiny.config(likelihood="gaussian", scale="none"), splits)


@pytest.mark.parametrize(
    ("preprocess", "passes", "noisy", "augment"),
    [
        (IMAGE, 4.9, False, "none"),
        (IMAGE, 5, False, "shift:1,until="),
        (IMAGE, 5, True, "none"),
        (IMAGE, 41, False, "shift:2"),
        (IMAGE, 41, True, "shift:2"),
        (TABLE, 500, False, "none"),
        (Preprocess((1, 8, 28), "uint8", range=(0.0, 1.0)), 500, False, "none"),
    ],
)
def test_the_more_often_an_image_comes_the_more_it_moves(
    preprocess: Preprocess, passes: float, noisy: bool, augment: str
) -> None:
    assert choices.fitting_shift(preprocess, passes, noisy=noisy).startswith(augment)


@pytest.mark.parametrize(
    ("given", "shape", "settled"),
    [
        ({"noise": "gaussian:0.5"}, (1, 28, 28), ("conv", 64, 4_000)),
        ({"noise": "none"}, (1, 28, 28), ("mlp", 32, 8_000)),
        ({"noise": "masking:0.6"}, (1, 28, 28), ("mlp", 32, 8_000)),
        ({"noise": "gaussian:0.1+masking:0.2"}, (1, 28, 28), ("mlp", 32, 8_000)),
        ({"noise": "gaussian:0.5", "hidden": (64, 32)}, (1, 28, 28), ("mlp", 64, 8_000)),
        ({"noise": "gaussian:0.5", "network": "mlp"}, (1, 28, 28), ("mlp", 64, 8_000)),
        ({"noise": "gaussian:0.5", "z_size": 8}, (1, 28, 28), ("conv", 8, 4_000)),
        ({"noise": "gaussian:0.5"}, (1, 8, 8), ("mlp", 32, 8_000)),
        ({"noise": "gaussian:0.5"}, (3, 32, 32), ("conv", 64, 8_000)),
        ({"noise": "gaussian:0.5"}, (4,), ("mlp", 32, 8_000)),
    ],
)
def test_what_is_to_be_cleaned_gets_convolutions_and_a_longer_code(
    given: dict[str, Any], shape: tuple[int, ...], settled: tuple[str, int, int]
) -> None:
    x = np.random.default_rng(0).integers(256, size=(40, *shape)).astype(np.uint8)
    splits = split(Bundle(Samples(x, "x")), seed=0)
    config = resolve({"model": given, "training": {"device": "cpu"}})
    found = prepare.prepare(config, splits).config
    assert (found.model.network, found.model.z_size, found.training.budget) == settled
    asked = replace(config, training=replace(config.training, steps=8_000))
    assert prepare.prepare(asked, splits).config.training.steps == 8_000  # the usual number, if requested


@pytest.mark.parametrize(
    ("given", "shape", "settled"),
    [
        ({}, (3, 32, 32), ("conv,shortcut=true", 128, "gaussian")),
        ({}, (1, 41, 41), ("conv,shortcut=true", 128, "gaussian")),
        ({"hidden": (8,), "z_size": 5}, (3, 32, 40), ("conv,shortcut=true", 5, "gaussian")),
        ({"network": "conv,shortcut=true"}, (1, 20, 20), ("conv,shortcut=true", 128, "gaussian")),
        ({"likelihood": "bernoulli"}, (3, 32, 32), ("conv", 32, "bernoulli")),
        ({}, (1, 40, 40), ("mlp", 32, "bernoulli")),
        ({}, (3, 31, 40), ("conv", 32, "bernoulli")),
        ({"network": "conv"}, (3, 32, 32), ("conv", 32, "bernoulli")),
        ({"bottleneck": "gaussian"}, (3, 32, 32), ("conv", 32, "bernoulli")),
        ({"bottleneck": "vq:8"}, (3, 32, 32), ("conv", 32, "bernoulli")),
        ({"terms": "contractive"}, (3, 32, 32), ("conv", 32, "bernoulli")),
        ({"noise": "gaussian:0.1"}, (3, 32, 32), ("conv", 64, "bernoulli")),
        ({}, (32 * 32,), ("mlp,shortcut=true", 1, "gaussian")),
    ],
)
def test_large_pictures_start_at_their_components(
    given: dict[str, Any], shape: tuple[int, ...], settled: tuple[str, int, str]
) -> None:
    x = np.random.default_rng(0).integers(256, size=(40, *shape)).astype(np.uint8 if len(shape) > 1 else np.float32)
    config = resolve({"model": given, "training": {"device": "cpu"}})
    found = prepare.prepare(config, split(Bundle(Samples(x, "x")), seed=0)).config.model
    assert (found.network, found.likelihood) == settled[::2]
    assert len(shape) == 1 or found.z_size == settled[1]


def test_few_rows_of_mixed_columns_are_passed_over_less_unless_a_budget_was_asked_for() -> None:
    mixed: Any = SimpleNamespace(encoding=object(), shape=(5,))
    found, said = choices.settle_budget(TrainingConfig(), ModelConfig(), 320, mixed)
    assert (found.epochs, len(said)) == (choices.PASSES, 1)
    for asked in (TrainingConfig(steps=8_000), TrainingConfig(epochs=500)):
        found, said = choices.settle_budget(asked, ModelConfig(), 320, mixed)
        assert (found.epochs, found.budget, said) == (asked.epochs, 8_000, [])


def test_passes_count_epochs_or_what_the_steps_amount_to() -> None:
    assert choices.passes(TrainingConfig(epochs=7), 1_000) == 7
    assert choices.passes(TrainingConfig(steps=500, batch_size=64), 1_600) == 20
    assert choices.passes(TrainingConfig(steps=500, batch_size=64), 32) == 500


def test_a_chosen_augmentation_is_said_with_the_way_to_switch_it_off(digits: tiny.Digits) -> None:
    said = tiny.prepared(digits.samples, epochs=50).said
    assert said == ("augmentation shift:2: training takes 50 passes over 320 images (turn off with --augment none)",)
    assert tiny.prepared(digits.samples, epochs=50, augment="none").said == ()
    with pytest.raises(UsageError, match="a table cannot be shifted"):
        tiny.prepared(tiny.table(), augment="shift:1")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ResourceError, match="PyTorch finds no cuda device"):
        devices.pick_device("cuda")
    assert devices.pick_device("cpu") == torch.device("cpu")
    assert devices.pick_device("auto").type in {"cpu", "mps"}


def test_precision_is_a_question_of_the_machine_alone() -> None:
    cpu = torch.device("cpu")
    assert devices.pick_precision("float32", cpu) == "float32"
    assert devices.pick_precision("bfloat16", cpu) == "bfloat16"
    assert {devices.pick_precision("auto", cpu) for _ in range(3)} <= {"float32", "bfloat16"}
    assert devices.pick_precision("auto", torch.device("mps")) == "float32"


def test_the_mean_sample_is_that_of_the_training_part(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples)
    assert ready.mean.numpy() == pytest.approx(ready.splits.train.x.mean(0) / 255, abs=1e-6)
    table = tiny.prepared(tiny.table())
    assert table.mean.numpy() == pytest.approx(np.zeros(6), abs=1e-6)  # standardized


def test_network_input_is_the_scaled_data_in_its_order(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples)
    assert ready.x(ready.splits.train).numpy() == pytest.approx(ready.splits.train.x / 255, abs=1e-6)


@pytest.mark.parametrize("most", [1, 9, 160, 319, 320, 999])
def test_a_part_of_the_input_is_spread_over_all_of_it(most: int) -> None:
    table = np.arange(400, dtype=np.float32)[:, None]
    ready = tiny.prepared(table, scale="none")
    found = ready.x(ready.splits.train, most).flatten().numpy()
    assert 0.5 * min(most, 320) <= len(found) <= min(most, 320)
    places = np.searchsorted(ready.splits.train.x[:, 0], found)
    assert (np.diff(places) > 0).all()
    assert most == 1 or 320 - places[-1] <= 320 / len(found) + 1  # it reaches to the end
    assert len(set(np.diff(places))) <= 1


def test_labels_of_the_other_sets_are_counted_in_the_classes_of_training() -> None:
    def labeled(names: tuple[str, ...], labels: list[int]) -> Samples:
        return Samples(np.zeros((len(labels), 2), np.float32), "t", labels=np.array(labels), classes=names)

    bundle = Bundle(labeled(("a", "b"), [0, 1] * 10), labeled(("b", "c"), [0, 1]))
    ready = prepare.prepare(tiny.config(), split(bundle, seed=0))
    assert ready.splits.test.labels is not None
    assert ready.splits.test.labels.tolist() == [1, -1]


def test_fault_14_medians_come_from_the_training_part_alone() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    far = Samples(x + np.float32(1000), "far")  # as test data, which must not be used before the test
    config = tiny.config(missing="median")
    ready = prepare.prepare(config, split(Bundle(Samples(x, "near"), far), seed=0))
    assert ready.preprocess.fill == pytest.approx(np.nanmedian(ready.splits.train.x, 0))
    gaps = np.isnan(far.x)
    median = (ready.x(ready.splits.test).numpy())[gaps].max()
    assert median < 1  # standardized units: the median of the training part is near its mean, not near 1000
    assert np.isfinite(ready.x(ready.splits.train).numpy()).all()


def colors(H: int, W: int, n: int = 80) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, H, W), dtype=np.uint8)


def test_the_network_that_auto_chose_is_said_and_recorded(digits: tiny.Digits) -> None:
    ready = tiny.prepared(colors(16, 20), hidden="none", epochs=1)
    assert (ready.config.model.network, ready.config.model.hidden) == ("conv", (16, 32))
    said = "network conv for color images of 16x20: stages of 16, 32 channels (--network mlp: fully connected)"
    assert ready.said == (said,)
    assert tiny.prepared(colors(16, 20), network="mlp", epochs=1).said == ()
    gray = tiny.prepared(digits.samples, hidden="none", epochs=1)
    assert (gray.config.model.network, gray.config.model.hidden, gray.said) == ("mlp", (512, 256), ())
    assert tiny.prepared(digits.samples, network="conv", hidden=[7], epochs=1).config.model.hidden == (7,)


def test_images_too_large_for_convolutions_are_refused_before_anything_is_built() -> None:
    with pytest.raises(DataError, match="sides of 16 to 256 pixels, but these are 200x300") as caught:
        tiny.prepared(colors(200, 300, 10))
    assert caught.value.fix == "pass --resize 171x256"


@pytest.mark.parametrize("hidden", [[8], "none"])
def test_fault_187_networks_for_images_refuse_tables(hidden: Any) -> None:
    with pytest.raises(DataError, match="conv needs images, but this is a table") as caught:
        tiny.prepared(tiny.table(), network="conv", hidden=hidden)
    assert caught.value.fix == "pass --network mlp"
    for settings in ({"network": "unet", "hidden": hidden}, {"recipe": "photo"}):
        with pytest.raises(UsageError, match="unet needs images, but this is a table") as refused:
            tiny.prepared(tiny.table(), **settings)
        assert refused.value.fix == "pass --network mlp, without --recipe photo"


def test_the_passes_that_are_told_are_the_epochs_that_are_trained() -> None:
    x = np.random.default_rng(0).integers(0, 256, (144, 1, 28, 28), dtype=np.uint8)
    known = TrainingStatistics(Samples(x, "x"), IMAGE)
    said = settle_training(
        tiny.config(augment="auto", epochs=None, steps=8_000, batch_size=64), known, torch.device("cpu")
    )[1]
    assert any("training takes 2,667 passes over 144 images" in note for note in said)  # of 3 batches each


def test_a_single_image_or_row_is_said_in_the_singular() -> None:
    one = np.zeros((1, 1, 28, 28), np.uint8)
    known = TrainingStatistics(Samples(one, "one"), IMAGE)
    said = settle_training(tiny.config(augment="auto", epochs=41), known, torch.device("cpu"))[1]
    assert "augmentation shift:2: training takes 41 passes over 1 image (turn off with --augment none)" in said


@pytest.mark.parametrize(("rows", "said"), [([[1, 2]] * 3, "all 3 training samples are equal"), ([[1, 2], [1, 3]], "")])
def test_equal_samples_are_said_before_they_are_trained_on(rows: list[list[int]], said: str) -> None:
    found = notes.about_sameness(Samples(np.array(rows, np.float32), "rows"))
    assert [text.partition(",")[0] for text in found] == [said] * bool(said)


@pytest.mark.parametrize(
    ("noise", "meant"),
    [
        ("gaussian:25", "gaussian:0.098 (25/255)"),
        ("gaussian:10-50", "gaussian:0.039-0.2 (10/255 to 50/255)"),
        ("gaussian:51,clip=false", "gaussian:0.2,clip=false (51/255)"),
    ],
)
def test_fault_noise_levels_for_0_to_255_are_told_before_training(noise: str, meant: str) -> None:
    told = f"images are scaled to [0, 1]: did you mean --noise {meant}?"
    assert told in tiny.prepared(np.zeros((20, 1, 4, 4), np.uint8), noise=noise).said


@pytest.mark.parametrize("level", ["nan", "0.1-nan", "-1", "1" * 400, "1e999"])
def test_fault_64_a_level_that_is_no_number_is_refused_in_words(level: str, digits: tiny.Digits) -> None:
    assert notes.about_noise(f"gaussian:{level}", IMAGE) == []  # it is reported when the noise is built
    with pytest.raises(UsageError, match="is out of bounds; allowed are finite numbers of 0 or more") as caught:
        prepare.fresh_model(tiny.prepared(digits.samples, noise=f"gaussian:{level}"))
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("noise", ["none", "gaussian:0.5", "gaussian:2", "gaussian:0.1-2", "speckle:3"])
def test_levels_that_may_be_meant_are_left_alone(noise: str) -> None:
    assert notes.about_noise(noise, IMAGE) == []
    assert notes.about_noise("gaussian:25", TABLE) == []
    assert notes.about_noise("gaussian:300", IMAGE)[0].endswith("so noise gaussian:300 hides them completely")


@pytest.mark.parametrize(
    ("settings", "dropout"),
    [
        ({"epochs": 60}, choices.DROPOUT),
        ({"epochs": 60, "dropout": 0.0}, 0.0),
        ({"epochs": 10}, 0.0),  # rows that are rarely used are hardly memorized
        ({"epochs": 60, "bottleneck": "gaussian"}, 0.0),  # its code is random already
    ],
)
def test_rows_of_several_kinds_that_come_often_get_dropout(settings: dict, dropout: float) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    assert tiny.prepared(rows, **settings).config.model.dropout == 0.0
    rows[3, 1] = np.nan  # the model sees gaps, because the columns have kinds
    mixed = read_object(rows).train
    assert tiny.prepared(mixed, **settings).config.model.dropout == dropout
