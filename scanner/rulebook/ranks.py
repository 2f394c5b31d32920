"""Ranks reads by what they can still decide: under a limit, or before a deadline, the smallest rank is read first."""

from collections.abc import Iterable, Mapping

from scanner.model.exposure import Auth, Reach
from scanner.model.levels import cell
from scanner.model.resource_type import Read
from scanner.model.rule import Rule
from scanner.model.severity import Severity, severity_rank

_WEAKEST = {"anonymous-access": Auth.anonymous}
"""The weakest authentication that a lock rule of a category may find, `shared` for the others."""


def rank_of(rule: Rule) -> int:
    """Return the position in SEVERITIES of the highest severity that a rule can give."""
    if not rule.lock:
        return severity_rank((rule.severity or Severity.info).name)
    every = rule.resource_type.endpoint_list
    kinds = {each.kind for each in every if rule.names(each.name)} or {each.kind for each in every}
    weakest = _WEAKEST.get(rule.category, Auth.shared)
    worst = max((cell(kind, weakest, Reach.internet) or Severity.info for kind in kinds), default=Severity.critical)
    return severity_rank(worst.name)


def least_of(
    rules: Iterable[tuple[Rule, Iterable[Read]]], severities: Mapping[str, Severity]
) -> Mapping[Read, Severity]:
    """Return the reads of which everything that needs them is a low or info finding, with the highest of these.

    `severities`: those of the settings, by the keys of rules. Endpoints and keys need a read of this scan.
    """
    result: dict[Read, Severity] = {}
    others: set[Read] = set()
    for rule, reads in rules:
        highest = max(rule.severity or Severity.critical, severities.get(rule.key, Severity.info))
        is_least = highest <= Severity.low and not rule.lock and rule.keys is None
        for read in reads:
            if is_least:
                result[read] = max(highest, result.get(read, highest))
            else:
                others.add(read)
    return {read: severity for read, severity in result.items() if read not in others}


def ranks_of(rules: Iterable[tuple[Rule, Iterable[Read]]], looked_up: Iterable[Read]) -> Mapping[Read, int]:
    """Return the rank of each read that rules need. What verdicts on other resources look up comes first."""
    ranks = dict.fromkeys(looked_up, 0)
    for rule, reads in rules:
        rank = rank_of(rule)
        for read in reads:
            ranks[read] = min(rank, ranks.get(read, rank))
    return ranks
