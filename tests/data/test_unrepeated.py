"""Repeats left out, against Python's own sets of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from isthmus.config import Config, DataConfig
from isthmus.data.samples import Bundle, Samples
from isthmus.data.unrepeated import without_duplicates
from isthmus.errors import UsageError
from isthmus.training.display import Quiet
from isthmus.training.prepare import read_splits

ROWS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(0, 2))


def rows_of(samples: Samples | None) -> list[tuple[int, ...]]:
    assert samples is not None
    return [tuple(row) for row in samples.x.tolist()]


@given(ROWS, ROWS, ROWS)
def test_every_row_is_left_once_and_in_one_set(train: np.ndarray, test: np.ndarray, validation: np.ndarray) -> None:
    bundle, others = without_duplicates(
        Bundle(Samples(train, "a"), Samples(test, "b")), {"validation": Samples(validation, "c"), "test": None}
    )
    known = list(dict.fromkeys(map(tuple, train.tolist())))
    assert rows_of(bundle.train) == known
    assert rows_of(bundle.test) == [row for row in map(tuple, test.tolist()) if row not in known]
    assert rows_of(others["validation"]) == [row for row in map(tuple, validation.tolist()) if row not in known]
    assert others["test"] is None


def test_pairs_are_repeats_where_both_halves_are() -> None:
    clean = np.array([[1, 1], [1, 1], [1, 1]], np.uint8)
    noisy = np.array([[1, 2], [1, 2], [2, 2]], np.uint8)
    bundle, _ = without_duplicates(Bundle(Samples(clean, "a", x_in=noisy)), {})
    assert bundle.train.x_in is not None
    assert bundle.train.x_in.tolist() == [[1, 2], [2, 2]]
    assert bundle.train.ids == ("0", "2")
    assert bundle.train.notes == ("1 duplicate sample left out (to keep duplicates: --duplicates keep)",)


def test_fault_165_no_test_row_is_a_training_row_where_repeats_are_dropped(tmp_path) -> None:
    x = np.random.default_rng(0).integers(0, 6, (400, 3))
    path = tmp_path / "answers.csv"
    path.write_text("a,b,c\n" + "\n".join(",".join(map(str, row)) for row in x.tolist()))
    kept = read_splits(Config(data=DataConfig(source=str(path))), None, Quiet())
    dropped = read_splits(Config(data=DataConfig(source=str(path), duplicates="drop")), None, Quiet())
    assert kept.overlap.count > 0
    assert dropped.overlap.count == 0
    n = sum(len(part) for part in (dropped.train, dropped.validation, dropped.test))
    assert n == len(set(map(tuple, x.tolist())))


def test_fault_165_a_series_keeps_its_rows() -> None:
    settings = Config(data=DataConfig(source="x.csv", window=4, duplicates="drop"))
    with pytest.raises(UsageError, match="gaps in a series"):
        read_splits(settings, None, Quiet())
