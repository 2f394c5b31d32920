"""Ways in which a night might say that all is well, or cry wolf, each found by looking for them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import ErrorReply, Refusal, ResponseOverrides, RoleGrant
from scanner.sandbox.server import Sandbox, running
from scanner.scan.outputs import Outputs
from scanner.terminal.signals import Stopped
from tests.history.changing_estate import (
    SERVER,
    SKIPPED,
    STORAGE,
    Json,
    RunResult,
    child,
    container,
    first_night,
    public,
    scheduled_run,
    storage,
)
from tests.history.test_changing_estate import EXPORT, PRIVATE, estate, second_look
from tests.snapshot.sealed import seal
from tests.terminals import GROUP, SUB, twolocks

NEWS = ("--fail-on", "new:high")
OTHER = "11111111-2222-3333-4444-555555555555"


def again(file: Path, history: str, folder: Path, *words: str) -> RunResult:
    """A scan of a snapshot, with a history."""
    out = folder / "again.json"
    ended = twolocks("scan", "--from", file, "--history", history, "--out", out, *SKIPPED, *words, env={"CI": "1"})
    return RunResult(ended, json.loads(out.read_text()))


def tagged() -> list[Json]:
    result = storage(public("stprod"), container("x", above=f"{STORAGE}/stprod/blobServices/default/containers"))
    result[0]["tags"] = {"env": "prod"}
    return result


# Files


def test_a_snapshot_of_a_part_says_nothing_of_the_rest(tmp_path: Path) -> None:
    history, other, whole = str(tmp_path / "history.db"), str(tmp_path / "other.db"), [*estate(), *tagged()]
    first_night(whole, history)
    for words in (("--tag", "env=prod"), ("--resource", SERVER), ("--resource-group", "rg-journal")):
        file = tmp_path / "part.jsonl"
        scheduled_run(whole, other, tmp_path, *words, "--snapshot", str(file))
        reported = again(file, history, tmp_path, *NEWS)
        # The account that the audit log of the server goes to is looked up, also for a scan of the server alone.
        assert (reported.counts, reported.ended.code) == ({}, 0), words
    assert scheduled_run(whole, history, tmp_path, *NEWS).counts == {}


def test_a_snapshot_of_a_part_is_no_first_look_at_the_rest(tmp_path: Path) -> None:
    history, file = str(tmp_path / "history.db"), tmp_path / "part.jsonl"
    scheduled_run(
        [*estate(), *tagged()], str(tmp_path / "other.db"), tmp_path, "--tag", "env=prod", "--snapshot", str(file)
    )
    again(file, history, tmp_path, *NEWS)
    reported = scheduled_run([*estate(), *tagged()], history, tmp_path, *NEWS)
    assert (reported.new(), reported.ended.code) == (set(), 0)


def test_a_file_of_exported_resources_is_no_first_look_at_the_rest(tmp_path: Path) -> None:
    history, file = str(tmp_path / "history.db"), tmp_path / "bare.json"
    file.write_text(json.dumps(tagged()[:1]))
    again(file, history, tmp_path, *NEWS)
    reported = scheduled_run([*estate(), *tagged()], history, tmp_path, *NEWS)
    assert (reported.new(), reported.ended.code) == (set(), 0)
    file.write_text(json.dumps([*tagged()[:1], public("stny")]))
    assert {endpoint.split(":")[0] for endpoint in again(file, history, tmp_path, *NEWS).new()} == {"stny"}


def test_an_older_file_changes_nothing_that_a_later_scan_saw(tmp_path: Path) -> None:
    history, old = str(tmp_path / "history.db"), tmp_path / "old.jsonl"
    scheduled_run(estate(PRIVATE), str(tmp_path / "other.db"), tmp_path, "--snapshot", str(old))
    earlier(old)
    first_night(estate(), history)
    scheduled_run(estate(EXPORT), history, tmp_path, *NEWS)
    reported = again(old, history, tmp_path, *NEWS)
    assert (reported.counts, reported.ended.code) == ({}, 0)
    assert any("later scan" in note for note in reported.document["changes"]["notes"])
    reported = scheduled_run(estate(EXPORT), history, tmp_path, *NEWS)
    assert (reported.counts, reported.ended.code) == ({}, 0)


def test_an_older_file_reopens_nothing_that_was_fixed_since(tmp_path: Path) -> None:
    history, old = str(tmp_path / "history.db"), tmp_path / "old.jsonl"
    scheduled_run(estate(EXPORT), history, tmp_path, *NEWS, "--snapshot", str(old))
    earlier(old)
    assert scheduled_run(estate(PRIVATE), history, tmp_path, *NEWS).listed("fixed")
    reported = again(old, history, tmp_path, *NEWS)
    assert (reported.counts, reported.ended.code) == ({}, 0)
    assert scheduled_run(estate(PRIVATE), history, tmp_path, *NEWS).counts == {}


def earlier(file: Path) -> None:
    """Make a snapshot older than it is."""
    head, rest = file.read_text().split("\n", 1)
    first: Any = json.loads(head)
    first["snapshot"]["taken"] = "2025-11-25T02:00:00Z"
    file.write_text(f"{json.dumps(first)}\n{rest}")
    seal(file)


# What could not be read


def hidden(*ids: str) -> ResponseOverrides:
    return ResponseOverrides(absent_from_graph=ids)


def test_what_is_not_visible_and_cannot_be_read_again_is_not_without_changes(tmp_path: Path) -> None:
    history, there = str(tmp_path / "history.db"), [each["id"] for each in estate() if "stjournal" in each["id"]]
    first_night(estate(), history)
    odd: dict[str, Any] = {"overrides": hidden(*there), "refusals": [Refusal(path="*/stjournal*")]}
    words = ("--only", "storage-*")
    reported = scheduled_run(estate(), history, tmp_path, "--fail-on", "high", *words, **odd)
    assert "stjournal: blob/scans" in reported.listed("unseen")
    assert reported.ended.code == 3
    assert [gap["url"] for gap in reported.document["gaps"]] == [f"{STORAGE}/stjournal"]
    assert reported.document["scan"]["complete"] is False
    reported = scheduled_run(estate(), history, tmp_path, *NEWS, *words, **odd)
    assert (reported.counts, reported.ended.code) == ({}, 3), "it is not read the night after, either"
    waivers = tmp_path / "waivers.toml"
    entry = f'[[gap]]\nurl = "{STORAGE}/stjournal"\nreason = "locked"\nowner = "kari"\nexpires = {soon()}\n'
    waivers.write_text(entry)
    assert scheduled_run(estate(), history, tmp_path, *NEWS, *words, "--waivers", str(waivers), **odd).ended.code == 0


def soon() -> str:
    return str((datetime.now(UTC) + timedelta(days=30)).date())


def test_no_re_verification_at_all_is_not_without_changes(tmp_path: Path) -> None:
    refused = Refusal(path="/subscriptions")
    reported = second_look(tmp_path, estate(EXPORT), estate(PRIVATE), estate(PRIVATE), refusals=[refused])
    assert reported.listed("unseen") == {"stjournal: blob/eksport"}
    assert reported.ended.code == 3, reported.ended.err


def test_a_resource_whose_subscription_is_not_found_is_not_gone(tmp_path: Path) -> None:
    lost = ErrorReply(path="*/stjournal", status=404, code="SubscriptionNotFound")
    reported = second_look(
        tmp_path, estate(EXPORT), estate(PRIVATE), estate(PRIVATE), overrides=ResponseOverrides(replies=(lost,))
    )
    assert (reported.listed("unseen"), reported.listed("fixed")) == ({"stjournal: blob/eksport"}, set())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("html", "*/storageAccounts/stjournal", status=404),
        Fault("status", "*/storageAccounts/stjournal", status=404, code="InvalidResourceType"),
        Fault("truncate", "*/storageAccounts/stjournal"),
        Fault("status", "*/storageAccounts/stjournal", status=200, body="null"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status} {fault.code}",
)
def test_only_arm_says_that_something_is_gone(tmp_path: Path, fault: Fault) -> None:
    history = str(tmp_path / "history.db")
    first_night(estate(EXPORT), history)
    reported = scheduled_run(estate(PRIVATE), history, tmp_path, *NEWS, faults=[fault])
    assert (reported.listed("unseen"), reported.listed("fixed")) == ({"stjournal: blob/eksport"}, set())
    assert reported.ended.code == 3


def test_a_subscription_that_is_not_there_any_more_is_reported_once(tmp_path: Path) -> None:
    history, moved = str(tmp_path / "history.db"), json.loads(json.dumps(estate(EXPORT)).replace(SUB, OTHER))

    waivers = tmp_path / "waivers.toml"
    entry = f'[[gap]]\nurl = "/subscriptions/{OTHER}"\nreason = "in part"\nowner = "kari"\nexpires = {soon()}\n'
    waivers.write_text(entry)

    def scanned(resources: list[Json], *subscriptions: str) -> RunResult:
        out = tmp_path / "findings.json"
        of = [{"subscriptionId": each, "displayName": each[:4]} for each in subscriptions]
        with running(Sandbox(resources, of)) as box:
            given = ("--arm-endpoint", box.url, "--auth", "environment", "--out", out, "--history", history, *NEWS)
            ended = twolocks("scan", *given, *SKIPPED, "--waivers", waivers, env={"CI": "1", **box.environment()})
        return RunResult(ended, json.loads(out.read_text()))

    scanned([*estate(), *moved], SUB, OTHER)
    reported = scanned(estate(), SUB)
    assert "stjournal: blob/eksport" in reported.listed("unseen")
    assert [(gap["url"], gap["code"]) for gap in reported.document["gaps"]] == [
        (f"/subscriptions/{OTHER}", "SubscriptionMissing")
    ]
    assert reported.ended.code == 3
    assert "SubscriptionMissing" in reported.ended.err, "a log tells it as a gap"
    assert "exit 3: incomplete (1 gap); nothing new" in reported.ended.err
    assert scanned(estate(), SUB).ended.code == 0
    assert scanned([*estate(), *moved], SUB, OTHER).ended.code == 0


def test_a_login_that_holds_one_group_finds_out_what_is_fixed(tmp_path: Path) -> None:
    history, login = str(tmp_path / "history.db"), [RoleGrant(GROUP)]
    scheduled_run(estate(EXPORT, ssh="Internet"), history, tmp_path, *NEWS, grants=login)
    reported = scheduled_run(estate(PRIVATE), history, tmp_path, *NEWS, grants=login)
    assert reported.listed("fixed") == {"stjournal: blob/eksport"}
    assert reported.listed("unseen") == {"vm-hopp: tcp/22"}, "its networks were seen in Resource Graph alone"
    lists = [f"/subscriptions/{SUB}/providers/Microsoft.Authorization/{each}" for each in ("locks", "roleAssignments")]
    assert [gap["url"] for gap in reported.document["gaps"]] == [f"/subscriptions/{SUB}", *lists]
    reported = scheduled_run(estate(EXPORT), history, tmp_path, *NEWS, grants=login)
    assert reported.listed("reopened") == {"stjournal: blob/eksport"}


# What is told


def test_what_was_not_reported_since_the_scan_was_stopped_is_reported_by_the_next_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = str(tmp_path / "history.db")
    first_night(estate(), history)

    def stopped(*_: object) -> list[str]:
        raise Stopped(143)

    with monkeypatch.context() as patch:
        patch.setattr(Outputs, "write_documents", stopped)
        assert scheduled_run(estate(EXPORT), history, tmp_path, *NEWS).ended.code == 143
    reported = scheduled_run(estate(EXPORT), history, tmp_path, *NEWS)
    assert (reported.new(), reported.ended.code) == ({"stjournal: blob/eksport"}, 1)
    trend = [row["critical"] for row in reported.document["changes"]["trend"]]
    assert trend == [1, 2], "the one that was stopped is not in the history"


def test_what_is_deleted_is_fixed_for_who_scans_a_group(tmp_path: Path) -> None:
    history, group = str(tmp_path / "history.db"), (*NEWS, "--resource-group", "RG-journal")
    other = json.loads(json.dumps(tagged()).replace("rg-journal", "rg-annen").replace("stprod", "stannen"))
    first_night([*estate(), *tagged(), *other], history)
    reported = scheduled_run(estate(), history, tmp_path, *group)
    assert {endpoint.split(":")[0] for endpoint in reported.listed("fixed")} == {"stprod"}
    assert reported.listed("unseen") == set()
    assert {
        endpoint.split(":")[0] for endpoint in scheduled_run(estate(), history, tmp_path, *NEWS).listed("fixed")
    } == {"stannen"}


OWN = """
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import FixTemplate, rule
from scanner.model.verdict import Fail

