"""Ten nights over an estate that changes: what is new, fixed, reopened, worse and lost is exactly what was planted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scanner.sandbox.served_estate import RoleGrant
from tests.history.changing_estate import (
    EVERYWHERE,
    SERVER,
    SKIPPED,
    STORAGE,
    Json,
    Refusal,
    ResponseOverrides,
    RunResult,
    closed,
    container,
    endpoint,
    first_night,
    machine,
    public,
    sandbox,
    scheduled_run,
    server,
    storage,
)
from tests.snapshot.sealed import seal
from tests.terminals import snapshot, twolocks

URL = "*/storageAccounts/stlukket/blobServices/default/containers"
GAP = f"""[[gap]]
url = "{URL}"
reason = "another team's account; its owner answers for it"
owner = "kari"
expires = {{expires}}
"""
REFUSED = Refusal(path="*/stlukket/blobservices/default/containers")


@dataclass(frozen=True, slots=True)
class Planted:
    """One night: what the estate is, and what must be told. `options` are the sandbox's."""

    what: str
    estate: list[Json]
    new: set[str] = field(default_factory=set)
    reported: dict[str, set[str]] = field(default_factory=dict)
    code: int = 0
    options: dict[str, Any] = field(default_factory=dict)


def estate(*more: Json, addresses: Any = None, ssh: str = "10.0.0.0/8") -> list[Json]:
    sql = server(addresses) if addresses is not None else server()
    journal = storage(public("stjournal"), container("scans"), *more)
    return [*journal, *storage(public("stlukket")), *sql, *machine(ssh)]


EXPORT = container("eksport")
PRIVATE = container("eksport", "None")
SECOND = storage(public("stny"), container("bilder", above=f"{STORAGE}/stny/blobServices/default/containers"))
ENDPOINTS = {f"stny: {endpoint}" for endpoint in ("blob", "blob/bilder", "dfs", "file", "queue", "table")}
HIDDEN = ResponseOverrides(absent_from_graph=(SERVER,))

NIGHTS = [
    Planted("the same", estate()),
    Planted("a second open container", estate(EXPORT), {"stjournal: blob/eksport"}, code=1),
    Planted(
        "it is closed, and SSH is opened",
        estate(PRIVATE, ssh="Internet"),
        {"vm-hopp: tcp/22"},
        {"fixed": {"stjournal: blob/eksport"}},
        code=1,
    ),
    Planted(
        "open again; SSH is closed",
        estate(EXPORT),
        reported={"reopened": {"stjournal: blob/eksport"}, "fixed": {"vm-hopp: tcp/22"}},
        code=1,
    ),
    Planted(
        "a new account; the container is gone; the server lets everybody in",
        [*estate(addresses=EVERYWHERE), *SECOND],
        ENDPOINTS,
        {"fixed": {"stjournal: blob/eksport"}, "worse": {"sqlfag: tds"}},
        code=1,
    ),
    Planted(
        "the containers may not be read, and Resource Graph has lost the server",
        [*estate(addresses=EVERYWHERE), *SECOND],
        reported={"unseen": {"stjournal: blob/scans", "stny: blob/bilder"}},
        code=3,
        options={"refusals": [REFUSED, Refusal(path="*/blobservices/default/containers")], "overrides": HIDDEN},
    ),
    Planted("they may be read again", [*estate(addresses=EVERYWHERE), *SECOND]),
    Planted(
        "the new account is deleted; the server is closed to all but one",
        estate(),
        reported={"fixed": ENDPOINTS, "better": {"sqlfag: tds"}},
    ),
    Planted("the same", estate()),
]


def test_nothing_of_the_estate_is_undecided_but_the_refused_read(tmp_path: Path) -> None:
    reported = scheduled_run(estate(), str(tmp_path / "history.db"), tmp_path, refusals=[REFUSED])
    assert [gap["url"].split("/")[8] for gap in reported.document["gaps"]] == ["stlukket"]
    assert {row["resource"].split("/")[8] for row in reported.document["findings"] if row["status"] == "unknown"} == {
        "stlukket"
    }


def test_the_gap_is_accepted_or_the_scan_is_incomplete(tmp_path: Path) -> None:
    history, words = str(tmp_path / "history.db"), ("--fail-on", "new:high")
    assert scheduled_run(estate(), history, tmp_path, *words, refusals=[REFUSED]).ended.code == 3
    assert scheduled_run(estate(), history, tmp_path, *words, *accepted(tmp_path), refusals=[REFUSED]).ended.code == 0


