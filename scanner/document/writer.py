"""Writing a findings document as a stream of rows."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

import msgspec

from scanner.document.capacity_rows import CapacityRow
from scanner.document.framework_rows import FrameworkRow
from scanner.document.key_rows import KeyRow
from scanner.document.message_data import Data, all_with_texts, reasons_of, with_texts
from scanner.document.numbers import NumbersRow
from scanner.document.schema import (
    CHANGE_LISTS,
    SCHEMA,
    ChangesRow,
    Coverage,
    DataPlaceRow,
    Document,
    ExposureRow,
    FindingRow,
    GapRow,
    ResourceRow,
    RuleRow,
    ScanRow,
)
from scanner.model.message import message_text

_encoder = msgspec.json.Encoder(enc_hook=message_text)
_SECTIONS = ("resources", "exposures", "findings", "passed", "not_applicable", "reasons", "places", "keys", "capacity")
_LISTS = frozenset({"exposures", "findings", "places", "keys", "capacity"})
_BATCH = 512
_STORES = b'"stores":['
_IN_MEMORY = 4 << 20
"""The bytes of one section that are kept in memory until the document is written; beyond them they are in a file."""


class RowsFragment(msgspec.Struct, array_like=True):
    """The rows of a part of a document: whole lines by section. `templates`: of their texts. `seen`: what a writer has
    noted of them, encoded.
    """

    sections: dict[str, bytes]
    templates: dict[str, str] = {}
    seen: bytes = b""


class Last(NamedTuple):
    """The parts of a document after its coverage, each of which may be missing."""

    changes: ChangesRow | None
    numbers: NumbersRow | None
    frameworks: list[FrameworkRow] | None
    templates: dict[str, str]


class Writer:
    """Writes a document as a stream: rows in their final order, one a line, sections spooled until `finish`."""

    def __init__(self) -> None:
        self._spools: dict[str, IO[bytes]] = {
            name: tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
            for name in _SECTIONS
        }
        self._filled: set[str] = set()
        self.fill: Callable[[bytes], bytes] | None = None
        """What completes rows once all are written."""
        self.templates: dict[str, str] = {}
        """The templates of the texts of all rows, by their ids."""
        self._waiting: dict[str, list[bytes]] = {name: [] for name in _SECTIONS}

    def _line(self, section: str, line: bytes) -> None:
        waiting = self._waiting[section]
        waiting.append(line)
        if len(waiting) >= _BATCH:
            self._spill(section)

    def _spill(self, section: str) -> None:
        waiting = self._waiting[section]
        if waiting:
            self._begin(section, b",\n".join(waiting))
            waiting.clear()

    def _begin(self, section: str, text: bytes) -> None:
        """Write the beginning of a line, or whole lines."""
        self._spools[section].write((b",\n" if section in self._filled else b"\n") + text)
        self._filled.add(section)

    def fork(self) -> "Writer":
        """Return a writer for the rows of a part."""
        return Writer()

    def fragment(self) -> RowsFragment:
        """Return the rows of a part, which has no keys and no capacity."""
        sections = {}
        for name in _SECTIONS:
            self._spill(name)
            self._spools[name].seek(0)
            if text := self._spools[name].read():
                sections[name] = text.removeprefix(b"\n")
        return RowsFragment(sections, self.templates)

    def join(self, fragment: RowsFragment) -> None:
        """Write the rows of the part that comes next in the document."""
        self.templates |= fragment.templates
        for name, text in fragment.sections.items():
            self._spill(name)
            self._begin(name, text)

    def exposure(self, row: ExposureRow) -> None:
        self._line("exposures", _encoder.encode(with_texts(row, self.templates)))

    def finding(self, row: FindingRow) -> None:
        self._line("findings", _encoder.encode(with_texts(row, self.templates)))

    def place(self, row: DataPlaceRow) -> None:
        self._line("places", _encoder.encode(with_texts(row, self.templates)))

    def key(self, row: KeyRow, stores: Iterable[bytes] | None = None) -> None:
        """Write a key. `stores`: its encoded stores, where the row is without them."""
        if stores is None:
            stores = map(_encoder.encode, all_with_texts(row.stores, self.templates))
        row = msgspec.structs.replace(row, stores=[], risks=all_with_texts(row.risks, self.templates))
        head, tail = _encoder.encode(with_texts(row, self.templates)).split(_STORES, 1)
        self._begin("keys", head + _STORES)
        spool = self._spools["keys"]
        for number, each in enumerate(stores):
            spool.write(b"," + each if number else each)
        spool.write(tail)

    def capacity(self, row: CapacityRow) -> None:
        self._line("capacity", _encoder.encode(with_texts(row, self.templates)))

    def resource(self, id: str, row: ResourceRow) -> None:
        self._line("resources", _encoder.encode(id) + b": " + _encoder.encode(row))

    def carried(self, id: str, rule: str) -> None:
        """Take a rule whose verdicts on a resource need a read of an earlier scan. Its rows say so themselves."""

    def passed(self, id: str, rules: list[str]) -> None:
        self._line("passed", _encoder.encode(id) + b": " + _encoder.encode(rules))

    def not_applicable(self, id: str, rules: dict[str, str]) -> None:
        self._line("not_applicable", _encoder.encode(id) + b": " + _encoder.encode(rules))
        if result := reasons_of(rules, self.templates):
            self.reasons(id, result)

    def reasons(self, id: str, rules: dict[str, Data]) -> None:
        """Write what the reasons of a resource are made of."""
        self._line("reasons", _encoder.encode(id) + b": " + _encoder.encode(rules))

    def finish(
        self,
        out: IO[bytes],
        scan: ScanRow,
        rules: dict[str, RuleRow],
        gaps: list[GapRow],
        coverage: Coverage,
        changes: ChangesRow | None = None,
        numbers: NumbersRow | None = None,
        frameworks: list[FrameworkRow] | None = None,
    ) -> None:
        """Write the document; may be called once for each output."""
        sections = {name: self._pieces(name) for name in _SECTIONS}
        last = Last(changes, numbers, frameworks, self.templates)
        _write(out, scan, rules, sections, gaps, coverage, last)

    def _pieces(self, name: str) -> Iterator[bytes]:
        """Yield the rows of a section in pieces of whole lines."""
        self._spill(name)
        spool = self._spools[name]
        spool.seek(0)
        while lines := spool.readlines(1 << 20):
            text = b"".join(lines)
            yield text if self.fill is None else self.fill(text)

    def close(self) -> None:
        for spool in self._spools.values():
            spool.close()


def fill(writer: Writer, document: Document) -> None:
    """Write the rows of a whole document into a writer."""
    for id, resource in document.resources.items():
        writer.resource(id, resource)
    for exposure in document.exposures:
        writer.exposure(exposure)
    for finding in document.findings:
        writer.finding(finding)
    for place in document.places:
        writer.place(place)
    for key in document.keys:
        writer.key(key)
    for row in document.capacity:
        writer.capacity(row)
    for id, rules in document.passed.items():
        writer.passed(id, rules)
    for id, reasons in document.not_applicable.items():
        writer.not_applicable(id, reasons)
    for id, result in document.reasons.items():
        writer.reasons(id, result)
    writer.templates |= document.templates or {}


def _write(
    out: IO[bytes],
    scan: ScanRow,
    rules: dict[str, RuleRow],
    sections: Mapping[str, Iterable[bytes]],
    gaps: list[GapRow],
    coverage: Coverage,
    last: Last,
) -> None:
    """Write a document. `sections`: the rows of each in pieces, the first of which begins with an end of line."""
    out.write(b'{"schema": ' + _encoder.encode(SCHEMA) + b',\n"scan": ' + _encoder.encode(scan) + b',\n"rules": {')
    for position, (id, rule) in enumerate(sorted(rules.items())):
        out.write((b",\n" if position else b"\n") + _encoder.encode(id) + b": " + _encoder.encode(rule))
    out.write(b"\n}")
    for name in _SECTIONS:
        opens, closes = (b"[", b"\n]") if name in _LISTS else (b"{", b"\n}")
        out.write(b',\n"' + name.encode() + b'": ' + opens)
        for piece in sections[name]:
            out.write(piece)
        out.write(closes)
    out.write(b',\n"gaps": [')
    for position, gap in enumerate(gaps):
        out.write((b",\n" if position else b"\n") + _encoder.encode(gap))
    templates = dict(last.templates)
    out.write(b'\n],\n"coverage": ' + _encoder.encode(with_texts(coverage, templates)))
    changes = None if last.changes is None else _changes(last.changes, templates)
    for name, section in last._replace(changes=changes, templates=dict(sorted(templates.items())))._asdict().items():
        if section is not None and (section or name != "templates"):
            out.write(b',\n"%b": ' % name.encode() + _encoder.encode(section))
    out.write(b"}\n")


def write_document(document: Document, out: IO[bytes]) -> None:
    """Write a whole document as a scan writes it, row by row. The same document gives the same bytes."""
    templates = dict(document.templates or {})
    sections = {name: _lines(getattr(document, name), templates) for name in _SECTIONS}
    last = Last(document.changes, document.numbers or None, document.frameworks or None, templates)
    _write(out, document.scan, document.rules, sections, document.gaps, document.coverage, last)


def _changes(row: ChangesRow, templates: dict[str, str]) -> ChangesRow:
    """Return changes with what their texts are made of."""
    lists: dict[str, Any] = {name: all_with_texts(getattr(row, name), templates) for name in CHANGE_LISTS}
    return with_texts(msgspec.structs.replace(row, **lists), templates)


def _lines(rows: Mapping[str, Any] | Sequence[Any], templates: dict[str, str]) -> Iterator[bytes]:
    """Yield the rows of a section, each with what parts it from the one before."""
    lines: Iterator[bytes]
    if isinstance(rows, Mapping):
        lines = (_encoder.encode(id) + b": " + _encoder.encode(row) for id, row in rows.items())
    else:
        lines = (_encoder.encode(with_texts(row, templates)) for row in rows)
    for position, line in enumerate(lines):
        yield (b",\n" if position else b"\n") + line
