"""The parts of the first screen beside the matrix: the severity bar, exposure by subscription, the last scans."""

from collections import Counter, defaultdict
from typing import Any
from urllib.parse import quote

from scanner.document.schema import ChangesRow, Document, ExposureRow
from scanner.document.tenants import scope_labels
from scanner.evaluate.counts import Counts
from scanner.model.ids import subscription_of
from scanner.model.severity import SEVERITIES
from scanner.report.language.words import Words
from scanner.report.views.gaps import scope_names
from scanner.text.invisible import plain

_WIDTH, _NARROWEST, _GAP = 1000, 14, 3
_SUBSCRIPTIONS, _SCANS = 4, 30
_EXPOSED = ("critical", "high", "medium", "low")
"""The severities of endpoints."""


def severity_bar(counts: Counts, t: Words) -> dict[str, Any]:
    """Return the stacked bar of what is open: endpoints, and failed findings without one, by severity.

    `said` is what all parts count. A part is `severity`, `count`, `href`, `said`, `x` and `width` in thousandths of the
    bar.
    """
    open_counts = {name: count for name, count in counts.by_severity.items() if count}
    total = sum(open_counts.values())
    room = _WIDTH - len(open_counts) * (_NARROWEST + _GAP) + _GAP
    bars, x = [], 0
    for severity, count in open_counts.items():
        width = _NARROWEST + room * count // total
        endpoints, others = counts.open[severity], counts.other_failures[severity]
        target = (
            f"#endpoints?q=status:open+severity:{severity}"
            if endpoints
            else f"#findings?q=status:fail+severity:{severity}+is:other"
        )
        bars.append(
            {
                "severity": severity,
                "count": count,
                "href": target,
                "said": _counted(endpoints, others, t),
                "x": x,
                "width": width,
            }
        )
        x += width + _GAP
    endpoints, others = (sum(each[name] for name in open_counts) for each in (counts.open, counts.other_failures))
    return {"total": total, "parts": bars, "said": _counted(endpoints, others, t)}


def _counted(endpoints: int, others: int, t: Words) -> str:
    texts = [t("count.endpoints", endpoints)] if endpoints else []
    return ", ".join([*texts, *([t("bar.others", others)] if others else [])])


class OpenBySubscription(defaultdict[str, Counter[str]]):
    """Counts open endpoints by subscription id (lower case) and severity name."""

    def __init__(self) -> None:
        super().__init__(Counter)

    def add(self, row: ExposureRow) -> None:
        """Count an endpoint."""
        if row.state == "open" and row.severity:
            self[subscription_of(row.resource)][row.severity] += 1


def by_subscription(document: Document, t: Words, open_by_subscription: OpenBySubscription) -> dict[str, Any]:
    """Return the open endpoints of each subscription by severity, the most severe subscription first."""
    names = scope_names(document)
    labels = scope_labels(document.coverage.scopes, document.scan)
    severities = [
        name for name in SEVERITIES if name in _EXPOSED or any(each[name] for each in open_by_subscription.values())
    ]
    ordered = sorted(
        open_by_subscription,
        key=lambda each: ([-open_by_subscription[each][name] for name in severities], names.get(each, each)),
    )
    taken = Counter(name.lower() for name in names.values())
    rows = []
    for id in ordered if len(ordered) <= _SUBSCRIPTIONS else ordered[: _SUBSCRIPTIONS - 1]:
        name = names.get(id, id)
        is_unique = taken[name.lower()] == 1 and '"' not in name
        term = f'sub:"={name}"' if is_unique and set(name) & set(" ,\t") else f"sub:={name if is_unique else id}"
        query = quote(f"status:open {term}", safe=":,/").replace("%20", "+")
        counts = [open_by_subscription[id][severity] for severity in severities]
        rows.append({"name": labels.get(id, name), "href": f"#endpoints?q={query}", "counts": counts})
    more = len(ordered) - len(rows)
    return {"severities": severities, "rows": rows, "more": t("exposure.more", more) if more > 0 else ""}


def sparkline(changes: ChangesRow | None, t: Words) -> dict[str, Any] | None:
    """Return the line of what was open in the last scans, as a path of 300 x 40 units; None with fewer than two."""
    rows = changes.trend[-_SCANS:] if changes else []
    if len(rows) < 2:
        return None
    totals = [sum(getattr(row, name) for name in SEVERITIES) for row in rows]
    most, step = max([*totals, 1]), 296 / (len(rows) - 1)
    points = [f"{2 + at * step:.1f} {37 - total / most * 34:.1f}" for at, total in enumerate(totals)]
    first, last = t.number(totals[0]), t.number(totals[-1])
    least, greatest = t.number(min(totals)), t.number(max(totals))
    first_day, last_day = plain(t.date(rows[0].taken)), plain(t.date(rows[-1].taken))
    return {
        "heading": t("spark.heading", len(rows)),
        "path": "M" + "L".join(points),
        "label": t("spark.label", first=first, last=last, least=least, most=greatest, start=first_day, end=last_day),
        "first": first,
        "last": t("spark.last", n=last),
    }
