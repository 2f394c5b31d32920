"""Gaps: merged, described, and what closes them."""

import json
from typing import Any

import pytest

from scanner.report.gaps import describe, gather, grant, rescan, role
from scanner.report.words import Words
from tests.report import sample

SUB = "/subscriptions/s1"
STORAGE = SUB + "/resourceGroups/g/providers/Microsoft.Storage/storageAccounts"
ACTION = "Microsoft.Storage/storageAccounts/blobServices/containers/read"


def gap(
    url: str, status: int = 403, code: str = "AuthorizationFailed", action: str = ACTION, **more: Any
) -> dict[str, Any]:
    return {"url": url, "status": status, "code": code, "action": action, "rules": ["storage-x"]} | more


def undecided(*urls: str, severity: str = "high") -> dict[str, Any]:
    return {
        "rule": "storage-x",
        "status": "unknown",
        "severity": severity,
        "resource": STORAGE + "/a",
        "gaps": list(urls),
    }


A, B = (f"{STORAGE}/{name}/blobServices/default/containers" for name in "ab")


def test_gaps_are_merged_by_action_and_scope_and_count_their_checks() -> None:
    document = {
        "gaps": [gap(A), gap(B), gap(STORAGE + "/a/fileServices", 504, "Timeout")],
        "findings": [undecided(A), undecided(A, B, severity="critical"), undecided(severity="low")],
        "coverage": {"scopes": [{"subscription": "S1", "name": "prod", "view": "full"}]},
    }
    found = gather(document, Words())
    first, second = found.entries
    assert (first.what, first.checks, first.worst, first.scope) == ("containers of 2 resources", 2, "critical", "prod")
    assert (second.action, second.curable, second.checks) == ("Timeout", False, 0)
    assert (found.other, found.other_worst) == (1, "low")
    assert first.query == f"status:unknown gap:{ACTION} sub:s1"


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ([A], "containers of a"),
        ([A, B], "containers of 2 resources"),
        ([STORAGE + "/a"], "a itself"),
        ([STORAGE + "/a/config/authsettingsV2"], "config/authsettingsV2 of a"),
        ([SUB + "/providers/Microsoft.Sql/servers"], "servers (Microsoft.Sql) in prod"),
        ([SUB], "what prod holds beyond the sight of this principal"),
    ],
)
def test_what_was_not_read(urls: list[str], said: str) -> None:
    assert describe(urls, "prod", Words()) == said


def test_the_role_holds_just_the_missing_actions() -> None:
    entries = gather({"gaps": [gap(A), gap(B)], "findings": []}, Words()).curable
    assert json.loads(role(entries))["Actions"] == [ACTION]
    assert json.loads(role(entries))["AssignableScopes"] == ["/subscriptions/s1"]
    assert grant(entries, "it's")[1] == (
        """az role assignment create --assignee 'it'"'"'s' --role 'Twolocks gaps' --scope /subscriptions/s1"""
    )


def test_what_no_role_cures_is_scanned_again() -> None:
    entries = gather({"gaps": [gap(A, 500, "InternalServerError")], "findings": []}, Words()).others
    assert rescan(entries) == "twolocks scan -s s1 --only storage-x"


def test_an_accepted_gap_asks_for_no_role() -> None:
    found = gather({"gaps": [gap(A, accepted=True)], "findings": []}, Words())
    assert (found.curable, found.others, len(found.entries)) == ([], [], 1)


WAIVER = {"reason": "A preview", "owner": "kari", "expires": "2026-12-31"}


def test_gaps_that_others_accepted_stand_apart_with_who_and_why() -> None:
    theirs = {**WAIVER, "owner": "ola", "ticket": "OPS-7"}
    gaps = [gap(A, accepted=True, waiver=WAIVER), gap(B, accepted=True, waiver=theirs), gap(SUB, accepted=True)]
    found = gather({"gaps": gaps, "findings": [{**undecided(A), "waiver": WAIVER}]}, Words())
    assert {entry.by: entry.urls for entry in found.entries} == {
        "accepted by kari until 2026-12-31: A preview": [A],
        "accepted by ola until 2026-12-31: A preview [OPS-7]": [B],
        "accepted": [SUB],
    }
    assert (found.other, found.agreed) == (0, [])


def test_accepted_checks_that_no_gap_explains_are_not_counted_with_the_others() -> None:
    rows = [{**undecided(severity=each), "waiver": WAIVER} for each in ("low", "critical")]
    found = gather({"gaps": [], "findings": [*rows, undecided(severity="high")]}, Words())
    assert (found.other, found.other_worst) == (1, "high")
    [group] = found.agreed
    assert (group.waiver, group.worst, group.places) == (WAIVER, "critical", [("storage-x", STORAGE + "/a")] * 2)


def test_an_action_that_yields_secrets_says_so() -> None:
    entry = gather(
        {"gaps": [gap(A, action="Microsoft.Web/sites/config/list/Action")], "findings": []}, Words()
    ).entries[0]
    assert entry.secret


def test_no_check_is_lost() -> None:
    document = sample.document(2000)
    found = gather(document, Words())
    unknown = [f for f in document["findings"] if f["status"] == "unknown"]
    assert sum(entry.checks for entry in found.entries) + found.other >= len(unknown)
    assert found.other == sum(not f["gaps"] for f in unknown)
