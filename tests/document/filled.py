"""Documents as a scan writes them, row by row."""

from pathlib import Path

from scanner.document.schema import Document
from scanner.document.writer import Writer, fill, write_document


def filled(document: Document) -> Writer:
    """Return a writer with the rows of a document."""
    writer = Writer()
    fill(writer, document)
    return writer


def written(document: Document, path: Path) -> Path:
    """Write a document to a file; return its path."""
    with path.open("wb") as out:
        write_document(document, out)
    return path
