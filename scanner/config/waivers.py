"""Waivers: accepted findings and accepted failed reads, with reason, owner and expiry."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from scanner.document.schema import WaiverRow
from scanner.evaluate.gaps import ends
from scanner.evaluate.policy import Failure, WaiverUse
from scanner.model.exposure import Auth, EndpointKind, Reach
from scanner.model.ids import name_of, subscription_of, type_of
from scanner.model.message import Message, Number
from scanner.model.resource import LOST, Gap
from scanner.model.rule import Rule
from scanner.model.severity import Severity
from scanner.rulebook.loader import match_whole, matches, merged_rows, names_merged_row

EXPIRING_DAYS = 14
NOTES = 20
_KINDS = ("data", "admin", "app")
_UNKNOWN = "unknown"

Cell = tuple[EndpointKind, Auth | None, Reach]
"""Kind, authentication (None: unknown) and reach of an endpoint."""


class Waiver(Struct, frozen=True):
    """An entry of [[waiver]]: an accepted finding. `rule` is a PATTERN; `resource` an id, or a pattern with `*`,
    or else `tag` (name, value).

    An endpoint that is not in `endpoints`, or exceeds `cell` (kind, authentication, reach) or `severity`, is not
    covered. `line` is that of the entry, `at` is `file:line`.
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
        """Return whether it selects this resource. Names of tags are compared without case, values with case."""
        if self.tag is None:
            return fits(resource, self.resource)
        name, value = self.tag
        return any(each.lower() == name.lower() and text == value for each, text in tags.items())

    def covers(self, failure: Failure) -> bool:
        """Return whether it accepts this endpoint of a failed finding at its current severity."""
        if self.severity is not None and failure.severity is not None and failure.severity > self.severity:
            return False
        if self.endpoints and not any(_is_listed(failure, pattern) for pattern in self.endpoints):
            return False
        return self.cell is None or _is_within(failure.cell, self.cell)

    def text(self) -> Message:
        """Return a short description: `storage-plain-http on stjournal`."""
        if self.tag is not None:
            return Message("{rule} on tag {list}", rule=self.rule, list="=".join(self.tag))
        return Message("{rule} on {resource}", rule=self.rule, resource=name_of(self.resource))


