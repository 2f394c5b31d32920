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
from scanner.history import reverify
from scanner.history.baseline import Baseline, HistoryWriter
from scanner.history.compare import compare
from scanner.history.first_ids import first_ids
from scanner.history.items import ChangeKind, Changes, Item, ItemKey, ScanRecord
from scanner.history.observation import ScanCoverage
from scanner.history.reverify import Reverification
from scanner.model.ids import root_of
from scanner.model.message import NOTHING
from scanner.model.resource import LOST, Gap
from scanner.model.resource_type import Endpoint, ResourceType
from scanner.model.rule import FixTemplate, Rule
from scanner.model.verdict import Pass
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot, of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.history.test_compare import (
    COVERAGE,
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
    observed,
)

FIX = FixTemplate(az="az version", impact=NOTHING)
STORES = f"/subscriptions/{SUB}/providers/Microsoft.Storage/storageAccounts"
NETWORKS = f"/subscriptions/{SUB}/providers/Microsoft.Network/virtualNetworks"


STORE = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
STORE.endpoints(Endpoint("blob", "data"))(lambda resource, index: iter(()))
VAULT = ResourceType("Microsoft.KeyVault/vaults", api="2025-08-01")
VAULT.endpoints(Endpoint("vault", "data"))(lambda resource, index: iter(()))
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
    result = {rule.id: rule for rule in RULES}
    return RuleSet(kinds=kinds(), rules=result, enabled={id: rule for id, rule in result.items() if id not in off})


def settings(**given: Any) -> Settings:
    names = ("from", "tenant", "management-group", "subscription", "resource", "resource-group", "tag", "exclude")
    none = dict.fromkeys((*names, "only", "skip"), ()) | {"from": "", "tenant": "", "until": ""}
    return Settings({name: Value(value, DEFAULT) for name, value in {**none, **given}.items()})


def snapshot(*views: tuple[str, str], reads: Iterable[tuple[str, str]] = (), **head: Any) -> Snapshot:
    made = Store(Header(taken=TUESDAY, **head))
    for subscription, view in views or ((SUB.upper(), "full"),):
        made.scope(subscription, "prod", "tenant", view)
    for url, by in reads:
        made.read(url, 0, by)
    return of_store(made)


def last_scan(taken: str, tool: str, *subscriptions: str) -> ScanRecord:
    return ScanRecord("1", taken, taken, taken, tool, "all", subscriptions)


Made = Callable[..., HistoryWriter]


@pytest.fixture
def noting() -> Iterator[Made]:
    """Makes writers, and gives their files back."""
    with ExitStack() as stack:

        def made(known: Mapping[ItemKey, Item], before: Callable[[str, str], bool] = always) -> HistoryWriter:
            writer = HistoryWriter(Baseline(known, before), TUESDAY, first_id)
            stack.callback(writer.close)
            return writer

        yield made


# Rows as they are written


def written(writer: HistoryWriter) -> Document:
    """The document that a writer has come to."""
    scan = ScanRow(
        id="", started="", finished="", taken=TUESDAY, tool="", cloud="", principal="", scopes=[], resources=1,
        reads=0, complete=True,
    )  # fmt: skip
    writer.finish(out := BytesIO(), scan, {}, [], Coverage(scopes=[], types=[], rules_off=[]))
    return msgspec.json.decode(out.getvalue(), type=Document)


def test_a_row_says_whether_it_is_new_and_since_when(noting: Made) -> None:
    writer, made = noting(items(exposure())), (exposure(), finding())
    writer.exposure(made[0])
    writer.finding(made[1])
    [endpoint], [fault] = written(writer).exposures, written(writer).findings
    assert (endpoint.new, endpoint.since) == (False, MONDAY)
    assert (fault.new, fault.since) == (True, TUESDAY)
    assert writer.observation.items.keys() == items(*made).keys()


@pytest.mark.parametrize("state", ["waived", "intended"])
def test_what_is_accepted_is_never_new(noting: Made, state: str) -> None:
    writer = noting({})
    writer.exposure(exposure(state=state))
    writer.finding(finding(status="waived"))
    [endpoint], [fault] = written(writer).exposures, written(writer).findings
    assert (endpoint.new, fault.new) == (False, False)
    assert (endpoint.since, fault.since) == (TUESDAY, TUESDAY)


