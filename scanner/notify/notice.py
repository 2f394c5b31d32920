"""What is told to whom: a notice, or None where there is no news. Pure; each kind writes it in its own form."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import msgspec

from scanner.config.notifications import Target
from scanner.config.waivers import ExpiringEntry
from scanner.document.schema import ChangesRow, GapRow, ScanRow
from scanner.evaluate.run import Tally
from scanner.exit_codes import Exit
from scanner.history import compare as news
from scanner.history.compare import Change, Item
from scanner.model.ids import segments, type_of
from scanner.model.verdict import Severity
from scanner.terminal.text import clean, middle

SCHEMA = "twolocks-notice/1"
WARNED = (14, 3)
"""So many days before a waiver expires it is told: once for each."""
GAPS = 10
TEXT = 400
NAME = 120
ResourceType = Literal["news", "baseline", "unknown", "test"]
News = Literal["new", "reopened", "worse"]


class Entry(msgspec.Struct, kw_only=True, frozen=True):
    """One thing that is new, reopened or worse, as a scan saw it. `why`: what became worse, why it is open again.
    `late`: an earlier scan found it, and it could not be told then. `since`: the time of the scan that saw it first.
    """

    news: News
    kind: Literal["exposure", "finding"]
    severity: str
    owner: str
    resource: str
    endpoint: str
    address: str
    rule: str
    title: str
    reach: str
    authentication: str
    why: str
    since: str
    late: bool
    fingerprint: str


class Ends(msgspec.Struct, kw_only=True, frozen=True):
    """A waiver or an accepted gap that is about to expire. `covers`: how many findings or gaps count again then."""

    what: str
    owner: str
    expires: str
    at: str
    covers: int


class Told(msgspec.Struct, kw_only=True, frozen=True):
    """The scan that a notice is about, and how it ended."""

    id: str
    taken: str
    tool: str
    cloud: str
    subscriptions: list[str]
    complete: bool
    exit: int
    why: str


class Hole(msgspec.Struct, kw_only=True, frozen=True):
    """A read that failed and is not accepted."""

    url: str
    status: int
    code: str
    action: str


class Notice(msgspec.Struct, kw_only=True, frozen=True):
    """A notice. `kind`: news; baseline (the first scan: counts only); unknown (the history could not be read, so that
    nobody knows what is new); test. `remarks` are what must be known to read it; what was not read is among them.
    `counts`: of this scan, whoever is told; `open` by severity. `items`: the worst first.
    """

    schema: str = SCHEMA
    notification: str
    kind: ResourceType
    title: str
    scan: Told | None
    remarks: list[str]
    counts: dict[str, int]
    open: dict[str, int]
    items: list[Entry]
    waivers: list[Ends]
    gaps: list[Hole]
    files: list[str]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a notification knows from before: the last scan of the selection that it was told of (or that had no news),
    its day and whether it was complete, and what it was not told since.
    """

    day: date | None = None
    complete: bool = True
    late: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a scan came to. `row` and `changes` are None where the history could not be read."""

    scan: ScanRow
    tally: Tally
    end: Exit
    today: date
    row: ChangesRow | None = None
    changes: news.Changes | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    """The owner tag of each resource that has one, by its id in lower case."""
    expiring: Sequence[ExpiringEntry] = ()
    lost: Sequence[str] = ()
    """What went wrong with the history."""
    files: Sequence[str] = ()


def notice(target: Target, facts: Facts, earlier: Earlier) -> Notice | None:
    """What a notification is told after a scan; None where there is no news for it."""
    kind: ResourceType = "unknown" if facts.row is None else "baseline" if facts.row.baseline else "news"
    items = _items(target, facts, earlier) if kind == "news" else []
    ends = _ends(target, facts, earlier) if kind != "unknown" else []
    broke = kind == "news" and not facts.scan.complete and earlier.complete
    if kind == "news" and not (items or ends or broke):
        return None
    tally = facts.tally
    standing = {each.name: tally.exposures[each.name] + tally.others[each.name] for each in reversed(Severity)}
    return Notice(
        notification=target.name,
        kind=kind,
        title=_title(kind, items, ends, standing, broke=broke),
        scan=_told(facts),
        remarks=list(_remarks(kind, facts, ends, broke=broke)),
        counts=dict(facts.row.counts) if facts.row is not None else {},
        open=standing,
        items=items,
        waivers=ends if kind == "news" else [],
        gaps=_holes(facts.tally.gaps),
        files=list(facts.files),
    )


def trial(target: Target, tool: str) -> Notice:
    """What `twolocks notify test` sends."""
    return Notice(
        notification=target.name,
        kind="test",
        title=f"This is a test of the notification {target.name}; nothing was scanned",
        scan=None,
        remarks=[f"Sent by {tool}. Nothing needs to be done"],
        counts={},
        open={},
        items=[],
        waivers=[],
        gaps=[],
        files=[],
    )


# What is told


def _items(target: Target, facts: Facts, earlier: Earlier) -> list[Entry]:
    found = {each.item.key: (each, False) for each in (facts.changes.paging(target.least) if facts.changes else ())}
    for each in earlier.late:
        if each.item.counts and Severity[each.item.severity] >= target.least:
            found.setdefault(each.item.key, (each, True))
    made = [_entry(change, facts, late=late) for change, late in found.values()]
    wanted = [each for each in made if not target.owner or each.owner.casefold() == target.owner.casefold()]
    return sorted(wanted, key=lambda each: (-Severity[each.severity], each.resource.lower(), each.endpoint, each.rule))


def _entry(change: Change, facts: Facts, *, late: bool) -> Entry:
    item = change.item
    return Entry(
        news=change.news if change.news in ("reopened", "worse") else "new",
        kind=item.kind,
        severity=item.severity,
        owner=owner_of(item, facts.owners),
        resource=item.resource,
        endpoint=item.endpoint,
        address=item.address,
        rule=item.rule,
        title=item.title,
        reach=item.reach,
        authentication=item.authentication,
        why=change.why,
        since=item.since,
        late=late,
        fingerprint=item.fingerprint,
    )


def owner_of(item: Item, owners: Mapping[str, str]) -> str:
    """The owner of the resource itself, else of the top-level resource that it lies in."""
    return owners.get(item.resource.lower(), "") or owners.get(news.top_of(item.resource), "")


def _ends(target: Target, facts: Facts, earlier: Earlier) -> list[Ends]:
    return [
        Ends(what=each.what, owner=each.owner, expires=each.expires.isoformat(), at=each.at, covers=each.used)
        for each in facts.expiring
        if each.used
        and _due(each.expires, facts.today, earlier.day)
        and (not target.owner or each.owner.casefold() == target.owner.casefold())
    ]


def _due(expires: date, today: date, before: date | None) -> bool:
    """Whether one of the days of WARNED has come since the last time."""
    left = (expires - today).days
    known = (expires - before).days if before is not None else max(WARNED) + 1
    return any(left <= days < known for days in WARNED)


def _holes(gaps: Iterable[GapRow]) -> list[Hole]:
    found = [each for each in gaps if not each.accepted][:GAPS]
    return [Hole(url=each.url, status=each.status, code=each.code, action=each.action) for each in found]


def _told(facts: Facts) -> Told:
    scan = facts.scan
    names = {scope.subscription.lower(): scope.name for scope in facts.tally.scopes}
    return Told(
        id=scan.id,
        taken=scan.taken,
        tool=scan.tool,
        cloud=scan.cloud,
        subscriptions=[names.get(each.lower()) or each for each in scan.scopes],
        complete=scan.complete,
        exit=facts.end.code,
        why=facts.end.why,
    )


# In words


def _title(
    kind: ResourceType, items: Sequence[Entry], ends: Sequence[Ends], standing: dict[str, int], *, broke: bool
) -> str:
    """One line of our own words and numbers."""
    if kind == "baseline":
        return f"First scan, the baseline: {_standing(standing)}"
    if kind == "unknown":
        return f"What is new is not known: the history could not be read; {_standing(standing)}"
    said = []
    if items:
        counts = [(name, sum(each.news == name for each in items)) for name in ("new", "reopened", "worse")]
        worst = f"; the worst is {items[0].severity}" if len(items) > 1 else f" ({items[0].severity})"
        said.append(", ".join(f"{count:,} {name}" for name, count in counts if count) + worst)
    if ends:
        said.append(f"{len(ends):,} {'waiver is' if len(ends) == 1 else 'waivers are'} about to expire")
    if broke:
        said.append("not everything could be read any more")
    title = "; ".join(said)
    return title[:1].upper() + title[1:]


def _standing(standing: Mapping[str, int]) -> str:
    said = [f"{count:,} {name}" for name, count in standing.items() if count]
    return f"{sum(standing.values()):,} stand open" + (f" ({', '.join(said)})" if said else "")


def _remarks(kind: ResourceType, facts: Facts, ends: Sequence[Ends], *, broke: bool) -> Iterator[str]:
    """What must be known to read the rest, the gravest first."""
    if not facts.scan.complete:
        yield _incomplete(facts.tally) + (". The scan before could read everything" if broke else "")
    yield from (f"The history was not written: {each}. The same may be told again" for each in facts.lost)
    if facts.tally.errors:
        rules = len({each.rule for each in facts.tally.errors})
        yield f"{rules:,} {'rule' if rules == 1 else 'rules'} crashed; what they judge is not decided"
    if kind == "baseline":
        yield "Nothing in it is new. From now on only what changes is told"
        if ends:
            yield f"{len(ends):,} {'waiver expires' if len(ends) == 1 else 'waivers expire'} within {max(WARNED)} days"
    if facts.row is not None:
        lost = facts.row.counts.get("unseen", 0)
        yield from [f"{lost:,} that stood open could not be seen again; they do not count as fixed"] if lost else []
        yield from (each[:1].upper() + each[1:] for each in facts.row.notes)


def _incomplete(tally: Tally) -> str:
    gaps, checks = tally.unaccepted, tally.statuses["unknown"] - tally.settled
    said = [f"{gaps:,} {'read' if gaps == 1 else 'reads'} failed"] if gaps else []
    said += [f"{checks:,} {'check is' if checks == 1 else 'checks are'} undecided"] if checks else []
    more = f": {', '.join(said)}" if said else ""
    return f"Not everything could be read{more}. What was not read may be open too"


# Grouped and capped


@dataclass(frozen=True, slots=True)
class Place:
    """A top-level resource and what is told of it."""

    resource: str
    entries: list[Entry]

    @property
    def name(self) -> str:
        return short(self.resource.rstrip("/").rsplit("/", 1)[-1])

    @property
    def about(self) -> str:
        """`Microsoft.Storage/storageAccounts in rg-journal`."""
        parts = [part for part in self.resource.split("/") if part]
        group = parts[3] if len(parts) > 3 and parts[2].lower() == "resourcegroups" else ""
        return short(type_of(self.resource) or "subscription") + (f" in {short(group)}" if group else "")


@dataclass(frozen=True, slots=True)
class Group:
    """What one owner answers for; `owner` is "" for what has no owner tag."""

    owner: str
    places: list[Place]


def grouped(entries: Sequence[Entry]) -> list[Group]:
    """By owner, and by top-level resource below it; the order of the entries decides which comes first."""
    owners: dict[str, dict[str, list[Entry]]] = {}
    for each in entries:
        owners.setdefault(each.owner, {}).setdefault(news.top_of(each.resource), []).append(each)
    return [
        Group(owner, [Place(_top(found[0].resource), found) for found in places.values()])
        for owner, places in owners.items()
    ]


def _top(resource: str) -> str:
    parts = [part for part in resource.split("/") if part]
    return "/" + "/".join(parts[: len(segments(news.top_of(resource)))])


def heading(group: Group, *, owned: bool) -> str:
    """The line above a group; "" where no owners are known at all."""
    if not owned:
        return ""
    return f"Owner: {short(group.owner)}" if group.owner else "Without an owner"


def owned(entries: Iterable[Entry]) -> bool:
    return any(each.owner for each in entries)


def sentence(entry: Entry) -> str:
    """`new: blob/export. Anybody can read this container`; one line, nothing in it shows as something else."""
    item = entry.endpoint or _below(entry.resource)
    where = short(f"{item}@{entry.address}" if entry.address else item)
    text = f"{where}. {entry.title}" if where else entry.title
    more = f"; {entry.why}" if entry.why else ""
    late = " (found by an earlier scan, not told then)" if entry.late else ""
    return line(f"{entry.news}: {text}{more}") + late


def _below(resource: str) -> str:
    """What an id names below its top-level resource: the names of its children."""
    parts = [part for part in resource.split("/") if part]
    return "/".join(parts[len(segments(news.top_of(resource))) + 1 :: 2])


def ends_sentence(each: Ends) -> str:
    covers = f"{each.covers:,} {'counts' if each.covers == 1 else 'count'} again then"
    return line(f"{each.what}, accepted by {each.owner} until {each.expires} ({each.at}); {covers}")


def hole_sentence(each: Hole) -> str:
    missing = f", missing {each.action}" if each.action else ""
    return line(f"{each.url}: {each.status} {each.code}{missing}")


def scan_sentence(told: Told) -> str:
    """`prod-journal, 25 November 2026, 02:00 UTC. Exit 1: ...`."""
    names = [short(each) for each in told.subscriptions[:3]]
    more = f" and {len(told.subscriptions) - 3:,} more" if len(told.subscriptions) > 3 else ""
    return f"{', '.join(names)}{more}, {_time(told.taken)}. Exit {told.exit}: {line(told.why)}"


def _time(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return clean(text)
    return f"{found.day} {found:%B %Y, %H:%M} UTC"


def short(name: str) -> str:
    return line(name, NAME)


def line(text: str, width: int = TEXT) -> str:
    """A text on one line of at most so many columns, in which nothing shows as something else."""
    # Of a text that is far too long only both ends are looked at; and marks that take no column may still be many.
    text = text if len(text) <= 4 * width else text[: 2 * width] + text[-2 * width :]
    shown = middle(clean(text), width)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."


def spared(fits: Callable[[int, int], bool], total: int, most: int) -> tuple[int, int]:
    """How many entries, and how many waivers and gaps, a message can hold; fewer of these only where they leave no room
    for entries.
    """
    count = rest = 0
    for rest in (GAPS, 3, 0):
        count = _most(min(total, most), rest, fits)
        if count >= min(total, 3) and fits(count, rest):
            break
    return count, rest


def _most(limit: int, rest: int, fits: Callable[[int, int], bool]) -> int:
    """The largest number up to a limit with which a message fits; one more never makes it smaller."""
    low, high = 0, limit
    while low < high:
        half = (low + high + 1) // 2
        low, high = (half, high) if fits(half, rest) else (low, half - 1)
    return low


def and_more(total: int, shown: int) -> str:
    return f"and {total - shown:,} more; all are in the report" if total > shown else ""


def files_sentence(files: Sequence[str]) -> str:
    """`Report: /srv/report.html, findings.json`: the names of what was written, reports first."""
    ordered = sorted(files, key=lambda name: not name.endswith((".html", ".md")))
    return f"Written: {', '.join(line(name) for name in ordered[:5])}"
