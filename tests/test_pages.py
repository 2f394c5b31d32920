"""docs/settings.md says what is so: its file is taken, and all is on it; and pages lead to what there is."""

import re
from pathlib import Path

import pytest

from scanner.azure.logins import KINDS
from scanner.config.keys import TABLES
from scanner.config.settings import resolve
from scanner.model.severity import Severity
from scanner.rulebook.loader import load

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "settings.md").read_text("utf-8")
PATTERNS = PAGE.split("## Which rules")[1].split("\n## ")[0]
TOML = "".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))


def test_its_file_is_taken_and_says_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text(TOML)
    settings = resolve("scan", {}, {}, config=tmp_path / "twolocks.toml")
    assert settings.severities == {"storage-versioning-disabled": Severity.medium}
    assert settings["history"] == str(tmp_path / "history.db")
    assert [each.endpoint for each in settings.intended] == ["blob/tiles"]
    rules = load()
    rules.check(settings["skip"][0])
    assert set(settings.severities) <= set(rules.rules)


def test_every_table_key_and_sign_in_method_is_on_it() -> None:
    for name, keys in TABLES.items():
        assert re.search(rf"\[{name}(\.\w[\w-]*)?\]", PAGE, re.IGNORECASE), name
        for key in keys or ():
            assert re.search(rf"^{key.name} = ", TOML, re.MULTILINE), key
    for kind in KINDS:
        assert f"`{kind}`" in PAGE, kind


@pytest.mark.parametrize("pattern", re.findall(r"`([a-z]+:[^`]+|sql-\*)`", PATTERNS))
def test_its_patterns_mean_rules(pattern: str) -> None:
    load().check(pattern)


def linked(page: Path) -> set[Path]:
    """What a page leads to in this repository."""
    return {
        (page.parent / each).resolve() for each in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    }


DECISIONS = DOCS / "decisions"
PAGES = [
    *DOCS.glob("*.md"),
    *DECISIONS.glob("*.md"),
    *DOCS.parent.glob("*.md"),
    *DOCS.parent.glob("deploy/*/README.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS.parent)))
def test_what_a_page_leads_to_is_there(page: Path) -> None:
    assert [target for target in linked(page) if not target.exists()] == []


def test_the_list_of_pages_names_each() -> None:
    assert set(DOCS.glob("*.md")) | set(DOCS.glob("*.json")) <= linked(DOCS / "README.md") | {DOCS / "README.md"}


def test_each_decision_is_listed_once_and_gives_its_reason() -> None:
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    listed = re.findall(
        r"^- \[(\d{4})\]\((\1-[\w-]+\.md)\): (.+)$", (DECISIONS / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(name for _, name, _ in listed) == [page.name for page in pages]
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for _, name, title in listed:
        text = (DECISIONS / name).read_text("utf-8")
        assert text.startswith(f"# {title}\n\nDate: "), name
        for heading in ("Decision", "Reason", "What would change it"):
            assert f"\n**{heading}.** " in text, f"{name}: {heading}"


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/dev/threat-model.md"])
def test_each_named_test_exists(page: str) -> None:
    named = re.findall(r"`(tests/[^`*]+)`", (DOCS.parent / page).read_text("utf-8"))
    assert named
    assert [each for each in named if not (DOCS.parent / each).exists()] == []
