"""Waivers: findings that somebody accepted, and reads that will not be granted; with reason, owner and expiry."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from scanner.config import toml
from scanner.config.toml import TomlFile
from scanner.document.schema import WaiverRow
from scanner.errors import InputError
from scanner.evaluate.policy import Failure
from scanner.model.exposure import Auth, EndpointKind, Reach
from scanner.model.ids import subscription_of, type_of
from scanner.model.resource import LOST, Gap
from scanner.model.rule import Rule
from scanner.model.verdict import Severity
from scanner.rulebook.loader import RuleSet, matches

WAIVER_KEYS = (
    "rule", "resource", "tag", "reason", "owner", "expires", "endpoints", "cell", "severity", "ticket",
)  # fmt: skip
GAP_KEYS = ("url", "rule", "resource", "reason", "owner", "expires", "ticket")
MAX_DAYS = 365
EXPIRING_DAYS = 14
NOTES = 20
_KINDS = ("data", "admin", "app")
_NO_TEXT = ("expires", "endpoints")
_UNKNOWN = "unknown"
# Two reads, and two resources, that have nothing in common: a pattern that means both names nothing.
_PROBES = (
    "/subscriptions/1/resourcegroups/a/providers/microsoft.sql/servers/b/firewallrules",
    "/subscriptions/2/resourcegroups/c/providers/microsoft.keyvault/vaults/d/keys",
)

Cell = tuple[EndpointKind, Auth | None, Reach]


@dataclass(frozen=True, slots=True)
class Waiver:
    """One accepted finding. `rule` is a PATTERN; `resource` an id, or a pattern with `*`, or else `tag` (name, value).

    An endpoint that is not among `endpoints`, or is worse than `cell` (kind, authentication, reach) or `severity`, is
    not covered. `line` is that of the entry, `at` is `file:line`.
    """

    rule: str
    resource: str
    reason: str
    owner: str
    expires: date
    endpoints: tuple[str, ...] = ()
    cell: Cell | None = None
    severity: Severity | None = None
    ticket: str = ""
    tag: tuple[str, str] | None = None
    line: int = 0
    at: str = ""

    def means(self, resource: str, tags: Mapping[str, str]) -> bool:
        """Whether it is about this resource. Names of tags compare without case, their values with it."""
        if self.tag is None:
            return fits(resource, self.resource)
        name, value = self.tag
        return any(each.lower() == name.lower() and text == value for each, text in tags.items())

    def covers(self, failure: Failure) -> bool:
        """Whether it accepts this endpoint of a failed finding, as bad as it is now."""
        if self.severity is not None and failure.severity is not None and failure.severity > self.severity:
            return False
        if self.endpoints and not any(_listed(failure, pattern) for pattern in self.endpoints):
            return False
        return self.cell is None or _within(failure.cell, self.cell)

    def row(self) -> WaiverRow:
        return WaiverRow(self.reason, self.owner, self.expires.isoformat(), self.ticket)

    def says(self) -> str:
        """What it is about, in short: `storage-plain-http on stjournal`."""
        where = f"tag {'='.join(self.tag)}" if self.tag is not None else self.resource.rstrip("/").rsplit("/", 1)[-1]
        return f"{self.rule} on {where}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What stays undecided: a read that fails, `url` a pattern of its path; or else `rule`, a PATTERN, that is Unknown
    on `resource`, an id or a pattern. A subscription, seen in part or not listed, is named whole.
    """

    url: str
    reason: str
    owner: str
    expires: date
    rule: str = ""
    resource: str = ""
    ticket: str = ""
    line: int = 0
    at: str = ""

    def means(self, id: str) -> bool:
        """Whether it is about the read of this path, or about this resource."""
        pattern = self.resource if self.rule else self.url
        return fits(id, pattern) and (bool(type_of(id)) or "*" not in pattern)

    def row(self) -> WaiverRow:
        return WaiverRow(self.reason, self.owner, self.expires.isoformat(), self.ticket)

    def says(self) -> str:
        if self.rule:
            return f"the undecided {self.rule} on {self.resource.rstrip('/').rpartition('/')[2]}"
        return f"the gap {self.url}"


