"""What managers ask of the rows of a document: services, owners and dates, responsibility."""

from scanner.document.schema import Document, ExposureRow, FindingRow
from scanner.report.views.due import Due
from scanner.report.views.responsibility import Whose
from scanner.report.views.services import Services
from scanner.report.views.summary import ReportSummary, summarize


class Management:
    """Counts rows by service, owner, date and responsibility. Feed each row once."""

    def __init__(self, document: Document) -> None:
        self.services, self.due, self.whose = Services(document), Due(document), Whose(document)

    def exposure(self, row: ExposureRow) -> None:
        """Count an endpoint."""
        self.services.exposure(row)
        self.due.exposure(row)

    def finding(self, row: FindingRow) -> None:
        """Count a finding."""
        self.services.finding(row)
        self.due.finding(row)
        self.whose.add(row)


def summarize_with_management(document: Document) -> tuple[ReportSummary, Management]:
    """Return all numbers of a document, whose rows are decoded once."""
    management = Management(document)
    return summarize(document, (management.exposure,), (management.finding,)), management
