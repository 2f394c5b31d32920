"""What a large report draws first: the first rows of both lists, and the counts of every row.

The tables of resources and texts begin with what these rows need, so that a part of each is enough, and every index
holds in the part and in the whole.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

from scanner.model.responsibility import RESPONSIBILITIES
from scanner.model.verdict import SEVERITIES
from scanner.report.packing import Columns
from scanner.report.summary import STATUSES

LARGE = 5_000
"""From so many endpoints and findings on, a report has a first page of its own."""
ENDPOINTS, FINDINGS = 20, 50
"""The rows of the first pages, as `endpoints.js` and `state.js` have them."""
Lists = Sequence[tuple[int, "array[int]"]]
"""Indexes of resources by the index of their rule."""
_FAIL, _PASS, _NOT_APPLICABLE = (STATUSES.index(name) for name in ("fail", "pass", "not-applicable"))
_INFO = SEVERITIES.index("info")


def cut(table: Columns, length: int) -> Columns:
    """Return the first rows of a table; its `length` stays that of the whole."""
    return {name: column[:length] if isinstance(column, array) else column for name, column in table.items()}


class RowCounts:
    """Counts the rows of the view of findings by what its facets show.

    `findings`: their columns. `tiers`: the indexes of fixes that only another tier offers.
    """

    def __init__(self, findings: Columns, passed: Lists, not_applicable: Lists, tiers: set[int]) -> None:
        self._findings = findings
        self._lists = {_PASS: passed, _NOT_APPLICABLE: not_applicable}
        self._tiers = tiers

    def _column(self, name: str) -> Iterable[int]:
        column = self._findings.get(name, 0)
        return column if isinstance(column, array) else repeat(column, self._findings["length"])

    def export(self, rules: Sequence[Mapping[str, Any]], resources: Columns) -> Columns:
        """Return the counts by name, each a list that begins with the rows that have no value.

        `rows`: all. `entries`: the lines of the list, where failures of severity info are one line a type. `page`: the
        first page is findings alone.
        """
        by_resource, by_rule = Counter(self._column("resource")), Counter(self._column("rule"))
        by_status, by_severity = Counter(self._column("status")), Counter(self._column("severity"))
        by_whose = Counter(self._whose(rules))
        for status, lists in self._lists.items():
            for rule, places in lists:
                by_resource.update(places)
                by_rule[rule] += len(places)
                by_status[status] += len(places)
                by_severity[-1] += len(places)
                by_whose[_responsibility(rules[rule])] += len(places)
        info = [
            resource
            for status, severity, resource in zip(*map(self._column, ("status", "severity", "resource")), strict=True)
            if status == _FAIL and severity == _INFO
        ]
        types = {resources["type"][each] for each in info}
        own, total = self._findings["length"], by_status.total()
        return {
            "rows": total,
            "entries": total - len(info) + len(types),
            "page": own - len(info) >= FINDINGS and self._is_plain(),
            "tallies": {
                "severity": _listed(by_severity, len(SEVERITIES)),
                "status": _listed(by_status, len(STATUSES)),
                "rule": _listed(by_rule, len(rules)),
                "whose": _listed(by_whose, len(RESPONSIBILITIES)),
                "type": _listed(_folded(by_resource, resources["type"]), max(resources["type"], default=0) + 1),
                "sub": _listed(_folded(by_resource, resources["sub"]), max(resources["sub"], default=0) + 1),
            },
        }

    def _is_plain(self) -> bool:
        first = zip(self._column("status"), self._column("severity"), range(FINDINGS), strict=False)
        return not any(status == _FAIL and severity == _INFO for status, severity, _ in first)

    def _whose(self, rules: Sequence[Mapping[str, Any]]) -> Iterable[int]:
        microsoft = RESPONSIBILITIES.index("microsoft")
        of_rule = [_responsibility(rule) for rule in rules]
        for rule, fix in zip(self._column("rule"), self._column("fix"), strict=True):
            yield microsoft if fix in self._tiers else of_rule[rule]


def _responsibility(rule: Mapping[str, Any]) -> int:
    name = rule.get("responsibility", "")
    return RESPONSIBILITIES.index(name) if name in RESPONSIBILITIES else -1


def _folded(counts: Mapping[int, int], column: Sequence[int]) -> Counter[int]:
    """Return the counts of rows by a column of their resources."""
    folded = Counter[int]()
    for resource, count in counts.items():
        folded[column[resource]] += count
    return folded


def _listed(counts: Mapping[int, int], length: int) -> list[int]:
    return [counts.get(at, 0) for at in range(-1, length)]
