"""The system's Chromium for tests: opens pages as users see them, and records everything that goes wrong."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here: apt-get install chromium")
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
SERIOUS = {"serious", "critical"}
PATIENCE = 120_000  # milliseconds; an idle machine needs a hundredth, but a busy one must not make a test fail
# No background activity: no network requests, no GPU, no throttling of background pages.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
]
DETACHED = "Not attached to an active page"  # Chromium's error for a page whose process has not started yet


T = TypeVar("T")


@dataclass
class Seen:
    """An open page, with its console messages and its requests."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def assert_quiet(self) -> None:
        """Asserts that there was no error, and no request except for the page itself."""
        assert self.said == []
        assert len(self.asked) == 1, self.asked

    def assert_accessible(self) -> None:
        """Asserts that axe finds no serious or critical problem."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, options={"resultTypes": ["violations"]}).response["violations"]
        told = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in SERIOUS]
        assert told == []

    def assert_fits(self) -> None:
        """Asserts that nothing extends beyond the right edge of the window."""
        widths = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], f"the page is {widths[0]} wide in a window of {widths[1]}"


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, path: Path, size: str = "desktop", scheme: str = "light", **settings: Any) -> Iterator[Seen]:
    """Opens a file as a page, in a window of this size, light or dark."""
    width, height = SIZES[size]
    settings = {"viewport": {"width": width, "height": height}, "color_scheme": scheme} | settings
    seen = attached(lambda: open_page(browser, path.resolve().as_uri(), settings))
    try:
        yield seen
    finally:
        seen.page.context.close()


def attached(action: Callable[[], T], attempts: int = 5) -> T:
    """The action's result; retried if Chromium has not started the page yet, as happens on a busy machine."""
    from playwright.sync_api import Error

    for _ in range(attempts - 1):
        try:
            return action()
        except Error as error:
            if DETACHED not in str(error):
                raise
            time.sleep(1)
    return action()


def open_page(browser: Any, address: str, settings: dict[str, Any], ready: str = "body") -> Seen:
    """Opens a page in its own window, with these settings, and waits for the element `ready`."""
    context = browser.new_context(**settings)
    context.set_default_timeout(PATIENCE)
    try:
        page = context.new_page()
        seen = Seen(page)
        page.on("console", lambda message: seen.said.append(message.text))
        page.on("pageerror", lambda error: seen.said.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("data:") else seen.asked.append(request.url))
        page.goto(address)
        page.wait_for_selector(ready)
    except BaseException:
        context.close()
        raise
    return seen
