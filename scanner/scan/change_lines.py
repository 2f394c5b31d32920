"""The changes since the last scan, as lines of the last screen, of a log, and of `--quiet`."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from scanner.document import schema as rows
from scanner.history.items import ALERTS, Change, ChangeKind, Changes
from scanner.model.ids import path_of
from scanner.terminal.lines import Line

SHOWN = 5
_ALERTS = tuple((kind.value, kind.word) for kind in ALERTS)
"""Names of counts in the document, and the words for them."""
_LABELS: dict[ChangeKind, str] = {
    **{kind: kind.word for kind in (*ALERTS, ChangeKind.fixed)},
    ChangeKind.no_longer_visible: "not visible",
}
_WHY = {
    "reopened": "Reopened: {why}",
    "worse": "{title}; raised: {why}",
    "fixed": "Was: {title}",
    "unseen": "No longer visible: {why}; not counted as fixed",
}


class ChangeLines(Struct, frozen=True):
    """The changes of a scan that count, by kind."""

    row: rows.ChangesRow
    """The changes in its document."""
    changes: dict[ChangeKind, list[Change]]

    @classmethod
    def of(cls, row: rows.ChangesRow, changes: Changes) -> "ChangeLines":
        return cls(row, {name: changes.counted(name) for name in _LABELS})

    def head(self) -> str:
        if self.row.baseline:
            return "First scan: this is the baseline. Nothing in it counts as new"
        return f"Changes since {date_of(self.row.since)}"

    def lines(self, count: int = SHOWN) -> Iterator[Line]:
        """Yield the block of the last screen, at most `count` changes of a kind."""
        yield Line()
        yield Line(self.head(), column=0)
        for name, changes in self.changes.items():
            for change in changes[:count]:
                colour = "fixed" if name == "fixed" else change.item.severity
                yield Line(f"{change.item.severity:<9} {sentence(name, change)}", _LABELS[name], 10, colour)
            if len(changes) > count:
                yield Line(f"and {len(changes) - count:,} more {_LABELS[name]}", column=10)
        if not self.row.baseline and not any(self.changes.values()):
            yield Line("none", column=10)
        if looked := self.row.counts["first_looked"]:
            text = "evaluated for the first time; not counted as new" if not self.row.baseline else "in the baseline"
            yield Line(f"{looked:,} {text}", column=10)
        for note in self.row.notes:
            yield Line(note, "Note", 10)

    # The log

    def log(self) -> str:
        counts = self.row.counts
        if self.row.baseline:
            return f"first scan: baseline, {counts['open']:,} open; nothing in it counts as new"
        texts = [f"{counts['new']:,} new"]
        texts += [f"{counts[name]:,} {word}" for name, word in _ALERTS[1:] if counts[name]]
        texts += [f"{counts['fixed']:,} fixed"]
        texts += [f"{counts['unseen']:,} no longer visible"] if counts["unseen"] else []
        texts += [f"{counts['first_looked']:,} evaluated for the first time"] if counts["first_looked"] else []
        texts += [f"{counts['open']:,} open"]
        return f"since {(self.row.since or '')[:10]}: {', '.join(texts)}"

    def log_lines(self) -> Iterator[str]:
        for name, changes in self.changes.items():
            for change in changes:
                item = change.item
                endpoint = f" {item.endpoint}" if item.endpoint else f" {item.rule}"
                yield f"{_LABELS[name]} {item.severity} {path_of(item.resource)}{endpoint} {item.fingerprint}"

    def quiet(self) -> str:
        """Return `nothing new` or `2 new`; "" at the baseline."""
        counts = self.row.counts
        if self.row.baseline:
            return ""
        return ", ".join(f"{counts[name]:,} {word}" for name, word in _ALERTS if counts[name]) or "nothing new"


def sentence(name: str, change: Change) -> str:
    """Return a change as a sentence: the name of the endpoint, then its title and the reason."""
    item = change.item
    what = f"{path_of(item.resource)}: {item.endpoint}" if item.endpoint else path_of(item.resource)
    text = _WHY.get(name, "{title}").format(why=change.why, title=item.title)
    gone = f" ({change.why})" if name == "fixed" and change.why else ""
    return f"{what}. {text}{gone}"


def date_of(time: str | None) -> str:
    """Return a time of a document for people: `24 November 2026, 02:00 UTC`."""
    if not time:
        return "the previous scan"
    try:
        result = datetime.fromisoformat(time)
    except ValueError:
        return time
    return f"{result.day} {result:%B %Y, %H:%M} UTC"
