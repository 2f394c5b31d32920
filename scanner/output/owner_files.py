"""Writes a report an owner beside the whole one, and the index that says which file is whose.

`report.html` has the parts `report.SLUG-HASH.html` and the index `report.index.csv`. A slug is made of ASCII letters
and digits alone, so no value of a tag can lead out of the folder or to another file.
"""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import IO

from msgspec import Struct, field

from scanner.document.schema import Document
from scanner.document.views import in_memory
from scanner.document.writer import write_document
from scanner.errors import InputError
from scanner.evaluate.counts import count
from scanner.model.severity import SEVERITIES
from scanner.output.formats import FORMATS, LOG_ROWS
from scanner.output.owner_documents import OwnerDocument, SplitBy, split
from scanner.output.redact import redacted, rest_label, with_pseudonyms
from scanner.output.storage import Storage
from scanner.output.targets import STDOUT, OutputTarget, refuse_inputs
from scanner.report.language.words import Words
from scanner.report.sheets.csv import cell
from scanner.report.views.headline import left_out

INDEX = ".index.csv"
_SLUG = 40
"""The most characters of a slug. File systems allow 255 bytes for a name."""
_WIDTHS = (8, 16, 32, 64)
"""Hex digits of SHA-256 in a name; more where two parts would have one name."""
NO_FILES = (STDOUT, LOG_ROWS.suffix)
"""The formats of targets that have no parts: they take the whole."""
_FORMATS = {each.suffix: each for each in FORMATS}


class OwnerFiles(Struct, frozen=True):
    """The files of the parts of one scan. `write` writes a document in the format of a suffix.

    `secret`: the key of the pseudonyms, where the parts are redacted, with their names and their index.
    """

    storage: Storage
    by: SplitBy
    write: Callable[[str, Document, IO[bytes]], None]
    secret: bytes | None = None
    of_owners: dict[str, list[str]] = field(default_factory=dict)
    """The names of the files of each part, by its key."""

    def files(self, document: Document, targets: Iterable[OutputTarget], source: str = "") -> Iterator[str]:
        """Write every part for every target, then the indexes. Yield the name of each file that is about to be written,
        so that an error while it is written can name it. Raises OSError as `Storage.writing`, and InputError where a
        part would replace `source`, the file that is read.
        """
        named = [each for each in targets if each.format not in NO_FILES]
        owned_documents = split(document, self.by)
        if self.secret is not None:
            owned_documents = with_pseudonyms(owned_documents, self.by, self.secret)
        slugs = slugs_of(owned_documents)
        names = [owner_file_name(target, slugs[owned.key]) for target in named for owned in owned_documents]
        refuse_inputs(((name, f"--split {self.by}") for name in names), [(source, "the file to read")])
        scan = document.scan
        for target in named:
            for owned in owned_documents:
                name = owner_file_name(target, slugs[owned.key])
                self.of_owners.setdefault(owned.key, []).append(name)
                yield name
                with self.storage.writing(name) as out, self._readied(owned.document) as made:
                    self._write(target.format, made, out)
                    scan = made.scan
        for stem in dict.fromkeys(map(stem_of, named)):
            outputs = [target for target in named if stem_of(target) == stem]
            yield stem + INDEX
            with self.storage.writing(stem + INDEX) as out:
                out.write(index(owned_documents, slugs, outputs, document, left_out(scan, Words())))

    @contextmanager
    def _readied(self, document: Document) -> Iterator[Document]:
        """Give a part as it is written: a small one in memory, because several passes read it."""
        if self.secret is None:
            yield in_memory(document)
            return
        with redacted(in_memory(document), self.secret, document.numbers) as (_, made):
            yield made

    def _write(self, suffix: str, document: Document, out: IO[bytes]) -> None:
        if _FORMATS[suffix].writer:
            self.write(suffix, document, out)
        else:
            write_document(document, out)


