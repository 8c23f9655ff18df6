from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.data.tables.cells import PLAIN, Style
from isthmus.data.tables.text_cells import SAMPLED, TextCells, columns_of

WORDS = ["a", " a", "b", "b ", "", "  ", "1.5", "2"]


def many_different(n: int) -> list[str]:
    return [str(i) for i in range(n)]


@settings(max_examples=60, deadline=None)  # the first example imports polars
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60))
def test_cells_are_the_texts_without_blanks_around_them(texts: list[str]) -> None:
    cells = TextCells.of(pl.Series("t", texts))
    stripped = [text.strip() for text in texts]
    assert cells.texts.to_list() == stripped
    assert cells.levels.to_list() == list(dict.fromkeys(stripped))  # in the order in which they come first
    assert cells.counts.tolist() == [stripped.count(level) for level in cells.levels]
    values = np.arange(len(cells.levels))
    assert cells.levels.gather(cells.spread(values)).to_list() == stripped


@pytest.mark.parametrize("texts", [["b", "a", "b", "c", "a", "b"] * 3_000, many_different(SAMPLED + 5)])
def test_parts_of_the_cells(texts: list[str]) -> None:
    cells = TextCells.of(pl.Series("t", texts))
    assert (cells.places is None) == (len(set(texts)) > 3)
    among = np.array([level != "b" for level in cells.levels])
    kept = [text for text in texts if text != "b"]
    assert len(cells) == len(texts)
    assert cells.all_of(among).to_list() == kept
    assert cells.head(among, 7).to_list() == kept[:7]
    assert cells.share(np.array([level == "a" for level in cells.levels]), among) == kept.count("a") / len(kept)
    assert dict(cells.counted(among).iter_rows()) == {text: kept.count(text) for text in {*kept[:5]}} | (
        dict.fromkeys(kept, 1) if cells.places is None else {}
    )


def test_a_text_that_comes_late_is_numbered_too() -> None:
    texts = ["x"] * (3 * SAMPLED) + ["y", "x", "z"]
    cells = TextCells.of(pl.Series("t", texts))
    assert cells.levels.to_list() == ["x", "y", "z"]
    assert cells.counts.tolist() == [3 * SAMPLED + 1, 1, 1]


def test_numbers_are_those_of_each_style() -> None:
    cells = TextCells.of(pl.Series("t", ["1,5", "2", "1,5"]))
    np.testing.assert_array_equal(cells.numbers(PLAIN), [np.nan, 2])
    np.testing.assert_array_equal(cells.numbers(Style(",")), [1.5, 2])


def test_columns_of_other_types_stay() -> None:
    frame = pl.DataFrame({"text": ["a"], "number": [1.0]})
    columns = columns_of(frame)
    assert isinstance(columns["text"], TextCells)
    assert columns["number"] is not None
    assert columns_of(columns) is columns


def test_head_looks_further_where_the_first_cells_are_others() -> None:
    texts = ["b"] * 5_000 + random.Random(0).choices("acd", k=20)
    cells = TextCells.of(pl.Series("t", texts))
    among = np.array([level != "b" for level in cells.levels])
    assert cells.head(among, 3).to_list() == texts[5_000:5_003]


@pytest.mark.parametrize("n", [6, SAMPLED + 6])  # levels with their numbers, and each cell as a level
def test_fault_156_a_column_may_be_called_count(n: int) -> None:
    words = ["few", "few", "many"] if n < SAMPLED else many_different(n)
    cells = TextCells.of(pl.Series("count", words))
    counts = cells.counted(np.ones(len(cells.levels), bool))
    assert dict(counts.iter_rows()) == {word: words.count(word) for word in set(words[:5])} | (
        {} if n < SAMPLED else dict.fromkeys(words, 1)
    )
