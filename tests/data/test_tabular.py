"""A complete matrix as a table or as images, and what is said about it."""

import re

import numpy as np
import pytest

from isthmus.config import DataConfig
from isthmus.data.samples import Samples
from isthmus.data.tabular import Origin, samples_from_matrix
from isthmus.errors import DataError

RNG = np.random.default_rng(0)


def samples(
    matrix: np.ndarray, columns: list[str] | None = None, *, predicting: bool = False, **options: object
) -> Samples:
    origin = Origin("t", columns=None if columns is None else tuple(columns), predicting=predicting)
    return samples_from_matrix(matrix, origin, DataConfig(**options))  # type: ignore[arg-type]


def table(**columns: np.ndarray) -> Samples:
    return samples(np.stack(list(columns.values()), axis=1).astype(np.float32), list(columns))


NORMAL = RNG.normal(size=40)


def test_plain_table_says_nothing() -> None:
    found = table(a=NORMAL, b=RNG.integers(0, 5, 40))
    assert (found.notes, found.columns, found.is_image) == ((), ("a", "b"), False)


def test_fault_23_constant_columns_are_named() -> None:
    assert table(a=NORMAL, b=np.full(40, 3), c=np.zeros(40)).notes[0] == (
        't: 2 columns never change: "b", "c", so there is nothing to learn from them (scaled by 1).'
    )


def test_fault_25_identifiers_and_labels_left_in() -> None:
    ids = RNG.permutation(40) + 100
    notes = table(a=NORMAL, id=ids, fraud=ids % 2).notes
    assert (
        'column "id" seems to number the rows (no value occurs twice); leave it out with --drop-column id' in notes[0]
    )
    told = 'column "fraud" holds only 0 and 1; if it is what you want to predict, exclude it with --label fraud'
    assert told in notes[1]
    assert table(a=NORMAL, p=ids % 2, q=ids % 3 == 0).notes == ()  # several: categories spread over columns
    assert table(a=NORMAL[:9], id=ids[:9]).notes == ()  # nine rows may differ by chance


def test_one_column_more_than_pixels() -> None:
    notes = samples(RNG.integers(0, 300, (5, 785)).astype(np.float32), [f"c{i}" for i in range(785)]).notes
    assert "785 columns, one more than an image of 28x28 has pixels" in notes[-1]


def test_pixels_by_name_that_are_no_bytes() -> None:
    notes = samples(RNG.random((5, 64)).astype(np.float32), [f"pixel{i}" for i in range(64)]).notes
    assert "named like pixels, but are read as a table; if the rows are images, pass --shape 8x8" in notes[-1]


def test_images_by_shape_in_color() -> None:
    images = RNG.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    found = samples(images.reshape(5, -1), shape="4x4x3")
    np.testing.assert_array_equal(found.x, images.transpose(0, 3, 1, 2))
    assert found.notes == ()


def test_floats_of_pixels() -> None:
    unit = RNG.random((5, 64)).astype(np.float32)
    assert samples(unit, shape="8x8").x.dtype == np.float32
    whole = RNG.integers(0, 256, (5, 64)).astype(np.float32)
    assert samples(whole, shape="8x8").x.dtype == np.uint8
    np.testing.assert_array_equal(samples(unit * 20, shape="8x8").x.reshape(5, 64), unit * 20)
    with pytest.raises(DataError, match="image values lie between"):
        samples(unit * 20, shape="8x8", range="type")
    assert samples(unit * 20, shape="8x8", scale="minmax").x.max() == (unit * 20).max()


def test_wrong_size_is_told_before_the_range() -> None:
    with pytest.raises(DataError, match="65 columns, but --shape 8x8 needs 64"):
        samples(RNG.random((5, 65)).astype(np.float32) * 20, [f"c{i}" for i in range(65)], shape="8x8")