def test_what_was_not_evaluated_before_is_not_new(noting: Made) -> None:
    writer = noting({}, lambda *_: False)
    writer.exposure(exposure())
    [endpoint] = written(writer).exposures
    assert (endpoint.new, endpoint.since) == (False, TUESDAY)


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
    for row in (exposure(state="closed"), exposure(severity=None, worst="high")):
        writer.exposure(row)
    writer.finding(finding(status="unknown"))
    endpoints, [fault] = written(writer).exposures, written(writer).findings
    assert len(endpoints) == 2
    assert [*(row.new for row in endpoints), fault.new] == [msgspec.UNSET] * 3
    assert len(writer.observation.closed) == 1
    assert len(writer.observation.inconclusive) == 1


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
    assert writer.observation.is_present(account("st"))
    assert writer.observation.closed.keys() == known.keys()


def test_a_scan_that_remembers_writes_every_row_into_its_document(noting: Made) -> None:
    writer, endpoint, fault = noting({}), exposure(), finding()
    row = ResourceRow(type="", name="st", location="", subscription=SUB, resource_group="", tags={}, parent=None)
    writer.exposure(endpoint)
    writer.finding(fault)
    writer.resource(account("st"), row)
    writer.passed(account("st"), ["purge"])
    writer.not_applicable(account("st"), {"anonymous": "it has none"})
    made = written(writer)
    new = {"new": True, "since": TUESDAY}
    assert made.exposures == [msgspec.structs.replace(endpoint, **new)]
    assert made.findings == [msgspec.structs.replace(fault, **new)]
    assert made.resources == {account("st"): row}
    assert made.passed == {account("st"): ["purge"]}
    assert made.not_applicable == {account("st"): {"anonymous": "it has none"}}


# What a scan looks at


def test_a_rule_is_called_by_its_first_id() -> None:
    first = first_ids(rules())
    names = [first(id) for id in ("keys", "old-keys", "strange")]
    assert names == [rules().rules["keys"].first_id, rules().rules["keys"].first_id, "strange"]


def test_a_type_is_looked_at_where_a_lock_rule_is_on_and_its_endpoints_are_read() -> None:
    first = rules().rules["keys"].first_id
    at = remember.coverage(snapshot(), rules(), Baseline())
    assert at.types == {"microsoft.storage/storageaccounts"}
    assert at.rules == {first, "http", "purge", "bare"}
    assert remember.rules_and_types(rules()) == {*at.rules, *at.types}
    off = remember.coverage(snapshot(), rules("keys"), Baseline())
    assert (off.types, off.rules) == (frozenset(), {"http", "purge", "bare"})


def test_a_subscription_that_is_not_visible_was_not_looked_at() -> None:
    scheduled_run = snapshot((SUB.upper(), "partial"), (OTHER, "none"))
    assert remember.visible_subscriptions(scheduled_run) == {SUB}
    last = last_scan(MONDAY, "t", SUB, OTHER)
    at = remember.coverage(scheduled_run, rules(), Baseline(last=last))
    assert (at.subscriptions, at.previous_subscriptions, at.unfiltered) == ({SUB}, {SUB, OTHER}, True)
    assert remember.coverage(scheduled_run, rules(), Baseline()).previous_subscriptions == frozenset()


@pytest.mark.parametrize("subset", [{"resources": [account("st")]}, {"groups": ["rg"]}, {"tags": ["a=b"]}])
def test_a_part_is_not_the_whole_and_fixes_nothing_that_it_did_not_see(subset: dict[str, Any]) -> None:
    scheduled_run = snapshot(reads=[(STORES, "list")], **subset)
    assert not remember.coverage(scheduled_run, rules(), Baseline()).unfiltered
    assert not remember.gone_by_lists(scheduled_run)(account("st"))


@pytest.mark.parametrize(
    ("subset", "fixed"),
    [
        ({}, ["in", "out"]),
        ({"groups": ["RG"]}, ["in"]),
        ({"groups": ["RG"], "tags": ["a=b"]}, []),
        ({"groups": ["RG"], "resources": [account("other")]}, []),
        ({"resources": [account("IN")]}, ["in"]),
    ],
)
def test_silence_fixes_what_was_asked_for_as_a_whole_and_nothing_outside_it(
    subset: dict[str, Any], fixed: list[str]
) -> None:
    known = items(exposure(account("in")), exposure(account("out").replace("/rg/", "/two/")))
    at = remember.coverage(snapshot(**subset), rules(), Baseline())
    changes = changed(known, observed(known, resources=[]), at, is_gone=lambda _: True)
    assert sorted(each.item.resource.rpartition("/")[2] for each in changes.of(ChangeKind.fixed)) == fixed
    assert len(changes.changed) == len(fixed)


