"""The data of a notice, and the facts of a scan that it is made of. `compose` makes it; each channel formats it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec
from msgspec import Struct, field

from scanner.config.waivers import ExpiringEntry
from scanner.document.schema import ChangesRow, ScanRow
from scanner.evaluate.results import EvaluationResult
from scanner.exit_codes import Exit
from scanner.history.items import Changes

SCHEMA = "twolocks-notice/1"
NoticeKind = Literal["news", "baseline", "unknown", "test"]


class NoticeItem(msgspec.Struct, kw_only=True, frozen=True):
    """An exposure or finding that is new, reopened or raised, as a scan saw it."""

    news: Literal["new", "reopened", "worse"]
    """New, reopened, or worse (raised)."""
    kind: Literal["exposure", "finding"]
    severity: str
    owner: str
    resource: str
    endpoint: str
    address: str
    rule: str
    title: str
    reach: str
    authentication: str
    why: str
    """What was raised, or the reason why it is open again."""
    since: str
    """The time of the scan that saw it first."""
    late: bool
    """An earlier scan found it, and no notification arrived then."""
    fingerprint: str
    tenant: str | msgspec.UnsetType = msgspec.UNSET
    """The tenant of the resource, where the scan had several."""


class ExpiringWaiver(msgspec.Struct, kw_only=True, frozen=True):
    """A waiver or an accepted gap that is about to expire."""

    what: str
    owner: str
    expires: str
    at: str
    covers: int
    """How many findings or gaps count again then."""


class NoticeScan(msgspec.Struct, kw_only=True, frozen=True):
    """The scan that a notice is about, and how it ended."""

    id: str
    taken: str
    evaluated: str = ""
    """When, if later than `taken`, else ""."""
    tool: str
    cloud: str
    subscriptions: list[str]
    complete: bool
    exit: int
    why: str


class NoticeGap(msgspec.Struct, kw_only=True, frozen=True):
    """A read that failed and is not accepted."""

    url: str
    status: int
    code: str
    action: str
    tenant: str | msgspec.UnsetType = msgspec.UNSET
    """The tenant that was not read at all."""


class Notice(msgspec.Struct, kw_only=True, frozen=True):
    """A notice."""

    schema: str = SCHEMA
    notification: str
    kind: NoticeKind
    """News; baseline (the first scan: counts only); unknown (the history could not be read, so changes are unknown);
    test.
    """
    title: str
    scan: NoticeScan | None
    remarks: list[str]
    """Remarks on the scan, such as failed reads."""
    counts: dict[str, int]
    """Of this scan, the same for every receiver."""
    open: dict[str, int]
    """By severity."""
    endpoints: dict[str, int]
    """All endpoints by state."""
    items: list[NoticeItem]
    """The most severe first."""
    waivers: list[ExpiringWaiver]
    gaps: list[NoticeGap]
    files: list[str]
    language: str = "en"
    """Of the title, the remarks and the titles of rules."""


class ScanResult(Struct, frozen=True):
    """The result of a scan. `row` and `changes` are None where the history could not be read."""

    scan: ScanRow
    evaluation: EvaluationResult
    end: Exit
    today: date
    row: ChangesRow | None = None
    changes: Changes | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    """The owner tag of each resource that has one, by its id in lower case."""
    expiring: Sequence[ExpiringEntry] = ()
    history_errors: Sequence[str] = ()
    """The errors of the history, which was not written in that case."""
    files: Sequence[str] = ()
    language: str = "en"
    """The language of notices."""
    owner_files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The files of each owner (casefolded), where reports are split by the owner tag."""
