"""What the index does not know: in which subscription a list is missing, and with it what stands below it."""

import pytest

from scanner.document.writer import Writer
from scanner.evaluate.missing import index_of
from scanner.evaluate.policy import Policy
from scanner.evaluate.run import Evaluation
from scanner.model.index import INDEX_TYPES, Index
from scanner.rulebook.loader import Broken, RuleSet, load
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store

ONE, TWO, THREE = (f"5{letter}000000-0000-4000-8000-000000000001" for letter in "abc")
PERIMETERS = "Microsoft.Network/networkSecurityPerimeters"
PROFILES, RULES = f"{PERIMETERS}/profiles", f"{PERIMETERS}/profiles/accessRules"


def index(*gaps: str, without: tuple[str, ...] = ()) -> Index:
    """Three subscriptions in which every list was read but those that are gaps; of `without`, none was."""
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    for subscription in (ONE, TWO, THREE):
        made.scope(subscription, "prod", "tenant", "full")
        for type in INDEX_TYPES:
            path = f"/subscriptions/{subscription}/providers/{type}"
            if path not in gaps and type not in without:
                made.read(path, 0)
    for path in gaps:
        made.gap(path, 403, "AuthorizationFailed", "")
    return index_of(of_store(made), Policy())


def listed(subscription: str, type: str) -> str:
    return f"/subscriptions/{subscription}/providers/{type}"


def missing(result: Index, type: str) -> tuple[bool, ...]:
    """Whether it is missing in each subscription, and where nobody knows in which."""
    urls = (*(f"/subscriptions/{each}/x" for each in (ONE, TWO, THREE)), "nowhere")
    return tuple(result.missing_in(type, each) is not None for each in urls)


def test_where_every_list_was_read_nothing_is_missing() -> None:
    assert index().missing == {}


def test_a_refused_list_is_missing_in_its_own_subscription_and_its_kin_are_not() -> None:
    result = index(listed(ONE, PERIMETERS))
    assert missing(result, PERIMETERS) == (True, False, False, True)
    assert set(result.missing) == {each.lower() for each in INDEX_TYPES if each.startswith(PERIMETERS)}
    result = index(listed(ONE, RULES))
    assert set(result.missing) == {RULES.lower()}


def test_what_stands_below_a_refused_list_is_missing_there() -> None:
    result = index(listed(ONE, PERIMETERS))
    assert missing(result, PROFILES) == missing(result, RULES) == (True, False, False, True)


def test_what_is_missing_above_and_below_is_missing_in_either_place() -> None:
    result = index(listed(ONE, PERIMETERS), listed(TWO, RULES))
    assert missing(result, PROFILES) == (True, False, False, True)
    assert missing(result, RULES) == (True, True, False, True)
    own = result.missing_in(RULES, f"/subscriptions/{TWO}/x")
    assert own is not None
    assert own.gap == listed(TWO, RULES)


def test_what_stands_below_keeps_its_own_reason() -> None:
    result = index(listed(ONE, PERIMETERS), listed(ONE, RULES))
    own = result.missing_in(RULES, f"/subscriptions/{ONE}/x")
    assert own is not None
    assert own.gap == listed(ONE, RULES)


def test_what_was_not_listed_is_missing_everywhere_and_what_stands_below_it_too() -> None:
    result = index(without=(PERIMETERS,))
    assert missing(result, PERIMETERS) == missing(result, PROFILES) == (True,) * 4
    result = index(listed(TWO, RULES), without=(PERIMETERS,))
    assert missing(result, PERIMETERS) == missing(result, RULES) == (True,) * 4


def test_a_gap_of_no_subscription_leaves_the_type_missing_everywhere() -> None:
    result = index(listed(ONE, PERIMETERS), f"/providers/{PERIMETERS}")
    assert missing(result, PERIMETERS) == missing(result, RULES) == (True,) * 4


