"""Rows that are chosen or made when they are used: what is made of a file is what is made of a document in memory."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from scanner.document.reader import open_document
from scanner.document.schema import Document, decode_document
from scanner.output.owner_documents import parse_split, split
from scanner.output.redact import redact
from scanner.output.writers import encoded
from tests.document.filled import written
from tests.report import sample


def parts(way: str) -> Callable[[Document], list[Document]]:
    by = parse_split(way, "--split")
    assert by is not None
    return lambda document: [owned.document for owned in split(document, by)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Document, Document]]:
    """The same document with its rows in a file, and in memory."""
    made = msgspec.convert(sample.with_history(300), Document)
    path = written(made, tmp_path_factory.mktemp("views") / "findings.json")
    with path.open("rb") as file:
        document = open_document(file)
        assert document is not None
        yield document, decode_document(path.read_bytes())


@pytest.mark.parametrize(
    "make",
    [lambda document: [redact(document, b"0123456789abcdef")], parts("resource-group"), parts("tag:owner")],
    ids=["redacted", "by resource group", "by tag"],
)
def test_rows_of_a_file_give_what_rows_in_memory_give(
    make: Callable[[Document], list[Document]], both: tuple[Document, Document]
) -> None:
    file, memory = map(make, both)
    assert [encoded(each) for each in file] == [encoded(each) for each in memory]
    assert not isinstance(file[0].findings, list)
    for one, other in zip(file, memory, strict=True):
        assert [one.exposures[at] for at in range(len(one.exposures))] == list(other.exposures)
        assert list(one.findings[-3:]) == list(other.findings)[-3:]
