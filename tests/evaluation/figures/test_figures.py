"""The pictures of a run folder hold the values that were given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from skimage.metrics import peak_signal_noise_ratio

from isthmus.evaluation.figures import figures, fonts
from isthmus.evaluation.figures.canvas import DPI
from overlap import assert_no_text_overlaps


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def images(rng) -> np.ndarray:
    return rng.integers(0, 256, (40, 1, 28, 28), dtype=np.uint8)


def arrays(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def size(figure: Figure) -> tuple[int, int]:
    width, height = figure.get_size_inches() * DPI
    return int(width), int(height)


def test_samples_of_a_class_stand_in_its_row(images):
    labels = np.arange(40) % 4
    figure = figures.samples_per_class(images, labels, ["a", "b", "c", "d"])
    assert texts(figure) == ["a", "b", "c", "d"]
    expected = np.concatenate([np.flatnonzero(labels == k) for k in range(4)])
    for shown, row in zip(arrays(figure), expected, strict=True):
        np.testing.assert_allclose(shown, images[row, 0] / 255, atol=1e-7)  # float32
    assert_no_text_overlaps(figure)


@pytest.mark.parametrize(("n_classes", "samples"), [(3, 10), (26, 6), (62, 4), (100, 3)])
def test_many_classes_stand_in_columns_and_the_page_stays_as_wide(images, n_classes, samples):
    many = np.repeat(images, 40, axis=0)
    labels = np.arange(len(many)) % n_classes
    figure = figures.samples_per_class(many, labels, [f"class {k}" for k in range(n_classes)])
    assert len(arrays(figure)) == n_classes * samples
    assert 950 <= size(figure)[0] <= 1_400
    assert size(figure)[1] <= 1.1 * size(figure)[0]
    assert_no_text_overlaps(figure)


def test_of_more_than_120_classes_the_first_are_shown_and_the_picture_says_so(images):
    figure = figures.samples_per_class(images, np.arange(40), [str(k) for k in range(1_000)])
    assert texts(figure)[-1] == "the first 120 of 1,000 classes"
    assert_no_text_overlaps(figure)


def test_a_class_without_samples_says_none(images):
    assert texts(figures.samples_per_class(images[:3], np.array([0, 0, 1]), ["x", "y", "z"])) == ["x", "y", "z", "none"]


def test_names_may_be_long_or_strange(images, monkeypatch):
    monkeypatch.setattr(fonts, "drawable", lambda c: ord(c) < 0x1F000)  # whatever fonts this machine has
    names = ["$x_1$", "a name that is longer than any label has room for", "", "\U0001f980", "two\nlines"]
    figure = figures.samples_per_class(images, np.arange(40) % 5, names)
    first, second, third, fourth, fifth = texts(figure)
    assert (first, third, fourth, fifth) == ("$x_1$", "2", "3", "two lines")
    assert second.startswith("a name")
    assert second.endswith("…")
    assert_no_text_overlaps(figure)
    assert figures.png(figure).startswith(b"\x89PNG")


def test_without_labels_it_is_a_grid(images):
    figure = figures.samples_per_class(images, None, ())
    assert len(arrays(figure)) == 40
    assert texts(figure) == []


@pytest.mark.parametrize(("n", "columns", "rows"), [(1, 10, 1), (7, 3, 3), (20, 10, 2)])
def test_a_grid_goes_line_by_line(images, n, columns, rows):
    figure = figures.grid(images[:n], columns)
    places = [image.get_extent() for image in figure.axes[0].images]
    assert len({place[3] for place in places}) == rows
    assert places == sorted(places, key=lambda place: (place[3], place[0]))


def test_a_strip_is_one_row(images):
    figure = figures.strip(images[:5])
    assert len({image.get_extent()[3] for image in figure.axes[0].images}) == 1
    assert len(arrays(figure)) == 5


def test_sanity_shows_original_code_reconstruction_and_error(images, rng):
    x_hat = np.clip(images / 255 + rng.normal(0, 0.1, images.shape), 0, 1)
    z = rng.normal(size=(40, 32))
    figure = figures.sanity(images, z, x_hat, labels=[f"l{i}" for i in range(40)])
    shown = arrays(figure)
    np.testing.assert_allclose(shown[:10], images[:10, 0] / 255, atol=1e-7)  # float32
    np.testing.assert_allclose(shown[10:20], z[:10].reshape(10, 4, 8))
    np.testing.assert_allclose(shown[21:], x_hat[:10, 0], atol=1e-7)  # shown[20] is the color bar
    mse = ((images / 255 - x_hat) ** 2).mean(axis=(1, 2, 3))
    found = texts(figure)
    assert [f"{e:.4f}" for e in mse[:10]] == [t for t in found if t.startswith("0.0")]
    assert {"original", "code", "z_size 32", "reconstruction", "MSE", "label", "l0", "l9"} <= set(found)
    assert_no_text_overlaps(figure)


def test_fault_182_long_class_names_do_not_run_into_each_other(images):
    names = ["Animals & Nature", "Component", "People & Body", "Smileys & Emotion", "Travel & Places"] * 8
    figure = figures.sanity(images, None, images / 255, labels=names)
    assert_no_text_overlaps(figure)
    found = texts(figure)
    assert "Component" in found
    assert any(text.startswith("Smileys") and text.endswith("…") for text in found)


@pytest.mark.parametrize("z_size", [1, 2, 3, 32, 512, 4096])
@pytest.mark.parametrize("n", [1, 3, 10])
def test_every_size_of_code_and_number_of_samples_can_be_read(images, rng, z_size, n):
    figure = figures.sanity(images[:n], 100 * rng.normal(size=(n, z_size)), images[:n])
    assert_no_text_overlaps(figure)
    width, height = size(figure)
    right_most = max(image.get_extent()[1] for image in figure.axes[0].images)
    assert width - right_most < 100
    assert height > 250


def colors_of_code(figure: Figure) -> tuple[str, float, float]:
    code = next(i for i in figure.axes[0].images if i.get_cmap().name != "gray")
    return code.get_cmap().name, *code.get_clim()


def test_signed_codes_have_colors_symmetric_about_zero(images):
    z = np.tile([[-3.0, 1.0]], (4, 1))
    assert colors_of_code(figures.sanity(images[:4], z, images[:4])) == ("RdBu", -3.0, 3.0)


def test_codes_between_0_and_1_have_one_color_from_0_to_1(images):
    z = np.tile([[0.2, 0.7]], (4, 1))
    assert colors_of_code(figures.sanity(images[:4], z, images[:4])) == ("Blues", 0.0, 1.0)
    assert colors_of_code(figures.sanity(images[:4], z, images[:4], signed=True)) == ("RdBu", -0.7, 0.7)


def test_one_huge_code_leaves_the_others_their_colors(images, rng):
    z = rng.uniform(-1, 1, (4, 100))
    z[0, 0] = 1_000.0
    figure = figures.sanity(images[:4], z, images[:4])
    assert colors_of_code(figure)[2] <= 1.0
    assert [t for t in texts(figure) if t[0] in "≥≤"] == ["≥ 1", "≤ −1"] or "≥ 0.99" in texts(figure)


@pytest.mark.parametrize("z", [np.zeros((3, 4)), np.full((3, 4), np.nan)])
def test_dead_and_undefined_codes_are_drawn(images, z):
    assert figures.png(figures.sanity(images[:3], z, images[:3])).startswith(b"\x89PNG")


@pytest.mark.parametrize("z", [None, np.zeros((3, 0))])
def test_a_network_without_a_code_has_no_row_for_it(images, z):
    assert "code" not in texts(figures.sanity(images[:3], z, images[:3]))
    assert "code" not in texts(figures.denoising(images[:3], z, images[:3], images[:3]))


def test_denoising_tells_the_psnr_of_noisy_and_denoised(images, rng):
    clean = images[:10] / 255
    noisy, denoised = clean + rng.normal(0, 0.5, clean.shape), clean + rng.normal(0, 0.05, clean.shape)
    figure = figures.denoising(noisy, rng.normal(size=(10, 32)), denoised, clean)
    expected = [
        f"{peak_signal_noise_ratio(c, x, data_range=1.0):.1f} dB"
        for images_ in (noisy, denoised)
        for c, x in zip(clean, images_, strict=True)
    ]
    assert [t for t in texts(figure) if t.endswith(" dB")] == expected
    assert [t for t in texts(figure) if t in {"noisy", "code", "denoised", "clean"}] == [
        "noisy",
        "code",
        "denoised",
        "clean",
    ]
    assert_no_text_overlaps(figure)


def test_fault_86_an_infinite_psnr_is_said_as_identical(images):
    figure = figures.denoising(images[:3], None, images[:3], images[:3])
    assert texts(figure).count("identical") == 6


def test_the_worst_stand_first_with_their_ids_and_errors(images, rng):
    x_hat = np.clip(images / 255 + rng.normal(0, 0.1, images.shape), 0, 1)
    errors = rng.random(40)
    errors[7] = np.nan
    figure = figures.worst(images, x_hat, errors, [f"n{i}" for i in range(40)])
    order = [7, *[i for i in np.argsort(-errors) if i != 7][:9]]  # an undefined error is worse than any
    found = texts(figure)
    assert [t for t in found if t.startswith("n")] == [f"n{i}" for i in order]
    shown = arrays(figure)
    np.testing.assert_allclose(shown[:10], images[order, 0] / 255, atol=1e-7)  # float32
    np.testing.assert_allclose(shown[10:20], x_hat[order, 0], atol=1e-7)
    np.testing.assert_allclose(shown[20:30], np.abs(images[order, 0] / 255 - x_hat[order, 0]), atol=1e-6)
    assert f"{errors[order[1]]:.4f}" in found
    assert_no_text_overlaps(figure)


def test_long_file_names_keep_their_ends(images):
    figure = figures.worst(images[:10], images[:10], np.arange(10), [f"folder/scan_{i:09d}.png" for i in range(10)])
    names = [t for t in texts(figure) if t.startswith("…")]
    assert len(names) == 10
    assert all(name.endswith(".png") for name in names)
    assert_no_text_overlaps(figure)


@pytest.mark.parametrize(
    "shape", [(1, 16, 16), (3, 64, 64), (4, 32, 32), (1, 14, 56), (1, 1, 784), (3, 200, 120), (1, 90, 20), (2, 9, 9)]
)
def test_every_shape_of_image_fits_the_page(rng, shape):
    x = rng.random((12, *shape))
    z = rng.normal(size=(12, 16))
    for figure in (
        figures.sanity(x, z, x),
        figures.denoising(x, z, x, x),
        figures.worst(x, x, x.mean((1, 2, 3)), range(12)),
    ):
        assert_no_text_overlaps(figure)
        assert 500 <= size(figure)[0] <= 1_420
        right = max(image.get_extent()[1] for image in figure.axes[0].images)
        assert right <= size(figure)[0]


def test_color_images_are_shown_in_color(rng):
    x = rng.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    for shown, image in zip(arrays(figures.strip(x)), x, strict=True):
        np.testing.assert_allclose(shown, image.transpose(1, 2, 0) / 255, atol=1e-7)  # float32
