"""What is set on a subscription, and the locks in it: an apparent change is read again before it is called fixed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.history.changing_estate import Json, Refusal, RunResult, endpoint, sandbox, scheduled_run, storage
from tests.terminals import STORAGE, SUB, account

HERE = f"/subscriptions/{SUB}"
RULES = ("subscription-no-budget", "storage-no-delete-lock")
BOTH = {f"{SUB}: subscription-no-budget", "stjournal: storage-no-delete-lock"}


def budget() -> Json:
    notification = {"enabled": True, "contactEmails": ["drift@agency.example"], "threshold": 80}
    properties = {
        "category": "Cost",
        "amount": 1000,
        "timeGrain": "Monthly",
        "timePeriod": {"startDate": "2026-01-01T00:00:00Z", "endDate": "2036-01-01T00:00:00Z"},
        "notifications": {"actual": notification},
    }
    id = f"{HERE}/providers/Microsoft.Consumption/budgets/all"
    return {"id": id, "name": "all", "type": "Microsoft.Consumption/budgets", "properties": properties}


def lock(on: str = HERE) -> Json:
    id = f"{on}/providers/Microsoft.Authorization/locks/keep"
    return {"id": id, "name": "keep", "type": "Microsoft.Authorization/locks", "properties": {"level": "CanNotDelete"}}


BARE = storage(account("stjournal"))
SET = [*BARE, budget(), lock()]
ON_THE_STORE = [*BARE, budget(), lock(f"{STORAGE}/stjournal")]


def night(
    resources: list[Json], folder: Path, later: list[Json] | None = None, rules: Sequence[str] = RULES, **options: Any
) -> RunResult:
    """One scan of these rules. `later`: what the second read sees; `options`: of the sandbox then."""
    history = str(folder / "history.db")
    then = sandbox(later, **options) if later is not None else None
    only = [word for each in rules for word in ("--only", each)]
    return scheduled_run(resources, history, folder, *only, skipped=(), later=then)


def failed(run_result: RunResult) -> set[str]:
    return {endpoint({**row, "endpoint": ""}) for row in run_result.document["findings"] if row["status"] == "fail"}


@pytest.mark.parametrize("seen", [SET, ON_THE_STORE], ids=["on the subscription", "on the store"])
def test_what_the_second_read_shows_too_is_fixed(seen: list[Json], tmp_path: Path) -> None:
    assert failed(night(BARE, tmp_path)) == BOTH
    assert night(seen, tmp_path, seen).listed("fixed") == BOTH


@pytest.mark.parametrize("seen", [SET, ON_THE_STORE], ids=["on the subscription", "on the store"])
def test_what_the_second_read_does_not_show_is_not_fixed(seen: list[Json], tmp_path: Path) -> None:
    assert failed(night(BARE, tmp_path)) == BOTH
    run_result = night(seen, tmp_path, BARE)
    assert run_result.counts == {}
    assert failed(run_result) == BOTH


@pytest.mark.parametrize(
    "refused",
    ["", "/providers/microsoft.authorization/locks", "/providers/microsoft.consumption/budgets"],
    ids=["subscription", "locks", "budgets"],
)
def test_what_cannot_be_read_again_is_not_fixed(refused: str, tmp_path: Path) -> None:
    assert failed(night(BARE, tmp_path)) == BOTH
    run_result = night(SET, tmp_path, SET, refusals=[Refusal(path=f"{HERE}{refused}")])
    assert run_result.counts == {"unseen": 2}
    assert not run_result.document["scan"]["complete"]
    listed = refused or "/providers/Microsoft.Resources/subscriptions"
    assert [gap["url"].lower() for gap in run_result.document["gaps"]] == [f"{HERE}{listed}".lower()]
    assert night(SET, tmp_path, SET).listed("fixed") == BOTH


@pytest.mark.parametrize("refused", ["", "/providers/microsoft.authorization/locks"], ids=["subscription", "locks"])
def test_a_store_is_not_locked_where_the_locks_cannot_be_read_again(refused: str, tmp_path: Path) -> None:
    only = ("storage-no-delete-lock",)
    assert failed(night(BARE, tmp_path, rules=only)) == {"stjournal: storage-no-delete-lock"}
    refusals = [Refusal(path=f"{HERE}{refused}")]
    assert night(SET, tmp_path, SET, only, refusals=refusals).counts == {"unseen": 1}
    assert night(SET, tmp_path, BARE, only).counts == {}
    assert night(SET, tmp_path, SET, only).counts == {"fixed": 1}
