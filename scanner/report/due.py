"""Who owns what is critical or high, and which waivers end soon."""

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any, Final

from scanner.document.schema import Document, ExposureRow, FindingRow, WaiverRow
from scanner.evaluate.fix_groups import SEVERE
from scanner.report.owners import ResourceOwners
from scanner.report.words import Words, parse_time
from scanner.text.invisible import plain

SOON_DAYS: Final = 30
SHOWN: Final = 4
"""The owners and the dates on the first screen; one line has the others."""


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
        self.ends: Counter[tuple[str, str]] = Counter()
        """Endpoints and findings by the end and the owner of a waiver that ends soon."""

    def exposure(self, row: ExposureRow) -> None:
        """Count an endpoint."""
        if row.state == "open":
            self._owned(row.resource, row.severity)
        self._waived(row.waiver or None)

    def finding(self, row: FindingRow) -> None:
        """Count a finding. Where it is of an endpoint, that is counted."""
        if row.is_counted:
            if row.status == "fail":
                self._owned(row.resource, row.severity)
            self._waived(row.waiver)

    def _owned(self, resource: str, severity: str | None) -> None:
        if self._of is not None and severity in SEVERE:
            self.owners[self._of(resource)][severity] += 1

    def _waived(self, waiver: WaiverRow | None) -> None:
        if waiver is not None and waiver.expires and waiver.expires < self._until:
            self.ends[waiver.expires, waiver.owner] += 1

    def rows(self) -> list[tuple[str, list[int]]]:
        """Return the owners with their numbers by SEVERE, those with the most critical ones first, "" last."""
        counted = ((owner, [counts[each] for each in SEVERE]) for owner, counts in self.owners.items())
        return sorted(counted, key=lambda each: (not each[0], [-count for count in each[1]], each[0].lower()))

    def view(self, t: Words) -> dict[str, Any]:
        """Return what the first screen shows; nothing where there is nothing."""
        owners, ends = self.rows(), sorted(self.ends.items())
        shown, rest = (owners, []) if len(owners) <= SHOWN + 1 else (owners[:SHOWN], owners[SHOWN:])
        lines = [(plain(owner) or t("due.nobody"), counts) for owner, counts in shown]
        if rest:
            lines.append((t("more_named", len(rest)), [sum(each) for each in zip(*(n for _, n in rest), strict=True)]))
        return {
            "owners": [(name, list(zip(SEVERE, counts, strict=True))) for name, counts in lines],
            "ends": [
                {"date": plain(t.date(date)), "text": t("due.waived", count, owner=plain(owner))}
                for (date, owner), count in ends[:SHOWN]
            ],
            "more": t("more_named", len(ends) - SHOWN) if len(ends) > SHOWN else "",
        }
