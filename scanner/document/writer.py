"""Writing a findings document: as a stream of rows, into files that are never incomplete."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from scanner.document.schema import (
    SCHEMA,
    ChangesRow,
    Coverage,
    ExposureRow,
    FindingRow,
    GapRow,
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
        out.write(b"}\n")

    def close(self) -> None:
        for spool in self._spools.values():
            spool.close()


def mode_of_new(path: Path) -> int:
    """Return the mode of a new file, which holds findings or configuration: for its owner alone (0600).

    Where the folder has a default ACL, that decides: the mode that is asked for would take rights away from whom it
    names (acl(5), object creation and default ACLs).
    """
    with suppress(OSError, AttributeError):
        os.getxattr(path.parent, "system.posix_acl_default")
        return 0o666
    return 0o600


class AtomicFile:
    """A file that is written beside its path, and renamed to it only when it is complete.

    A new file is for its owner alone. One that exists keeps its mode.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f".{path.name}.{os.getpid()}.part")

    def __enter__(self) -> IO[bytes]:
        self._file = os.fdopen(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode_of_new(self.part)), "wb")
        with suppress(FileNotFoundError):
            os.fchmod(self._file.fileno(), self.path.stat().st_mode & 0o777)
        return self._file

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self._file.close()
            if kind is None:
                self.part.replace(self.path)
        finally:
            self.part.unlink(missing_ok=True)
