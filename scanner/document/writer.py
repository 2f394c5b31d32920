"""Writing a findings document as a stream of rows."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from typing import IO

import msgspec

from scanner.document.framework_rows import FrameworkRow
from scanner.document.schema import (
    SCHEMA,
    ChangesRow,
    Coverage,
    Document,
    ExposureRow,
    FindingRow,
    GapRow,
    NumbersRow,
    ResourceRow,
    RuleRow,
    ScanRow,
)

_encoder = msgspec.json.Encoder(enc_hook=str)
_SECTIONS = ("resources", "exposures", "findings", "passed", "not_applicable")
_LISTS = frozenset({"exposures", "findings"})
_BATCH = 512


class Writer:
    """Writes a document as a stream: rows in their final order, one a line, sections spooled until `finish`."""

    def __init__(self) -> None:
        self._spools: dict[str, IO[bytes]] = {
            name: tempfile.SpooledTemporaryFile(max_size=64 << 20)  # noqa: SIM115
            for name in _SECTIONS
        }
        self._filled: set[str] = set()
        self.fill: Callable[[bytes], bytes] | None = None
        """What completes rows once all are written."""
        self._waiting: dict[str, list[bytes]] = {name: [] for name in _SECTIONS}

    def _line(self, section: str, line: bytes) -> None:
        waiting = self._waiting[section]
        waiting.append(line)
        if len(waiting) >= _BATCH:
            self._spill(section)

    def _spill(self, section: str) -> None:
        waiting = self._waiting[section]
        if waiting:
            text = b",\n".join(waiting)
            self._spools[section].write((b",\n" if section in self._filled else b"\n") + text)
            self._filled.add(section)
            waiting.clear()

    def exposure(self, row: ExposureRow) -> None:
        self._line("exposures", _encoder.encode(row))

    def finding(self, row: FindingRow) -> None:
        self._line("findings", _encoder.encode(row))

    def resource(self, id: str, row: ResourceRow) -> None:
        self._line("resources", _encoder.encode(id) + b": " + _encoder.encode(row))

    def passed(self, id: str, rules: list[str]) -> None:
        self._line("passed", _encoder.encode(id) + b": " + _encoder.encode(rules))

    def not_applicable(self, id: str, rules: dict[str, str]) -> None:
        self._line("not_applicable", _encoder.encode(id) + b": " + _encoder.encode(rules))

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
        out.write(b'{"schema": ' + _encoder.encode(SCHEMA) + b',\n"scan": ' + _encoder.encode(scan) + b',\n"rules": {')
        for place, (id, rule) in enumerate(sorted(rules.items())):
            out.write((b",\n" if place else b"\n") + _encoder.encode(id) + b": " + _encoder.encode(rule))
        out.write(b"\n}")
        for name in _SECTIONS:
            opens, closes = (b"[", b"\n]") if name in _LISTS else (b"{", b"\n}")
            out.write(b',\n"' + name.encode() + b'": ' + opens)
            self._spill(name)
            spool = self._spools[name]
            spool.seek(0)
            while lines := spool.readlines(1 << 20):
                text = b"".join(lines)
                out.write(text if self.fill is None else self.fill(text))
            out.write(closes)
        out.write(b',\n"gaps": [')
        for place, gap in enumerate(gaps):
            out.write((b",\n" if place else b"\n") + _encoder.encode(gap))
        out.write(b'\n],\n"coverage": ' + _encoder.encode(coverage))
        if changes is not None:
            out.write(b',\n"changes": ' + _encoder.encode(changes))
        if numbers is not None:
            out.write(b',\n"numbers": ' + _encoder.encode(numbers))
        if frameworks is not None:
            out.write(b',\n"frameworks": ' + _encoder.encode(frameworks))
        out.write(b"}\n")

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
    for id, rules in document.passed.items():
        writer.passed(id, rules)
    for id, reasons in document.not_applicable.items():
        writer.not_applicable(id, reasons)


def write_document(document: Document, out: IO[bytes]) -> None:
    """Write a whole document as a scan writes it. The same document gives the same bytes."""
    with closing(Writer()) as writer:
        fill(writer, document)
        writer.finish(
            out,
            document.scan,
            document.rules,
            document.gaps,
            document.coverage,
            document.changes,
            document.numbers or None,
            document.frameworks or None,
        )