def test_pixel_columns_are_put_in_order() -> None:
    pixels = RNG.integers(0, 256, (5, 64), dtype=np.uint8)
    names = [f"pixel{i}" for i in range(64)]
    order = np.argsort(names)
    found = samples(pixels[:, order], [names[i] for i in order])
    np.testing.assert_array_equal(found.x.reshape(5, 64), pixels)
    assert found.columns == tuple(names)
    assert "sorted by their numbers" in found.notes[0]


def test_nothing_is_guessed_for_a_trained_model() -> None:
    pixels = RNG.integers(0, 256, (5, 64), dtype=np.uint8)
    found = samples(pixels, [f"pixel{i}" for i in range(64)], predicting=True)
    assert (found.shape, found.x.dtype, found.notes) == ((64,), np.float32, ())
    assert samples(pixels, None, predicting=True, shape="8x8").shape == (1, 8, 8)


def test_fault_14_gaps_stay_in_a_table_and_hide_nothing_else() -> None:
    matrix = np.array([[np.nan, 3, 0], [2, 3, 1], [5, np.nan, np.nan]], np.float32)
    found = samples(matrix, ["a", "b", "c"])
    np.testing.assert_array_equal(found.x, matrix)
    assert [re.split("[;,]", note)[0] for note in found.notes] == [
        't: column "b" never changes',
        't: column "c" holds only 0 and 1',
    ]


def test_fault_14_images_are_not_mended_with_medians() -> None:
    pixels = RNG.integers(0, 256, (5, 64)).astype(np.float32)
    pixels[2, 7] = np.nan
    for shape in ("8x8", None):  # given, or guessed from the columns
        with pytest.raises(DataError, match="rows are images of 8x8, but pixels are missing") as e:
            samples(pixels, [f"pixel{i}" for i in range(64)], shape=shape)
        assert "--missing drop" in str(e.value.fix)


ROWS = np.random.default_rng(0).normal(size=(200, 2))


def _notes(values: np.ndarray, name: str) -> str:
    matrix = np.column_stack([ROWS[: len(values)], values]).astype(np.float32)
    origin = Origin("t", columns=("a", "b", name))
    return " ".join(samples_from_matrix(matrix, origin, DataConfig()).notes)


@pytest.mark.parametrize(
    ("values", "name", "counts"),
    [
        (np.random.default_rng(1).permutation(200) + 5000, "number", True),  # shuffled row numbers
        (np.arange(0, 2000, 10), "place", True),  # evenly spaced
        (np.delete(np.arange(210), np.arange(10) * 9), "n", True),  # a few rows were left out
        (np.random.default_rng(2).choice(10**6, 200, replace=False), "customer_id", True),  # named so
        (np.sort(np.random.default_rng(3).choice(90_000, 200, replace=False)) + 20_000, "income", False),  # sorted
        (np.random.default_rng(4).choice(90_000, 200, replace=False), "price", False),
        (np.sort(np.random.default_rng(5).choice(10**6, 200, replace=False)), "paid", False),
    ],
)
def test_fault_107_only_what_counts_or_names_the_rows_is_told_as_such(
    values: np.ndarray, name: str, counts: bool
) -> None:
    assert ("seems to number the rows" in _notes(values, name)) is counts


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.arange(200) % 3, "holds only the whole numbers 0 to 2; if it is what you want to predict"),
        (np.arange(200) % 6 + 3, "3 to 8"),  # as the quality of wines, at the end of the table
        (np.arange(200) % 40, None),  # a count
        (np.arange(200) % 3 / 2, None),  # halves are a measure
        (np.where(np.arange(200) % 3 == 2, 7, np.arange(200) % 3), None),  # 0, 1, 7 are no numbers of classes
    ],
)
def test_fault_106_a_column_of_few_classes_is_proposed_as_the_label(values: np.ndarray, told: str | None) -> None:
    notes = _notes(values, "kind of it")
    assert ("--label 'kind of it'" in notes) is (told is not None)
    assert (told or "") in notes
