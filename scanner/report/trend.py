"""The trend as lanes of columns: one lane a severity, one column a scan, at its place in time.

Nothing is drawn between two scans: what stood open in a pause was not seen. Each lane has a scale of its own, since
five critical doors matter beside two hundred medium ones.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from scanner.report.summary import SEVERITIES
from scanner.report.words import Words, parse

WIDTH, HEIGHT = 1000, 40
"""Units of a lane; the page stretches it in width."""
SCANS = 60
_NARROWEST, _WIDEST, _EDGE, _PAUSE, _LEAST, _HOUR = 4.0, 18.0, 10.0, 2.5, 3.0, 3600
_ALWAYS = ("critical", "high", "medium", "low")


def trend(rows: Sequence[Mapping[str, Any]], words: Words) -> dict[str, Any] | None:
    """What the template draws of the scans of a trend (oldest first): None where fewer than two can be placed."""
    scans = [(moment, row) for row in rows[-SCANS:] if (moment := parse(str(row["taken"])))]
    if len(scans) < 2:
        return None
    moments = [moment for moment, _ in scans]
    places, width = _places(moments)
    gaps = pauses(moments)
    names = [*SEVERITIES, "undecided"]
    shown = [name for name in names if name in _ALWAYS or any(row[name] for _, row in scans)]
    span = [words.date(end.isoformat()) for end in (min(moments), max(moments))]
    if span[0] == span[1]:
        span = [f"{span[0]}, {min(moments):%H:%M}", f"{max(moments):%H:%M} {words('utc')}"]
    return {
        "lanes": [_lane(name, [int(row[name]) for _, row in scans], places, width, span, words) for name in shown],
        "pauses": _pauses(gaps, moments, width),
        "span": span,
        "count": words("trend.scans", len(scans)),
        "paused": _said(gaps, words),
        "names": [(name, _word(name, words)) for name in names],
        "table": [
            [f"{moment:%Y-%m-%d %H:%M}", *(words.number(int(row[name])) for name in names)]
            for moment, row in reversed(scans)
        ],
    }


def _word(name: str, words: Words) -> str:
    return words("trend.undecided") if name == "undecided" else words(f"severity.{name}")


def _lane(
    name: str, values: Sequence[int], places: Sequence[float], width: float, span: Sequence[str], words: Words
) -> dict[str, Any]:
    most = max(values)
    now, *ends = (words.number(value) for value in (values[-1], min(values), most))
    word = _word(name, words)
    return {
        "look": "unknown" if name == "undecided" else name,
        "word": word,
        "now": now,
        "range": words("trend.steady") if ends[0] == ends[1] else words("trend.range", least=ends[0], most=ends[1]),
        "label": words("trend.label", word=word, now=now, least=ends[0], most=ends[1], first=span[0], last=span[1]),
        "columns": "".join(
            _column(x, width, max(_LEAST, value / most * (HEIGHT - 2)))
            for x, value in zip(places, values, strict=True)
            if value
        ),
        "zeros": "".join(_column(x, width, 1) for x, value in zip(places, values, strict=True) if not value),
    }


def _column(x: float, width: float, height: float) -> str:
    return f"M{_n(x - width / 2)} {HEIGHT}V{_n(HEIGHT - height)}h{_n(width)}V{HEIGHT}z"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _places(moments: Sequence[datetime]) -> tuple[list[float], float]:
    """The middle of each scan's column, by time, and the width of all columns."""
    first, whole = min(moments), max(moments) - min(moments)
    room = WIDTH - 2 * _EDGE
    if not whole:
        return [WIDTH - _EDGE] * len(moments), _WIDEST
    places = [_EDGE + (moment - first) / whole * room for moment in moments]
    steps = [b - a for a, b in pairwise(sorted(places)) if b > a]
    return places, min(_WIDEST, max(_NARROWEST, min(steps) * 0.75))


def pauses(moments: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Where no scan was made for much longer than is usual between these scans: from the one before to the next."""
    order = sorted(moments)
    if len(order) < 3:
        return []
    usual = median((b - a).total_seconds() for a, b in pairwise(order))
    long = timedelta(seconds=_PAUSE * max(usual, _HOUR))
    return [(a, b) for a, b in pairwise(order) if b - a > long]


def _pauses(gaps: Sequence[tuple[datetime, datetime]], moments: Sequence[datetime], width: float) -> str:
    first, whole = min(moments), max(moments) - min(moments)
    drawn = ""
    for gap in gaps:
        start, end = (_EDGE + (moment - first) / whole * (WIDTH - 2 * _EDGE) for moment in gap)
        drawn += f"M{_n(start + width)} 0H{_n(end - width)}V{HEIGHT}H{_n(start + width)}z"
    return drawn


def _said(gaps: Sequence[tuple[datetime, datetime]], words: Words) -> str:
    if not gaps:
        return ""
    start, end = max(gaps, key=lambda gap: gap[1] - gap[0])
    first, last = words.date(start.isoformat()), words.date(end.isoformat())
    if len(gaps) == 1:
        return words("trend.paused", first=first, last=last)
    return words("trend.pauses", len(gaps), first=first, last=last)
