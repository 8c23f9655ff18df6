"""The page of one run: its form, its numbers, its words, and that nothing in a name can break out of it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import isthmus
import tiny
from isthmus.api import Run
from isthmus.data.batching.split import held_apart
from isthmus.evaluation.figures import maps
from isthmus.pipeline.reporting import report, run_data_of
from isthmus.report import RunData, compose
from isthmus.report.markup import numeral
from isthmus.report.page import asset
from isthmus.report.sections.denoising import denoising
from isthmus.report.sections.headline import TITLES, opening
from isthmus.report.sections.provenance import read_drawing
from pages import Page, assert_asks_for_nothing, assert_readable_by_everybody

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><svg onload=alert(1)>",
    "</title></style><b>",
    "{{ 7 * 7 }}{% raw %}",
    "=HYPERLINK('http://example.invalid')",
    "'; DROP TABLE \\u2028 &lt;",
    "javascript:alert(1)//\u202e",
)
LARGEST = 3_000_000  # bytes


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A table whose columns, classes and file have names made to break out of a page."""
    folder = tmp_path_factory.mktemp("hostile")
    path = folder / "<img src=x onerror=alert(1)>.csv"
    values = tiny.table(200, len(HOSTILE))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*HOSTILE, "kind"])
        kinds = ["<script>alert('class')</script>", "</script>"]
        writer.writerows([*row, kinds[i % 2]] for i, row in enumerate(values.tolist()))
    return isthmus.train(path, label="kind", out=folder / "a run & <b>", **tiny.FAST)


