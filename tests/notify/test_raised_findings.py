"""Lock findings whose severity the settings change: each counts in notices by its severity, at once or later."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.history.changing_estate import Json, server
from tests.history.test_changing_estate import estate
from tests.notify.receivers import Answer, web
from tests.notify.test_scheduled_runs import HOOK, Watch

RULE = "sql-password-auth"
TDS = server()
REST = [body for body in estate() if body not in TDS]
RAISED = f"worse finding {RULE} critical"
NEW = f"new finding {RULE} critical"


@dataclass(frozen=True, slots=True)
class Night:
    """The severity of the rule in the settings ("": its own, medium), the estate, whether the receiver answers."""

    to: str = ""
    estate: tuple[Json, ...] = (*REST, *TDS)
    delivered: bool = True
    reported: tuple[str, ...] = ()


FEW = tuple(REST)
CASES = {
    "raised": [Night(), Night("critical", reported=(RAISED,)), Night("critical")],
    "raised, missed": [
        Night(),
        Night("critical", delivered=False, reported=(RAISED,)),
        Night("critical", reported=(f"late {RAISED}",)),
        Night("critical"),
    ],
    "raised, missed, lowered": [Night(), Night("critical", delivered=False, reported=(RAISED,)), Night()],
    "raised, missed, gone": [Night(), Night("critical", delivered=False, reported=(RAISED,)), Night("critical", FEW)],
    "lowered": [Night(), Night("low")],
    "lowered, and raised to that of its endpoint": [Night("low"), Night()],
    "new": [Night("critical", FEW), Night("critical", reported=("new exposure tds medium", NEW))],
    "new, missed": [
        Night("critical", FEW),
        Night("critical", delivered=False, reported=("new exposure tds medium", NEW)),
        Night("critical", reported=("late new exposure tds medium", f"late {NEW}")),
        Night("critical"),
    ],
    "new, missed; its endpoint counts in its place": [
        Night(estate=FEW),
        Night(delivered=False, reported=("new exposure tds medium",)),
        Night(reported=("late new exposure tds medium",)),
    ],
}


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    with web() as server:
        yield Watch(server, tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_a_lock_finding_that_names_an_endpoint_counts_by_its_severity(watch: Watch, case: str) -> None:
    """Missed notices left out every one of them."""
    for position, night in enumerate(CASES[case]):
        severity = f'[severity.{RULE}]\nto = "{night.to}"\nreason = "as we see it"\n' if night.to else ""
        watch.settings(severity, all=f"{HOOK}\nmin-severity = 'medium'")
        watch.server.answers = (Answer(202 if night.delivered else 404),)
        # Storage accounts are not read, so that where the audit log goes is not known.
        words = ("--only", "sql-*", "--skip", "sql-audit-no-destination")
        code = watch.scheduled_run(list(night.estate), *words, notify=("all",)).ended.code
        heard = [each.json for each in watch.heard()]
        assert [each["kind"] for each in heard] == (["news"] if night.reported else [] if position else ["baseline"])
        items = [item for each in heard for item in each["items"]]
        assert sorted(map(sentence, items)) == sorted(night.reported)
        assert code == any("critical" in each and "late" not in each for each in night.reported)


def sentence(item: Json) -> str:
    late = "late " if item["late"] else ""
    return f"{late}{item['news']} {item['kind']} {item['rule'] or item['endpoint']} {item['severity']}"
