"""Causes that several resources share: which endpoints of other resources a fix closes too, known at the end."""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import NamedTuple

import msgspec

from scanner.document.schema import EndpointRow, FixRow
from scanner.fix.causes import Removal, closes, wide_components
from scanner.fix.rows import MOST_OTHERS
from scanner.model.exposure import EndpointId, Exposure, Grant, Lock
from scanner.model.fix import Cause, Fix
from scanner.model.ids import root_of
from scanner.model.index import Index
from scanner.model.message import message_text
from scanner.model.resource import Resource

_encoder = msgspec.json.Encoder(enc_hook=message_text)
_MARK = re.compile(
    rb'"also_closes_count":(?P<count>\d+),"also_closes":'
    rb'\[\{"resource":"(?P<mark>@[0-9a-f]{16})","endpoint":"(?P<number>\d+)"\}(?P<comma>,?)'
)


Tried = Callable[[Sequence[Cause]], set[EndpointId]]


class Carried(NamedTuple):
    """An open endpoint, the causes that carry it, and whether it closes where they are narrowed."""

    cause_ids: frozenset[str]
    endpoint: EndpointRow
    closes_narrowed: bool


class Marked(NamedTuple):
    """What a fix removes, or narrows, for the resources of a bundle."""

    cause_ids: frozenset[str]
    narrows: bool
    root: str


class SharedFragment(msgspec.Struct, array_like=True):
    """What a part of an evaluation has collected. `marked`: by the mark in its rows. `sets`: those of keys, each once,
    which the others name by their places.
    """

    sets: list[frozenset[str]]
    carried: list[tuple[int, EndpointRow, bool]]
    marked: dict[str, list[tuple[int, bool, str]]]


