"""Photographs of many sizes: trained on whole, denoised whole, each written as it came; by the command too."""

from __future__ import annotations

import io
import json
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

import isthmus
import tiny
from contract import redraw
from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.images.photograph import Frame, Photograph
from isthmus.errors import DataError, UsageError
from isthmus.evaluation.metrics.removed import Removed
from isthmus.models.denoiser import Denoiser
from isthmus.models.photo import PhotoDenoiser
from isthmus.tools.inference.apply import denoise, denoise_with_photo
from isthmus.tools.inference.cleaned_files import CleanedFile, told
from isthmus.tools.inference.photo_judgment import Judgment
from isthmus.tools.inference.photographs import Wish, cleaned, denoise_photographs
from isthmus.training.display import Quiet
from isthmus.training.prepare import batches_of, prepare, read_splits
from pages import Page

SIZES = [(40, 60), (64, 33), (50, 50), (37, 81), (90, 44), (48, 48), (60, 40), (41, 57), (52, 66), (45, 45)]
SMALL = {"recipe": "photo", "hidden": [4, 6, 8], "threads": 1, "epochs": 2, "batch_size": 8, "show": False}
SMALL |= {"training.patch": 24}


def smooth(H: int, W: int, seed: int) -> np.ndarray:
    """A picture of soft blobs in gray, (H, W) bytes."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(H, W)), 4)
    return ((field - field.min()) / np.ptp(field) * 200 + 25).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i, (H, W) in enumerate(SIZES):
        Image.fromarray(smooth(H, W, i)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def photo_run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return isthmus.train(pictures, out=tmp_path_factory.mktemp("runs") / "photo", **SMALL)


def test_images_of_many_sizes_are_trained_on_whole(photo_run: Run, pictures: Path) -> None:
    config = photo_run.config
    ready = prepare(config, read_splits(config, None, Quiet()))
    assert {ready.splits.train.shape, ready.splits.validation.shape} == {(1, 32, 32)}
    whole = ready.splits.train.whole
    assert whole is not None
    assert sorted(map(tuple, whole.sizes.tolist())) == sorted(SIZES)
    held = {int(g) for part in (ready.splits.validation, ready.splits.test) for g in np.unique(part.groups)}
    batches = batches_of(ready)
    drawn = {tuple(size) for size in batches.sizes.tolist()}  # type: ignore[attr-defined]
    assert drawn == {SIZES[i] for i in range(len(SIZES)) if i not in held}  # ids are in natural order
    assert isinstance(photo_run.model, Denoiser)
    assert photo_run.metrics["denoising"]["n"] > 0
    assert photo_run.metrics["z_size"] is None
    assert (photo_run.path / "denoising.png").is_file()
    assert not Page(photo_run.path / "report.html").all("section", id="code")


def test_the_same_seed_gives_the_same_weights_also_after_a_stop(photo_run: Run, pictures: Path, tmp_path: Path) -> None:
    longer = isthmus.train(pictures, out=tmp_path / "longer", **SMALL | {"epochs": 1})
    isthmus.resume(longer.path, epochs=2, show=False)
    again = isthmus.train(pictures, out=tmp_path / "again", **SMALL)
    tiny.assert_same_weights(again, photo_run)
    assert Run(longer.path).history[-1]["epoch"] == 2


def test_a_folder_gives_a_folder_of_the_same_names_and_sizes(photo_run: Run, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    Image.fromarray(smooth(70, 31, 1)).save(tmp_path / "in" / "a.png")
    color = np.stack([smooth(33, 45, k) for k in range(3)], -1)
    Image.fromarray(color).save(tmp_path / "in" / "deep" / "b.jpg", quality=95)
    words = ["denoise", str(photo_run.path), str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert run_guarded(build_app(), words) == 0
    a, b = (Image.open(tmp_path / "out" / name) for name in ("a.png", "deep/b.jpg"))
    with a, b:
        assert (a.size, a.mode, b.size, b.mode, b.format) == ((31, 70), "L", (45, 33), "RGB", "JPEG")
        assert np.array_equal(np.asarray(a), photo_run.model.denoise(smooth(70, 31, 1)))


def test_no_strength_gives_the_picture_back_and_half_of_it_half(photo_run: Run, tmp_path: Path) -> None:
    x = smooth(50, 40, 3)
    Image.fromarray(x).save(tmp_path / "x.png")
    found = {}
    for strength in ("0", "0.5", "1"):
        out = tmp_path / f"y{strength}.png"
        words = ["denoise", str(photo_run.path), str(tmp_path / "x.png"), "-o", str(out), "--strength", strength]
        assert run_guarded(build_app(), words) == 0
        with Image.open(out) as image:
            found[strength] = np.asarray(image).astype(int)
    assert np.array_equal(found["0"], x)
    assert np.abs(found["0.5"] - (x + found["1"]) / 2).max() <= 1  # each was rounded to bytes


def test_a_broken_file_is_named_and_the_others_are_written(
    photo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(smooth(40, 40, 0)).save(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.png").write_bytes((tmp_path / "in" / "good.png").read_bytes()[:200])
    words = ["denoise", str(photo_run.path), str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert run_guarded(build_app(), words) == 3
    told = capsys.readouterr().err
    assert "1 of 2 files could not be denoised; 1 was written" in told
    assert "bad.png" in told
    assert (tmp_path / "out" / "good.png").is_file()
    for content in (b"no picture", (tmp_path / "in" / "bad.png").read_bytes()):
        (tmp_path / "alone.png").write_bytes(content)
        words = ["denoise", str(photo_run.path), str(tmp_path / "alone.png"), "-o", str(tmp_path / "clean.png")]
        assert run_guarded(build_app(), words) == 3
        assert "alone.png" in capsys.readouterr().err
        assert not (tmp_path / "clean.png").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["encode", "{run}", "{x}", "-o", "{out}.csv"], 2, "has no code"),
        (["sample", "{run}", "-o", "{out}"], 2, "has no code"),
        (
            ["denoise", "{run}", "{x}", "-o", "{out}.png", "--strength", "3"],
            2,
            "the strength is 3, but must be from 0 to 1",
        ),
    ],
)
def test_what_it_cannot_do_is_said(
    words: list[str], code: int, message: str, photo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(smooth(32, 32, 0)).save(tmp_path / "x.png")
    places = {"run": photo_run.path, "x": tmp_path / "x.png", "out": tmp_path / "out"}
    assert run_guarded(build_app(), [word.format(**places) for word in words]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("C", [1, 3])
def test_a_file_goes_the_way_of_an_array_whatever_the_scale(C: int, scaled: bool) -> None:
    preprocess = Preprocess((C, 16, 16), "uint8", range=(0.0, 1.0))
    if scaled:  # as of --scale minmax, on images from 40 to 200
        preprocess = replace(preprocess, offset=(40.0,) * C, scale=(1 / 160,) * C)
    model = Denoiser(
        ModelConfig(network="unet", hidden=(4, 6, 8), noise="grain:0.1", likelihood="gaussian"), preprocess
    )
    redraw(model, 1)
    with torch.no_grad():
        model.network.tail.weight.mul_(1e-4)
    pixels = np.random.default_rng(0).integers(50, 190, (C, 21, 30), dtype=np.uint8)
    alpha, seen = np.full((21, 30), 7, np.uint8), []
    found = cleaned(
        model, Frame(pixels.copy(), alpha, {"dpi": (72, 72)}), progress=lambda done, total: seen.append((done, total))
    )
    assert np.array_equal(found.pixels, model.denoise(pixels[None])[0])
    assert not np.array_equal(found.pixels, pixels)
    assert (found.alpha is alpha, found.info, seen) == (True, {"dpi": (72, 72)}, [(1, 1)])
    x = preprocess.to_x(torch.from_numpy(pixels[None]))
    expected = preprocess.to_raw(model(x).params.detach(), torch.uint8)[0].numpy()
    assert np.abs(found.pixels.astype(int) - expected.astype(int)).max() <= 1


def test_it_is_evaluated_on_photographs_of_other_sizes(
    photo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, sides in (("large", (70, 110)), ("small", (20, 24))):
        (tmp_path / folder).mkdir()
        for i in range(4):
            Image.fromarray(smooth(*sides, 50 + i)).save(tmp_path / folder / f"{i}.png")
    assert run_guarded(build_app(), ["evaluate", str(photo_run.path), str(tmp_path / "large"), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert (measured["data"]["n_test"], measured["data"]["shape"]) == (16, [1, 32, 32])  # four pieces of each
    assert 0 < measured["test"]["mse"] < 0.1
    assert run_guarded(build_app(), ["evaluate", str(photo_run.path), str(tmp_path / "small")]) == 3
    assert "smaller than 32 x 32 pixels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a.png -o b.png --compare a.png", "a.png is the input itself"),
        ("a.png -o b.png --compare b.png", "b.png is also the output file"),
        ("in -o out --compare one.png", "in is a folder, but one.png can hold only one before-and-after picture"),
        ("in -o out --compare in/pictures", "in/pictures is inside the input in"),
        ("in -o out.png", "in is a folder, so the result is not a single .png file"),
        ("in -o out.npy --strength 1", "in is a folder, so the result is not a single .npy file"),
    ],
)
def test_pictures_of_before_and_after_replace_nothing(
    given: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "in/one/x.png", "in/two/x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(smooth(20, 24, 1)).save(tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    assert run_guarded(build_app(), ["denoise", "photo", *given.split()]) == 2
    assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before
    assert run_guarded(build_app(), ["denoise", "photo", "in", "-o", "out", "--compare", "pictures"]) == 0
    found = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "pictures").rglob("*.png"))
    assert found == ["pictures/one/x.png-before-after.png", "pictures/two/x.png-before-after.png"]


def test_a_picture_that_is_compared_is_not_there_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the file is read again, for its half of the comparison, what was made of it is gone."""
    alive: list[weakref.ref[np.ndarray]] = []
    counts: list[int] = []
    read = Photograph.frames

    def watched(self: Photograph) -> Iterator[Frame]:
        counts.append(sum(ref() is not None for ref in alive))
        for frame in read(self):
            alive.append(weakref.ref(frame.pixels))
            yield frame

    monkeypatch.setattr(Photograph, "frames", watched)
    source = tmp_path / "grainy.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(source)
    wish = Wish(compared=tmp_path / "both.png")
    denoise_photographs(PhotoDenoiser().network_for, [source], source, tmp_path / "clean.png", wish)
    assert counts == [0, 0]
    assert (tmp_path / "both.png").is_file()


