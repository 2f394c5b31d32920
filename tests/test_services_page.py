"""The page of services: what it counts, and that no type is both evaluated and not."""

import re

from docs.services_page import not_evaluated, services
from scanner.rulebook.loader import load

RULES = load(packages=False)
EVALUATED = {type.lower() for rule in RULES.rules.values() for type in rule.types}


def test_no_type_that_has_a_rule_is_said_to_have_none() -> None:
    assert sorted(type for type in not_evaluated() if type.lower() in EVALUATED) == []
    assert all(reason.endswith(".") for reason in not_evaluated().values())


def test_reasons_are_sentences() -> None:
    assert all(reason.endswith(".") for kind in RULES.kinds for reason in kind.unread.values())


def test_the_sums_are_those_of_the_rows() -> None:
    page = services(RULES)
    rows = [line.strip("| ").split("|") for line in page.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    (last,) = (line for line in page.splitlines() if re.match(r"\| \d+ types \|", line))
    sums = [int(cell) for cell in last.strip("| ").split("|")[2:]]
    assert [sum(int(row[at].strip() or 0) for row in rows) for at in range(2, len(rows[0]))] == sums
    assert sums[-1] == sum(sums[:-1]) == sum(len(rule.types) for rule in RULES.rules.values())
