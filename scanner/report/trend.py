"""Draw the trend as lanes of columns: one lane per severity, one column per scan, placed by its time.

Nothing is drawn between two scans, because the state in a pause is not known. Each lane has a scale of its own,
because five critical endpoints matter beside two hundred medium ones.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from scanner.document.schema import TrendRow
from scanner.model.verdict import SEVERITIES
from scanner.report.words import Words, parse_time

WIDTH, HEIGHT = 1000, 40
"""Units of a lane; the page stretches it in width."""
SCANS = 60
_NARROWEST, _WIDEST, _EDGE, _PAUSE, _LEAST, _HOUR = 4.0, 18.0, 10.0, 2.5, 3.0, 3600
_ALWAYS = ("critical", "high", "medium", "low")


def trend(rows: Sequence[TrendRow], words: Words) -> dict[str, Any] | None:
    """Return the drawing of the scans of a trend (oldest first), None where fewer than two have a time."""
    scans = [(time, row) for row in rows[-SCANS:] if (time := parse_time(row.taken))]
    if len(scans) < 2:
        return None
    times = [time for time, _ in scans]
    middles, width = _columns(times)
    gaps = pauses(times)
    names = [*SEVERITIES, "undecided", "unknown"]
    counts: dict[str, list[int | None]] = {name: [getattr(row, name) for _, row in scans] for name in names}
    drawn = [name for name in names if name in _ALWAYS or any(counts[name])]
    span = _span(times, words)
    return {
        "lanes": [_lane(name, counts[name], middles, width, span, words) for name in drawn],
        "pauses": _draw_pauses(gaps, times, width),
        "span": span,
        "count": words("trend.scans", len(scans)),
        "paused": _describe_pauses(gaps, words),
        "names": [(name, _word(name, words)) for name in names],
        "table": [
            [f"{time:%Y-%m-%d %H:%M}", *(_said(counts[name][at], words) for name in names)]
            for at, (time, _) in reversed(list(enumerate(scans)))
        ],
    }


def _span(times: Sequence[datetime], words: Words) -> list[str]:
    """Return the first and the last day; with the time of day where both are the same."""
    first, last = min(times), max(times)
    days = [words.date(first.isoformat()), words.date(last.isoformat())]
    if days[0] != days[1]:
        return days
    return [f"{days[0]}, {first:%H:%M}", f"{last:%H:%M} {words('utc')}"]


def _word(name: str, words: Words) -> str:
    return words(f"trend.{name}") if name in ("undecided", "unknown") else words(f"severity.{name}")


def _said(value: int | None, words: Words) -> str:
    """Return a number as text; a dash where a scan did not count it."""
    return "-" if value is None else words.number(value)


def _lane(
    name: str, values: Sequence[int | None], middles: Sequence[float], width: float, span: Sequence[str], words: Words
) -> dict[str, Any]:
    counted = [value for value in values if value is not None]
    most = max(counted)
    now, least, greatest = (words.number(value) for value in (counted[-1], min(counted), most))
    word = _word(name, words)
    columns = list(zip(middles, values, strict=True))
    return {
        "look": "unknown" if name in ("undecided", "unknown") else name,
        "word": word,
        "now": now,
        "range": words("trend.steady") if least == greatest else words("trend.range", least=least, most=greatest),
        "label": words("trend.label", word=word, now=now, least=least, most=greatest, first=span[0], last=span[1]),
        "columns": "".join(
            _column(x, width, max(_LEAST, value / most * (HEIGHT - 2))) for x, value in columns if value
        ),
        "zeros": "".join(_column(x, width, 1) for x, value in columns if value == 0),
    }


def _column(x: float, width: float, height: float) -> str:
    return f"M{_number(x - width / 2)} {HEIGHT}V{_number(HEIGHT - height)}h{_number(width)}V{HEIGHT}z"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _columns(times: Sequence[datetime]) -> tuple[list[float], float]:
    """Return the middle of each scan's column, by time, and the width of all columns."""
    first, whole = min(times), max(times) - min(times)
    room = WIDTH - 2 * _EDGE
    if not whole:
        return [WIDTH - _EDGE] * len(times), _WIDEST
    middles = [_EDGE + (time - first) / whole * room for time in times]
    steps = [b - a for a, b in pairwise(sorted(middles)) if b > a]
    return middles, min(_WIDEST, max(_NARROWEST, min(steps) * 0.75))


def pauses(times: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Return pairs of consecutive scans with much more time between them than is usual in the trend."""
    order = sorted(times)
    if len(order) < 3:
        return []
    usual = median((b - a).total_seconds() for a, b in pairwise(order))
    long = timedelta(seconds=_PAUSE * max(usual, _HOUR))
    return [(a, b) for a, b in pairwise(order) if b - a > long]


def _draw_pauses(gaps: Sequence[tuple[datetime, datetime]], times: Sequence[datetime], width: float) -> str:
    first, whole = min(times), max(times) - min(times)
    drawn = ""
    for gap in gaps:
        start, end = (_EDGE + (time - first) / whole * (WIDTH - 2 * _EDGE) for time in gap)
        drawn += f"M{_number(start + width)} 0H{_number(end - width)}V{HEIGHT}H{_number(start + width)}z"
    return drawn


def _describe_pauses(gaps: Sequence[tuple[datetime, datetime]], words: Words) -> str:
    """Return a sentence that names the longest pause, "" where there is none."""
    if not gaps:
        return ""
    start, end = max(gaps, key=lambda gap: gap[1] - gap[0])
    first, last = words.date(start.isoformat()), words.date(end.isoformat())
    if len(gaps) == 1:
        return words("trend.paused", first=first, last=last)
    return words("trend.pauses", len(gaps), first=first, last=last)
