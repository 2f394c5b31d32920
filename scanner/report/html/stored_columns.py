"""Columns that are filled row by row. Beyond some megabytes they are in a temporary file."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice

from scanner.store.spool import Block, Spool

BLOCK = 1 << 16
"""The bytes of a block. A column has less than one in memory, beside those that its spool keeps there."""
COLUMNS = 8 << 20
"""The bytes of columns that one spool keeps in memory."""
_AT_ONCE = 512
"""How many texts are encoded at once."""


class ByteColumn:
    """Bytes that are appended."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._blocks: list[Block] = []
        self._rest = bytearray()

    def __len__(self) -> int:
        return len(self._blocks) * BLOCK + len(self._rest)

    def append(self, data: bytes) -> None:
        """Append bytes."""
        self._rest += data
        while len(self._rest) >= BLOCK:
            self._blocks.append(self._spool.put(bytes(self._rest[:BLOCK])))
            del self._rest[:BLOCK]

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from one place to another."""
        number, first, size = start // BLOCK, start % BLOCK, end - start
        if number < len(self._blocks) and first + size <= BLOCK:
            return self._blocks[number].read(first, size)
        return b"".join(self.pieces(start, size))

    def pieces(self, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Yield the bytes, or some of them, in pieces that end where blocks do."""
        end = len(self) if size is None else start + size
        while start < end:
            number, first = divmod(start, BLOCK)
            length = min(BLOCK - first, end - start)
            if number < len(self._blocks):
                yield self._blocks[number].read(first, length)
            else:
                yield bytes(self._rest[first : first + length])
            start += length


class NumberColumn(Sequence[int]):
    """Whole numbers of 32 bits, counted from 0. `least`, `greatest`: of all; 0 where there is none."""

    def __init__(self, spool: Spool) -> None:
        self._bytes = ByteColumn(spool)
        self.least = self.greatest = 0

    def __len__(self) -> int:
        return len(self._bytes) // 4

    def extend(self, values: Sequence[int]) -> None:
        """Append numbers."""
        if values:
            least, greatest = min(values), max(values)
            is_first = not len(self)
            self.least = least if is_first else min(self.least, least)
            self.greatest = greatest if is_first else max(self.greatest, greatest)
            self._bytes.append(array("i", values).tobytes())

    def __getitem__(self, at: int) -> int:  # type: ignore[override]
        return _numbers(self._bytes.read(4 * at, 4 * at + 4))[0]

    def __iter__(self) -> Iterator[int]:
        for numbers in self.arrays():
            yield from numbers

    def arrays(self) -> Iterator["array[int]"]:
        """Yield the numbers in arrays, each of a block."""
        return map(_numbers, self._bytes.pieces())


def _numbers(data: bytes) -> "array[int]":
    result = array("i")
    result.frombytes(data)
    return result


class TextColumn:
    """Texts, and their lengths in code units of UTF-16, as scripts count.

    `starts`: where each text begins in the bytes, where texts are read one by one.
    """

    def __init__(self, spool: Spool, *, is_read: bool = False) -> None:
        self.bytes = ByteColumn(spool)
        self.lengths = NumberColumn(spool)
        self._waiting: list[str] = []
        self._stored = 0
        self._starts = array("q", [0]) if is_read else None
        self._is_odd = False
        """Whether a text has half a surrogate pair, which UTF-8 cannot write."""

    def __len__(self) -> int:
        return self._stored + len(self._waiting)

    def append(self, text: str) -> None:
        """Append a text."""
        self._waiting.append(text)
        if len(self._waiting) >= _AT_ONCE:
            self._store()

    def _store(self) -> None:
        texts, self._waiting = self._waiting, []
        self._stored += len(texts)
        encoded = (joined := "".join(texts)).encode("utf-8", "surrogatepass")
        if joined.isascii():
            lengths = sizes = list(map(len, texts))
        else:
            self._is_odd = self._is_odd or not _is_utf8(texts)
            lengths = list(map(units, texts))
            sizes = [len(text.encode("utf-8", "surrogatepass")) for text in texts]
        self.lengths.extend(lengths)
        if self._starts is not None:
            self._starts.extend(islice(accumulate(sizes, initial=self._starts[-1]), 1, None))
        self.bytes.append(encoded)

    def text(self, at: int) -> str:
        """Return a text by its number."""
        if at >= self._stored:
            return self._waiting[at - self._stored]
        assert self._starts is not None
        return self.bytes.read(self._starts[at], self._starts[at + 1]).decode("utf-8", "surrogatepass")

    def so_far(self) -> "FirstTexts":
        """Return the texts that are in the column now."""
        self._store()
        return FirstTexts(self, len(self), len(self.bytes), is_odd=self._is_odd)


class FirstTexts:
    """The first texts of a column. `size`: their bytes. `is_odd`: UTF-8 cannot write one of them."""

    def __init__(self, column: TextColumn, length: int, size: int, *, is_odd: bool) -> None:
        self._column, self._length = column, length
        self.size, self.is_odd = size, is_odd

    def lengths(self) -> "NumberColumn | array[int]":
        """Return the lengths of the texts."""
        lengths = self._column.lengths
        return lengths if self._length == len(lengths) else array("i", islice(lengths, self._length))

    def pieces(self) -> Iterator[bytes]:
        """Yield the texts as UTF-8."""
        return self._column.bytes.pieces(0, self.size)

    def texts(self) -> Iterator[str]:
        """Yield the texts. All of them are in memory meanwhile."""
        text, start = b"".join(self.pieces()).decode("utf-8", "surrogatepass"), 0
        for length in self.lengths():
            end = start + length
            # Of what is beyond 65,535 a character is two code units.
            while units(text[start:end]) > length:
                end -= 1
            yield text[start:end]
            start = end


class LongText:
    """One text that is written in pieces. `units`: its length in code units of UTF-16."""

    def __init__(self, spool: Spool) -> None:
        self.bytes = ByteColumn(spool)
        self.units = 0
        self.is_odd = False

    def append(self, text: str) -> None:
        """Append a piece."""
        encoded = text.encode("utf-8", "surrogatepass")
        self.is_odd = self.is_odd or not _is_utf8([text])
        self.units += units(text)
        self.bytes.append(encoded)

    def text(self) -> str:
        """Return the text."""
        return b"".join(self.bytes.pieces()).decode("utf-8", "surrogatepass")


def units(text: str) -> int:
    """Return the length of a text in code units of UTF-16."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_utf8(texts: Iterable[str]) -> bool:
    """Return whether UTF-8 can write texts."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True