class SharedCauses:
    """Collects endpoints by the causes outside their resource, and fills them into the rows that were written before.

    A row is marked with a place that no resource can have; `fill` puts the endpoints into its text.
    """

    def __init__(self) -> None:
        self._mark = f"@{secrets.token_hex(8)}"
        self._carried: list[Carried] = []
        self._marked: dict[str, list[Marked]] = {}
        """By the mark of the part of the evaluation that made the rows, in the order of the numbers in these."""
        self._sets: dict[frozenset[str], frozenset[str]] = {}
        self._closed_by: dict[tuple[frozenset[str], bool], list[EndpointRow]] = {}

    def add(self, top: Resource, index: Index, exposures: Sequence[Exposure], tried: Tried) -> None:
        """Add the open endpoints of a resource that causes outside it carry, and that close where these are removed.

        `tried`: returns the endpoints that are closed where the changes of causes were applied.
        """
        root = root_of(top.id)
        removal = Removal(top, index)
        reach: Lock | None = None
        causes: list[Cause] = []
        for each in exposures:
            if each.severity is None:
                continue
            if each.reach is not reach:  # endpoints that share a lock follow each other
                reach, causes = each.reach, list(_foreign(each.reach.grants, root, removal))
            if causes:
                self._add(top, index, each, self._set(cause.id() for cause in causes), partial(tried, causes))

    def _set(self, cause_ids: Iterable[str]) -> frozenset[str]:
        """Return keys as a set, the same one for equal keys."""
        matches = frozenset(cause_ids)
        return self._sets.setdefault(matches, matches)

    def _add(
        self,
        top: Resource,
        index: Index,
        exposure: Exposure,
        cause_ids: frozenset[str],
        tried: Callable[[], set[EndpointId]],
    ) -> None:
        endpoint = EndpointRow((exposure.subject or top).id, exposure.endpoint)
        if not closes(exposure, Removal(top, index, set(cause_ids))) or exposure.id not in tried():
            return
        closes_narrowed = closes(exposure, Removal(top, index, set(cause_ids), fix=Fix(narrows=True)))
        self._carried.append(Carried(cause_ids, endpoint, closes_narrowed))

    def marked(self, shown: FixRow, fix: Fix, resource: str) -> FixRow:
        """Return a fix with a mark for what it closes elsewhere; the same fix where it removes nothing shared."""
        root = root_of(resource)
        cause_ids = self._set(each.id() for each in fix.closes if root_of(each.resource) not in ("", root))
        if not cause_ids:
            return shown
        marks = self._marked.setdefault(self._mark, [])
        marks.append(Marked(cause_ids, fix.narrows, root))
        mark = EndpointRow(self._mark, str(len(marks) - 1))
        also = [mark, *shown.also_closes]
        return msgspec.structs.replace(
            shown, also_closes_count=1 + shown.also_closes_count, also_closes=also, shared=True
        )

    def fill(self, text: bytes) -> bytes:
        """Return rows with the endpoints in place of marks."""
        return _MARK.sub(self._filled, text) if self._marked and b'"@' in text else text

    def fragment(self) -> SharedFragment:
        """Return what was collected in a part."""
        positions: dict[frozenset[str], int] = {}

        def position(cause_ids: frozenset[str]) -> int:
            return positions.setdefault(cause_ids, len(positions))

        carried = [(position(cause_ids), row, closes_narrowed) for cause_ids, row, closes_narrowed in self._carried]
        marked = {
            mark: [(position(cause_ids), narrows, root) for cause_ids, narrows, root in markeds]
            for mark, markeds in self._marked.items()
        }
        return SharedFragment(list(positions), carried, marked)

    def join(self, fragment: SharedFragment) -> None:
        """Add what was collected in another part."""
        sets = [self._sets.setdefault(cause_ids, cause_ids) for cause_ids in fragment.sets]
        self._carried += (
            Carried(sets[position], row, closes_narrowed) for position, row, closes_narrowed in fragment.carried
        )
        for mark, matches in fragment.marked.items():
            self._marked[mark] = [Marked(sets[position], narrows, root) for position, narrows, root in matches]

    def _filled(self, hit: "re.Match[bytes]") -> bytes:
        markeds = self._marked.get(hit["mark"].decode())
        if markeds is None:
            return hit[0]
        cause_ids, narrows, root = markeds[int(hit["number"])]
        others = [endpoint for endpoint in self._closed(cause_ids, narrows) if root_of(endpoint.resource) != root]
        within = int(hit["count"]) - 1
        text = b",".join(map(_encoder.encode, others[: max(0, MOST_OTHERS - within)]))
        comma = hit["comma"] if text else b""
        return b'"also_closes_count":%d,"also_closes":[%s%s' % (within + len(others), text, comma)

    @cached_property
    def _by_cause(self) -> dict[str, list[Carried]]:
        """The endpoints by each cause that carries them."""
        result: dict[str, list[Carried]] = {}
        for each in self._carried:
            for key in each.cause_ids:
                result.setdefault(key, []).append(each)
        return result

    def _closed(self, cause_ids: frozenset[str], narrows: bool) -> list[EndpointRow]:
        """Return the endpoints that close once these causes are removed, or narrowed; made once a set of causes."""
        known = self._closed_by.get((cause_ids, narrows))
        if known is None:
            result = {
                (endpoint.resource.lower(), endpoint.endpoint): endpoint
                for key in cause_ids
                for needed, endpoint, closes_narrowed in self._by_cause.get(key, ())
                if needed <= cause_ids and (closes_narrowed or not narrows)
            }
            known = self._closed_by[cause_ids, narrows] = [result[key] for key in sorted(result)]
        return known


def _foreign(grants: Sequence[Grant], root: str, removal: Removal) -> Iterator[Cause]:
    """Yield the causes of grants that are outside a resource: of a union, the rules that a fix removes."""
    for each in grants:
        causes: Iterable[Cause] = (other[0] for other in each.components)
        if any(_is_foreign(other[0], root) for other in each.components):
            causes = wide_components(each, removal)
        for cause in (*causes, *((each.cause,) if each.cause is not None else ())):
            yield from (one for one in (cause, *cause.also) if _is_foreign(one, root))
        if each.then is not None:
            yield from _foreign(each.then.grants, root, removal)


def _is_foreign(cause: Cause, root: str) -> bool:
    return bool(cause.resource) and root_of(cause.resource) != root
