"""A collection that goes on from a journal makes no read twice, and collects what an uninterrupted one does."""

from pathlib import Path
from typing import Any

import pytest

from scanner.collect.collector import Plan, Scope
from scanner.errors import InputError
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.rulebook import loader
from scanner.rulebook.kept import kept_paths
from scanner.sandbox.faults import Fault, FaultPlan
from scanner.sandbox.server import Sandbox
from scanner.snapshot import changes
from scanner.snapshot.journal_lines import parsed
from tests.azure.requests import ESTATE, S1, SITE, SLOT, box, child, resource
from tests.collect.journaled import cut, journaled
from tests.estate.parts import one_of_each_type

ST0 = ESTATE[0]["id"]


def answers(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines(keepends=True) if b'"answer"' in line]


def test_the_sample_estate_is_collected_from_its_journal_without_a_request(tmp_path: Path) -> None:
    rules = loader.load(packages=False)
    plan = Plan(rules.read(), rules.reads(), places=rules.needs_places)
    kept = kept_paths(rules).listed()
    running = Sandbox.from_estate(one_of_each_type())
    first = journaled(running, tmp_path / "a", plan=plan, kept=kept)
    succeeded = {(method, url, body) for method, url, body, status in first.reads if status == 200}
    assert len(answers(tmp_path / "a")) >= len(succeeded), "each answer is in the journal"
    second = journaled(running, tmp_path / "a", plan=plan, kept=kept, resumed=True)
    again = [each[:3] for each in second.reads if changes.TABLE not in each[2]]
    assert [each for each in again if each in succeeded] == []
    assert second.lines == first.lines
    failed = {url for _, url, _, status in first.reads if status >= 400}
    assert {url for _, url, _ in again} <= failed, "only what failed is read again"


def test_wherever_it_is_interrupted_no_read_is_made_twice_and_nothing_differs(tmp_path: Path) -> None:
    running = box(page_size=2)
    whole = journaled(running, tmp_path / "a")
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    for count in range(2, len(lines) + 1, 2):
        begun = cut(tmp_path / "a", count, lines[count][: count * 7] if count < len(lines) else b"")
        known = {each.answer.key for each in map(parsed, lines[:count]) if each and each.answer}
        second = journaled(running, begun, resumed=True)
        assert second.lines == whole.lines, count
        later = [each.answer for each in map(parsed, begun.read_bytes().splitlines(keepends=True)[count:]) if each]
        assert [each.path for each in later if each and each.key in known] == [], count
        # Only the question what changed comes on top of the reads that were left.
        assert len(second.reads) - 1 <= len(whole.reads) - len(known), count


def test_a_changed_resource_is_read_again_and_no_other(tmp_path: Path) -> None:
    journaled(box(), tmp_path / "a")
    running = box()
    running.estate.changes.append((SITE["id"], "2099-01-01T00:00:00Z"))
    second = journaled(running, tmp_path / "a", resumed=True)
    gets = [url.split("?")[0].lower() for method, url, _, _ in second.reads if method == "GET"]
    assert f"{SITE['id']}/config/web".lower() in gets
    assert f"/subscriptions/{S1}/providers/Microsoft.Web/sites".lower() in gets
    assert not [url for url in gets if "microsoft.storage" in url]
    assert not [url for url in gets if url.startswith(SLOT["id"].lower())], "a slot is a resource of its own"


def test_without_resource_graph_lists_are_read_again_and_what_differs_there(tmp_path: Path) -> None:
    journaled(box(), tmp_path / "a", scope=Scope(graph=False))
    changed = [{**each, "properties": {**each["properties"]}} for each in ESTATE]
    changed[0]["properties"]["publicNetworkAccess"] = "Disabled"
    running = box(changed)
    second = journaled(running, tmp_path / "a", scope=Scope(graph=False), resumed=True)
    gets = [url.split("?")[0] for method, url, _, _ in second.reads if method == "GET"]
    assert [url for url in gets if url.startswith(f"{ST0}/")], "read below the account that differs"
    assert not [url for url in gets if url.startswith(f"{SITE['id']}/config")]
    assert f"/subscriptions/{S1}/providers/Microsoft.Web/sites" in gets
    assert second.lines == journaled(box(changed), tmp_path / "b", scope=Scope(graph=False)).lines


