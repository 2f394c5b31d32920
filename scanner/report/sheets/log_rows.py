"""Write the findings as rows of a Log Analytics table: JSON lines for the Logs Ingestion API.

The columns are those of `deploy/sentinel/main.bicep`; a test compares both. The last row is the scan itself, with its
numbers, so that a query can tell a scan without findings from a scan that was not sent.
"""

from collections.abc import Iterator
from typing import IO, Any

import msgspec

from scanner.document.schema import Document
from scanner.evaluate.counts import count
from scanner.model.message import message_text
from scanner.report.language.text import shortened
from scanner.report.sheets.csv import Row, rows

COLUMNS: dict[str, tuple[str, str]] = {
    "RecordKind": ("record", "string"),
    "Fingerprint": ("fingerprint", "string"),
    "Status": ("status", "string"),
    "Severity": ("severity", "string"),
    "PossibleSeverity": ("worst", "string"),
    "Rule": ("rule", "string"),
    "Category": ("category", "string"),
    "Title": ("title", "string"),
    "Message": ("message", "string"),
    "Fix": ("fix", "string"),
    "Endpoint": ("endpoint", "string"),
    "EndpointKind": ("kind", "string"),
    "Address": ("address", "string"),
    "Network": ("reach", "string"),
    "Authentication": ("authentication", "string"),
    "AzureTenantId": ("tenant", "string"),
    "SubscriptionId": ("subscription", "string"),
    "SubscriptionName": ("subscription_name", "string"),
    "ResourceGroup": ("resource_group", "string"),
    "AzureResourceType": ("type", "string"),
    "ResourceName": ("name", "string"),
    "Region": ("location", "string"),
    "AzureResourceId": ("resource", "string"),
    "IsNew": ("new", "boolean"),
    "FirstSeen": ("since", "datetime"),
    "WaiverOwner": ("waiver_owner", "string"),
    "WaiverExpires": ("waiver_expires", "string"),
    "WaiverReason": ("waiver_reason", "string"),
    "ResourceTags": ("tags", "string"),
}
"""The columns of rows: the cell of `sheets.csv` and the type. Names that Log Analytics reserves are avoided."""

OF_SCAN: dict[str, str] = {
    "TimeGenerated": "datetime",
    "ScanId": "string",
    "Evaluated": "string",
    "Version": "string",
    "Complete": "boolean",
    "Numbers": "dynamic",
}
"""The columns that the scan itself fills: the first four in every row, the others in its own row."""

LONGEST = 16_000
"""Characters of a value. Log Analytics cuts a value above 64 KB; a character has at most four bytes."""

_encoder = msgspec.json.Encoder(enc_hook=message_text)


def write_log_rows(document: Document, out: IO[bytes]) -> None:
    """Write a findings document as rows, one a line. The same document gives the same bytes."""
    for row in _rows(document):
        out.write(_encoder.encode(row) + b"\n")


def _rows(document: Document) -> Iterator[dict[str, Any]]:
    scan = document.scan
    common = {"TimeGenerated": scan.taken, "ScanId": scan.id, "Evaluated": scan.evaluated, "Version": scan.tool}
    for row in rows(document):
        yield common | {name: _value(row, cell, kind) for name, (cell, kind) in COLUMNS.items() if row.get(cell)}
    numbers = msgspec.to_builtins(count(document).numbers())
    yield common | {"RecordKind": "scan", "Complete": scan.complete, "Numbers": numbers}


def _value(row: Row, cell: str, kind: str) -> bool | str:
    value = row[cell]
    return value == "yes" if kind == "boolean" else shortened(value, LONGEST)