def test_gone_is_what_arm_listed_in_a_subscription_that_is_fully_visible() -> None:
    full = snapshot(reads=[(STORES.upper(), "list")])
    assert remember.gone_by_lists(full)(account("st").upper())
    assert remember.gone_by_lists(full)(container("a"))
    assert not remember.gone_by_lists(full)(account("st", OTHER))
    assert not remember.gone_by_lists(full)(f"{STORES.replace('/providers', '/resourceGroups/rg/providers')}2/x")
    for scheduled_run in (
        snapshot((SUB, "partial"), reads=[(STORES, "list")]),
        snapshot(reads=[(STORES, "graph")]),
        snapshot(reads=[(NETWORKS, "list")]),
        snapshot(reads=[(STORES, "list")], live=False),
        snapshot((OTHER, "full"), reads=[(STORES, "list")]),
    ):
        assert not remember.gone_by_lists(scheduled_run)(account("st"))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "all"),
        ({"subscription": ("B", "A")}, "subscription=a subscription=b"),
        ({"management-group": ("Mg",), "subscription": ("A",)}, "management-group=mg subscription=a"),
        ({"tenant": "t1"}, "all tenant=t1"),
        ({"exclude": ("group:A", "sub:B")}, "all exclude=group:a exclude=sub:b"),
        ({"only": ("B*", "A"), "skip": ("x",), "tag": ("E=Prod",)}, "all tag=e=prod only=a only=b* skip=x"),
        ({"skip": ("x",), "until": "high"}, "all skip=x until=high"),
        ({"from": "night.jsonl", "subscription": ("z",), "tenant": "t"}, f"from {SUB}"),
    ],
)
def test_what_was_asked_for_is_one_line(given: dict[str, Any], line: str) -> None:
    assert remember.selection(settings(**given), snapshot(), first_ids(rules())) == line


def test_a_file_of_a_part_is_another_selection_than_the_whole() -> None:
    scheduled_run = snapshot(resources=[account("st")], groups=["Rg"], tags=["E=Prod"])
    assert remember.selection(settings(**{"from": "x"}), scheduled_run, first_ids(rules())) == (
        f"from {SUB} resource={account('st').lower()} resource-group=rg tag=e=prod"
    )


@pytest.mark.parametrize(
    ("head", "matches"),
    [
        ({}, [f"/subscriptions/{SUB}"]),
        ({"resources": [container("a")], "groups": ["rg"]}, [account("st").lower()]),
        ({"groups": ["Rg", "two"]}, [f"/subscriptions/{SUB}/resourcegroups/{each}" for each in ("rg", "two")]),
        ({"tags": ["B=2", "a=1"]}, [f"/subscriptions/{SUB}?tag=b=2&a=1"]),
        ({"live": False}, [f"/subscriptions/{SUB}?bare"]),
        ({"live": False, "tags": ["a=1"]}, [f"/subscriptions/{SUB}?tag=a=1"]),
    ],
)
def test_the_scopes_that_a_scan_leaves(head: dict[str, Any], matches: list[str]) -> None:
    assert remember.scopes(snapshot((SUB, "full"), (OTHER, "none"), **head)) == tuple(matches)


# The second look


def to_verify(
    known: Mapping[ItemKey, Item], seen: Any, *subscriptions: str, looked: ScanCoverage = COVERAGE, **more: Any
) -> list[str]:
    changes = compare(known, seen, looked, always, **more)
    return reverify.resources_to_verify(changes, seen, set(subscriptions or (SUB,)))


def test_what_seems_fixed_is_looked_at_again() -> None:
    assert to_verify(items(exposure()), observed(items(exposure()))) == [account("st")]


def test_what_is_new_and_critical_is_looked_at_again_and_less_is_not() -> None:
    rows = [exposure(account(name), severity=severity) for name, severity in (("c", "critical"), ("h", "high"))]
    assert to_verify({}, observed({}, [*rows, finding(account("f"), severity="critical")])) == [account("c")]
    known = items(exposure(severity="high"))
    assert to_verify(known, observed(known, [exposure(severity="critical", auth="anonymous")])) == [account("st")]
    known = items(exposure(severity="critical"))
    assert to_verify(known, observed(known, [exposure(severity="critical")])) == []


