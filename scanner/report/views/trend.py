"""Draw the trend: one column per scan at its time, stacked by severity on one scale, and what each scan opened and
closed.

Nothing is drawn between two scans, because the state in a pause is not known.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from scanner.document.schema import TrendRow
from scanner.model.severity import SEVERITIES
from scanner.report.language.words import Words, parse_time

WIDTH, HEIGHT = 1000, 100
"""Units of the drawing; the page stretches it. Opened and closed are drawn in as many, from the middle."""
SCANS = 60
_NARROWEST, _WIDEST, _EDGE, _PAUSE, _HOUR = 4.0, 18.0, 10.0, 2.5, 3600
_ALWAYS = ("critical", "high", "medium", "low")
_OTHERS = ("undecided", "unknown")
"""Counted beside the open items, not among them."""
Scan = tuple[datetime, TrendRow]


def trend(rows: Sequence[TrendRow], words: Words) -> dict[str, Any] | None:
    """Return the drawing of the scans of a trend (oldest first), None where fewer than two have a time."""
    scans = [(time, row) for row in rows[-SCANS:] if (time := parse_time(row.taken))]
    if len(scans) < 2:
        return None
    times = [time for time, _ in scans]
    middles, width = _columns(times)
    gaps, span = pauses(times), _span(times, words)
    return {
        "chart": _chart(scans, middles, width, span, words),
        "moves": _moves(scans, middles, width, words),
        "lanes": [_lane(name, scans, words) for name in (*SEVERITIES, *_OTHERS) if _is_shown(name, scans)],
        "pauses": _draw_pauses(gaps, times, width),
        "span": span,
        "count": words("trend.scans", len(scans)),
        "paused": _describe_pauses(gaps, words),
        **_table(scans, words),
    }


def _is_shown(name: str, scans: Sequence[Scan]) -> bool:
    return name in _ALWAYS or any(getattr(row, name) for _, row in scans)


def _total(row: TrendRow) -> int:
    return sum(getattr(row, name) for name in SEVERITIES)


def top(most: int) -> int:
    """Return the end of an axis: the least of 2, 4, 10, 20, 40, 100, ... that is not below `most`."""
    scale = 1
    while True:
        for step in (2, 4, 10):
            if step * scale >= most:
                return step * scale
        scale *= 10


def _chart(
    scans: Sequence[Scan], middles: Sequence[float], width: float, span: Sequence[str], words: Words
) -> dict[str, Any]:
    """Return the columns of each severity on top of those that are more severe, with the axis that all share."""
    totals = [_total(row) for _, row in scans]
    most, end = max(totals), top(max(totals))
    below = [0.0] * len(scans)
    bars = []
    for name in SEVERITIES:
        path = ""
        for at, (_, row) in enumerate(scans):
            height = getattr(row, name) / end * HEIGHT
            path += _column(middles[at], width, HEIGHT - below[at], height) if height else ""
            below[at] += height
        if path:
            bars.append({"severity": name, "path": path})
    now, least = words.number(totals[-1]), words.number(min(totals))
    return {
        "axis": [words.number(end), words.number(end // 2), "0"],
        "bars": bars,
        "zeros": "".join(_column(x, width, HEIGHT, 1) for x, total in zip(middles, totals, strict=True) if not total),
        "label": words("trend.label", now=now, least=least, most=words.number(most), first=span[0], last=span[1]),
    }


def _moves(scans: Sequence[Scan], middles: Sequence[float], width: float, words: Words) -> dict[str, Any] | None:
    """Return what each scan opened (up) and closed (down) on one scale; None where no scan counted it."""
    known = [
        (x, row.opened, row.closed)
        for x, (_, row) in zip(middles, scans, strict=True)
        if row.opened is not None and row.closed is not None
    ]
    if not known:
        return None
    end, half = top(max(max(opened, closed) for _, opened, closed in known)), HEIGHT / 2
    return {
        "axis": [words.number(end), "0", words.number(end)],
        "opened": "".join(_column(x, width, half, opened / end * half) for x, opened, _ in known if opened),
        "closed": "".join(
            _column(x, width, half + closed / end * half, closed / end * half) for x, _, closed in known if closed
        ),
        "label": words(
            "trend.moves_label",
            opened=words.number(sum(each[1] for each in known)),
            closed=words.number(sum(each[2] for each in known)),
            scans=words("trend.scans", len(known)),
        ),
    }


def _lane(name: str, scans: Sequence[Scan], words: Words) -> dict[str, Any]:
    """Return one line of the key: its look and word, the number now, and the range."""
    counted = [value for _, row in scans if (value := getattr(row, name)) is not None]
    least, greatest = words.number(min(counted)), words.number(max(counted))
    return {
        "look": "unknown" if name in _OTHERS else name,
        "word": _word(name, words),
        "now": words.number(counted[-1]),
        "range": words("trend.steady") if least == greatest else words("trend.range", least=least, most=greatest),
    }


def _table(scans: Sequence[Scan], words: Words) -> dict[str, Any]:
    """Return the numbers of the drawing, the last scan first."""
    moves = ("opened", "closed") if any(row.opened is not None for _, row in scans) else ()
    names = (*SEVERITIES, *_OTHERS, *moves)
    return {
        "names": [(name, _word(name, words)) for name in names],
        "table": [
            [f"{time:%Y-%m-%d %H:%M}", *(_labels(getattr(row, name), words) for name in names)]
            for time, row in reversed(scans)
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
    return words(f"severity.{name}" if name in SEVERITIES else f"trend.{name}")


def _labels(value: int | None, words: Words) -> str:
    """Return a number as text; a dash where a scan did not count it."""
    return "-" if value is None else words.number(value)


def _column(x: float, width: float, bottom: float, height: float) -> str:
    """Return a column around `x` that stands at `bottom`."""
    return f"M{_number(x - width / 2)} {_number(bottom)}V{_number(bottom - height)}h{_number(width)}V{_number(bottom)}z"


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
    return "".join(_pause(start, end, width) for start, end in _spans(gaps, times))


def _spans(gaps: Sequence[tuple[datetime, datetime]], times: Sequence[datetime]) -> Iterator[tuple[float, float]]:
    first, whole = min(times), max(times) - min(times)
    for gap in gaps:
        start, end = (_EDGE + (time - first) / whole * (WIDTH - 2 * _EDGE) for time in gap)
        yield start, end


def _pause(start: float, end: float, width: float) -> str:
    return f"M{_number(start + width)} 0H{_number(end - width)}V{HEIGHT}H{_number(start + width)}z"


def _describe_pauses(gaps: Sequence[tuple[datetime, datetime]], words: Words) -> str:
    """Return a sentence that names the longest pause, "" where there is none."""
    if not gaps:
        return ""
    start, end = max(gaps, key=lambda gap: gap[1] - gap[0])
    first, last = words.date(start.isoformat()), words.date(end.isoformat())
    if len(gaps) == 1:
        return words("trend.paused", first=first, last=last)
    return words("trend.pauses", len(gaps), first=first, last=last)
