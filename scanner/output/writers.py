"""Writes the outputs that are made of a findings file, or of the difference between two."""

from collections.abc import Callable, Collection, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from scanner.document.schema import FIRST_SCHEMA, SCHEMA, Document, decode_document, with_known_words
from scanner.document.writer import write_document
from scanner.errors import InputError
from scanner.output.formats import DIFF_FORMATS, FORMATS, writer
from scanner.output.part_files import INDEX, PartFiles, require_tag
from scanner.output.parts import SplitBy
from scanner.output.redact import redact
from scanner.output.storage import Storage
from scanner.output.targets import STDOUT, OutputTarget, refuse_inputs, write_error
from scanner.terminal.streams import json_output

if TYPE_CHECKING:
    from scanner.history.documents import DiffDocument

_FORMATS = {each.suffix: each for each in FORMATS}
_DIFF_FORMATS = {each.suffix: each for each in DIFF_FORMATS}


def write(suffix: str, document: Document, out: IO[bytes], own_actions: Collection[str] = ()) -> None:
    """Write a findings document in the format of a suffix, which is not `.json`. The same document, the same bytes.

    `own_actions`: those of the user's own rules, for a role to copy. A file of findings has none.
    """
    format = _FORMATS[suffix]
    more = {"own_actions": own_actions} if format.has_role else {}
    writer(format)(document, out, **more)


def encoded(document: Document) -> bytes:
    """Return a document as a findings file."""
    out = BytesIO()
    write_document(document, out)
    return out.getvalue()


def convert(
    file: str,
    targets: Sequence[OutputTarget],
    storage: Storage,
    at: Callable[[str, object], str] = lambda option, value: str(value),
    by: SplitBy | None = None,
    key: bytes | None = None,
) -> list[str]:
    """Write each target from a findings file; return the names of the written ones.

    `by`: what to split it by; then the index of the parts is a name too. `key`: redact it by this
    key. Raises InputError for a file that holds no findings, and for a target that cannot be written.
    """
    refuse_inputs(((target.name, at("out", target.name)) for target in targets), [(file, "the file to read")])
    storage.check((target.name, at("out", target.name)) for target in targets)
    with storage.reading(file, file) as path:
        text = _read(path)
        document = _decode(path, text)
    if by is not None:
        require_tag(document, by, at("split", by))
    if key is not None:
        document = redact(document, key)
        text = encoded(document)
    wrote: list[str] = []
    for target in sorted(targets, key=lambda each: each.format == STDOUT):
        if target.format == STDOUT:
            out = json_output()
            out.write(text)
            out.flush()
            continue
        try:
            with storage.writing(target.name) as out:
                if _FORMATS[target.format].writer:
                    write(target.format, document, out)
                else:
                    out.write(text)
        except OSError as error:
            raise write_error(target.name, error, wrote, file) from None
        wrote.append(target.name)
    return wrote + (_write_parts(document, targets, PartFiles(storage, by, write), wrote, file) if by else [])


def _write_parts(
    document: Document, targets: Sequence[OutputTarget], files: PartFiles, wrote: Sequence[str], source: str
) -> list[str]:
    """Write the parts of a document. Return the names of their indexes."""
    made: list[str] = []
    try:
        for name in files.files(document, targets, source):
            made.append(name)  # noqa: PERF402 - the names so far are needed on an error
    except OSError as error:
        raise write_error(made[-1], error, [*wrote, *made[:-1]], source) from None
    return [name for name in made if name.endswith(INDEX)]


def write_difference(found: "DiffDocument", targets: Sequence[OutputTarget], storage: Storage) -> list[str]:
    """Write each target; return the names of the written ones. Raise InputError for one that cannot be written."""
    wrote: list[str] = []
    for target in targets:
        try:
            with storage.writing(target.name) as file:
                writer(_DIFF_FORMATS[target.format])(found, file)
        except OSError as error:
            raise write_error(target.name, error, wrote) from None
        wrote.append(target.name)
    return wrote


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}",
            at=str(file),
            do="create it with: twolocks scan --out findings.json",
        ) from None


def _decode(file: Path, text: bytes) -> Document:
    try:
        document = decode_document(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = _decode_in_steps(file, text)
    if document.schema != SCHEMA:
        raise _other_schema(file, document.schema)
    return document


def _decode_in_steps(file: Path, text: bytes) -> Document:
    """Decode a text that is not a findings document. Raise InputError with the first of four reasons that applies."""
    make = "use a file that twolocks scan --out findings.json wrote"
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the file is not JSON: {error}", at=str(file), do=make) from None
    if not isinstance(document, dict) or "findings" not in document:
        raise InputError("the JSON contains no findings", at=str(file), do=make)
    if document.get("schema") not in (SCHEMA, FIRST_SCHEMA):
        raise _other_schema(file, document.get("schema"))
    try:
        return with_known_words(msgspec.convert(document, Document))
    except msgspec.ValidationError as error:
        raise InputError(f"the file is not a findings file: {error}", at=str(file), do=make) from None


def _other_schema(file: Path, schema: object) -> InputError:
    return InputError(
        f"the file has schema {schema}; this version supports {SCHEMA}", at=str(file), do="upgrade twolocks"
    )
