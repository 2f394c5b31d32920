"""The limits of an answer and of a list of Azure: their defaults, and the sizes as settings write them."""

from msgspec import Struct

UNITS = {"MB": 20, "GB": 30}
"""The units of a size, each with its power of two."""


class Limits(Struct, frozen=True):
    """What one answer and one list may be. Beyond a limit, what was read is a gap that names the limit.

    The defaults lie above what Azure sends: Resource Graph stops an answer at 16 MB, which holds a third of a million
    values, pages of ARM are smaller, bodies nest 15 levels, and 200,000 network interfaces are about 500 MB.
    """

    answer_size: int = 32 << 20
    """Bytes after decompression."""
    answer_values: int = 500_000
    """The values of an answer."""
    answer_depth: int = 100
    """Its levels."""
    list_pages: int = 10_000
    """This and the next three: of one list with all its pages."""
    list_size: int = 512 << 20
    """Bytes after decompression."""
    list_minutes: int = 60
    list_rows: int = 300_000
    subscriptions: int = 10_000
    """Of one scan."""


def size(text: str) -> int:
    """Return the bytes of a size such as "64 MB". Raises ValueError for another text."""
    number, _, unit = text.partition(" ")
    if unit not in UNITS or not number.isdecimal():
        raise ValueError(f'"{text}" is not a size')
    return int(number) << UNITS[unit]


def shown_size(count: int) -> str:
    """Return bytes as a setting writes them; other sizes than whole megabytes in bytes."""
    return f"{count >> 20} MB" if count and not count % (1 << 20) else f"{count:,} bytes"
