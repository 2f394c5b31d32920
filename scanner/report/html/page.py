"""The variables of the report template."""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct

from scanner.document.schema import ChangesRow, Document, ExposureRow, FindingRow
from scanner.document.tenants import scope_labels
from scanner.evaluate.counts import Counts
from scanner.evaluate.fix_groups import SEVERE
from scanner.report.html.capacity_view import capacity_view
from scanner.report.html.changes import ChangesView
from scanner.report.html.concepts import concepts
from scanner.report.html.endpoint_cards import first_cards
from scanner.report.html.first_screen import OpenBySubscription, by_subscription, severity_bar, sparkline
from scanner.report.html.keys_view import keys_view
from scanner.report.html.page_gaps import coverage, not_assessed
from scanner.report.html.places_view import places_view
from scanner.report.html.print_pages import print_pages
from scanner.report.language.words import Words, scanned
from scanner.report.views.cards import ResourceNames, exposure_card, finding_card
from scanner.report.views.first_changes import first_changes_view
from scanner.report.views.frameworks import framework_totals
from scanner.report.views.headline import capital, headline, left_out, limited
from scanner.report.views.management import Management
from scanner.report.views.summary import (
    COLUMNS,
    Matrix,
    MatrixCell,
    Ordered,
    ReportSummary,
    exposure_keys,
    finding_keys,
    summarize,
)
from scanner.text.invisible import plain

_EXPOSURES, _FINDINGS, _SCOPES = 20, 100, 3
"""The maximum of cards of endpoints, findings and subscriptions written into the page; the data block has all."""


_WORSE = {"new": "new", "reopened": "fail", "worse": "worse"}
"""The changes for the worse that the first screen counts, with their icons."""


class FirstPass(Struct, frozen=True):
    """What one pass over the rows of a document gives: its numbers, and its rows in the order of the page."""

    summary: ReportSummary
    cells: list[list[MatrixCell]]
    opened: OpenBySubscription
    exposures: Sequence[ExposureRow]
    findings: Ordered[FindingRow]
    management: Management


def first_pass(document: Document) -> FirstPass:
    """Go through the rows of a document, each of which is decoded once."""
    cells, opened, exposures, findings = Matrix(), OpenBySubscription(), exposure_keys(), finding_keys()
    management = Management(document)
    summary = summarize(
        document,
        (cells.add, opened.add, exposures.add, management.exposure),
        (findings.add, management.finding),
    )
    ordered = exposures.order(document.exposures), findings.order(document.findings)
    return FirstPass(summary, cells.rows(), opened, *ordered, management)


def context(document: Document, t: Words, result: FirstPass, custom_actions: Collection[str] = ()) -> dict[str, Any]:
    """Return the variables of `report.html.j2`, but for styles and scripts. `custom_actions`: see `not_assessed`."""
    summary, exposures, findings = result.summary, result.exposures, result.findings
    names, taken = ResourceNames(document), document.scan.taken
    cards, _ = first_cards(exposures, _EXPOSURES)
    changes = ChangesView(document, document.changes, t, names).context() if document.changes else None
    return {
        "words": t,
        "statuses": summary.counts.statuses,
        "severe_findings": any(
            summary.counts.other_failures[name] + summary.counts.endpoint_failures[name] for name in SEVERE
        ),
        "complete": summary.complete,
        "date": scanned(t, taken, document.scan.evaluated),
        "changes": changes,
        "compared": changes["compared"] if changes else "",
        "scope_line": _scope_line(document, t),
        "left_out": left_out(document.scan, t),
        "matrix": _matrix(result.cells),
        "columns": COLUMNS,
        "severity_bar": severity_bar(summary.counts, t),
        "by_subscription": by_subscription(document, t, result.opened),
        "first_changes": first_changes_view(document, summary.counts.first_changes(), names, t),
        "services": result.management.services.view(t),
        "on_resources": t("count.resources", result.management.services.with_endpoint),
        "due": result.management.due.view(t),
        "sparkline": sparkline(document.changes, t),
        "legend": concepts(t),
        "exposures": [exposure_card(each, names, t, taken) for each in cards],
        "exposures_shown": sum(map(len, cards)),
        "exposures_total": len(exposures),
        "findings": [finding_card(each, names, t, taken) for each in findings[:_FINDINGS]],
        "chips": _chips(summary.counts, document.changes),
        "frameworks": framework_totals(document, t),
        "responsibilities": result.management.whose.rows(),
        **_headings(document, summary, t),
        **print_pages(document, exposures, names, t),
        **_without_scripts(len(findings), t),
        **not_assessed(document, summary, t, custom_actions),
        **coverage(document.coverage, t),
        **places_view(document, t, names),
        **keys_view(document, t, names),
        **capacity_view(document, t),
    }


