"""What pages are put together from: markup, charts, pictures, and the numbers behind them."""

from __future__ import annotations

import base64
import io
import math
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

from isthmus.report import tiles
from isthmus.report.markup import element, html, legible, numeral
from isthmus.report.plots import Axis, Line, ReferenceLine, bar, histogram, line_chart, scatter, spot, y_axis
from isthmus.report.run_data import CodeMoments
from isthmus.report.sections import generated, latent_code
from isthmus.wording import three_digits


def decoded(uri: str) -> Image.Image:
    head, _, packed = uri.partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(packed)))
    assert head == f"data:image/{(image.format or '').lower()};base64"
    return image


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00283145, "0.00283"),
        (26.368, "26.4"),
        (1234.5678, "1,235"),
        (0.0, "0"),
        (-0.5, "−0.500"),
        (1.234e-5, "1.23e−5"),
        (2.5e12, "2.50e12"),
        (math.nan, "–"),
        (math.inf, "–"),
        (99.96, "100.0"),
    ],
)
def test_numbers_are_told_with_three_digits(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_a_number_keeps_its_exact_value() -> None:
    assert numeral(0.1 + 0.2) == '<data value="0.30000000000000004">0.300</data>'
    assert numeral(1083696) == '<data value="1083696">1,083,696</data>'
    assert numeral(9.39, "dB") == '<data value="9.39">9.39\u202fdB</data>'
    assert [numeral(v) for v in (None, math.nan, "7")] == ['<span class="none">–</span>'] * 3


def test_markup_escapes_text_and_attributes() -> None:
    made = html(element("p", {"title": '"<&>', "x": 1.5, "y": None}, "<b>", element("i", {}, "&"), "</p>"))
    assert made == '<p title="&quot;&lt;&amp;&gt;" x="1.5">&lt;b&gt;<i>&amp;</i>&lt;/p&gt;</p>'
    assert made.__html__() == made


def test_what_no_page_can_hold_is_replaced() -> None:
    assert legible("a\x00b\ud800c\u202ed\ne\u00a0é漢") == "a\ufffdb\ufffdc\ufffdd\ne\u00a0é漢"


def test_an_axis_goes_from_zero_to_one() -> None:
    assert [Axis(2, 4).at(v) for v in (2, 3, 4)] == [0, 0.5, 1]
    assert [Axis(1, 100, log=True).at(v) for v in (1, 10, 100)] == pytest.approx([0, 0.5, 1])
    assert Axis(3, 3).at(3) == 0


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.06, 0.27), (-3.0, 5.5), (0.0689, 0.0701), (1, 40), (0, 1e6)])
@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_few_round_and_inside(low: float, high: float, log: bool) -> None:
    low = max(low, 1e-3) if log else low
    ticks = Axis(low, high, log).ticks()
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
    assert ticks == pytest.approx([float(f"{tick:.4g}") for tick in ticks])


def test_the_axis_shows_all_but_single_outliers_and_near_levels() -> None:
    ys = [1.0, *np.linspace(0.1, 0.08, 60)]
    axis = y_axis(
        [Line("a", range(61), ys, "s0")], [ReferenceLine("near", 0.06), ReferenceLine("far", 50.0)], log=False
    )
    assert axis is not None
    assert axis.low < 0.06
    assert 0.1 < axis.high < 0.2
    assert y_axis([Line("a", [1], [math.nan], "s0")], [], log=False) is None
    assert y_axis([Line("a", [1], [-1.0], "s0")], [], log=True) is None


def test_a_curve_runs_through_its_values_and_leaves_gaps() -> None:
    line = Line("a", [0, 1, 2, 3], [0.0, 1.0, math.nan, 0.5], "s0")
    drawn = ET.fromstring(line_chart([line], [], Axis(0, 3), Axis(0, 1), label="costs"))
    path = next(e for e in drawn.iter("path")).get("d", "")
    assert path == "M0.0 1000.0L333.3 0.0M1000.0 500.0"
    assert drawn.get("aria-label") == "costs"


def test_the_ring_stands_at_the_best_epoch() -> None:
    line = Line("a", [1, 2, 3], [3.0, 1.0, 2.0], "s0")
    drawn = ET.fromstring(
        line_chart([line], [ReferenceLine("<floor>", 1.5)], Axis(1, 3), Axis(0, 4), label="", mark=(2, 1.0))
    )
    ring = next(e for e in drawn.iter("circle"))
    assert (ring.get("cx"), ring.get("cy")) == ("50.00%", "75.00%")
    assert "<floor> 1.50" in [e.text for e in drawn.iter("text")]


