"""A findings file made into other files."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from scanner.document.schema import SCHEMA, Document
from scanner.errors import InputError
from scanner.output.formats import STDOUT, Out, Unwritable, unwritable
from scanner.output.storage import Storage

if TYPE_CHECKING:
    from scanner.history.documents import DiffDocument

WRITERS = {
    ".html": ("html", "write_html"),
    ".csv": ("csv", "write_csv"),
    ".md": ("markdown", "write_markdown"),
    ".sarif": ("sarif", "write_sarif"),
    ".junit.xml": ("junit", "write_junit"),
}
"""What makes a file of a decoded findings document, by suffix; JSON is the document itself."""


def write(format: str, document: Mapping[str, Any], out: IO[bytes]) -> None:
    """Write a findings document in a format of `WRITERS`. The same document gives the same bytes."""
    module, name = WRITERS[format]
    made: Callable[[Mapping[str, Any], IO[bytes]], None] = getattr(import_module(f"scanner.report.{module}"), name)
    made(document, out)


def convert(
    file: str,
    outs: Sequence[Out],
    storage: Storage,
    at: Callable[[str, object], str] = lambda option, value: str(value),
) -> list[str]:
    """Write each output from a findings file. Raises InputError where it is none, or one cannot be written."""
    storage.check((out.name, at("out", out.name)) for out in outs)
    with storage.reading(file, file) as path:
        text = _read(path)
        document = _document(path, text)
    wrote: list[str] = []
    for out in outs:
        if out.format == STDOUT:
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
            continue
        try:
            with storage.writing(out.name) as target:
                if out.format in WRITERS:
                    write(out.format, document, target)
                else:
                    target.write(text)
        except OSError as error:
            raise unwritable(out.name, error, wrote, file) from None
        wrote.append(out.name)
    return wrote


def write_difference(found: "DiffDocument", outs: Sequence[Out], storage: Storage) -> list[str]:
    """Write each output; return the names of those that were. Raises InputError where one cannot be written."""
    from scanner.report import diff

    wrote: list[str] = []
    for out in outs:
        try:
            with storage.writing(out.name) as file:
                diff.WRITERS[out.format](found, file)
        except OSError as error:
            raise unwritable(out.name, error, wrote) from None
        wrote.append(out.name)
    return wrote


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}", at=str(file), do="make one: twolocks scan --out findings.json"
        ) from None


def _document(file: Path, text: bytes) -> dict[str, object]:
    make = "give what twolocks scan --out findings.json wrote"
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"this is not JSON: {error}", at=str(file), do=make) from None
    if not isinstance(document, dict) or "findings" not in document:
        raise InputError("this JSON holds no findings", at=str(file), do=make)
    if document.get("schema") != SCHEMA:
        raise InputError(
            f"the schema is {document.get('schema')}, this version knows {SCHEMA}", at=str(file), do="upgrade twolocks"
        )
    try:
        msgspec.convert(document, Document)
    except msgspec.ValidationError as error:
        raise InputError(f"this is no findings file: {error}", at=str(file), do=make) from None
    return document


__all__ = ["Unwritable", "convert"]
