"""The page of services: each ARM type with its endpoints and its rules by category, and what is not evaluated."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from runpy import run_path
from typing import Literal

from scanner.content import content
from scanner.model.exposure import LOCKS
from scanner.model.resource_type import Topic
from scanner.model.rule import CATEGORIES, Rule
from scanner.model.rule_row import PlaceCheck
from scanner.rulebook.loader import RuleSet

SUBSCRIPTION = "Microsoft.Resources/subscriptions"
INTRODUCTION = """# Services

What is evaluated of each type: its endpoints, each with both locks, and the number of rules in each category. An
endpoint `a/*` is one for each child. A rule on several types counts at each. [rules](rules/README.md) names the rules,
`twolocks scan --explain-reads` what each of them reads.
"""
BY_TOPIC = """## By topic

What each type is asked about: the rules that ask, or why there is none. *costly*: off unless `--only` names it, because
it needs requests for each resource.
"""
Column = Topic | Literal["destination"]
TABLES: Mapping[str, tuple[str, Mapping[Column, str]]] = {
    "Places": ("residency", {"region": "region", "copy": "other places"}),
    "Keys": ("keys", {"key": "whose key encrypts it"}),
    "Logs": ("logging", {"log": "log", "destination": "where it goes"}),
    "Loss": ("recovery", {"lock": "lock against deletion", "backup": "copies and retention", "zone": "zones, regions"}),
}
"""The tables by topic: the page about it, and the columns."""
UNASKED_LOCKS = """## Locks without a rule

Locks of endpoints that no rule reads, because the service leaves no choice, or because another rule says it. The
network of a web application has none either ([0007](decisions/0007-web-applications-have-no-network-rule.md)).
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
    shown = [each for each in CATEGORIES if any(result[each] for result in counts.values())]
    total = sum(result.total() for result in counts.values())
    head = f"{len(rules.questions())} rules on {len(counts)} types, of which {len(endpoints)} have endpoints.\n"
    rows = [f"| type | endpoints | {' | '.join(shown)} | rules |", f"| --- | --- |{' ---: |' * (len(shown) + 1)}"]
    for type in sorted(counts, key=str.lower):
        names = ", ".join(f"`{name}`" for name in endpoints.get(type, ())) or "–"
        cells = [str(counts[type][each] or "") for each in shown]
        rows.append(f"| `{type}` | {names} | {' | '.join(cells)} | {counts[type].total()} |")
    sums = [str(sum(result[each] for result in counts.values())) for each in shown]
    rows.append(f"| {len(counts)} types | | {' | '.join(sums)} | {total} |")
    locks = [
        f"| `{kind.type}` | `{each.name}` | {lock} | {why} |"
        for kind in sorted(rules.kinds, key=lambda each: each.type.lower())
        for each in kind.endpoint_list
        for lock in LOCKS
        if (why := each.why_no_rule(lock)) and not (lock == "network" and each.kind == "app")
    ]
    left = [f"| `{type}` | {why} |" for type, why in sorted(not_evaluated().items(), key=lambda row: row[0].lower())]
    blocks = [
        INTRODUCTION,
        head,
        "\n".join(rows) + "\n",
        BY_TOPIC,
        *_by_topic(rules),
        UNASKED_LOCKS,
        "\n".join(["| type | endpoint | lock | why |", "| --- | --- | --- | --- |", *locks]) + "\n",
        LEFT,
        "\n".join(["| type | why |", "| --- | --- |", *left]) + "\n",
        UNREAD_SETTINGS,
        "\n".join(["| type | setting | why |", "| --- | --- | --- |", *_settings(rules)]) + "\n",
    ]
    return "\n".join(blocks)


def topics_of(rule: Rule) -> Iterator[Column]:
    """Yield the topics that a rule is about."""
    topics: set[Column] = {topic for each in rule.control_sets for topic in _TOPICS.get(each, ())}
    check = rule.row.check if rule.row else None
    if isinstance(check, PlaceCheck):
        topics.add("destination" if check.logs else "region" if check.place == "region" else "copy")
    if rule.category == "recovery" and not topics:
        topics.add("backup")
    yield from topics


_TOPICS: Mapping[str, tuple[Topic, ...]] = {
    "audit-log": ("log",),
    "resource-logs": ("log",),
    "flow-logs": ("log",),
    "log-retention": ("log",),
    "customer-keys": ("key",),
    "key-place": ("key",),
    "deletion-locks": ("lock",),
    "backup-state": ("backup",),
    "geo-backup": ("zone",),
    "geo-redundancy": ("zone",),
    "zone-redundancy": ("zone",),
}
"""The topics of a type by topics of controls; other rules on recovery are about backups."""


def asked(rules: RuleSet) -> dict[str, dict[Column, list[str]]]:
    """Return the rules on each topic, by type: the names of rules, as a cell shows them."""
    result: dict[str, dict[Column, list[str]]] = defaultdict(lambda: defaultdict(list))
    for rule in rules.rules.values():
        for topic in topics_of(rule):
            name = f"`{rule.id}`{' (costly)' if rule.costly else ''}"
            if name not in (names := result[rule.resource_type.type][topic]):
                names.append(name)
    return result


def _by_topic(rules: RuleSet) -> Iterator[str]:
    """Yield the parts about topics. Types with the same answers share a row. A subscription is no resource."""
    result = asked(rules)
    kinds = [kind for kind in rules.kinds if kind.type != SUBSCRIPTION]
    for title, (page, columns) in TABLES.items():
        rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for kind in sorted(kinds, key=lambda each: each.type.lower()):
            cells = (
                ", ".join(result[kind.type][topic]) or (kind.no_rule.why(topic) if topic != "destination" else "–")
                for topic in columns
            )
            rows[tuple(cells)] += [f"`{type}`" for type in kind.types]
        head = f"| type | {' | '.join(columns.values())} |\n| --- |{' --- |' * len(columns)}"
        lines = (f"| {', '.join(types)} | {' | '.join(cells)} |" for cells, types in rows.items())
        yield f"### {title}\n\nHow it is decided: [{page}.md]({page}.md).\n"
        yield "\n".join([head, *lines]) + "\n"


def _settings(rules: RuleSet) -> list[str]:
    """Return the rows of settings that no rule reads."""
    kinds = sorted((kind for kind in rules.kinds if kind.unread), key=lambda kind: kind.type.lower())
    return [f"| `{kind.type}` | {name} | {why} |" for kind in kinds for name, why in sorted(kind.unread.items())]


def not_evaluated() -> dict[str, str]:
    """Return why types have no rule, by type."""
    result: dict[str, str] = run_path(str(content("rules") / "not_evaluated.py"))["NOT_EVALUATED"]
    return result
