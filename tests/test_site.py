"""The web site of the pages: what is staged; and of a built one (`make site`, TWOLOCKS_SITE) that it loads nothing."""

import os
import re
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import sync_playwright

from docs.build import site_pages
from docs.site import PAGES, stage
from docs.site import linked as to_pages
from tests.test_pages import linked

ROOT = Path(__file__).parent.parent
LINKS = re.compile(r"\]\((?!http)([^)]*)\)")
SITE = os.environ.get("TWOLOCKS_SITE", "")


def _named(part: object) -> list[str]:
    """Return the pages of a navigation."""
    if isinstance(part, str):
        return [part]
    below = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
    return [name for each in below for name in _named(each)]


def test_staged_pages_lead_to_what_is_staged(tmp_path: Path) -> None:
    made = dict(site_pages())
    stage(ROOT, tmp_path, made)
    staged = list(tmp_path.rglob("*.md"))
    written = [path for pattern in PAGES if pattern.endswith(".md") for path in ROOT.glob(pattern)]
    assert len(staged) == len(written) + len(made)
    assert [target for page in staged for target in linked(page) if not target.is_file()] == []


def test_pages_for_builders_are_not_on_the_site_and_nothing_leads_to_them(tmp_path: Path) -> None:
    stage(ROOT, tmp_path, {})
    assert not (tmp_path / "docs" / "dev").exists()
    assert "tests (`docs/dev/reading.md`) enforce it" in (tmp_path / "docs" / "faq.md").read_text("utf-8")
    index = (tmp_path / "docs" / "README.md").read_text("utf-8")
    assert "| `docs/dev/threat-model.md` | assets" in index
    assert [page for page in tmp_path.rglob("*.md") if "dev/" in "".join(LINKS.findall(page.read_text("utf-8")))] == []


def test_the_lists_of_the_site_lead_to_the_page_of_each_rule_and_framework(tmp_path: Path) -> None:
    made = dict(site_pages())
    stage(ROOT, tmp_path, made)
    paths = linked(tmp_path / "docs" / "rules" / "README.md") | linked(tmp_path / "docs" / "frameworks" / "README.md")
    assert {tmp_path / "docs" / name for name in made} <= paths


def test_an_id_in_a_block_of_code_or_on_its_own_page_is_no_link() -> None:
    named = {"a-b": Path("docs/rules/a-b.md")}
    text = "`a-b`, [`a-b`](x.md) and `other`\n```sh\ntwolocks `a-b`\n```\n"
    assert to_pages(text, Path("docs/x.md"), named) == text.replace("`a-b`", "[`a-b`](rules/a-b.md)", 1)
    assert to_pages(text, Path("docs/rules/a-b.md"), named) == text


def test_the_navigation_has_each_page_for_users() -> None:
    named = _named(yaml.safe_load((ROOT / "docs" / "mkdocs.yml").read_text("utf-8"))["nav"])
    made = {f"docs/{name}" for name in dict(site_pages())}
    assert [name for name in named if name not in made and not (ROOT / name).is_file()] == []
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
