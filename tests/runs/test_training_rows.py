"""Training samples are recognized by content: against Python's own sets of bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isthmus.data.hashing import numbers_of
from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError
from isthmus.runs.training_rows import TrainingRows, keep_training_rows, training_rows


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_was_trained_on_is_known_again(tmp_path: Path, dtype: type) -> None:
    rng = np.random.default_rng(0)
    train, new = rng.integers(0, 3, (40, 1, 2, 2)).astype(dtype), rng.integers(0, 3, (60, 1, 2, 2)).astype(dtype)
    keep_training_rows(tmp_path, Samples(train, "a"))
    found = training_rows(tmp_path)
    assert found is not None
    known = {row.tobytes() for row in train}
    assert found.holds(new).tolist() == [row.tobytes() in known for row in new]


def test_other_types_count_by_value_and_other_shapes_never() -> None:
    bytes_ = np.arange(12, dtype=np.uint8).reshape(3, 4)
    kept = TrainingRows(numbers_of(bytes_), (4,), bytes_.dtype)
    assert kept.holds(bytes_.astype(np.float32) + np.array([[0], [0.5], [0]], np.float32)).tolist() == [
        True,
        False,
        True,
    ]
    assert kept.holds(bytes_.astype(np.int64) + 256).tolist() == [False] * 3  # which would wrap around to the same
    assert kept.holds(np.full((1, 4), np.nan)).tolist() == [False]
    assert kept.holds(np.zeros((2, 1, 2, 2), np.uint8)).tolist() == [False, False]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fault_181_rows_with_gaps_are_known_again(tmp_path: Path, dtype: type) -> None:
    train = np.array([[1, np.nan, 2], [np.nan, np.nan, 0], [1, 2, 3]], dtype)
    keep_training_rows(tmp_path, Samples(train, "a"))
    found = training_rows(tmp_path)
    assert found is not None
    assert found.holds(train).tolist() == [True] * 3
    other_bits = np.where(np.isnan(train), -train, train)  # the sign bit of a gap means nothing
    assert other_bits.tobytes() != np.where(np.isnan(train), np.abs(train), train).tobytes()
    assert found.holds(other_bits).tolist() == [True] * 3
    new = np.array([[1, 0, 2], [np.nan, 2, 3], [np.nan, np.nan, 1]], dtype)
    assert found.holds(new).tolist() == [False] * 3


@pytest.mark.parametrize("kept", ["uint8", "uint16", "float32"])
def test_images_are_known_again_in_every_type_that_holds_them_whole(kept: str) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (20, 1, 5, 5))
    forms = {
        "uint8": levels.astype(np.uint8),
        "uint16": (levels * 257).astype(np.uint16),
        "float32": (levels / 255).astype(np.float32),
        "float64": levels / 255,
        "six decimals": (levels / 255).round(6),
    }
    rows = TrainingRows(numbers_of(forms[kept]), (1, 5, 5), forms[kept].dtype)
    for name, form in forms.items():
        if kept == "float32" and name in {"float64", "six decimals"}:  # other numbers, and nothing says which is meant
            continue
        assert rows.holds(form).all(), name
        other = form.copy()
        other[3, 0, 0, 0] = other[3, 0, 0, 0] // 2 + 1 if form.dtype.kind == "u" else 0.5012345
        assert rows.holds(other).sum() == 19, name
    if kept != "float32":
        beyond = forms["float64"].copy()
        beyond[0, 0, 0, 0], beyond[1, 0, 0, 0], beyond[2, 0, 0, 0] = np.nan, 2.0, -1.0
        assert rows.holds(beyond).tolist() == [False] * 3 + [True] * 17


def test_numbers_stay_the_same_in_every_version() -> None:
    """By hand, in Python's own integers: the bytes as a little-endian word, plus a key, through SplitMix64's mixer."""
    word = int.from_bytes(bytes([1, 2, 3, 0, 0, 0, 0, 0]), "little")
    z = (word + int(np.random.PCG64(0).random_raw(1)[0])) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    assert numbers_of(np.array([[1, 2, 3]], np.uint8)).tolist() == [z ^ (z >> 31)]


def test_round_floats_have_numbers_of_their_own() -> None:
    """All 4,096 rows of six values out of four, whose bits end in 21 zeros and more."""
    rows = np.stack(np.meshgrid(*[[0.0, 1.0, 2.0, 3.0]] * 6), -1).reshape(-1, 6)
    for dtype in (np.float32, np.float64):
        assert len(np.unique(numbers_of(rows.astype(dtype)))) == 4**6


def test_a_run_without_them_has_none_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    assert training_rows(tmp_path) is None
    keep_training_rows(tmp_path, Samples(np.zeros((3, 2), np.float32), "a"))
    part = tmp_path / "latent" / "training_rows" / "training_rows.safetensors"
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelFileError, match="training_rows"):
        training_rows(tmp_path)
