"""What the evaluation of some bundles needs of a whole snapshot: the lines before the bundles, and what the later
passes over all lines find in the others (where resources are, who has a host, who names a key).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import takewhile
from typing import Final

from scanner.model.host_names import MARKS
from scanner.model.ids import resource_type_of
from scanner.model.index import is_indexed
from scanner.model.message import Message
from scanner.snapshot.bundles import (
    NAMING,
    Snapshot,
    closed_in,
    closed_of,
    locations_in,
    locations_of,
    names_in,
    of_lines,
)
from scanner.snapshot.format import Header, SnapshotLine, decoder, encoder, root_of_line
from scanner.snapshot.line_source import decoded

_WHOLE: Final = (*MARKS, *NAMING)
"""A line with such a text (lower case) is needed as it is."""


def needed_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield of the encoded lines of a grouped snapshot what `of_needed_lines` reads: those of scopes, bulk reads and
    the index, an empty one, and of the others what a later pass finds something in. Of most of these only id and region
    are left.
    """
    rest = iter(lines)
    for raw in rest:
        if not _is_before_bundles(decoder.decode(raw)):
            yield b""
            yield from _ids_in(raw)
            break
        yield raw
    for raw in rest:
        yield from _ids_in(raw)


def _is_before_bundles(line: SnapshotLine) -> bool:
    root = root_of_line(line)
    return not root or is_indexed(resource_type_of(root))


def _ids_in(raw: bytes) -> Iterator[bytes]:
    folded = raw.lower()
    if any(text in folded for text in _WHOLE) or closed_of(raw) is not None:
        yield raw
        return
    for id, region in locations_in([raw]):
        yield encoder.encode(SnapshotLine(resource={"id": id, "location": region}))


def of_needed_lines(header: Header, lines: Callable[[], Iterable[bytes]], why: Message) -> Snapshot:
    """Return a snapshot that has no bundles but those of the index, and of which all else is known that a verdict asks.

    `lines`: yields what `needed_lines` gave, each time from the beginning. `why`: see `of_lines`.
    """
    snapshot = of_lines(header, decoded(takewhile(bool, lines())), why)
    snapshot.raw = partial(_filled, lines)
    snapshot.locate, snapshot.names = partial(locations_of, snapshot.raw), partial(names_in, snapshot.raw)
    snapshot.closed = partial(closed_in, snapshot.raw)
    return snapshot


def _filled(lines: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
    return filter(None, lines())