def test_an_etag_that_differs_is_a_change(tmp_path: Path) -> None:
    def estate(etag: str) -> list[dict[str, Any]]:
        return [{**ESTATE[0], "etag": etag}, *ESTATE[1:]]

    journaled(box(estate("1")), tmp_path / "a", scope=Scope(graph=False), kept={})
    same = journaled(box(estate("1")), tmp_path / "a", scope=Scope(graph=False), kept={}, resumed=True)
    other = journaled(box(estate("2")), tmp_path / "a", scope=Scope(graph=False), kept={}, resumed=True)
    below = [sum(url.startswith(f"{ST0}/") for _, url, _, _ in each.reads) for each in (same, other)]
    assert below[0] == 0 < below[1]


def test_a_link_that_is_no_longer_valid_begins_the_list_again(tmp_path: Path) -> None:
    many = [*ESTATE, *(resource("Microsoft.KeyVault/vaults", f"kv{n}") for n in range(5))]
    running = box(many, page_size=2)
    whole = journaled(running, tmp_path / "a")
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    pages = [n for n, line in enumerate(lines) if b"KeyVault/vaults" in line and S1.encode() in line]
    begun = cut(tmp_path / "a", pages[1])
    expired = Fault("status", "*/Microsoft.KeyVault/vaults", status=400, code="InvalidSkipToken", times=1)
    running.faults = FaultPlan([expired])
    second = journaled(running, begun, resumed=True)
    assert second.lines == whole.lines


def test_another_account_is_refused(tmp_path: Path) -> None:
    journaled(box(), tmp_path / "a")
    text = (tmp_path / "a").read_bytes()
    line = next(each for each in text.splitlines(keepends=True) if b'"account"' in each)
    row = parsed(line)
    assert row is not None
    assert row.account is not None
    row.account.name = "kari"
    from scanner.snapshot.journal_lines import line_of

    (tmp_path / "a").write_bytes(text.replace(line, line_of(row)))
    with pytest.raises(InputError, match="read as kari"):
        journaled(box(), tmp_path / "a", resumed=True)


def test_a_condition_on_what_was_not_kept_makes_the_read(tmp_path: Path) -> None:
    """A rule of one's own may look up what no path names. In a cut answer that is unknown, never absent."""
    storage = ResourceType("Microsoft.Storage/storageAccounts", api="2025-06-01")

    def odd(account: Resource) -> bool:
        return bool(account.body["properties"].get("hidden"))

    storage.child("blobServices/default", one=True, when=odd)
    plan = Plan([storage], storage.children)
    estate = [{**ESTATE[0], "properties": {"hidden": True}}, child(ESTATE[0], "blobServices/default")]
    whole = journaled(box(estate), tmp_path / "a", plan=plan, kept={})
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    position = next(n for n, line in enumerate(lines) if b"blobServices" in line)
    second = journaled(box(estate), cut(tmp_path / "a", position), plan=plan, kept={}, resumed=True)
    assert second.lines == whole.lines


def test_a_journal_holds_no_more_than_a_snapshot(tmp_path: Path) -> None:
    secret = "AccountKey=" + "c2VjcmV0" * 8
    estate = [{**ESTATE[0], "properties": {"x": secret, "y": "plain", "z": "not for us"}}]
    kept = {"microsoft.storage/storageaccounts": ["properties.x", "properties.y"]}
    journaled(box(estate), tmp_path / "a", kept=kept)
    text = (tmp_path / "a").read_text("utf-8")
    assert "plain" in text
    assert "not for us" not in text
    assert "c2VjcmV0" not in text
