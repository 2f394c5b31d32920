"""Step 4 of a scan: the files that it writes, and those that it could not write."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple

from scanner.document.reader import open_document
from scanner.document.schema import ChangesRow, Coverage, Document, GapRow, RuleRow, ScanRow, decode_document
from scanner.document.writer import Writer
from scanner.errors import UserError
from scanner.output.storage import Storage
from scanner.output.targets import STDOUT, OutputTarget, write_error
from scanner.snapshot.store import Store
from scanner.terminal.streams import OutputLost, discard, json_output, lost_output

_IN_MEMORY = 64 << 20
"""Bytes of a document that is decoded in memory, and needs no temporary file."""


class Sections(NamedTuple):
    """The sections of a document other than the rows of its writer: the arguments of `Writer.finish`."""

    scan: ScanRow
    rules: dict[str, RuleRow]
    gaps: list[GapRow]
    coverage: Coverage
    changes: ChangesRow | None


@dataclass(slots=True)
class Outputs:
    """Writes the outputs of a scan. What cannot be written is an error at its end; the other outputs are written."""

    storage: Storage
    wrote: list[str] = field(default_factory=list)
    unwritten: list[str] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)
    unheard: bool = False
    """Whether standard output was closed before everything was written."""

    def write_snapshot(self, store: Store, name: str) -> None:
        """Write a snapshot, and replace an earlier one of this scan. Do nothing for the name ""."""
        if not name:
            return
        if name in self.wrote:
            self.wrote.remove(name)
        try:
            with self.storage.writing(name) as file:
                store.into(file, Path(name))
            self.wrote.append(name)
        except OSError as error:
            self._failed(name, error)

    def write_documents(self, outs: Sequence[OutputTarget], writer: Writer, sections: Sections) -> None:
        """Write every output of a document, those that need no decoding first."""
        document: Document | None = None
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as whole:
            for out in sorted(outs, key=lambda each: (each.format == STDOUT, each.format != ".json")):
                try:
                    if out.format == STDOUT:
                        _print(writer, sections)
                    elif out.format == ".json":
                        with self.storage.writing(out.name) as file:
                            writer.finish(file, *sections)
                    else:
                        document = _decoded(writer, sections, whole) if document is None else document
                        self._write_report(out, document)
                except OutputLost as error:
                    self._lost(error)
                except OSError as error:
                    self._failed(out.name, error)
                else:
                    self.wrote += [out.name] if out.format != STDOUT else []

    def _write_report(self, out: OutputTarget, document: Document) -> None:
        from scanner.output.writers import write

        with self.storage.writing(out.name) as file:
            write(out.format, document, file)

    def _lost(self, error: OutputLost) -> None:
        discard()
        self.unheard = error.is_closed
        if not error.is_closed:
            self.errors.append(lost_output(error))
            self.unwritten.append("standard output")

    def _failed(self, name: str, error: OSError) -> None:
        self.errors.append(write_error(name, error, self.wrote))
        self.unwritten.append(name)


def _print(writer: Writer, sections: Sections) -> None:
    out = json_output()
    writer.finish(out, *sections)
    out.flush()


def _decoded(writer: Writer, sections: Sections, whole: IO[bytes]) -> Document:
    """Return the document. The rows of one above `_IN_MEMORY` stay in the file `whole`."""
    whole.seek(0)
    writer.finish(whole, *sections)
    # What an output that failed before has left.
    whole.truncate()
    document = open_document(whole) if whole.tell() > _IN_MEMORY else None
    if document is None:
        whole.seek(0)
        document = decode_document(whole.read())
    return document
