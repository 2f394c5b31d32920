"""Ten nights over an estate that changes: what is new, fixed, reopened, worse and lost is exactly what was planted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scanner.sandbox.world import Grant
from tests.nights import (
    EVERYWHERE,
    SERVER,
    STORAGE,
    Json,
    Quirks,
    Refusal,
    Told,
    closed,
    container,
    door,
    machine,
    night,
    public,
    server,
    storage,
)

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
    told: dict[str, set[str]] = field(default_factory=dict)
    code: int = 0
    options: dict[str, Any] = field(default_factory=dict)


def estate(*more: Json, addresses: Any = None, ssh: str = "10.0.0.0/8") -> list[Json]:
    sql = server(addresses) if addresses is not None else server()
    journal = storage(public("stjournal"), container("scans"), *more)
    return [*journal, *storage(public("stlukket")), *sql, *machine(ssh)]


EXPORT = container("eksport")
PRIVATE = container("eksport", "None")
SECOND = storage(public("stny"), container("bilder", above=f"{STORAGE}/stny/blobServices/default/containers"))
DOORS = {f"stny: {endpoint}" for endpoint in ("blob", "blob/bilder", "dfs", "file", "queue", "table")}
HIDDEN = Quirks(absent_from_graph=(SERVER,))

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
        told={"reopened": {"stjournal: blob/eksport"}, "fixed": {"vm-hopp: tcp/22"}},
        code=1,
    ),
    Planted(
        "a new account; the container is gone; the server lets everybody in",
        [*estate(addresses=EVERYWHERE), *SECOND],
        DOORS,
        {"fixed": {"stjournal: blob/eksport"}, "worse": {"sqlfag: tds"}},
        code=1,
    ),
    Planted(
        "the containers may not be read, and Resource Graph has lost the server",
        [*estate(addresses=EVERYWHERE), *SECOND],
        told={"unseen": {"stjournal: blob/scans", "stny: blob/bilder"}},
        code=3,
        options={"refusals": [REFUSED, Refusal(path="*/blobservices/default/containers")], "quirks": HIDDEN},
    ),
    Planted("they may be read again", [*estate(addresses=EVERYWHERE), *SECOND]),
    Planted(
        "the new account is deleted; the server is closed to all but one",
        estate(),
        told={"fixed": DOORS, "better": {"sqlfag: tds"}},
    ),
    Planted("the same", estate()),
]


def test_nothing_of_the_estate_is_undecided_but_the_refused_read(tmp_path: Path) -> None:
    told = night(estate(), str(tmp_path / "history.db"), tmp_path, refusals=[REFUSED])
    assert [gap["url"].split("/")[8] for gap in told.document["gaps"]] == ["stlukket"]
    assert {row["resource"].split("/")[8] for row in told.document["findings"] if row["status"] == "unknown"} == {
        "stlukket"
    }


def test_the_gap_is_accepted_or_the_night_is_incomplete(tmp_path: Path) -> None:
    history, words = str(tmp_path / "history.db"), ("--fail-on", "new:high")
    assert night(estate(), history, tmp_path, *words, refusals=[REFUSED]).ended.code == 3
    assert night(estate(), history, tmp_path, *words, *accepted(tmp_path), refusals=[REFUSED]).ended.code == 0


def accepted(folder: Path) -> tuple[str, ...]:
    """The options with which the refused read is accepted."""
    waivers = folder / "waivers.toml"
    waivers.write_text(GAP.format(expires=(datetime.now(UTC) + timedelta(days=90)).date()))
    return ("--waivers", str(waivers))


def ten_nights(history: str, folder: Path) -> None:
    """The baseline and what follows it; every night is what was planted, and nothing else."""
    words = ("--fail-on", "new:high", *accepted(folder))
    first = night(estate(), history, folder, *words, refusals=[REFUSED])
    assert first.ended.code == 0, first.ended.err
    assert first.document["changes"]["baseline"]
    assert first.new() == set()
    assert {row["state"] for row in first.document["exposures"]} == {"open", "closed"}, "it is no empty baseline"
    for planted in NIGHTS:
        told = night(planted.estate, history, folder, *words, **{"refusals": [REFUSED], **planted.options})
        check(planted, told)


def check(planted: Planted, told: Told) -> None:
    what = f"{planted.what}: {told.document['changes']}"
    assert told.new() == planted.new, what
    mine = {name: locks(told, name) for name in ("reopened", "worse", "better", "fixed", "unseen")}
    assert {name: doors for name, doors in mine.items() if doors} == planted.told, what
    assert told.ended.code == planted.code, f"{planted.what}: {told.ended.err}"
    assert told.document["changes"]["confirmed"]


def locks(told: Told, name: str) -> set[str]:
    """The exposures of a list; findings that stand beside them are counted by other tests."""
    return {door(row) for row in told.document["changes"][name] if row["kind"] == "exposure"}


def test_ten_nights_on_sqlite(tmp_path: Path) -> None:
    ten_nights(str(tmp_path / "history.db"), tmp_path)


def test_rules_that_look_up_a_refused_list_hang_on_its_gap(tmp_path: Path) -> None:
    history = str(tmp_path / "history.db")
    login = Grant("/", ("*/read",), ("Microsoft.Network/networkSecurityPerimeters/read",))
    soon, waivers = (datetime.now(UTC) + timedelta(days=9)).date(), tmp_path / "waivers.toml"
    waivers.write_text(GAP.format(expires=soon).replace(URL, "*SecurityPerimeters*"))
    mine = [*estate(), *storage(closed("starkiv"))]
    told = night(mine, history, tmp_path, "--fail-on", "new:high", grants=[login])
    undecided = [row for row in told.document["findings"] if row["status"] == "unknown"]
    assert undecided
    assert all(row["gaps"] for row in undecided), "each names the read that is missing"
    words = ("--fail-on", "new:high", "--waivers", str(waivers))
    assert [told.ended.code, night(mine, history, tmp_path, *words, grants=[login]).ended.code] == [3, 0]
