"""The data block of the report: tables once, everything else as columns of indexes into them.

Texts that name their resource are kept as patterns: U+0001 and a letter stand for the resource's id (i), name (n),
group (g), subscription (s) and its parent's id (q) and name (p); `data_block.js` puts them back. So a command or a
message that differs in the resource alone is stored once. Texts that JSON would escape are never replaced, so that
patterns of JSON remain JSON. `packing.py` writes it.
"""

import json
import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

import msgspec

from scanner.document.reader import without_case
from scanner.document.schema import Document, ExposureRow, FindingRow, FixRow, ResourceRow
from scanner.document.tenants import tenant_labels
from scanner.model.ids import group_of, subscription_of, type_of
from scanner.model.verdict import SEVERITIES
from scanner.report.first_page import ENDPOINTS, LARGE, FirstPage, RowCounts, cut
from scanner.report.frameworks import framework_block
from scanner.report.gaps import scope_names
from scanner.report.localized import named
from scanner.report.naming import PORTALS, path_name, type_name
from scanner.report.packing import Columns, Differences, PackedTexts
from scanner.report.summary import STATUSES, rating
from scanner.report.words import Words, parse_time

MARK = "\x01"
_PLAIN = re.compile(r"[\w ./()+:;,=@~%*!?-]{3,}", re.ASCII)
_SHORT = 2
_WAIVER_DAYS, _EXPIRING_DAYS = 90, 30
_STATUS = {name: at for at, name in enumerate(STATUSES)}
_SEVERITY: dict[str | None, int] = {name: at for at, name in enumerate(SEVERITIES)}
_EXPOSURE = (
    "resource", "endpoint", "kind", "address", "reach", "auth", "mayReach", "mayAuth", "severity", "worst", "state",
    "standing", "reason", "title", "hops", "admits", "hosts", "publishers", "fix", "breaks", "new", "since",
)  # fmt: skip
_FINDING = (
    "rule", "resource", "status", "severity", "title", "endpoints", "message", "evidence", "fix", "gaps", "waiver",
    "new", "since",
)  # fmt: skip
_Row = TypeVar("_Row", ExposureRow, FindingRow)
_TEXTS = ("last", "name", "path")
"""The columns of resources that are no indexes."""
_BATCH = 1024
_RECENT = 1 << 13
"""Of how many resources the marks and the places are kept."""
_encode: Callable[[Any], bytes] = msgspec.json.Encoder(order="sorted").encode


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


