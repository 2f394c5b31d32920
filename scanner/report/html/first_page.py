"""What a large report draws first: the first rows of both lists, and the counts of every row.

The tables of resources and texts begin with what these rows need, so that a part of each is enough, and every index
holds in the part and in the whole. The first page of findings has whatever comes first: failures, those of severity
info in one line a type, then the other statuses down to passed checks.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice, repeat
from typing import Any

from scanner.document.schema import FindingRow
from scanner.model.responsibility import ANOTHER_TIER
from scanner.model.severity import SEVERITIES
from scanner.report.html.packing import Columns
from scanner.report.views.responsibility import WHOSE
from scanner.report.views.summary import STATUSES

LARGE = 5_000
"""From so many endpoints and findings on, a report has a first page of its own."""
ENDPOINTS, FINDINGS = 20, 50
"""The cards and the rows of the first pages, as `endpoints.js` and `state.js` have them."""
Lists = Sequence[tuple[int, "array[int]"]]
"""Indexes of resources by the index of their rule."""
_FAIL, _PASS, _NOT_APPLICABLE = (STATUSES.index(name) for name in ("fail", "pass", "not-applicable"))
_INFO = SEVERITIES.index("info")


def cut(table: Columns, rows: Iterable[int]) -> Columns:
    """Return some rows of a table; its `length` stays that of the whole."""
    kept = [at for at in rows if at < table["length"]]
    return {
        name: column if isinstance(column, int) else array("i", [column[at] for at in kept])
        for name, column in table.items()
    }


class FirstPage:
    """The first page of the view of findings.

    `lines`: a row and 1, or the first of the failures of severity info on a type and their number, which are one line,
    as `entriesOf` in `groups.js` has them. `passed`: the resources of the passed rows that follow where these are fewer
    than a page.
    """

    def __init__(
        self, findings: Iterable[FindingRow], passed: Mapping[str, Collection[str]], type_of: Callable[[str], str]
    ) -> None:
        self.lines: list[list[int]] = []
        types: dict[str, list[int]] = {}
        for at, row in enumerate(findings):
            is_info = row.status == "fail" and row.severity == "info"
            is_full = len(self.lines) >= FINDINGS
            if is_full and (not types or row.status != "fail"):
                break
            type = type_of(row.resource) if is_info else ""
            if type in types:
                types[type][1] += 1
            elif not is_full:
                self.lines.append([at, 1])
                if is_info:
                    types[type] = self.lines[-1]
        self.passed = list(_first_passed(passed, FINDINGS - len(self.lines)))

    @property
    def rows(self) -> list[int]:
        """Return the findings of which the page needs the columns."""
        return [at for at, _ in self.lines]


def _first_passed(passed: Mapping[str, Collection[str]], most: int) -> Iterable[str]:
    """Yield the resources of the first passed rows, which stand by rule and resource id."""
    for rule in sorted({rule for rules in passed.values() for rule in rules}) if most > 0 else ():
        matches = sorted(id for id, rules in passed.items() if rule in rules)
        yield from matches[:most]
        most -= len(matches)
        if most <= 0:
            return


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
        return repeat(column, self._findings["length"]) if isinstance(column, int) else column

    def export(self, rules: Sequence[Mapping[str, Any]], resources: Columns, first: FirstPage) -> Columns:
        """Return the counts by name, each a list that begins with the rows that have no value.

        `rows`: all. `entries`: the lines of the list, where failures of severity info are one line a type. `lines`:
        those of the first page; `passed`: the rule and the resource of each passed row on it. `page`: it is complete.
        """
        types, subscriptions = resources["type"], resources["sub"]
        by_type = Counter(map(types.__getitem__, self._column("resource")))
        by_subscription = Counter(map(subscriptions.__getitem__, self._column("resource")))
        by_rule = Counter(self._column("rule"))
        by_status, by_severity = Counter(self._column("status")), Counter(self._column("severity"))
        by_whose = Counter(self._whose(rules))
        for status, lists in self._lists.items():
            for rule, positions in lists:
                by_type.update(map(types.__getitem__, positions))
                by_subscription.update(map(subscriptions.__getitem__, positions))
                by_rule[rule] += len(positions)
                by_status[status] += len(positions)
                by_severity[-1] += len(positions)
                by_whose[_responsibility(rules[rule])] += len(positions)
        info = Counter(
            types[resource]
            for status, severity, resource in zip(*map(self._column, ("status", "severity", "resource")), strict=True)
            if status == _FAIL and severity == _INFO
        )
        listed, total = self._findings["length"], by_status.total()
        entries = total - info.total() + len(info)
        more = islice(
            ((rule, position) for rule, positions in self._lists[_PASS] for position in positions), len(first.passed)
        )
        passed = [list(each) for each in more]
        lines = [*first.lines, *([listed + at, 1] for at in range(len(passed)))]
        return {
            "rows": total,
            "entries": entries,
            "lines": lines,
            "passed": passed,
            "page": len(lines) == min(entries, FINDINGS),
            "tallies": {
                "severity": _listed(by_severity, len(SEVERITIES)),
                "status": _listed(by_status, len(STATUSES)),
                "rule": _listed(by_rule, len(rules)),
                "whose": _listed(by_whose, len(WHOSE)),
                "type": _listed(by_type, max(types, default=0) + 1),
                "sub": _listed(by_subscription, max(subscriptions, default=0) + 1),
            },
        }

    def _whose(self, rules: Sequence[Mapping[str, Any]]) -> Iterable[int]:
        another_tier = WHOSE.index(ANOTHER_TIER)
        of_rule = [_responsibility(rule) for rule in rules]
        for rule, fix in zip(self._column("rule"), self._column("fix"), strict=True):
            yield another_tier if fix in self._tiers else of_rule[rule]


def _responsibility(rule: Mapping[str, Any]) -> int:
    name = rule.get("responsibility", "")
    return WHOSE.index(name) if name in WHOSE else -1


def _listed(counts: Mapping[int, int], length: int) -> list[int]:
    return [counts.get(at, 0) for at in range(-1, length)]