def test_what_was_not_visible_is_looked_at_again_also_where_it_was_lost_before() -> None:
    known = items(exposure())
    assert to_verify(known, observed(known, resources=[])) == [account("st")]
    lost = edit(known, visible=False)
    assert to_verify(lost, observed(lost, resources=[])) == [account("st")]
    undecided = [exposure(severity=None, worst="high", state="closed")]
    assert to_verify(known, observed(known, undecided)) == []
    assert to_verify(known, observed(known, [exposure()], resources=[])) == [], "what stands was seen"


def test_only_subscriptions_that_were_seen_are_looked_at_again_once_a_resource_and_the_worst_first() -> None:
    known = items(
        exposure(account("low"), severity="low"),
        exposure(account("st"), endpoint="file"),
        finding(container("a"), "anonymous"),
        exposure(account("bad"), severity="critical"),
    )
    seen = observed(known, resources=[account(name) for name in ("low", "st", "bad")])
    assert to_verify(known, seen) == [account("bad"), account("st"), account("low")]
    assert to_verify(known, seen, OTHER) == []


def looks(*paths: str, bodies: Iterable[str] = ()) -> Store:
    """A collection with these gaps and bodies."""
    made = Store(Header(taken=TUESDAY))
    for path in paths:
        made.gap(path, 403, "AuthorizationFailed", "")
    for id in bodies:
        made.resource({"id": id, "properties": {}}, None, "get")
    return made


def ids(store: Store) -> set[str]:
    return {line.resource["id"] for line in store.decoded() if line.resource is not None}


def test_a_re_verification_that_read_all_is_taken() -> None:
    first = looks(bodies=[account("a"), container("x", "a"), account("b")])
    made, verified = reverify.merged(first, looks(bodies=[account("a")]), [account("a"), account("b")], frozenset())
    assert ids(made) == {account("a"), account("b")}
    assert verified == Reverification()


def test_what_the_re_verification_could_not_read_stays_as_it_was_and_is_not_confirmed() -> None:
    first = looks(bodies=[account("a"), container("x", "a"), account("b"), container("y", "b")])
    second = looks(f"{account('a')}/blobServices/default/containers", bodies=[account("a"), account("b")])
    made, verified = reverify.merged(first, second, [account("a"), account("b")], frozenset())
    assert ids(made) == {account("a"), container("x", "a"), account("b")}
    assert verified.is_unconfirmed(container("x", "A"))
    assert not verified.is_unconfirmed(account("b"))
    assert [gap.url for gap in verified.gaps] == [f"{account('a')}/blobServices/default/containers"]


def test_a_gap_that_was_one_before_leaves_nothing_unconfirmed() -> None:
    gap = f"{account('a')}/blobServices/default/containers"
    made, verified = reverify.merged(
        looks(gap, bodies=[account("a")]), looks(gap.upper() + "/", bodies=[account("a")]), [account("a")], frozenset()
    )
    assert not verified.is_unconfirmed(account("a"))
    assert ids(made) == {account("a")}


def test_networks_that_cannot_be_read_again_confirm_nothing() -> None:
    first, gone = looks(bodies=[account("a"), account("b")]), frozenset({root_of(account("b"))})
    made, verified = reverify.merged(first, looks(NETWORKS, bodies=[account("a")]), [account("a")], gone)
    assert made is first
    assert verified.all_unconfirmed
    assert verified.is_unconfirmed(account("c"))


def test_a_login_of_a_group_that_cannot_list_networks_again_confirms_all_but_machines() -> None:
    subset, machine = f"/subscriptions/{SUB}", account("machine")
    asked = [account("a"), account("b"), machine]
    first = looks(subset, NETWORKS, bodies=asked)
    first.read(NETWORKS.replace("virtualNetworks", "networkSecurityGroups"), 0)
    refused = f"{account('a')}/blobServices/default/containers"
    second = looks(NETWORKS.replace("virtualNetworks", "networkSecurityGroups"), refused, bodies=asked)
    made, verified = reverify.merged(first, second, asked, frozenset(), lambda id: id == machine)
    assert not verified.all_unconfirmed
    assert [verified.is_unconfirmed(each) for each in asked] == [True, False, True]
    assert [gap.url for gap in verified.gaps] == [refused]
    assert {line.gap.url for line in made.decoded() if line.gap} == {subset, NETWORKS}


def test_a_resource_that_cannot_be_read_again_leaves_the_machines_beside_it_confirmed() -> None:
    asked = [account("a"), account("machine")]
    second = looks(f"{account('a')}/localUsers", bodies=asked)
    first = looks(f"/subscriptions/{SUB}", bodies=asked)
    _, verified = reverify.merged(first, second, asked, frozenset())
    assert [verified.is_unconfirmed(each) for each in asked] == [True, False]


