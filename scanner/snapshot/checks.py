"""Checks of a snapshot file while it is read: the counts of its end line and lists, its chain, its time, its ids."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from scanner.errors import InputError
from scanner.model.ids import (
    QUOTA_TYPES,
    group_of,
    has_plain_members,
    is_bundle_list,
    is_plain,
    list_of,
    normalized_id,
    subscription_of,
    type_of,
)
from scanner.snapshot.format import (
    LINE_LIMIT,
    Chain,
    EndLine,
    Header,
    SnapshotLine,
    bundle_key,
    root_of_line,
    sort_key,
    url_of,
)

_QUOTAS = frozenset(each.lower() for each in QUOTA_TYPES)
VIEWS = ("full", "partial", "none")
_DO = "collect it again; a snapshot that was changed is not evaluated"


class LineTarget(NamedTuple):
    """What a line is about."""

    path: str
    """Its id or path, as `normalized_id` has it."""
    root: str
    """The id of its bundle, "" without one."""
    key: str
    """Its `sort_key`."""
    below: str | None = None
    """What follows the bundle's id in its path; None where that is not known without all segments."""


class LineTargets:
    """What lines are about, which mostly follow from the bundle of the line before."""

    def __init__(self) -> None:
        self._root = self._key = ""

    def of(self, line: SnapshotLine) -> LineTarget:
        """Return what a line is about."""
        url, root = url_of(line), self._root
        path = url.lower()
        if root and path.startswith(root) and line.named is None and is_plain(url):
            below = path[len(root) :]
            if (not below or below[0] == "/") and "/providers/" not in f"{below}/":
                segment = "1" if line.resource is None else "0"
                return LineTarget(path, root, f"{self._key}\x00{segment}\x00{path}", below)
        root = root_of_line(line)
        self._root = root if has_plain_members(root) else ""
        self._key = bundle_key(root) if self._root else ""
        return LineTarget(normalized_id(url), root, sort_key(line))


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
        self._targets = LineTargets()
        self._lists = ListChecks(header.grouped, path)

    def add(self, number: int, raw: bytes, line: SnapshotLine) -> None:
        """Check a line. Raises InputError that names it."""
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
            at = f"{self.path}:{number}"
            raise InputError(f'unknown view "{line.scope.view[:40]}"', at=at, do=f"known: {', '.join(VIEWS)}")
        if self.strict:
            target = self._targets.of(line)
            self._check_once(number, line, target.key)
            self._lists.add(number, line, target)

    def _count(self, line: SnapshotLine) -> None:
        if line.resource is not None and self.strict:
            self.resources += 1
        elif line.resource is not None:
            self._ids.add(url_of(line).lower())
            self.resources = len(self._ids)
        self.reads += line.read is not None
        self.gaps += line.gap is not None

    def _check_once(self, number: int, line: SnapshotLine, key: str) -> None:
        """Check that a grouped file is sorted, and that no resource or subscription is in it twice."""
        once = line.resource is not None or line.scope is not None
        is_there = key in self._ids if not self.header.grouped else key == self._last
        if once and is_there:
            raise InputError(f"two records with the id {_shown(line)}", at=f"{self.path}:{number}", do=_DO)
        if not self.header.grouped:
            self._ids.update([key] if once else ())
            return
        if key < self._last:
            text = "the snapshot is marked as grouped, but this line is out of order"
            raise InputError(text, at=f"{self.path}:{number}", do=_DO)
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
    grouped file, after its bundle. A resource that is too large for a line counts: a gap stands in its target.
    """

    def __init__(self, grouped: bool, path: Path) -> None:
        self._grouped = grouped
        self._path = path
        self._counts: dict[str, tuple[int, int]] = {}
        """What each list counts, and the number of its line."""
        self._listed: dict[str, int] = {}
        self._root = ""
        self._top_list = ""
        self._lists: dict[str, list[str]] = {}
        """The lists with a count, by the types below the bundle, of resources whose bundles are in one list."""
        self._below: dict[str, int] = {}
        self._short: dict[str, tuple[int, int]] = {}

    def add(self, number: int, line: SnapshotLine, target: LineTarget) -> None:
        """Note a line. Raises InputError where a list of the bundle before it counts more than the file holds."""
        path, root = target.path, target.root
        if root != self._root:
            self._begin(root)
        if line.read is None:
            is_one = line.resource is not None or (line.gap is not None and line.gap.code.startswith(LINE_LIMIT))
            if is_one or path == root:
                for each in self._lists_with(url_of(line), target):
                    self._listed[each] = self._listed.get(each, 0) + 1
            if is_one:
                above = list_of(url_of(line)) if target.below is None else path.rpartition("/")[0]
                self._below[path] = self._below.get(path, 0) + 1
                self._below[above] = self._below.get(above, 0) + 1
        elif not root:
            if "/providers/" in path:
                self._counts[path] = line.read.count, number
        elif self._grouped and line.read.count > self._below.get(path, 0) and not is_bundle_list(line.read.url):
            self._short[path] = line.read.count, number

    def _begin(self, root: str) -> None:
        """Begin the bundle of an id, after the one before."""
        self.end_bundle()
        self._root = root
        top_list = root.rpartition("/")[0]
        if top_list != self._top_list:
            self._top_list = top_list
            self._lists.clear()

    def _lists_with(self, url: str, target: LineTarget) -> list[str]:
        """Return the lists that a resource is in: all of them, or in a bundle of a grouped file those that have a
        count, because that has all lists before its bundles.
        """
        if not (target.root and self._grouped):
            return list(_lists_of(url))
        if target.below is None:
            return [each for each in _lists_of(url) if each in self._counts]
        types = "/".join(target.below.split("/")[1::2])
        lists = self._lists.get(types)
        if lists is None:
            lists = self._lists[types] = [each for each in _lists_of(url) if each in self._counts]
        return lists

    def end_bundle(self) -> None:
        """Raise InputError where the bundle holds fewer resources than one of its lists counts."""
        for list_path, (count, number) in self._short.items():
            self._compare(number, count, self._below.get(list_path, 0))
        self._short.clear()
        self._below.clear()

    def check(self, without: Collection[str] = ()) -> None:
        """Raise InputError where the file holds fewer resources than a list counts.

        `without`: subscriptions (lower case) of which something was excluded, so that lists count more.
        """
        for list_path, (count, number) in self._counts.items():
            if subscription_of(list_path) not in without:
                self._compare(number, count, self._listed.get(list_path, 0))

    def _compare(self, number: int, count: int, value: int) -> None:
        if value < count:
            text = f"the list counts {count:,} resources, the snapshot holds {value:,}"
            raise InputError(text, at=f"{self._path}:{number}", do=_DO)


def _lists_of(url: str) -> tuple[str, ...]:
    """Return the lists that a resource is in: that of its subscription, and that of its resource group. The quotas of a
    region are one resource, and a list of their own.
    """
    type, subscription, group = type_of(url), subscription_of(url), group_of(url)
    if type.lower() in _QUOTAS:
        return (normalized_id(url),)
    wide = f"/subscriptions/{subscription}/providers/{type}".lower()
    return (
        (wide, f"/subscriptions/{subscription}/resourcegroups/{group}/providers/{type}".lower()) if group else (wide,)
    )


def _shown(line: SnapshotLine) -> str:
    return line.scope.subscription if line.scope is not None else url_of(line)
