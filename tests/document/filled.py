"""Documents as a scan writes them, row by row."""

from pathlib import Path

from scanner.document.schema import Document
from scanner.document.writer import Writer


def filled(document: Document) -> Writer:
    """Return a writer with the rows of a document."""
    writer = Writer()
    for row in document.exposures:
        writer.exposure(row)
    for finding in document.findings:
        writer.finding(finding)
    for id, resource in document.resources.items():
        writer.resource(id, resource)
    for id, passed in document.passed.items():
        writer.passed(id, passed)
    for id, rules in document.not_applicable.items():
        writer.not_applicable(id, rules)
    return writer


def written(document: Document, path: Path) -> Path:
    """Write a document to a file; return its path."""
    writer = filled(document)
    with path.open("wb") as out:
        writer.finish(out, document.scan, document.rules, document.gaps, document.coverage, document.changes)
    writer.close()
    return path
