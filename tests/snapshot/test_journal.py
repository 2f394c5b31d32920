"""The file of a journal: whole lines count, a cut one does not, a changed one is refused, and one scan holds it."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from scanner.errors import InputError
from scanner.model.kept import KeptPaths
from scanner.model.resource_type import ResourceType
from scanner.snapshot.answer_shape import AnswerShape
from scanner.snapshot.journal import Journal, shows_changes
from scanner.snapshot.journal_lines import FailureLine, JournalHeader, JournalLine, line_of, parsed

SUB = "/subscriptions/5a000000-0000-4000-8000-000000000001"
LIST = f"{SUB}/providers/Microsoft.Storage/storageAccounts"
ACCOUNT = f"{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
KEPT = {"microsoft.storage/storageaccounts": ["properties.minimumTlsVersion"]}
ROW = {"id": ACCOUNT, "name": "st", "properties": {"minimumTlsVersion": "TLS1_2", "other": 1}}


def header(**more: Any) -> JournalHeader:
    return JournalHeader(**{"taken": "2026-11-25T02:00:00Z", "tool": "twolocks 1.2.3", "kept": KEPT, **more})


def shape(kept: dict[str, list[str]] | None = None) -> AnswerShape:
    return AnswerShape(KeptPaths(kept if kept is not None else KEPT))


def written(path: Path, count: int = 3) -> Journal:
    made = Journal.create(path, header(), shape())
    for number in range(count):
        made.keep(made.key("", "GET", f"{LIST}?page={number}"), LIST, {"value": [ROW]}, listing=True)
    made.close(delete=False)
    return made


def resumed(path: Path, wanted: JournalHeader | None = None, shaped: AnswerShape | None = None) -> int:
    """How many answers of a journal count."""
    journal = Journal.resume(path, wanted or header(), shaped or shape())
    journal.close(delete=False)
    return journal.earlier


def test_an_answer_is_found_again_cut_down_to_what_is_kept(tmp_path: Path) -> None:
    made = written(tmp_path / "a")
    journal = Journal.resume(tmp_path / "a", header(), shape())
    row = journal.find(made.key("", "GET", f"{LIST}?page=1"))
    assert row is not None
    assert row.body == {"value": [{**ROW, "properties": {"minimumTlsVersion": "TLS1_2"}}]}
    assert journal.find(made.key("", "GET", f"{LIST}?page=9")) is None
    assert journal.find(made.key("other", "GET", f"{LIST}?page=1")) is None, "a login has its own answers"
    journal.close(delete=True)
    assert not (tmp_path / "a").exists()


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    written(tmp_path / "a")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_it_may_be_cut_anywhere_and_the_last_whole_line_counts(tmp_path: Path) -> None:
    written(tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(first, len(whole), 7):
        (tmp_path / "a").write_bytes(whole[:size])
        assert resumed(tmp_path / "a") == whole[:size].count(b"\n") - 1
        assert (tmp_path / "a").read_bytes() == whole[: whole[:size].rindex(b"\n") + 1], "what is written next is whole"


def test_a_tail_of_zeros_does_not_count(tmp_path: Path) -> None:
    """A power cut may leave the size of a file without its content."""
    written(tmp_path / "a")
    with (tmp_path / "a").open("ab") as file:
        file.write(b"\0" * 5000)
    assert resumed(tmp_path / "a") == 3


def test_a_changed_line_in_the_middle_is_refused_with_its_number(tmp_path: Path) -> None:
    written(tmp_path / "a")
    text = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(text.replace(b"TLS1_2", b"TLS1_0", 1).replace(b"TLS1_0", b"TLS1_0"))
    with pytest.raises(InputError, match="damaged") as raised:
        resumed(tmp_path / "a")
    assert raised.value.at.endswith("a:2")
    assert raised.value.code == 2


@pytest.mark.parametrize("text", [b"", b"\n", b'{"snapshot": {}}\n', b"\xff" * 100, line_of(JournalLine())])
def test_what_is_no_journal_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a").write_bytes(text)
    with pytest.raises(InputError, match="not the journal"):
        resumed(tmp_path / "a")


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (header(tool="twolocks 2.0.0"), "twolocks 2.0.0"),
        (header(settings={"subscription": ["prod"]}), "other settings: subscription"),
        (header(kept_tags=["owner"]), "tags that are kept"),
    ],
)
def test_another_version_or_scope_is_refused(tmp_path: Path, wanted: JournalHeader, text: str) -> None:
    written(tmp_path / "a")
    with pytest.raises(InputError, match=text):
        resumed(tmp_path / "a", wanted)
    assert resumed(tmp_path / "a", header(tool="twolocks 1.9.0")) == 3, "the same major version goes on"


def test_answers_of_a_type_of_which_rules_read_more_now_do_not_count(tmp_path: Path) -> None:
    written(tmp_path / "a")
    more = {"microsoft.storage/storageaccounts": ["properties.minimumTlsVersion", "properties.other"]}
    assert resumed(tmp_path / "a", header(kept=more), shape(more)) == 0


def test_two_scans_do_not_take_one_journal(tmp_path: Path) -> None:
    written(tmp_path / "a")
    held = Journal.resume(tmp_path / "a", header(), shape())
    with pytest.raises(InputError, match="another scan"):
        resumed(tmp_path / "a")
    held.close(delete=False)
    assert resumed(tmp_path / "a") == 3


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    written(tmp_path / "a")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match=r"symbolic|links"):
        resumed(tmp_path / "b")


def test_a_full_disk_ends_the_journal_and_not_the_scan(tmp_path: Path) -> None:
    made = Journal.create(tmp_path / "a", header(), shape())
    os.close(made.number)
    made.number = os.open("/dev/full", os.O_RDWR)
    made.keep(made.key("", "GET", LIST), LIST, {"value": [ROW]}, listing=True)
    assert made.broken == "No space left on device"
    made.keep(made.key("", "GET", LIST), LIST, {"value": [ROW]}, listing=True)
    made.close(delete=False)


def test_an_error_that_means_none_is_an_answer(tmp_path: Path) -> None:
    made = Journal.create(tmp_path / "a", header(), shape())
    made.keep_failure(
        made.key("", "GET", LIST), LIST, FailureLine(404, "AuthConfigNotFound", message="sig=" + "x" * 40)
    )
    made.close(delete=False)
    assert b"x" * 40 not in (tmp_path / "a").read_bytes()
    assert resumed(tmp_path / "a") == 1


@pytest.mark.parametrize(
    "body",
    [
        {"value": [ROW], "nextLink": "https://management.azure.com/?sig=" + "x" * 40},
        {"value": "odd"},
        {"value": [1]},
        {"value": None},
        "text",
        7,
    ],
)
def test_an_answer_of_unknown_shape_is_not_kept(tmp_path: Path, body: Any) -> None:
    made = Journal.create(tmp_path / "a", header(), shape())
    made.keep(made.key("", "GET", LIST), LIST, body, listing=True)
    made.close(delete=False)
    assert made.count == 0


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"id": ACCOUNT, "type": "x", "properties": {}}, True),
        ({"type": "x", "count_": 2, "groups": ["a"]}, True),
        ({"id": ACCOUNT, "secret": "x"}, False),
        ({"type": "x", "all": [{"properties": {}}]}, False),
        ({"type": "x", "any": {"properties": {}}}, False),
    ],
)
def test_of_a_query_only_what_is_known_is_kept(tmp_path: Path, row: dict[str, Any], kept: bool) -> None:
    made = Journal.create(tmp_path / "a", header(), shape())
    graph = "/providers/Microsoft.ResourceGraph/resources"
    made.keep(made.key("", "POST", graph), graph, {"data": [row], "totalRecords": 1}, listing=True)
    made.close(delete=False)
    assert made.count == kept


def test_a_function_of_a_rule_file_that_raises_leaves_the_answer_out(tmp_path: Path) -> None:
    def broken(body: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("x")

    read = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01").child("shares", reduce=broken)
    made = Journal.create(tmp_path / "a", header(), AnswerShape(KeptPaths(KEPT), [read]))
    made.keep(made.key("", "GET", f"{ACCOUNT}/shares"), f"{ACCOUNT}/shares", {"value": [ROW]}, listing=True)
    made.close(delete=False)
    assert made.count == 0


def test_which_reads_show_that_a_resource_changed() -> None:
    assert shows_changes(LIST, listing=True)
    assert shows_changes(f"{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts", listing=True)
    assert shows_changes(ACCOUNT, listing=False)
    assert shows_changes(f"{SUB}/resourceGroups/rg/providers/Microsoft.Web/sites/a/slots", listing=True)
    assert not shows_changes(f"{ACCOUNT}/blobServices/default/containers", listing=True)
    assert not shows_changes(f"{ACCOUNT}/blobServices/default", listing=False)


def test_a_sum_is_checked() -> None:
    line = line_of(JournalLine(journal=header()))
    assert parsed(line) is not None
    assert parsed(line[:-2] + b" \n") is None


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the lines of a journal, each with its sum."""
    lines = []
    for raw in path.read_bytes().splitlines():
        line = json.loads(raw[9:])
        change(line)
        text = json.dumps(line).encode()
        lines.append(b"%08x %b\n" % (crc32(text), text))
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("taken", "text"),
    [
        ("2099-01-01T00:00:00Z", "lies ahead of the clock"),
        ("1999-01-01T00:00:00Z", "before there was Azure"),
        ("yesterday", "is no time"),
        ("2026-11-25", "is no time"),
        ("", "is no time"),
    ],
)
def test_a_journal_of_a_time_that_cannot_be_is_refused(tmp_path: Path, taken: str, text: str) -> None:
    written(tmp_path / "j")
    changed(tmp_path / "j", lambda line: line.get("journal", {}).update(taken=taken))
    with pytest.raises(InputError, match=text) as raised:
        resumed(tmp_path / "j")
    assert raised.value.at.endswith("j:1")


@pytest.mark.parametrize("key", ["x" * 32, "", "00", "0" * 33, "0" * 30 + "\n0"])
def test_a_key_that_is_no_digest_is_refused(tmp_path: Path, key: str) -> None:
    written(tmp_path / "j")
    changed(tmp_path / "j", lambda line: line.get("answer", {}).update(key=key))
    with pytest.raises(InputError, match="32 hexadecimal digits") as raised:
        resumed(tmp_path / "j")
    assert raised.value.at.endswith("j:2")


def test_an_answer_of_a_time_to_come_is_refused(tmp_path: Path) -> None:
    """It would count as younger than every change in Azure."""
    written(tmp_path / "j")
    changed(tmp_path / "j", lambda line: line.get("answer", {}).update(at=4_000_000_000))
    with pytest.raises(InputError, match="lies ahead of the clock"):
        resumed(tmp_path / "j")
