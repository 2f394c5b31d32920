"""Writes the outputs that are made of a findings file, or of the difference between two."""

import os
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from io import BytesIO
from pathlib import Path
from shutil import copyfileobj
from typing import IO, TYPE_CHECKING, Any

import msgspec

from scanner.cycle_collector import without_cycle_collector
from scanner.document.reader import open_document
from scanner.document.schema import SCHEMA, Document, OtherSchema, decode_document, with_known_words
from scanner.document.writer import write_document
from scanner.errors import InputError
from scanner.output.formats import DIFF_FORMATS, FORMATS, LOG_ROWS, writer
from scanner.output.owner_documents import SplitBy
from scanner.output.owner_files import INDEX, OwnerFiles, certain_names, require_tag
from scanner.output.redact import redacted
from scanner.output.storage import Storage
from scanner.output.targets import STDOUT, OutputTarget, refuse_inputs, write_error
from scanner.terminal.streams import json_output

if TYPE_CHECKING:
    from scanner.history.documents import DiffDocument

_FORMATS = {each.suffix: each for each in (*FORMATS, LOG_ROWS)}
_DIFF_FORMATS = {each.suffix: each for each in DIFF_FORMATS}
Busy = Callable[[str, Callable[[], str]], AbstractContextManager[None]]
"""Shows a verb and a sentence that changes, during a `with` block."""


def write(
    suffix: str, document: Document, out: IO[bytes], own_actions: Collection[str] = (), *, language: str = "en"
) -> None:
    """Write a findings document in the format of a suffix, which is not `.json`. The same document, the same bytes.

    `own_actions`: those of the user's own rules, for a role to copy. A file of findings has none.
    """
    format = _FORMATS[suffix]
    more: dict[str, Any] = {"custom_actions": own_actions} if format.has_role else {}
    if format.has_language:
        more["language"] = language
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
    busy: Busy = lambda verb, text: nullcontext(),
    language: str = "en",
    by: SplitBy | None = None,
    key: bytes | None = None,
) -> list[str]:
    """Write each target from a findings file; return the names of the written ones. `busy` shows progress.

    `by`: what to split it by; then the index of the parts is a name too. `key`: redact it by this
    key. Raises InputError for a file that holds no findings, and for a target that cannot be written.
    """
    refuse_inputs(((target.name, at("out", target.name)) for target in targets), [(file, "the file to read")])
    storage.check((target.name, at("out", target.name)) for target in targets)
    names_by_owner = certain_names(targets, by, is_redacted=key is not None)
    storage.check((name, at("out", out)) for name, out in names_by_owner.items())
    wrote: list[str] = []
    with ExitStack() as stack:
        path = stack.enter_context(storage.reading(file, file))
        opened = stack.enter_context(_opened(path, file, busy))
        whole = opened[1]
        if by is not None:
            require_tag(whole, by, at("split", by))
        source, document = stack.enter_context(redacted(whole, key)) if key is not None else opened
        for target in sorted(targets, key=lambda each: (each.format == STDOUT, each.format == LOG_ROWS.suffix)):
            if target.format == STDOUT:
                out = json_output()
                _copy(source, out)
                out.flush()
                continue
            try:
                with storage.writing(target.name) as out, busy("Writing", partial(str, target.name)):
                    if _FORMATS[target.format].writer:
                        write(target.format, document, out, language=language)
                    else:
                        _copy(source, out)
            except OSError as error:
                raise write_error(target.name, error, wrote, file) from None
            except msgspec.DecodeError:
                raise InputError("the file changed while it was read", at=file, do="run the command again") from None
            wrote.append(target.name)
        if by is not None:
            report = partial(write, language=language)
            wrote += _write_owner_files(whole, targets, OwnerFiles(storage, by, report, key), wrote, file)
    return wrote


def _write_owner_files(
    document: Document, targets: Sequence[OutputTarget], files: OwnerFiles, wrote: Sequence[str], source: str
) -> list[str]:
    """Write the parts of a document. Return the names of their indexes."""
    made: list[str] = []
    try:
        for name in files.files(document, targets, source):
            made.append(name)  # noqa: PERF402 - the names so far are needed on an error
    except OSError as error:
        raise write_error(made[-1], error, [*wrote, *made[:-1]], source) from None
    return [name for name in made if name.endswith(INDEX)]


def write_difference(
    diff_document: "DiffDocument", targets: Sequence[OutputTarget], storage: Storage, language: str = "en"
) -> list[str]:
    """Write each target; return the names of the written ones. Raise InputError for one that cannot be written."""
    wrote: list[str] = []
    for target in targets:
        try:
            with storage.writing(target.name) as file:
                format = _DIFF_FORMATS[target.format]
                writer(format)(diff_document, file, **({"language": language} if format.has_language else {}))
        except OSError as error:
            raise write_error(target.name, error, wrote) from None
        wrote.append(target.name)
    return wrote


@contextmanager
def _opened(path: Path, name: str, busy: Busy) -> Iterator[tuple[IO[bytes], Document]]:
    """Give the bytes and the document of a file. Only a file of another form than our own stands in memory."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            matches = _read(path, file, name, busy)
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror}",
                at=str(path),
                do="create it with: twolocks scan --out findings.json",
            ) from None
        yield matches


def _read(path: Path, file: IO[bytes], name: str, busy: Busy) -> tuple[IO[bytes], Document]:
    at, size = [0], os.fstat(file.fileno()).st_size / 1e6
    with busy("Reading", lambda: f"{name}, {at[0] / 1e6:,.0f} of {size:,.0f} MB"), without_cycle_collector():
        if file.seekable():
            if document := open_document(file, partial(at.__setitem__, 0)):
                return file, document
            file.seek(0)
        text = file.read()
        return BytesIO(text), _decode(path, text)


def _copy(source: IO[bytes], out: IO[bytes]) -> None:
    source.seek(0)
    copyfileobj(source, out, 1 << 20)


def _decode(file: Path, text: bytes) -> Document:
    try:
        return decode_document(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_in_steps(file, text)


def _decode_in_steps(file: Path, text: bytes) -> Document:
    """Decode a text that is not a findings document. Raise InputError with the first of four reasons that applies."""
    make = "use a file that twolocks scan --out findings.json wrote"
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if text.startswith(_SNAPSHOTS):
            raise _snapshot(file) from None
        raise InputError(f"the file is not JSON: {error}", at=str(file), do=make) from None
    if isinstance(document, dict) and "snapshot" in document:
        raise _snapshot(file)
    if not isinstance(document, dict) or "findings" not in document:
        raise InputError("the JSON contains no findings", at=str(file), do=make)
    if document.get("schema") != SCHEMA:
        raise OtherSchema(document.get("schema")).in_file(file)
    try:
        return with_known_words(msgspec.convert(document, Document))
    except msgspec.ValidationError as error:
        raise InputError(f"the file is not a findings file: {error}", at=str(file), do=make) from None


_SNAPSHOTS = (b'{"snapshot":', b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""The first bytes of a snapshot: its header, gzip, Zstandard."""


def _snapshot(file: Path) -> InputError:
    return InputError(
        "the file is a snapshot, which holds resources and no findings",
        at=str(file),
        do=f"evaluate it: twolocks scan --from {shlex.quote(str(file))} --out report.html",
    )
