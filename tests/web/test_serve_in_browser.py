"""The app as people use it, in the system's Chromium: drawing, sliders, dropped files; on phone and desktop."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import uvicorn

import isthmus
import tiny
from browser import SIZES, Seen, attached, chromium, needs_chromium, open_page
from isthmus.api import Run
from isthmus.web.app import build_app
from isthmus.web.guard import Access
from isthmus.web.ports import listening
from isthmus.web.served_run import ServedRun
from served import TOKEN, png

pytestmark = needs_chromium
DROP = """([data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "a.png", { type: "image/png" }));
  document.querySelector("#stage").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
}"""
CUT = """() => [...document.querySelectorAll("table.row td")].filter((cell) =>
  cell.scrollWidth > cell.clientWidth + 1
  || cell.getBoundingClientRect().right > cell.closest("figure").getBoundingClientRect().right + 1
).map((cell) => cell.innerText)"""


@contextmanager
def running(run: Run) -> Iterator[str]:
    """The address of a server in a thread."""
    with listening("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        app = build_app(ServedRun(run.path), Access(TOKEN, port), watch=True)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1, ws="none")
        )
        app.state.server = server
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/?token={TOKEN}"
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(digit_run: Run) -> Iterator[str]:
    with running(digit_run) as found:
        yield found


@pytest.fixture(scope="module")
def rows_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a denoiser for a table, with classes."""
    folder = tmp_path_factory.mktemp("rows")
    values = tiny.table(300)
    lines = [f"{','.join(map(str, row))},{'low' if row[0] < 0 else 'high'}" for row in values.tolist()]
    names = "width,height,<b>depth</b>,a_name_that_is_longer_than_any_cell_of_a_phone,weight,age"
    (folder / "rows.csv").write_text("\n".join([f"{names},kind", *lines]))
    run = isthmus.train(folder / "rows.csv", noise="gaussian:0.5", out=folder / "run", label="kind", **tiny.FAST)
    with running(run) as found:
        yield found