class ResourceTable:
    """The table of resources: each id as a prefix and its last segment, with the names that cards show.

    An id stands in it once: `_index` has hashes, and the marks of the resources that were used last are kept.
    """

    def __init__(self, document: Document) -> None:
        self._find = without_case(document.resources)
        self._index: dict[int, int] = {}
        """The index of a resource by the hash of its id in lower case, or by the next number that is free."""
        self._recent: dict[str, int] = {}
        self._names = scope_names(document)
        self._tenants = {scope.subscription.lower(): scope.tenant for scope in document.coverage.scopes}
        self._labels = tenant_labels(document.coverage.scopes, document.scan)
        self._owner_tag = (document.scan.owner_tag or "").lower()
        self._marks: dict[int, list[tuple[str, str]]] = {}
        """For a resource, pairs of a text and the mark that stands for it, the longest text first."""
        self.subscriptions, self.groups, self.prefixes = (TextTable() for _ in range(3))
        self.types, self.regions, self.owners = (IndexTable("") for _ in range(3))
        self.columns: dict[str, list[Any] | array[int]] = {
            name: [] if name in _TEXTS else array("i")
            for name in ("prefix", "last", "name", "path", "sub", "group", "type", "region", "parent", "owner")
        }

    def at(self, resource: str) -> int:
        """Return the index of a resource id; ids are compared without case."""
        index = self._recent.get(resource)
        if index is not None:
            return index
        lower = resource.lower()
        index = self._index.get(self._slot(lower))
        if index is None:
            index = self._add(resource)
            # What is above it may have taken the slot.
            self._index[self._slot(lower)] = index
        if len(self._recent) >= _RECENT:
            self._recent.clear()
        self._recent[resource] = index
        return index

    def _slot(self, lower: str) -> int:
        """Return the key of an id in `_index`, which may not be there yet."""
        slot = hash(lower)
        while (index := self._index.get(slot)) is not None and self._id(index).lower() != lower:
            slot += 1
        return slot

    def _id(self, index: int) -> str:
        columns: dict[str, Any] = self.columns
        return f"{self.prefixes.texts[columns['prefix'][index]]}{columns['last'][index]}"

    def _add(self, resource: str) -> int:
        own, row = self._known(resource)
        parent = (row.parent if row else "") or ""
        above = self.at(parent) if parent and own.lower().startswith(parent.lower() + "/") else -1
        known = self._find(parent) if parent else None
        parent = known[0] if known is not None else parent
        head, slash, last = own.rpartition("/")
        name = (row.name if row else "") or last
        path = path_name(own, parent, name) if above >= 0 else name
        values = (
            self.prefixes[head + slash],
            last,
            "" if name == last else name,
            "" if path == name else path,
            self.subscriptions[((row.subscription if row else "") or subscription_of(own)).lower()],
            self.groups[(row.resource_group if row else "") or group_of(own)],
            self.types[(row.type if row else "") or type_of(own)],
            self.regions[row.location if row else ""],
            above,
            self.owners[self._tagged(row) or self._tagged(known[1] if known is not None else None)],
        )
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)  # type: ignore[arg-type]
        return len(self.columns["last"]) - 1

    def _marks_of(self, index: int) -> list[tuple[str, str]]:
        found = self._marks.get(index)
        if found is None:
            if len(self._marks) >= _RECENT:
                self._marks.clear()
            found = self._marks[index] = self._new_marks(index)
        return found

    def _new_marks(self, index: int) -> list[tuple[str, str]]:
        columns: dict[str, Any] = self.columns
        own, above = self._id(index), columns["parent"][index]
        letters: list[tuple[str, str]] = [
            (own, "i"),
            (columns["last"][index], "n"),
            (self.groups.texts[columns["group"][index]], "g"),
            (self.subscriptions.texts[columns["sub"][index]], "s"),
        ]
        if above >= 0:
            letters += [(self._id(above), "q"), (columns["last"][above], "p")]
        letters.sort(key=lambda each: -len(each[0]))
        # A part of a plain text is plain too, if it is long enough.
        is_plain = _PLAIN.fullmatch(own)
        return [
            (text, MARK + letter)
            for text, letter in letters
            if (len(text) > _SHORT if is_plain and text in own else _PLAIN.fullmatch(text))
        ]

    def _known(self, resource: str) -> tuple[str, ResourceRow | None]:
        """Return a resource id as the document writes it, and its row."""
        return self._find(resource) or (resource, None)

    def type_of(self, resource: str) -> str:
        """Return the type of a resource, which need not be in the table."""
        own, row = self._known(resource)
        return (row.type if row else "") or type_of(own)

    def _tagged(self, row: ResourceRow | None) -> str:
        """Return the value of the owner tag, "" without one; the names of tags are compared without case."""
        tags = row.tags.items() if row is not None and self._owner_tag else ()
        return next((value for name, value in tags if name.lower() == self._owner_tag), "")

    def pattern(self, text: str, index: int) -> str:
        """Return a text with marks in place of the names of its resource."""
        if MARK in text:
            text = text.replace(MARK, MARK + "x")
        for value, mark in self._marks_of(index):
            if value in text:
                text = text.replace(value, mark)
        return text

    def export(self, length: int | None = None, prefixes: int | None = None) -> Columns:
        """Return the columns, ready for JSON; of the first resources and prefixes alone where numbers are given."""
        cut = {name: column[:length] for name, column in self.columns.items()}
        return {
            **{name: PackedTexts(column) if name in _TEXTS else column for name, column in cut.items()},
            "prefixes": PackedTexts(islice(self.prefixes, prefixes)),
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
            "typeNames": [named(type_name(each), words) for each in self.types],
            "regions": list(self.regions),
            "owners": list(self.owners),
        }