@pytest.fixture(scope="module", params=["digit_run", "denoiser", "table_run"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def page(run: Run) -> Page:
    return Page(run.path / "report.html")


def test_it_is_one_file_that_asks_for_nothing(page: Page) -> None:
    assert_asks_for_nothing(page)
    assert len(page.source.encode()) < LARGEST


def test_it_can_be_read_by_everybody(page: Page) -> None:
    assert_readable_by_everybody(page)
    for section in page.all("section"):
        assert section.all("h2")[0].attributes["id"] == section.attributes["aria-labelledby"]


def test_its_numbers_are_those_of_the_metrics(run: Run, page: Page) -> None:
    metrics = run.metrics
    told = [metrics["test"]["mse"], metrics["baselines"]["pca"]["mse"], metrics["baselines"]["mean"]["mse"]]
    if metrics.get("denoising"):
        block = metrics["denoising"]
        for numbers in (
            block["noisy"],
            block["denoised"],
            *(v for v in block["baselines"].values() if isinstance(v, dict)),
        ):
            told += [numbers["psnr_db"], numbers["ssim"]]
    assert {v for v in told if v is not None} <= page.values


def test_its_curves_are_those_of_the_history(run: Run, page: Page) -> None:
    drawn = page.data["training"]
    assert drawn["epochs"] == [row["epoch"] for row in run.history]
    assert {name: values for name, _, values in drawn["lines"]} == {
        "training": [row["train_cost"] for row in run.history],
        "validation": [row["validation_cost"] for row in run.history],
    }


def test_every_verdict_stands_there_with_what_to_try(run: Run, page: Page) -> None:
    listed = page.all("li", class_="verdict")
    assert len(listed) == len(run.metrics["verdicts"])
    for verdict in run.metrics["verdicts"]:
        found = next(e for e in listed if verdict["text"] in e.text)
        assert verdict["level"] in found.attributes["class"].split()
        commands = [verdict["try"]] if "try" in verdict else []
        assert [e.text for e in found.all("code")] == commands
        assert [e.attributes["data-copy"] for e in found.all("button")] == commands


def test_every_section_says_how_to_read_it_with_numbers_of_this_run(page: Page) -> None:
    sections = [e for e in page.all("section") if "id" in e.attributes]
    assert len(sections) >= 7
    for section in sections:
        read = section.all("p", class_="read")[0].text
        assert any(c.isdigit() for c in read), section.attributes["id"]
        assert len(read) > 60


def test_the_sections_stand_in_the_order_of_what_people_ask(digit_run: Run, denoiser: Run, table_run: Run) -> None:
    def order(run: Run) -> list[str]:
        return [e.attributes["id"] for e in Page(run.path / "report.html").all("section") if "id" in e.attributes]

    rest = ["code", "imagined", "data", "architecture", "settings"]
    assert order(digit_run) == ["sanity", "training", "baselines", "errors", *rest]
    assert order(denoiser) == ["sanity", "training", "baselines", "denoising", "errors", *rest]
    assert order(table_run) == [
        "columns",
        "associations",
        "training",
        "baselines",
        "errors",
        "code",
        "data",
        "architecture",
        "settings",
    ]


def test_the_sanity_check_shows_one_of_each_class(digit_run: Run) -> None:
    section = Page(digit_run.path / "report.html").all("section", id="sanity")[0]
    assert [e.text for e in section.all("figcaption")] == list("0123456789")
    assert [len(figure.all("img")) for figure in section.all("figure")] == [3] * 10
    errors = [float(e.attributes["value"]) for e in section.all("data")]
    test, model = digit_run.prepared.splits.test, isthmus.load(digit_run.path)
    x, x_hat = test.x / 255.0, np.asarray(model.reconstruct(test.x.astype(np.float32) / 255.0))
    every = np.square(x - x_hat).mean((1, 2, 3))
    for error in errors:
        assert np.abs(every - error).min() < 1e-6  # two orders of the same sums


def test_errors_by_class_are_the_means_of_their_samples(digit_run: Run) -> None:
    run_data = run_data_of(digit_run)
    assert run_data.errors is not None
    assert run_data.errors.mean() == pytest.approx(digit_run.metrics["test"]["mse"], rel=1e-6)
    assert run_data.test is not None
    assert run_data.test.labels is not None
    expected = {run_data.errors[run_data.test.labels == k].mean() for k in range(10)}
    rows = Page(digit_run.path / "report.html").all("section", id="errors")[0].all("tbody")[0].all("tr")
    found = [float(row.all("data")[1].attributes["value"]) for row in rows]
    assert found == sorted(found, reverse=True)
    assert found == pytest.approx(sorted(expected, reverse=True))


def test_the_ten_worst_are_the_worst(digit_run: Run) -> None:
    run_data = run_data_of(digit_run)
    assert run_data.errors is not None
    section = Page(digit_run.path / "report.html").all("section", id="errors")[0]
    found = [float(e.all("data")[0].attributes["value"]) for e in section.all("figure")]
    assert found == pytest.approx(np.sort(run_data.errors)[::-1][:10].tolist())


def test_a_column_that_comes_back_whole_has_all_of_its_variance() -> None:
    from isthmus.report.sections.column_errors import explained

    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=1000), rng.normal(size=1000), np.full(1000, 3.0)])
    x_hat = np.column_stack([x[:, 0], np.full(1000, x[:, 1].mean()), x[:, 2]])
    assert explained(x, x_hat)[:2] == pytest.approx([1.0, 0.0])
    assert np.isnan(explained(x, x_hat)[2])


