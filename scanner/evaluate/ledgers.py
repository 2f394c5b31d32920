"""What an evaluation collects beside its rows, bundle by bundle, and how the parts of an evaluation are joined."""

from copy import copy
from typing import Final

import msgspec
from msgspec import Struct, field

from scanner.document.capacity_rows import ReservationRow
from scanner.document.message_data import all_with_texts
from scanner.document.writer import RowsFragment
from scanner.evaluate.capacity import CapacityLedger
from scanner.evaluate.counts import Counts, CountsFragment
from scanner.evaluate.gaps import GapLedger, GapsFragment
from scanner.evaluate.keys import KeyLedger, KeysFragment
from scanner.evaluate.policy import Waivers, WaiverUse
from scanner.evaluate.results import Crash
from scanner.evaluate.shared import SharedCauses, SharedFragment
from scanner.evaluate.types import TypeCounts, TypesFragment
from scanner.model.message import message_text
from scanner.snapshot.selection import Selection


class DocumentFragment(msgspec.Struct, array_like=True):
    """The rows of consecutive bundles, and what was collected with them.

    A part can be encoded, so that another process can make it. Joining is associative: joining the parts of any split
    in their order gives the whole. `evaluated`: the types (lower case) with a check. `found`, `tagged`: see
    `Selection`. `groups`: the names of resource groups, by path in lower case. `templates`: of the texts
    of `keys` and `capacity`.
    """

    rows: RowsFragment
    counts: CountsFragment
    gaps: GapsFragment
    keys: KeysFragment
    capacity: list[ReservationRow]
    types: TypesFragment
    shared: SharedFragment
    waivers: WaiverUse
    crashes: list[Crash]
    evaluated: list[str]
    found: list[str]
    tagged: list[str]
    groups: dict[str, str]
    templates: dict[str, str] = {}


encoder: Final = msgspec.msgpack.Encoder(enc_hook=message_text)
decoder: Final = msgspec.msgpack.Decoder(DocumentFragment)


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
        selection.selected, selection.tagged = set(), set()
        return Ledgers(
            Counts(),
            self.gaps.fork(waivers),
            self.keys.fork(),
            self.capacity.fork(),
            self.types.fork(),
            waivers,
            selection,
        )

    def fragment(self, rows: RowsFragment, groups: dict[str, str]) -> DocumentFragment:
        """Return what was collected in a part, with its rows."""
        templates = self.keys.templates
        return DocumentFragment(
            rows=rows,
            counts=self.counts.fragment(),
            gaps=self.gaps.fragment(),
            keys=self.keys.fragment(),
            capacity=all_with_texts(self.capacity.fragment(), templates),
            types=self.types.fragment(),
            shared=self.shared.fragment(),
            waivers=self.waivers.fragment(),
            crashes=self.crashes,
            evaluated=list(self.evaluated),
            found=list(self.selection.selected),
            tagged=list(self.selection.tagged),
            groups=groups,
            templates=templates,
        )

    def join(self, fragment: DocumentFragment) -> None:
        """Add what was collected in the part that comes next in the document."""
        self.counts.join(fragment.counts)
        self.gaps.join(fragment.gaps)
        self.keys.join(fragment.keys)
        self.keys.templates |= fragment.templates
        self.capacity.join(fragment.capacity)
        self.types.join(fragment.types)
        self.shared.join(fragment.shared)
        self.waivers.join(fragment.waivers)
        self.crashes += fragment.crashes
        self.evaluated.update(fragment.evaluated)
        self.selection.selected.update(fragment.found)
        self.selection.tagged.update(fragment.tagged)
