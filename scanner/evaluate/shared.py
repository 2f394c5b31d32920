"""Causes that several resources share: which endpoints of other resources a fix closes too, known at the end."""

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import msgspec

from scanner.document.schema import FixRow, PlaceRow
from scanner.evaluate.fixes import MOST_OTHERS
from scanner.evaluate.remedies import Removal, closes, wide_parts
from scanner.model.exposure import Exposure, Grant
from scanner.model.ids import root_of
from scanner.model.index import Index
from scanner.model.remedy import Cause, Remedy
from scanner.model.resource import Resource

_encoder = msgspec.json.Encoder()


class SharedCauses:
    """Collects endpoints by the causes outside their resource, and fills them into the rows that were written before.

    A row is marked with a place that no resource can have; `fill` puts the endpoints into its text.
    """

    def __init__(self) -> None:
        self._mark = f"@{secrets.token_hex(8)}"
        self._carried: dict[str, list[tuple[frozenset[str], PlaceRow, bool]]] = {}
        self._marked: list[tuple[frozenset[str], bool, str]] = []
        self._closed_by: dict[tuple[frozenset[str], bool], list[PlaceRow]] = {}

    def add(self, top: Resource, index: Index, exposures: Sequence[Exposure]) -> None:
        """Add the open endpoints of a resource that causes outside it carry."""
        root = root_of(top.id)
        removal = Removal(top, index)
        found: dict[int, list[Cause]] = {}
        for each in exposures:
            if each.severity is None:
                continue
            causes = found.get(id(each.reach))
            if causes is None:
                causes = found[id(each.reach)] = list(_foreign(each.reach.grants, root, removal))
            if causes:
                self._add(top, index, each, frozenset(cause.key() for cause in causes))

    def _add(self, top: Resource, index: Index, exposure: Exposure, keys: frozenset[str]) -> None:
        place = PlaceRow((exposure.subject or top).id, exposure.endpoint)
        if not closes(exposure, Removal(top, index, set(keys))):
            return
        closes_narrowed = closes(exposure, Removal(top, index, set(keys), remedy=Remedy(narrows=True)))
        for key in keys:
            self._carried.setdefault(key, []).append((keys, place, closes_narrowed))

    def marked(self, fix: FixRow, remedy: Remedy, resource: str) -> FixRow:
        """Return a fix with a mark for what it closes elsewhere; the same fix where it removes nothing shared."""
        root = root_of(resource)
        keys = frozenset(each.key() for each in remedy.closes if root_of(each.resource) not in ("", root))
        if not keys:
            return fix
        self._marked.append((keys, remedy.narrows, root))
        mark = PlaceRow(self._mark, str(len(self._marked) - 1))
        also = [mark, *fix.also_closes]
        return msgspec.structs.replace(fix, also_closes_count=1 + fix.also_closes_count, also_closes=also)

    def fill(self, text: bytes) -> bytes:
        """Return rows with the endpoints in place of marks."""
        return self._pattern.sub(self._filled, text) if self._marked and self._mark.encode() in text else text

    @cached_property
    def _pattern(self) -> "re.Pattern[bytes]":
        mark = rf'\{{"resource":"{self._mark}","endpoint":"(?P<number>\d+)"\}}(?P<comma>,?)'
        return re.compile(rf'"also_closes_count":(?P<count>\d+),"also_closes":\[{mark}'.encode())

    def _filled(self, hit: "re.Match[bytes]") -> bytes:
        keys, narrows, root = self._marked[int(hit["number"])]
        others = [place for place in self._closed(keys, narrows) if root_of(place.resource) != root]
        own = int(hit["count"]) - 1
        text = b",".join(map(_encoder.encode, others[: max(0, MOST_OTHERS - own)]))
        comma = hit["comma"] if text else b""
        return b'"also_closes_count":%d,"also_closes":[%s%s' % (own + len(others), text, comma)

    def _closed(self, keys: frozenset[str], narrows: bool) -> list[PlaceRow]:
        """Return the endpoints that close once these causes are removed, or narrowed; made once a set of causes."""
        known = self._closed_by.get((keys, narrows))
        if known is None:
            found = {
                (place.resource.lower(), place.endpoint): place
                for key in keys
                for needed, place, closes_narrowed in self._carried.get(key, ())
                if needed <= keys and (closes_narrowed or not narrows)
            }
            known = self._closed_by[keys, narrows] = [found[key] for key in sorted(found)]
        return known


def _foreign(grants: Sequence[Grant], root: str, removal: Removal) -> Iterator[Cause]:
    """Yield the causes of grants that are outside a resource: of a union, the rules that a fix removes."""
    for each in grants:
        parts: Iterable[Cause] = (part[0] for part in each.parts)
        if any(_is_foreign(part[0], root) for part in each.parts):
            parts = wide_parts(each, removal)
        for cause in (*parts, *((each.cause,) if each.cause is not None else ())):
            yield from (one for one in (cause, *cause.also) if _is_foreign(one, root))
        if each.then is not None:
            yield from _foreign(each.then.grants, root, removal)


def _is_foreign(cause: Cause, root: str) -> bool:
    return bool(cause.resource) and root_of(cause.resource) != root
