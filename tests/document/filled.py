"""Documents as a scan writes them, row by row."""

from pathlib import Path

from scanner.document.schema import Document
from scanner.document.writer import Writer, fill


def filled(document: Document) -> Writer:
    """Return a writer with the rows of a document."""
    writer = Writer()
    fill(writer, document)
    return writer


def written(document: Document, path: Path) -> Path:
    """Write a document to a file; return its path."""
    writer = filled(document)
    with path.open("wb") as out:
        writer.finish(out, document.scan, document.rules, document.gaps, document.coverage, document.changes)
    writer.close()
    return path