Entry = Waiver | Accepted
E = TypeVar("E", Waiver, Accepted)


@dataclass(frozen=True, slots=True)
class Expiring:
    """An entry that is about to expire. `used`: how many findings (or gaps) it covers in this scan."""

    what: str
    owner: str
    expires: date
    at: str
    used: int


@dataclass(slots=True)
class WaiverFile:
    """What a waiver file accepts today: a `scanner.evaluate.policy.Waivers`. `lapsed` entries cover nothing any more.

    It remembers what it was asked, so that `notes` can name the entries that match nothing.
    """

    waivers: tuple[Waiver, ...] = ()
    gaps: tuple[Accepted, ...] = ()
    lapsed: tuple[Entry, ...] = ()
    used: Counter[Entry] = field(default_factory=Counter)
    """How many endpoints and findings a live entry covers, and an expired one would cover."""
    met: set[Entry] = field(default_factory=set)
    """Entries whose rule and resource were there, failed or undecided."""
    _of: dict[str, "_Sorted[Waiver]"] = field(default_factory=dict)
    _checks: dict[str, "_Sorted[Accepted]"] = field(default_factory=dict)
    _gone: frozenset[Entry] = frozenset()

    def __post_init__(self) -> None:
        self._gone = frozenset(self.lapsed)

    @property
    def expired(self) -> int:
        return len(self.lapsed)

    def waived(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> WaiverRow | None:
        """The waiver that covers an endpoint of a failed finding: of several the one that lasts longest."""
        found = self._covering(rule, resource, tags, failure)
        live = [each for each in found if each not in self._gone]
        self.used.update(live)
        return max(live, key=lambda each: each.expires).row() if live else None

    def past(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> WaiverRow | None:
        """The waiver that covered it and has expired: of several the one that lasted longest."""
        gone = [each for each in self._covering(rule, resource, tags, failure) if each in self._gone]
        self.used.update(gone)
        return max(gone, key=lambda each: each.expires).row() if gone else None

    def inconclusive(self, rule: Rule, resource: str) -> None:
        """Take in that a rule is Unknown on a resource or on something below it: no waiver there is needless."""
        exact, patterns = self._by_rule(rule)
        checks, wide = self._checks_of(rule)
        place = _plain(resource)
        for named in (exact, checks):
            below = [found for id, found in named.items() if id == place or id.startswith(f"{place}/")]
            self.met.update(*below)
        self.met.update(patterns, (each for each in wide if each.means(resource)))

    def accepted_check(self, rule: Rule, resource: str) -> WaiverRow | None:
        """The entry that accepts that the rule is Unknown on this resource: of several the one that lasts longest."""
        exact, patterns = self._checks_of(rule)
        found = [*exact.get(_plain(resource), ()), *(each for each in patterns if each.means(resource))]
        self.used.update(found)
        live = [each for each in found if each not in self._gone]
        return max(live, key=lambda each: each.expires).row() if live else None

    def begin(self) -> None:
        """Forget what an earlier evaluation asked."""
        self.used.clear()
        self.met.clear()

    def accepted_gap(self, gap: Gap) -> WaiverRow | None:
        """The entry that accepts a gap: of several the one that lasts longest."""
        # Who accepts that a subscription is seen in part has not accepted that it is not there any more.
        found = [each for each in self.gaps if not each.rule and each.means(gap.url) and gap.code != LOST]
        self.met.update(found)
        self.used.update(found)
        past = [each for each in self.lapsed if isinstance(each, Accepted) and not each.rule]
        self.met.update(each for each in past if each.means(gap.url))
        return max(found, key=lambda each: each.expires).row() if found else None

    def notes(self, enabled: Iterable[Rule], subscriptions: Collection[str], *, whole: bool) -> list[str]:
        """What to tell of single entries, after a scan: expired, or without anything that they cover.

        `subscriptions` (lower case) were seen in full, and nothing but them where `whole`. That an entry covers nothing
        is told where what it is about was seen in full.
        """
        rules = list(enabled)
        told = []
        for each in self._entries():
            asked = _asked(each, rules, subscriptions, whole)
            if each in self._gone and (asked or self.used[each]):
                told.append(self._past(each))
            elif each not in self._gone and asked and not self.used[each]:
                told.append(self._needless(each))
        more = len(told) - NOTES
        return [*told[:NOTES], *([f"and {more:,} more notes on waivers"] if more > 0 else [])]

    def _entries(self) -> list[Entry]:
        """All entries, as they stand in the file."""
        return sorted([*self.waivers, *self.gaps, *self.lapsed], key=lambda each: each.line)

    def _past(self, each: Entry) -> str:
        gone = f"{each.at}: the waiver of {each.owner} for {each.says()} expired on {each.expires}"
        if isinstance(each, Accepted):
            word = "check" if each.rule else "gap"
            return gone + (f"; the {word} counts again" if each in self.met else f"; there is no such {word} any more")
        count = self.used[each]
        return gone + (f"; what it covered ({count:,}) counts again" if count else "; it covered nothing")

    def _needless(self, each: Entry) -> str:
        if isinstance(each, Waiver) and each in self.met:
            return f"{each.at}: {each.says()} is not covered: undecided, worse than accepted, or at other endpoints"
        if each in self.met:
            return f"{each.at}: {each.says()} is not covered: it hangs on a read that failed, or its rule crashed"
        return f"{each.at}: {each.says()} matches nothing; delete it if that is mended"

    def _about(self, rule: Rule, resource: str, tags: Mapping[str, str]) -> Iterator[Waiver]:
        exact, patterns = self._by_rule(rule)
        yield from exact.get(_plain(resource), ())
        yield from (each for each in patterns if each.means(resource, tags))

    def _by_rule(self, rule: Rule) -> tuple[dict[str, list[Waiver]], list[Waiver]]:
        """The waivers of a rule: those of one resource by its id, and the others."""
        found = self._of.get(rule.id)
        if found is None:
            past = [each for each in self.lapsed if isinstance(each, Waiver)]
            found = self._of[rule.id] = _sorted([*self.waivers, *past], rule)
        return found

    def _checks_of(self, rule: Rule) -> "_Sorted[Accepted]":
        """The entries that accept that a rule is Unknown: those of one resource by its id, and the others."""
        found = self._checks.get(rule.id)
        if found is None:
            past = [each for each in self.lapsed if isinstance(each, Accepted)]
            found = self._checks[rule.id] = _sorted([*self.gaps, *past], rule)
        return found

    def _covering(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> list[Waiver]:
        about = list(self._about(rule, resource, tags))
        self.met.update(about)
        return [each for each in about if each.covers(failure)]


_Sorted = tuple[dict[str, list[E]], list[E]]


def _sorted(entries: Iterable[E], rule: Rule) -> _Sorted[E]:
    exact: dict[str, list[E]] = {}
    patterns: list[E] = []
    for each in (each for each in entries if matches(rule, each.rule)):
        if "*" in each.resource or not each.resource:
            patterns.append(each)
        else:
            exact.setdefault(_plain(each.resource), []).append(each)
    return exact, patterns


def expiring(file: object, today: date | None = None, days: int = EXPIRING_DAYS) -> list[Expiring]:
    """The live entries of a `WaiverFile` that expire within so many days, the next first; of nothing else any."""
    if not isinstance(file, WaiverFile):
        return []
    last = (today or _today()) + timedelta(days=days)
    live: list[Entry] = [*file.waivers, *file.gaps]
    found = [
        Expiring(each.says(), each.owner, each.expires, each.at, file.used[each])
        for each in live
        if each.expires <= last
    ]
    return sorted(found, key=lambda each: (each.expires, each.at))


def _asked(each: Entry, rules: Sequence[Rule], subscriptions: Collection[str], whole: bool) -> bool:
    """Whether this scan judged all that the entry is about."""
    about = each.resource if each.rule else each.url if isinstance(each, Accepted) else ""
    subscription = subscription_of(about) if about.startswith("/") else ""
    seen = subscription in subscriptions if subscription and "*" not in subscription else whole
    return seen and (not each.rule or any(matches(rule, each.rule) for rule in rules))


def fits(text: str, pattern: str) -> bool:
    """Whether an id, a path or a name is the one of a pattern: `*` is anything, `[*]` a star; without case."""
    return _pattern(_plain(pattern)).fullmatch(_plain(text)) is not None


def literal(text: str) -> str:
    """The pattern that means this text alone."""
    return text.replace("*", "[*]")


def _plain(text: str) -> str:
    return text.strip().rstrip("/").lower()


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    parts = [".*".join(re.escape(part) for part in piece.split("*")) for piece in text.split("[*]")]
    return re.compile(re.escape("*").join(parts), re.DOTALL)


def _listed(failure: Failure, pattern: str) -> bool:
    """Whether a pattern means an endpoint: its name, or `name@address` where a machine has several."""
    if failure.address and fits(f"{failure.endpoint}@{failure.address}", pattern):
        return True
    return fits(failure.endpoint, pattern)


def _within(text: str, accepted: Cell) -> bool:
    """Whether an exposure's cell is no worse than the accepted one. Data and admin endpoints are worse than apps."""
    parts = parse_cell(text)
    if parts is None:
        return False
    kind, auth, reach = parts
    known, most_auth, most_reach = accepted
    if (known == "app" and kind != "app") or reach > most_reach:
        return False
    # What nobody could read counts as an identity where it was accepted, and as anything where it was not.
    return most_auth is None if auth is None else auth <= (most_auth or Auth.identity)


def parse_cell(text: str) -> Cell | None:
    """`admin/shared/internet` in its parts; authentication `unknown` is None. None where it is no cell."""
    parts = text.strip().lower().split("/")
    if len(parts) != 3 or parts[0] not in _KINDS:
        return None
    auth, reach = Auth.__members__.get(parts[1]), Reach.__members__.get(parts[2])
    if reach is None or (auth is None and parts[1] != _UNKNOWN):
        return None
    return parts[0], auth, reach  # type: ignore[return-value]


def load(
    path: Path, rules: RuleSet, *, today: date | None = None, max_days: int = MAX_DAYS, allow_tag: bool = False
) -> WaiverFile:
    """The waivers of a file. Raises InputError, all faults at once, for what is wrong in it or missing."""
    return judged(toml.read(path, "--waivers"), rules, today=today, max_days=max_days, allow_tag=allow_tag)


def judged(
    file: TomlFile, rules: RuleSet, *, today: date | None = None, max_days: int = MAX_DAYS, allow_tag: bool = False
) -> WaiverFile:
    """The waivers of a file that was read. Raises as `load` does."""
    today = today or _today()
    reader = _Reader(file, rules, today, max_days, allow_tag)
    for name in file.data:
        if name not in ("waiver", "gap"):
            file.unknown(f'a waiver file has no table "{name}"', name, ("waiver", "gap"), name)
    waivers = [reader.waiver(place, entry) for place, entry in reader.entries("waiver")]
    gaps = [reader.gap(place, entry) for place, entry in reader.entries("gap")]
    file.check()
    known: list[Entry] = [each for each in (*waivers, *gaps) if each is not None]
    live = [each for each in known if each.expires >= today]
    return WaiverFile(
        tuple(each for each in live if isinstance(each, Waiver)),
        tuple(each for each in live if isinstance(each, Accepted)),
        tuple(each for each in known if each.expires < today),
    )


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass(slots=True)
class _Reader:
    file: TomlFile
    rules: RuleSet
    today: date
    max_days: int
    allow_tag: bool

    def entries(self, table: str) -> Iterable[tuple[int, dict[str, Any]]]:
        found = self.file.data.get(table, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self.file.fault(f"{table} is no list of tables", table, do=f"write [[{table}]]")
            return []
        return enumerate(found)

    def waiver(self, place: int, entry: dict[str, Any]) -> Waiver | None:
        texts = self._texts("waiver", place, entry, WAIVER_KEYS, ("rule", "reason", "owner"))
        expires = self._date("waiver", place, entry)
        waiver = Waiver(
            rule=texts["rule"],
            resource=texts["resource"],
            reason=texts["reason"],
            owner=texts["owner"],
            expires=expires or self.today,
            endpoints=self._endpoints(place, entry),
            cell=self._cell(place, texts["cell"]),
            severity=self._severity(place, texts["severity"]),
            ticket=texts["ticket"],
            tag=self._tag(place, entry, texts["tag"]),
            line=self._line("waiver", place),
            at=self._at("waiver", place),
        )
        if waiver.tag is None:
            self._width("waiver", place, waiver.rule, waiver.resource)
        elif waiver.rule.strip():
            self._known("waiver", place, waiver.rule)
        return waiver if expires is not None else None

    def gap(self, place: int, entry: dict[str, Any]) -> Accepted | None:
        by_rule = "rule" in entry or "resource" in entry
        both = by_rule and "url" in entry
        needed = () if both else ("rule", "resource") if by_rule else ("url",)
        texts = self._texts("gap", place, entry, GAP_KEYS, (*needed, "reason", "owner"))
        expires = self._date("gap", place, entry)
        if both:
            do = "a read that fails has a url; what is undecided without one, rule and resource"
            self.file.fault("a gap has a url, or a rule and a resource, not both", "gap", place, "url", do=do)
        elif by_rule:
            self._width("gap", place, texts["rule"], texts["resource"])
        elif texts["url"] and all(fits(probe, texts["url"]) for probe in _PROBES):
            self.file.fault(
                f'"{texts["url"]}" accepts every read that may ever fail',
                *("gap", place, "url"),
                do='name the reads: url = "*/blobServices/default/containers"',
            )
        if expires is None:
            return None
        return Accepted(**texts, expires=expires, line=self._line("gap", place), at=self._at("gap", place))

    def _line(self, table: str, place: int) -> int:
        line = self.file.at(table, place).rpartition(":")[2]
        return int(line) if line.isdigit() else 0

    def _at(self, table: str, place: int) -> str:
        return f"{self.file.path.name}:{self._line(table, place)}"

    def _texts(
        self, table: str, place: int, entry: dict[str, Any], known: tuple[str, ...], needed: tuple[str, ...]
    ) -> dict[str, str]:
        for name in entry:
            if name not in known:
                self.file.unknown(f'a {table} has no key "{name}"', name, known, table, place, name)
        texts: dict[str, str] = {}
        for name in (each for each in known if each not in _NO_TEXT):
            value = entry.get(name, "")
            if not isinstance(value, str):
                self.file.fault(f"{name} is text", table, place, name, do=f'write {name} = "..."')
                value = ""
            elif name in needed and not value.strip():
                self.file.fault(f"a {table} needs {name}", table, place, name, do=f'add {name} = "..."')
            texts[name] = value
        return texts

    def _endpoints(self, place: int, entry: dict[str, Any]) -> tuple[str, ...]:
        found = entry.get("endpoints", [])
        named = isinstance(found, list) and all(isinstance(each, str) and each.strip() for each in found)
        if named and (found or "endpoints" not in entry):
            return tuple(found)
        self.file.fault("endpoints is a list of names", "waiver", place, "endpoints", do='endpoints = ["blob"]')
        return ()

    def _cell(self, place: int, text: str) -> Cell | None:
        found = parse_cell(text) if text else None
        if text and found is None:
            self.file.fault(f'"{text}" is no cell', "waiver", place, "cell", do='write cell = "admin/shared/internet"')
        return found

    def _severity(self, place: int, text: str) -> Severity | None:
        if text and text not in Severity.__members__:
            known = Severity.__members__
            self.file.unknown(f'no severity is called "{text}"', text, known, "waiver", place, "severity")
        return Severity.__members__.get(text)

    def _tag(self, place: int, entry: dict[str, Any], text: str) -> tuple[str, str] | None:
        """What names the resources: a resource or, where the settings allow it, a tag."""
        key = ("waiver", place, "tag")
        named = bool(str(entry.get("resource", "")).strip())
        if "tag" not in entry:
            if not named:
                more = ' or tag = "NAME=VALUE"' if self.allow_tag else ""
                self.file.fault("a waiver needs resource", "waiver", place, do=f'add resource = "..."{more}')
            return None
        name, equals, value = text.partition("=")
        if not self.allow_tag:
            do = "name the resource, or set allow-tag in [waivers] of twolocks.toml: who may write tags may then waive"
            self.file.fault("the settings do not allow a waiver by tag", *key, do=do)
        elif named:
            self.file.fault("a waiver has a resource or a tag, not both", *key, do="leave one of them out")
        elif not (name.strip() and equals and value.strip()):
            self.file.fault(f'"{text}" is no tag', *key, do='write tag = "NAME=VALUE"')
        return name.strip(), value.strip()

    def _date(self, table: str, place: int, entry: dict[str, Any]) -> date | None:
        value = entry.get("expires")
        if value is None:
            do = f"write {expiry(self.today, self.max_days)}"
            self.file.fault(f"a {table} needs expires", table, place, "expires", do=do)
            return None
        try:
            return day(value, self.today, self.max_days)
        except InputError as error:
            self.file.fault(error.what, table, place, "expires", do=error.do)
            return None

    def _known(self, table: str, place: int, pattern: str) -> bool:
        try:
            self.rules.check(pattern, f"{table} of")
        except InputError as error:
            self.file.fault(error.what, table, place, "rule", do=error.do)
            return False
        return True

    def _width(self, table: str, place: int, rule: str, resource: str) -> None:
        """Refuse rules that are not there, and several on every resource: that accepts what nobody has seen."""
        if not rule.strip() or not self._known(table, place, rule):
            return
        if not all(fits(probe, resource) for probe in _PROBES):
            return
        count = sum(matches(each, rule) for each in self.rules.rules.values())
        if count > 1:
            self.file.fault(
                f"this {table} is too wide: "
                f"it accepts {count:,} rules on every resource, also what nobody has seen yet",
                *(table, place, "resource"),
                do='name the resources, resource = "*/resourceGroups/NAME/*", or one rule',
            )


def day(value: object, today: date, max_days: int) -> date:
    """The date of an `expires`. Raises InputError where it is none, or lies too far ahead."""
    do = f"write {expiry(today, max_days)}"
    found: object = value
    if isinstance(value, str):
        try:
            found = date.fromisoformat(value.strip())
        except ValueError:
            found = None
    if isinstance(found, datetime):
        found = found.date()
    if not isinstance(found, date):
        raise InputError(f'"{value}" is no date', do=do)
    if found > today + timedelta(days=max_days):
        raise InputError(f"{found} is more than {max_days} days ahead", do=do)
    return found


def expiry(today: date, max_days: int) -> str:
    """How to write an `expires`, for errors."""
    ahead = min(_ahead(today), today + timedelta(days=max_days))
    return f"expires = {ahead}, at most {'a year' if max_days == MAX_DAYS else f'{max_days} days'} ahead"


def _ahead(today: date) -> date:
    """The end of this year; of the next one where that is near."""
    end = date(today.year, 12, 31)
    return end if end - today > timedelta(days=14) else date(today.year + 1, 6, 30)
