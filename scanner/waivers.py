"""Waivers: findings that somebody accepted, and reads that will not be granted; with reason, owner and expiry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from scanner import toml
from scanner.errors import InputError
from scanner.exposure import Auth, EndpointKind, Reach
from scanner.finding import FindingRow, WaiverRow
from scanner.loader import RuleSet, matches
from scanner.resource import Gap
from scanner.rule import Rule
from scanner.toml import TomlFile

WAIVER_KEYS = ("rule", "resource", "reason", "owner", "expires", "endpoints", "cell", "ticket")
GAP_KEYS = ("url", "reason", "owner", "expires")
MAX_DAYS = 365
_KINDS = ("data", "admin", "app")


@dataclass(frozen=True, slots=True)
class Waiver:
    """One accepted finding. `rule` is a PATTERN, `resource` an id, or a pattern with `*`.

    An endpoint that is not among `endpoints`, or is worse than `cell` (kind, authentication, reach), is not covered.
    """

    rule: str
    resource: str
    reason: str
    owner: str
    expires: date
    endpoints: tuple[str, ...] = ()
    cell: tuple[EndpointKind, Auth, Reach] | None = None
    ticket: str = ""

    def covers(self, rule: Rule, row: FindingRow, cells: Mapping[str, str]) -> bool:
        if not matches(rule, self.rule) or not fits(row.resource, self.resource):
            return False
        if self.endpoints and not all(
            any(fnmatchcase(endpoint.lower(), pattern.lower()) for pattern in self.endpoints)
            for endpoint in row.endpoints
        ):
            return False
        return self.cell is None or all(_within(text, self.cell) for text in cells.values())

    def row(self) -> WaiverRow:
        return WaiverRow(self.reason, self.owner, self.expires.isoformat(), self.ticket)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A gap that stays: `url` is a pattern of the read's path."""

    url: str
    reason: str
    owner: str
    expires: date


@dataclass(frozen=True, slots=True)
class WaiverFile:
    """What a waiver file accepts today: a `scanner.evaluate.Waivers`. `expired` entries cover nothing."""

    waivers: tuple[Waiver, ...] = ()
    gaps: tuple[Accepted, ...] = ()
    expired: int = 0

    def waived(
        self, rule: Rule, row: FindingRow, tags: Mapping[str, str], cells: Mapping[str, str]
    ) -> WaiverRow | None:
        """The first waiver that covers a failed finding; `cells`: endpoint -> "kind/authentication/reach"."""
        return next((each.row() for each in self.waivers if each.covers(rule, row, cells)), None)

    def accepted(self, gap: Gap) -> bool:
        """Whether the gap is one that was accepted."""
        return any(fits(gap.url, each.url) for each in self.gaps)


def fits(text: str, pattern: str) -> bool:
    """Whether an id or a path is the one of a pattern (`*`, without case; [ is itself)."""
    pattern = pattern.strip().rstrip("/").lower().replace("[", "[[]")
    return fnmatchcase(text.strip().rstrip("/").lower(), pattern)


def _within(text: str, accepted: tuple[EndpointKind, Auth, Reach]) -> bool:
    """Whether an exposure's cell is no worse than the accepted one. Data and admin endpoints are worse than apps."""
    parts = _cell(text)
    if parts is None:
        return False
    kind, auth, reach = parts
    known, most_auth, most_reach = accepted
    if known == "app" and kind != "app":
        return False
    return auth <= most_auth and reach <= most_reach


def _cell(text: str) -> tuple[EndpointKind, Auth, Reach] | None:
    parts = text.strip().lower().split("/")
    if len(parts) != 3 or parts[0] not in _KINDS:
        return None
    auth, reach = Auth.__members__.get(parts[1]), Reach.__members__.get(parts[2])
    return None if auth is None or reach is None else (parts[0], auth, reach)  # type: ignore[return-value]


def load(path: Path, rules: RuleSet, *, today: date | None = None, max_days: int = MAX_DAYS) -> WaiverFile:
    """The waivers of a file. Raises InputError, all faults at once, for what is wrong in it or missing."""
    file = toml.read(path, "--waivers")
    today = today or datetime.now(UTC).date()
    reader = _Reader(file, rules, today, max_days)
    for name in file.data:
        if name not in ("waiver", "gap"):
            file.unknown(f'a waiver file has no table "{name}"', name, ("waiver", "gap"), name)
    waivers = [reader.waiver(place, entry) for place, entry in reader.entries("waiver")]
    gaps = [reader.gap(place, entry) for place, entry in reader.entries("gap")]
    file.check()
    live = [each for each in waivers if each is not None and each.expires >= today]
    known = [each for each in gaps if each is not None and each.expires >= today]
    return WaiverFile(tuple(live), tuple(known), len(waivers) + len(gaps) - len(live) - len(known))


