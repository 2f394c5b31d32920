"""Accepted gaps: a read that will not be granted ends no night with 3; a new one does, an expired one does again."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.snapshot import Head, Store
from tests.terminals import STORAGE, SUB, TAKEN, Ended, account, listed, twolocks
from tests.test_evaluate import INDEX

NOW = datetime.now(UTC).date()
RULE = "storage-anonymous-blob-access"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def containers(name: str) -> str:
    return f"{STORAGE}/{name}/blobServices/default/containers"


def gap(url: str, days: int = 30) -> str:
    expires = NOW + timedelta(days=days)
    return f'[[gap]]\nurl = "{url}"\nreason = "Personal files"\nowner = "kari"\nexpires = {expires}\n'


def write(*names: str, more: tuple[str, ...] = (), view: str = "full", **properties: Any) -> None:
    store = Store(Head(taken=TAKEN, tool="twolocks test", principal="kari", scopes=[SUB]))
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
    for url in (*(containers(name) for name in names), *more):
        store.gap(url, 403, "AuthorizationFailed", "Microsoft.Storage/storageAccounts/read")
    store.write(Path("night.jsonl"))


def night(*names: str, accepted: str = "", more: tuple[str, ...] = (), view: str = "full", tty: bool = False) -> Ended:
    """A scan in which the containers of these accounts could not be listed."""
    write(*names, more=more, view=view)
    Path("waivers.toml").write_text(accepted)
    words = ("scan", "--from", "night.jsonl", "--only", RULE, "--fail-on", "never", "--waivers", "waivers.toml")
    return twolocks(*words, "--out", "findings.json", tty=tty)


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("findings.json").read_text())
    return found


def test_until_it_is_accepted_a_gap_ends_with_3() -> None:
    ended = night("st1")
    assert ended.code == 3
    assert ended.last[-1].endswith("exit 3: incomplete, 1 check undecided (1 gap)")


def test_an_accepted_gap_ends_with_0_and_is_told_and_passes_nothing() -> None:
    ended = night("st1", accepted=gap(containers("st1")))
    assert ended.code == 0
    assert "1 gap accepted" in ended.err
    assert "What was not read is accepted, and is not decided" in ended.err
    assert "Everything that was asked for was read" not in ended.err
    assert document()["scan"]["complete"] is True
    assert [row["status"] for row in document()["findings"]] == ["unknown"]
    assert document()["passed"] == {}
    screen = night("st1", accepted=gap(containers("st1")), tty=True).err
    assert "Accepted: 1 gap; 1 check undecided by it alone, none of them counts as passed" in screen
    assert "Not read" not in screen


def test_a_new_gap_ends_with_3_and_only_its_checks_are_counted() -> None:
    ended = night("st1", "st2", accepted=gap(containers("st1")))
    assert ended.code == 3
    assert ended.last[-1].endswith("exit 3: incomplete, 1 check undecided (1 gap)")
    assert {row["url"].split("/")[8]: row["accepted"] for row in document()["gaps"]} == {"st1": True, "st2": False}
    screen = night("st1", "st2", accepted=gap(containers("st1")), tty=True).err
    assert "Not read: 1 gap leaves 1 check undecided; none of them counts as passed" in screen
    assert "Accepted: 1 gap; 1 check undecided by it alone" in screen


def test_an_expired_one_ends_with_3_again_and_says_so() -> None:
    ended = night("st1", accepted=gap(containers("st1"), -1))
    assert ended.code == 3
    assert f"waivers.toml:1: the waiver of kari for the gap {containers('st1')} expired on" in ended.err
    assert any(note.endswith("; the gap counts again") for note in document()["coverage"]["notes"])


def test_one_that_is_not_there_is_told() -> None:
    ended = night(accepted=gap(containers("st1")))
    assert ended.code == 0
    assert f"the gap {containers('st1')} matches nothing" in ended.err


def test_a_check_that_hangs_on_another_gap_too_is_not_settled() -> None:
    perimeters = f"/subscriptions/{SUB}/providers/Microsoft.Network/networkSecurityPerimeters"
    both = (perimeters,)
    ended = night("st1", accepted=gap(containers("st1")), more=both)
    assert ended.code == 3
    assert ended.last[-1].endswith("exit 3: incomplete, 1 check undecided (1 gap)")
    ended = night("st1", accepted=gap(containers("st1")) + gap(perimeters), more=both)
    assert ended.code == 0


@pytest.mark.parametrize(("url", "code"), [(f"/subscriptions/{SUB}", 0), (f"/subscriptions/{SUB[:-1]}*", 3)])
def test_a_subscription_that_is_seen_in_part_is_accepted_by_its_whole_path(url: str, code: int) -> None:
    assert night("st1", accepted=gap("*/blobServices/default/containers"), more=(f"/subscriptions/{SUB}",)).code == 3
    ended = night(
        "st1",
        accepted=gap("*/blobServices/default/containers") + gap(url),
        more=(f"/subscriptions/{SUB}",),
        view="partial",
    )
    assert ended.code == code


def test_no_gap_accepts_a_value_that_nobody_knows() -> None:
    write("st1", publicNetworkAccess="Sometimes")
    Path("waivers.toml").write_text(gap("*/containers"))
    words = ("scan", "--from", "night.jsonl", "--only", RULE, "--fail-on", "never", "--waivers", "waivers.toml")
    ended = twolocks(*words, "--out", "findings.json")
    assert ended.code == 3
