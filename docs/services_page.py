"""The page of services: each ARM type with its endpoints and its rules by category, and what is not evaluated."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from runpy import run_path

from scanner.content import content
from scanner.model.exposure import LOCKS
from scanner.model.resource_type import Topic
from scanner.model.rule import CATEGORIES, Rule
from scanner.model.rule_row import FunctionCheck, SetCheck, ValueCheck
from scanner.rulebook.loader import RuleSet

INTRODUCTION = """# Services

What is evaluated of each type: its endpoints, each with both locks, and the number of rules in each category. An
endpoint `a/*` is one for each child. A rule on several types counts at each. [rules](rules/README.md) names the rules,
`twolocks scan --explain-reads` what each of them reads.
"""
TOPICS = """## Tables by topic

The pages of four topics have a table of types: [residency](residency.md#by-type), [keys](keys.md#by-type),
[recovery](recovery.md#by-type) and [logging](logging.md#by-type). Each cell names rules, or gives the reason why there
is none. `a-`, `b-rest` stands for `a-rest` and `b-rest`. *costly*: off unless `--only` names it, because it needs
requests for each resource. A dash: the question does not arise.
"""
UNASKED_LOCKS = """## Locks without a rule

Locks of endpoints that no rule reads, because the service leaves no choice, or because another rule says it. The
network of a web application has none either ([0007](decisions/0007-web-applications-have-no-network-rule.md)).
"""
UNASKED = """## Topics without a rule

Each type is asked where its data is (region), whose key encrypts it (key), whether its log is kept (log), and whether a
lock refuses its deletion (lock). What has no rule on one of these, and why:
"""
LEFT = """## Not evaluated

Types that hold data or take calls, or look as if they did, and have no rule. A scan says of a resource of such a type
that it is not evaluated; it never counts as closed.
"""
UNREAD_SETTINGS = """## Settings that no rule reads

Settings of evaluated types, and types below them, that look as if they decided something. [limits.md](limits.md) says
how what is read is understood where Azure's documentation is silent.
"""


def services(rules: RuleSet) -> str:
    """Return the page."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for rule in rules.rules.values():
        for type in rule.types:
            counts[type][rule.category] += 1
    endpoints = {type: kind.endpoint_names for kind in rules.kinds for type in kind.types if kind.endpoint_names}
    for type in endpoints:
        counts.setdefault(type, Counter())
    shown = [each for each in CATEGORIES if any(found[each] for found in counts.values())]
    total = sum(found.total() for found in counts.values())
    head = f"{len(rules.questions())} rules on {len(counts)} types, of which {len(endpoints)} have endpoints.\n"
    rows = [f"| type | endpoints | {' | '.join(shown)} | rules |", f"| --- | --- |{' ---: |' * (len(shown) + 1)}"]
    for type in sorted(counts, key=str.lower):
        names = ", ".join(f"`{name}`" for name in endpoints.get(type, ())) or "–"
        cells = [str(counts[type][each] or "") for each in shown]
        rows.append(f"| `{type}` | {names} | {' | '.join(cells)} | {counts[type].total()} |")
    sums = [str(sum(found[each] for found in counts.values())) for each in shown]
    rows.append(f"| {len(counts)} types | | {' | '.join(sums)} | {total} |")
    unasked = [
        f"| `{kind.type}` | {topic} | {why} |"
        for kind in sorted(rules.kinds, key=lambda each: each.type.lower())
        for topic, why in kind.no_rule.items()
    ]
    locks = [
        f"| `{kind.type}` | `{each.name}` | {lock} | {why} |"
        for kind in sorted(rules.kinds, key=lambda each: each.type.lower())
        for each in kind.endpoint_list
        for lock in LOCKS
        if (why := each.why_no_rule(lock)) and not (lock == "network" and each.kind == "app")
    ]
    left = [f"| `{type}` | {why} |" for type, why in sorted(not_evaluated().items(), key=lambda row: row[0].lower())]
    parts = [
        INTRODUCTION,
        head,
        "\n".join(rows) + "\n",
        TOPICS,
        UNASKED_LOCKS,
        "\n".join(["| type | endpoint | lock | why |", "| --- | --- | --- | --- |", *locks]) + "\n",
        UNASKED,
        "\n".join(["| type | topic | why |", "| --- | --- | --- |", *unasked]) + "\n",
        LEFT,
        "\n".join(["| type | why |", "| --- | --- |", *left]) + "\n",
        UNREAD_SETTINGS,
        "\n".join(["| type | setting | why |", "| --- | --- | --- |", *_settings(rules)]) + "\n",
    ]
    return "\n".join(parts)


def topics_of(rule: Rule) -> Iterator[Topic]:
    """Yield the topics that a rule is about."""
    check = rule.row.check if rule.row else None
    if rule.category == "residency":
        yield "region"
    chooses_key = isinstance(check, ValueCheck | SetCheck) and check.chooses_key
    if rule.category == "encryption" and (rule.keys is not None or chooses_key):
        yield "key"
    if rule.category == "logging":
        yield "log"
    if isinstance(check, FunctionCheck) and check.function == "delete_lock":
        yield "lock"


def _settings(rules: RuleSet) -> list[str]:
    """Return the rows of settings that no rule reads."""
    kinds = sorted((kind for kind in rules.kinds if kind.unread), key=lambda kind: kind.type.lower())
    return [f"| `{kind.type}` | {name} | {why} |" for kind in kinds for name, why in sorted(kind.unread.items())]


def not_evaluated() -> dict[str, str]:
    """Return why types have no rule, by type."""
    found: dict[str, str] = run_path(str(content("rules") / "not_evaluated.py"))["NOT_EVALUATED"]
    return found