@pytest.fixture(scope="module")
def mixed_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a table whose columns are of several kinds."""
    folder, a = tmp_path_factory.mktemp("mixed"), np.random.default_rng(0).normal(size=120)
    lines = [
        f"{('tea', 'rum', 'milk')[i % 3]},{value:.2f},{max(0, int(4 + 2 * value))},{'yes' if value > 0 else 'no'},"
        f"{1 + i % 28:02}.{1 + i // 28:02}.2024,2024-03-01T{i % 24:02}:30:00+02:00"
        for i, value in enumerate(a.tolist())
    ]
    (folder / "mixed.csv").write_text("\n".join(["drink,size,visits,paid,day,at", *lines]))
    run = isthmus.train(folder / "mixed.csv", out=folder / "run", **tiny.FAST)
    with running(run) as found:
        yield found


@contextmanager
def visited(browser: Any, address: str, size: str = "desktop", scheme: str = "light") -> Iterator[Seen]:
    width, height = SIZES[size]
    settings = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    seen = attached(lambda: open_page(browser, address, settings, ready="body[data-ready]"))
    try:
        yield seen
    finally:
        seen.page.context.close()


def assert_at_home(seen: Seen, address: str) -> None:
    """No error, and no request but to the server and for pictures in the page itself."""
    home = address.partition("/?")[0]
    assert seen.said == []
    assert [url for url in seen.asked if not url.startswith((home, "data:", "blob:"))] == []


def changed(seen: Seen, box: str, before: str | None) -> str:
    """The picture in a box, once it is another."""
    seen.page.wait_for_function(f"(old) => document.querySelector('{box} img')?.src !== (old ?? '')", arg=before)
    return seen.page.locator(f"{box} img").first.get_attribute("src")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_it_opens_without_error_barrier_or_request_to_elsewhere(
    browser: Any, address: str, size: str, scheme: str
) -> None:
    with visited(browser, address, size, scheme) as seen:
        seen.page.wait_for_selector("#drawn img")
        seen.assert_accessible()
        seen.assert_fits()
        assert_at_home(seen, address)
        assert "token" not in seen.page.url


def test_a_drawn_digit_is_rebuilt_at_once(browser: Any, address: str) -> None:
    with visited(browser, address) as seen:
        before = changed(seen, "#rebuilt", None)
        seen.page.locator("#canvas").scroll_into_view_if_needed()
        box = seen.page.locator("#canvas").bounding_box()
        seen.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.2)
        seen.page.mouse.down()
        seen.page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.8, steps=8)
        seen.page.mouse.up()
        changed(seen, "#rebuilt", before)
        assert seen.page.locator("#source").inner_text() == "your drawing"
        assert_at_home(seen, address)


def test_a_slider_moves_the_picture(browser: Any, address: str) -> None:
    with visited(browser, address) as seen:
        before = changed(seen, "#moved", None)
        slider = seen.page.locator("#sliders input").first
        slider.focus()
        for _ in range(20):
            slider.press("ArrowRight")
        assert changed(seen, "#moved", before) != before
        assert_at_home(seen, address)


def test_a_dropped_image_is_taken(browser: Any, address: str) -> None:
    picture = np.zeros((60, 60), np.uint8)
    picture[10:50, 25:35] = 255
    with visited(browser, address) as seen:
        before = changed(seen, "#rebuilt", None)
        seen.page.evaluate(DROP, [base64.b64encode(png(picture)).decode()])
        changed(seen, "#rebuilt", before)
        assert seen.page.locator("#source").inner_text() == "your image"
        assert_at_home(seen, address)


def test_a_point_of_the_map_is_loaded(browser: Any, address: str) -> None:
    with visited(browser, address) as seen:
        seen.page.wait_for_selector("#plot .dot")
        seen.page.locator("#plot").click(position={"x": 200, "y": 200})
        seen.page.wait_for_function("() => document.querySelector('#source').textContent.startsWith('training')")
        assert seen.page.locator("#quality").inner_text() == "decoded from its code"
        assert_at_home(seen, address)


def test_a_panel_that_cannot_work_says_why(browser: Any, address: str) -> None:
    with visited(browser, address) as seen:
        assert "trained without noise" in seen.page.locator("#denoise .why").inner_text()
        assert "trained" in seen.page.locator("#intro").inner_text()


def test_without_the_token_there_is_no_page(browser: Any, address: str) -> None:
    page = attached(lambda: browser.new_context().new_page())
    answer = page.goto(address.partition("?")[0])
    assert answer.status == 401
    assert "needs a token" in page.content()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_a_tables_page_opens_without_error_barrier_or_cut_off_number(
    browser: Any, rows_address: str, size: str, scheme: str
) -> None:
    with visited(browser, rows_address, size, scheme) as seen:
        for box in ("#drawn-rows button", "#between td", "#edited td", "#denoised td"):
            seen.page.wait_for_selector(box)
        seen.assert_accessible()
        seen.assert_fits()
        assert_at_home(seen, rows_address)
        assert seen.page.evaluate(CUT) == []


def test_a_value_of_a_row_is_changed_and_the_row_rebuilt(browser: Any, rows_address: str) -> None:
    with visited(browser, rows_address) as seen:
        assert seen.page.locator("h2").first.inner_text() != ""
        assert seen.page.locator("#draw h2").inner_text() == "Change a row, and see what the network makes of it"
        told = "() => document.querySelector('#rebuilt table')?.innerText"
        seen.page.wait_for_function(told)
        before = seen.page.evaluate(told)
        first = seen.page.locator("#row input").first
        first.fill("2.5")
        seen.page.wait_for_function("(old) => document.querySelector('#rebuilt table').innerText !== old", arg=before)
        assert seen.page.locator("#source").inner_text() == "your row"
        after = seen.page.evaluate(told)
        first.fill("")  # half typed: nothing happens, and nothing breaks
        seen.page.wait_for_timeout(300)
        assert seen.page.evaluate(told) == after
        assert_at_home(seen, rows_address)


FORM = "() => [...document.querySelectorAll('#row input, #row select')].map((e) => [e.localName, e.type, e.step])"
SENT = """() => { window.sent = []; const plain = window.fetch; window.fetch = (address, about) => {
  if (String(address).includes("reconstruct")) window.sent.push(JSON.parse(about.body).x?.[0]);
  return plain(address, about); }; }"""


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_each_column_has_the_field_of_its_kind(browser: Any, mixed_address: str, size: str) -> None:
    with visited(browser, mixed_address, size) as seen:
        seen.page.wait_for_function("() => document.querySelector('#rebuilt table')?.innerText")
        seen.page.wait_for_selector("#drawn-rows button")
        select, number, text = ["select", "select-one", None], ["input", "number"], ["input", "text", ""]
        assert seen.page.evaluate(FORM) == [select, [*number, "0.01"], [*number, "1"], select, text, text]
        assert seen.page.evaluate(CUT) == []
        rebuilt = seen.page.locator("#rebuilt td").all_inner_texts()
        assert rebuilt[0] in {"tea", "rum", "milk"}
        assert rebuilt[3] in {"yes", "no"}
        assert re.fullmatch(r"\d\d\.\d\d\.202\d", rebuilt[4])
        assert re.fullmatch(r"202\d-\d\d-\d\dT\d\d:\d\d:00\+02:00", rebuilt[5])
        seen.assert_accessible()
        seen.assert_fits()


def test_fields_send_what_the_table_holds_and_gaps(browser: Any, mixed_address: str) -> None:
    with visited(browser, mixed_address) as seen:
        page = seen.page
        page.wait_for_function("() => document.querySelector('#rebuilt table')?.innerText")
        page.evaluate(SENT)
        fields = page.locator("#row input, #row select")
        fields.nth(0).select_option(label="milk")
        fields.nth(1).fill("1.25")
        fields.nth(2).fill("")  # a gap
        fields.nth(3).select_option(label="missing")
        fields.nth(4).fill("29.02.2024")
        fields.nth(5).fill("2024-03-01T23:45:00+02:00")
        page.wait_for_function("() => window.sent.length && window.sent.at(-1)[5] % 3600 === 2700")
        sent = page.evaluate("() => window.sent.at(-1)")
        day, at = (datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 3, 1, 21, 45, tzinfo=UTC))
        assert sent[1:] == [1.25, None, None, day.timestamp(), at.timestamp()]
        names = page.locator("#row select").first.locator("option").all_inner_texts()
        assert names[1 + sent[0]] == "milk"
        n = page.evaluate("() => window.sent.length")
        fields.nth(4).fill("31.04.2024")  # which is no day: nothing is sent, and the field says so
        page.wait_for_timeout(300)
        assert page.evaluate("() => window.sent.length") == n
        assert page.locator("#row input:invalid").count() == 1
        assert_at_home(seen, mixed_address)


def test_a_new_row_is_taken_to_play_with(browser: Any, rows_address: str) -> None:
    with visited(browser, rows_address) as seen:
        seen.page.locator("#drawn-rows button").nth(2).click()
        seen.page.wait_for_function("() => document.querySelector('#source').textContent === 'new sample 3'")
        heads = seen.page.locator("#drawn-rows thead th").all_inner_texts()
        assert heads[2] == "<b>depth</b>"
        assert_at_home(seen, rows_address)


def test_the_report_opens_from_the_app_in_a_room_of_its_own(browser: Any, address: str) -> None:
    with visited(browser, address) as seen:
        with seen.page.context.expect_page() as opened:
            seen.page.locator("#report-link a").click()
        report, said = opened.value, []
        report.on("console", lambda message: said.append(message.text))
        report.on("pageerror", lambda error: said.append(str(error)))
        attached(report.reload)
        assert report.locator("h1").inner_text() == "digits"
        before = report.locator(".follow output").first.inner_text()
        report.locator(".follow input").first.press("ArrowLeft")  # its script runs
        report.wait_for_function("(old) => document.querySelector('.follow output').innerText !== old", arg=before)
        assert report.evaluate("() => window.origin") == "null"  # and reaches nothing of the server
        assert report.evaluate("() => fetch('/api/about').then(() => 'reached', () => 'refused')") == "refused"
        assert [text for text in said if "/api/about" not in text and "Content Security Policy" not in text] == []
