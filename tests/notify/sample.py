"""A night's facts, made by hand: what is new on three resources of two owners, and what could not be read."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

from scanner.config.notifications import Mailbox, Target
from scanner.config.waivers import ExpiringEntry
from scanner.document.schema import ChangesRow, GapRow, ScanRow, ScopeRow
from scanner.evaluate.counts import Counts
from scanner.evaluate.results import EvaluationResult
from scanner.exit_codes import Exit
from scanner.history.baseline import COUNTS
from scanner.history.items import Change, ChangeKind, Changes, Item, Reported, ScanRecord
from scanner.notify.compose import notice
from scanner.notify.notice import Notice, ScanResult

SUB = "3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f"
GROUP = f"/subscriptions/{SUB}/resourceGroups/rg-journal"
JOURNAL = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/stjournal"
SERVER = f"{GROUP}/providers/Microsoft.Sql/servers/sqlfag"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv-skjema"
TODAY = date(2026, 11, 25)
TAKEN = "2026-11-25T02:00:00Z"
READ = "Anybody can list and read this container"
OWNERS = {JOURNAL.lower(): "kari", SERVER.lower(): "team-a"}


def change(
    kind: str, resource: str, endpoint: str = "", severity: str = "critical", why: str = "", **more: str
) -> Change:
    """A change of an endpoint or, without one, of a finding of a rule."""
    cell = {"reach": "internet", "authentication": "anonymous"} if endpoint else {"category": "recovery"}
    item = Item(
        kind="exposure" if endpoint else "finding",
        fingerprint=hashlib.sha256(f"{resource} {endpoint} {more}".encode()).hexdigest()[:16],
        resource=resource,
        endpoint=endpoint,
        severity=severity,
        since=TAKEN,
        seen=TAKEN,
        **{"title": READ, **cell, **more},  # type: ignore[arg-type]
    )
    return Change(ChangeKind(kind), item, None, why)


NEWS = (
    change("new", JOURNAL, "blob/eksport"),
    change("reopened", JOURNAL, "blob/scans", why="it was fixed before"),
    change(
        "worse", SERVER, "tds", "high", "medium -> high, reach selected -> internet",
        title="The SQL server answers every address; a SQL login and its password open it", authentication="shared",
    ),
    change("new", VAULT, severity="high", rule="keyvault-no-purge-protection", title="A deleted vault can be purged"),
)  # fmt: skip
ENDS = (ExpiringEntry("storage-plain-http on stjournal", "kari", date(2026, 12, 9), "waivers.toml:3", 2),)
GAP = GapRow(
    url=f"{GROUP}/providers/Microsoft.Storage/storageAccounts/stlukket/blobServices/default/containers",
    status=403,
    code="AuthorizationFailed",
    action="Microsoft.Storage/storageAccounts/blobServices/containers/read",
    rules=["storage-anonymous-blob-access"],
)


def facts(
    matches: Sequence[Change] = NEWS,
    *,
    complete: bool = True,
    baseline: bool = False,
    known: bool = True,
    owners: Mapping[str, str] = OWNERS,
    expiring: Sequence[ExpiringEntry] = (),
    gaps: Sequence[GapRow] = (),
    files: Sequence[str] = ("findings.json", "report.html"),
    notes: Sequence[str] = (),
    lost: Sequence[str] = (),
) -> ScanResult:
    counts = Counts(
        open=Counter(critical=2, high=1, medium=9),
        other_failures=Counter(high=1, low=4),
        statuses=Counter(unknown=6 * len(gaps)),
        gaps=len(gaps),
    )
    scopes = [ScopeRow(subscription=SUB, name="prod-journal", tenant="agency.example", view="full")]
    evaluation = EvaluationResult(counts, list(gaps), scopes, complete=complete)
    changes = Changes(list(matches))
    changed = {kind.value.replace("-", "_"): len(changes.counted(kind)) for kind in COUNTS}
    row = ChangesRow(
        since=None if baseline else "2026-11-24T02:00:00Z",
        baseline=baseline,
        confirmed=True,
        notes=list(notes),
        counts={**changed, "open": 17},
        reopened=[], worse=[], better=[], fixed=[], unseen=[], trend=[],
    )  # fmt: skip
    return ScanResult(
        scan=ScanRow(
            id="9b01c2d3e4f5a607",
            started=TAKEN,
            finished=TAKEN,
            taken=TAKEN,
            tool="twolocks 0.1.0",
            cloud="public",
            principal="twolocks-nightly",
            scopes=[SUB],
            resources=247,
            reads=1317,
            complete=complete,
        ),
        evaluation=evaluation,
        end=Exit(1, "4 endpoints new at high or above (--fail-on new:high)"),
        today=TODAY,
        row=row if known else None,
        changes=changes if known else None,
        owners=owners,
        expiring=expiring,
        history_errors=lost,
        files=files,
    )


def reported(day: date | None = None, *missed: Change, complete: bool = True) -> Reported:
    """What a notification was told up to a scan of that day, or never."""
    time = f"{day}T02:00:00Z"
    last = ScanRecord("1", time, time, time, "twolocks 0.1.0", "all", (SUB,), complete=complete) if day else None
    return Reported(last, missed)


def target(kind: str = "webhook", **more: object) -> Target:
    words = {"name": "ops", "at": "twolocks.toml:1", "mail": MAILBOX if kind == "mail" else None}
    return Target(kind=kind, **{**words, **more})  # type: ignore[arg-type]


MAILBOX = Mailbox("127.0.0.1", 25, "none", "twolocks@agency.example", ("ops@agency.example", "vakt@agency.example"))


def news(changes: Sequence[Change] = NEWS, *, whom: Target | None = None, **more: object) -> Notice:
    """The notice of a night that has news."""
    made = notice(whom or target(), facts(changes, **more), reported(date(2026, 11, 24)))  # type: ignore[arg-type]
    assert made is not None
    return made
