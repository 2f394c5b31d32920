"""Checks of a snapshot file while it is read: the counts of its end line and lists, its chain, its time, its ids."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scanner.errors import InputError
from scanner.model.ids import group_of, is_own_list, root_of, segments, subscription_of, type_of
from scanner.snapshot.format import Chain, EndLine, Header, SnapshotLine, sort_key, url_of

VIEWS = ("full", "partial", "none")
AHEAD = timedelta(minutes=10)
"""How far the time of a snapshot may lie ahead of this machine's clock."""
_DO = "collect it again; a snapshot that was changed is not evaluated"


def check_taken(header: Header, at: str) -> None:
    """Raise InputError where the time of a snapshot is no time, or lies ahead of the clock."""
    try:
        taken = datetime.fromisoformat(header.taken)
    except ValueError:
        raise InputError(f'"{header.taken[:40]}" is no time (ISO 8601)', at=at, do=_DO) from None
    taken = taken if taken.tzinfo is not None else taken.replace(tzinfo=UTC)
    if taken > datetime.now(UTC) + AHEAD:
        raise InputError(
            f"the snapshot was taken at {header.taken}, which lies ahead of the clock of this machine",
            at=at,
            do="set the clock, or collect it again",
        )


class LineChecks:
    """What was seen of a file so far. Version 1 has no chain, may hold two records of a resource, and is not sorted
    as strictly.
    """

    def __init__(self, path: Path, header: Header, first: bytes) -> None:
        self.path = path
        self.header = header
        self.strict = header.version > 1
        self.ended = False
        self.resources = self.reads = self.gaps = 0
        self._ids: set[str] = set()
        self._last = ""
        self._chain = Chain()
        self._chain.add(first.strip())
        self._lists = ListChecks(header.grouped)

    def add(self, number: int, raw: bytes, line: SnapshotLine) -> None:
        """Check a line. Raises InputError that names it."""
        at = f"{self.path}:{number}"
        if line.end is not None:
            self.ended = True
            self._check_end(at, line.end)
            return
        self._chain.add(raw.rstrip(b"\n"))
        self._count(line)
        if line.scope is not None and line.scope.view not in VIEWS:
            raise InputError(f'unknown view "{line.scope.view[:40]}"', at=at, do=f"known: {', '.join(VIEWS)}")
        if self.strict:
            self._check_once(at, line)
            self._lists.add(at, line)

    def _count(self, line: SnapshotLine) -> None:
        if line.resource is not None and self.strict:
            self.resources += 1
        elif line.resource is not None:
            self._ids.add(url_of(line).lower())
            self.resources = len(self._ids)
        self.reads += line.read is not None
        self.gaps += line.gap is not None

    def _check_once(self, at: str, line: SnapshotLine) -> None:
        """Check that a grouped file is sorted, and that no resource or subscription is in it twice."""
        key = sort_key(line)
        twice = line.resource is not None or line.scope is not None
        if not self.header.grouped:
            if twice and key in self._ids:
                raise InputError(f"two records with the id {_shown(line)}", at=at, do=_DO)
            self._ids.update([key] if twice else ())
            return
        if key < self._last:
            raise InputError("the snapshot is marked as grouped, but this line is out of order", at=at, do=_DO)
        if twice and key == self._last:
            raise InputError(f"two records with the id {_shown(line)}", at=at, do=_DO)
        self._last = key

    def _check_end(self, at: str, end: EndLine) -> None:
        seen = {"resources": self.resources, "reads": self.reads, "gaps": self.gaps}
        for what, count in seen.items():
            if getattr(end, what) != count:
                said = f"the end line counts {getattr(end, what):,} {what}, the snapshot holds {count:,}"
                raise InputError(said, at=at, do=_DO)
        if not self.strict:
            return
        if end.chain != self._chain.text:
            raise InputError("a line was changed, added or removed: the chain of the lines differs", at=at, do=_DO)
        if not self.header.part:
            self._lists.check()


class ListChecks:
    """Compares the count of each list with the resources that the file holds.

    What a list of a subscription or group counted is compared at the end; what a list below a resource counted, in a
    grouped file, where that list stands: after the resources of its bundle.
    """

    def __init__(self, grouped: bool) -> None:
        self._grouped = grouped
        self._counts: dict[str, tuple[int, str]] = {}
        self._found: Counter[str] = Counter()
        self._root = ""
        self._below: Counter[str] = Counter()

    def add(self, at: str, line: SnapshotLine) -> None:
        """Note a line. Raises InputError where a list below a resource counts more than the file holds."""
        url = url_of(line)
        root = root_of(url)
        if root != self._root:
            self._root = root
            self._below.clear()
        place = _plain(url)
        if line.read is None:
            if place == root or line.resource is not None:
                self._found.update(_lists_of(url))
            self._below.update((place, place.rpartition("/")[0]) if line.resource is not None else ())
        elif not root and "/providers/" in place:
            self._counts[place] = line.read.count, at
        elif root and self._grouped and not is_own_list(url):
            _compare(at, line.read.count, self._below[place])

    def check(self) -> None:
        """Raise InputError where the file holds fewer resources than a list counts."""
        for place, (count, at) in self._counts.items():
            _compare(at, count, self._found[place])


def _compare(at: str, count: int, found: int) -> None:
    if found < count:
        raise InputError(f"the list counts {count:,} resources, the snapshot holds {found:,}", at=at, do=_DO)


def _plain(url: str) -> str:
    return "/" + "/".join(segments(url))


def _lists_of(url: str) -> tuple[str, ...]:
    """Return the lists that a resource is in: that of its subscription, and that of its resource group."""
    type, subscription, group = type_of(url), subscription_of(url), group_of(url)
    wide = f"/subscriptions/{subscription}/providers/{type}".lower()
    return (
        (wide, f"/subscriptions/{subscription}/resourcegroups/{group}/providers/{type}".lower()) if group else (wide,)
    )


def _shown(line: SnapshotLine) -> str:
    return line.scope.subscription if line.scope is not None else url_of(line)
