"""Noisy pictures find their clean ones by name: as few parts of it are left out as possible, and one answer only."""

from __future__ import annotations

import pytest

from isthmus.data.pairs.matching import match_names, parsed


@pytest.mark.parametrize(
    ("noisy", "clean", "rows"),
    [
        (["a.png", "b.png"], ["b.tif", "a.tif"], (1, 0)),  # equal stems, whatever the kind of file
        (["a_1.png", "a_2.png"], ["a.png"], (0, 0)),
        (["a.png"], ["a_gt.png"], (0,)),
        (["x_real.JPG"], ["x_mean.JPG"], (0,)),
        (["Canon_5_160_toy_10_real.JPG"], ["Canon_5_160_toy_1_mean.JPG", "Canon_5_160_toy_10_mean.JPG"], (1,)),
        (["a_1.png", "a_2.png"], ["a_2.png", "a_1.png"], (1, 0)),  # equal stems come before shorter ones
        (["a_1.png"], ["a.png", "a_9.png"], (0,)),  # one part left out comes before two
        (["x.ome.tif", "é ü_1.png"], ["é ü.png", "x.ome.tif"], (1, 0)),
        (["s/a_1.png", "t/a_1.png"], ["t/a.png", "s/a.png"], (1, 0)),  # folders count
        (["day1/a.png", "day2/b.png"], ["b.png", "a.png"], (1, 0)),  # but not where none are shared
        (["m.tif#0", "m.tif#1"], ["m_gt.tif#1", "m_gt.tif#0"], (1, 0)),  # frame by frame
        ([], ["a.png"], ()),
    ],
)
def test_names_that_belong_together_are_found(noisy: list[str], clean: list[str], rows: tuple[int, ...]) -> None:
    assert match_names(noisy, clean) == (rows, ())


@pytest.mark.parametrize(
    ("noisy", "clean", "problem"),
    [
        ("b_1.png", ["a.png"], "b_1.png: no clean image (looked for b_1 or b)"),
        ("b.png", ["a.png"], "b.png: no clean image (looked for b)"),
        ("a.png", ["a.png", "a.jpg"], "a.png: 2 clean images (a.png, a.jpg)"),
        ("a_1.png", ["a_x.png", "a_y.png"], "a_1.png: 2 clean images (a_x.png, a_y.png)"),
        ("_1.png", ["_2.png"], "_1.png: no clean image (looked for _1)"),  # nothing is left of these
        ("a_1.png", ["a_b_1.png"], "a_1.png: no clean image (looked for a_1 or a)"),
        ("s/a.png", ["t/a.png", "s/b.png"], "s/a.png: no clean image (looked for a)"),
        ("a_1.png", [f"a_{k}.png" for k in "bcdef"], "a_1.png: 5 clean images (a_b.png, a_c.png, a_d.png …)"),
    ],
)
def test_none_and_several_are_told(noisy: str, clean: list[str], problem: str) -> None:
    assert match_names([noisy], clean) == ((None,), (problem,))


def test_a_name_is_taken_apart_at_its_last_underscore() -> None:
    assert parsed("a/b_c_d.tar.png#7") == ("a", "b_c_d.tar", "b_c", "7")