def accepted(folder: Path) -> tuple[str, ...]:
    """The options with which the refused read is accepted."""
    waivers = folder / "waivers.toml"
    waivers.write_text(GAP.format(expires=(datetime.now(UTC) + timedelta(days=90)).date()))
    return ("--waivers", str(waivers))


def ten_scans(history: str, folder: Path) -> None:
    """The baseline and what follows it; every night is what was planted, and nothing else."""
    words = ("--fail-on", "new:high", *accepted(folder))
    first = scheduled_run(estate(), history, folder, *words, refusals=[REFUSED])
    assert first.ended.code == 0, first.ended.err
    assert first.document["changes"]["baseline"]
    assert first.new() == set()
    assert {row["state"] for row in first.document["exposures"]} == {"open", "closed"}, "it is no empty baseline"
    for planted in NIGHTS:
        reported = scheduled_run(planted.estate, history, folder, *words, **{"refusals": [REFUSED], **planted.options})
        check(planted, reported)


def check(planted: Planted, reported: RunResult) -> None:
    what = f"{planted.what}: {reported.document['changes']}"
    assert reported.new() == planted.new, what
    mine = {name: locks(reported, name) for name in ("reopened", "worse", "better", "fixed", "unseen")}
    assert {name: endpoints for name, endpoints in mine.items() if endpoints} == planted.reported, what
    assert reported.ended.code == planted.code, f"{planted.what}: {reported.ended.err}"
    assert reported.document["changes"]["confirmed"]


def locks(reported: RunResult, name: str) -> set[str]:
    """The exposures of a list; findings that stand beside them are counted by other tests."""
    return {endpoint(row) for row in reported.document["changes"][name] if row["kind"] == "exposure"}


def test_rules_that_look_up_a_refused_list_hang_on_its_gap(tmp_path: Path) -> None:
    history = str(tmp_path / "history.db")
    login = RoleGrant("/", ("*/read",), ("Microsoft.Network/networkSecurityPerimeters/read",))
    soon, waivers = (datetime.now(UTC) + timedelta(days=9)).date(), tmp_path / "waivers.toml"
    waivers.write_text(GAP.format(expires=soon).replace(URL, "*SecurityPerimeters*"))
    mine = [*estate(), *storage(closed("starkiv"))]
    reported = scheduled_run(mine, history, tmp_path, "--fail-on", "new:high", grants=[login])
    undecided = [row for row in reported.document["findings"] if row["status"] == "unknown"]
    assert undecided
    assert all(row["gaps"] for row in undecided), "each names the read that is missing"
    words = ("--fail-on", "new:high", "--waivers", str(waivers))
    assert [reported.ended.code, scheduled_run(mine, history, tmp_path, *words, grants=[login]).ended.code] == [3, 0]


def second_look(tmp_path: Path, before: list[Json], first: list[Json], second: list[Json], **options: Any) -> RunResult:
    """The night after `before` in which the estate is one thing at first and another thing at the second look."""
    history = str(tmp_path / "history.db")
    first_night(before, history)
    return scheduled_run(first, history, tmp_path, "--fail-on", "new:high", later=sandbox(second, **options))


def test_an_endpoint_that_is_closed_again_at_the_re_verification_is_not_reported(tmp_path: Path) -> None:
    reported = second_look(tmp_path, estate(), estate(EXPORT), estate(PRIVATE))
    assert (reported.new(), reported.counts, reported.ended.code) == (set(), {}, 0)
    assert "eksport" not in {
        row["endpoint"].rpartition("/")[2] for row in reported.document["exposures"] if row["severity"]
    }


def test_just_in_time_access_that_has_ended_is_not_reported(tmp_path: Path) -> None:
    reported = second_look(tmp_path, estate(), [*estate(ssh="Internet"), *SECOND], [*estate(), *SECOND])
    assert reported.new() == ENDPOINTS
    assert not any(row["severity"] for row in reported.document["exposures"] if "vm-hopp" in row["resource"])


def test_an_endpoint_that_is_open_at_the_re_verification_is_not_fixed(tmp_path: Path) -> None:
    reported = second_look(tmp_path, estate(EXPORT), estate(PRIVATE), estate(EXPORT))
    assert (reported.counts, reported.ended.code) == ({}, 0)
    assert [
        row["since"] < reported.document["scan"]["taken"]
        for row in reported.document["exposures"]
        if "eksport" in row["endpoint"]
    ]