@pytest.mark.parametrize("views", [("full", "partial"), ("partial", "full"), ("full", "none")])
def test_one_subscription_that_is_not_fully_visible_leaves_a_scan_incomplete(views: tuple[str, ...]) -> None:
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    for subscription, view in zip((ONE, TWO), views, strict=True):
        made.scope(subscription, "prod", "tenant", view)
    for type in INDEX_TYPES:
        for subscription in (ONE, TWO):
            made.read(listed(subscription, type), 0)
    assert not completes(made, RuleSet())
    assert completes(index_only(ONE), RuleSet())


def test_a_rule_file_that_did_not_load_leaves_a_scan_incomplete() -> None:
    assert not completes(index_only(ONE), RuleSet(broken=[Broken("mine.py", 1, "SyntaxError")]))


def index_only(subscription: str) -> Store:
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    made.scope(subscription, "prod", "tenant", "full")
    for type in INDEX_TYPES:
        made.read(listed(subscription, type), 0)
    return made


def completes(made: Store, rules: RuleSet) -> bool:
    """Whether an evaluation ends as complete."""
    writer = Writer()
    result = Evaluation(of_store(made), rules).run(writer)
    writer.close()
    return result.complete


def test_a_gap_in_a_bundle_of_the_index_leaves_its_own_type_missing_alone() -> None:
    made = index_only(ONE)
    policy = f"/subscriptions/{ONE}/resourceGroups/rg/providers/Microsoft.Network/firewallPolicies/p"
    made.resource({"id": policy, "properties": {}}, "2025-09-01", "list")
    made.gap(f"{policy}/ruleCollectionGroups", 500, "InternalServerError", "")
    result = index_of(of_store(made), Policy())
    assert set(result.missing) == {"microsoft.network/firewallpolicies/rulecollectiongroups"}


STORES = "Microsoft.Storage/storageAccounts"


def types(*, resources: int = 0, read: int = 0) -> dict[str, tuple[int, bool, bool]]:
    """The number, `judged` and `complete` of each type, where the list of storage accounts failed."""
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    made.scope(ONE, "prod", "tenant", "full")
    rules = load(packages=False)
    rules.select(skip=["type:Microsoft.Resources/subscriptions"])
    listed_types = {type for kind in rules.kinds for type in kind.types if type.count("/") == 1} | set(INDEX_TYPES)
    for type in listed_types - {STORES}:
        made.read(listed(ONE, type), 0, "list")
    for number in range(read):
        id = f"/subscriptions/{ONE}/resourceGroups/rg/providers/{STORES}/st{number}"
        made.resource({"id": id, "name": f"st{number}", "type": STORES.upper(), "properties": {}}, "2025-08-01", "list")
    made.gap(listed(ONE, STORES), 500, "InternalServerError", "", resources)
    evaluation, writer = Evaluation(of_store(made), rules), Writer()
    evaluation.run(writer)
    writer.close()
    return {each.type: (each.resources, each.judged, each.complete) for each in evaluation.coverage().types}


def test_a_type_whose_list_failed_stands_in_the_coverage_with_its_number() -> None:
    assert types() == {STORES: (0, False, False)}
    assert types(resources=2) == {STORES: (2, False, False)}
    assert types(resources=2, read=1) == {STORES: (3, True, False)}


def test_a_resource_that_is_known_and_was_not_read_is_counted() -> None:
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    made.scope(ONE, "prod", "tenant", "full")
    id = f"/subscriptions/{ONE}/resourceGroups/rg/providers/{STORES}/st"
    made.gap(id, 500, "InternalServerError")
    evaluation, writer = Evaluation(of_store(made), load(packages=False)), Writer()
    evaluation.run(writer)
    writer.close()
    result = {each.type: each for each in evaluation.coverage().types}
    assert (result[STORES].resources, result[STORES].judged, result[STORES].complete) == (1, False, False)
    assert STORES in [each.type for each in evaluation.counts.incomplete_types]
    assert STORES not in [each.type for each in evaluation.counts.uncovered]