class DataBlock:
    """Collects the columns of one document, whose endpoints and findings are given in the order of the page.

    `is_large`: the report is drawn before all of it is unpacked, from `first`; `rest` has every row.
    """

    def __init__(self, document: Document, exposures: Sequence[ExposureRow], findings: Sequence[FindingRow]) -> None:
        self.document = document
        self.resources = ResourceTable(document)
        self.strings = IndexTable("")
        self.gap_sets = IndexTable(())
        self.rules = IndexTable()
        self.gaps = [
            {"url": gap.url, "status": gap.status, "code": gap.code, "action": gap.action} for gap in document.gaps
        ]
        self._gap_at = {gap.url.lower(): at for at, gap in enumerate(document.gaps)}
        self._titles = {id: rule.title for id, rule in document.rules.items()}
        self._tiers = set[int]()
        self.is_large = len(exposures) + len(findings) >= LARGE
        for exposure in exposures[:ENDPOINTS]:
            self._exposure(exposure)
        self._page = FirstPage(findings, document.passed, self.resources.type_of)
        for at in self._page.rows:
            self._finding(findings[at])
        for id in self._page.passed:
            self.resources.at(id)
        self._first = len(self.resources.columns["last"]), len(self.resources.prefixes)
        self._first_strings = len(self.strings)
        in_order = [self.resources.at(id) for id in sorted({*document.passed, *document.not_applicable})]
        self._place = {at: place for place, at in enumerate(in_order)}
        """The places of resources that have passed rules, or such that do not apply, in the order of their ids."""
        self.exposures, self._marks_of_exposures = _columns(exposures, _EXPOSURE, self._exposure)
        self.findings, self._marks_of_findings = _columns(findings, _FINDING, self._finding)
        self.passed, self.not_applicable = self._passed(), self._not_applicable()

    def _text(self, text: str | None, resource: int) -> int:
        return self.strings[self.resources.pattern(text, resource)] if text else 0

    def _data(self, value: Any, resource: int) -> int:
        """Return the index of a structure as JSON text, 0 where it is empty."""
        return self._text(_json(value), resource) if value else 0

    def _fix(self, fix: FixRow | None, resource: int) -> int:
        """Return the index of a fix as JSON text without its impact, which the rule has."""
        if fix is None:
            return 0
        index = self._data(msgspec.structs.replace(fix, impact="") if fix.impact else fix, resource)
        if fix.tier:
            self._tiers.add(index)
        return index

    def _gap_set(self, urls: Iterable[str]) -> int:
        found = []
        for url in urls:
            at = self._gap_at.get(url.lower())
            if at is None:
                at = self._gap_at[url.lower()] = len(self.gaps)
                self.gaps.append({"url": url, "status": None, "code": None, "action": None})
            found.append(at)
        return self.gap_sets[tuple(found)]

    def _exposure(self, row: ExposureRow) -> tuple[int, ...]:
        strings, resource, may = self.strings, self.resources.at(row.resource), row.may
        return (
            resource,
            strings[row.endpoint],
            strings[row.kind],
            self._text(row.address, resource),
            strings[row.reach or "unknown"],
            strings[row.authentication or "unknown"],
            strings[(may and may.reach) or ""],
            strings[(may and may.authentication) or ""],
            strings[row.severity or ""],
            strings[row.worst or ""],
            strings[row.state],
            strings[rating(row)],
            self._text(row.reason, resource),
            self._text(row.title, resource),
            self._data(row.hops, resource),
            self._data(row.admits, resource),
            self._data(row.hosts or None, resource),
            self._data(row.publishers or None, resource),
            self._fix(row.fix, resource),
            self._text(row.breaks, resource),
            int(bool(row.new)),
            strings[row.since or ""],
        )

    def _finding(self, row: FindingRow) -> tuple[int, ...]:
        resource = self.resources.at(row.resource)
        return (
            self.rules[row.rule],
            resource,
            _STATUS[row.status],
            _SEVERITY.get(row.severity, -1),
            0 if row.title == self._titles.get(row.rule) else self._text(row.title, resource),
            self._data(row.endpoints, resource),
            self._text(row.message, resource),
            self._data(row.evidence, resource),
            self._fix(row.fix, resource),
            self._gap_set(row.gaps) if row.gaps else 0,
            self._data(row.waiver, resource),
            int(bool(row.new)),
            self.strings[row.since or ""],
        )

    def _history(self) -> Columns:
        """Return whether there is a history, the time of this scan, and fingerprints for the filter `is:`."""
        changes = self.document.changes
        if changes is None:
            return {"history": False}
        lists = {"reopened": changes.reopened, "worse": changes.worse, "better": changes.better}
        changed = {name: [row.fingerprint for row in rows] for name, rows in lists.items()}
        return {"history": True, "taken": self.document.scan.taken, "changed": changed}

    def _passed(self) -> list[tuple[int, "array[int]"]]:
        by_rule: dict[int, array[int]] = defaultdict(lambda: array("i"))
        for resource, rules in self.document.passed.items():
            at = self.resources.at(resource)
            for rule in rules:
                by_rule[self.rules[rule]].append(at)
        return [
            (rule, array("i", sorted(by_rule[rule], key=self._place.__getitem__))) for rule in self._sorted(by_rule)
        ]

    def _not_applicable(self) -> list[tuple[int, "array[int]", "array[int]"]]:
        by_rule: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for resource, reasons in self.document.not_applicable.items():
            at = self.resources.at(resource)
            for id, reason in reasons.items():
                by_rule[self.rules[id]].append((at, self._text(reason, at)))
        found = []
        for rule in self._sorted(by_rule):
            places, texts = zip(*sorted(by_rule[rule], key=lambda each: self._place[each[0]]), strict=True)
            found.append((rule, array("i", places), array("i", texts)))
        return found

    def _sorted(self, rules: Iterable[int]) -> list[int]:
        return sorted(rules, key=list(self.rules).__getitem__)

    def _rules(self) -> list[Columns]:
        known = self.document.rules
        return [{"id": id, **(msgspec.structs.asdict(known[id]) if id in known else {})} for id in self.rules]

    def export(self, words: Words) -> Columns:
        """Return the whole block but for fingerprints, ready for JSON."""
        head, tables = self._head(words), self._tables()
        return {**head, **tables, "resources": {**head["resources"], **tables["resources"]}}

    def first(self, words: Words) -> Columns:
        """Return what a large report draws first: the first rows of both lists, and the counts of all."""
        head, resources, page = self._head(words), self.resources, self._page
        not_applicable = [(rule, places) for rule, places, _ in self.not_applicable]
        counts = RowCounts(self.findings, self.passed, not_applicable, self._tiers)
        return {
            **head,
            "resources": {**head["resources"], **resources.export(*self._first)},
            "exposures": cut(self.exposures, range(ENDPOINTS)),
            "findings": cut(self.findings, page.rows),
            "passed": [],
            "notApplicable": [],
            "strings": PackedTexts(islice(self.strings, self._first_strings)),
            "counts": counts.export(head["rules"], resources.columns, page),
        }

    def rest(self) -> Columns:
        """Return every row of a large report, and the fingerprints."""
        return {**self._tables(), **self.fingerprints()}

    def fingerprints(self) -> Columns:
        """Return the fingerprints, 16 characters each. They are apart, because the first drawing needs none of them."""
        columns = {"exposures": self._marks_of_exposures, "findings": self._marks_of_findings}
        return {"fingerprints": {name: PackedTexts([marks]) for name, marks in columns.items()}}

    def _head(self, words: Words) -> Columns:
        """Return everything that does not grow with the rows."""
        finished = parse_time(self.document.scan.finished)
        days = {
            name: (finished + timedelta(count)).date().isoformat() if finished else ""
            for name, count in (("waiverExpires", _WAIVER_DAYS), ("expiringBefore", _EXPIRING_DAYS))
        }
        return {
            "lang": words.language,
            "words": words.catalogue,
            **self._history(),
            "portal": PORTALS.get(self.document.scan.cloud, ""),
            "ownerTag": (self.document.scan.owner_tag or "") if len(self.resources.owners) > 1 else "",
            "statuses": STATUSES,
            "severities": SEVERITIES,
            **days,
            "frameworks": framework_block(self.document, words.language),
            "rules": self._rules(),
            "resources": self.resources.values(words),
            "gaps": self.gaps,
            "gapSets": list(self.gap_sets),
        }

    def _tables(self) -> Columns:
        return {
            "resources": self.resources.export(),
            "exposures": self.exposures,
            "findings": self.findings,
            "passed": [[rule, Differences(places)] for rule, places in self.passed],
            "notApplicable": [[rule, Differences(places), why] for rule, places, why in self.not_applicable],
            "strings": PackedTexts(self.strings),
        }


def _columns(
    rows: Iterable[_Row], names: Sequence[str], indexes: Callable[[_Row], tuple[int, ...]]
) -> tuple[Columns, str]:
    """Return the columns of rows by name, and their fingerprints as one text.

    `indexes` gives the values of a row in the order of the names.
    """
    columns = [array("i") for _ in names]
    fingerprints = []
    every = iter(rows)
    while batch := list(islice(every, _BATCH)):
        for column, values in zip(columns, zip(*map(indexes, batch), strict=True), strict=True):
            column.extend(values)
        fingerprints.append("".join([row.fingerprint[:16].ljust(16) for row in batch]))
    length = len(columns[0])
    found: Columns = dict(zip(names, map(_column, columns), strict=True)) if length else {}
    return {**found, "length": length}, "".join(fingerprints)


def _column(values: "array[int]") -> Any:
    """Return a column, or its one value where all are the same."""
    return values[0] if values.count(values[0]) == len(values) else values


def _json(value: Any) -> str:
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), sort_keys=True)
