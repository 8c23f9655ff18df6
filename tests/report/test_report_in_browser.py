"""The report as people use it: opened from a file, on phone and desktop, light and dark, by hand and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import isthmus
import tiny
from browser import chromium, needs_chromium, opened
from isthmus.api import Run
from isthmus.pipeline.reporting import report
from isthmus.report.page import asset, frame_of

pytestmark = needs_chromium

PAINTED = """(() => {
  const canvas = document.querySelector("canvas");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.some((value, i) => i % 4 < 3 && value > 0);
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def pages(digit_run: Run, denoiser: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of every kind: of digits with classes, a denoiser, a table, and several runs."""
    folder = tmp_path_factory.mktemp("pages")
    table = isthmus.train(tiny.table(200), out=folder / "table", **tiny.FAST)
    compared = report(digit_run, denoiser, digit_run, out=folder / "comparison.html")
    runs = {"digits": digit_run, "denoiser": denoiser, "table": table}
    return {name: run.path / "report.html" for name, run in runs.items()} | {"comparison": compared.path}


EVERYWHERE = [(size, scheme) for size in ("phone", "desktop") for scheme in ("light", "dark")]


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [(name, *where) for name in ("digits", "denoiser") for where in EVERYWHERE]
    + [(name, *where) for name in ("table", "comparison") for where in (EVERYWHERE[0], EVERYWHERE[3])],
)
def test_it_opens_from_a_file_without_error_request_or_barrier(
    name: str, size: str, scheme: str, browser: Any, pages: dict[str, Path]
) -> None:
    with opened(browser, pages[name], size, scheme) as seen:
        for details in seen.page.locator("summary").all():
            details.click()
        seen.assert_accessible()
        seen.assert_fits()
        seen.assert_quiet()


def test_the_values_of_an_epoch_follow_the_pointer(browser: Any, pages: dict[str, Path], digit_run: Run) -> None:
    with opened(browser, pages["digits"]) as seen:
        told, plot = seen.page.locator(".follow output"), seen.page.locator(".chart svg.plot:visible")
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        seen.page.mouse.move(box["x"] + 2, box["y"] + 50)
        first = digit_run.history[0]
        assert (
            told.inner_text()
            == f"epoch 1: training {first['train_cost']:.4g}, validation {first['validation_cost']:.4g}"
        )
        seen.page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 50)
        assert told.inner_text().startswith(f"epoch {len(digit_run.history)}: ")
        assert plot.locator("circle.at").count() == 2
        seen.assert_quiet()


def test_the_values_of_an_epoch_follow_the_keyboard(browser: Any, pages: dict[str, Path], digit_run: Run) -> None:
    with opened(browser, pages["digits"]) as seen:
        slider = seen.page.get_by_role("slider", name="Epoch")
        slider.focus()
        seen.page.keyboard.press("Home")
        assert seen.page.locator(".follow output").inner_text().startswith("epoch 1: ")
        seen.page.keyboard.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext").startswith("epoch 2: ")


def test_the_scale_switches_with_and_without_script(browser: Any, pages: dict[str, Path]) -> None:
    for script in (True, False):
        with opened(browser, pages["digits"], java_script_enabled=script) as seen:
            seen.page.get_by_role("radio", name="linear").check()
            assert seen.page.locator(".frame.linear").is_visible()
            assert not seen.page.locator(".frame.log").is_visible()
            seen.page.get_by_role("radio", name="log").check()
            assert seen.page.locator(".frame.log").is_visible()
            assert not seen.page.locator(".frame.linear").is_visible()


def cut(page: Any) -> float:
    """Where the divider stands, in percent, as the upper picture is clipped."""
    clip = page.evaluate("getComputedStyle(document.querySelector('.over .left')).clipPath")
    return 100 - float(re.search(r"([\d.]+)%", clip)[1])  # type: ignore[index]


def test_the_divider_is_dragged_and_moved_by_keys(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["denoiser"]) as seen:
        over = seen.page.locator(".over")
        over.scroll_into_view_if_needed()
        assert cut(seen.page) == 50
        box = over.bounding_box()
        seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
        seen.page.mouse.down()
        seen.page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 20, steps=4)
        seen.page.mouse.up()
        assert cut(seen.page) == pytest.approx(80, abs=1)
        seen.page.mouse.move(box["x"] + 10, box["y"] + 20)  # not held any more
        assert cut(seen.page) == pytest.approx(80, abs=1)
        before = cut(seen.page)
        seen.page.keyboard.press("ArrowLeft")
        assert cut(seen.page) == before - 1
        seen.page.keyboard.press("Home")
        assert cut(seen.page) == 0
        seen.assert_quiet()


def test_the_divider_lays_other_pictures_over_each_other(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["denoiser"]) as seen:
        seen.page.get_by_role("radio", name="denoised | clean").check()
        shown = [img.get_attribute("data-name") for img in seen.page.locator(".over img").all()]
        assert shown == ["clean", "denoised"]
        assert seen.page.locator(".over .tag").all_inner_texts() == ["denoised", "clean"]
        assert seen.page.locator(".triple").is_hidden()


def map_of(seen: Any) -> tuple[Any, dict[str, float]]:
    """The report's map, scrolled to, and where it is on the screen."""
    plot = seen.page.locator("svg.map")
    plot.scroll_into_view_if_needed()
    return plot, plot.bounding_box()


def test_a_point_of_the_map_shows_its_image(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["digits"]) as seen:
        plot, box = map_of(seen)
        seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert seen.page.evaluate(PAINTED)
        assert re.fullmatch(r"\d · \d+", seen.page.locator(".look output").inner_text())
        seen.page.get_by_role("slider", name="Point").focus()
        seen.page.keyboard.press("End")
        assert plot.locator(".chosen").get_attribute("cx") == "100.00%"
        seen.assert_quiet()


def test_the_colors_can_be_switched(browser: Any, pages: dict[str, Path]) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    with opened(browser, pages["table"]) as seen:
        button = seen.page.get_by_role("button", name="Colors")
        found = [seen.page.evaluate(ground)]
        for _ in range(3):
            button.click()
            found.append(seen.page.evaluate(ground))
        light, dark = "rgb(255, 255, 255)", "rgb(13, 17, 23)"
        assert found == [light, light, dark, light]  # as the system, light, dark, as the system
        seen.assert_quiet()


def test_a_command_is_copied(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["digits"], permissions=["clipboard-read", "clipboard-write"]) as seen:
        section = seen.page.locator("#settings")
        command = section.locator("code").last.inner_text()
        section.get_by_role("button", name="Copy").last.click()
        assert seen.page.evaluate("navigator.clipboard.readText()") == command
        assert seen.page.locator("#said").inner_text() == "Copied."


def test_without_script_everything_is_there_but_the_moving_parts(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["denoiser"], java_script_enabled=False) as seen:
        assert seen.page.locator(".triple img").count() == 3
        assert all(img.is_visible() for img in seen.page.locator(".triple img").all())
        assert seen.page.locator(".js:visible").count() == 0


def test_it_prints_on_white_with_everything_open(browser: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    with opened(browser, pages["denoiser"], scheme="dark") as seen:
        seen.page.emulate_media(media="print", color_scheme="dark")
        assert seen.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        assert seen.page.locator(".triple img").first.is_visible()
        assert seen.page.locator("nav:visible, .over:visible, button:visible").count() == 0
        printed = seen.page.pdf(path=tmp_path / "page.pdf", format="A4")
        assert seen.page.locator("details[open]").count() == seen.page.locator("details").count()
        assert printed.startswith(b"%PDF")


def test_a_click_keeps_a_point_of_the_map(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["digits"]) as seen:
        plot, box = map_of(seen)
        seen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        kept = seen.page.locator(".look output").inner_text()
        seen.page.mouse.move(box["x"] + 5, box["y"] + 5)
        assert seen.page.locator(".look output").inner_text() == kept
        assert plot.locator(".chosen.kept").count() == 1


def test_what_is_wider_than_a_phone_says_so(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["digits"], "phone") as seen:
        hidden = """[...document.querySelectorAll(".scroll")].map((box) =>
          [box.scrollWidth > box.clientWidth + 1, box.previousElementSibling.hidden])"""
        found = seen.page.evaluate(hidden)
        assert [True, False] in found  # the drawing of the network
        assert all(wide != unseen for wide, unseen in found)


@pytest.mark.parametrize("room", [40, 60, 300])
def test_a_name_that_is_shortened_twice_has_one_ellipsis_and_keeps_its_end(
    room: int, browser: Any, tmp_path: Path
) -> None:
    name = """{% from "pieces.html" import name %}{{ name("a-very-long-class-of-photographs", 12) }}"""
    box = f"<style>.box {{ width: {room}px; }}</style><div class=box><figcaption>{frame_of(name)}</figcaption></div>"
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><title>a</title><style>{asset('style.css')}</style><div class=samples>{box}</div>")
    with opened(browser, page) as seen:
        assert seen.page.locator(".name-line").get_attribute("title") == "a-very-long-class-of-photographs"
        start, end = seen.page.locator(".parted > span").all()
        assert (start.inner_text(), end.inner_text()) == ("a-very…", "raphs")
        assert start.evaluate("e => getComputedStyle(e).textOverflow") == "ellipsis"  # drawn over the other one
        assert start.evaluate("e => e.clientWidth") >= 14  # room for the sign
        place, whole = end.bounding_box(), seen.page.locator(".parted").bounding_box()
        assert place["x"] + place["width"] <= whole["x"] + whole["width"] + 0.5
