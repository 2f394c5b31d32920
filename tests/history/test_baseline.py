"""What a scan recalls, looks at and tells: each question alone, without a history and without Azure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from io import BytesIO
from typing import Any

import msgspec
import pytest

from scanner.config.settings import DEFAULT, Settings, Value
from scanner.document.schema import Coverage, Document, ResourceRow, ScanRow
from scanner.history import baseline as remember
from scanner.history.baseline import Doubts, Last, Noting, Past
from scanner.history.compare import Changes, Item, Key, Looked, compare
from scanner.model.ids import root_of
from scanner.model.resource import LOST, Gap
from scanner.model.resource_type import ResourceType
from scanner.model.rule import Fix, Rule
from scanner.model.verdict import Pass
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.files import Head, Snapshot, Store, of_store
from tests.history.test_compare import (
    LOOKED,
    MONDAY,
    OTHER,
    SUB,
    TUESDAY,
    account,
    always,
    changed,
    container,
    edit,
    exposure,
    finding,
    first_id,
    items,
    sight,
)

FIX = Fix(az="az version", impact="")
STORES = f"/subscriptions/{SUB}/providers/Microsoft.Storage/storageAccounts"
NETWORKS = f"/subscriptions/{SUB}/providers/Microsoft.Network/virtualNetworks"


STORE = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
STORE.endpoints(data=("blob",))(lambda resource, index: iter(()))
VAULT = ResourceType("Microsoft.KeyVault/vaults", api="2025-08-01")
VAULT.endpoints(data=("vault",))(lambda resource, index: iter(()))
SERVER = ResourceType("Microsoft.Sql/servers", api="2025-08-01")


def rule(id: str, category: str, kind: ResourceType, **more: Any) -> Rule:
    return Rule(id=id, category=category, title=id, resource_type=kind, why="w", fix=FIX, **more)


RULES = (
    rule("keys", "authentication", STORE, endpoints=("blob",), aliases=("old-keys",)),
    rule("http", "transport", STORE, check=lambda resource, index: Pass()),
    rule("purge", "governance", VAULT, check=lambda resource, index: Pass()),
    rule("bare", "network", SERVER, endpoints=("tds",)),
)


def kinds() -> list[ResourceType]:
    return [STORE, VAULT, SERVER]


def rules(*off: str) -> RuleSet:
    found = {rule.id: rule for rule in RULES}
    return RuleSet(kinds=kinds(), rules=found, enabled={id: rule for id, rule in found.items() if id not in off})


def settings(**given: Any) -> Settings:
    names = ("from", "tenant", "management-group", "subscription", "resource", "resource-group", "tag", "only", "skip")
    none = dict.fromkeys(names, ()) | {"from": "", "tenant": ""}
    return Settings({name: Value(value, DEFAULT) for name, value in {**none, **given}.items()})


def snapshot(*views: tuple[str, str], reads: Iterable[tuple[str, str]] = (), **head: Any) -> Snapshot:
    made = Store(Head(taken=TUESDAY, **head))
    for subscription, view in views or ((SUB.upper(), "full"),):
        made.scope(subscription, "prod", "tenant", view)
    for url, by in reads:
        made.read(url, 0, by)
    return of_store(made)


Made = Callable[..., Noting]


@pytest.fixture
def noting() -> Iterator[Made]:
    """Makes writers, and gives their files back."""
    with ExitStack() as stack:

        def made(known: Mapping[Key, Item], before: Callable[[str, str], bool] = always) -> Noting:
            writer = Noting(Past(known, before), TUESDAY, first_id)
            stack.callback(writer.close)
            return writer

        yield made


# Rows as they are written


def test_a_row_says_whether_it_is_new_and_since_when(noting: Made) -> None:
    writer, door, fault = noting(items(exposure())), exposure(), finding()
    writer.exposure(door)
    writer.finding(fault)
    assert (door.new, door.since) == (False, MONDAY)
    assert (fault.new, fault.since) == (True, TUESDAY)
    assert writer.sight.items.keys() == items(door, fault).keys()
    assert (writer.endpoints, writer.standing["high"]) == (1, 1)


@pytest.mark.parametrize("state", ["waived", "intended"])
def test_what_is_accepted_is_never_new(noting: Made, state: str) -> None:
    writer, door, fault = noting({}), exposure(state=state), finding(status="waived")
    writer.exposure(door)
    writer.finding(fault)
    assert (door.new, fault.new) == (False, False)
    assert (door.since, fault.since) == (TUESDAY, TUESDAY)


def test_what_nobody_looked_for_before_is_not_new(noting: Made) -> None:
    writer, door = noting({}, lambda *_: False), exposure()
    writer.exposure(door)
    assert (door.new, door.since) == (False, TUESDAY)


def test_before_is_asked_for_the_type_or_the_first_id_of_the_rule(noting: Made) -> None:
    asked: list[tuple[str, str]] = []

    def before(resource: str, word: str) -> bool:
        asked.append((resource, word))
        return False

    writer = noting({}, before)
    writer.exposure(exposure())
    writer.finding(finding(rule="renamed"))
    assert asked == [(account("st"), "microsoft.storage/storageaccounts"), (account("st"), "plain-http")]


def test_what_does_not_stand_is_neither_old_nor_new(noting: Made) -> None:
    writer = noting({})
    doors, fault = [exposure(state="closed"), exposure(severity=None, worst="high")], finding(status="unknown")
    for row in doors:
        writer.exposure(row)
    writer.finding(fault)
    assert [*(row.new for row in doors), fault.new] == [msgspec.UNSET] * 3
    assert len(writer.sight.closed) == 1
    assert len(writer.sight.unknown) == 1


def test_passes_and_resources_are_seen_and_counted(noting: Made) -> None:
    known = items(finding(), finding(rule="anonymous"))
    writer = noting(known)
    row = ResourceRow(
        type="", name="st", location="", subscription=SUB, resource_group="", tags={"owner": "kari"}, parent=None
    )
    writer.resource(account("ST"), row)
    writer.resource(account("bare"), msgspec.structs.replace(row, tags={}))
    writer.passed(account("st"), ["plain-http"])
    writer.not_applicable(account("st"), {"anonymous": "it has none"})
    assert writer.tags == {account("st").lower(): {"owner": "kari"}}
    assert writer.sight.present(account("st"))
    assert writer.sight.closed.keys() == known.keys()


def test_a_scan_that_remembers_writes_every_row_into_its_document(noting: Made) -> None:
    writer, door, fault = noting({}), exposure(), finding()
    row = ResourceRow(type="", name="st", location="", subscription=SUB, resource_group="", tags={}, parent=None)
    writer.exposure(door)
    writer.finding(fault)
    writer.resource(account("st"), row)
    writer.passed(account("st"), ["purge"])
    writer.not_applicable(account("st"), {"anonymous": "it has none"})
    scan = ScanRow(
        id="", started="", finished="", taken=TUESDAY, tool="", cloud="", principal="", scopes=[], resources=1,
        reads=0, complete=True,
    )  # fmt: skip
    writer.finish(out := BytesIO(), scan, {}, [], Coverage(scopes=[], types=[], rules_off=[]))
    made = msgspec.json.decode(out.getvalue(), type=Document)
    assert (made.exposures, made.findings) == ([door], [fault])
    assert made.resources == {account("st"): row}
    assert made.passed == {account("st"): ["purge"]}
    assert made.not_applicable == {account("st"): {"anonymous": "it has none"}}


# What a scan looks at


def test_a_rule_is_called_by_its_first_id() -> None:
    first = remember.first_ids(rules())
    names = [first(id) for id in ("keys", "old-keys", "strange")]
    assert names == [rules().rules["keys"].first_id, rules().rules["keys"].first_id, "strange"]


def test_a_type_is_looked_at_where_a_lock_rule_is_on_and_its_endpoints_are_read() -> None:
    first = rules().rules["keys"].first_id
    at = remember.looked(snapshot(), rules(), Past())
    assert at.types == {"microsoft.storage/storageaccounts"}
    assert at.rules == {first, "http", "purge", "bare"}
    assert remember.words(rules()) == {*at.rules, *at.types}
    off = remember.looked(snapshot(), rules("keys"), Past())
    assert (off.types, off.rules) == (frozenset(), {"http", "purge", "bare"})


def test_a_subscription_that_is_not_seen_was_not_looked_at() -> None:
    night = snapshot((SUB.upper(), "partial"), (OTHER, "none"))
    assert remember.seen(night) == {SUB}
    last = Last(MONDAY, "t", frozenset({SUB, OTHER}))
    at = remember.looked(night, rules(), Past(last=last))
    assert (at.subscriptions, at.expected, at.whole) == ({SUB}, {SUB, OTHER}, True)
    assert remember.looked(night, rules(), Past()).expected == frozenset()


@pytest.mark.parametrize("part", [{"resources": [account("st")]}, {"groups": ["rg"]}, {"tags": ["a=b"]}])
def test_a_part_is_not_the_whole_and_fixes_nothing_that_it_did_not_see(part: dict[str, Any]) -> None:
    night = snapshot(reads=[(STORES, "list")], **part)
    assert not remember.looked(night, rules(), Past()).whole
    assert not remember.listed_without(night)(account("st"))


@pytest.mark.parametrize(
    ("part", "fixed"),
    [
        ({}, ["in", "out"]),
        ({"groups": ["RG"]}, ["in"]),
        ({"groups": ["RG"], "tags": ["a=b"]}, []),
        ({"groups": ["RG"], "resources": [account("other")]}, []),
        ({"resources": [account("IN")]}, ["in"]),
    ],
)
def test_silence_fixes_what_was_asked_for_as_a_whole_and_nothing_outside_it(
    part: dict[str, Any], fixed: list[str]
) -> None:
    known = items(exposure(account("in")), exposure(account("out").replace("/rg/", "/two/")))
    at = remember.looked(snapshot(**part), rules(), Past())
    found = changed(known, sight(known, resources=[]), at, gone=lambda _: True)
    assert sorted(each.item.resource.rpartition("/")[2] for each in found.of("fixed")) == fixed
    assert len(found.found) == len(fixed)


def test_gone_is_what_arm_listed_in_a_subscription_that_is_seen_in_full() -> None:
    full = snapshot(reads=[(STORES.upper(), "list")])
    assert remember.listed_without(full)(account("st").upper())
    assert remember.listed_without(full)(container("a"))
    assert not remember.listed_without(full)(account("st", OTHER))
    assert not remember.listed_without(full)(f"{STORES.replace('/providers', '/resourceGroups/rg/providers')}2/x")
    for night in (
        snapshot((SUB, "partial"), reads=[(STORES, "list")]),
        snapshot(reads=[(STORES, "graph")]),
        snapshot(reads=[(NETWORKS, "list")]),
        snapshot(reads=[(STORES, "list")], live=False),
        snapshot((OTHER, "full"), reads=[(STORES, "list")]),
    ):
        assert not remember.listed_without(night)(account("st"))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "all"),
        ({"subscription": ("B", "A")}, "subscription=a subscription=b"),
        ({"management-group": ("Mg",), "subscription": ("A",)}, "management-group=mg subscription=a"),
        ({"tenant": "t1"}, "all tenant=t1"),
        ({"only": ("B*", "A"), "skip": ("x",), "tag": ("E=Prod",)}, "all tag=e=prod only=a only=b* skip=x"),
        ({"from": "night.jsonl", "subscription": ("z",), "tenant": "t"}, f"from {SUB}"),
    ],
)
def test_what_was_asked_for_is_one_line(given: dict[str, Any], line: str) -> None:
    assert remember.selection(settings(**given), snapshot()) == line


def test_a_file_of_a_part_is_another_selection_than_the_whole() -> None:
    night = snapshot(resources=[account("st")], groups=["Rg"], tags=["E=Prod"])
    assert remember.selection(settings(**{"from": "x"}), night) == (
        f"from {SUB} resource={account('st').lower()} resource-group=rg tag=e=prod"
    )


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ({}, [f"/subscriptions/{SUB}"]),
        ({"resources": [container("a")], "groups": ["rg"]}, [account("st").lower()]),
        ({"groups": ["Rg", "two"]}, [f"/subscriptions/{SUB}/resourcegroups/{each}" for each in ("rg", "two")]),
        ({"tags": ["B=2", "a=1"]}, [f"/subscriptions/{SUB}?tag=b=2&a=1"]),
        ({"live": False}, [f"/subscriptions/{SUB}?bare"]),
        ({"live": False, "tags": ["a=1"]}, [f"/subscriptions/{SUB}?tag=a=1"]),
    ],
)
def test_the_scopes_that_a_scan_leaves(head: dict[str, Any], found: list[str]) -> None:
    assert remember.scopes(snapshot((SUB, "full"), (OTHER, "none"), **head)) == tuple(found)


# The second look


def doubtful(
    known: Mapping[Key, Item], seen: Any, *subscriptions: str, looked: Looked = LOOKED, **more: Any
) -> list[str]:
    found = compare(known, seen, looked, always, **more)
    return remember.doubtful(found, seen, set(subscriptions or (SUB,)))


def test_what_seems_fixed_is_looked_at_again() -> None:
    assert doubtful(items(exposure()), sight(items(exposure()))) == [account("st")]


def test_what_is_new_and_critical_is_looked_at_again_and_less_is_not() -> None:
    rows = [exposure(account(name), severity=severity) for name, severity in (("c", "critical"), ("h", "high"))]
    assert doubtful({}, sight({}, [*rows, finding(account("f"), severity="critical")])) == [account("c")]
    known = items(exposure(severity="high"))
    assert doubtful(known, sight(known, [exposure(severity="critical", auth="anonymous")])) == [account("st")]
    known = items(exposure(severity="critical"))
    assert doubtful(known, sight(known, [exposure(severity="critical")])) == []


def test_what_was_not_seen_is_looked_at_again_also_where_it_was_lost_before() -> None:
    known = items(exposure())
    assert doubtful(known, sight(known, resources=[])) == [account("st")]
    lost = edit(known, sighted=False)
    assert doubtful(lost, sight(lost, resources=[])) == [account("st")]
    undecided = [exposure(severity=None, worst="high", state="closed")]
    assert doubtful(known, sight(known, undecided)) == []
    assert doubtful(known, sight(known, [exposure()], resources=[])) == [], "what stands was seen"


def test_only_subscriptions_that_were_seen_are_looked_at_again_once_a_resource_and_the_worst_first() -> None:
    known = items(
        exposure(account("low"), severity="low"),
        exposure(account("st"), endpoint="file"),
        finding(container("a"), "anonymous"),
        exposure(account("bad"), severity="critical"),
    )
    seen = sight(known, resources=[account(name) for name in ("low", "st", "bad")])
    assert doubtful(known, seen) == [account("bad"), account("st"), account("low")]
    assert doubtful(known, seen, OTHER) == []


def looks(*paths: str, bodies: Iterable[str] = ()) -> Store:
    """A collection with these gaps and bodies."""
    made = Store(Head(taken=TUESDAY))
    for path in paths:
        made.gap(path, 403, "AuthorizationFailed", "")
    for id in bodies:
        made.resource({"id": id, "properties": {}}, None, "get")
    return made


def ids(store: Store) -> set[str]:
    return {line.resource["id"] for line in store.decoded() if line.resource is not None}


def test_a_second_look_that_read_all_is_taken() -> None:
    first = looks(bodies=[account("a"), container("x", "a"), account("b")])
    made, doubts = remember.settled(first, looks(bodies=[account("a")]), [account("a"), account("b")], frozenset())
    assert ids(made) == {account("a"), account("b")}
    assert doubts == Doubts()


def test_what_the_second_look_could_not_read_stays_as_it_was_and_is_not_confirmed() -> None:
    first = looks(bodies=[account("a"), container("x", "a"), account("b"), container("y", "b")])
    second = looks(f"{account('a')}/blobServices/default/containers", bodies=[account("a"), account("b")])
    made, doubts = remember.settled(first, second, [account("a"), account("b")], frozenset())
    assert ids(made) == {account("a"), container("x", "a"), account("b")}
    assert doubts.is_unconfirmed(container("x", "A"))
    assert not doubts.is_unconfirmed(account("b"))
    assert [gap.url for gap in doubts.gaps] == [f"{account('a')}/blobServices/default/containers"]


def test_a_gap_that_was_one_before_leaves_nothing_unconfirmed() -> None:
    gap = f"{account('a')}/blobServices/default/containers"
    made, doubts = remember.settled(
        looks(gap, bodies=[account("a")]), looks(gap.upper() + "/", bodies=[account("a")]), [account("a")], frozenset()
    )
    assert not doubts.is_unconfirmed(account("a"))
    assert ids(made) == {account("a")}


def test_networks_that_cannot_be_read_again_confirm_nothing() -> None:
    first, gone = looks(bodies=[account("a"), account("b")]), frozenset({root_of(account("b"))})
    made, doubts = remember.settled(first, looks(NETWORKS, bodies=[account("a")]), [account("a")], gone)
    assert made is first
    assert doubts.all_unconfirmed
    assert doubts.is_unconfirmed(account("c"))


def test_a_login_of_a_group_that_cannot_list_networks_again_confirms_all_but_machines() -> None:
    part, machine = f"/subscriptions/{SUB}", account("machine")
    asked = [account("a"), account("b"), machine]
    first = looks(part, NETWORKS, bodies=asked)
    first.read(NETWORKS.replace("virtualNetworks", "networkSecurityGroups"), 0)
    refused = f"{account('a')}/blobServices/default/containers"
    second = looks(NETWORKS.replace("virtualNetworks", "networkSecurityGroups"), refused, bodies=asked)
    made, doubts = remember.settled(first, second, asked, frozenset(), lambda id: id == machine)
    assert not doubts.all_unconfirmed
    assert [doubts.is_unconfirmed(each) for each in asked] == [True, False, True]
    assert [gap.url for gap in doubts.gaps] == [refused]
    assert {line.gap.url for line in made.decoded() if line.gap} == {part, NETWORKS}


def test_a_resource_that_cannot_be_read_again_leaves_the_machines_beside_it_confirmed() -> None:
    asked = [account("a"), account("machine")]
    second = looks(f"{account('a')}/localUsers", bodies=asked)
    first = looks(f"/subscriptions/{SUB}", bodies=asked)
    _, doubts = remember.settled(first, second, asked, frozenset())
    assert [doubts.is_unconfirmed(each) for each in asked] == [True, False]


@pytest.mark.parametrize("known", [NETWORKS.replace("Networks", "Hubs"), f"{account('a')}/localUsers"])
def test_a_refused_list_makes_no_part_of_a_subscription_whose_networks_must_be_read_again(known: str) -> None:
    first = looks(known, bodies=[account("a")])
    made, doubts = remember.settled(first, looks(NETWORKS, bodies=[account("a")]), [account("a")], frozenset())
    assert made is first
    assert doubts.all_unconfirmed
    assert [gap.url for gap in doubts.gaps] == [NETWORKS]


def test_networks_make_the_endpoints_of_those_types_whose_ports_have_paths() -> None:
    machine = ResourceType("Microsoft.Compute/virtualMachines", api="2025-04-01")
    machine.paths(lambda resource, topology: ((), "", ()))
    networked = remember.networked(RuleSet(kinds=[*kinds(), machine]))
    group = f"/subscriptions/{SUB}/resourceGroups/rg/providers"
    assert networked(f"{group}/microsoft.compute/VIRTUALMACHINES/vm")
    assert not networked(account("st"))


def test_a_subscription_that_is_shown_no_more_and_what_no_second_look_could_read_are_missing() -> None:
    doubts = Doubts(gaps=(Gap(account("a"), 403, "AuthorizationFailed"),))
    night = snapshot((SUB.upper(), "full"))
    lost = Gap(f"/subscriptions/{OTHER}", 0, LOST)
    last = Last(MONDAY, "t", frozenset({SUB, OTHER}))
    assert remember.missing(Past(last=last), night, doubts) == [lost, *doubts.gaps]
    assert remember.missing(Past(last=Last(MONDAY, "t", frozenset({SUB}))), night, Doubts()) == []
    assert remember.missing(Past(), night, doubts) == [*doubts.gaps]


def test_what_arm_says_is_gone_is_out_and_gone() -> None:
    first, gone = looks(bodies=[account("a"), container("x", "a"), account("b")]), frozenset({root_of(account("a"))})
    made, doubts = remember.settled(first, looks(), [account("a"), account("b")], gone)
    assert ids(made) == {account("b")}
    assert (doubts.is_gone(container("x", "A")), doubts.is_gone(account("b"))) == (True, False)


# What is told


def told(found: Changes, seen: Any, past: Past) -> Any:
    return remember.changes_row(found, past, seen, confirmed=True, notes=["n"], trend=[])


def test_the_row_of_changes_counts_what_counts() -> None:
    known = items(exposure(), exposure(endpoint="file"), finding(), finding(rule="anonymous", category="network"))
    rows = [exposure(endpoint="table"), exposure(endpoint="queue", state="waived"), exposure(severity="critical")]
    seen = sight(known, [*rows, finding(status="unknown"), finding(container("a"), "anonymous", category="network")])
    row = told(changed(known, seen), seen, Past(known, always, Last(MONDAY, "t", frozenset({SUB}))))
    assert {name: count for name, count in row.counts.items() if count} == {
        "new": 1,
        "worse": 1,
        "fixed": 1,
        "unseen": 1,
        "open": 2,
    }
    assert (row.since, row.baseline, row.confirmed, row.notes) == (MONDAY, False, True, ["n"])
    assert [(each.endpoint, each.was.severity, each.last_seen) for each in row.worse] == [("blob", "high", MONDAY)]
    assert [each.endpoint for each in row.fixed] == ["file"]
    assert [each.rule for each in row.unseen] == ["plain-http"]


def test_a_baseline_is_a_scan_before_which_nothing_is_known() -> None:
    seen = sight({})
    assert (told(Changes(), seen, Past()).baseline, told(Changes(), seen, Past()).since) == (True, None)
    known = items(exposure(), taken=MONDAY) | items(finding(), taken=TUESDAY)
    row = told(Changes(), seen, Past(known))
    assert (row.baseline, row.since) == (False, TUESDAY)
    assert not told(Changes(), seen, Past(last=Last(MONDAY, "t", frozenset()))).baseline


def test_what_another_scan_added_meanwhile_stays_as_that_one_left_it() -> None:
    mine, theirs = items(exposure()), items(exposure(endpoint="file"), exposure(endpoint="table"))
    seen = sight(mine, [exposure(endpoint="table")])
    found = remember.judge({**mine, **theirs}, Past(mine, always), seen, LOOKED, Doubts(), lambda _: False)
    assert [(each.news, each.item.endpoint) for each in found.found] == [("fixed", "blob")]
    assert [item.endpoint for item in found.same] == ["table"]


def from_file(known: Mapping[Key, Item], seen: Any) -> Changes:
    """What comes of a file of the time of a sight."""
    past = remember.since_then(Past(known, always), seen.taken)
    return remember.judge(known, past, seen, LOOKED, Doubts(), lambda _: False)


def test_an_older_file_fixes_and_dates_nothing_that_a_later_scan_saw() -> None:
    known = items(exposure(), finding(), taken=TUESDAY)
    seen = sight(known, [finding(), exposure(endpoint="file")], taken=MONDAY)
    found = from_file(known, seen)
    assert (found.found, found.same, found.older) == ([], [], 2)


def test_a_file_of_the_very_time_or_later_is_judged_as_any_scan() -> None:
    known = items(exposure(), finding(), taken=MONDAY)
    for taken in (MONDAY, TUESDAY):
        found = from_file(known, sight(known, [finding(), exposure(endpoint="file")], taken=taken))
        assert sorted(each.news for each in found.found) == ["fixed", "new"]
        assert ([item.seen for item in found.same], found.older) == ([taken], 0)


def test_an_older_file_still_says_what_no_later_scan_looked_at() -> None:
    known = items(exposure(account("st", OTHER)), taken=TUESDAY) | items(exposure(), taken=MONDAY)
    door = exposure(account("st", OTHER), severity="critical", auth="anonymous")
    seen = sight(known, [door, exposure(endpoint="file")], taken=MONDAY)
    found = from_file(known, seen)
    assert sorted((each.news, each.item.endpoint) for each in found.found) == [("fixed", "blob"), ("new", "file")]
    assert found.older == 1


def test_a_live_scan_whose_clock_went_back_changes_what_it_sees() -> None:
    known = items(exposure(), finding(), taken=TUESDAY)
    seen = sight(known, [finding()], taken=MONDAY)
    found = remember.judge(known, Past(known, always), seen, LOOKED, Doubts(), lambda _: False)
    assert [each.news for each in found.found] == ["fixed"]
    assert (len(found.same), found.older) == (1, 0)


def test_in_an_older_file_nothing_is_new_where_a_later_scan_looked() -> None:
    first, last = exposure(account("a")), exposure(account("b"))
    other = items(exposure(account("st", OTHER)), taken=MONDAY)
    for known in (
        items(first, taken=TUESDAY) | items(last, taken=MONDAY) | other,
        items(first, taken=MONDAY) | items(last, taken=TUESDAY) | other,
        other | items(first, taken=TUESDAY),
    ):
        past = remember.since_then(Past(known, always), MONDAY)
        assert not past.before(account("x").upper(), "keys")
        assert past.before(account("x", OTHER), "keys")
        assert remember.since_then(Past(known, always), TUESDAY).before(account("x"), "keys")
        assert not remember.since_then(Past(known), TUESDAY).before(account("x"), "keys")


def test_what_is_not_confirmed_is_not_fixed_and_what_is_gone_is() -> None:
    known = items(exposure())
    seen = sight(known, resources=[])
    for doubts, news in (
        (Doubts(all_unconfirmed=True), "unseen"),
        (Doubts(unconfirmed=frozenset({root_of(account("st"))})), "unseen"),
        (Doubts(), "unseen"),
        (Doubts(gone=frozenset({root_of(account("st"))})), "fixed"),
    ):
        found = remember.judge(known, Past(known, always), seen, LOOKED, doubts, doubts.is_gone)
        assert [each.news for each in found.found] == [news]


def test_what_must_be_known_to_read_the_changes() -> None:
    def remarks(last: Last | None, **more: Any) -> list[str]:
        given = {"confirmed": True, "doubts": Doubts(), "beyond": 0, **more}
        return remember.remarks(Past(last=last), TUESDAY, "twolocks 2", **given)

    before = Last(MONDAY, "twolocks 2", frozenset())
    assert remarks(None) == remarks(before) == remarks(Last(TUESDAY, "twolocks 2", frozenset())) == []
    later = Last("2026-11-25T02:00:00Z", "twolocks 1", frozenset())
    assert remarks(later, confirmed=False, doubts=Doubts(all_unconfirmed=True), beyond=1200, older=3) == [
        f"the clock went back: this scan is of {TUESDAY}, the one before of 2026-11-25T02:00:00Z",
        "the scan before was judged by twolocks 1, this one by twolocks 2",
        "judged from a file: nothing was looked at a second time",
        "a later scan has seen 3 of these otherwise; an older file changes nothing of that",
        "a second look could not read the networks, so nothing counts as fixed",
        "1,200 more resources would need a second look; they stay open until a later scan",
    ]