@pytest.mark.parametrize(("given", "wanted"), [("a.jpeg", "b.jpg"), ("a.JPG", "b.jpe"), ("a.tif", "b.tiff")])
def test_what_is_left_alone_is_the_same_file_under_another_suffix_of_its_format(
    given: str, wanted: str, tmp_path: Path
) -> None:
    """Decoded and encoded again a JPEG would be another picture, of which it is said that it is as it was."""
    Image.new("RGB", (40, 50), (90, 120, 60)).save(tmp_path / given)
    left = denoise_with_photo(tmp_path / given, tmp_path / wanted)
    assert "left unchanged" in left.said[0]
    assert (tmp_path / wanted).read_bytes() == (tmp_path / given).read_bytes()
    denoise_with_photo(tmp_path / given, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as found:
        assert found.format == "PNG"


def test_black_and_white_alone_is_left_as_it_is_unless_a_strength_is_given(tmp_path: Path) -> None:
    dots = np.random.default_rng(0).random((40, 50)) < 0.5
    Image.fromarray(dots).save(tmp_path / "a.tif", compression="group4")
    left = denoise_with_photo(tmp_path / "a.tif", tmp_path / "b.tif")
    assert (tmp_path / "b.tif").read_bytes() == (tmp_path / "a.tif").read_bytes()
    assert "only black and white: left unchanged" in left.said[0]
    made = denoise_with_photo(tmp_path / "a.tif", tmp_path / "c.tif", strength=1.0)
    assert made.said == ("only black and white: the denoised picture has grays",)
    with Image.open(tmp_path / "c.tif") as found:
        assert found.mode == "L"


def _truncated() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)).save(file, "PNG")
    return file.getvalue()[:400]


