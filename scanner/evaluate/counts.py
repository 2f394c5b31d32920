"""Counts what a scan found, in one place."""

from collections import Counter
from dataclasses import dataclass, field

from scanner.document import schema as rows
from scanner.model.verdict import Severity

GROUPS = 200
_NAMES = tuple(each.name for each in reversed(Severity))


@dataclass
class Door:
    """The open endpoints of one resource that one command closes."""

    resource: str
    fix: str
    severity: str
    title: str
    endpoints: list[str] = field(default_factory=list)
    fingerprint: str = ""

    @property
    def name(self) -> str:
        return self.resource.rstrip("/").rsplit("/", 1)[-1]

    def sentence(self) -> str:
        more = len(self.endpoints) - 1
        return f"{self.name}: {self.endpoints[0]}{f' and {more:,} more' if more else ''}. {self.title}"


class Counting(rows.Writer):
    """A writer that counts, as rows pass by, what the last screen says; the report counts in the same way."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoints = 0
        self.standing: Counter[str] = Counter()
        """Open exposures by severity; `closed`, `waived`, `intended`."""
        self.anyone = self.copied = self.unread = 0
        self._doors: dict[tuple[str, str], Door] = {}

    def exposure(self, row: rows.ExposureRow) -> None:
        super().exposure(row)
        self.endpoints += 1
        is_open = row.state == "open"
        self.standing[str(row.severity) if is_open else row.state] += 1
        if is_open and row.severity == "critical":
            self.anyone += 1
        elif is_open and row.kind != "app" and row.authentication == "shared":
            self.copied += row.reach in ("internet", "azure", "wide")
        self.unread += _rank(row.worst) < _rank(row.severity) and _rank(row.worst) <= _rank("high")
        if is_open and row.severity:
            self._door(row)

    def _door(self, row: rows.ExposureRow) -> None:
        key = (row.resource.lower(), row.fix or row.endpoint)
        door = self._doors.get(key)
        if door is None or _rank(row.severity) < _rank(door.severity):
            known = door.endpoints if door else []
            door = Door(row.resource, row.fix or "", str(row.severity), row.title, known, row.fingerprint)
            self._doors[key] = door
            door.endpoints.insert(0, row.endpoint)
        else:
            door.endpoints.append(row.endpoint)
        if len(self._doors) > 2 * GROUPS:
            self._doors = dict(sorted(self._doors.items(), key=lambda each: _rank(each[1].severity))[:GROUPS])

    def doors(self) -> list[Door]:
        """The worst first, then in the order of the document."""
        return sorted(self._doors.values(), key=lambda door: _rank(door.severity))


def _rank(severity: str | None) -> int:
    return _NAMES.index(severity) if severity in _NAMES else len(_NAMES)
