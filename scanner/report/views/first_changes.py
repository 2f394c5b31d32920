"""What people are asked to change first, in words: how much it answers, and what a trial of it showed."""

from typing import Any

from scanner.document.schema import Document
from scanner.evaluate.fix_groups import FirstChanges, FixGroup
from scanner.model.severity import SEVERITIES
from scanner.report.language.words import Words
from scanner.report.views.cards import ResourceNames, fix_of
from scanner.report.views.owners import ResourceOwners

EFFECTS = ("closed", "lowered", "left", "resolved", "untried")
"""What `effect_on` returns, in the order in which people read it."""


def total(first: FirstChanges, words: Words) -> str:
    """Return how much the first changes answer, as a clause: `10 of 69 changes answer 75 of 160 critical or ...`."""
    return words(
        "first.total",
        len(first.groups),
        changes=words.number(first.changes),
        answered=words.number(first.answered),
        severe=words("first.severe", first.severe),
    )


def by_severity(group: FixGroup, words: Words) -> str:
    """Return what a change is about by severity: `1 critical, 42 high`."""
    return ", ".join(
        f"{words.number(group.by_severity[name])} {words(f'severity.{name}').lower()}"
        for name in SEVERITIES
        if group.by_severity.get(name)
    )


def effect(group: FixGroup, words: Words) -> str:
    """Return what a change does, as one sentence: `Closes 5 endpoints; leaves 1 at its severity.`; "" without a
    fix.
    """
    if group.fix is None:
        return ""
    texts = [words(f"first.{name}", group.effects[name]) for name in EFFECTS if group.effects.get(name)]
    text = "; ".join(texts)
    return f"{text[:1].upper()}{text[1:]}."


def first_changes_view(document: Document, first: FirstChanges, names: ResourceNames, words: Words) -> dict[str, Any]:
    """Return the variables of `first_changes.html.j2`."""
    owners = ResourceOwners(document)
    return {
        "total": total(first, words) if first.groups else "",
        "rows": [_row(group, names, words, owners.of(group.resource)) for group in first.groups],
    }


def _row(group: FixGroup, names: ResourceNames, words: Words, owner: str) -> dict[str, Any]:
    more, is_finding = group.items - 1, not group.endpoint
    return {
        **fix_of(group.fix, words),
        "severity": group.severity,
        "name": names.of(group.resource)["path"],
        "endpoint": group.endpoint,
        "more": words("summary.and_more", more) if more else "",
        "title": group.title,
        "place": names.group_path(group.resource),
        "by_severity": by_severity(group, words),
        "effect": "",
        "does": effect(group, words),
        "impact": group.fix.impact if group.fix else "",
        "owner": owner,
        "href": f"#{'findings?f' if is_finding else 'endpoints?q'}={group.fingerprint}",
    }
