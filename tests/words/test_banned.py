"""Nothing that people read has a banned phrase: each row of banned.toml is looked for where it is banned."""

from collections import Counter
from pathlib import Path

import pytest

from tests.words.texts import banned, hits, prose, texts


def test_no_banned_phrase_is_left() -> None:
    assert [f"{text.location}: {phrase!r}: write {use}" for text, phrase, use in hits()] == []


def test_each_area_has_texts() -> None:
    result = Counter(text.area for text in texts())
    assert min(result[area] for area in ("rules", "messages", "report", "docs", "docstrings")) > 50, result


@pytest.mark.parametrize(
    ("location", "content", "area"),
    [
        ("rules/x.toml", '[a]\nwhy = "The door is open."\n', "rules"),
        ("rules/x.py", 'WHY = "the door is open"\n', "rules"),
        ("scanner/x.py", 'print(f"the door of {1} is open")\n', "messages"),
        ("scanner/x.py", 'def door():\n    """Return the door."""\n', "docstrings"),
        ("templates/report/en.toml", 'a.b = "{n} doors are open"\n', "report"),
        ("templates/x.j2", "<p>The door</p>{# door #}\n", "report"),
        ("docs/x.md", "The door, not `door`.\n\n```sh\ndoor\n```\n", "docs"),
        ("deploy/x/a.yml", "# The door\ndoor: 1\n", "docs"),
    ],
)
def test_a_phrase_is_found_once_in_each_area(location: str, content: str, area: str, tmp_path: Path) -> None:
    (tmp_path / location).parent.mkdir(parents=True)
    (tmp_path / location).write_text(content)
    assert [(text.area, phrase.rstrip("s")) for text, phrase, _ in hits(tmp_path)] == [(area, "door")]


@pytest.mark.parametrize(
    "name", ["Azure Front Door", "front doors", "/frontdoors/", "Front Door (classic)", "outdoors"]
)
def test_names_of_products_are_no_hits(name: str) -> None:
    assert [value for each in banned() for value in each.hits(f"The {name} is here.")] == []


def test_code_of_a_page_keeps_the_lines_of_the_rest() -> None:
    assert prose("a\n```sh\nb\n```\n`c` d [e](f)").splitlines() == ["a", "", "", "", " d [e]"]