@dataclass(slots=True)
class _Reader:
    file: TomlFile
    rules: RuleSet
    today: date
    max_days: int

    def entries(self, table: str) -> Iterable[tuple[int, dict[str, Any]]]:
        found = self.file.data.get(table, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self.file.fault(f"{table} is no list of tables", table, do=f"write [[{table}]]")
            return []
        return enumerate(found)

    def waiver(self, place: int, entry: dict[str, Any]) -> Waiver | None:
        texts = self._texts("waiver", place, entry, WAIVER_KEYS, ("rule", "resource", "reason", "owner"))
        expires = self._date("waiver", place, entry)
        endpoints = entry.get("endpoints", [])
        if not isinstance(endpoints, list) or not all(isinstance(each, str) for each in endpoints):
            self.file.fault("endpoints is a list of names", "waiver", place, "endpoints", do='endpoints = ["blob"]')
            endpoints = []
        limit = _cell(texts["cell"]) if texts["cell"] else None
        if texts["cell"] and limit is None:
            self.file.fault(
                f'"{texts["cell"]}" is no cell', "waiver", place, "cell", do='write cell = "admin/shared/internet"'
            )
        if texts["rule"]:
            self._pattern(place, texts["rule"])
        if expires is None:
            return None
        return Waiver(
            texts["rule"],
            texts["resource"],
            texts["reason"],
            texts["owner"],
            expires,
            tuple(endpoints),
            limit,
            texts["ticket"],
        )

    def gap(self, place: int, entry: dict[str, Any]) -> Accepted | None:
        texts = self._texts("gap", place, entry, GAP_KEYS, ("url", "reason", "owner"))
        expires = self._date("gap", place, entry)
        return None if expires is None else Accepted(texts["url"], texts["reason"], texts["owner"], expires)

    def _texts(
        self, table: str, place: int, entry: dict[str, Any], known: tuple[str, ...], needed: tuple[str, ...]
    ) -> dict[str, str]:
        for name in entry:
            if name not in known:
                self.file.unknown(f'a {table} has no key "{name}"', name, known, table, place, name)
        texts: dict[str, str] = {}
        for name in (each for each in known if each not in ("expires", "endpoints")):
            value = entry.get(name, "")
            if not isinstance(value, str):
                self.file.fault(f"{name} is text", table, place, name, do=f'write {name} = "..."')
                value = ""
            elif name in needed and not value.strip():
                self.file.fault(f"a {table} needs {name}", table, place, name, do=f'add {name} = "..."')
            texts[name] = value
        return texts

    def _date(self, table: str, place: int, entry: dict[str, Any]) -> date | None:
        year = "a year" if self.max_days == MAX_DAYS else f"{self.max_days} days"
        do = f"write expires = {_ahead(self.today)}, at most {year} ahead"
        value = entry.get("expires")
        if value is None:
            self.file.fault(f"a {table} needs expires", table, place, "expires", do=do)
            return None
        if isinstance(value, str):
            try:
                value = date.fromisoformat(value.strip())
            except ValueError:
                self.file.fault(f'"{value}" is no date', table, place, "expires", do=do)
                return None
        found = value.date() if isinstance(value, datetime) else value
        if not isinstance(found, date):
            self.file.fault(f'"{value}" is no date', table, place, "expires", do=do)
            return None
        if found > self.today + timedelta(days=self.max_days):
            self.file.fault(f"{found} is more than {self.max_days} days ahead", table, place, "expires", do=do)
            return None
        return found

    def _pattern(self, place: int, pattern: str) -> None:
        try:
            self.rules.check(pattern, "waiver of")
        except InputError as error:
            self.file.fault(error.what, "waiver", place, "rule", do=error.do)


def _ahead(today: date) -> date:
    """The end of this year; of the next one where that is near."""
    end = date(today.year, 12, 31)
    return end if end - today > timedelta(days=14) else date(today.year + 1, 6, 30)
