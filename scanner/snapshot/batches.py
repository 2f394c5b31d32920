"""The bundles of a snapshot in batches, in the order of the document: each can be evaluated by another process."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from scanner.document.schema import order
from scanner.snapshot.bundles import Snapshot, require_after_index, subject_of

FIRST: Final = 96 << 10
"""The bytes of lines in each of the first batches: the processes end their last one at about the same time."""
MOST: Final = 384 << 10
"""The bytes of lines in a later one."""
_FEW: Final = 24
"""How many batches are first ones."""
_KNOWN: Final = 1 << 10
"""What is known before counts for that many bytes each."""


class Batch(NamedTuple):
    """What comes next in a document."""

    start: int
    stop: int
    """`start`, `stop`: the places of what is known before, as bundles of the index."""
    lines: bytes
    """The encoded lines of the other bundles."""


class Batches:
    """The bundles of a snapshot that are not read yet, in batches with what is known before.

    `known`: the keys of that, in the order of the document (`order`). A resource and its slots are in one batch,
    because slots are selected by the tags of the resource.
    """

    def __init__(self, snapshot: Snapshot, known: Sequence[str], first: int = FIRST, most: int = MOST) -> None:
        self._snapshot = snapshot
        self._known = known
        self._limits = first, most
        self._count = self._start = self._stop = self._size = 0
        self._lines: list[bytes] = []

    def __iter__(self) -> Iterator[Batch]:
        """Yield all batches, at least one. Works once."""
        root = top = ""
        for bundle, (raw, line) in self._snapshot.source.encoded():
            if bundle != root:
                require_after_index(bundle, subject_of(line))
                root = bundle
                if not (top and root.startswith(f"{top}/")):
                    top = root
                    yield from self._until(order(root))
            self._lines.append(raw.rstrip(b"\n"))
            self._size += len(raw)
        yield from self._until(None)
        yield self._batch()

    def _until(self, key: str | None) -> Iterator[Batch]:
        """Add what is known before the bundle of a key (None: all of it), and yield the batches that are full."""
        if self._is_full:
            yield self._batch()
        while self._stop < len(self._known) and (key is None or self._known[self._stop] <= key):
            self._stop += 1
            self._size += _KNOWN
            if self._is_full:
                yield self._batch()

    @property
    def _is_full(self) -> bool:
        return self._size >= self._limits[self._count >= _FEW]

    def _batch(self) -> Batch:
        made = Batch(self._start, self._stop, b"\n".join(self._lines))
        self._start, self._size, self._lines = self._stop, 0, []
        self._count += 1
        return made