@pytest.mark.parametrize("known", [NETWORKS.replace("Networks", "Hubs"), f"{account('a')}/localUsers"])
def test_a_refused_list_makes_no_part_of_a_subscription_whose_networks_must_be_read_again(known: str) -> None:
    first = looks(known, bodies=[account("a")])
    made, verified = reverify.merged(first, looks(NETWORKS, bodies=[account("a")]), [account("a")], frozenset())
    assert made is first
    assert verified.all_unconfirmed
    assert [gap.url for gap in verified.gaps] == [NETWORKS]


def test_networks_make_the_endpoints_of_those_types_whose_ports_have_paths() -> None:
    machine = ResourceType("Microsoft.Compute/virtualMachines", api="2025-04-01")
    machine.paths(lambda resource, topology: ((), "", ()))
    networked = reverify.exposed_by_networks(RuleSet(kinds=[*kinds(), machine]))
    group = f"/subscriptions/{SUB}/resourceGroups/rg/providers"
    assert networked(f"{group}/microsoft.compute/VIRTUALMACHINES/vm")
    assert not networked(account("st"))


def test_a_subscription_that_is_shown_no_more_and_what_no_re_verification_could_read_are_missing() -> None:
    verified = Reverification(gaps=(Gap(account("a"), 403, "AuthorizationFailed"),))
    scheduled_run = snapshot((SUB.upper(), "full"))
    lost = Gap(f"/subscriptions/{OTHER}", 0, LOST)
    last = last_scan(MONDAY, "t", SUB, OTHER)
    previous = Baseline(last=last).previous_subscriptions
    assert reverify.history_gaps(previous, scheduled_run, verified) == [lost, *verified.gaps]
    assert reverify.history_gaps({SUB}, scheduled_run, Reverification()) == []
    assert reverify.history_gaps(frozenset(), scheduled_run, verified) == [*verified.gaps]


def test_what_arm_says_is_gone_is_out_and_gone() -> None:
    first, gone = looks(bodies=[account("a"), container("x", "a"), account("b")]), frozenset({root_of(account("a"))})
    made, verified = reverify.merged(first, looks(), [account("a"), account("b")], gone)
    assert ids(made) == {account("b")}
    assert (verified.is_gone(container("x", "A")), verified.is_gone(account("b"))) == (True, False)


# What is told


def reported(changes: Changes, seen: Any, past: Baseline) -> Any:
    return remember.changes_row(changes, past, seen, confirmed=True, notes=["n"], trend=[])


def test_the_row_of_changes_counts_what_counts() -> None:
    known = items(exposure(), exposure(endpoint="file"), finding(), finding(rule="anonymous", category="network"))
    rows = [exposure(endpoint="table"), exposure(endpoint="queue", state="waived"), exposure(severity="critical")]
    seen = observed(known, [*rows, finding(status="unknown"), finding(container("a"), "anonymous", category="network")])
    row = reported(changed(known, seen), seen, Baseline(known, always, last_scan(MONDAY, "t", SUB)))
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
    seen = observed({})
    assert (reported(Changes(), seen, Baseline()).baseline, reported(Changes(), seen, Baseline()).since) == (True, None)
    known = items(exposure(), taken=MONDAY) | items(finding(), taken=TUESDAY)
    row = reported(Changes(), seen, Baseline(known))
    assert (row.baseline, row.since) == (False, TUESDAY)
    assert not reported(Changes(), seen, Baseline(last=last_scan(MONDAY, "t"))).baseline


def test_what_another_scan_added_meanwhile_stays_as_that_one_left_it() -> None:
    mine, theirs = items(exposure()), items(exposure(endpoint="file"), exposure(endpoint="table"))
    seen, baseline = observed(mine, [exposure(endpoint="table")]), Baseline(mine, always)
    changes = remember.compare_with_baseline(
        {**mine, **theirs}, baseline, seen, COVERAGE, Reverification(), lambda _: False
    )
    assert [(each.kind, each.item.endpoint) for each in changes.changed] == [("fixed", "blob")]
    assert [item.endpoint for item in changes.unchanged] == ["table"]


def from_file(known: Mapping[ItemKey, Item], seen: Any) -> Changes:
    """What comes of a file of the time of an observation."""
    past = Baseline(known, always).as_of(seen.taken)
    return remember.compare_with_baseline(known, past, seen, COVERAGE, Reverification(), lambda _: False)


