from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import isthmus
import tiny
from isthmus.api import Run
from isthmus.data.images.saving import save_images
from isthmus.errors import DataError, UsageError
from isthmus.tools.inference import apply
from isthmus.tools.inference.intake import read_input, read_parts

NAMES = ["a", "b", "c", "d"]


def write_gappy(path: Path, n: int, seed: int = 0, gaps: float = 0.1) -> Path:
    """A table of `NAMES` with empty cells."""
    x = tiny.table(n, len(NAMES), seed).astype(float)
    x[np.random.default_rng(seed).random(x.shape) < gaps] = np.nan
    pl.DataFrame({name: x[:, i] for i, name in enumerate(NAMES)}).fill_nan(None).write_csv(path)
    return path


@pytest.fixture(scope="module")
def gappy(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a table with gaps."""
    folder = tmp_path_factory.mktemp("gappy")
    table = write_gappy(folder / "table.csv", 80)
    given = tiny.SMALL | {"missing": "median", "epochs": 1, "batch_size": 16}
    return isthmus.train(table, out=folder / "run", show=False, **given)


def test_fault_14_new_gaps_get_the_medians_of_the_training_part(gappy: Run, tmp_path: Path) -> None:
    new = write_gappy(tmp_path / "new.csv", 30, seed=5, gaps=0.3)
    raw = pl.read_csv(new).to_numpy().astype(np.float32)
    fill = np.array(gappy.model.preprocess.fill, np.float32)
    filled = np.where(np.isnan(raw), fill, raw)
    assert not np.allclose(fill, np.nanmedian(raw, 0), atol=1e-3)  # or the test could not tell them apart
    found = read_input(gappy, new)
    torch.testing.assert_close(
        gappy.model.preprocess.to_x(torch.from_numpy(found.x)), gappy.model.preprocess.to_x(torch.from_numpy(filled))
    )
    apply.reconstruct(gappy, new, tmp_path / "out.csv")
    expected = gappy.model.reconstruct(filled)
    np.testing.assert_allclose(pl.read_csv(tmp_path / "out.csv").to_numpy(), expected, rtol=1e-5, atol=1e-6)  # float32


def test_one_row_with_nothing_but_a_gap_in_a_column_can_be_used(gappy: Run, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("a,b,c,d\n1,,0.5,2\n")
    apply.encode(gappy, tmp_path / "one.csv", tmp_path / "z.npy")
    fill = gappy.model.preprocess.fill
    assert fill is not None
    expected = gappy.model.encode(np.array([[1, fill[1], 0.5, 2]], np.float32))
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), expected, rtol=1e-5, atol=1e-6)  # float32
    with pytest.raises(DataError, match="1 missing value"):
        read_input(gappy, tmp_path / "one.csv", {"missing": "error"})


@pytest.fixture
def photos(digits: tiny.Digits, tmp_path: Path) -> Path:
    """A folder of three pictures."""
    folder = tmp_path / "photos"
    save_images(folder, digits.x[:3], ["a.png", "b.png", "cats/c.png"])
    return folder


@pytest.mark.parametrize("function", [apply.reconstruct, apply.denoise])
def test_pictures_are_not_written_over_those_they_are_made_from(
    function: Any, denoiser: Run, photos: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    with pytest.raises(UsageError, match="is the input itself"):
        function(denoiser, photos, photos)
    with pytest.raises(UsageError, match="is the input itself"):
        function(denoiser, photos / "a.png", photos / "a.png")
    with pytest.raises(UsageError, match="is inside the input"):
        function(denoiser, photos, photos / "out")
    with pytest.raises(UsageError, match="contains a file that would be overwritten"):  # photos/a.png, by another way
        function(denoiser, photos / "a.png", photos)
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before
    assert function(denoiser, photos, tmp_path / "out").n == 3
    assert function(denoiser, photos, tmp_path / "out").n == 3  # a second time, over its own
    assert function(denoiser, photos / "a.png", tmp_path / "one.png").path == tmp_path / "one.png"
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before


def test_a_suffix_that_would_lose_something_leads_to_no_other_file(denoiser: Run, photos: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.png is the input itself"):
        apply.reconstruct(denoiser, photos / "a.png", photos / "a.jpg")
    with pytest.raises(UsageError, match=r"b\.jpg has to be written as b\.png, which already exists"):
        apply.reconstruct(denoiser, photos / "a.png", photos / "b.jpg")
    assert apply.reconstruct(denoiser, photos / "a.png", photos / "new.jpg").path.name == "new.png"


def test_codes_and_what_is_decoded_stay_off_their_sources(denoiser: Run, digits: tiny.Digits, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", digits.x[:3])
    with pytest.raises(UsageError, match="is the input itself"):
        apply.encode(denoiser, tmp_path / "x.npy", tmp_path / "x.npy")
    with pytest.raises(UsageError, match="is the training data of the run"):
        apply.encode(denoiser, tmp_path / "x.npy", denoiser.config.data.source)
    apply.encode(denoiser, tmp_path / "x.npy", tmp_path / "z.npy")
    with pytest.raises(UsageError, match="is the input itself"):
        apply.decode(denoiser, tmp_path / "z.npy", tmp_path / "z.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), digits.x[:3])
    assert np.load(tmp_path / "z.npy").shape == (3, 4)


def test_fault_84_codes_of_files_named_like_formulas(digit_run: Run, digits: tiny.Digits, tmp_path: Path) -> None:
    names = ["=1+1.png", "-cmd.png", "@sum.png", "fine.png"]
    save_images(tmp_path / "in", digits.x[:4], names)
    written = apply.encode(digit_run, tmp_path / "in", tmp_path / "z.csv")
    assert any(sentence.startswith("3 texts begin with = + - or @") for sentence in written.said)
    table = pl.read_csv(tmp_path / "z.csv")
    assert sorted(table["id"]) == sorted(["'=1+1.png", "'-cmd.png", "'@sum.png", "fine.png"])
    expected = digit_run.model.encode(digits.x[:4])[np.argsort(names)]
    found = table.sort("id").select(pl.selectors.starts_with("z")).to_numpy()
    order = np.argsort([name if name == "fine.png" else f"'{name}" for name in sorted(names)])
    np.testing.assert_allclose(found, expected[order], rtol=1e-5, atol=1e-6)  # written with seven digits
    apply.decode(digit_run, tmp_path / "z.csv", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == sorted(names)


def test_codes_carry_ids_and_labels(digit_run: Run, tmp_path: Path) -> None:
    for name in ("z.csv", "z.parquet"):
        apply.encode(digit_run, "mnist-2k", tmp_path / name)
    samples = isthmus.read("mnist-2k").train
    assert samples.labels is not None
    for table in (pl.read_csv(tmp_path / "z.csv"), pl.read_parquet(tmp_path / "z.parquet")):
        assert table.columns == ["id", "label", *(f"z{i}" for i in range(12))]
        assert [int(i) for i in table["id"]] == list(range(2_000))
        assert [int(k) for k in table["label"]] == samples.labels.tolist()


def test_both_parts_are_read_where_there_are_two(digit_run: Run, digits: tiny.Digits, tmp_path: Path) -> None:
    save_images(tmp_path / "train", digits.x[:3], ["a.png", "b.png", "c.png"])
    save_images(tmp_path / "test", digits.x[3:5], ["d.png", "e.png"])
    bundle = read_parts(digit_run, tmp_path)
    assert bundle.test is not None
    assert np.array_equal(bundle.train.x, digits.x[:3])
    assert np.array_equal(bundle.test.x, digits.x[3:5])
    assert read_parts(digit_run, tmp_path / "test").test is None
    save_images(tmp_path / "big", np.zeros((1, 1, 30, 30), np.uint8), ["a.png"])
    with pytest.raises(DataError, match="30x30"):
        read_parts(digit_run, tmp_path / "big")


def test_a_table_without_codes_cannot_be_decoded(digit_run: Run, tmp_path: Path) -> None:
    pl.DataFrame(tiny.table(3), schema=list("abcdef")).write_csv(tmp_path / "t.csv")
    with pytest.raises(DataError, match="is a different table") as caught:
        apply.decode(digit_run, tmp_path / "t.csv", tmp_path / "out.npy")
    assert caught.value.fix == "use codes that `isthmus encode` wrote with this run"


def test_a_folder_of_one_image_is_not_written_as_one_file(digit_run: Run, digits: tiny.Digits, tmp_path: Path) -> None:
    save_images(tmp_path / "one", digits.x[:1], ["a.png"])
    with pytest.raises(UsageError, match=r"one is a folder, so the result is not a single \.png file"):
        apply.reconstruct(digit_run, tmp_path / "one", tmp_path / "b.png")
    save_images(tmp_path / "two", digits.x[:2], ["a.png", "b.png"])
    with pytest.raises(UsageError, match=r"2 images cannot be written into one \.png file"):
        apply.reconstruct(digit_run, tmp_path / "two", tmp_path / "b.png")


def test_rows_are_chosen_behind_a_colon(digit_run: Run, digits: tiny.Digits, tmp_path: Path) -> None:
    expected = digit_run.model.reconstruct(digits.x[[3, 30]])
    apply.reconstruct(digit_run, "mnist-2k:3", tmp_path / "three.png")
    with Image.open(tmp_path / "three.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected[0, 0])
    apply.reconstruct(digit_run, "mnist-2k:3,30", tmp_path / "out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)
    apply.encode(digit_run, "mnist-2k:30", tmp_path / "z.csv")
    table = pl.read_csv(tmp_path / "z.csv")
    assert table[["id", "label"]].row(0) == (30, digits.labels[30])
    np.testing.assert_allclose(table.to_numpy()[0, 2:], digit_run.model.encode(digits.x[[30]])[0], rtol=1e-5)


def test_one_picture_of_a_folder_may_become_one_file(denoiser: Run, photos: Path, tmp_path: Path) -> None:
    assert apply.denoise(denoiser, f"{photos}:2", tmp_path / "c.png").path == tmp_path / "c.png"
    with pytest.raises(UsageError, match="is inside the input"):
        apply.denoise(denoiser, f"{photos}:0-1", photos / "out")
    with pytest.raises(DataError, match="no row -1"):
        apply.denoise(denoiser, f"{photos}:-1", tmp_path / "d.png")


def test_fault_148_a_picture_through_a_run_on_pieces_comes_back_whole(tmp_path: Path) -> None:
    """Trained on pieces of 16 x 16: a picture of 45 x 70 is one file of its size and format, its border as good."""
    y, x = np.mgrid[:45, :70]
    for i in range(6):
        field = 128 + 90 * np.sin((x + 9 * i) / 11) * np.cos((y - 5 * i) / 8)
        Image.fromarray(field.astype(np.uint8)).save(tmp_path / f"{i}.png")
    given = {"patches": "16", "hidden": [64], "z_size": 12, "threads": 1, "steps": 300, "show": False}
    folder, one = tmp_path / "all", tmp_path / "0.png"
    folder.mkdir()
    for path in tmp_path.glob("*.png"):
        (folder / path.name).write_bytes(path.read_bytes())
    run = isthmus.train(folder, out=tmp_path / "run", network="mlp", **given)
    assert apply.reconstruct(run, one, tmp_path / "one.png").n == 1
    found, wanted = (np.asarray(Image.open(path)).astype(float) for path in (tmp_path / "one.png", one))
    assert found.shape == wanted.shape
    border = np.ones(wanted.shape, bool)
    border[4:-4, 4:-4] = False
    errors = np.square(found - wanted)
    assert errors[border].mean() < 0.05 * wanted.var()
    assert errors[~border].mean() < 0.05 * wanted.var()
    written = apply.reconstruct(run, folder, tmp_path / "folder")
    assert (written.n, len(list((tmp_path / "folder").glob("*.png")))) == (6, 6)
    pieces = apply.reconstruct(run, one, tmp_path / "pieces.npy")  # the pieces themselves, as before
    assert np.load(tmp_path / "pieces.npy").shape == (pieces.n, 1, 16, 16)


def test_fault_148_a_denoiser_of_pieces_puts_them_together(tmp_path: Path) -> None:
    for i in range(5):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (40, 33, 3), dtype=np.uint8)).save(
            tmp_path / f"{i}.jpg"
        )
    given = tiny.FAST | {"patches": "16", "network": "mlp", "noise": "gaussian:0.2", "epochs": 1}
    run = isthmus.train(tmp_path, out=tmp_path.parent / "run-denoiser", **given)
    out, both = tmp_path.parent / "out.jpg", tmp_path.parent / "both.png"
    apply.denoise(run, tmp_path / "1.jpg", out, strength=0.5, compared=both)
    with Image.open(out) as image:
        assert image.size == (33, 40)
    assert both.is_file()
    with pytest.raises(UsageError, match="--strength works only on image files"):
        apply.denoise(run, tmp_path / "1.jpg", tmp_path.parent / "out.npy", strength=0.5)


@pytest.mark.parametrize("name", ["first", "last"])
def test_arrays_keep_the_order_of_their_axes(name: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (8, 2, 24, 40), dtype=np.uint8)
    np.save(tmp_path / "first.npy", x)
    np.save(tmp_path / "last.npy", x.transpose(0, 2, 3, 1))
    run = isthmus.train(
        tmp_path / "first.npy",
        noise="gaussian:0.1",
        hidden=[4],
        z_size=2,
        steps=2,
        threads=1,
        show=False,
        out=tmp_path / "run",
    )
    expected = run.denoise(x)
    written = apply.denoise(run, tmp_path / f"{name}.npy", tmp_path / "out.npy")
    found = np.load(written.path)
    assert found.shape == np.load(tmp_path / f"{name}.npy").shape
    np.testing.assert_array_equal(found if name == "first" else found.transpose(0, 3, 1, 2), expected)
