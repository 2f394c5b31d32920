"""Notifications after a scan, and what the history remembers of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
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
    from scanner.notify.notice import Earlier, Entry


def notify(
    job: Job,
    session: HistorySession,
    result: EvaluationResult,
    scan: ScanRow,
    end: Exit,
    wrote: Sequence[str],
    screen: Screen,
) -> list[UserError]:
    """Send the notifications that the scan was asked for. Return the errors of those that did not arrive."""
    from scanner.notify import after_scan
    from scanner.notify.notice import Facts

    facts = Facts(
        scan=scan,
        result=result,
        end=end,
        today=datetime.now(UTC).date(),
        row=session.row,
        changes=session.changes,
        owners=_owners(session, job.settings.owner_tag),
        expiring=waivers.expiring(job.policy.waivers),
        lost=[error.what for error in session.errors],
        files=wrote,
    )
    return after_scan.tell(job.whom, facts, NotifiedHistory(session), screen)


def _owners(session: HistorySession, tag: str) -> dict[str, str]:
    """Return the owner of each resource that has this tag, by its id in lower case."""
    return {id: tags[tag] for id, tags in session.tags.items() if tags.get(tag)} if tag else {}


class NotifiedHistory:
    """What the history of a scan remembers of notifications: a `scanner.notify.after_scan.Memory`."""

    def __init__(self, session: HistorySession) -> None:
        self._session = session
        self._record = None if session.errors else session.record

    def earlier(self, name: str) -> "Earlier":
        """Return what a notification has sent of earlier scans. Where the history does not say: nothing, because
        reporting twice is better than never.
        """
        from scanner.history import notified
        from scanner.notify.notice import Earlier

        record = self._record
        if record is None:
            return Earlier()
        try:
            with self._session.open() as history:
                found = notified.earlier(history, name, record.selection, record.id, set(record.subscriptions))
        except HistoryError:
            return Earlier()
        if found.last is None:
            return Earlier(late=found.late)
        return Earlier(date.fromisoformat(found.last.finished[:10]), found.last.complete, found.late)

    def arrived(self, name: str, entries: "Sequence[Entry]") -> None:
        """Remember that a notification has reported these. Raises HistoryError."""
        from scanner.history import notified

        record = self._record
        if record is None:
            return
        keys = [(each.kind, each.fingerprint) for each in entries]
        with self._session.open() as history:
            notified.heard(history, name, record.selection, record.id, keys)