def test_an_older_file_fixes_and_dates_nothing_that_a_later_scan_saw() -> None:
    known = items(exposure(), finding(), taken=TUESDAY)
    seen = observed(known, [finding(), exposure(endpoint="file")], taken=MONDAY)
    changes = from_file(known, seen)
    assert (changes.changed, changes.unchanged, changes.superseded) == ([], [], 2)


def test_a_file_of_the_very_time_or_later_is_evaluated_as_any_scan() -> None:
    known = items(exposure(), finding(), taken=MONDAY)
    for taken in (MONDAY, TUESDAY):
        changes = from_file(known, observed(known, [finding(), exposure(endpoint="file")], taken=taken))
        assert sorted(each.kind for each in changes.changed) == ["fixed", "new"]
        assert ([item.seen for item in changes.unchanged], changes.superseded) == ([taken], 0)


def test_an_older_file_still_says_what_no_later_scan_looked_at() -> None:
    known = items(exposure(account("st", OTHER)), taken=TUESDAY) | items(exposure(), taken=MONDAY)
    endpoint = exposure(account("st", OTHER), severity="critical", auth="anonymous")
    seen = observed(known, [endpoint, exposure(endpoint="file")], taken=MONDAY)
    changes = from_file(known, seen)
    assert sorted((each.kind, each.item.endpoint) for each in changes.changed) == [("fixed", "blob"), ("new", "file")]
    assert changes.superseded == 1


def test_a_live_scan_whose_clock_went_back_changes_what_it_sees() -> None:
    known = items(exposure(), finding(), taken=TUESDAY)
    seen = observed(known, [finding()], taken=MONDAY)
    changes = remember.compare_with_baseline(
        known, Baseline(known, always), seen, COVERAGE, Reverification(), lambda _: False
    )
    assert [each.kind for each in changes.changed] == ["fixed"]
    assert (len(changes.unchanged), changes.superseded) == (1, 0)


def test_in_an_older_file_nothing_is_new_where_a_later_scan_looked() -> None:
    first, last = exposure(account("a")), exposure(account("b"))
    other = items(exposure(account("st", OTHER)), taken=MONDAY)
    for known in (
        items(first, taken=TUESDAY) | items(last, taken=MONDAY) | other,
        items(first, taken=MONDAY) | items(last, taken=TUESDAY) | other,
        other | items(first, taken=TUESDAY),
    ):
        past = Baseline(known, always).as_of(MONDAY)
        assert not past.evaluated_before(account("x").upper(), "keys")
        assert past.evaluated_before(account("x", OTHER), "keys")
        assert Baseline(known, always).as_of(TUESDAY).evaluated_before(account("x"), "keys")
        assert not Baseline(known).as_of(TUESDAY).evaluated_before(account("x"), "keys")


def test_what_is_not_confirmed_is_not_fixed_and_what_is_gone_is() -> None:
    known = items(exposure())
    seen = observed(known, resources=[])
    for verified, news in (
        (Reverification(all_unconfirmed=True), "unseen"),
        (Reverification(unconfirmed=frozenset({root_of(account("st"))})), "unseen"),
        (Reverification(), "unseen"),
        (Reverification(gone=frozenset({root_of(account("st"))})), "fixed"),
    ):
        changes = remember.compare_with_baseline(
            known, Baseline(known, always), seen, COVERAGE, verified, verified.is_gone
        )
        assert [each.kind for each in changes.changed] == [news]


def test_what_must_be_known_to_read_the_changes() -> None:
    def remarks(last: ScanRecord | None, **more: Any) -> list[str]:
        given = {"confirmed": True, "verified": Reverification(), "unverified": 0, **more}
        return remember.notes(last, TUESDAY, "twolocks 2", **given)

    before = last_scan(MONDAY, "twolocks 2")
    assert remarks(None) == remarks(before) == remarks(last_scan(TUESDAY, "twolocks 2")) == []
    later = last_scan("2026-11-25T02:00:00Z", "twolocks 1")
    assert remarks(
        later, confirmed=False, verified=Reverification(all_unconfirmed=True), unverified=1200, superseded=3
    ) == [
        f"the clock went back: this scan is from {TUESDAY}, the previous one from 2026-11-25T02:00:00Z",
        "the previous scan was evaluated by twolocks 1, this one by twolocks 2",
        "evaluated from a file: nothing was re-verified",
        "a later scan has other results for 3 of these; an older file does not change them",
        "re-verification could not read the networks, so nothing counts as fixed",
        "1,200 more resources need re-verification; they remain open until a later scan",
    ]
