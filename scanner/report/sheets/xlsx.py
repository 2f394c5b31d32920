"""Write the findings as a workbook: summary, what to change first, then a sheet for each kind of row.

XlsxWriter writes row by row into a temporary file, so that memory does not grow with the rows (openpyxl needs lxml for
that). Every name from Azure is written as a string, so no cell is a formula or a link.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import IO, Any

from msgspec import Struct
from msgspec.structs import replace
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from scanner.document.framework_rows import FrameworkRow
from scanner.document.schema import Document
from scanner.document.states import STATES
from scanner.document.tenants import tenant_labels
from scanner.evaluate.counts import Counts
from scanner.evaluate.fix_groups import SEVERE
from scanner.model.framework import in_order
from scanner.model.severity import SEVERITIES
from scanner.report.language.words import Words
from scanner.report.sheets.csv import Row, exposure_rows, finding_rows, gap_rows
from scanner.report.sheets.workbook_rows import (
    capacity_rows,
    control_rows,
    first_rows,
    key_rows,
    place_rows,
    service_rows,
)
from scanner.report.views.due import Due
from scanner.report.views.first_changes import total
from scanner.report.views.frameworks import none_passed, tested
from scanner.report.views.headline import excluded, headline, limited
from scanner.report.views.management import Management, summarize_with_management
from scanner.report.views.places import eea_sentence, groups
from scanner.report.views.responsibility import whose_word
from scanner.report.views.summary import ordered_exposures, ordered_findings
from scanner.store.temporary import temporary_folder
from scanner.text.invisible import plain

LONGEST = 32_000
"""Characters of a cell. A spreadsheet refuses more than 32,767."""

MOST_ROWS = 1_048_575
"""Rows below the heads of a sheet. A spreadsheet has 1,048,576 in all."""

_TINTS = {"critical": "#F4C7C3", "high": "#FBD9C4", "medium": "#FDF0C4", "low": "#DDEBF7", "info": "#EDEDED"}
"""Backgrounds of severities: light, so that black text is readable on screen and on paper."""

_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook has no time zones
_DATES = frozenset({"since", "waiver_expires", "waiver_lapsed", "expires"})


class Column(Struct, frozen=True):
    """A column: the cell of a row (a name of `sheets.csv.COLUMNS`), its head, its width in characters."""

    cell: str
    head: str
    width: int


class Sheet(Struct, frozen=True):
    """A sheet of rows. `rows` makes them of a document."""

    name: str
    columns: tuple[Column, ...]
    rows: Callable[[Document], Iterable[Row]]


_TENANT = Column("tenant_name", "Tenant", 20)
"""Where several tenants were scanned."""
_RESOURCE = (
    Column("name", "Resource", 28),
    Column("type", "Type", 30),
    Column("resource_group", "Resource group", 22),
    Column("subscription_name", "Subscription", 22),
)
_HISTORY = (Column("new", "New", 7), Column("since", "First seen", 12))
_WAIVER = (
    Column("waiver_owner", "Accepted by", 18),
    Column("waiver_expires", "Accepted until", 14),
    Column("waiver_reason", "Reason of acceptance", 40),
    Column("waiver_ticket", "Ticket", 14),
)
_LAST = (
    Column("tags", "Tags", 30),
    Column("location", "Region", 16),
    Column("fingerprint", "Fingerprint", 18),
    Column("resource", "Resource ID", 60),
)

FIRST_SHEET, SERVICES_SHEET = "Do first", "Services"
_SERVICES = (
    Column("service", "Service", 34),
    Column("type", "Type", 44),
    Column("resources", "Resources", 11),
    Column("endpoints", "Endpoints", 11),
    Column("open", "Open endpoints", 11),
    *(Column(name, f"{name.capitalize()} findings", 11) for name in SEVERITIES),
)
_FIRST = (
    Column("order", "Order", 7),
    Column("severity", "Severity", 10),
    *_RESOURCE,
    Column("endpoint", "Endpoint", 16),
    Column("items", "Endpoints and findings", 12),
    Column("by_severity", "By severity", 24),
    Column("title", "Most severe", 50),
    Column("effect", "What the change does", 40),
    Column("impact", "Impact", 50),
    Column("owner", "Owner", 18),
    Column("fix", "Fix (commands: in Bash)", 60),
    *_LAST[2:],
)

SHEETS = (
    Sheet(
        "Endpoints",
        (
            Column("severity", "Severity", 10),
            Column("worst", "Possible severity", 16),
            Column("status", "State", 10),
            Column("endpoint", "Endpoint", 16),
            *_RESOURCE,
            Column("reach", "Network", 12),
            Column("authentication", "Authentication", 15),
            Column("title", "Exposure", 50),
            Column("message", "Reason", 50),
            Column("fix", "Fix (commands: in Bash)", 60),
            *_HISTORY,
            *_WAIVER,
            Column("address", "Address", 30),
            Column("kind", "Kind", 8),
            *_LAST,
        ),
        lambda document: exposure_rows(document, ordered_exposures(document.exposures)),
    ),
    Sheet(
        "Findings",
        (
            Column("severity", "Severity", 10),
            Column("worst", "Possible severity", 16),
            Column("status", "Status", 10),
            Column("title", "Finding", 50),
            *_RESOURCE,
            Column("endpoint", "Endpoints", 20),
            Column("message", "Reason", 60),
            Column("fix", "Fix (commands: in Bash)", 60),
            Column("category", "Category", 18),
            Column("rule", "Rule", 34),
            *_HISTORY,
            *_WAIVER,
            Column("waiver_lapsed", "Acceptance expired", 16),
            *_LAST,
        ),
        lambda document: finding_rows(document, ordered_findings(document.findings)),
    ),
    Sheet(
        "Not assessed",
        (
            Column("status", "State", 10),
            *_RESOURCE,
            Column("message", "Response and missing permission", 60),
            Column("rule", "Inconclusive rules", 60),
            *_WAIVER,
            Column("resource", "Path that was read", 80),
        ),
        gap_rows,
    ),
    Sheet(
        "Frameworks",
        (
            Column("framework", "Framework", 18),
            Column("control", "Control", 12),
            Column("section", "Section", 30),
            Column("title", "What it asks", 50),
            Column("state", "State", 14),
            Column("part", "Tested", 10),
            Column("why", "Reason", 40),
            Column("failed", "Failed checks", 9),
            Column("waived", "Accepted", 9),
            Column("inconclusive", "Inconclusive", 12),
            Column("passed", "Passed", 9),
        ),
        control_rows,
    ),
    Sheet(
        "Places",
        (
            Column("verdict", "By configuration", 20),
            Column("place", "Place", 34),
            Column("area", "Area", 26),
            Column("what", "Mechanism", 16),
            Column("name", "Resource", 28),
            Column("resource_group", "Resource group", 22),
            Column("path", "Property", 40),
            Column("value", "Value", 24),
            Column("allowed", "Allowed", 30),
            Column("source", "Allowed by", 26),
            Column("why", "Why unknown", 30),
            Column("rule", "Rule", 30),
            *_WAIVER[:3],
            Column("resource", "Resource ID", 60),
        ),
        place_rows,
    ),
    Sheet(
        "Keys",
        (
            Column("severity", "Worst risk", 10),
            Column("holder", "Key of", 11),
            Column("key", "Key", 34),
            Column("vault", "Vault or managed HSM", 24),
            Column("lives", "Key lives in", 16),
            Column("kind", "Key type", 12),
            Column("state", "State", 10),
            Column("expires", "Expires", 12),
            Column("rotation", "Rotation", 10),
            Column("risks", "Risks", 40),
            *_RESOURCE,
            Column("what", "Encrypts", 24),
            Column("version", "Version", 18),
            Column("double", "Second layer", 12),
            Column("encrypted_at_host", "At host", 10),
            Column("confidential", "Confidential", 12),
            Column("why", "Why unknown or another tier", 40),
            Column("path", "Property", 40),
            Column("value", "Value", 30),
            Column("rule", "Rule", 30),
            Column("key_region", "Region of the key", 16),
            Column("key_uri", "Key URI", 50),
            Column("vault_id", "Vault ID", 60),
            Column("resource", "Resource ID", 60),
        ),
        key_rows,
    ),
    Sheet(
        "Capacity",
        (
            Column("kind", "Kind", 20),
            Column("state", "State", 16),
            Column("name", "Name", 50),
            Column("provider", "Provider or size", 22),
            Column("location", "Region", 16),
            Column("zones", "Zones", 8),
            Column("subscription_name", "Subscription", 22),
            Column("used", "Used", 9),
            Column("limit", "Limit or reserved", 10),
            Column("left", "Left", 9),
            Column("share", "Left in percent", 9),
            Column("single", "In one only", 9),
            Column("spread", "In several", 9),
            Column("unknown", "Inconclusive", 12),
            Column("depends", "Resources that depend on it", 14),
            Column("why", "Why unknown, or what depends on it", 60),
            Column("id", "Name in Azure, rule", 34),
            Column("source", "Source", 50),
            Column("resource", "Resource ID", 60),
        ),
        capacity_rows,
    ),
)
"""The sheets of rows, in their order, between what to change first and the services."""


def write_xlsx(document: Document, out: IO[bytes]) -> None:
    """Write a findings document as a workbook. The same document gives the same bytes."""
    with temporary_folder() as folder:
        book = Workbook(out, {"constant_memory": True, "tmpdir": str(folder)})
        book.set_properties({"title": "Twolocks", "created": _CREATED})
        formats = _Formats(book)
        summary, management = summarize_with_management(document)
        _write_summary(book, formats, document, summary.counts, management)
        first = Sheet(FIRST_SHEET, _FIRST, partial(first_rows, first=summary.counts.first_changes()))
        _write_sheet(book, formats, first, first.rows(document))
        has_tenants = bool(tenant_labels(document.coverage.scopes, document.scan))
        services = partial(service_rows, services=management.services)
        for sheet in (*SHEETS, Sheet(SERVICES_SHEET, _SERVICES, services)):
            shown = (
                replace(sheet, columns=(*sheet.columns, _TENANT))
                if has_tenants and _RESOURCE[0] in sheet.columns
                else sheet
            )
            _write_sheet(book, formats, shown, sheet.rows(document))
        book.close()


class _Formats:
    """The formats of cells of a workbook."""

    def __init__(self, book: Workbook) -> None:
        top = {"valign": "top"}
        self.head = book.add_format({**top, "bold": True, "bottom": 1, "bg_color": "#E7E6E6", "text_wrap": True})
        self.title = book.add_format({**top, "bold": True, "font_size": 14, "text_wrap": True})
        self.text = book.add_format({**top, "text_wrap": True})
        self.date = book.add_format({**top, "num_format": "yyyy-mm-dd", "align": "left"})
        self.number = book.add_format({**top, "num_format": "#,##0"})
        self.severity: dict[str, Format] = {
            name: book.add_format({**top, "bg_color": tint, "border": 1, "border_color": "#BFBFBF"})
            for name, tint in _TINTS.items()
        }


def _write_sheet(book: Workbook, formats: _Formats, sheet: Sheet, rows: Iterable[Row]) -> None:
    """Write a sheet; `NAME 2` and more where it has more rows than a spreadsheet takes."""
    page_number, page, line = 1, _new_sheet(book, formats, sheet, sheet.name), 0
    for row in rows:
        if line == MOST_ROWS:
            _finish(page, sheet, line)
            page_number, line = page_number + 1, 0
            page = _new_sheet(book, formats, sheet, f"{sheet.name} {page_number}")
        line += 1
        for at, column in enumerate(sheet.columns):
            _write_cell(page, line, at, column.cell, row.get(column.cell), formats)
    _finish(page, sheet, line)


def _new_sheet(book: Workbook, formats: _Formats, sheet: Sheet, name: str) -> Worksheet:
    page: Worksheet = book.add_worksheet(name)
    page.freeze_panes(1, 0)
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)
    page.set_footer("&LTwolocks&C&A&R&P of &N")
    for at, column in enumerate(sheet.columns):
        page.set_column(at, at, column.width)
    for at, column in enumerate(sheet.columns):
        page.write_string(0, at, column.head, formats.head)
    return page


def _finish(page: Worksheet, sheet: Sheet, lines: int) -> None:
    page.autofilter(0, 0, lines, len(sheet.columns) - 1)


def _write_cell(page: Worksheet, line: int, at: int, cell: str, value: object, formats: _Formats) -> None:
    if value is None or value == "":
        return
    if isinstance(value, int):
        page.write_number(line, at, value, formats.number)
        return
    text = str(value)
    if cell in _DATES and (date := _date(text)):
        page.write_datetime(line, at, date, formats.date)
        return
    style = formats.severity.get(text, formats.text) if cell == "severity" else formats.text
    page.write_string(line, at, _cell(text), style)


def _cell(text: str) -> str:
    """Return a text that a cell takes: its lines stay apart, other invisible characters are written out."""
    value = "\n".join(plain(line) for line in text.split("\n"))
    return value if len(value) <= LONGEST else f"{value[:LONGEST]} [cut]"


def _date(text: str) -> datetime | None:
    """Return the day of an ISO 8601 time, None for another text."""
    try:
        return datetime.strptime(text[:10], "%Y-%m-%d")  # noqa: DTZ007 - a workbook has no time zones
    except ValueError:
        return None


def _write_summary(
    book: Workbook, formats: _Formats, document: Document, counts: Counts, management: Management
) -> None:
    page: Worksheet = book.add_worksheet("Summary")
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.set_column(0, 0, 60)
    page.set_column(1, 1, 40)
    for line, (name, value, style) in enumerate(_summary(document, counts, management, formats)):
        if style is formats.title:
            page.write_string(line, 0, _cell(name), style)
            continue
        page.write_string(line, 0, _cell(name), style if style is formats.head else formats.text)
        if isinstance(value, int):
            page.write_number(line, 1, value, formats.number)
        elif value:
            page.write_string(line, 1, _cell(str(value)), formats.text)


Line = tuple[str, Any, Format]


def _summary(document: Document, counts: Counts, management: Management, formats: _Formats) -> Iterator[Line]:
    """Return the lines of the summary: a name, a value, the format of the name."""
    scan, words = document.scan, Words()
    stated = headline(counts, document.coverage.scopes, words, complete=scan.complete)
    yield f"{stated}.", "", formats.title
    for name, value in (
        ("Scanned", scan.taken),
        ("Evaluated", scan.evaluated),
        ("Subscriptions", ", ".join(scope.name or scope.subscription for scope in document.coverage.scopes)),
        ("Limited", limited(scan.limited or None, words)),
        ("Excluded", excluded(scan.excluded or [], words)),
        ("Version", scan.tool),
        (words("places.heading"), eea_sentence(groups(document.places), words) if len(document.places) else ""),
        (words("first.heading"), total(first, words) if (first := counts.first_changes()).groups else ""),
    ):
        if value:
            yield name, value, formats.text
    numbers = counts.numbers()
    assessed, inconclusive = numbers.not_fully_assessed, numbers.inconclusive
    for head, lines in (
        (
            "Endpoints",
            [
                ("All endpoints", numbers.endpoints),
                *((f"State: {name}", numbers.states[name]) for name in STATES),
                ("Publicly accessible without authentication", numbers.public),
                ("Apps without platform sign-in, publicly accessible", numbers.public_apps),
                ("Accessible without authentication from any Azure tenant or broad ranges", numbers.nearly_public),
                ("Protected only by a shared key or password", numbers.shared_key_only),
                ("Not fully assessed", assessed.total),
                ("Not fully assessed: missing permission", assessed.missing_permission),
                ("Not fully assessed: a read failed", assessed.failed_read),
                ("Not fully assessed: Azure returned no value", assessed.no_value),
            ],
        ),
        ("Open endpoints by severity", [(name.capitalize(), numbers.severities[name]) for name in SEVERITIES]),
        (
            "Other failed findings by severity",
            [(name.capitalize(), numbers.other_findings[name]) for name in SEVERITIES],
        ),
        (
            "Checks",
            [
                *((f"Status: {name}", result) for name, result in numbers.checks.items()),
                ("Inconclusive", inconclusive.total),
                ("Failed reads", numbers.gaps),
            ],
        ),
        (words("due.owners"), _owners(management.due, words)),
        (
            words("due.ends"),
            [(f"{end} {owner}", findings + endpoints) for end, owner, findings, endpoints in management.due.ends()],
        ),
        (
            "Responsibility (failed findings)",
            [(whose_word(each, words), n) for each, n in management.whose.totals().items()],
        ),
        ("Frameworks", [(each.name, _said(each, words)) for each in in_order(document.frameworks or ())]),
    ):
        if not lines:
            continue
        yield "", "", formats.text
        yield head, "", formats.head
        for name, result in lines:
            yield name, result, formats.text


def _owners(due: Due, words: Words) -> list[tuple[str, Any]]:
    return [
        (f"{owner or words('due.nobody')}: {name}", count)
        for owner, counts in due.rows()
        for name, count in zip(SEVERE, counts, strict=True)
        if count
    ]


def _said(row: FrameworkRow, words: Words) -> str:
    """Return what of a framework is tested, and why nothing passed."""
    return f"{tested(row, words)}. {none_passed(row, words)}".rstrip()