def test_what_cannot_be_looked_at_again_is_not_fixed(tmp_path: Path) -> None:
    refused = Refusal(path="*/stjournal*")
    reported = second_look(tmp_path, estate(EXPORT), estate(PRIVATE), estate(PRIVATE), refusals=[refused])
    assert reported.listed("unseen") == {"stjournal: blob/eksport"}
    assert reported.document["changes"]["unseen"][0]["why"] == "re-verification could not read it"


def test_networks_that_cannot_be_read_again_are_a_gap_and_fix_nothing(tmp_path: Path) -> None:
    refused = Refusal(action="Microsoft.Network/networkSecurityGroups/read")
    reported = second_look(tmp_path, estate(ssh="Internet"), estate(), estate(), refusals=[refused])
    assert reported.listed("unseen") == {"vm-hopp: tcp/22"}
    assert (
        "re-verification could not read the networks, so nothing counts as fixed"
        in reported.document["changes"]["notes"]
    )
    assert reported.ended.code == 3
    assert [gap["url"].rsplit("/", 1)[1] for gap in reported.document["gaps"]] == ["networkSecurityGroups"]
    assert not [row for row in reported.document["findings"] if row["status"] == "unknown"]


def test_a_resource_that_is_gone_is_fixed_and_one_that_only_resource_graph_lost_is_not(tmp_path: Path) -> None:
    whole = [*estate(), *SECOND]
    reported = second_look(tmp_path, whole, estate(), estate())
    assert reported.listed("fixed") >= ENDPOINTS
    hidden = ResponseOverrides(absent_from_graph=tuple(each["id"] for each in SECOND))
    history = str(tmp_path / "other.db")
    first_night(whole, history)
    lost = scheduled_run(whole, history, tmp_path, "--fail-on", "new:high", overrides=hidden)
    assert (lost.counts, lost.ended.code) == ({}, 0)


def test_only_some_rules_or_one_subscription_fix_nothing_of_the_others(tmp_path: Path) -> None:
    history = str(tmp_path / "history.db")
    first_night([*estate(EXPORT), *SECOND], history)
    reported = scheduled_run(estate(PRIVATE), history, tmp_path, "--fail-on", "new:high", "--only", "sql-*")
    assert reported.counts == {}
    reported = scheduled_run(estate(PRIVATE), history, tmp_path, "--fail-on", "new:high", "--resource", SERVER)
    assert reported.counts == {}
    reported = scheduled_run(estate(PRIVATE), history, tmp_path, "--fail-on", "new:high")
    assert reported.listed("fixed") >= {"stjournal: blob/eksport", *ENDPOINTS}


def test_a_rule_that_was_not_evaluated_before_pages_no_one(tmp_path: Path) -> None:
    history = str(tmp_path / "history.db")
    first_night(estate(), history, "--only", "sql-*")
    reported = scheduled_run(
        estate(), history, tmp_path, "--fail-on", "new:high", *accepted(tmp_path), refusals=[REFUSED]
    )
    assert reported.new() == set()
    assert reported.counts["first_looked"] > 3
    assert reported.ended.code == 0


def test_a_scan_far_after_the_previous_one_is_reported(tmp_path: Path) -> None:
    history = str(tmp_path / "history.db")
    late = snapshot(tmp_path / "late.jsonl", closed("stjournal"))
    (tmp_path / "early.jsonl").write_text(late.read_text().replace("2026-11-25T02", "2026-08-20T02"))
    seal(tmp_path / "early.jsonl")
    twolocks("scan", "--from", tmp_path / "early.jsonl", "--history", history, *SKIPPED, "--fail-on", "never")
    ended = twolocks("scan", "--from", late, "--history", history, *SKIPPED, "--fail-on", "never")
    assert "more than 90 days after the previous one from 2026-08-20T02:00:00Z: check the clock" in ended.err


def test_a_clock_that_goes_back_is_reported(tmp_path: Path) -> None:
    history = str(tmp_path / "history.db")
    late = snapshot(tmp_path / "late.jsonl", closed("stjournal"))
    text = late.read_text()
    (tmp_path / "early.jsonl").write_text(text.replace("2026-11-25T02", "2026-11-20T02"))
    seal(tmp_path / "early.jsonl")
    twolocks("scan", "--from", late, "--history", history, *SKIPPED, "--fail-on", "never")
    ended = twolocks("scan", "--from", tmp_path / "early.jsonl", "--history", history, *SKIPPED, "--fail-on", "never")
    assert (
        "the clock went back: this scan is from 2026-11-20T02:00:00Z, "
        "the previous one from 2026-11-25T02:00:00Z" in ended.err
    )
    assert "evaluated from a file: nothing was re-verified" in ended.err