class GapEntry(Struct, frozen=True):
    """An entry of [[gap]]: what stays inconclusive. `url` is a pattern of the path of a read that fails; or else
    `rule`, a PATTERN, is Unknown on `resource`, an id or a pattern.

    A subscription with partial visibility, or one that is not listed, is named without `*`.
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

    def means(self, id: str, tags: Mapping[str, str] | None = None) -> bool:
        """Return whether it selects the read of this path, or this resource."""
        pattern = self.resource if self.rule else self.url
        return fits(id, pattern) and (bool(type_of(id)) or "*" not in pattern)

    def text(self) -> Message:
        """Return a short description."""
        return (
            Message("inconclusive {rule} on {resource}", rule=self.rule, resource=name_of(self.resource))
            if self.rule
            else Message("the gap {url}", url=self.url)
        )


Entry = Waiver | GapEntry
E = TypeVar("E", bound=Entry)


def row_of(entries: Iterable[Entry]) -> WaiverRow | None:
    """Return the row of the entry that expires last, None without any."""
    last = max(entries, key=lambda each: each.expires, default=None)
    return None if last is None else WaiverRow(last.reason, last.owner, last.expires.isoformat(), last.ticket)


def _row_of_rule(rule: Rule, resource: str, entries: Sequence[Entry]) -> WaiverRow | None:
    """Return the row of the entries that accept all of a rule on a resource: of several the one that expires last.

    Where each of them accepts a part of a merged rule, they accept it together, until the first of them expires.
    """
    if not rule.merged:
        return row_of(entries)
    type = type_of(resource)
    whole = row_of(each for each in entries if match_whole(rule, (each.rule,), type))
    if whole is not None:
        return whole
    rows = [row_of(each for each in entries if names_merged_row(row, each.rule)) for row in merged_rows(rule, type)]
    return min(filter(None, rows), key=ends) if rows and all(rows) else None


class _ByRule(Struct, Generic[E]):
    """Entries by rule: those of one resource by its id, and the others."""

    entries: Sequence[E]
    _cache: dict[str, tuple[dict[str, list[E]], list[E]]] = msgspec.field(default_factory=dict)

    def of(self, rule: Rule) -> tuple[dict[str, list[E]], list[E]]:
        """Return the entries of a rule: by id (without case), and those with a pattern or a tag."""
        if rule.key not in self._cache:
            self._cache[rule.key] = self._sorted(
                each for each in self.entries if each.rule and matches(rule, each.rule)
            )
        return self._cache[rule.key]

    def _sorted(self, entries: Iterable[E]) -> tuple[dict[str, list[E]], list[E]]:
        exact: dict[str, list[E]] = {}
        patterns: list[E] = []
        for each in entries:
            if "*" in each.resource or not each.resource:
                patterns.append(each)
            else:
                exact.setdefault(_plain(each.resource), []).append(each)
        return exact, patterns

    def about(self, rule: Rule, resource: str, tags: Mapping[str, str]) -> list[E]:
        """Return the entries of a rule that name a resource."""
        exact, patterns = self.of(rule)
        return [*exact.get(_plain(resource), ()), *(each for each in patterns if each.means(resource, tags))]


@dataclass(slots=True)
class WaiverFile:
    """The entries of a waiver file that apply today: a `scanner.evaluate.policy.Waivers`. `lapsed` ones have expired.

    It records the requests of an evaluation, so that `notes` can name the entries that match nothing.
    """

    waivers: tuple[Waiver, ...] = ()
    gaps: tuple[GapEntry, ...] = ()
    lapsed: tuple[Entry, ...] = ()
    used: Counter[Entry] = field(default_factory=Counter)
    """How many endpoints and findings a live entry covers, and an expired one would cover."""
    met: set[Entry] = field(default_factory=set)
    """Entries whose rule failed or was inconclusive on a resource that they name."""
    _waivers: _ByRule[Waiver] = field(init=False)
    _checks: _ByRule[GapEntry] = field(init=False)
    _gone: frozenset[Entry] = field(init=False)

    def __post_init__(self) -> None:
        self._gone = frozenset(self.lapsed)
        self._waivers = _ByRule([*self.waivers, *(each for each in self.lapsed if isinstance(each, Waiver))])
        self._checks = _ByRule([*self.gaps, *(each for each in self.lapsed if isinstance(each, GapEntry))])

    @property
    def expired(self) -> int:
        return len(self.lapsed)

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the names of the tags that entries select by."""
        return tuple(each.tag[0] for each in (*self.waivers, *self.lapsed) if isinstance(each, Waiver) and each.tag)

    def names(self, rule: Rule) -> bool:
        """Return whether a waiver is about a rule."""
        return any(self._waivers.of(rule))

    def waived(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> WaiverRow | None:
        """Return the waiver that covers an endpoint of a failed finding: of several the one that expires last."""
        live = [each for each in self._covering(rule, resource, tags, failure) if each not in self._gone]
        row = _row_of_rule(rule, resource, live)
        if row is not None:
            self.used.update(live)
        return row

    def past(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> WaiverRow | None:
        """Return the waiver that covered it and has expired: of several the one that expired last."""
        gone = [each for each in self._covering(rule, resource, tags, failure) if each in self._gone]
        self.used.update(gone)
        return row_of(gone)

    def inconclusive(self, rule: Rule, resource: str) -> None:
        """Record that a rule is Unknown on a resource or a child of it, so no waiver there is reported as needless."""
        exact, patterns = self._waivers.of(rule)
        checks, wide = self._checks.of(rule)
        location = _plain(resource)
        below: list[tuple[str, Sequence[Entry]]] = [*exact.items(), *checks.items()]
        for id, items in below:
            if id == location or id.startswith(f"{location}/"):
                self.met.update(items)
        self.met.update(patterns, (each for each in wide if each.means(resource)))

    def accepted_check(self, rule: Rule, resource: str) -> WaiverRow | None:
        """Return the entry that accepts that the rule is Unknown on this resource: the one that expires last."""
        gap_entries = self._checks.about(rule, resource, {})
        self.used.update(gap_entries)
        return _row_of_rule(rule, resource, [each for each in gap_entries if each not in self._gone])

    def begin(self) -> None:
        """Discard the records of an earlier evaluation."""
        self.used.clear()
        self.met.clear()

    def fork(self) -> "WaiverFile":
        """Return the same entries with records of their own, for a part of an evaluation."""
        made = copy(self)
        made.used, made.met = Counter(), set()
        return made

    def fragment(self) -> WaiverUse:
        """Return what was recorded in a part."""
        positions = {each: position for position, each in enumerate(self._entries)}
        used = {positions[each]: count for each, count in self.used.items()}
        return WaiverUse(used, [positions[each] for each in self.met])

    def join(self, fragment: WaiverUse) -> None:
        """Add what was recorded in another part. Of an entry on a failed read it counts only whether it is used."""
        entries = self._entries
        for position, count in fragment.used.items():
            self.used[entries[position]] += count
        self.met.update(entries[position] for position in fragment.met)

    @property
    def _entries(self) -> tuple[Entry, ...]:
        return (*self.waivers, *self.gaps, *self.lapsed)

    def accepted_gap(self, gap: Gap) -> WaiverRow | None:
        """Return the entry that accepts a gap: of several the one that expires last."""
        about = [each for each in self._checks.entries if not each.rule and each.means(gap.url)]
        past = [each for each in about if each in self._gone]
        # An entry that accepts partial visibility of a subscription does not accept that it is no longer listed.
        live = [each for each in about if each not in self._gone and gap.code != LOST]
        self.met.update(live, past)
        self.used.update(live)
        return row_of(live)

    def notes(self, enabled: Iterable[Rule], subscriptions: Collection[str], *, whole: bool) -> list[str]:
        """Return notes on single entries, after a scan: those that have expired, or cover nothing.

        `subscriptions` (lower case) have full visibility; `whole`: so does the whole scope. An entry that covers
        nothing is reported only if everything that it selects had full visibility.
        """
        rules = list(enabled)
        notes = []
        for each in sorted(self._entries, key=lambda each: each.line):
            asked = _was_evaluated(each, rules, subscriptions, whole)
            if each in self._gone and (asked or self.used[each]):
                notes.append(self._expired_note(each))
            elif each not in self._gone and asked and not self.used[each]:
                notes.append(self._needless_note(each, rules))
        more = len(notes) - NOTES
        return [*notes[:NOTES], *([Message("and {more} more notes on waivers", more=Number(more))] if more > 0 else [])]

    def _expired_note(self, each: Entry) -> str:
        gone = Message(
            "{at}: the waiver of {owner} for {says} expired on {expires}",
            at=each.at,
            owner=each.owner,
            says=each.text(),
            expires=each.expires,
        )
        if isinstance(each, GapEntry):
            counts, is_gone = Message("the gap counts again"), Message("this gap no longer exists")
            if each.rule:
                counts, is_gone = Message("the check counts again"), Message("this check no longer exists")
            return f"{gone}; {counts if each in self.met else is_gone}"
        count = self.used[each]
        return (
            Message("{gone}; what it covered ({count}) counts again", gone=gone, count=Number(count))
            if count
            else Message("{gone}; it covered nothing", gone=gone)
        )

    def _needless_note(self, each: Entry, rules: Iterable[Rule]) -> Message:
        if each not in self.met:
            return Message("{at}: {says} matches nothing; delete it if this is fixed", at=each.at, says=each.text())
        for rule in rules:
            if rule.merged and matches(rule, each.rule) and not match_whole(rule, (each.rule,)):
                return Message(
                    "{at}: {says} is not covered: that rule is now a part of {id}; name {id2}",
                    at=each.at,
                    says=each.text(),
                    id=rule.id,
                    id2=rule.id,
                )
        if isinstance(each, Waiver):
            why = Message("inconclusive, above the accepted severity, or at other endpoints")
            return Message("{at}: {says} is not covered: {why}", at=each.at, says=each.text(), why=why)
        return Message(
            "{at}: {says} is not covered: it depends on a failed read, or its rule crashed",
            at=each.at,
            says=each.text(),
        )

    def _covering(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> list[Waiver]:
        about = self._waivers.about(rule, resource, tags)
        self.met.update(about)
        return [each for each in about if each.covers(failure)]


class ExpiringEntry(Struct, frozen=True):
    """An entry that is about to expire."""

    what: str
    owner: str
    expires: date
    at: str
    used: int
    """How many findings (or gaps) it covers in this scan."""


def expiring(file: object, today: date | None = None, days: int = EXPIRING_DAYS) -> list[ExpiringEntry]:
    """Return the live entries of a `WaiverFile` that expire within `days`, soonest first; [] for other objects."""
    if not isinstance(file, WaiverFile):
        return []
    last = (today or utc_today()) + timedelta(days=days)
    live: list[Entry] = [*file.waivers, *file.gaps]
    expiring_entries = [
        ExpiringEntry(each.text(), each.owner, each.expires, each.at, file.used[each])
        for each in live
        if each.expires <= last
    ]
    return sorted(expiring_entries, key=lambda each: (each.expires, each.at))


def utc_today() -> date:
    """Return the day, in UTC."""
    return datetime.now(UTC).date()


def _was_evaluated(each: Entry, rules: Sequence[Rule], subscriptions: Collection[str], whole: bool) -> bool:
    """Return whether this scan evaluated everything that the entry selects."""
    about = each.resource if each.rule else each.url if isinstance(each, GapEntry) else ""
    subscription = subscription_of(about) if about.startswith("/") else ""
    seen = subscription in subscriptions if subscription and "*" not in subscription else whole
    return seen and (not each.rule or any(matches(rule, each.rule) for rule in rules))


# Patterns


def fits(text: str, pattern: str) -> bool:
    """Return whether a pattern matches an id, a path or a name, without case: `*` is anything, `[*]` an asterisk."""
    return _pattern(_plain(pattern)).fullmatch(_plain(text)) is not None


def literal(text: str) -> str:
    """Return the pattern that matches only this text."""
    return text.replace("*", "[*]")


def _plain(text: str) -> str:
    return text.strip().rstrip("/").lower()


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    segments = [".*".join(re.escape(segment) for segment in piece.split("*")) for piece in text.split("[*]")]
    return re.compile(re.escape("*").join(segments), re.DOTALL)


def _is_listed(failure: Failure, pattern: str) -> bool:
    """Return whether a pattern matches an endpoint: its name, or `name@address` if a machine has several."""
    if failure.address and fits(f"{failure.endpoint}@{failure.address}", pattern):
        return True
    return fits(failure.endpoint, pattern)


def _is_within(text: str, accepted: Cell) -> bool:
    """Return whether a cell does not exceed the accepted one. Data and admin endpoints rank above apps."""
    cell = parse_cell(text)
    if cell is None:
        return False
    kind, auth, reach = cell
    known, most_auth, most_reach = accepted
    if (known == "app" and kind != "app") or reach > most_reach:
        return False
    # Unknown authentication counts as an identity in the accepted cell, and as anything in the current one.
    return most_auth is None if auth is None else auth <= (most_auth or Auth.identity)


def parse_cell(text: str) -> Cell | None:
    """Return the parts of a cell such as `admin/shared/internet`; None if the text is not a cell."""
    segments = text.strip().lower().split("/")
    if len(segments) != 3 or segments[0] not in _KINDS:
        return None
    auth, reach = Auth.__members__.get(segments[1]), Reach.__members__.get(segments[2])
    if reach is None or (auth is None and segments[1] != _UNKNOWN):
        return None
    return segments[0], auth, reach  # type: ignore[return-value]
