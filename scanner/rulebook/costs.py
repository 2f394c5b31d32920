"""Says what rules that are off by cost would read: how many rules there are, and about how many reads."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule, questions
from scanner.rulebook.loader import RuleSet, reads_of


class CostOff(NamedTuple):
    """The rules that are off by cost, of those whose resources a scan found, and about how many reads they need."""

    rules: int
    reads: int


def cost_off(rules: RuleSet, resources: Mapping[str, int]) -> CostOff:
    """Return what rules that are off would cost. `resources`: how many there are of each type, in lower case.

    Conditions on single resources are not asked, and below lists that were not read one resource is assumed each.
    """
    made = set(rules.reads())
    concerned: dict[str, Rule] = {}
    numbers: dict[Read, int] = {}
    for key, rule in rules.off_by_cost.items():
        more = {read: _parents(read, made, resources) for read in reads_of(rule) if read not in made}
        if any(more.values()):
            concerned[key] = rule
            numbers |= more
    return CostOff(len(questions(concerned.values())), _requests(numbers))


def _requests(numbers: Mapping[Read, int]) -> int:
    """Return the reads below resources that no query of Resource Graph saves."""
    return sum(number for read, number in numbers.items() if read.graph is None)


def _parents(read: Read, made: Iterable[Read], resources: Mapping[str, int]) -> int:
    """Return how many resources a read is made below."""
    parent = read.parent
    if isinstance(parent, ResourceType):
        return sum(resources.get(each.lower(), 0) for each in read.tops)
    if parent in made:
        return sum(resources.get(each.lower(), 0) for each in parent.types)
    return _parents(parent, made, resources)