def test_a_network_without_a_code_compresses_nothing(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    run = isthmus.fit(torch.nn.Sequential(torch.nn.Linear(5, 5)), x, steps=2, out=tmp_path / "run", show=False)
    assert run.metrics["z_size"] is None
    text = Page(run.path / "report.html").all("section", id="columns")[0].text
    assert "Each row has 5 columns and goes through a network without a code." in text


def test_fault_83_hostile_names_are_text(table_run: Run) -> None:
    page = Page(table_run.path / "report.html")
    assert len(page.all("script")) == 2  # the page's own, and its data
    heads = [e.text for e in page.all("section", id="columns")[0].all("th", scope="row")]
    assert "javascript:alert(1)//\ufffd" in heads  # the mark that turns the direction of text is gone
    for name in HOSTILE[:6]:
        assert name in heads
    assert "<img src=x onerror=alert(1)>" in page.all("section", id="data")[0].text
    assert page.all("h1")[0].text == "a run & <b>"
    assert "<script>alert('class')</script>" in " ".join(page.data["code"]["names"])
    assert_asks_for_nothing(page)


def test_fault_83_a_hostile_run_folder_brings_nothing_in(copy: Path) -> None:
    """Everything that people can write into a folder they pass on."""
    (copy / "MANIFEST.json").unlink()
    bad = "</script><script>alert(1)</script>"
    for name, change in {
        "metrics.json": lambda m: (
            m
            | {
                "recipe": bad,
                "verdicts": [{"id": bad, "level": bad, "text": bad, "try": f"x {bad}"}],
                "data": m["data"] | {"name": bad},
            }
        ),
        "run.json": lambda r: (
            r | {"command": bad, "versions": {bad: bad}, "said": [bad], "started": [bad], "seed": bad}
        ),
    }.items():
        path = copy / name
        path.write_text(json.dumps(change(json.loads(path.read_text("utf-8")))), "utf-8")
    (copy / "architecture.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9" '
        'onload="alert(1)"><script>alert(1)</script><style>* {fill: url(http://example.invalid)}</style>'
        '<image href="http://example.invalid/a.png"/><a xlink:href="javascript:alert(1)"><text>x</text></a>'
        '<text fill="url(http://example.invalid)" class="ink">&lt;b&gt;</text>'
        '<foreignObject><iframe src="//e"/></foreignObject></svg>'
    )
    (copy / "sanity.png").write_bytes(b"<script>alert(1)</script>")
    page = Page(report(copy).path)
    assert_asks_for_nothing(page)
    assert_readable_by_everybody(page)
    assert len(page.all("script")) == 2
    assert bad in page.all("section", id="settings")[0].text
    drawing = page.all("section", id="architecture")[0].all("svg")[0]
    assert [e.tag for e in drawing.walk()] == ["text"]
    assert drawing.text == "<b>"


@pytest.mark.parametrize("drawing", ["", "no xml", "<svg", "<html/>", "<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_a_drawing_that_cannot_be_read_is_left_out(drawing: str, copy: Path) -> None:
    (copy / "architecture.svg").write_text(drawing)
    run_data = replace(run_data_of(Run(copy)), prepared=None)
    assert read_drawing(run_data) is None
    assert "architecture" not in [section.id for section in compose(run_data).sections]


def test_what_is_undefined_is_a_dash(denoiser: Run) -> None:
    run_data = run_data_of(denoiser)
    metrics: Any = json.loads(json.dumps(dict(run_data.metrics)))
    metrics["denoising"]["denoised"]["psnr_db"] = None  # one image was given back exactly
    metrics["test"] |= {"psnr_db": None, "bce": None}
    composed = compose(replace(run_data, metrics=metrics))
    assert '<span class="none">–</span>' in str(composed.opening.stats)


def test_where_no_rival_has_an_error_there_is_a_page(denoiser: Run) -> None:
    run_data = run_data_of(denoiser)
    metrics: Any = json.loads(json.dumps(dict(run_data.metrics)))
    for block in (metrics["test"], *metrics["baselines"].values()):
        block["mse"] = 0.0  # of data that never changes
    section = next(s for s in compose(replace(run_data, metrics=metrics)).sections if s.id == "baselines")
    assert [row["mse"] for row in section.values["table"]] == [numeral(0.0)] * 3


def test_a_code_that_is_no_narrow_place_is_called_none(table_run: Run) -> None:
    run_data = run_data_of(Run(table_run.path))
    wide = replace(run_data, metrics={**run_data.metrics, "z_size": len(HOSTILE)})
    said = [s.read for m in (run_data, wide) for s in compose(m).sections if s.id == "architecture"]
    assert f"{len(HOSTILE)} values have to pass through 4, 2.00 times fewer".replace("2.00", "2") in said[0]
    assert f"pass through {len(HOSTILE)}, which does not force any compression" in said[1]


def test_a_rival_without_error_is_not_divided_by(table_run: Run) -> None:
    run_data = run_data_of(Run(table_run.path))
    baselines = {"pca": {"mse": 1e-14, "n_components": 8}, "mean": {"mse": 1.0}}
    told = replace(run_data, metrics={**run_data.metrics, "baselines": baselines})
    (read,) = [s.read for s in compose(told).sections if s.id == "baselines"]
    assert "PCA of 8 numbers has no error here" in read
    baselines["pca"]["n_components"] = 1
    (read,) = [s.read for s in compose(told).sections if s.id == "baselines"]
    assert "PCA of 1 number has no error here" in read
    assert "e-1" not in read.replace("\u2212", "-")


def test_more_classes_than_colors_leave_the_map_in_one_color(tmp_path: Path) -> None:
    rows = tiny.table(120)
    lines = [f"{','.join(map(str, row))},{i % 40}" for i, row in enumerate(rows.tolist())]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,d,e,f,kind", *lines]))
    run = isthmus.train(tmp_path / "rows.csv", label="kind", out=tmp_path / "run", **tiny.FAST)
    (dots,) = [s.values["map"] for s in compose(run_data_of(Run(run.path))).sections if s.id == "code"]
    assert set(re.findall(r'class="dot (c\d)"', str(dots))) == {"c0"}
    assert "colored by" not in str(dots)


def test_every_verdict_has_a_title_of_its_own() -> None:
    table = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text("utf-8")
    told = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) - {"noise-unlike-training"}  # told at use
    assert told
    assert told == set(TITLES)


def test_a_run_of_one_epoch_shows_its_only_point(denoiser: Run) -> None:
    run_data = replace(run_data_of(denoiser), history=denoiser.history[:1])
    section = next(s for s in compose(run_data).sections if s.id == "training")
    assert "only one point" in section.read
    assert all(svg.count('class="lone') == 2 for svg in section.values["charts"].values())


def test_a_run_without_history_has_no_curves(denoiser: Run) -> None:
    run_data = replace(run_data_of(denoiser), history=[])
    assert "training" not in [s.id for s in compose(run_data).sections]


def test_two_hundred_thousand_epochs_stay_a_small_page(denoiser: Run) -> None:
    rows = [{"epoch": n, "train_cost": 1 / n, "validation_cost": 1 / n} for n in range(1, 200_001)]
    section = next(s for s in compose(replace(run_data_of(denoiser), history=rows)).sections if s.id == "training")
    assert section.script["epochs"][-1] == 200_000
    assert len(json.dumps(dict(section.script))) + sum(map(len, section.values["charts"].values())) < 400_000


def test_material_names_what_a_sample_is(denoiser: Run, table_run: Run) -> None:
    def about(run: Run) -> RunData:
        return run_data_of(run)

    assert (about(denoiser).sample, about(table_run).sample) == ("image", "row")
    assert (about(denoiser).noise, about(table_run).noise) == ("gaussian:0.5", None)


def test_the_drawing_keeps_every_word(tmp_path: Path, denoiser: Run) -> None:
    from isthmus.evaluation.figures.layers import Layer
    from isthmus.evaluation.figures.network_drawing import architecture_svg

    layers = [Layer("input", 784), *(Layer("a layer with a long name", 64, notes=("dropout 0.1",)) for _ in range(12))]
    (tmp_path / "architecture.svg").write_text(architecture_svg(layers, title="<x>", likelihood="gaussian"), "utf-8")
    kept = read_drawing(replace(run_data_of(denoiser), path=tmp_path))
    assert kept is not None
    words = Page(architecture_svg(layers, title="<x>", likelihood="gaussian")).all("text")
    assert [e.text for e in Page(kept).all("text")] == [e.text for e in words]


def test_a_tables_denoiser_is_compared_by_its_error(table_run: Run) -> None:
    run_data = run_data_of(table_run)
    block = {
        "noise": "gaussian:0.5", "n": 20, "noisy": {"mse": 0.25}, "denoised": {"mse": 0.1},
        "baselines": {"mean": {"mse": 1.0}, "linear": {"mse": 0.2, "settings": {"ridge": 0.1}}},
    }  # fmt: skip
    noisy = replace(run_data, metrics=dict(run_data.metrics) | {"denoising": block})
    assert [(stat.name, stat.ours) for stat in opening(noisy).stats] == [
        ("noisy", False), ("best filter", False), ("denoised", True),
    ]  # fmt: skip
    section = denoising(noisy)
    assert section is not None
    assert [row["value"] for row in section.values["table"]] == [numeral(v) for v in (0.1, 0.2, 0.25, 1.0)]
    assert "from 0.250 to 0.100" in section.read
    assert "This leaves 40% of the squared error" in section.read


def test_the_least_possible_cost_is_that_of_the_samples_that_chose_the_epoch(digit_run: Run) -> None:
    found = run_data_of(Run(digit_run.path))
    prepared, share = found.prepared, digit_run.config.training.calibration
    assert prepared is not None
    watched, _ = held_apart(prepared.splits.validation, share, digit_run.config.training.seed)
    x = np.clip(watched.x / 255, 1e-12, 1 - 1e-12)
    entropy = float((-x * np.log(x) - (1 - x) * np.log(1 - x)).mean())
    (section,) = (s for s in compose(found).sections if s.id == "training")
    (level,) = (v for v in section.values["levels"] if v["name"] == "lowest possible, validation")
    assert float(re.search(r'value="([^"]+)"', level["value"])[1]) == pytest.approx(entropy, rel=1e-5)  # float32
    assert f"on {len(watched):,} images not used for training" in section.read


def test_units_have_one_order_in_report_traverse_and_app(digit_run: Run) -> None:
    sections = {s.id: s.values for s in compose(run_data_of(Run(digit_run.path))).sections}
    names = [f"unit {k}" for k in digit_run.traverse().units]
    assert [unit["name"] for unit in sections["code"]["units"]] == names
    assert [strip["name"] for strip in sections["imagined"]["strips"]] == names[:6]


def test_duplicates_are_counted_and_their_list_is_folded(tmp_path: Path) -> None:
    rows = tiny.table(120)
    rows[60:72] = rows[0]
    np.save(tmp_path / "t.npy", rows)
    run = isthmus.train(tmp_path / "t.npy", out=tmp_path / "run", **tiny.FAST)
    (section,) = (s for s in compose(run_data_of(Run(run.path))).sections if s.id == "data")
    told = dict(section.values["rows"])["duplicates"]
    assert re.fullmatch(r"\d+ of \d+ are identical to an earlier one", told)
    assert len(section.values["pairs"]) + section.values["unlisted"] == int(told.split()[0])
    (folded,) = (d for d in Page(run.path / "report.html").all("details") if "List of duplicates" in d.text)
    assert section.values["pairs"][0] in folded.text


def test_those_that_passed_are_counted_once(run: Run, page: Page) -> None:
    n = sum(v["level"] == "pass" for v in run.metrics["verdicts"])
    words = [e.text for e in page.all("section", class_="verdicts")[0].walk() if e.tag in {"h2", "summary"}]
    assert [re.findall(r"\d+ (?:checks? )?passed", text) for text in words] == [
        [],
        [f"{n} check{'s' * (n != 1)} passed"],
    ]


def test_a_class_has_one_color_in_pages_and_pictures() -> None:
    light = re.search(r":root \{(.*?)\}", asset("style.css"), re.S)
    assert light is not None
    assert dict(re.findall(r"--c(\d): (#\w+);", light[1])) == {str(k): color for k, color in enumerate(maps.TEN)}
