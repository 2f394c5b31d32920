"""A browser that is offline, the reports that it opens, and what is checked of every page."""

import importlib.resources
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from scanner.report.html import write_html
from tests.report import sample

FULL_CHROMIUM = "/usr/bin/chromium"
CHROMIUM = shutil.which("chromium-headless-shell") or FULL_CHROMIUM
"""Chromium, the one without windows where it is installed: the other creates one for each test."""
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Reader:
    """Opens a report and keeps what the browser said about it."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.said: list[str] = []

    def page(self, **context: Any) -> Page:
        """A page of a new context: offline, 1280 x 800 unless told."""
        page = self._browser.new_context(
            offline=True, **({"viewport": {"width": 1280, "height": 800}} | context)
        ).new_page()
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: self.said.append(request.url) if not request.url.startswith(("file:", "blob:")) else None,
        )
        return page

    def open(self, path: Path, state: str = "", **context: Any) -> Page:
        """The report at a state (`#findings?q=...`), once it is usable."""
        page = self.page(**context)
        show(page, path, state)
        return page


def show(page: Page, path: Path, state: str = "") -> None:
    page.goto("about:blank")
    page.goto(path.as_uri() + state)
    page.wait_for_selector("html[data-ready]", timeout=20_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def reader(browser: Browser) -> Iterator[Reader]:
    """A reader; afterwards the browser must have had nothing to say, and asked for nothing."""
    reader = Reader(browser)
    yield reader
    for context in browser.contexts:
        context.close()
    assert reader.said == []


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    return sample.document()


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], Path]:
    """Writes the report of a document."""

    def write(document: dict[str, Any]) -> Path:
        path = tmp_path_factory.mktemp("report") / "report.html"
        write_html(sample.typed(document), path)
        return path

    return write


@pytest.fixture(scope="session")
def report(document: dict[str, Any], make: Callable[[dict[str, Any]], Path]) -> Path:
    return make(document)


AXE = (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
ONE_OF_EACH = (Path(__file__).parent / "each_component.js").read_text("utf-8").rstrip().rstrip(";")
FIND = f"""(wanted) => ({ONE_OF_EACH})(() => axe.run(document, {{resultTypes: ["violations"],
    ...(wanted.length ? {{runOnly: wanted}} : {{}}),
    rules: Object.fromEntries(axe.getRules().map((rule) => [rule.ruleId, {{enabled: true}}]))}}))"""


def violations(page: Page, *rules: str) -> list[tuple[str, str]]:
    """Return what axe-core finds in a page, by its rules or these: each component once, however often it is there."""
    page.evaluate(AXE + ";0")
    return [(each["id"], each["nodes"][0]["html"]) for each in page.evaluate(FIND, list(rules))["violations"]]


def accessible(page: Page) -> None:
    """Check a page with every rule of axe-core: as it is, narrow, and the contrast of the dark scheme.

    Only contrast depends on the scheme. A narrow page shows everything that a wide one shows; drawings become lists.
    """
    assert violations(page) == []
    wide = page.viewport_size
    assert wide is not None
    page.set_viewport_size({"width": 390, "height": 844})
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, "color-contrast", "color-contrast-enhanced") == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(wide)


def scrolls_sideways(page: Page) -> list[int]:
    """Return the widths at which a page is wider than the window."""
    found = []
    for width in (1280, 390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(width)
    return found


ALLOWED = {"https://learn.microsoft.com/azure/security/fundamentals/network-best-practices"}
"""The references of the sample's rules."""


def outside_links(page: Page) -> set[str]:
    """Return where the links of a page lead that are no fragments. Each opens in a new tab without a referrer."""
    script = """() => [...document.querySelectorAll('a')].filter((a) => a.getAttribute('href')[0] !== '#')
        .map((a) => [a.getAttribute('href'), a.target, a.rel])"""
    found = page.evaluate(script)
    assert all(each[1:] == ["_blank", "noopener noreferrer"] for each in found)
    return {each[0] for each in found}