def test_a_histogram_has_a_bar_for_each_count() -> None:
    drawn = ET.fromstring(histogram([0, 5, 10, 20], 10, label="z0", zero=0.5))
    assert next(drawn.iter("path")).get("d") == "M0 100V100.0H1V50.0H2V0.0H3V0.0H4V100Z"
    assert next(drawn.iter("line")).get("x1") == "2.00"


def test_bars_stay_in_their_cells() -> None:
    widths = [re.search(r'width="([^"]+)"', bar(share))[1] for share in (0.25, 1.7, -1.0, math.nan)]  # type: ignore[index]
    assert widths == ["25.00%", "100.00%", "0.00%", "0%"]


def test_the_map_names_groups_at_their_middles() -> None:
    points = np.array([[0.0, 0.0], [0.2, 0.2], [0.4, 0.4], [1.0, 1.0]])
    drawn = ET.fromstring(scatter(points, [0, 0, 0, 1], {0: "<a>", 1: "b"}, label="map"))
    assert len(list(drawn.iter("circle"))) == 4
    named = {e.text: (e.get("x"), e.get("y")) for e in drawn.iter("text")}
    assert named == {"<a>": ("20.00%", "80.00%"), "b": ("100.00%", "0.00%")}


@pytest.mark.parametrize(("x", "side"), [(0.05, " first"), (0.5, ""), (0.97, " last")])
def test_names_at_the_edge_of_the_map_stay_inside(x: float, side: str) -> None:
    points = np.array([[0.0, 0.0], [x, 0.5], [1.0, 1.0]])
    drawn = ET.fromstring(scatter(points, [0, 1, 0], {1: "a long name"}, label="map"))
    assert next(drawn.iter("text")).get("class") == f"group{side}"


def test_the_plane_of_the_map_is_that_of_pca() -> None:
    z = np.random.default_rng(0).normal(size=(300, 5)) @ np.diag([5, 3, 1, 1, 0.5])
    points, share = latent_code.principal_plane(z)
    known = PCA(2).fit(z)
    assert share == pytest.approx(known.explained_variance_ratio_.sum())
    for k, column in enumerate(known.transform(z).T):
        assert abs(np.corrcoef(points[:, k], column)[0, 1]) == pytest.approx(1)
    assert (points.min(), points.max()) == (0, 1)


@pytest.mark.parametrize("z", [np.zeros((5, 3)), np.arange(4.0)[:, None], np.ones((2, 1))])
def test_codes_without_a_plane_still_have_a_map(z: np.ndarray) -> None:
    points, _ = latent_code.principal_plane(z)
    assert points.shape == (len(z), 2)
    assert np.isfinite(points).all()


def test_small_pictures_are_kept_exactly() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (3, 1, 28, 28), dtype=np.uint8)
    for image, uri in zip(gray, tiles.tiles(gray), strict=True):
        assert np.array_equal(np.asarray(decoded(uri)), image[0])
    color = np.random.default_rng(0).integers(0, 256, (1, 3, 20, 30), dtype=np.uint8)
    assert np.array_equal(np.asarray(decoded(tiles.tiles(color)[0])), color[0].transpose(1, 2, 0))


def test_large_pictures_become_small_files() -> None:
    smooth = np.tile(np.linspace(0, 1, 900, dtype=np.float32), (1, 3, 600, 1))
    uri = tiles.tiles(smooth)[0]
    assert decoded(uri).size == (256, 171)
    assert len(uri) < 10_000


def test_a_montage_places_its_pictures_line_by_line() -> None:
    x = np.stack([np.full((1, 4, 4), value, np.uint8) for value in (10, 20, 30)])
    sheet = np.asarray(decoded(tiles.montage(x, 2)).convert("LA"))
    assert sheet.shape == (9, 9, 2)
    assert [sheet[1, 1, 0], sheet[1, 6, 0], sheet[6, 1, 0]] == [10, 20, 30]
    assert [sheet[1, 4, 1], sheet[6, 6, 1]] == [0, 0]  # the gap, and the place that no picture fills


def test_a_sprite_has_every_picture_at_its_place() -> None:
    x = np.stack([np.full((1, 40, 80), value, np.uint8) for value in (0, 120, 250)])
    uri, width, height = tiles.sprite(x, 2, 20)
    sheet = np.asarray(decoded(uri).convert("L")).astype(int)
    assert (width, height, sheet.shape) == (20, 10, (20, 40))
    assert abs(sheet[5, 30] - 120) < 8  # packed with loss
    assert abs(sheet[15, 10] - 250) < 8