@pytest.mark.parametrize(
    ("content", "said", "fix"),
    [(b"", "is empty", "copy or export"), (_truncated(), "is damaged or truncated", "copy or export"),
     (b"no image", "is not an image in a supported format", "as PNG or TIFF"),
     (np.full((20, 30), np.nan, np.float32), "holds NaN", "np.nan_to_num"),
     (np.zeros((20, 30), np.uint8), "the limit is 500", "pass --max-pixels 600")],
    ids=["empty", "truncated", "text", "NaN", "large"],
)  # fmt: skip
def test_what_cannot_be_denoised_is_told_with_a_fix_for_that_file(
    content: bytes | np.ndarray, said: str, fix: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        Image.fromarray(content).save(path)
    with pytest.raises(DataError, match=said) as error:
        denoise_with_photo(path, tmp_path / "b.tif", {"max_pixels": 500 if "500" in said else None})
    assert fix in (error.value.fix or "")
    assert not (tmp_path / "b.tif").exists()


@pytest.mark.parametrize(
    ("array", "said"),
    [(np.array([None]), "holds Python objects"), (np.array(["a"]), "holds strings"),
     (np.zeros((4, 20, 30), np.uint8), "truncated"), (np.array(5.0), "shape")],
    ids=["objects", "strings", "truncated", "number"],
)  # fmt: skip
def test_fault_185_an_array_that_photo_cannot_take_is_told(array: np.ndarray, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    if said == "truncated":
        (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-500])
    with pytest.raises(DataError, match=said) as error:
        denoise_with_photo(tmp_path / "a.npy", tmp_path / "b.npy")
    assert error.value.fix
    assert not (tmp_path / "b.npy").exists()


@pytest.mark.parametrize(("shape", "n"), [((20, 30), 1), ((20, 30, 3), 1), ((3, 20, 30), 1), ((2, 1, 20, 30), 2)])
def test_arrays_are_denoised_and_counted_as_images(shape: tuple[int, ...], n: int, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "a.npy", x)
    assert denoise_with_photo(tmp_path / "a.npy", tmp_path / "b.npy", strength=1.0).n == n
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), PhotoDenoiser().denoise(x))
    with pytest.raises(UsageError, match="--compare draws pictures of image files only"):
        denoise_with_photo(tmp_path / "a.npy", tmp_path / "b.npy", compared=tmp_path / "c.png")