def _headings(document: Document, summary: ReportSummary, t: Words) -> dict[str, Any]:
    counts = summary.counts
    empty = not document.exposures and not counts.checks and not document.resources and summary.complete
    result = headline(counts, document.coverage.scopes, t, complete=summary.complete)
    text = t("headline.empty") if empty else str(result)
    limit = plain(limited(document.scan.limited or None, t))
    return {
        "empty": empty,
        "missing": "" if empty else plain(result.missing),
        "headline": text if empty else result.findings if result.missing else capital(result.findings),
        "lead": "" if empty else plain(f"{capital(result.more)}." if result.more else ""),
        "states": [(state, n) for state, n in counts.by_state.items() if n],
        "page_title": " · ".join(
            filter(None, (f"{t('brand')}: {plain(text)}", limit, plain(t.date(document.scan.taken))))
        ),
    }


def _chips(counts: Counts, changes: ChangesRow | None) -> list[dict[str, Any]]:
    """Return the counts below the headline, each a link to what it counts: what changed for the worse, then checks."""
    statuses = counts.statuses
    worse = {name: changes.counts.get(name, 0) for name in _WORSE} if changes and not changes.baseline else {}
    chips = [
        {"icon": icon, "count": worse[name], "word": name, "href": f"#changes?f={name}"}
        for name, icon in _WORSE.items()
        if worse.get(name) or (name == "new" and worse)
    ]
    chips += [
        {"icon": status, "count": statuses[status], "word": status, "href": f"#findings?q=status:{status}"}
        for status in ("fail", "unknown", "error", "waived", "pass")
        if statuses[status] or status != "error"
    ]
    return chips


def _scope_line(document: Document, t: Words) -> str:
    """Return the subscriptions and the numbers of resources and rules."""
    names = sorted(scope_labels(document.coverage.scopes, document.scan).values())
    more = [t("more_named", len(names) - _SCOPES)] if len(names) > _SCOPES else []
    counts = [t("count.resources", document.scan.resources), t("count.rules", len(document.rules))]
    return " · ".join([", ".join(names[:_SCOPES] + more), *counts] if names else counts)


def _matrix(rows: list[list[MatrixCell]]) -> list[list[list[MatrixCell]]]:
    """Return the rows in three groups: data and administration, applications, not assessed."""
    return [rows[:3], rows[3:5], rows[5:]]


def cell_label(t: Words, cell: MatrixCell) -> str:
    """Return what screen readers say of a cell of the matrix after its number and word."""
    locks = t("matrix.locks", row=t("row." + cell.row), column=t("column." + cell.column))
    more = f", {t('matrix.cell_may', cell.worse)}" if cell.worse and cell.rating != "unknown" else ""
    return f", {locks}{more}"


def _without_scripts(total: int, t: Words) -> dict[str, Any]:
    """Return the lines that are shown where scripts are disabled or fail."""
    written, every = min(total, _FINDINGS), t("count.findings", total)
    whole = total <= _FINDINGS
    line = t("noscript.line_all", all=every) if whole else t("noscript.line", shown=written, all=every)
    return {"noscript_line": line, "noscript_failed": t("noscript.failed", shown=written, all=every)}
