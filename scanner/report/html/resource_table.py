"""The table of resources in the data block of the report."""

import re
from array import array

from scanner.document.reader import without_case
from scanner.document.schema import Document, ResourceRow
from scanner.document.tenants import tenant_labels
from scanner.model.ids import group_of, subscription_of, type_of
from scanner.model.type_names import type_name
from scanner.report.html.index_tables import HashedNumbers, IndexTable, StoredTexts, TextTable
from scanner.report.html.packing import Columns
from scanner.report.html.stored_columns import TextColumn
from scanner.report.language.messages import exactly
from scanner.report.language.naming import path_name, product_names
from scanner.report.language.words import Words
from scanner.report.views.gaps import scope_names
from scanner.report.views.owners import ResourceOwners
from scanner.store.spool import Spool

MARK = "\x01"
_PLAIN = re.compile(r"[\w ./()+:;,=@~%*!?-]{3,}", re.ASCII)
_SHORT = 2
_IDS = 32 << 20
"""The bytes of ids that are in memory, before others are in a file."""
_RECENT = 1 << 13
"""Of how many resources the marks and the places are kept."""


class ResourceTable:
    """The table of resources: each id as a prefix and its last segment, with the names that cards show.

    Ids are found by their hashes; the marks of the resources that were used last are kept.
    """

    def __init__(self, document: Document, spool: Spool) -> None:
        self._find = without_case(document.resources)
        self._numbers = HashedNumbers()
        """The indexes of resources by their ids in lower case."""
        self._recent: dict[str, int] = {}
        self._last_id = -1, ""
        """The resource whose id was read last."""
        self._names = scope_names(document)
        self._tenants = {scope.subscription.lower(): scope.tenant for scope in document.coverage.scopes}
        self._labels = tenant_labels(document.coverage.scopes, document.scan)
        self._products = product_names(document.coverage)
        self._owner_of = ResourceOwners(document).of
        self._marks: dict[int, list[tuple[str, str]]] = {}
        """For a resource, pairs of a text and the mark that stands for it, the longest text first."""
        self.subscriptions, self.groups = TextTable(), TextTable()
        self.prefixes = StoredTexts(spool)
        self.types, self.regions, self.owners = (IndexTable("") for _ in range(3))
        self._ids = TextColumn(Spool(_IDS), is_read=True)
        self.last, self.name, self.path = (TextColumn(spool) for _ in range(3))
        self.columns = {name: array("i") for name in ("prefix", "sub", "group", "type", "region", "parent", "owner")}

    def __len__(self) -> int:
        return len(self.last)

    def at(self, resource: str) -> int:
        """Return the index of a resource id; ids are compared without case."""
        index = self._recent.get(resource)
        if index is not None:
            return index
        lower = resource.lower()
        key = hash(lower)
        for index in self._numbers.find(key):
            if self._id(index).lower() == lower:
                break
        else:
            index = self._add(resource)
            self._numbers.add(key, index)
        if len(self._recent) >= _RECENT:
            self._recent.clear()
        self._recent[resource] = index
        return index

    def _id(self, index: int) -> str:
        if index != self._last_id[0]:
            self._last_id = index, self._ids.text(index)
        return self._last_id[1]

    def _add(self, resource: str) -> int:
        id, row = self._known(resource)
        parent = (row.parent if row else "") or ""
        above = self.at(parent) if parent and id.lower().startswith(parent.lower() + "/") else -1
        known = self._find(parent) if parent else None
        parent = known[0] if known is not None else parent
        head, slash, last = id.rpartition("/")
        name = (row.name if row else "") or last
        path = path_name(id, parent, name) if above >= 0 else name
        values = (
            self.prefixes[head + slash],
            self.subscriptions[((row.subscription if row else "") or subscription_of(id)).lower()],
            self.groups[(row.resource_group if row else "") or group_of(id)],
            self.types[(row.type if row else "") or type_of(id)],
            self.regions[row.location if row else ""],
            above,
            self.owners[self._owner_of(id)],
        )
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)
        self._ids.append(id)
        self.last.append(last)
        self.name.append("" if name == last else name)
        self.path.append("" if path == name else path)
        return len(self.last) - 1

    def _marks_of(self, index: int) -> list[tuple[str, str]]:
        result = self._marks.get(index)
        if result is None:
            if len(self._marks) >= _RECENT:
                self._marks.clear()
            result = self._marks[index] = self._new_marks(index)
        return result

    def _new_marks(self, index: int) -> list[tuple[str, str]]:
        columns = self.columns
        id, above = self._id(index), columns["parent"][index]
        letters: list[tuple[str, str]] = [
            (id, "i"),
            (id.rpartition("/")[2], "n"),
            (self.groups.texts[columns["group"][index]], "g"),
            (self.subscriptions.texts[columns["sub"][index]], "s"),
        ]
        if above >= 0:
            parent = self._ids.text(above)
            letters += [(parent, "q"), (parent.rpartition("/")[2], "p")]
        letters.sort(key=lambda each: -len(each[0]))
        # A part of a plain text is plain too, if it is long enough.
        is_plain = _PLAIN.fullmatch(id)
        return [
            (text, MARK + letter)
            for text, letter in letters
            if (len(text) > _SHORT if is_plain and text in id else _PLAIN.fullmatch(text))
        ]

    def _known(self, resource: str) -> tuple[str, ResourceRow | None]:
        """Return a resource id as the document writes it, and its row."""
        return self._find(resource) or (resource, None)

    def type_of(self, resource: str) -> str:
        """Return the type of a resource, which need not be in the table."""
        id, row = self._known(resource)
        return (row.type if row else "") or type_of(id)

    def pattern(self, text: str, index: int) -> str:
        """Return a text with marks in place of the names of its resource."""
        if MARK in text:
            text = text.replace(MARK, MARK + "x")
        for value, mark in self._marks_of(index):
            if value in text:
                text = text.replace(value, mark)
        return text

    def so_far(self) -> Columns:
        """Return the columns of the resources that are in the table now, ready for JSON."""
        texts = {"last": self.last, "name": self.name, "path": self.path, "prefixes": self.prefixes.column}
        return {
            **{name: column[:] for name, column in self.columns.items()},
            **{name: column.so_far() for name, column in texts.items()},
        }

    def values(self, words: Words) -> Columns:
        """Return the values to which columns are indexes, ready for JSON."""
        return {
            "subs": [
                [each, self._names.get(each, each), self._tenants.get(each, ""), self._labels.get(each, "")]
                for each in self.subscriptions
            ],
            "groups": list(self.groups),
            "types": list(self.types),
            "typeNames": [exactly(type_name(each, self._products), words) for each in self.types],
            "regions": list(self.regions),
            "owners": list(self.owners),
        }