def test_options_that_would_have_no_effect_are_refused(photo_run: Run, tmp_path: Path) -> None:
    Image.fromarray(smooth(40, 40, 0)).save(tmp_path / "a.png")
    settings = {"resize": "20", "gray": True}
    with pytest.raises(UsageError, match="photo takes image files as they are, so --resize, --gray would") as error:
        denoise_with_photo(tmp_path / "a.png", tmp_path / "b.png", settings)
    assert error.value.fix == "leave --resize and --gray out"
    with pytest.raises(UsageError, match="a run of recipe photo takes image files as they are"):
        denoise(photo_run, tmp_path / "a.png", tmp_path / "b.png", settings)


def test_one_file_is_told_as_one() -> None:
    structure = Judgment(0.1, Removed(0.1, 0.0, 0.0, 0.0, 1.0))
    clean, lost = CleanedFile(Path("a.png"), Judgment(0.0, structure.removed), is_left=True), structure
    noisy = CleanedFile(Path("b.png"), lost, is_left=False)
    _, left, removed = told([clean, noisy], 1.0)
    assert left.startswith("1 file (a.png) with hardly any noise")
    assert left.endswith("--strength 1 also denoises it")
    assert removed == "detail was removed from 1 file (b.png); --strength 0.5 keeps half of it"
    assert told([clean, clean, noisy], 1.0)[1].startswith("2 files (such as a.png) with")


def test_a_network_that_finds_little_noise_does_not_say_that_there_is_little() -> None:
    judgment = Judgment(0.001, Removed(0.001, 0.0, 0.0, 0.0, 0.0))
    file = CleanedFile(Path("a.png"), judgment, is_left=False)
    assert told([file], 1.0) == ("hardly any noise (noise of 0.3 of 255 in flat parts): denoising can only blur it",)
    assert told([file], 1.0, tells_noise=False) == ("noise of 0.3 of 255 in flat parts, all that this network finds",)
    assert told([file, file], 1.0, tells_noise=False)[0].startswith("noise removed at full strength: 0.3 to 0.3 of 255")
