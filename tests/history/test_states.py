"""Endpoints that were not assessed, over scheduled runs: no longer visible, never fixed."""

from collections.abc import Mapping

from msgspec.structs import replace

from scanner.document.schema import ExposureRow
from scanner.evaluate.results import EvaluationResult
from scanner.exit_codes import decide
from scanner.history import queries
from scanner.history.compare import EvaluatedBefore, compare
from scanner.history.items import ChangeKind, Changes, Item, ItemKey, ScanRecord
from scanner.history.observation import Observation, ScanCoverage
from scanner.history.store import History
from tests.history.runs import SUB, Comparison, scan, taken
from tests.history.test_compare import exposure

ACCOUNT = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
OPEN = exposure(ACCOUNT)
CRITICAL = exposure(ACCOUNT, severity="critical", auth="anonymous")
WAIVED = exposure(ACCOUNT, state="waived")
UNKNOWN = exposure(ACCOUNT, severity=None, worst="critical", state="unknown", reach="unknown")
CLOSED = exposure(ACCOUNT, severity=None, state="closed", reach="none")
OTHER = exposure(ACCOUNT, "file")


def comparison(number: int, rows: tuple[ExposureRow, ...]) -> Comparison:
    def compared(known: Mapping[ItemKey, Item], before: EvaluatedBefore, last: ScanRecord | None) -> Changes:
        observation = Observation(known, taken(number))
        for row in rows:
            observation.exposure(row)
        observation.resource(ACCOUNT)
        coverage = ScanCoverage({SUB}, frozenset(), {"microsoft.storage/storageaccounts"})
        return compare(known, observation, coverage, before)

    return compared


def runs(url: str, *rows: ExposureRow | None) -> list[list[str]]:
    """Return the changes of each scan, as `kind endpoint`. OTHER stands open in all of them."""
    texts = []
    with History.open(url) as history:
        for number, row in enumerate(rows, 1):
            seen = (OTHER,) if row is None else (OTHER, row)
            unknown = sum(each.state == "unknown" for each in seen)
            changes = history.record(replace(scan(number), unknown=unknown), comparison(number, seen))
            texts.append([f"{each.kind.value} {each.item.endpoint}" for each in changes.changed])
    return texts


def test_open_then_unknown_is_no_longer_visible_and_is_seen_again(url: str) -> None:
    texts = runs(url, OPEN, UNKNOWN, UNKNOWN, OPEN, UNKNOWN, CRITICAL)
    assert texts[1:] == [["unseen blob"], [], ["again blob"], ["unseen blob"], ["worse blob"]]
    with History.open(url) as history:
        item = history.known({SUB})["exposure", OPEN.fingerprint]
        assert (item.state, item.visible, item.since) == ("open", True, taken(1))
        assert [row.unknown for row in history.trend("all")] == [0, 1, 1, 0, 1, 0]
        _, _, difference = queries.diff(history, "1", "3")
        assert [each.kind for each in difference.changes] == [ChangeKind.no_longer_visible]


def test_the_trend_counts_what_each_scan_opened_and_closed(url: str) -> None:
    runs(url, None, OPEN, CLOSED, OPEN, UNKNOWN)
    with History.open(url) as history:
        assert [(row.opened, row.closed) for row in history.trend("all")] == [(0, 0), (1, 0), (0, 1), (1, 0), (0, 0)]


def test_what_is_hidden_stays_open_and_is_fixed_by_a_verdict_only(url: str) -> None:
    assert runs(url, OPEN, UNKNOWN, CLOSED)[1:] == [["unseen blob"], ["fixed blob"]]


def test_an_accepted_endpoint_that_was_not_assessed_is_not_fixed_either(url: str) -> None:
    assert runs(url, WAIVED, UNKNOWN, WAIVED)[1:] == [["unseen blob"], ["again blob"]]


def test_a_fixed_endpoint_that_was_not_assessed_stays_fixed_and_reopens(url: str) -> None:
    assert runs(url, OPEN, CLOSED, UNKNOWN, OPEN)[1:] == [["fixed blob"], [], ["reopened blob"]]


def test_an_endpoint_that_was_never_assessed_is_new_when_it_is_open(url: str) -> None:
    assert runs(url, None, UNKNOWN, OPEN)[1:] == [[], ["new blob"]]


def test_an_endpoint_that_is_no_longer_visible_is_no_alert() -> None:
    known = Observation({}, taken(1))
    known.exposure(OPEN)
    changes = comparison(2, (UNKNOWN,))(known.items, lambda *_: True, None)
    assert [each.kind for each in changes.changed] == [ChangeKind.no_longer_visible]
    result = EvaluationResult(complete=False)
    result.counts.exposure(UNKNOWN)
    for fail_on in ("info", "new:info"):
        assert decide(result, fail_on, changes=changes).code == 3
