"""The view of capacity: quotas by region, what is tight, reservations, single zones and regions, control planes."""

from typing import Any, Final

from scanner.document.capacity_rows import ControlPlaneRow, QuotaRow, ReservationRow, SpreadRow
from scanner.document.schema import Document
from scanner.document.tenants import scope_labels
from scanner.report.language.words import Words
from scanner.report.views.capacity import TIGHT, Capacity, RegionQuotas, reservation_name
from scanner.text.invisible import plain

SHOWN: Final = 60
"""The most rows of a list; the document has all."""
WHYS: Final = 4
"""The most reasons beside a region."""
LOOKS: Final = {"full": "medium", "near": "low", "room": "info", "unlimited": "info", "unknown": "unknown"}
"""How a state looks. What is full is no fault: it is what a failover would run into."""


def capacity_view(document: Document, words: Words) -> dict[str, Any]:
    """Return the variable `capacity` of the report: None in a document without capacity."""
    capacity = Capacity.of(document.capacity)
    if not capacity.rows:
        return {"capacity": None}
    labels = scope_labels(document.coverage.scopes, document.scan)
    tight = [row for row in capacity.quotas if row.state in TIGHT]
    regions = capacity.regions()
    return {
        "capacity": {
            "lead": _lead(capacity, words),
            "regions": [_region(each, labels, words) for each in regions[:SHOWN]],
            "more_regions": max(0, len(regions) - SHOWN),
            "tight": [_quota(row, labels, words) for row in tight[:SHOWN]],
            "more_tight": max(0, len(tight) - SHOWN),
            "reservations": [_reservation(row, labels, words) for row in capacity.reservations[:SHOWN]],
            "more_reservations": max(0, len(capacity.reservations) - SHOWN),
            "spreads": [_spread(row, words) for row in capacity.spreads],
            "planes": [_plane(row, words) for row in capacity.control_planes],
        }
    }


def _lead(capacity: Capacity, words: Words) -> str:
    if not capacity.quotas:
        return ""
    counts, unread = capacity.counts(), capacity.unread()
    texts = [words("capacity.count.quotas", sum(counts.values()))]
    texts += [words(f"capacity.count.{state}", counts[state]) for state in TIGHT]
    if unread:
        texts.append(words("capacity.count.unread", unread))
    return f"{', '.join(texts)}."


def _region(group: RegionQuotas, labels: dict[str, str], words: Words) -> dict[str, Any]:
    whys = list(dict.fromkeys(group.whys))
    look = "unknown" if whys else next((LOOKS[each] for each in TIGHT if group.counts[each]), "info")
    return {
        "look": look,
        "name": plain(group.region) or words("capacity.every_region"),
        "subscription": plain(labels.get(group.subscription, group.subscription)),
        "counts": [group.counts[state] if group.is_known else None for state in ("full", "near", "room", "unlimited")],
        "whys": [plain(each) for each in whys[:WHYS]],
        "more": max(0, len(whys) - WHYS),
    }


def _quota(row: QuotaRow, labels: dict[str, str], words: Words) -> dict[str, Any]:
    where = ", ".join(filter(None, (row.region, labels.get(row.subscription, row.subscription))))
    return {
        "look": LOOKS[row.state],
        "state": words(f"capacity.state.{row.state}"),
        "name": plain(row.name or row.quota),
        "where": plain(where),
        "used": row.used,
        "limit": row.limit,
        "left": row.left,
        "share": row.share or 0,
    }


def _reservation(row: ReservationRow, labels: dict[str, str], words: Words) -> dict[str, Any]:
    is_whole = row.resource.count("/") == len(("", "subscriptions"))
    label = words("capacity.reservations_of") if is_whole else reservation_name(row)
    zones = words("capacity.zones", zones=", ".join(row.zones)) if row.zones else ""
    where = ", ".join(filter(None, (row.region, zones, labels.get(row.subscription, row.subscription))))
    return {
        "look": LOOKS[row.state],
        "state": words(f"capacity.state.{row.state}"),
        "name": plain(label),
        "sku": plain(row.sku),
        "where": plain(where),
        "used": row.used,
        "reserved": row.reserved,
        "left": row.left,
        "why": plain(row.why),
    }


def _spread(row: SpreadRow, words: Words) -> dict[str, Any]:
    return {
        "title": plain(row.title),
        "over": words(f"capacity.over.{row.over}"),
        "counts": [row.single, row.spread, row.unknown],
        "query": f"rule:{row.rule}",
    }


def _plane(row: ControlPlaneRow, words: Words) -> dict[str, Any]:
    count = words("capacity.all_resources") if row.resources is None else words("count.resources", row.resources)
    return {
        "name": plain(row.service),
        "count": count if row.complete else words("capacity.or_more", resources=count),
        "reason": plain(row.reason),
        "source": row.source if row.source.startswith("https://learn.microsoft.com/") else "",
    }
