"""A snapshot is whole or refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.errors import InputError
from scanner.snapshot import files
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.snapshot.sealed import seal

SUB = "/subscriptions/5a000000-0000-4000-8000-000000000001"
ACCOUNT = f"{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
LIST = f"{SUB}/providers/Microsoft.Storage/storageAccounts"


def store(taken: str = "2026-11-25T00:00:00Z") -> Store:
    made = Store(Header(taken=taken))
    made.scope(SUB.rsplit("/", 1)[1], "prod", "t", "full")
    made.read(LIST, 3, "list")
    for number in range(3):
        made.resource({"id": f"{ACCOUNT}{number}", "properties": {"n": number}}, "2025-08-01", "list")
        made.read(f"{ACCOUNT}{number}/localUsers", 1, "list")
        made.resource({"id": f"{ACCOUNT}{number}/localUsers/u", "properties": {}}, "2025-08-01", "list")
    made.gap(f"{SUB}/providers/Microsoft.Sql/servers", 403, "AuthorizationFailed")
    return made


def evaluated(path: Path) -> int:
    return len(list(files.read(path).bundles()))


def lines(path: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Change the lines of a snapshot, and seal it."""
    matches = [json.loads(line) for line in path.read_text().splitlines()]
    change(matches)
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in matches))
    seal(path)


def _resource(matches: list[dict[str, Any]]) -> int:
    return next(position for position, line in enumerate(matches) if "resource" in line)


def _drop_account(matches: list[dict[str, Any]]) -> None:
    matches[:] = [line for line in matches if f"{ACCOUNT}2" not in json.dumps(line)]
    matches[-1]["end"] |= {"resources": 4, "reads": 3}


def _drop_user(matches: list[dict[str, Any]]) -> None:
    matches[:] = [line for line in matches if line.get("resource", {}).get("id") != f"{ACCOUNT}2/localUsers/u"]
    matches[-1]["end"]["resources"] = 5


def _twice(matches: list[dict[str, Any]]) -> None:
    position = _resource(matches)
    matches.insert(position, matches[position])
    matches[-1]["end"]["resources"] += 1


CHANGES: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "a resource fewer": (lambda matches: matches.pop(_resource(matches)), "the end line counts 6 resources"),
    "a list fewer": (lambda matches: matches.pop(2), "the end line counts"),
    "an account with all below it": (_drop_account, "the list counts 3 resources, the snapshot holds 2"),
    "a child": (_drop_user, "the list counts 1 resources, the snapshot holds 0"),
    "a resource twice": (_twice, "two records with the id"),
    "an unknown view": (lambda matches: matches[1]["scope"].update(view="most"), 'unknown view "most"'),
    "no time": (lambda matches: matches[0]["snapshot"].update(taken="yesterday"), "'yesterday' is no time"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_snapshot_is_refused_naming_the_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "night.jsonl"
    store().write(path)
    assert evaluated(path) == 3
    lines(path, CHANGES[name][0])
    with pytest.raises(InputError, match=CHANGES[name][1]) as caught:
        evaluated(path)
    assert caught.value.at.startswith(f"{path}:")


def test_every_changed_byte_and_line_is_told_by_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    store().write(path)
    whole = path.read_bytes().splitlines(keepends=True)
    for position in range(len(whole) - 1):
        changed = (
            whole[position].replace(b'"n":', b'"N":') if b'"n":' in whole[position] else whole[position][:-2] + b" }\n"
        )
        path.write_bytes(b"".join([*whole[:position], changed, *whole[position + 1 :]]))
        with pytest.raises(InputError, match="the chain of the lines differs"):
            evaluated(path)


def test_a_time_ahead_of_the_clock_is_refused_after_ten_minutes(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    for minutes, refused in ((9, False), (12, True)):
        taken = datetime.now(UTC) + timedelta(minutes=minutes)
        store("2026-11-25T02:00:00Z").write(path)
        lines(path, lambda result, at=taken: result[0]["snapshot"].update(taken=f"{at:%Y-%m-%dT%H:%M:%SZ}"))  # type: ignore[misc]
        if refused:
            with pytest.raises(InputError, match="lies ahead of the clock"):
                evaluated(path)
        else:
            assert evaluated(path) == 3


def test_version_1_is_read_where_it_is_accepted_and_has_a_note(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    store().write(path)
    matches = [json.loads(line) for line in path.read_text().splitlines()]
    matches[0]["snapshot"] |= {"version": 1}
    del matches[-1]["end"]["chain"]
    path.write_text("".join(json.dumps(line) + "\n" for line in matches))
    with pytest.raises(InputError, match="has version 1, which has no chain") as raised:
        evaluated(path)
    assert "--accept-version-1" in raised.value.do
    taken = files.read(path, accept_version_1=True)
    assert taken.header.notes == [files.VERSION_1]
    assert len(list(taken.bundles())) == 3
    matches[-1]["end"]["resources"] = 7
    path.write_text("".join(json.dumps(line) + "\n" for line in matches))
    with pytest.raises(InputError, match="the end line counts 7 resources, the snapshot holds 6"):
        list(files.read(path, accept_version_1=True).bundles())
    for version in (0, -1):
        matches[0]["snapshot"]["version"] = version
        path.write_text("".join(json.dumps(line) + "\n" for line in matches))
        with pytest.raises(InputError, match=f"no snapshot has version {version}"):
            files.read(path, accept_version_1=True)
