"""Narrows a scan to what can be severe (`--until`): rules that need further reads are not asked."""

from collections.abc import Mapping

from scanner.model.message import Message, Number
from scanner.model.resource_type import Read
from scanner.model.rule import Rule, questions
from scanner.model.severity import Severity, severity_rank
from scanner.rulebook.loader import KEY_USERS, RuleSet, reads_of
from scanner.rulebook.ranks import rank_of

_NONE: Mapping[str, Severity] = {}


def ask_until(rules: RuleSet, until: str, severities: Mapping[str, Severity] = _NONE) -> None:
    """Disable the enabled rules that need a read by which no severity of at least `until` can be found.

    `until`: the name of a severity; "" disables nothing. `severities`: those of the settings, by the keys of rules. A
    rule of a lower severity stays where everything that it needs is read all the same.
    """
    if not until:
        return
    asked = [rule for rule in rules.enabled.values() if _rank(rule, severities) <= severity_rank(until)]
    users = {read for rule in rules.key_users() for read in reads_of(rule)}
    made = {*rules.looked_up(), *(read for rule in asked for read in reads_of(rule))}
    made |= users if any(map(_asks_for_users, asked)) else set()
    with_places = any(rule.finder is not None for rule in asked)

    def is_read(rule: Rule) -> bool:
        needed: set[Read] = {*reads_of(rule), *(users if _asks_for_users(rule) else ())}
        return needed <= made and (with_places or rule.finder is None)

    kept = {rule.key for rule in asked}
    rules.leave_out([key for key, rule in rules.enabled.items() if key not in kept and not is_read(rule)], until)


def notes_of(rules: RuleSet) -> list[str]:
    """Return what readers must know of a scan with `--until`; [] of another one."""
    if not rules.unasked:
        return []
    count = Number(len(questions(rules.unasked.values())))
    return [
        Message(
            "not assessed (not asked for, --until {until}): {count} rules that need more reads",
            until=rules.until,
            count=count,
        )
    ]


def _asks_for_users(rule: Rule) -> bool:
    return KEY_USERS in rule.looks_up


def _rank(rule: Rule, severities: Mapping[str, Severity]) -> int:
    """Return the rank of a rule with the severity that the settings give it. Endpoints keep their own."""
    given = severities.get(rule.key)
    if given is None:
        return rank_of(rule)
    rank = severity_rank(given.name)
    return min(rank, rank_of(rule)) if rule.lock else rank
