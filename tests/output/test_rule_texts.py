"""A document has the texts of the rules that its rows name. Every reader takes documents with the texts of all too."""

from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from scanner.document.schema import Document, decode_document, read_document
from scanner.document.writer import write_document
from scanner.evaluate.rows import rule_row
from scanner.output.formats import FORMATS
from scanner.output.owner_documents import SplitBy, split
from scanner.output.redact import redact
from scanner.output.writers import write
from scanner.report.language.localized import localized
from scanner.report.language.words import Words
from scanner.rulebook.loader import load
from scanner.snapshot.format import decoder
from tests.rules import examples
from tests.terminals import twolocks

KEY = b"0123456789abcdef0123456789abcdef"


TYPES = ("/storageaccounts/", "/vaults/", "/networksecuritygroups/")


@pytest.fixture(scope="module")
def document(each_type_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Document:
    """The findings of resources of a few types, so that most rules have nothing to say."""
    folder = tmp_path_factory.mktemp("few")
    lines = map(decoder.decode, (each_type_folder / "snapshot.jsonl").read_bytes().splitlines())
    bodies = [each.resource for each in lines if each.resource is not None]
    few = [each for each in bodies if any(type in str(each["id"]).lower() for type in TYPES)]
    (folder / "few.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(few))
    twolocks("scan", "--from", folder / "few.jsonl", "--out", folder / "few.json", "--fail-on", "never")
    return read_document(folder / "few.json")


@pytest.fixture(scope="module")
def complete(document: Document) -> Document:
    """The same document with the texts of all rules."""
    known = examples.rules().questions()
    return msgspec.structs.replace(document, rules={id: rule_row(known[id]) for id in document.rules})


def named_in(document: Document) -> set[str]:
    others = [rules for each in (document.passed, document.not_applicable) for rules in each.values()]
    return {row.rule for row in document.findings}.union(*others, *(gap.rules for gap in document.gaps))


def with_texts(document: Document) -> set[str]:
    return {id for id, row in document.rules.items() if row.has_texts}


def test_the_rules_that_rows_name_have_texts(document: Document) -> None:
    assert with_texts(document) == named_in(document) > {row.rule for row in document.places}
    assert document.rules.keys() == load(packages=False).enabled_questions().keys()


def test_rules_without_texts_have_what_frameworks_ask(document: Document, complete: Document) -> None:
    others = document.rules.keys() - with_texts(document)
    assert others
    for id in others:
        row, whole = document.rules[id], complete.rules[id]
        assert (row.title, row.category, row.severity) == (whole.title, whole.category, whole.severity)
        assert row.controls == whole.controls


@pytest.mark.parametrize("suffix", [each.suffix for each in FORMATS if each.writer])
def test_formats_do_not_differ_by_texts_that_no_row_needs(suffix: str, document: Document, complete: Document) -> None:
    written = []
    for each in (document, complete):
        out = BytesIO()
        write(suffix, each, out)
        written.append(out.getvalue())
    assert written[0] == written[1]


def test_a_language_adds_no_texts(document: Document) -> None:
    norwegian = localized(document, Words("nb"))
    assert with_texts(norwegian) == with_texts(document)


def test_what_is_written_is_what_is_read(document: Document, complete: Document) -> None:
    sizes = []
    for each in (document, complete):
        out = BytesIO()
        write_document(each, out)
        assert decode_document(out.getvalue()).rules == each.rules
        sizes.append(len(out.getvalue()))
    assert sizes[0] < sizes[1]


def test_redacted_documents_have_texts_of_the_same_rules(document: Document, complete: Document) -> None:
    assert with_texts(redact(document, KEY)) == with_texts(document)
    assert with_texts(redact(complete, KEY)) == with_texts(complete)


def test_parts_have_the_texts_that_their_rows_name(complete: Document) -> None:
    parts = [each.document for each in split(complete, SplitBy("resource-group"))]
    assert len(parts) > 1
    for part in parts:
        assert with_texts(part) == named_in(part)
        assert part.rules.keys() == complete.rules.keys()
