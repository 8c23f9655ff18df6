"""New data is brought to the form that a trained model takes, or refused with the option that would do it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tifffile

import isthmus
import tiny
from isthmus.api import Run
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.images.saving import save_images
from isthmus.data.samples import Samples
from isthmus.errors import DataError, UsageError
from isthmus.tools.inference.intake import fitting, read_input, read_parts, reading_options

RNG = np.random.default_rng(0)


def images(channels: int, side: int = 6) -> Samples:
    return Samples(RNG.integers(0, 256, (4, channels, side, side), dtype=np.uint8), "given")


def test_gray_images_are_given_to_a_color_model_in_three_like_channels() -> None:
    gray, color = images(1), fit_preprocess(images(3), "auto")
    found = fitting(gray, color)
    assert np.array_equal(found.x, np.concatenate([gray.x] * 3, axis=1))
    assert found.notes[-1] == "given: gray images for a color model; the gray channel is used three times."


@pytest.mark.parametrize(
    ("given", "wanted", "message", "fix"),
    [
        (images(3), images(1), "6x6 with 3 channels; .* 6x6 with 1 channel", "pass --gray"),
        (images(1, 8), images(1), r"images of 8x8; .* trained on 6x6\.", "pass --resize 6x6"),
        (Samples(tiny.table(5), "given"), images(1), "has rows of a table, but .* on images", "of the same kind"),
        (images(1), Samples(tiny.table(5), "t"), "has images, but .* on rows of a table", "of the same kind"),
        (Samples(tiny.table(5, 4), "given"), Samples(tiny.table(5), "t"), "has 4 columns; .* on 6", "the same columns"),
        (Samples(tiny.table(5, 1), "given"), Samples(tiny.table(5), "t"), "has 1 column; .* on 6", "the same columns"),
        (
            Samples(tiny.table(5, 7), "given"),
            Samples(tiny.table(5), "t"),
            "has 7 columns",
            "some out with --drop-column",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(given: Samples, wanted: Samples, message: str, fix: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        fitting(given, fit_preprocess(wanted, "auto"))
    assert fix in str(caught.value.fix)


def test_columns_are_put_into_the_order_of_training() -> None:
    x = tiny.table(5, 3)
    takes = fit_preprocess(Samples(x, "t", columns=("a", "b", "c")), "auto")
    found = fitting(Samples(x[:, [2, 0, 1]], "given", columns=("c", "a", "b")), takes)
    assert np.array_equal(found.x, x)
    assert found.columns == ("a", "b", "c")


def test_of_pictures_of_several_sizes_the_fix_names_the_models(denoiser: Run, tmp_path: Path) -> None:
    for side in (20, 30):
        save_images(tmp_path / "p", images(1, side).x[:1], [f"{side}.png"])
    with pytest.raises(DataError, match="2 sizes") as caught:
        read_input(denoiser, tmp_path / "p")
    assert caught.value.fix == "pass --resize 28x28, the size that the model was trained on"
    assert read_input(denoiser, tmp_path / "p", {"resize": "28"}).x.shape == (2, 1, 28, 28)


def test_a_source_in_two_parts_is_read_by_either(denoiser: Run, digits: tiny.Digits, tmp_path: Path) -> None:
    np.savez(tmp_path / "both.npz", x_train=digits.x[:7], x_test=digits.x[7:10])
    both = read_parts(denoiser, tmp_path / "both.npz")
    assert both.test is not None
    assert (len(both.train), len(both.test)) == (7, 3)
    assert np.array_equal(read_input(denoiser, tmp_path / "both.npz").x, digits.x[7:10])


def test_a_scale_that_the_model_was_not_trained_with_is_refused(denoiser: Run, images_file: Path) -> None:
    with pytest.raises(UsageError, match="--scale cannot be changed: the model scales its input as in training"):
        read_input(denoiser, images_file, {"scale": "minmax"})
    assert len(read_input(denoiser, images_file, {"scale": "auto"})) == 200


@pytest.fixture
def images_file(denoiser: Run) -> Path:
    """The file that the denoiser was trained on."""
    return Path(denoiser.config.data.source)


@pytest.mark.parametrize("given", ["n/k", ["n/k"], ("n/k",)])
def test_words_for_no_value_come_beside_those_of_the_training(
    denoiser: Run, given: str | list[str] | tuple[str]
) -> None:
    assert reading_options(denoiser, {"null_values": given}).null_values == ("n/k",)


def test_rows_of_a_table_come_as_the_run_read_them(tmp_path: Path) -> None:
    table = pl.DataFrame({"kind": ["x", "y"] * 30} | {name: tiny.table(60)[:, i] for i, name in enumerate("ab")})
    table.write_csv(tmp_path / "t.csv")
    run = isthmus.train(tmp_path / "t.csv", label="kind", out=tmp_path / "run", **tiny.FAST | {"epochs": 1})
    table[:4].select("b", "a").write_csv(tmp_path / "new.csv")
    found = read_input(run, tmp_path / "new.csv")
    assert found.columns == ("a", "b")
    np.testing.assert_allclose(found.x, tiny.table(60)[:4, :2], rtol=1e-6)  # as texts and back
    pl.DataFrame({"height": [1.0], "weight": [2.0]}).write_csv(tmp_path / "other.csv")
    with pytest.raises(DataError, match="is a different table: it has none") as caught:
        read_input(run, tmp_path / "other.csv")
    assert str(caught.value.fix).endswith(f"which was on {tmp_path / 't.csv'}")


def test_fault_137_of_images_with_bands_the_fix_names_the_channels_of_the_model(denoiser: Run, tmp_path: Path) -> None:
    bands = RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8)
    settings = {"photometric": "minisblack", "planarconfig": "separate", "extrasamples": ["unspecified"] * 11}
    tifffile.imwrite(tmp_path / "a.tif", bands, **settings)
    with pytest.raises(DataError, match="the model takes gray images, but the data holds") as caught:
        read_input(denoiser, tmp_path / "a.tif")
    assert caught.value.fix == "use images with 1 channel, like the training images"


@pytest.mark.parametrize(
    ("column", "words", "kind", "fix"),
    [
        ("when", "morning", "time", "write these columns in the same format as in training"),
        ("paid", "later", "yes or no", "write these columns in the same format as in training"),
        ("price", "cheap", "number", "put numbers into these columns; the model takes them"),
    ],
)
def test_the_fix_for_text_follows_from_the_kind_that_the_column_had(
    column: str, words: str, kind: str, fix: str, tmp_path: Path
) -> None:
    rows = {
        "when": [f"2024-01-{1 + i % 28:02d} {i % 24:02d}:00" for i in range(60)],
        "paid": ["yes" if i % 3 else "no" for i in range(60)],
        "price": [2.5 * i for i in range(60)],
    }
    pl.DataFrame(rows).write_csv(tmp_path / "a.csv")
    run = isthmus.train(tmp_path / "a.csv", out=tmp_path / "run", **tiny.FAST)
    pl.DataFrame(rows | {column: [words] * 60}).write_csv(tmp_path / "b.csv")
    with pytest.raises(DataError, match=f"hold no {kind}") as caught:
        read_input(run, tmp_path / "b.csv")
    assert (caught.value.fix, caught.value.wanted) == (fix, {kind})