ACCOUNT = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
QUEUES = Read(ACCOUNT, "queueServices/default", "2025-08-01", one=True)


TEXT = {"category": "governance", "severity": "low", "why": "x", "fix": FixTemplate(az="az x", impact="x")}


@rule(ACCOUNT, "own-kind", title="It has a kind", **TEXT)
def own_kind(account, index):
    return Fail((account.evidence("kind"),))


@rule(ACCOUNT, "own-queues", title="Queues", reads=(QUEUES,), **TEXT)
def own_queues(account, index):
    return Fail((account.child(QUEUES).evidence("properties.queues"),))
"""


def test_an_own_rule_on_a_known_type_takes_no_read_away(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.py").write_text(OWN)
    history, words = str(tmp_path / "history.db"), ("--rules-code", str(tmp_path / "rules"))
    queues = [child(f"{STORAGE}/{name}", "queueServices/default", queues=2) for name in ("stjournal", "stlukket")]
    for more in ((), ("--resource", f"{STORAGE}/stjournal")):
        reported = scheduled_run([*estate(EXPORT), *queues], history, tmp_path, *words, *more)
        assert not [row for row in reported.document["findings"] if row["status"] in ("unknown", "error")], more
        assert {"own-kind", "own-queues"} <= {row["rule"] for row in reported.document["findings"]}
    reported = scheduled_run([*estate(PRIVATE), *queues], history, tmp_path, *words)
    assert (reported.listed("fixed"), reported.counts) == ({"stjournal: blob/eksport"}, {"fixed": 1})


# Input


@pytest.mark.parametrize(
    "words",
    [
        ("diff", "deep.json", "deep.json"),
        ("waive", "abcdef01", "--in", "deep.json", "--reason", "x", "--owner", "kari", "--expires", soon()),
        ("report", "deep.json", "--out", "report.html"),
        ("scan", "--from", "deep.json"),
    ],
    ids=lambda words: words[0],
)
def test_a_file_that_is_nested_too_deeply_is_wrong_input(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    deep = "[" * 200_000 + "]" * 200_000
    (tmp_path / "deep.json").write_text(f'{{"schema": "twolocks/2", "findings": {deep}}}')
    ended = twolocks(*words)
    assert (ended.code, "exit 2" in ended.err) == (2, True)
