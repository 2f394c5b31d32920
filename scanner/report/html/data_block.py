"""The data block of the report: tables once, everything else as columns of indexes into them.

Texts that name their resource are kept as patterns: U+0001 and a letter stand for the resource's id (i), name (n),
group (g), subscription (s) and its parent's id (q) and name (p); `data_block.js` puts them back. So a command or a
message that differs in the resource alone is stored once. Texts that JSON would escape are never replaced, so that
patterns of JSON remain JSON. `packing.py` writes it.
"""

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

import msgspec

from scanner.document.schema import Document, ExposureRow, FindingRow, FixRow
from scanner.fix.script import END, Order, header, piece_of
from scanner.model.message import message_text
from scanner.model.severity import SEVERITIES
from scanner.report.html.endpoint_cards import first_cards
from scanner.report.html.first_page import ENDPOINTS, LARGE, FirstPage, RowCounts, cut
from scanner.report.html.index_tables import IndexTable, StoredTexts
from scanner.report.html.packing import Columns, Differences
from scanner.report.html.resource_table import ResourceTable
from scanner.report.html.stored_columns import COLUMNS, LongText, NumberColumn
from scanner.report.language.naming import PORTALS
from scanner.report.language.words import Words, parse_time
from scanner.report.views.due import SOON_DAYS
from scanner.report.views.frameworks import framework_block
from scanner.report.views.summary import STATUSES, rating
from scanner.store.sorted_rows import SortedRows
from scanner.store.spool import Spool

_WAIVER_DAYS = 90
_OF_TEMPLATES = {
    *("capacity", "change_badge", "change_heading", "change_meaning", "change_said", "change_tile", "change_why"),
    *("changes", "chip", "diff", "due", "encryption_keys", "exposure", "headline", "legend", "noscript"),
    *("not_assessed", "places", "reason", "responsibility_of", "services", "spark", "state", "trend"),
}
"""The texts that no script uses."""
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
_PIECE = ("order", "piece")
_Row = TypeVar("_Row", ExposureRow, FindingRow)
_BATCH = 1024
_encode: Callable[[Any], bytes] = msgspec.json.Encoder(order="sorted", enc_hook=message_text).encode


