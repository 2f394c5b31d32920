"""Accepted gaps: a read that will not be granted ends no scan with 3; a new one does, an expired one does again."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.evaluate.test_run import INDEX
from tests.terminals import STORAGE, SUB, TAKEN, Ended, account, listed, twolocks

NOW = datetime.now(UTC).date()
RULE = "storage-anonymous-blob-access"
NETWORK = "storage-network-unrestricted"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def containers(name: str) -> str:
    return f"{STORAGE}/{name}/blobServices/default/containers"


def gap(url: str, days: int = 30) -> str:
    expires = NOW + timedelta(days=days)
    return f'[[gap]]\nurl = "{url}"\nreason = "Personal files"\nowner = "kari"\nexpires = {expires}\n'


def write(*names: str, more: tuple[str, ...] = (), view: str = "full", lost: bool = True, **properties: Any) -> None:
    """`lost`: the containers of the accounts could not be listed."""
    store = Store(Header(taken=TAKEN, tool="twolocks test", principal="kari", scopes=[SUB]))
    store.scope(SUB, "prod-journal", "agency.example", view)
    listed(store)
    for type in INDEX:
        if f"/subscriptions/{SUB}/providers/{type}" not in more:
            store.read(f"/subscriptions/{SUB}/providers/{type}", 0)
    for name in names:
        body = {"allowBlobPublicAccess": True, "allowSharedKeyAccess": False, **properties}
        store.resource(account(name, **body), "2025-08-01", "list")
        service = f"{STORAGE}/{name}/blobServices/default"
        store.resource({"id": service, "properties": {"staticWebsite": {"enabled": False}}}, "2025-08-01", "get")
        store.read(service, 1)
    for url in (containers(name) for name in names if not lost):
        store.read(url, 0)
    for url in (*(containers(name) for name in names if lost), *more):
        store.gap(url, 403, "AuthorizationFailed", "Microsoft.Storage/storageAccounts/read")
    store.write(Path("night.jsonl"))


def scheduled_run(
    *names: str, accepted: str = "", more: tuple[str, ...] = (), view: str = "full", tty: bool = False
) -> Ended:
    """A scan in which the containers of these accounts could not be listed."""
    write(*names, more=more, view=view)
    Path("waivers.toml").write_text(accepted)
    words = ("scan", "--from", "night.jsonl", "--only", RULE, "--fail-on", "never", "--waivers", "waivers.toml")
    return twolocks(*words, "--out", "findings.json", tty=tty)


def document() -> dict[str, Any]:
    result: dict[str, Any] = json.loads(Path("findings.json").read_text())
    return result


def test_until_it_is_accepted_a_gap_ends_with_3() -> None:
    ended = scheduled_run("st1")
    assert ended.code == 3
    assert ended.last[-1].endswith("exit 3: incomplete, 1 check inconclusive (1 gap)")


def test_an_accepted_gap_ends_with_0_and_is_reported_and_passes_nothing() -> None:
    ended = scheduled_run("st1", accepted=gap(containers("st1")))
    assert ended.code == 0
    assert "1 gap accepted" in ended.err
    assert "The gaps are accepted, not resolved" in ended.err
    assert "Everything that was asked for was read" not in ended.err
    assert document()["scan"]["complete"] is True
    assert [row["status"] for row in document()["findings"]] == ["unknown"]
    assert document()["passed"] == {}
    screen = scheduled_run("st1", accepted=gap(containers("st1")), tty=True).err
    assert "Accepted: 1 gap; 1 check inconclusive because of it alone, none of them counts as passed" in screen
    assert "Not read" not in screen


def test_a_new_gap_ends_with_3_and_only_its_checks_are_counted() -> None:
    ended = scheduled_run("st1", "st2", accepted=gap(containers("st1")))
    assert ended.code == 3
    assert ended.last[-1].endswith("exit 3: incomplete, 1 check inconclusive and not accepted (1 gap not accepted)")
    assert {row["url"].split("/")[8]: row["accepted"] for row in document()["gaps"]} == {"st1": True, "st2": False}
    screen = scheduled_run("st1", "st2", accepted=gap(containers("st1")), tty=True).err
    assert "Not assessed: 1 gap leaves 1 check inconclusive; none of them counts as passed" in screen
    assert "Accepted: 1 gap; 1 check inconclusive because of it alone" in screen


def test_an_expired_one_ends_with_3_again_and_says_so() -> None:
    ended = scheduled_run("st1", accepted=gap(containers("st1"), -1))
    assert ended.code == 3
    assert f"waivers.toml:1: the waiver of kari for the gap {containers('st1')} expired on" in ended.err
    assert any(note.endswith("; the gap counts again") for note in document()["coverage"]["notes"])


def test_one_that_is_not_there_is_reported() -> None:
    ended = scheduled_run(accepted=gap(containers("st1")))
    assert ended.code == 0
    assert f"the gap {containers('st1')} matches nothing" in ended.err


def test_a_check_that_hangs_on_another_gap_too_is_not_settled() -> None:
    perimeters = f"/subscriptions/{SUB}/providers/Microsoft.Network/networkSecurityPerimeters"
    both = (perimeters,)
    ended = scheduled_run("st1", accepted=gap(containers("st1")), more=both)
    assert ended.code == 3
    assert ended.last[-1].endswith("exit 3: incomplete, 1 check inconclusive (1 gap not accepted)")
    ended = scheduled_run("st1", accepted=gap(containers("st1")) + gap(perimeters), more=both)
    assert ended.code == 0


@pytest.mark.parametrize(("url", "code"), [(f"/subscriptions/{SUB}", 0), (f"/subscriptions/{SUB[:-1]}*", 3)])
def test_a_subscription_that_is_partially_visible_is_accepted_by_its_whole_path(url: str, code: int) -> None:
    assert (
        scheduled_run("st1", accepted=gap("*/blobServices/default/containers"), more=(f"/subscriptions/{SUB}",)).code
        == 3
    )
    ended = scheduled_run(
        "st1",
        accepted=gap("*/blobServices/default/containers") + gap(url),
        more=(f"/subscriptions/{SUB}",),
        view="partial",
    )
    assert ended.code == code


def values(
    *names: str, accepted: str = "", only: Sequence[str] = (NETWORK,), tty: bool = False, lost: bool = False
) -> Ended:
    """A scan of accounts whose switch has a value that nobody knows; `lost`: nor could their containers be listed."""
    write(*names, lost=lost, publicNetworkAccess="Sometimes")
    Path("waivers.toml").write_text(accepted)
    chosen = [word for each in only for word in ("--only", each)]
    words = ("scan", "--from", "night.jsonl", *chosen, "--fail-on", "never", "--waivers", "waivers.toml")
    return twolocks(*words, "--out", "findings.json", tty=tty)


def check(rule: str = NETWORK, resource: str = f"{STORAGE}/st1", days: int = 30) -> str:
    expires = NOW + timedelta(days=days)
    named = f'rule = "{rule}"\nresource = "{resource}"\n'
    return f'[[gap]]\n{named}reason = "A preview"\nowner = "kari"\nexpires = {expires}\nticket = "OPS-7"\n'


def test_no_url_accepts_a_value_that_is_unknown() -> None:
    ended = values("st1", accepted=gap("*/containers"), lost=True)
    assert ended.code == 3
    assert all(row["waiver"] is None for row in document()["findings"])


@pytest.mark.parametrize("resource", [f"{STORAGE}/st1", f"{STORAGE}/ST1/", "*/storageAccounts/*"])
def test_an_accepted_check_ends_with_0_and_is_reported_and_passes_nothing(resource: str) -> None:
    assert values("st1").last[-1].endswith("exit 3: incomplete, 1 check inconclusive")
    ended = values("st1", accepted=check(resource=resource))
    assert ended.code == 0
    assert "1 inconclusive check accepted" in ended.err
    assert "The inconclusive checks are accepted, not resolved" in ended.err
    result = document()
    assert result["scan"]["complete"] is True
    assert not any("waivers.toml" in note for note in result["coverage"]["notes"])
    (row,) = result["findings"]
    assert (row["status"], row["waiver"]["owner"], row["waiver"]["reason"]) == ("unknown", "kari", "A preview")
    assert (row["waiver"]["expires"], row["waiver"]["ticket"]) == (str(NOW + timedelta(days=30)), "OPS-7")
    assert result["passed"] == {}
    screen = values("st1", accepted=check(), tty=True).err
    assert "Accepted: 1 inconclusive check; it does not count as passed" in screen
    assert "Not read" not in screen


def test_a_gap_and_the_checks_on_it_say_who_accepted_them() -> None:
    scheduled_run("st1", "st2", accepted=gap(containers("st1")))
    there = {row["url"].split("/")[8]: row.get("waiver") for row in document()["gaps"]}
    stated = {"reason": "Personal files", "owner": "kari", "expires": str(NOW + timedelta(days=30))}
    assert there == {"st1": stated, "st2": None}
    assert {row["resource"].rpartition("/")[2]: row["waiver"] for row in document()["findings"]} == there


def test_checks_and_gaps_that_are_accepted_are_distinguished() -> None:
    entries = gap("*/containers") + check() + check(RULE)
    ended = values("st1", accepted=entries, only=(NETWORK, RULE), lost=True, tty=True)
    assert ended.code == 0
    text = "Accepted: 1 gap; 0 checks inconclusive because of it alone, 2 more for other reasons; "
    text += "none of them counts as passed"
    assert text in " ".join(ended.err.split())
    ended = values("st1", "st2", accepted=check(resource="*"), tty=True)
    assert "Accepted: 2 inconclusive checks; none of them counts as passed" in ended.err


def test_another_resource_or_rule_is_not_accepted() -> None:
    assert (
        values("st1", "st2", accepted=check())
        .last[-1]
        .endswith("exit 3: incomplete, 1 check inconclusive and not accepted")
    )
    assert {row["resource"][-3:]: row["waiver"] is None for row in document()["findings"]} == {
        "st1": False,
        "st2": True,
    }
    ended = values("st1", accepted=check("storage-plain-http"))
    assert ended.code == 3


def test_a_check_that_hangs_on_a_gap_is_accepted_only_with_it() -> None:
    ended = scheduled_run("st1", accepted=check(RULE))
    assert ended.code == 3
    assert f"inconclusive {RULE} on st1 is not covered: it depends on a failed read" in ended.err
    assert [row["waiver"] for row in document()["findings"]] == [None]
    ended = scheduled_run("st1", accepted=check(RULE, "*/storageAccounts/*") + check(RULE, "*/storageAccounts/other*"))
    assert f"waivers.toml:1: inconclusive {RULE} on * is not covered: it depends on a failed read" in ended.err
    assert f"waivers.toml:8: inconclusive {RULE} on other* matches nothing" in ended.err
    ended = values("st1", accepted=check(RULE), only=(RULE,), lost=True)
    assert ended.code == 3
    ended = values("st1", accepted=gap(containers("st1")), only=(RULE,), lost=True)
    assert ended.code == 3
    ended = values("st1", accepted=gap(containers("st1"), -1) + check(RULE), only=(RULE,), lost=True)
    assert ended.code == 3
    ended = values("st1", accepted=gap(containers("st1"), 20) + check(RULE), only=(RULE,), lost=True)
    assert ended.code == 0
    (row,) = document()["findings"]
    assert row["waiver"]["expires"] == str(NOW + timedelta(days=20)), "the first that ends"


def test_who_accepted_the_gap_accepted_what_hangs_on_it_alone() -> None:
    assert scheduled_run("st1", accepted=gap(containers("st1"), 30) + check(RULE, days=20)).code == 0
    (row,) = document()["findings"]
    assert row["waiver"]["reason"] == "Personal files"


@pytest.mark.parametrize(("accepted", "code"), [("", 3), (gap("*/containers"), 0)])
def test_what_fails_and_may_be_worse_is_accepted_with_its_gap(accepted: str, code: int) -> None:
    write("st1", allowSharedKeyAccess=True)
    Path("waivers.toml").write_text(accepted)
    words = ("--only", RULE, "--only", "storage-shared-key-enabled", "--fail-on", "never", "--waivers", "waivers.toml")
    assert twolocks("scan", "--from", "night.jsonl", *words, "--out", "findings.json").code == code
    assert "fail" in {row["status"] for row in document()["findings"]}


def test_an_expired_check_counts_again_and_says_so() -> None:
    ended = values("st1", accepted=check(days=-1))
    assert ended.code == 3
    assert f"waivers.toml:1: the waiver of kari for inconclusive {NETWORK} on st1 expired on" in ended.err
    assert any(note.endswith("; the check counts again") for note in document()["coverage"]["notes"])


def test_a_check_that_is_decided_is_refused() -> None:
    write("st1", publicNetworkAccess="Disabled", lost=False)
    Path("waivers.toml").write_text(check())
    ended = twolocks("scan", "--from", "night.jsonl", "--only", NETWORK, "--waivers", "waivers.toml")
    assert ended.code == 0
    assert f"inconclusive {NETWORK} on st1 matches nothing; delete it if this is fixed" in ended.err


@pytest.mark.parametrize("days", [30, -1])
def test_no_check_accepts_what_fails(days: int) -> None:
    write("st1", publicNetworkAccess="Enabled", lost=False)
    Path("waivers.toml").write_text(check(days=days))
    words = ("scan", "--from", "night.jsonl", "--only", NETWORK, "--fail-on", "low", "--waivers", "waivers.toml")
    assert twolocks(*words, "--out", "findings.json").code == 1
    assert [(row["status"], row["waiver"]) for row in document()["findings"]] == [("fail", None)]


def test_a_scan_of_the_sample_estate_can_be_accepted_as_a_whole_and_not_by_a_part(demo_folder: Path) -> None:
    result = json.loads((demo_folder / "findings.json").read_text())
    has_other_reasons = {
        (row["rule"], row["resource"])
        for row in result["findings"]
        if row["status"] == "unknown" and (not row["gaps"] or "; the identity of" in row["message"])
    }
    entries = [gap(row["url"]) for row in result["gaps"]] + [
        check(rule, resource) for rule, resource in sorted(has_other_reasons)
    ]
    # A endpoint that fails for its key, and whose reach may be wider than is known.
    worse = [entry for entry in entries if "amr-gammel" in entry]
    assert worse
    for accepted, code in ((entries, 0), ([entry for entry in entries if entry not in worse], 3)):
        Path("waivers.toml").write_text("".join(accepted))
        words = ("scan", "--from", demo_folder / "snapshot.jsonl", "--waivers", "waivers.toml", "--fail-on", "never")
        assert twolocks(*words).code == code
