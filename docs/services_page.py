"""The page of services: each ARM type with its endpoints and its rules by category, and what is not evaluated."""

import tomllib
from collections import Counter, defaultdict
from pathlib import Path

from scanner.model.rule import CATEGORIES
from scanner.rulebook.loader import RuleSet

NOT_EVALUATED = Path(__file__).parent / "not_evaluated.toml"
INTRODUCTION = """# Services

What is evaluated of each type: its endpoints, each with both locks, and the number of rules in each category. An
endpoint `a/*` is one for each child. A rule on several types counts at each. [rules](rules/README.md) names the rules,
`twolocks scan --explain-reads` what each of them reads.
"""
LEFT = """## Not evaluated

Types that hold data or take calls, or look as if they did, and have no rule. A scan says of a resource of such a type
that it is not evaluated; it never counts as closed.
"""


def services(rules: RuleSet) -> str:
    """Return the page."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for rule in rules.rules.values():
        for type in rule.types:
            counts[type][rule.category] += 1
    endpoints = {type: kind.endpoint_kinds for kind in rules.kinds for type in kind.types if kind.endpoint_kinds}
    for type in endpoints:
        counts.setdefault(type, Counter())
    shown = [each for each in CATEGORIES if any(found[each] for found in counts.values())]
    total = sum(found.total() for found in counts.values())
    head = f"{len(rules.rules)} rules on {len(counts)} types, of which {len(endpoints)} have endpoints.\n"
    rows = [f"| type | endpoints | {' | '.join(shown)} | rules |", f"| --- | --- |{' ---: |' * (len(shown) + 1)}"]
    for type in sorted(counts, key=str.lower):
        names = ", ".join(f"`{name}`" for name in endpoints.get(type, ())) or "–"
        cells = [str(counts[type][each] or "") for each in shown]
        rows.append(f"| `{type}` | {names} | {' | '.join(cells)} | {counts[type].total()} |")
    sums = [str(sum(found[each] for found in counts.values())) for each in shown]
    rows.append(f"| {len(counts)} types | | {' | '.join(sums)} | {total} |")
    left = [f"| `{type}` | {why} |" for type, why in sorted(not_evaluated().items(), key=lambda row: row[0].lower())]
    parts = [
        INTRODUCTION,
        head,
        "\n".join(rows) + "\n",
        LEFT,
        "\n".join(["| type | why |", "| --- | --- |", *left]) + "\n",
    ]
    return "\n".join(parts)


def not_evaluated() -> dict[str, str]:
    """Return why types have no rule, by type."""
    found: dict[str, str] = tomllib.loads(NOT_EVALUATED.read_text("utf-8"))["types"]
    return found
