"""Step 4 of a scan: the files that it writes, and those that it could not write."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple, cast

from msgspec import Struct, field

from scanner.document.framework_rows import FrameworkRow
from scanner.document.numbers import NumbersRow
from scanner.document.reader import open_document
from scanner.document.schema import (
    ChangesRow,
    Coverage,
    Document,
    GapRow,
    RuleRow,
    ScanRow,
    decode_document,
)
from scanner.document.writer import Writer, fill
from scanner.errors import UserError
from scanner.evaluate.counts import count
from scanner.output.formats import LOG_ROWS
from scanner.output.owner_documents import SplitBy
from scanner.output.storage import Storage, is_blob
from scanner.output.targets import STDOUT, OutputTarget, write_error
from scanner.rulebook.loader import RuleSet
from scanner.rulebook.permissions import of_custom_rules
from scanner.snapshot.signature import SUFFIX, HashedFile, Signer
from scanner.snapshot.store import Store
from scanner.terminal.streams import OutputLost, discard, json_output, lost_output

_IN_MEMORY = 16 << 20
"""Bytes of a document that is decoded in memory, and needs no temporary file."""


class Sections(NamedTuple):
    """The sections of a document other than the rows of its writer: the arguments of `Writer.finish`."""

    scan: ScanRow
    rules: dict[str, RuleRow]
    gaps: list[GapRow]
    coverage: Coverage
    changes: ChangesRow | None
    numbers: NumbersRow
    frameworks: list[FrameworkRow] | None = None


class Outputs(Struct):
    """Writes the outputs of a scan. What cannot be written is an error at its end; the other outputs are written."""

    storage: Storage
    rules: RuleSet
    """Those of the scan; the report's role may hold actions of own ones."""
    language: str = "en"
    wrote: list[str] = field(default_factory=list)
    unwritten: list[str] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)
    owner_files: dict[str, list[str]] = field(default_factory=dict)
    """The files of each owner that were written, by the key of its part."""
    redaction_key: bytes | None = None
    """The key of the pseudonyms, where the outputs are redacted."""
    unheard: bool = False
    """Whether standard output was closed before everything was written."""

    def write_snapshot(self, store: Store, name: str, signer: Signer | None = None) -> None:
        """Write a snapshot, and replace an earlier one of this scan. Do nothing for the name "".

        With `signer` its signature is written beside it. Where that fails, neither is written.
        """
        if not name:
            return
        for each in {name, f"{name}{SUFFIX}"}.intersection(self.wrote):
            self.wrote.remove(each)
        try:
            if signer is not None:
                self._write_signed(store, name, signer)
            else:
                with self.storage.writing(name) as file:
                    store.into(file, Path(name))
            self.wrote += [name, *([f"{name}{SUFFIX}"] if signer is not None else [])]
        except OSError as error:
            self._failed(name, error)

    def _write_signed(self, store: Store, name: str, signer: Signer) -> None:
        beside = f"{name}{SUFFIX}"
        with self.storage.writing(beside) as signature, self.storage.writing(name) as file:
            # Closed here: Python flushes a file that it finds open at the end, when the one below may be closed.
            with HashedFile(file) as hashed:
                store.into(cast("IO[bytes]", hashed), Path(name))
            signature.write(signer.sign(hashed.digest))
            signature.flush()
            if not is_blob(name):
                # A kill between the two renames leaves a snapshot without a signature, never with an older one.
                Path(beside).unlink(missing_ok=True)

    def write_documents(
        self, outs: Sequence[OutputTarget], writer: Writer, sections: Sections, by: SplitBy | None = None
    ) -> None:
        """Write every output of a document, those that need no decoding first; last a report an owner."""
        if self.redaction_key is None:
            self._write_all(outs, writer, sections, by)
            return
        # No output takes anything of the whole document, but parts, which are redacted one by one.
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as file, closing(Writer()) as other:
            whole = _decoded(writer, sections, file)
            self._write_all(outs, other, _redacted(whole, other, self.redaction_key), by, whole)

    def _write_all(
        self,
        outs: Sequence[OutputTarget],
        writer: Writer,
        sections: Sections,
        by: SplitBy | None,
        to_split: Document | None = None,
    ) -> None:
        """Write every output. `to_split`: the document to split, where it is not the one that is written."""
        document: Document | None = None
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as whole:
            for out in sorted(outs, key=_last):
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
            if by is not None:
                self._write_owner_files(outs, to_split or document or _decoded(writer, sections, whole), by)

    def _write_owner_files(self, outs: Sequence[OutputTarget], document: Document, by: SplitBy) -> None:
        from scanner.output.owner_files import OwnerFiles
        from scanner.output.writers import write

        def report(suffix: str, owned: Document, file: IO[bytes]) -> None:
            custom_actions = of_custom_rules(self.rules) if self.redaction_key is None else ()
            write(suffix, owned, file, custom_actions, language=self.language)

        files = OwnerFiles(self.storage, by, report, self.redaction_key)
        names: list[str] = []
        try:
            for name in files.files(document, outs):
                names.append(name)  # noqa: PERF402 - the names so far are needed on an error
        except OSError as error:
            self._failed(names.pop(), error)
        self.wrote += names
        self.owner_files = {
            key: [name for name in of_owner if name in names] for key, of_owner in files.of_owners.items()
        }

    def _write_report(self, out: OutputTarget, document: Document) -> None:
        from scanner.output.writers import write

        with self.storage.writing(out.name) as file:
            custom_actions = of_custom_rules(self.rules) if self.redaction_key is None else ()
            write(out.format, document, file, custom_actions, language=self.language)

    def _lost(self, error: OutputLost) -> None:
        discard()
        self.unheard = error.is_closed
        if not error.is_closed:
            self.errors.append(lost_output(error))
            self.unwritten.append("standard output")

    def _failed(self, name: str, error: OSError) -> None:
        self.errors.append(write_error(name, error, self.wrote))
        self.unwritten.append(name)


def _redacted(whole: Document, other: Writer, key: bytes) -> Sections:
    """Write the rows of the redacted document into another writer. Return its other sections."""
    from scanner.output.redact import redact

    made = redact(whole, key)
    fill(other, made)
    numbers = count(made).numbers()
    return Sections(made.scan, made.rules, made.gaps, made.coverage, made.changes, numbers, made.frameworks or None)


def _last(out: OutputTarget) -> tuple[bool, bool, bool]:
    """Return the place of an output: files, the document first; then what is sent; then standard output."""
    return out.format == STDOUT, out.format == LOG_ROWS.suffix, out.format != ".json"


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
