"""What an evaluation collects beside its rows, bundle by bundle, and how the parts of an evaluation are joined."""

from copy import copy
from typing import Final

import msgspec
from msgspec import Struct, field

from scanner.document.capacity_rows import ReservationRow
from scanner.document.message_data import all_with_texts
from scanner.document.writer import RowsPart
from scanner.evaluate.capacity import CapacityLedger
from scanner.evaluate.counts import Counts, CountsPart
from scanner.evaluate.gaps import GapLedger, GapsPart
from scanner.evaluate.keys import KeyLedger, KeysPart
from scanner.evaluate.policy import Waivers, WaiverUse
from scanner.evaluate.results import Crash
from scanner.evaluate.shared import SharedCauses, SharedPart
from scanner.evaluate.types import TypeCounts, TypesPart
from scanner.model.message import message_text
from scanner.snapshot.selection import Selection


class DocumentPart(msgspec.Struct, array_like=True):
    """The rows of consecutive bundles, and what was collected with them.

    A part can be encoded, so that another process can make it. Joining is associative: joining the parts of any split
    in their order gives the whole. `evaluated`: the types (lower case) with a check. `found`, `tagged`: see
    `Selection`. `groups`: the names of resource groups, by path in lower case. `templates`: of the texts
    of `keys` and `capacity`.
    """

    rows: RowsPart
    counts: CountsPart
    gaps: GapsPart
    keys: KeysPart
    capacity: list[ReservationRow]
    types: TypesPart
    shared: SharedPart
    waivers: WaiverUse
    crashes: list[Crash]
    evaluated: list[str]
    found: list[str]
    tagged: list[str]
    groups: dict[str, str]
    templates: dict[str, str] = {}


encoder: Final = msgspec.msgpack.Encoder(enc_hook=message_text)
decoder: Final = msgspec.msgpack.Decoder(DocumentPart)


class Ledgers(Struct):
    """What is collected. `evaluated`: the types (lower case) with a check."""

    counts: Counts
    gaps: GapLedger
    keys: KeyLedger
    capacity: CapacityLedger
    types: TypeCounts
    waivers: Waivers
    selection: Selection
    shared: SharedCauses = field(default_factory=SharedCauses)
    crashes: list[Crash] = field(default_factory=list)
    evaluated: set[str] = field(default_factory=set)

    def fork(self) -> "Ledgers":
        """Return empty ledgers for a part of the evaluation."""
        waivers, selection = self.waivers.fork(), copy(self.selection)
        selection.found, selection.tagged = set(), set()
        return Ledgers(
            Counts(),
            self.gaps.fork(waivers),
            self.keys.fork(),
            self.capacity.fork(),
            self.types.fork(),
            waivers,
            selection,
        )

    def part(self, rows: RowsPart, groups: dict[str, str]) -> DocumentPart:
        """Return what was collected in a part, with its rows."""
        templates = self.keys.templates
        return DocumentPart(
            rows=rows,
            counts=self.counts.part(),
            gaps=self.gaps.part(),
            keys=self.keys.part(),
            capacity=all_with_texts(self.capacity.part(), templates),
            types=self.types.part(),
            shared=self.shared.part(),
            waivers=self.waivers.part(),
            crashes=self.crashes,
            evaluated=list(self.evaluated),
            found=list(self.selection.found),
            tagged=list(self.selection.tagged),
            groups=groups,
            templates=templates,
        )

    def join(self, part: DocumentPart) -> None:
        """Add what was collected in the part that comes next in the document."""
        self.counts.join(part.counts)
        self.gaps.join(part.gaps)
        self.keys.join(part.keys)
        self.keys.templates |= part.templates
        self.capacity.join(part.capacity)
        self.types.join(part.types)
        self.shared.join(part.shared)
        self.waivers.join(part.waivers)
        self.crashes += part.crashes
        self.evaluated.update(part.evaluated)
        self.selection.found.update(part.found)
        self.selection.tagged.update(part.tagged)
