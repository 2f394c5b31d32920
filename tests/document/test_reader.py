"""Reading rows from a file: what it gives is what reading the whole file gives, or nothing."""

import random
import re
from array import array
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from scanner.document.reader import RowMapping, RowSequence, _OtherForm, open_document
from scanner.document.schema import Document, decode_document
from scanner.document.writer import write_document
from scanner.evaluate.counts import count
from scanner.evaluate.frameworks import covered
from scanner.rulebook.loader import load
from tests.document.filled import written
from tests.report import sample


def by_rows(path: Path) -> Document | None:
    """Return the document of a file, all its rows read one after the other."""
    with path.open("rb") as file:
        document = open_document(file)
        if document is None:
            return None
        assert [document.exposures[at] for at in range(len(document.exposures))] == list(document.exposures)
        assert document.findings[-2:] == list(document.findings)[-2:]
        return msgspec.structs.replace(
            document,
            exposures=list(document.exposures),
            findings=list(document.findings),
            places=list(document.places),
            keys=list(document.keys),
            capacity=list(document.capacity),
            resources=dict(document.resources),
            passed=dict(document.passed),
            not_applicable=dict(document.not_applicable),
        )


@pytest.mark.parametrize(
    "made",
    [sample.document(900), sample.document(3, hostile=False), sample.clean(), sample.with_history(60)],
    ids=["large", "small", "clean", "history"],
)
def test_the_rows_are_those_of_the_whole_file(made: object, tmp_path: Path) -> None:
    path = written(msgspec.convert(made, Document), tmp_path / "findings.json")
    whole = decode_document(path.read_bytes())
    assert by_rows(path) == whole
    assert list(whole.resources) == list(msgspec.convert(made, Document).resources)


def test_rows_whose_keys_have_one_hash_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b'{"a": 1}{"b": 2}{"c": 3}')
    with path.open("rb") as file:
        rows = RowSequence(file.fileno(), array("q", [0, 8, 16, 24]), msgspec.json.decode, lambda text: [])
        result = RowMapping(array("q", [hash("b"), hash("b"), hash("c")]), rows)
        assert (result["b"], result["c"]) == (2, 3)
        assert "d" not in result
        twice = RowSequence(file.fileno(), array("q", [0, 8, 8]), lambda text: {"a": 1}, lambda text: [])
        with pytest.raises(_OtherForm):
            RowMapping(array("q", [hash("a"), hash("a")]), twice)


def test_a_document_with_its_numbers_is_read_by_rows(tmp_path: Path) -> None:
    for made in (sample.document(40), sample.with_history(40)):
        document = msgspec.convert(made, Document)
        document.numbers = count(document).numbers()
        path = tmp_path / "findings.json"
        with path.open("wb") as file:
            write_document(document, file)
        assert b'"numbers": ' in path.read_bytes()
        assert by_rows(path) == decode_document(path.read_bytes())


def test_the_parts_of_a_scan_may_follow_the_coverage(tmp_path: Path) -> None:
    """A document with numbers and without a history was read whole (found with the frameworks)."""
    made = msgspec.convert(sample.document(30), Document)
    made.numbers, made.frameworks = count(made).numbers(), covered(load(packages=False))
    for changes in (None, msgspec.convert(sample.with_history(60), Document).changes):
        made.changes = changes
        document = by_rows(written(made, tmp_path / "findings.json"))
        assert document is not None
        assert (document.numbers, document.frameworks, document.changes) == (made.numbers, made.frameworks, changes)


def test_an_empty_document_has_no_rows(tmp_path: Path) -> None:
    nothing: dict[str, object] = {
        "resources": {},
        "exposures": [],
        "findings": [],
        "passed": {},
        "not_applicable": {},
        "gaps": [],
    }
    made = msgspec.convert(sample.clean() | nothing | {"rules": {}}, Document)
    path = written(made, tmp_path / "findings.json")
    assert by_rows(path) == decode_document(path.read_bytes())


OTHER_FORMS: dict[str, Callable[[bytes], bytes]] = {
    "indented": lambda text: msgspec.json.format(text, indent=2),
    "two rows on a line": lambda text: text.replace(b"},\n{", b"}, {", 1),
    "a comma after the last row": lambda text: text.replace(b"}\n],\n", b"},\n],\n", 1),
    "no comma between rows": lambda text: text.replace(b"},\n{", b"}\n{", 1),
    "a key twice": lambda text: re.sub(rb'("resources": {\n)(.*?,\n)', rb"\1\2\2", text, count=1),
    "an unknown word": lambda text: text.replace(b'"worst":"', b'"worst":"un', 1),
    "text after the end": lambda text: text + b"{}",
    "cut": lambda text: text[: len(text) // 2],
    "another schema": lambda text: text.replace(b"twolocks/2", b"twolocks/3", 1),
    "not a document": lambda text: b"[]\n",
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_a_file_of_another_form_is_left_to_those_that_read_it_whole(form: str, tmp_path: Path) -> None:
    path = written(sample.typed(sample.document(40)), tmp_path / "findings.json")
    text = path.read_bytes()
    path.write_bytes(OTHER_FORMS[form](text))
    assert path.read_bytes() != text
    assert by_rows(path) is None


def test_no_change_of_a_byte_makes_other_rows_than_the_whole_file_has(tmp_path: Path) -> None:
    pick = random.Random(11)
    path = written(sample.typed(sample.document(5)), tmp_path / "findings.json")
    text, read = path.read_bytes(), 0
    for _ in range(1500):
        at = pick.randrange(len(text))
        change = pick.choice([b"", b"\n", b",", b"}", b"]", b'"', b" ", b"\r", b"0", b"\\", b"\xff", b"},\n{"])
        path.write_bytes(text[:at] + change + text[at + pick.randrange(3) :])
        document = by_rows(path)
        if document is not None:
            read += 1
            assert document == decode_document(path.read_bytes())
    assert read > 100