def need_files(targets: Sequence[OutputTarget], by: SplitBy | None, at: str) -> None:
    """Raise InputError where there is something to split by and no file to split."""
    if by is not None and all(each.format in NO_FILES for each in targets):
        raise InputError(
            "--split writes files, and no file is set; nothing was read", at=at, do="add --out report.html"
        )
    indexes = {(stem_of(each) + INDEX).lower() for each in targets if each.format not in NO_FILES}
    for target in targets if by is not None else ():
        if target.name.lower() in indexes:
            raise InputError(f"{target.name} is the index that --split writes; nothing was read", at=at)


def certain_names(targets: Iterable[OutputTarget], by: SplitBy | None, *, is_redacted: bool) -> dict[str, str]:
    """Return the names that are written for any owners, each with its target: the index and the last part.

    Whether they can be written is known before anything is read.
    """
    if by is None:
        return {}
    label = rest_label(by) if is_redacted else by.rest
    named = [each for each in targets if each.format not in NO_FILES]
    result = {stem_of(each) + INDEX: each.name for each in named}
    return result | {owner_file_name(each, _file_segment(label, "", _WIDTHS[0])): each.name for each in named}


def require_tag(document: Document, by: SplitBy, at: str) -> None:
    """Raise InputError where no resource of a findings file has the tag: the scan did not store it."""
    tags = {name for row in document.resources.values() for name in row.tags}
    if by.kind == "tag" and by.tag.casefold() not in {each.casefold() for each in tags}:
        known = f"; tags in the file: {', '.join(sorted(tags)[:5])}" if tags else ""
        raise InputError(
            f'no resource in the file has the tag "{by.tag}"', at=at, do=f"scan again with --split {by}{known}"
        )


def stem_of(target: OutputTarget) -> str:
    """Return the name of a target without its suffix."""
    return target.name[: -len(target.format)]


def owner_file_name(target: OutputTarget, slug: str) -> str:
    """Return the file or blob of a part: beside the whole one, with the same suffix."""
    return f"{stem_of(target)}.{slug}{target.format}"


def slugs_of(owned_documents: Sequence[OwnerDocument]) -> dict[str, str]:
    """Return a name for each key, no two of them equal, also where a file system ignores case."""
    for width in _WIDTHS:
        result = {owned.key: _file_segment(owned.label, owned.mark or owned.key, width) for owned in owned_documents}
        if len(set(result.values())) == len(result):
            break
    return result


def _file_segment(label: str, mark: str, width: int) -> str:
    return f"{_slug(label)}-{_hash(mark)[:width]}"


def _slug(label: str) -> str:
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG].strip("-") or "owner"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def index(
    owned_documents: Sequence[OwnerDocument],
    slugs: Mapping[str, str],
    targets: Collection[OutputTarget],
    whole: Document,
    not_scanned: Iterable[str] = (),
) -> bytes:
    """Return the table of all parts, and of the whole in its last row, as CSV for a spreadsheet.

    `not_scanned`: sentences that every row has.
    """
    message = cell(". ".join(not_scanned))
    text = StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(
        (
            *("owner", "files", "complete", "resources", "endpoints", "not_assessed"),
            *(*SEVERITIES, "failed_reads", "not_scanned"),
        )
    )
    for owned in owned_documents:
        names = [owner_file_name(target, slugs[owned.key]) for target in targets]
        writer.writerow([*_index_row(owned.label, names, owned.document), message])
    writer.writerow([*_index_row("(whole)", [target.name for target in targets], whole), message])
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "backslashreplace")


def _index_row(label: str, names: Iterable[str], document: Document) -> list[str]:
    counts = count(document)
    files = " ".join(name.rpartition("/")[2] for name in names)
    numbers = (
        document.scan.resources,
        counts.endpoints,
        counts.not_assessed,
        *counts.by_severity.values(),
        counts.gaps,
    )
    complete = "yes" if document.scan.complete else "no"
    return [cell(label), cell(files), complete, *(str(each) for each in numbers)]
