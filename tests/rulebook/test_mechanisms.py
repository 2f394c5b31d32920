"""Each rule on places, keys, loss and logs is named on the page of its topic, in a table or next to one."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from scanner.rulebook import loader

PAGES = {"residency": "residency.md", "recovery": "recovery.md", "encryption": "keys.md", "logging": "logging.md"}
"""The page of each category, in docs/."""
_NAME = re.compile(r"`([a-z0-9*-]+)`")


def written(category: str) -> list[str]:
    """Return the lines of a page from its table by type on: what is before names groups of rules by patterns."""
    _, _, rest = (Path("docs") / PAGES[category]).read_text("utf-8").partition("\n## By type\n")
    return rest.splitlines()


def cells(category: str) -> list[list[str]]:
    """Return the names in each cell of a table, and in each other line."""
    lines = written(category)
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


@pytest.mark.parametrize("category", PAGES)
def test_every_rule_is_on_the_page_of_its_topic(category: str) -> None:
    named = cells(category)
    rules = [id for id, rule in loader.load(packages=False).questions().items() if rule.one.category == category]
    assert rules
    assert [id for id in rules if not any(is_named(id, names) for names in named)] == []


@pytest.mark.parametrize("category", PAGES)
def test_the_rows_of_a_table_have_the_same_number_of_cells(category: str) -> None:
    lines = written(category)
    counts = [line.replace("\\|", "").count("|") if line.startswith("|") else 0 for line in lines]
    assert [n + 1 for n, (one, two) in enumerate(pairwise(counts)) if one and two and one != two] == []
