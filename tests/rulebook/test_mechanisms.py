"""docs/dev/issue-12.md: each rule on places, keys, loss and logs is named there, in a table or beside one."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from scanner.rulebook import loader

PAGE = Path("docs/dev/issue-12.md")
CATEGORIES = ("residency", "recovery", "encryption", "logging")
_NAME = re.compile(r"`([a-z0-9*-]+)`")


def cells() -> list[list[str]]:
    """Return the names in each cell of a table, and in each other line."""
    lines = PAGE.read_text("utf-8").splitlines()
    texts = [cell for line in lines for cell in (line.split("|") if line.startswith("|") else [line])]
    return [names for text in texts if (names := _NAME.findall(text))]


def is_named(rule: str, names: list[str]) -> bool:
    """Return whether a cell names a rule: whole, by a pattern, or as `a-`, `b-rest` and `a-one`, `-two`."""
    if any(re.fullmatch(each.replace("*", ".*"), rule) for each in names):
        return True
    begins = [each for each in names if each.endswith("-") and rule.startswith(each)]
    if any(other.endswith("-" + rule[len(each) :]) for each in begins for other in names):
        return True
    ends = [each for each in names if each.startswith("-") and rule.endswith(each)]
    return any(other.startswith(rule[: -len(each)] + "-") for each in ends for other in names)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_rule_is_in_a_table(category: str) -> None:
    named = cells()
    rules = [id for id, rule in loader.load(packages=False).rules.items() if rule.category == category]
    assert rules
    assert [id for id in rules if not any(is_named(id, names) for names in named)] == []


def test_the_rows_of_a_table_have_the_same_number_of_cells() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    counts = [line.replace("\\|", "").count("|") if line.startswith("|") else 0 for line in lines]
    assert [n + 1 for n, (one, two) in enumerate(pairwise(counts)) if one and two and one != two] == []
