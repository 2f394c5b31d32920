"""Notifications after a scan, and their records in the history."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scanner.config import waivers
from scanner.document.schema import ScanRow
from scanner.errors import HistoryError, UserError
from scanner.evaluate.results import EvaluationResult
from scanner.exit_codes import Exit
from scanner.scan.job import Job
from scanner.scan.session import HistorySession
from scanner.terminal.screen import Screen

if TYPE_CHECKING:
    from scanner.history.items import Reported
    from scanner.notify.notice import NoticeItem


def notify(
    job: Job,
    session: HistorySession,
    result: EvaluationResult,
    scan: ScanRow,
    end: Exit,
    wrote: Sequence[str],
    owner_files: Mapping[str, Sequence[str]],
    screen: Screen,
) -> list[UserError]:
    """Send the notifications that `--notify` names. Return the errors of those that were not delivered."""
    from scanner.notify import after_scan
    from scanner.notify.notice import ScanResult

    facts = ScanResult(
        scan=scan,
        evaluation=result,
        end=end,
        today=datetime.now(UTC).date(),
        row=session.row,
        changes=session.changes,
        owners=_owners(session, job.settings.owner_tag),
        expiring=waivers.expiring(job.policy.waivers),
        history_errors=[error.what for error in session.errors],
        files=wrote,
        language=job.settings.report_language,
        owner_files=owner_files
        if job.by is not None and job.by.tag.casefold() == job.settings.owner_tag.casefold()
        else {},
    )
    return after_scan.notify(job.whom, facts, HistoryReportLog(session), screen)


def _owners(session: HistorySession, tag: str) -> dict[str, str]:
    """Return the owner of each resource that has this tag, by its id in lower case."""
    return {id: tags[tag] for id, tags in session.tags.items() if tags.get(tag)} if tag else {}


class HistoryReportLog:
    """The records of notifications in the history: a `scanner.notify.after_scan.ReportLog`."""

    def __init__(self, session: HistorySession) -> None:
        self._session = session
        self._record = None if session.errors else session.record

    def reported(self, name: str) -> "Reported":
        """Return what a notification has reported before. Return nothing if the history cannot be read, because
        reporting twice is better than never.
        """
        from scanner.history import notified
        from scanner.history.items import Reported

        record = self._record
        if record is None:
            return Reported()
        try:
            with self._session.open() as history:
                return notified.reported(history, name, record.selection, record.id, set(record.subscriptions))
        except HistoryError:
            return Reported()

    def mark_reported(self, name: str, items: "Sequence[NoticeItem]") -> None:
        """Record that a notification has reported these items. Raises HistoryError."""
        self._mark(name, items, in_part=False)

    def mark_partial(self, name: str, items: "Sequence[NoticeItem]") -> None:
        """Record that a notification has reported these items and not others. Raises HistoryError."""
        self._mark(name, items, in_part=True)

    def _mark(self, name: str, items: "Sequence[NoticeItem]", *, in_part: bool) -> None:
        from scanner.history import notified

        record = self._record
        if record is None:
            return
        keys = [(each.kind, each.fingerprint) for each in items]
        with self._session.open() as history:
            notified.mark_reported(history, name, record.selection, record.id, keys, in_part=in_part)
