"""The web site of the pages: what is staged; and of a built one (`make site`, TWOLOCKS_SITE) that it loads nothing."""

import os
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import sync_playwright

from docs.site import PAGES, stage
from tests.test_pages import linked

ROOT = Path(__file__).parent.parent
SITE = os.environ.get("TWOLOCKS_SITE", "")


def _named(part: object) -> list[str]:
    """Return the pages of a navigation."""
    if isinstance(part, str):
        return [part]
    below = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
    return [name for each in below for name in _named(each)]


def test_staged_pages_lead_to_what_is_staged(tmp_path: Path) -> None:
    stage(ROOT, tmp_path)
    staged = list(tmp_path.rglob("*.md"))
    assert len(staged) == sum(len(list(ROOT.glob(pattern))) for pattern in PAGES if pattern.endswith(".md"))
    assert [target for page in staged for target in linked(page) if not target.is_file()] == []


def test_the_navigation_has_each_page_for_users() -> None:
    named = _named(yaml.safe_load((ROOT / "docs" / "mkdocs.yml").read_text("utf-8"))["nav"])
    assert [name for name in named if not (ROOT / name).is_file()] == []
    assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")} <= set(named)


@pytest.mark.skipif(not SITE, reason="no site was named: make site; TWOLOCKS_SITE=build/site")
def test_a_built_site_loads_nothing_from_elsewhere_and_is_searched_without_a_server() -> None:
    asked: list[str] = []
    index = (Path(SITE) / "index.html").resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--disable-gpu"])
        context = browser.new_context(offline=True)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for name in (
            "index.html",
            "docs/troubleshooting.html",
            "docs/rules/storage-plain-http.html",
            "docs/sample/report.html",
        ):
            page.goto(index.replace("index.html", name))
        page.goto(index)
        page.locator("input.md-search__input").click()
        page.locator("input.md-search__input").press_sequentially("throttling")
        page.locator(".md-search-result__link").first.wait_for(timeout=30_000)
        assert "hrottling" in page.locator(".md-search-result__list").inner_text()
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
