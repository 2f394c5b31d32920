"""The lines of a grouped snapshot, read once: decoded, or as they are where another process decodes them."""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import NamedTuple

from scanner.model.ids import is_below, resource_type_of
from scanner.model.index import is_indexed
from scanner.model.kept import KeptPaths
from scanner.snapshot.format import SnapshotLine, decoder, root_of_line, url_of


class EncodedLine(NamedTuple):
    """A line as it is, and decoded."""

    raw: bytes
    line: SnapshotLine


class LineSource:
    """Lines in grouped order. Each of the methods reads on from where the one before it stopped.

    `kept`: what the snapshot keeps of a body, so that lookups raise Unread for the rest; None: all of it.
    """

    def __init__(self, lines: Iterable[EncodedLine] = (), kept: KeptPaths | None = None) -> None:
        self._lines = iter(lines)
        self._kept = kept
        self._next: EncodedLine | None = None

    def close(self) -> None:
        """Close the file that the lines come from, where not all of them are read."""
        if isinstance(self._lines, Generator):
            self._lines.close()

    def _while(self, wanted: Callable[[SnapshotLine], bool]) -> Iterator[EncodedLine]:
        """Yield the lines up to the first one that is not wanted, which stays."""
        while True:
            encoded_line = self._next or next(self._lines, None)
            self._next = encoded_line
            if encoded_line is None or not wanted(encoded_line.line):
                return
            self._next = None
            yield encoded_line

    def before_bundles(self) -> Iterator[SnapshotLine]:
        """Yield the lines of scopes and bulk reads, which belong to no bundle."""
        return self._decoded(self._while(lambda line: not root_of_line(line)))

    def of_index(self) -> Iterator[SnapshotLine]:
        """Yield the lines of the bundles of the index."""
        return self._decoded(self._while(lambda line: is_indexed(resource_type_of(root_of_line(line)))))

    def rest(self) -> Iterator[SnapshotLine]:
        """Yield all other lines."""
        return self._decoded(self._while(lambda line: True))

    def encoded(self) -> Iterator[tuple[str, EncodedLine]]:
        """Yield all other lines, each after the id (lower case) of its bundle; "" where it belongs to none."""
        root = ""
        for encoded_line in self._while(lambda line: True):
            if not (root and is_below(url_of(encoded_line.line), root)):
                root = root_of_line(encoded_line.line)
            yield root, encoded_line

    def _decoded(self, lines: Iterator[EncodedLine]) -> Iterator[SnapshotLine]:
        return with_partial_bodies((each.line for each in lines), self._kept)


def with_partial_bodies(lines: Iterable[SnapshotLine], kept: KeptPaths | None) -> Iterator[SnapshotLine]:
    """Yield the lines, with bodies whose lookups raise Unread for what was not kept."""
    for line in lines:
        if kept is not None and line.resource is not None:
            line.resource = kept.partial_body(line.resource, resource_type_of(url_of(line)))
        yield line


def decoded(raw: Iterable[bytes]) -> Iterator[EncodedLine]:
    """Yield encoded lines with what they decode to."""
    return (EncodedLine(each, decoder.decode(each)) for each in raw)
