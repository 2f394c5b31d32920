"""Checks of a snapshot file while it is read: the counts of its end line and lists, its chain, its time, its ids."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from scanner.errors import InputError
from scanner.model.ids import QUOTA_TYPES, group_of, is_bundle_list, list_of, segments, subscription_of, type_of
from scanner.snapshot.format import LINE_LIMIT, Chain, EndLine, Header, SnapshotLine, root_of_line, sort_key, url_of

_QUOTAS = frozenset(each.lower() for each in QUOTA_TYPES)
VIEWS = ("full", "partial", "none")
_DO = "collect it again; a snapshot that was changed is not evaluated"


class LineChecks:
    """What was seen of a file so far. Version 1 has no chain, may hold two records of a resource, and is not sorted
    as strictly. `first`: the first line, and its number. `is_partial`: what a list counts may be in another part.
    """

    def __init__(self, path: Path, header: Header, first: bytes, number: int = 1, *, is_partial: bool = False) -> None:
        self.path = path
        self.header = header
        self.is_partial = is_partial or header.filtered
        self.strict = header.version > 1
        self.ended = False
        self.resources = self.reads = self.gaps = 0
        self._ids: set[str] = set()
        self._last = ""
        self._chain = Chain()
        self._chain.add(first.strip())
        self._checkpoint = number
        self._lists = ListChecks(header.grouped)

    def add(self, number: int, raw: bytes, line: SnapshotLine) -> None:
        """Check a line. Raises InputError that names it."""
        at = f"{self.path}:{number}"
        if line.end is not None:
            self.ended = True
            self._check_end(number, line.end)
            return
        if self.strict and line.chain:
            self._check_chain(number, line.chain)
            self._checkpoint, line.chain = number, ""
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

    def _check_chain(self, number: int, chain: str) -> None:
        """Raise InputError where the lines before this one differ from those that were written. Names the range."""
        if chain != self._chain.text:
            first = self._checkpoint
            raise InputError(
                f"between line {first:,} and line {number:,} something was changed, added or removed:"
                " the chain of the lines differs",
                at=f"{self.path}:{first}-{number}",
                do=_DO,
            )

    def _check_end(self, number: int, end: EndLine) -> None:
        at = f"{self.path}:{number}"
        if self.strict:
            self._check_chain(number, end.chain)
        seen = {"resources": self.resources, "reads": self.reads, "gaps": self.gaps}
        for what, count in seen.items():
            if getattr(end, what) != count:
                text = f"the end line counts {getattr(end, what):,} {what}, the snapshot holds {count:,}"
                raise InputError(text, at=at, do=_DO)
        if self.strict:
            self._lists.end_bundle()
            if not self.is_partial:
                self._lists.check({subscription_of(each) for each in self.header.excluded})


class ListChecks:
    """Compares the count of each list with the resources that the file holds.

    What a list of a subscription or group counted is compared at the end; what a list below a resource counted, in a
    grouped file, after its bundle. A resource that is too large for a line counts: a gap stands in its place.
    """

    def __init__(self, grouped: bool) -> None:
        self._grouped = grouped
        self._counts: dict[str, tuple[int, str]] = {}
        self._listed: Counter[str] = Counter()
        self._root = ""
        self._below: Counter[str] = Counter()
        self._short: dict[str, tuple[int, str]] = {}

    def add(self, at: str, line: SnapshotLine) -> None:
        """Note a line. Raises InputError where a list of the bundle before it counts more than the file holds."""
        url = url_of(line)
        root = root_of_line(line)
        if root != self._root:
            self.end_bundle()
            self._root = root
        list_path = _plain(url)
        if line.read is None:
            is_one = line.resource is not None or (line.gap is not None and line.gap.code.startswith(LINE_LIMIT))
            if list_path == root or is_one:
                # A grouped file has all lists before its bundles: what no list counts is not held.
                all_lists = not (root and self._grouped)
                self._listed.update([each for each in _lists_of(url) if all_lists or each in self._counts])
            self._below.update((list_path, list_of(url)) if is_one else ())
        elif not root and "/providers/" in list_path:
            self._counts[list_path] = line.read.count, at
        elif root and self._grouped and not is_bundle_list(url) and line.read.count > self._below[list_path]:
            self._short[list_path] = line.read.count, at

    def end_bundle(self) -> None:
        """Raise InputError where the bundle holds fewer resources than one of its lists counts."""
        for list_path, (count, at) in self._short.items():
            _compare(at, count, self._below[list_path])
        self._short.clear()
        self._below.clear()

    def check(self, without: Collection[str] = ()) -> None:
        """Raise InputError where the file holds fewer resources than a list counts.

        `without`: subscriptions (lower case) of which something was excluded, so that lists count more.
        """
        for list_path, (count, at) in self._counts.items():
            if subscription_of(list_path) not in without:
                _compare(at, count, self._listed[list_path])


def _compare(at: str, count: int, value: int) -> None:
    if value < count:
        raise InputError(f"the list counts {count:,} resources, the snapshot holds {value:,}", at=at, do=_DO)


def _plain(url: str) -> str:
    return "/" + "/".join(segments(url))


def _lists_of(url: str) -> tuple[str, ...]:
    """Return the lists that a resource is in: that of its subscription, and that of its resource group. The quotas of a
    region are one resource, and a list of their own.
    """
    type, subscription, group = type_of(url), subscription_of(url), group_of(url)
    if type.lower() in _QUOTAS:
        return (_plain(url),)
    wide = f"/subscriptions/{subscription}/providers/{type}".lower()
    return (
        (wide, f"/subscriptions/{subscription}/resourcegroups/{group}/providers/{type}".lower()) if group else (wide,)
    )


def _shown(line: SnapshotLine) -> str:
    return line.scope.subscription if line.scope is not None else url_of(line)