def test_codes_are_blue_above_zero_and_red_below() -> None:
    cells = np.asarray(decoded(tiles.colors(np.array([2.0, -2.0, 0.0]), 2, 2.0, signed=True))).astype(int)
    assert cells.shape == (2, 2, 4)
    assert cells[0, 0, 2] > cells[0, 0, 0] + 50
    assert cells[0, 1, 0] > cells[0, 1, 2] + 50
    assert cells[1, 0, :3].min() > 230
    assert cells[1, 1, 3] == 0


def test_heat_is_clear_where_there_is_no_error() -> None:
    heat = np.asarray(decoded(tiles.heat(np.array([[0.0, 0.5], [1.0, math.nan]]), 1.0)))
    assert heat[..., 3].tolist() == [[0, 128], [255, 0]]


def test_a_file_that_is_no_picture_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "sanity.png"
    assert tiles.from_file(path) is None
    path.write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    assert tiles.from_file(path) is None
    Image.new("RGB", (2_000, 100), "red").save(path)
    found = tiles.from_file(path)
    assert found is not None
    assert found[1:] == (1_400, 70)


def test_a_picture_that_would_fill_the_memory_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "sanity.png"
    Image.new("1", (10_000, 5_000)).save(path)
    assert tiles.from_file(path) is None


def test_drawn_codes_have_the_moments_that_were_asked_for() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    moments = CodeMoments(rng.normal(size=4), root @ root.T, np.empty((0, 4)), ())
    drawn = generated.draw_codes(moments, 50_000, seed=0)
    scale = np.sqrt(np.diag(moments.covariance).max())
    assert np.abs(drawn.mean(0) - moments.mean).max() < 5 * scale / math.sqrt(50_000)  # five standard errors
    assert np.abs(np.cov(drawn.T) - moments.covariance).max() < 0.05 * scale**2
    assert np.array_equal(drawn, generated.draw_codes(moments, 50_000, seed=0))


def test_the_strongest_units_are_those_the_decoder_hears() -> None:
    class Doubling:
        bottleneck = type("B", (), {"signed": True, "continuous": True})
        preprocess = type("P", (), {"shape": (1, 2, 2)})
        likelihood = type("L", (), {"mean": staticmethod(lambda params: params)})
        device = torch.device("cpu")

        def modules(self) -> list[torch.nn.Module]:
            return []

        def eval(self) -> None: ...

        def decoder(self, z: torch.Tensor) -> torch.Tensor:
            return (z * torch.tensor([0.0, 1.0, 5.0])).sum(1)[:, None, None, None].expand(-1, 1, 2, 2)

    moments = CodeMoments(np.zeros(3), np.diag([9.0, 1.0, 1.0]), np.empty((0, 3)), ())
    assert generated.strongest(Doubling(), moments, np.array([3.0, 1.0, 1.0])) == [2, 1]  # type: ignore[arg-type]


def test_names_of_groups_do_not_cover_each_other() -> None:
    points = np.array([[0.5, 0.5], [0.51, 0.5], [0.3, 0.5], [0.5, 0.2]])
    names = {0: "astronaut", 1: "cat", 2: "coffee", 3: "rocket"}
    texts = {t.text: t.get("class") for t in ET.fromstring(scatter(points, range(4), names, label="map")).iter("text")}
    # 11 pixels a letter, on 700 pixels: "cat" lies within "astronaut"; on a phone's 330 "coffee" reaches into it
    assert texts == {"astronaut": "group", "coffee": "group wide-only", "rocket": "group"}


def test_a_single_unit_is_told_in_the_singular() -> None:
    from isthmus.report.sections.latent_code import unit_notes

    dead, stuck = unit_notes(1, 1, 32)
    assert dead == "1 of 32 is dead (marked in red): it has nearly the same value for every sample."
    assert stuck.startswith("1 is stuck at the ends of its range")
    assert unit_notes(2, 0, 32) == [dead.replace("1 of 32 is", "2 of 32 are").replace("it has", "they have")]
    assert unit_notes(0, 0, 32) == ["Every unit varies from sample to sample."]


def test_thirty_groups_look_different() -> None:
    assert len({spot(group) for group in range(30)}) == 30


def test_the_size_of_a_small_report_is_no_zero() -> None:
    from pathlib import Path
    from types import SimpleNamespace

    from isthmus.cli.report_command import _sentence

    sizes = [_sentence(SimpleNamespace(path=Path("a.html"), n_bytes=n)) for n in (38_400, 1_260_000)]
    assert [text.split("(")[1].split(")")[0] for text in sizes] == ["38 kB", "1.3 MB"]