class DataBlock:
    """Collects the columns of one document, whose endpoints and findings are given in the order of the page.

    `is_large`: the report is drawn before all of it is unpacked, from `first`; `rest` has every row. `english`: the
    findings in English, for the script of their fixes.
    """

    def __init__(
        self,
        document: Document,
        exposures: Sequence[ExposureRow],
        findings: Sequence[FindingRow],
        english: Sequence[FindingRow] | None = None,
    ) -> None:
        self.document = document
        self._spool = Spool(COLUMNS)
        self.resources = ResourceTable(document, self._spool)
        self.strings = StoredTexts(self._spool)
        self.gap_sets = IndexTable(())
        self.rules = IndexTable()
        self.gaps = [
            {"url": gap.url, "status": gap.status, "code": gap.code, "action": gap.action} for gap in document.gaps
        ]
        self._gap_at = {gap.url.lower(): at for at, gap in enumerate(document.gaps)}
        self._titles = {id: rule.title for id, rule in document.rules.items()}
        self._impacts = {id: rule.remediation.breaks for id, rule in document.rules.items()}
        self._tiers = set[int]()
        self.is_large = len(exposures) + len(findings) >= LARGE
        _, self._first_exposures = first_cards(exposures, ENDPOINTS)
        for exposure in exposures[: self._first_exposures]:
            self._exposure(exposure)
        self._page = FirstPage(findings, document.passed, self.resources.type_of)
        for at in self._page.rows:
            self._finding(findings[at])
        for id in self._page.passed:
            self.resources.at(id)
        self._first, self._first_strings = self.resources.so_far(), self.strings.column.so_far()
        self._position = self._positions()
        self.exposures, self._marks_of_exposures = self._columns(exposures, _EXPOSURE, self._exposure)
        self.findings, self._marks_of_findings = self._columns(findings, _FINDING, self._finding)
        self.findings |= self._columns(findings if english is None else english, _PIECE, self._piece)[0]
        self.passed, self.not_applicable = self._passed(), self._not_applicable()

    def _positions(self) -> "array[int]":
        """Return the places of resources with rules that passed or do not apply, in the order of their ids."""
        at, positions = self.resources.at, array("i")
        for number, id in enumerate(_sorted_ids(self.document.passed, self.document.not_applicable)):
            index = at(id)
            positions.frombytes(bytes(4 * max(0, len(self.resources) - len(positions))))
            positions[index] = number
        return positions

    def _columns(
        self, rows: Iterable[_Row], names: Sequence[str], indexes: Callable[[_Row], tuple[int, ...]]
    ) -> tuple[Columns, LongText]:
        """Return the columns of rows by name, and their fingerprints as one text.

        `indexes` gives the values of a row in the order of the names.
        """
        columns = [NumberColumn(self._spool) for _ in names]
        fingerprints = LongText(self._spool)
        every = iter(rows)
        while batch := list(islice(every, _BATCH)):
            for column, values in zip(columns, zip(*map(indexes, batch), strict=True), strict=True):
                column.extend(values)
            fingerprints.append("".join([row.fingerprint[:16].ljust(16) for row in batch]))
        length = len(columns[0])
        result: Columns = dict(zip(names, map(_column, columns), strict=True)) if length else {}
        return {**result, "length": length}, fingerprints

    def _text(self, text: str | None, resource: int) -> int:
        return self.strings[self.resources.pattern(text, resource)] if text else 0

    def _data(self, value: Any, resource: int) -> int:
        """Return the index of a structure as JSON text, 0 where it is empty."""
        return self._text(_json(value), resource) if value else 0

    def _fix(self, fix: FixRow | None, resource: int, known: str | None) -> int:
        """Return the index of a fix as JSON text, without the impact that is known of its rule or its endpoint."""
        if fix is None:
            return 0
        impact = "" if fix.impact == known else fix.impact
        index = self._data(msgspec.structs.replace(fix, impact=impact, after={}, shared=False), resource)
        if fix.tier:
            self._tiers.add(index)
        return index

    def _gap_set(self, urls: Iterable[str]) -> int:
        matches = []
        for url in urls:
            at = self._gap_at.get(url.lower())
            if at is None:
                at = self._gap_at[url.lower()] = len(self.gaps)
                self.gaps.append({"url": url, "status": None, "code": None, "action": None})
            matches.append(at)
        return self.gap_sets[tuple(matches)]

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
            self._fix(row.fix, resource, row.breaks),
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
            self._fix(row.fix, resource, self._impacts.get(row.rule)),
            self._gap_set(row.gaps) if row.gaps else 0,
            self._data(row.waiver or (row.lapsed and {"lapsed": row.lapsed.expires}) or None, resource),
            int(bool(row.new)),
            self.strings[row.since or ""],
        )

    def _piece(self, row: FindingRow) -> tuple[int, ...]:
        """Return of a finding's piece of the script when it runs, and its texts; of one without a command -1, 0."""
        piece = piece_of(row)
        if piece is None:
            return -1, 0
        return int(piece.order), self._data(
            [piece.label, piece.heading, piece.start, piece.end], self.resources.at(row.resource)
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
            (rule, array("i", sorted(by_rule.pop(rule), key=self._position.__getitem__)))
            for rule in self._sorted(by_rule)
        ]

    def _not_applicable(self) -> list[tuple[int, "array[int]", "array[int]"]]:
        by_rule: dict[int, tuple[array[int], array[int]]] = defaultdict(lambda: (array("i"), array("i")))
        for resource, reasons in self.document.not_applicable.items():
            at = self.resources.at(resource)
            for id, reason in reasons.items():
                positions, texts = by_rule[self.rules[id]]
                positions.append(at)
                texts.append(self._text(reason, at))
        result = []
        for rule in self._sorted(by_rule):
            positions, texts = by_rule.pop(rule)
            order = sorted(range(len(positions)), key=lambda each: self._position[positions[each]])
            result.append(
                (rule, array("i", map(positions.__getitem__, order)), array("i", map(texts.__getitem__, order)))
            )
        return result

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
        not_applicable = [(rule, positions) for rule, positions, _ in self.not_applicable]
        counts = RowCounts(self.findings, self.passed, not_applicable, self._tiers)
        return {
            **head,
            "resources": {**head["resources"], **self._first},
            "exposures": cut(self.exposures, range(self._first_exposures)),
            "findings": cut(self.findings, page.rows),
            "passed": [],
            "notApplicable": [],
            "strings": self._first_strings,
            "counts": counts.export(head["rules"], resources.columns, page),
        }

    def rest(self) -> Columns:
        """Return every row of a large report, and the fingerprints."""
        return {**self._tables(), **self.fingerprints()}

    def fingerprints(self) -> Columns:
        """Return the fingerprints, 16 characters each. They are apart, because the first drawing needs none of them."""
        return {"fingerprints": {"exposures": self._marks_of_exposures, "findings": self._marks_of_findings}}

    def _head(self, words: Words) -> Columns:
        """Return everything that does not grow with the rows."""
        finished = parse_time(self.document.scan.finished)
        days = {
            name: (finished + timedelta(count)).date().isoformat() if finished else ""
            for name, count in (("waiverExpires", _WAIVER_DAYS), ("expiringBefore", SOON_DAYS))
        }
        return {
            "lang": words.language,
            "words": {name: texts for name, texts in words.catalogue.items() if name not in _OF_TEMPLATES},
            **self._history(),
            "scanned": [self.document.scan.taken, self.document.scan.evaluated],
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
            "script": {"head": header(self.document, words.language), "end": END, "deletion": int(Order.delete)},
        }

    def _tables(self) -> Columns:
        return {
            "resources": self.resources.so_far(),
            "exposures": self.exposures,
            "findings": self.findings,
            "passed": [[rule, Differences(positions)] for rule, positions in self.passed],
            "notApplicable": [[rule, Differences(positions), why] for rule, positions, why in self.not_applicable],
            "strings": self.strings.column.so_far(),
        }


def _column(values: NumberColumn) -> NumberColumn | int:
    """Return a column, or its one value where all are the same."""
    return values.least if values.least == values.greatest else values


def _sorted_ids(*mappings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of mappings in their order, each once."""
    keys, last = SortedRows(), b""
    for mapping in mappings:
        for id in mapping:
            keys.add(id.encode("utf-8", "surrogatepass"))
    for number, (key, _) in enumerate(keys.in_order()):
        if key != last or not number:
            yield key.decode("utf-8", "surrogatepass")
        last = key


def _json(value: Any) -> str:
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value, enc_hook=message_text), sort_keys=True)
