"""The page of services: what it counts, and that no type is both evaluated and not."""

import re
from collections import defaultdict

from docs.services_page import not_evaluated, services, topics_of
from scanner.model.resource_type import TOPICS
from scanner.rulebook.loader import load

RULES = load(packages=False)
EVALUATED = {type.lower() for rule in RULES.rules.values() for type in rule.types}


def test_no_type_that_has_a_rule_is_said_to_have_none() -> None:
    assert sorted(type for type in not_evaluated() if type.lower() in EVALUATED) == []
    assert all(reason.endswith(".") for reason in not_evaluated().values())


def test_reasons_are_sentences() -> None:
    assert all(reason.endswith(".") for kind in RULES.kinds for reason in kind.unread.values())


def test_every_type_has_a_rule_on_each_topic_or_says_why_not() -> None:
    """A type without either has to say it: `ResourceType(no_rule={"key": "no customer-managed key"})`."""
    asked: dict[str, set[str]] = defaultdict(set)
    for rule in RULES.rules.values():
        asked[rule.resource_type.type].update(topics_of(rule))
    # A subscription is no resource.
    kinds = [kind for kind in RULES.kinds if kind.type != "Microsoft.Resources/subscriptions"]
    unsaid = [
        f"{kind.type}: {topic}?"
        for kind in kinds
        for topic in TOPICS
        if topic not in asked[kind.type] | {*kind.no_rule}
    ]
    assert unsaid == []
    assert [kind.type for kind in kinds if asked[kind.type] & {*kind.no_rule}] == []


def test_the_sums_are_those_of_the_rows() -> None:
    page = services(RULES)
    rows = [line.strip("| ").split("|") for line in page.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    (last,) = (line for line in page.splitlines() if re.match(r"\| \d+ types \|", line))
    sums = [int(cell) for cell in last.strip("| ").split("|")[2:]]
    assert [sum(int(row[at].strip() or 0) for row in rows) for at in range(2, len(rows[0]))] == sums
    assert sums[-1] == sum(sums[:-1]) == sum(len(rule.types) for rule in RULES.rules.values())
