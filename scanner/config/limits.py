"""The limits of an answer and of a list of Azure: their defaults, and the sizes as settings write them."""

from msgspec import Struct

UNITS = {"MB": 20, "GB": 30}
"""The units of a size, each with its power of two."""


class Limits(Struct, frozen=True):
    """What one answer and one list may be. Beyond a limit, what was read is a gap that names the limit.

    `answer_size`, `list_size`: bytes after decompression; a list counts all its pages. `answer_values`: the values of
    an answer. `answer_depth`: its levels. `list_pages`, `list_minutes`, `list_rows`: of one list with all its pages.
    `subscriptions`: of one scan.

    The defaults lie above what Azure sends: Resource Graph stops an answer at 16 MB, which holds a third of a million
    values, pages of ARM are smaller, bodies nest 15 levels, and 200,000 network interfaces are about 500 MB.
    """

    answer_size: int = 32 << 20
    answer_values: int = 500_000
    answer_depth: int = 100
    list_pages: int = 10_000
    list_size: int = 512 << 20
    list_minutes: int = 60
    list_rows: int = 300_000
    subscriptions: int = 10_000


def size(text: str) -> int:
    """Return the bytes of a size such as "64 MB". Raises ValueError for another text."""
    number, _, unit = text.partition(" ")
    if unit not in UNITS or not number.isdecimal():
        raise ValueError(f'"{text}" is not a size')
    return int(number) << UNITS[unit]


def shown_size(count: int) -> str:
    """Return bytes as a setting writes them; other sizes than whole megabytes in bytes."""
    return f"{count >> 20} MB" if count and not count % (1 << 20) else f"{count:,} bytes"
