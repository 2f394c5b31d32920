"""Rows of a document that are chosen or made from those of another one when they are used.

A document whose rows are read from a file gives views, so that neither stands in memory. One in memory gives lists.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

import msgspec

from scanner.document.schema import Document

_SMALL = 10_000
"""The most rows of a document that `in_memory` reads at once: about 60 MB."""
_Row = TypeVar("_Row")
_Other = TypeVar("_Other")


class RowView(Sequence[_Row]):
    """The rows at some places of another sequence, each changed by a function."""

    def __init__(
        self, rows: Sequence[_Other], make: Callable[[_Other], _Row], positions: "Sequence[int] | None" = None
    ) -> None:
        self._rows, self._make = rows, make
        self._positions = range(len(rows)) if positions is None else positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, at: int) -> _Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[_Row]: ...
    def __getitem__(self, at: int | slice) -> _Row | list[_Row]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        return self._make(self._rows[self._positions[at]])

    def __iter__(self) -> Iterator[_Row]:
        # Reading the rows of a file in their order is faster than reading each by itself.
        if 2 * len(self._positions) < len(self._rows):
            yield from (self._make(self._rows[position]) for position in self._positions)
            return
        chosen = bytearray(len(self._rows))
        for position in self._positions:
            chosen[position] = 1
        yield from (self._make(row) for row, is_chosen in zip(self._rows, chosen, strict=True) if is_chosen)


class MappingView(Mapping[str, _Row]):
    """A mapping whose values are made when they are used: of the keys of each, by a function."""

    def __init__(self, keys: Mapping[str, list[str]], make: Callable[[list[str]], _Row]) -> None:
        self._keys, self._make = keys, make

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __getitem__(self, key: str) -> _Row:
        return self._make(self._keys[key])


def rows_of(
    rows: Sequence[_Other], make: Callable[[_Other], _Row], positions: "array[int] | None" = None
) -> Sequence[_Row]:
    """Return rows that are made of others, which are in their order. `positions`: of these alone."""
    view = RowView(rows, make, positions)
    return list(view) if isinstance(rows, list) else view


def mapping_of(
    rows: Mapping[str, Any], keys: Iterable[tuple[str, str]], make: Callable[[list[str]], _Row]
) -> Mapping[str, _Row]:
    """Return a mapping that is made of another one. `keys`: pairs of a new key and the old one of which it is made."""
    result: dict[str, list[str]] = {}
    for new, old in keys:
        result.setdefault(new, []).append(old)
    view = MappingView(result, make)
    return dict(view) if isinstance(rows, dict) else view


def chosen(rows: Mapping[str, _Row], keys: Iterable[str]) -> Mapping[str, _Row]:
    """Return a mapping with some keys of another one."""
    return mapping_of(rows, ((key, key) for key in keys), lambda pair: rows[pair[0]])


def in_memory(document: Document) -> Document:
    """Return a small document with its rows in memory, because they are used often; a large one as it is."""
    names = ("resources", "passed", "not_applicable"), ("exposures", "findings")
    if sum(len(getattr(document, name)) for name in (*names[0], *names[1])) > _SMALL:
        return document
    sections: dict[str, Any] = {name: dict(getattr(document, name)) for name in names[0]}
    sections |= {name: list(getattr(document, name)) for name in names[1]}
    return msgspec.structs.replace(document, **sections)
