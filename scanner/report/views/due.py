"""Who owns what is critical or high, and which waivers end soon."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

from scanner.document.schema import Document, ExposureRow, FindingRow, WaiverRow
from scanner.evaluate.fix_groups import SEVERE
from scanner.report.language.words import Words, parse_time
from scanner.report.views.owners import ResourceOwners
from scanner.text.invisible import plain

SOON_DAYS: Final = 30
SHOWN: Final = 4
"""The owners and the dates on the first screen; one line has the others."""
OWNERS: Final = 2
"""The owners of waivers that are named beside a date."""


class End(NamedTuple):
    """What waivers of an owner accept until a date: findings, and endpoints whose findings are open or end earlier."""

    date: str
    owner: str
    findings: int
    endpoints: int


def soon(finished: str) -> str:
    """Return the day before which it is soon after a scan finished, `2026-12-31`; "" where that is not known."""
    time = parse_time(finished)
    return (time + timedelta(SOON_DAYS)).date().isoformat() if time else ""


class Due:
    """Counts what is critical or high by owner, and what waivers that end soon accept. Feed each row once.

    `owners`: open endpoints and other failed findings by owner ("" for none) and severity; {} where no resource has an
    owner. Their sum is that of the severity bar.
    """

    def __init__(self, document: Document) -> None:
        owners = ResourceOwners(document)
        self._of = owners.of if owners.known else None
        self._until = soon(document.scan.finished)
        self.owners: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._ends: Counter[tuple[str, str]] = Counter()
        """Findings by the end and the owner of a waiver that ends soon."""
        self._endpoints: dict[tuple[str, str], tuple[str, str]] = {}
        """The same of endpoints, by resource (lower case) and name, but for those of a finding that ends then."""

    def exposure(self, row: ExposureRow) -> None:
        """Count an endpoint."""
        if row.state == "open":
            self._owned(row.resource, row.severity)
        if end := self._end(row.waiver or None):
            self._endpoints[row.resource.lower(), row.endpoint] = end

    def finding(self, row: FindingRow) -> None:
        """Count a finding. Its owner has the endpoint instead, where it is of one."""
        if row.is_counted and row.status == "fail":
            self._owned(row.resource, row.severity)
        if end := self._end(row.waiver):
            self._ends[end] += 1
            for name in row.endpoints:
                self._covered(row.resource.lower(), name, end)

    def _owned(self, resource: str, severity: str | None) -> None:
        if self._of is not None and severity in SEVERE:
            self.owners[self._of(resource)][severity] += 1

    def _end(self, waiver: WaiverRow | None) -> tuple[str, str] | None:
        """Return when a waiver ends, and its owner; None where that is not soon."""
        if waiver is None or not waiver.expires or waiver.expires >= self._until:
            return None
        return waiver.expires, waiver.owner

    def _covered(self, resource: str, name: str, end: tuple[str, str]) -> None:
        """Leave out an endpoint of a finding. It is on its resource, or on one above it."""
        while resource:
            if self._endpoints.get((resource, name)) == end:
                del self._endpoints[resource, name]
                return
            resource = resource.rpartition("/")[0]

    def ends(self) -> list[End]:
        """Return what waivers that end soon accept, by date and owner."""
        endpoints = Counter(self._endpoints.values())
        return [End(*each, self._ends[each], endpoints[each]) for each in sorted({*self._ends, *endpoints})]

    def rows(self) -> list[tuple[str, list[int]]]:
        """Return the owners with their numbers by SEVERE, those with the most critical ones first, "" last."""
        counted = ((owner, [counts[each] for each in SEVERE]) for owner, counts in self.owners.items())
        return sorted(counted, key=lambda each: (not each[0], [-count for count in each[1]], each[0].lower()))

    def view(self, t: Words) -> dict[str, Any]:
        """Return what the first screen shows; nothing where there is nothing."""
        owners = self.rows()
        shown, rest = (owners, []) if len(owners) <= SHOWN + 1 else (owners[:SHOWN], owners[SHOWN:])
        lines = [(plain(owner) or t("due.nobody"), counts) for owner, counts in shown]
        if rest:
            lines.append((t("more_named", len(rest)), [sum(each) for each in zip(*(n for _, n in rest), strict=True)]))
        days = [(date, list(ends)) for date, ends in groupby(self.ends(), key=lambda each: each.date)]
        return {
            "owners": [(name, list(zip(SEVERE, counts, strict=True))) for name, counts in lines],
            "ends": [
                {
                    "date": plain(t.date(date)),
                    "text": accepted(ends, t),
                    "query": f"expires:{date}" if any(each.findings for each in ends) else "",
                }
                for date, ends in days[:SHOWN]
            ],
            "more": t("more_named", len(days) - SHOWN) if len(days) > SHOWN else "",
        }


def accepted(ends: Sequence[End], t: Words, shown: Callable[[str], str] = plain) -> str:
    """Return what is accepted until a date, and by whom. `shown`: how the format shows a name."""
    findings, endpoints = (sum(each) for each in zip(*((each.findings, each.endpoints) for each in ends), strict=True))
    counts = [t("count.findings", findings)] if findings else []
    counts += [t("count.endpoints", endpoints)] if endpoints else []
    owners = [shown(each.owner) for each in ends[:OWNERS]]
    owners += [t("more_named", len(ends) - OWNERS)] if len(ends) > OWNERS else []
    return t("due.accepted", counts=", ".join(counts), owners=", ".join(owners))
