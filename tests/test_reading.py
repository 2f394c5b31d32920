"""docs/dev/reading.md names a test for each statement on how Azure is read; each of them exists."""

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "dev" / "reading.md").read_text("utf-8")
ROWS = re.findall(r"^\| (?!behaviour|---)(.+?) \| (.+?) \|$", PAGE, re.M)
HEADINGS = (
    "Credentials and connections", "Requests", "Read-only", "Bulk reads", "Visibility", "Perimeters",
    "What a failed read means", "Throttling", "Comparison, and secrets",
)  # fmt: skip


@lru_cache
def defined(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize(("sentence", "cell"), ROWS, ids=[f"{number}" for number in range(len(ROWS))])
def test_each_sentence_has_a_test(sentence: str, cell: str) -> None:
    match = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell)
    assert match, f"{sentence}: no test id in {cell}"
    assert match[2] in defined(match[1]), f"{sentence}: {cell} is not there"


def test_every_part_of_the_section_is_there() -> None:
    assert tuple(re.findall(r"^## (.+)$", PAGE, re.M)) == HEADINGS
    assert len(ROWS) > 70
