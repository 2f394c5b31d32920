"""The page of services: what it counts, and that no type is both evaluated and not."""

import re
import sys

from msgspec.structs import asdict

from docs.services_page import SUBSCRIPTION, TABLES, asked, not_evaluated, services
from scanner.model.resource_type import TOPICS, ResourceType
from scanner.rulebook.loader import load

RULES = load(packages=False)
KINDS = [kind for kind in RULES.kinds if kind.type != SUBSCRIPTION]
EVALUATED = {type.lower() for rule in RULES.rules.values() for type in rule.types}


def test_no_type_that_has_a_rule_is_said_to_have_none() -> None:
    both = sorted(type for type in not_evaluated() if type.lower() in EVALUATED)
    assert both == [], "rules read these types: take their lines out of rules/not_evaluated.py"
    assert all(reason.endswith(".") for reason in not_evaluated().values())


def test_reasons_are_sentences() -> None:
    assert all(reason.endswith(".") for kind in RULES.kinds for reason in kind.unread.values())


def test_every_type_has_a_rule_on_each_topic_or_says_why_not() -> None:
    """A type without either has to say it: `ResourceType(no_rule=NoRule(key="no customer-managed key"))`."""
    result = asked(RULES)
    unsaid = [
        f"{file_of(kind.type)}: {kind.type}: {topic}? Write a rule, or say why not: no_rule=NoRule({topic}=...)"
        for kind in KINDS
        for topic in TOPICS
        if not result[kind.type][topic] and not kind.no_rule.why(topic)
    ]
    assert not unsaid, "\n".join(unsaid)


def test_no_type_says_why_there_is_no_rule_where_there_is_one() -> None:
    """An answer for several topics must be that of one of them at least."""
    result = asked(RULES)
    useless = [
        f"{file_of(kind.type)}: {kind.type}: {name}: {reason}"
        for kind in KINDS
        for name, reason in asdict(kind.no_rule).items()
        if reason and not any(kind.no_rule.why(topic) is reason for topic in TOPICS if not result[kind.type][topic])
    ]
    assert not useless, "\n".join(useless)


def test_a_reason_is_part_of_a_sentence() -> None:
    reasons = [reason for kind in KINDS for reason in asdict(kind.no_rule).values() if reason]
    assert [reason for reason in reasons if reason.endswith(".") or "|" in reason] == []


def test_the_page_shows_each_type_in_each_table_by_topic() -> None:
    tables = services(RULES).partition("## By topic")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert [table.partition("\n")[0] for table in tables] == list(TABLES)
    for table in tables:
        assert [type for kind in KINDS for type in kind.types if f"`{type}`" not in table] == []
        assert [row for row in table.splitlines() if "|  |" in row] == []


def file_of(type: str) -> str:
    """Return the file that has a type."""
    modules = [module for name, module in sys.modules.items() if name.startswith("scanner.rules.")]
    kinds = (
        (module.__name__, each)
        for module in modules
        for each in vars(module).values()
        if isinstance(each, ResourceType)
    )
    return next(f"rules/{name.rpartition('.')[2]}.py" for name, kind in kinds if kind.type == type)


def test_the_sums_are_those_of_the_rows() -> None:
    page = services(RULES)
    rows = [line.strip("| ").split("|") for line in page.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    (last,) = (line for line in page.splitlines() if re.match(r"\| \d+ types \|", line))
    sums = [int(cell) for cell in last.strip("| ").split("|")[2:]]
    assert [sum(int(row[at].strip() or 0) for row in rows) for at in range(2, len(rows[0]))] == sums
    assert sums[-1] == sum(sums[:-1]) == sum(len(rule.types) for rule in RULES.rules.values())
