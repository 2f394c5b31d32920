"""Distinct values by the numbers that they get as they come. Tables of many texts keep them in a file."""

from array import array
from typing import Any

from scanner.report.html.stored_columns import TextColumn
from scanner.store.spool import Spool

_BITS = 32
"""Of a hash, and of a number, in a slot."""
_MASK = (1 << _BITS) - 1
_SLOTS = 1 << 10
_RECENT = 6 << 20
"""The bytes of texts that are kept as they are, because they may come again soon."""
_OVERHEAD = 150
"""The bytes that Python needs for a text and its place in a dictionary, beside its own."""


class IndexTable(dict[Any, int]):
    """Distinct values in the order in which they came; `table[value]` adds a new value and returns its index."""

    def __init__(self, *first: Any) -> None:
        super().__init__({value: at for at, value in enumerate(first)})

    def __missing__(self, value: Any) -> int:
        index = self[value] = len(self)
        return index


class TextTable(IndexTable):
    """Distinct texts, which are found by their index too."""

    def __init__(self) -> None:
        super().__init__("")
        self.texts = [""]

    def __missing__(self, value: Any) -> int:
        self.texts.append(value)
        return super().__missing__(value)


class HashedNumbers:
    """Numbers by the hashes of what they stand for, 16 to 32 bytes each. A hash is no answer: who asks decides."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _SLOTS))
        """0, or a part of a hash above a number and 1, in the first slot that was free from that of its hash on."""
        self._count = 0

    def find(self, hash: int) -> list[int]:
        """Return the numbers whose hashes are equal in part."""
        slots, mask, low_bits = self._slots, len(self._slots) - 1, hash & _MASK
        at, result = low_bits & mask, []
        while entry := slots[at]:
            if entry >> _BITS == low_bits:
                result.append((entry & _MASK) - 1)
            at = at + 1 & mask
        return result

    def add(self, hash: int, number: int) -> None:
        """Add a number with a hash."""
        self._count += 1
        if 2 * self._count > len(self._slots):
            entries, self._slots = self._slots, array("Q", bytes(2 * 8 * len(self._slots)))
            for entry in filter(None, entries):
                self._put(entry)
        self._put((hash & _MASK) << _BITS | number + 1)

    def _put(self, entry: int) -> None:
        slots, mask = self._slots, len(self._slots) - 1
        at = entry >> _BITS & mask
        while slots[at]:
            at = at + 1 & mask
        slots[at] = entry


class StoredTexts(dict[str, int]):
    """Distinct texts, the first of which is "". `table[text]` adds a new text and returns its index.

    As a mapping it has those that came last; all are in `column`.
    """

    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self.column = TextColumn(spool, is_read=True)
        self._numbers = HashedNumbers()
        self._size = 0
        self.__missing__("")

    def __missing__(self, text: str) -> int:
        column, key = self.column, hash(text)
        index = next((at for at in self._numbers.find(key) if column.text(at) == text), None)
        if index is None:
            index = len(column)
            column.append(text)
            self._numbers.add(key, index)
        self._size += len(text) + _OVERHEAD
        if self._size > _RECENT:
            self.clear()
            self._size = 0
        self[text] = index
        return index
