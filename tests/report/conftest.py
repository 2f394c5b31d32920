"""A browser that is offline, the reports that it opens, and what is checked of every page."""

import asyncio
import importlib.resources
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, ViewportSize, expect, sync_playwright

from scanner.report.html.rendering import write_html
from tests.report import sample

Scheme = Literal["light", "dark"]
FULL_CHROMIUM = "/usr/bin/chromium"
CHROMIUM = shutil.which("chromium-headless-shell") or FULL_CHROMIUM
"""Chromium, the one without windows where it is installed: the other creates one for each test."""
FLAGS = [
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


VIEWPORT: ViewportSize = {"width": 1280, "height": 800}


class Reader:
    """Opens reports and keeps what the browser said about them. One test after another uses the same pages."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: dict[object, list[Page]] = {}
        self._used: list[tuple[object, Page]] = []
        self.said: list[str] = []

    def page(
        self, script: str = "", *, viewport: ViewportSize = VIEWPORT, color_scheme: Scheme = "light", **context: Any
    ) -> Page:
        """A page that no other one of this test is: offline, empty, and with a script that runs before those of a page.

        It is 1280 x 800 unless told.
        """
        kind = (script, *sorted(context.items()))
        idle = self._idle.setdefault(kind, [])
        page = idle.pop() if idle else self._made(script, context)
        self._used.append((kind, page))
        page.set_viewport_size(viewport)
        page.emulate_media(media="null", color_scheme=color_scheme)
        return page

    def _made(self, script: str, context: dict[str, Any]) -> Page:
        page = self._browser.new_context(offline=True, viewport=VIEWPORT, **context).new_page()
        if script:
            page.add_init_script(script)
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on(
            "request",
            lambda request: self.said.append(request.url) if not request.url.startswith(("file:", "blob:")) else None,
        )
        return page

    def _dismiss(self, dialog: Dialog) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, path: Path, state: str = "", **context: Any) -> Page:
        """The report at a state (`#findings?q=...`), once it is usable."""
        page = self.page(**context)
        show(page, path, state)
        return page

    def end(self) -> list[str]:
        """Return what the browser said in a test, whose pages the next one uses."""
        for kind, page in self._used:
            page.goto("about:blank")
            page.mouse.move(-1, -1)
            page.context.clear_permissions()
            self._idle[kind].append(page)
        self._used = []
        texts, self.said = self.said, []
        return texts


def show(page: Page, path: Path, state: str = "") -> None:
    if page.url.partition("#")[0] == path.as_uri():
        page.goto("about:blank")  # another state alone loads nothing
    page.goto(path.as_uri() + state)
    page.wait_for_selector("html[data-ready]", timeout=20_000)


def drawn(page: Page) -> None:
    """Wait until a page has drawn the state that a click asked for."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def show_finding(page: Page, fingerprint: str) -> None:
    """Go from one finding of a report to another."""
    page.evaluate("(mark) => { location.hash = '#findings?f=' + mark; }", fingerprint)
    expect(page.locator("#finding-list .detail a[title] code")).to_have_text(fingerprint)


@pytest.fixture(scope="session")
def started() -> Iterator[tuple[Browser, Reader, asyncio.AbstractEventLoop]]:
    """The browser of this process, whose loop runs only in modules that use it: others run loops of their own."""
    with sync_playwright() as playwright:
        loop = asyncio.get_running_loop()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        asyncio._set_running_loop(None)
        yield browser, Reader(browser), loop
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture(scope="module")
def browser(started: tuple[Browser, Reader, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    browser, _, loop = started
    asyncio._set_running_loop(loop)
    yield browser
    asyncio._set_running_loop(None)


@pytest.fixture
def reader(browser: Browser, started: tuple[Browser, Reader, asyncio.AbstractEventLoop]) -> Iterator[Reader]:
    """A reader; afterwards the browser must have had nothing to say, and asked for nothing."""
    reader = started[1]
    yield reader
    assert reader.end() == []


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
CONTRAST = "color-contrast-enhanced"
"""The rule on contrast that asks for more.

As axe-core has it, it leaves to `color-contrast` what that reports. Here it reports this too, so that each contrast is
computed once.
"""
STRICT = f"""() => {{
    const {{normal, large}} = axe._audit.checks["{CONTRAST}"].options.contrastRatio;
    delete normal.minThreshold;
    delete large.minThreshold;
}}"""
LOOKS = (Path(__file__).parent / "contrast.js").read_text("utf-8").rstrip().rstrip(";")
FIND = f"""([wanted, checked]) => ({ONE_OF_EACH})(async () => {{
    const names = axe.getRules().map(({{ruleId}}) => ruleId).filter((each) => !each.startsWith("color-contrast"));
    const run = (context, rules) => axe.run(context, {{resultTypes: ["violations"], runOnly: rules}});
    const looks = checked === null ? new Map() : ({LOOKS})(checked);
    const found = [];
    if (wanted === null || wanted.length) found.push(await run(document, wanted ?? names));
    if (looks.size) found.push(await run({{include: [...looks.values()].flat()}}, ["{CONTRAST}"]));
    const violations = found.flatMap((each) => each.violations).map((each) => [each.id, each.nodes[0].html]);
    return [violations, [...looks.keys()]];
}})"""
CHECKED: set[str] = set()
"""What was checked for contrast in this process: texts by all that it depends on."""


def _found(page: Page, rules: Sequence[str] | None, *, with_contrast: bool) -> list[tuple[str, str]]:
    """Return what axe-core finds by these rules, or by all but contrast, and in texts that were not checked for it.

    Of each component, however often it is there, one is looked at.
    """
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE + ";0")
        page.evaluate(STRICT)
    found, looks = page.evaluate(FIND, [rules, list(CHECKED) if with_contrast else None])
    if not found:
        CHECKED.update(looks)
    return [(rule, html) for rule, html in found]


def violations(page: Page, *rules: str) -> list[tuple[str, str]]:
    """Return what axe-core finds in a page by these rules; by all of them where none is named."""
    return _found(page, rules or None, with_contrast=not rules)


def contrast(page: Page) -> list[tuple[str, str]]:
    """Return where texts have too little contrast. What looked the same in the same place, on any page, is not checked
    again.
    """
    return _found(page, (), with_contrast=True)


def accessible(page: Page) -> None:
    """Check a page with every rule of axe-core: as it is, and narrow in the dark scheme.

    Only contrast depends on the scheme. A narrow page shows everything that a wide one shows; drawings become lists,
    whose contrast is checked in both schemes.
    """
    assert violations(page) == []
    wide = page.viewport_size
    assert wide is not None
    page.set_viewport_size({"width": 390, "height": 844})
    assert contrast(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(wide)


def scrolls_sideways(page: Page) -> list[int]:
    """Return the widths at which a page is wider than the window."""
    result = []
    for width in (1280, 390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            result.append(width)
    return result


ALLOWED = {"https://learn.microsoft.com/azure/security/fundamentals/network-best-practices"}
"""The references of the sample's rules."""


def outside_links(page: Page) -> set[str]:
    """Return where the links of a page lead that are no fragments. Each opens in a new tab without a referrer."""
    script = """() => [...document.querySelectorAll('a')].filter((a) => a.getAttribute('href')[0] !== '#')
        .map((a) => [a.getAttribute('href'), a.target, a.rel])"""
    result = page.evaluate(script)
    assert all(each[1:] == ["_blank", "noopener noreferrer"] for each in result)
    return {each[0] for each in result}
