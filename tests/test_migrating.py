"""docs/migrating.md: each id of ours exists, each of theirs is there once, and the counts are those of the tables."""

import re
from collections import Counter
from pathlib import Path

import pytest

from scanner.config.commands import COMMANDS
from scanner.rulebook.loader import load

PAGE = (Path(__file__).parent.parent / "docs" / "migrating.md").read_text("utf-8")
ROW = re.compile(r"^\| `([a-z0-9_-]+)` \| ((?:`[a-z0-9-]+`(?:, )?)+) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
TOTALS = {"azqr": 72, "Prowler": 200 + 3}
"""What each tool has: recommendations on security, and checks for Azure in 5.46.0 with three that no release has."""


def part(tool: str) -> str:
    return PAGE.split(f"### Ids of {tool}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("tool", TOTALS)
def test_each_id_of_ours_is_a_rule(tool: str) -> None:
    rules = load(packages=False).rules
    rows = ROW.findall(part(tool))
    assert len(rows) > 50
    assert [each for _, ours in rows for each in CODE.findall(ours) if each not in rules] == []


@pytest.mark.parametrize("tool", TOTALS)
def test_each_id_of_theirs_is_there_once(tool: str) -> None:
    rows = [theirs for theirs, _ in ROW.findall(part(tool))]
    left = [each for line in re.findall(r"^Not covered.*?\.", part(tool), re.MULTILINE) for each in CODE.findall(line)]
    assert [each for each, count in Counter([*rows, *left]).items() if count > 1] == []
    assert len(rows) + len(left) == TOTALS[tool]
    assert re.search(rf"\b{len(rows)} have a rule here", part(tool))


def test_each_option_of_ours_exists() -> None:
    known = {f"--{option.name}" for option in COMMANDS["scan"].options}
    cells = [row.split("|")[2] for row in PAGE.splitlines() if row.startswith("| ") and row.count("|") == 3]
    named = {word for cell in cells for code in CODE.findall(cell) for word in re.findall(r"--[a-z-]+", code)}
    assert named
    assert named - known == set()
