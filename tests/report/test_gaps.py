"""Gaps: merged, described, and what closes them."""

import json
from typing import Any

import msgspec
import pytest

from scanner.document.schema import GapRow, WaiverRow
from scanner.report.language.words import Words
from scanner.report.views import gaps
from scanner.report.views.gaps import (
    GapGroup,
    NotAssessed,
    describe,
    group_gaps,
    rescan_command,
    role_commands,
    role_definition,
)
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


def gather(document: dict[str, Any]) -> NotAssessed:
    """Group the gaps of a document that holds nothing else."""
    whole = sample.empty() | document
    whole["findings"] = [FINDING | row for row in whole["findings"]]
    return group_gaps(sample.typed(whole), Words())


FINDING: dict[str, Any] = {
    "title": "",
    "category": "network",
    "endpoints": [],
    "message": "",
    "evidence": [],
    "fix": None,
    "fingerprint": "",
}
A, B = (f"{STORAGE}/{name}/blobServices/default/containers" for name in "ab")


def test_gaps_are_merged_by_action_and_scope_and_count_their_checks() -> None:
    document = {
        "gaps": [gap(A), gap(B), gap(STORAGE + "/a/fileServices", 504, "Timeout")],
        "findings": [undecided(A), undecided(A, B, severity="critical"), undecided(severity="low")],
        "coverage": {
            "scopes": [{"subscription": "S1", "name": "prod", "tenant": "t", "view": "full"}],
            "types": [],
            "rules_off": [],
        },
    }
    not_assessed = gather(document)
    first, second = not_assessed.groups
    assert (first.what, first.checks, first.worst, first.scope) == ("containers of 2 resources", 2, "critical", "prod")
    assert (second.action, second.missing_permission, second.checks) == ("Timeout", False, 0)
    assert (not_assessed.unexplained, not_assessed.unexplained_worst) == (1, "low")
    assert first.query == f"status:unknown gap:{ACTION} sub:s1"


@pytest.mark.parametrize(
    ("urls", "text"),
    [
        ([A], "containers of a"),
        ([A, B], "containers of 2 resources"),
        ([STORAGE + "/a"], "a itself"),
        ([STORAGE + "/a/config/authsettingsV2"], "config/authsettingsV2 of a"),
        ([SUB + "/providers/Microsoft.Sql/servers"], "servers (Microsoft.Sql) in prod"),
        ([SUB + "/providers/thing"], "thing in prod"),
        ([SUB], "resources in prod that are not visible to this identity"),
    ],
)
def test_what_was_not_read(urls: list[str], text: str) -> None:
    assert describe(urls, "prod", Words()) == text


def test_the_role_holds_just_the_missing_actions() -> None:
    entries = gather({"gaps": [gap(A), gap(B)], "findings": []}).missing_permission
    assert json.loads(role_definition(entries))["Actions"] == [ACTION]
    assert json.loads(role_definition(entries))["AssignableScopes"] == ["/subscriptions/s1"]
    assert role_commands(entries)[1] == (
        "az role assignment create --assignee-object-id <PRINCIPAL_ID> --role 'Twolocks gaps' --scope /subscriptions/s1"
    )


def test_a_role_holds_no_action_that_an_answer_made_up() -> None:
    """A refusal, or a findings file, may name any action: it is shown as text, with what hides in it made visible."""
    for made_up in (
        "*",
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.Storage/storageAccounts/listKeys/action",
        f"{ACTION}\u200b",
    ):
        groups = [GapGroup(made_up, "s1", missing_permission=True), GapGroup(ACTION, "s1", missing_permission=True)]
        assert json.loads(role_definition(groups))["Actions"] == [ACTION]


def test_what_hides_in_an_action_is_visible() -> None:
    gap = GapRow(
        url="/subscriptions/s1/providers/a/b",
        status=403,
        code="x",
        action="a/\u202eread\u200b",
        rules=[],
        accepted=False,
    )
    groups, _ = gaps._groups([gap])
    assert [group.action for group in groups] == ["a/<U+202E>read<U+200B>"]


def test_what_no_role_cures_is_scanned_again() -> None:
    entries = gather({"gaps": [gap(A, 500, "InternalServerError")], "findings": []}).other_errors
    assert rescan_command(entries) == "twolocks scan -s s1 --only storage-x"


def test_an_accepted_gap_asks_for_no_role() -> None:
    not_assessed = gather({"gaps": [gap(A, accepted=True)], "findings": []})
    assert (not_assessed.missing_permission, not_assessed.other_errors, len(not_assessed.groups)) == ([], [], 1)


WAIVER = {"reason": "A preview", "owner": "kari", "expires": "2026-12-31"}


def test_gaps_that_others_accepted_stand_apart_with_who_and_why() -> None:
    theirs = {**WAIVER, "owner": "ola", "ticket": "OPS-7"}
    gaps = [gap(A, accepted=True, waiver=WAIVER), gap(B, accepted=True, waiver=theirs), gap(SUB, accepted=True)]
    not_assessed = gather({"gaps": gaps, "findings": [{**undecided(A), "waiver": WAIVER}]})
    assert {entry.accepted_by: entry.urls for entry in not_assessed.groups} == {
        "accepted by kari until 2026-12-31: A preview": [A],
        "accepted by ola until 2026-12-31: A preview [OPS-7]": [B],
        "accepted": [SUB],
    }
    assert (not_assessed.unexplained, not_assessed.accepted) == (0, [])


def test_accepted_checks_that_no_gap_explains_are_not_counted_with_the_others() -> None:
    rows = [{**undecided(severity=each), "waiver": WAIVER} for each in ("low", "critical")]
    not_assessed = gather({"gaps": [], "findings": [*rows, undecided(severity="high")]})
    assert (not_assessed.unexplained, not_assessed.unexplained_worst) == (1, "high")
    [group] = not_assessed.accepted
    assert group.waiver == msgspec.convert(WAIVER, WaiverRow)
    assert (group.worst, group.checks) == ("critical", [("storage-x", STORAGE + "/a")] * 2)


def test_an_action_that_yields_secrets_says_so() -> None:
    entry = gather({"gaps": [gap(A, action="Microsoft.Web/sites/config/list/Action")], "findings": []}).groups[0]
    assert entry.gives_secrets


def test_no_check_is_lost() -> None:
    document = sample.document(2000)
    not_assessed = gather(document)
    unknown = [f for f in document["findings"] if f["status"] == "unknown"]
    assert sum(entry.checks for entry in not_assessed.groups) + not_assessed.unexplained >= len(unknown)
    assert not_assessed.unexplained == sum(not f["gaps"] for f in unknown)
