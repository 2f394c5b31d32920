"""The store sorts lines, in memory or on disk, and merges a re-verification into the first collection."""

import gc
import tempfile
from typing import Any

import pytest

from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header, url_of
from scanner.snapshot.store import Store, _rows_of
from tests.snapshot.test_files import ACCOUNT, NETWORK, SUB, store, whole


def test_a_store_that_outgrows_memory_sorts_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = whole(of_store(store(20)))
    monkeypatch.setattr("scanner.snapshot.store._RUN_BYTES", 700)
    spilled = store(20)
    assert len(spilled._runs) > 3
    assert whole(of_store(spilled)) == expected
    assert whole(of_store(spilled)) == expected, "it can be read twice: once for the file, once for the rules"
    spilled.close()


def test_a_second_pass_does_not_disturb_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.snapshot.store._RUN_BYTES", 700)
    spilled = store(20)
    assert len(spilled._runs) > 3
    expected = list(spilled.lines())
    first = spilled.lines()
    begun = [next(first) for _ in range(len(expected) // 2)]
    assert list(spilled.lines()) == expected, "residency looks up other resources during the evaluation"
    assert begun + list(first) == expected
    spilled.close()


@pytest.mark.usefixtures("new_objects_only")
def test_lines_that_are_read_hold_their_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of which only the lines were kept was collected, and its files were closed while they were read."""
    expected = list(store(20).lines())
    monkeypatch.setattr("scanner.snapshot.store._RUN_BYTES", 700)
    encoded, decoded = store(20).lines(), store(20).decoded()
    gc.collect()
    assert list(encoded) == expected
    assert len(list(decoded)) == len(expected)


def test_parts_that_outgrow_memory_and_many_runs_lose_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was still in the buffer of a run's file was read neither in a pass nor by another process."""
    monkeypatch.setattr("scanner.snapshot.store._CHUNK_BYTES", 700)
    monkeypatch.setattr("scanner.snapshot.store._MOST_RUNS", 2)
    expected = list(store(20).lines())
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    lines = list(store(20).decoded())
    for position in range(6):
        made.add_shard(made.header, lines[position::6])
    assert 0 < len(made._runs) <= 2
    assert list(made.lines()) == expected
    made.close()


def test_many_runs_become_one_and_lose_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = list(store(20).lines())
    monkeypatch.setattr("scanner.snapshot.store._RUN_BYTES", 700)
    monkeypatch.setattr("scanner.snapshot.store._MOST_RUNS", 2)
    spilled = store(20)
    assert 0 < len(spilled._runs) <= 2
    assert list(spilled.lines()) == expected
    spilled.close()


def test_a_run_that_ends_within_a_line_is_no_end() -> None:
    with tempfile.TemporaryFile() as run:
        run.write(b"one\ntwo")
        run.flush()
        with pytest.raises(EOFError):
            list(_rows_of(run))


STORES = f"{SUB}/providers/Microsoft.Storage/storageAccounts"
NETWORKS = f"{SUB}/providers/Microsoft.Network/virtualNetworks"
GROUPS = f"{SUB}/providers/Microsoft.Network/networkSecurityGroups"
RULES = f"{SUB}/resourceGroups/rg/providers/Microsoft.Network/networkSecurityGroups/nsg"


def looked(*lines: tuple[str, Any]) -> Store:
    """A collection of bodies (path, properties), reads (path, number) and gaps (path, code)."""
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    made.scope("5a000000-0000-4000-8000-000000000001", "prod", "tenant", "full")
    for path, what in lines:
        if isinstance(what, int):
            made.read(path, what)
        elif isinstance(what, str):
            made.gap(path, 403, what)
        else:
            made.resource({"id": path, "properties": what}, "2025-08-01", "get")
    return made


def said(made: Store) -> dict[str, Any]:
    """Each line but those of scopes, by its path."""
    result: dict[str, Any] = {}
    for line in made.decoded():
        if line.scope is None:
            what: Any = line.resource["properties"] if line.resource else None
            what = line.read.count if line.read else line.gap.code if line.gap else what
            assert result.setdefault(url_of(line), what) is what, "one line a path"
    return result


def again(first: Store, second: Store, kept: tuple[str, ...] = (), gone: tuple[str, ...] = ()) -> dict[str, Any]:
    return said(first.merged_with(second, {each.lower() for each in kept}, {each.lower() for each in gone}))


def test_a_re_verification_takes_the_place_of_the_whole_bundle() -> None:
    containers = f"{ACCOUNT}/blobServices/default/containers"
    first = looked((ACCOUNT, {"n": 1}), (f"{containers}/c", {}), (containers, 1), (f"{ACCOUNT}/localUsers", "x"))
    first.resource({"id": f"{ACCOUNT}2", "properties": {"n": 1}}, None, "list")
    second = looked((ACCOUNT, {"n": 2}), (containers, 0))
    assert again(first, second) == {f"{ACCOUNT}2": {"n": 1}, ACCOUNT: {"n": 2}, containers: 0}


def test_what_was_read_less_well_the_second_time_stays_as_it_was() -> None:
    first = looked((ACCOUNT, {"n": 1}), (f"{ACCOUNT}2", {"n": 1}))
    second = looked((ACCOUNT, "Throttled"), (f"{ACCOUNT}2", {"n": 2}))
    assert again(first, second, kept=(ACCOUNT,)) == {ACCOUNT: {"n": 1}, f"{ACCOUNT}2": {"n": 2}}


def test_what_is_gone_leaves_only_that_it_was_deleted() -> None:
    first = looked((ACCOUNT, {"n": 1}), (f"{ACCOUNT}/localUsers", 1), (f"{ACCOUNT}2", {}), (NETWORK, {}))
    document = again(first, looked(), gone=(ACCOUNT, NETWORK))
    assert document == {f"{ACCOUNT}2": {}, ACCOUNT.lower(): None, NETWORK.lower(): None}


def test_scopes_and_lists_of_what_is_no_index_stay_those_of_the_first_look() -> None:
    first = looked((STORES, 2), (f"{SUB}/providers/Microsoft.Sql/servers", "AuthorizationFailed"))
    second = looked((STORES, 0), (f"{SUB}/providers/Microsoft.Web/sites", 0))
    second.skip(SUB, "only the named resources")
    second.scope("5a000000-0000-4000-8000-000000000002", "other", "tenant", "full")
    assert again(first, second) == said(first)
    made = first.merged_with(second, ())
    assert [line.scope.name for line in made.decoded() if line.scope] == ["prod"]
    assert made.header is first.header


def test_of_the_index_what_was_read_again_wins_and_the_rest_stays() -> None:
    first = looked((NETWORKS, 1), (NETWORK, {"n": 1}), (GROUPS, 1), (RULES, {"n": 1}), (ACCOUNT, {}))
    second = looked((GROUPS, 1), (RULES, {"n": 2}))
    assert again(first, second) == {NETWORKS: 1, NETWORK: {"n": 1}, GROUPS: 1, RULES: {"n": 2}, ACCOUNT: {}}


def test_an_index_that_could_be_read_the_second_time_keeps_no_gap_and_one_that_could_not_has_one() -> None:
    first = looked((GROUPS, "AuthorizationFailed"), (NETWORKS, 1))
    second = looked((GROUPS, 1), (RULES, {}))
    assert again(first, second) == {GROUPS: 1, RULES: {}, NETWORKS: 1}
    both = list(first.merged_with(looked((NETWORKS, "Throttled")), ()).decoded())
    assert {url_of(line) for line in both if line.gap} == {GROUPS, NETWORKS}


def test_what_a_list_of_the_index_does_not_hold_any_more_is_out() -> None:
    below = f"{RULES}/securityRules"
    first = looked((GROUPS, 2), (RULES, {}), (f"{RULES}2", {"n": 1}), (f"{RULES}2/securityRules", 1), (NETWORK, {}))
    assert again(first, looked((GROUPS, 1), (f"{RULES}2", {"n": 2}))) == {
        GROUPS: 1,
        f"{RULES}2": {"n": 2},
        NETWORK: {},
        # Of what is listed again, what was not read again stays.
        f"{RULES}2/securityRules": 1,
    }
    rules = looked((RULES, {}), (below, 2), (f"{below}/ssh", {"n": 1}), (f"{below}/rdp", {}))
    assert again(rules, looked((RULES, {}), (below.upper(), 1), (f"{below}/ssh", {"n": 2}))) == {
        RULES: {},
        below.upper(): 1,
        f"{below}/ssh": {"n": 2},
    }


def test_a_list_below_the_index_that_was_not_read_again_takes_nothing_away() -> None:
    below = f"{RULES}/securityRules"
    rules = looked((RULES, {}), (below, 2), (f"{below}/ssh", {"n": 1}))
    assert again(rules, looked((RULES, {}), (below, "Throttled")))[f"{below}/ssh"] == {"n": 1}


def test_what_could_not_be_read_of_a_list_stays_a_gap_where_only_the_list_was_read_again() -> None:
    below = f"{RULES}/securityRules"
    rules = looked((RULES, {}), (below, 2), (f"{below}/ssh", "Throttled"))
    assert again(rules, looked((RULES, {}), (below, 1)))[f"{below}/ssh"] == "Throttled"


def test_networks_that_a_login_of_a_group_cannot_list_again_leave_no_new_gap() -> None:
    other = NETWORKS.replace("000001/", "000002/")
    first = looked((NETWORKS, 1), (NETWORK, {}), (other, 1))
    second = looked((NETWORKS, "AuthorizationFailed"), (other, "AuthorizationFailed"))
    lines = list(first.merged_with(second, (), partial={SUB.rpartition("/")[2]}).decoded())
    assert {url_of(line) for line in lines if line.gap} == {other}
    assert {url_of(line) for line in lines if line.read or line.resource} == {NETWORKS, NETWORK}
