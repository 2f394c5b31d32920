"""What became of what is remembered: every answer, and what holds for any estate."""

import random
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.document.schema import (
    Coverage,
    Document,
    ExposureRow,
    FindingRow,
    ResourceRow,
    ScanRow,
    exposure_fingerprint,
    finding_fingerprint,
)
from scanner.document.states import State
from scanner.history.compare import change_between, compare
from scanner.history.items import Change, ChangeKind, Changes, Item, ItemKey, level, top_of
from scanner.history.observation import FirstId, Observation, ScanCoverage, observe, same_id
from scanner.model.exposure import LOCKS
from scanner.model.severity import Severity

MONDAY, TUESDAY = "2026-11-23T02:00:00Z", "2026-11-24T02:00:00Z"
SUB, OTHER = "11111111-aaaa", "22222222-bbbb"
TYPE = "microsoft.storage/storageaccounts"


def account(name: str, subscription: str = SUB) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{name}"


def container(name: str, of: str = "st") -> str:
    return f"{account(of)}/blobServices/default/containers/{name}"


def exposure(
    resource: str = account("st"),
    endpoint: str = "blob",
    *,
    reach: str = "internet",
    auth: str = "shared",
    severity: str | None = "high",
    worst: str | None = None,
    state: str = "open",
    address: str = "",
) -> ExposureRow:
    return ExposureRow(
        resource=resource,
        endpoint=endpoint,
        kind="data",
        address=address,
        reach=reach,
        authentication=auth,
        may=None,
        severity=severity,
        worst=worst or severity,
        state=cast("State", state),
        reason="",
        title=f"{endpoint} is open",
        evidence=[],
        hops=[],
        admits=[],
        fix=None,
        breaks=None,
        fingerprint=exposure_fingerprint(resource, endpoint, address),
    )


def finding(
    resource: str = account("st"),
    rule: str = "plain-http",
    *,
    status: str = "fail",
    severity: str | None = "medium",
    category: str = "transport",
) -> FindingRow:
    return FindingRow(
        rule=rule,
        title=rule,
        category=category,
        status=status,
        severity=severity,
        resource=resource,
        endpoints=["blob"] if category in LOCKS else [],
        message="",
        evidence=[],
        fix=None,
        gaps=[],
        fingerprint=finding_fingerprint(rule, resource),
    )


Row = ExposureRow | FindingRow


def observed(
    known: Mapping[ItemKey, Item],
    rows: Iterable[Row] = (),
    *,
    taken: str = TUESDAY,
    resources: Iterable[str] = (account("st"),),
    passed: Iterable[tuple[str, str]] = (),
    carried: Iterable[tuple[str, str]] = (),
    first: FirstId = same_id,
) -> Observation:
    observation = Observation(known, taken, first)
    for id, rule in carried:
        observation.carry(id, rule)
    for row in rows:
        observation.exposure(row) if isinstance(row, ExposureRow) else observation.finding(row)
    for id, rule in passed:
        observation.passed(id, [rule])
    for id in resources:
        observation.resource(id)
    return observation


def items(*rows: Row, taken: str = MONDAY) -> dict[ItemKey, Item]:
    return observed({}, rows, taken=taken).items


COVERAGE = ScanCoverage({SUB}, {"plain-http", "anonymous"}, {TYPE})


def first_id(rule: str, resource: str = "", fingerprint: str = "") -> str:
    return "plain-http" if rule == "renamed" else rule


def always(resource: str, word: str) -> bool:
    return True


def changed(
    known: Mapping[ItemKey, Item], seen: Observation, looked: ScanCoverage = COVERAGE, **more: Callable[[str], bool]
) -> Changes:
    return compare(known, seen, looked, always, **more)


def one(changes: Changes) -> Change:
    assert len(changes.changed) == 1, changes
    return changes.changed[0]


def quiet(changes: Changes) -> bool:
    return not changes.changed


def edit(known: Mapping[ItemKey, Item], **fields: object) -> dict[ItemKey, Item]:
    return {key: msgspec.structs.replace(item, **fields) for key, item in known.items()}


# What is seen


def test_what_an_earlier_scan_would_have_seen_is_new() -> None:
    assert one(changed({}, observed({}, [exposure()]))).kind == "new"


@pytest.mark.parametrize(("row", "word"), [(exposure(), TYPE), (finding(rule="renamed"), "plain-http")])
def test_what_was_not_evaluated_before_is_distinguished(row: Row, word: str) -> None:
    asked = []

    def before(resource: str, word: str) -> bool:
        asked.append((resource, word))
        return False

    changes = compare({}, observed({}, [row], first=first_id), COVERAGE, before)
    assert one(changes).kind == "first-looked"
    assert asked == [(account("st"), word)]
    assert not changes.alerts()


def test_what_is_accepted_from_the_start_is_not_new() -> None:
    assert one(changed({}, observed({}, [exposure(state="waived")]))).kind == "accepted"
    assert one(changed({}, observed({}, [finding(status="waived")]))).item.state == "accepted"


def test_the_same_again_is_no_change_and_keeps_its_age() -> None:
    known = items(exposure(), finding())
    changes = changed(known, observed(known, [exposure(), finding()]))
    assert quiet(changes)
    assert [(item.since, item.seen) for item in changes.unchanged] == [(MONDAY, TUESDAY)] * 2


def test_an_id_that_differs_in_case_is_the_same() -> None:
    known = items(exposure(), finding())
    again: list[Row] = [exposure(account("st").upper(), "BLOB"), finding(account("st").upper())]
    assert quiet(changed(known, observed(known, again)))


def test_a_second_container_is_new_beside_the_first() -> None:
    known = items(exposure(endpoint="blob/a"))
    changes = changed(known, observed(known, [exposure(endpoint="blob/a"), exposure(endpoint="blob/b")]))
    assert (one(changes).kind, one(changes).item.endpoint) == ("new", "blob/b")


def test_fixed_and_seen_again_is_reopened_with_its_first_day() -> None:
    known = edit(items(exposure()), state="fixed")
    change = one(changed(known, observed(known, [exposure()])))
    assert (change.kind, change.item.since, change.item.state) == ("reopened", MONDAY, "open")


def test_what_is_not_accepted_any_more_is_reopened() -> None:
    known = items(finding(status="waived"))
    change = one(changed(known, observed(known, [finding()])))
    assert (change.kind, change.why) == ("reopened", "it is no longer accepted")


def test_accepted_now() -> None:
    known = items(exposure())
    seen = [exposure(state="intended")]
    assert one(changed(known, observed(known, seen))).kind == "accepted"
    after = items(*seen)
    assert quiet(changed(after, observed(after, seen)))


@pytest.mark.parametrize("row", [exposure(), exposure(state="waived")])
def test_lost_and_seen_again_is_not_new(row: ExposureRow) -> None:
    known = edit(items(row), visible=False)
    change = one(changed(known, observed(known, [row])))
    assert (change.kind, change.item.visible) == ("again", True)


@pytest.mark.parametrize(
    ("was", "now", "news", "why"),
    [
        (exposure(), exposure(severity="critical", auth="anonymous"), "worse",
         "high -> critical, authentication shared -> anonymous"),
        (exposure(), exposure(severity="medium", auth="identity"), "better",
         "high -> medium, authentication shared -> identity"),
        (exposure(reach="wide"), exposure(), "worse", "reach wide -> internet"),
        (exposure(), exposure(reach="azure"), "better", "reach internet -> azure"),
        (finding(), finding(severity="high"), "worse", "medium -> high"),
        (finding(), finding(severity="low"), "better", "medium -> low"),
        # The cell as a whole got worse, though one half got better.
        (exposure(reach="selected", severity="medium"), exposure(auth="identity", severity="high"), "worse",
         "medium -> high, reach selected -> internet, authentication shared -> identity"),
    ],
)  # fmt: skip
def test_worse_and_better(was: Row, now: Row, news: str, why: str) -> None:
    known = items(was)
    change = one(changed(known, observed(known, [now])))
    assert (change.kind, change.why) == (news, why)
    assert change.was == known[change.item.key]


def test_one_lock_wider_and_the_other_stronger_is_neither_worse_nor_better() -> None:
    known = items(exposure(reach="azure", auth="anonymous"))
    changes = changed(known, observed(known, [exposure(reach="internet", auth="shared")]))
    assert quiet(changes)
    assert changes.unchanged[0].reach == "internet"


# What is not seen


def test_a_closed_exposure_is_fixed() -> None:
    known = items(exposure())
    change = one(changed(known, observed(known, [exposure(severity=None, state="closed", reach="none")])))
    assert (change.kind, change.why, change.item.state, change.item.seen) == ("fixed", "", "fixed", TUESDAY)


@pytest.mark.parametrize("state", ["unknown", "closed"])
def test_an_exposure_that_was_not_assessed_is_not_fixed(state: str) -> None:
    known = items(exposure())
    change = one(changed(known, observed(known, [exposure(severity=None, worst="high", state=state)])))
    assert (change.kind, change.why) == ("unseen", "it is inconclusive")
    assert change.item.seen == MONDAY


def test_a_passed_finding_is_fixed_even_under_another_name() -> None:
    known = items(finding())
    seen = observed(known, passed=[(account("st").upper(), "renamed")], first=first_id)
    assert one(changed(known, seen)).kind == "fixed"


def test_a_pass_counts_where_its_resource_was_not_listed() -> None:
    known = items(finding())
    assert one(changed(known, observed(known, resources=[], passed=[(account("st"), "plain-http")]))).kind == "fixed"


@pytest.mark.parametrize("status", ["unknown", "error"])
def test_an_undecided_finding_is_not_fixed(status: str) -> None:
    known = items(finding())
    change = one(changed(known, observed(known, [finding(status=status)])))
    assert (change.kind, change.why) == ("unseen", "it is inconclusive")


@pytest.mark.parametrize("above", [account("st"), f"{account('st')}/blobServices/default/", f"/subscriptions/{SUB}/"])
def test_an_undecided_parent_keeps_what_is_below_it(above: str) -> None:
    known = items(finding(container("a"), "anonymous"))
    change = one(changed(known, observed(known, [finding(above.upper(), "anonymous", status="unknown")])))
    assert (change.kind, change.why) == ("unseen", "a part that could not be read may contain it")


def test_another_rule_that_is_undecided_keeps_nothing() -> None:
    known = items(finding(container("a"), "anonymous"))
    assert one(changed(known, observed(known, [finding(status="unknown")]))).kind == "fixed"


@pytest.mark.parametrize(
    "possible",
    [
        finding(rule="anonymous", category="anonymous-access", status="unknown"),
        finding(container("x"), rule="anonymous", category="anonymous-access", status="error"),
        finding(f"/subscriptions/{SUB}", rule="anonymous", category="network", status="unknown"),
        exposure(endpoint="file", severity="low", worst="critical"),
    ],
)
def test_an_endpoint_that_is_not_listed_is_kept_while_a_lock_of_its_resource_is_inconclusive(possible: Row) -> None:
    known = items(exposure(endpoint="blob/a"))
    changes = changed(known, observed(known, [possible]))
    assert [change.kind for change in changes.changed if change.item.endpoint == "blob/a"] == ["unseen"]


def test_a_child_that_is_gone_is_fixed() -> None:
    known = items(exposure(endpoint="blob/a"), finding(container("a"), "anonymous"))
    assert [(each.kind, each.why) for each in changed(known, observed(known)).changed] == [("fixed", "")] * 2


def test_a_resource_that_was_not_visible_is_kept_unless_it_is_certain_that_it_is_gone() -> None:
    known = items(exposure())
    nowhere = observed(known, resources=[])
    kept = one(changed(known, nowhere))
    assert (kept.kind, kept.item.state, kept.item.visible) == ("unseen", "open", False)
    fixed = one(changed(known, nowhere, is_gone=lambda id: id == account("st")))
    assert (fixed.kind, fixed.why) == ("fixed", "the resource no longer exists")


def test_what_was_lost_before_is_lost_quietly() -> None:
    known = edit(items(exposure()), visible=False)
    changes = changed(known, observed(known, resources=[]))
    assert quiet(changes)
    assert changes.unchanged == list(known.values())


def test_nothing_is_fixed_where_the_re_verification_failed() -> None:
    known = items(exposure(), finding())
    seen = observed(known, [exposure(severity=None, state="closed")], passed=[(account("st"), "plain-http")])
    changes = changed(known, seen, is_unconfirmed=lambda _: True)
    assert {(each.kind, each.why) for each in changes.changed} == {("unseen", "re-verification could not read it")}


def test_what_is_fixed_stays_fixed_in_silence() -> None:
    known = edit(items(exposure()), state="fixed")
    changes = changed(known, observed(known))
    assert quiet(changes)
    assert not changes.unchanged


# What a scan looked at


@pytest.mark.parametrize(
    "looked",
    [
        ScanCoverage({OTHER}, {"plain-http"}, {TYPE}),
        ScanCoverage({SUB}, {"anonymous"}, {"microsoft.sql/servers"}),
        ScanCoverage(set(), set(), set(), previous_subscriptions={OTHER}),
        ScanCoverage(set(), {"anonymous"}, set(), previous_subscriptions={SUB}),
        ScanCoverage(set(), {"plain-http"}, {TYPE}, unfiltered=False, previous_subscriptions={SUB}),
    ],
    ids=["another subscription", "other rules", "lost another", "lost, other rules", "filtered"],
)
def test_outside_of_what_was_looked_at_nothing_changes(looked: ScanCoverage) -> None:
    known = items(exposure(), finding())
    changes = changed(known, observed(known), looked)
    assert quiet(changes)
    assert not changes.unchanged


def test_a_subscription_that_vanished_is_lost_not_fixed() -> None:
    known = items(exposure(), finding())
    looked = ScanCoverage(set(), {"plain-http"}, {TYPE}, previous_subscriptions={SUB})
    assert [each.kind for each in changed(known, observed(known, resources=[]), looked).changed] == ["unseen"] * 2


def test_a_filtered_scan_evaluates_only_the_resources_that_it_saw() -> None:
    known = items(finding(account("st")), finding(account("other")))
    looked = ScanCoverage({SUB}, {"plain-http"}, {TYPE}, unfiltered=False)
    change = one(changed(known, observed(known), looked))
    assert (change.kind, change.item.resource) == ("fixed", account("st"))


def test_a_scan_of_a_group_fixes_what_is_gone_there_and_nothing_outside_it() -> None:
    outside = account("out").replace("/rg/", "/other/")
    known = items(exposure(), finding(), exposure(outside), finding(outside))
    group = f"/subscriptions/{SUB}/resourcegroups/rg"
    looked = ScanCoverage({SUB}, {"plain-http"}, {TYPE}, unfiltered=False, whole_scopes={group})
    changes = changed(known, observed(known, resources=[]), looked, is_gone=lambda _: True)
    assert [(each.kind, each.item.resource) for each in changes.changed] == [("fixed", account("st"))] * 2
    assert not changes.unchanged


def test_a_slot_that_is_seen_fixes_nothing_of_its_site_nor_of_another_slot() -> None:
    site = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Web/sites/app"
    slots = [f"{site}/slots/{name}" for name in ("test", "next")]
    known = items(*(exposure(id, "app") for id in (site, *slots)))
    types = {"microsoft.web/sites", "microsoft.web/sites/slots"}
    for whole, news in ((False, []), (True, ["unseen"] * 2)):
        seen = observed(known, [exposure(slots[0], "app")], resources=[slots[0]])
        assert [
            each.kind for each in changed(known, seen, ScanCoverage({SUB}, set(), types, unfiltered=whole)).changed
        ] == news
    seen = observed(known, [exposure(site, "app")], resources=[site])
    changes = changed(known, seen, ScanCoverage({SUB}, set(), types), is_gone=lambda id: "/slots/" in id)
    assert [(each.kind, each.why) for each in changes.changed] == [("fixed", "the resource no longer exists")] * 2


def test_a_subscription_or_a_group_that_is_seen_fixes_nothing_of_another() -> None:
    scopes = [
        f"/subscriptions/{SUB}",
        f"/subscriptions/{SUB}/resourceGroups/a",
        f"/subscriptions/{SUB}/resourceGroups/b",
    ]
    known = items(*(finding(scope) for scope in scopes))
    for scope in scopes:
        assert [
            each.item.resource for each in changed(known, observed(known, resources=[scope])).of(ChangeKind.fixed)
        ] == [scope]


def test_a_rule_counts_by_its_first_id() -> None:
    known = items(finding(rule="renamed"))
    seen = observed(known, first=first_id)
    assert one(changed(known, seen)).kind == "fixed"


# Who must be told


def test_paging_counts_exposures_and_findings_that_no_exposure_shows() -> None:
    rows: list[Row] = [
        exposure(),
        finding(severity="critical"),
        finding(rule="anonymous", category="anonymous-access", severity="high"),
        finding(rule="x", severity="low"),
    ]
    changes = changed({}, observed({}, rows))
    assert {each.item.rule for each in changes.alerts(Severity.high)} == {"", "plain-http"}
    assert len(changes.alerts()) == 3
    assert len(changes.of(ChangeKind.new, ChangeKind.fixed)) == 4


def test_fixed_and_better_page_no_one() -> None:
    known = items(exposure(), exposure(endpoint="file"))
    assert not changed(known, observed(known, [exposure(severity="low", auth="identity")])).alerts()


# Two rows with one fingerprint (names that differ in case only)


def test_of_two_rows_with_one_fingerprint_the_worse_counts() -> None:
    mild, bad = exposure(endpoint="function/a", severity="low"), exposure(endpoint="function/A")
    accepted = exposure(endpoint="function/A", severity="critical", state="waived")
    closed = exposure(endpoint="function/a", severity=None, state="closed")
    doubted = exposure(endpoint="function/A", severity=None, worst="high", state="closed")
    for rows in ([mild, bad, accepted], [accepted, bad, mild], [closed, bad, accepted]):
        assert [item.severity for item in items(*rows).values()] == ["high"]
    known = items(bad)
    for rows in ([closed, doubted], [doubted, closed]):
        assert one(changed(known, observed(known, rows))).kind == "unseen"


# Documents


def document(rows: Iterable[Row], passed: Mapping[str, list[str]], resources: Iterable[str]) -> Document:
    rows = list(rows)
    row = ResourceRow(type=TYPE, name="st", location="", subscription=SUB, resource_group="rg", tags={}, parent=None)
    return Document(
        schema="twolocks/2",
        scan=ScanRow(
            id="x", started=TUESDAY, finished=TUESDAY, taken=TUESDAY, tool="t", cloud="public", principal="", scopes=[],
            resources=1, reads=1, complete=True,
        ),
        rules={},
        resources=dict.fromkeys(resources, row),
        exposures=[row for row in rows if isinstance(row, ExposureRow)],
        findings=[row for row in rows if isinstance(row, FindingRow)],
        passed=dict(passed),
        not_applicable={account("st"): {"anonymous": "it has no containers"}},
        gaps=[],
        coverage=Coverage(scopes=[], types=[], rules_off=[]),
    )  # fmt: skip


def test_a_document_says_the_same_as_its_rows() -> None:
    known = items(exposure(), finding(), finding(rule="anonymous"), finding(container("a"), "anonymous"))
    seen = observe(document([exposure()], {account("st"): ["plain-http"]}, [container("a")]), known)
    assert sorted(seen.closed.values()) == [False, False]
    assert seen.is_present(account("st"))
    changes = changed(known, seen)
    assert [each.kind for each in changes.changed] == ["fixed"] * 3
    assert len(changes.unchanged) == 1


@pytest.mark.parametrize(
    ("id", "top"),
    [
        (container("a").upper(), account("st").lower()),
        (f"/subscriptions/{SUB}/", f"/subscriptions/{SUB}"),
        ("", "/"),
    ],
)
def test_the_top_of_an_id(id: str, top: str) -> None:
    assert top_of(id) == top


def test_a_word_that_is_on_no_scale_ranks_below_all() -> None:
    assert level(Severity, "catastrophic") == -1


def test_of_a_document_each_row_counts() -> None:
    rows: list[Row] = [exposure(), exposure(endpoint="file"), finding(), finding(rule="anonymous")]
    made = document(rows, {account("a"): ["x"], account("b"): ["plain-http"]}, [account("a"), account("b")])
    made.not_applicable = {**made.not_applicable, account("b"): {"x": "", "anonymous": ""}}
    known = items(
        finding(account("b")), finding(account("b"), "anonymous"), exposure(account("a")), exposure(account("b"))
    )
    seen = observe(made, known)
    assert len(seen.items) == 4
    assert {key for key in known if key[0] == "finding"} <= seen.closed.keys()
    assert seen.is_present(account("a"))
    assert seen.is_present(account("b"))


def test_what_is_closed_or_has_no_cell_does_not_stand() -> None:
    known = items(exposure())
    for row in (exposure(severity="high", state="closed"), exposure(severity=None, worst="info")):
        assert observed(known, [row]).items == {}
        assert ("exposure", row.fingerprint) in observed(known, [row]).closed


def test_a_gap_below_a_subscription_keeps_what_lies_below_it() -> None:
    plan = f"/subscriptions/{SUB}/providers/Microsoft.Security/pricings/arm"
    known = items(
        exposure(f"{plan}/extensions/x"), exposure(f"/subscriptions/{SUB}/providers/Microsoft.Security/pricings/vm")
    )
    possible = finding(plan, rule="anonymous", category="network", status="unknown")
    at = ScanCoverage({SUB}, set(), {"microsoft.security/pricings/extensions", "microsoft.security/pricings"})
    changes = changed(known, observed(known, [possible], resources=[item.resource for item in known.values()]), at)
    assert {each.item.resource.rpartition("/")[2]: each.kind for each in changes.changed} == {
        "x": "unseen",
        "vm": "fixed",
    }


def test_a_rule_that_is_undecided_elsewhere_keeps_nothing() -> None:
    known = items(finding(container("a")))
    elsewhere = [finding(account("other"), status="unknown"), finding(container("b"), status="unknown")]
    assert one(changed(known, observed(known, elsewhere))).kind == "fixed"


def test_what_is_fixed_was_seen_for_certain() -> None:
    known = edit(items(exposure()), visible=False)
    assert one(changed(known, observed(known))).item.visible


def test_what_counts_is_an_exposure_or_a_finding_that_no_exposure_shows() -> None:
    rows = (exposure(), finding(), finding(rule="anonymous", category="network"))
    assert [item.is_counted for item in items(*rows).values()] == [True, True, False]
    changes = Changes([Change(ChangeKind.new, item) for item in items(*rows).values()])
    assert [each.item.rule for each in changes.counted(ChangeKind.new)] == ["", "plain-http"]


@pytest.mark.parametrize(
    ("was", "now", "news"),
    [
        ({"severity": "high", "reach": "internet"}, {"severity": "medium", "reach": "internet"}, "better"),
        ({"reach": "wide", "auth": "identity"}, {"reach": "internet", "auth": "identity"}, "worse"),
        ({"reach": "wide"}, {"reach": "wide"}, ""),
        ({"reach": "internet", "severity": "medium"}, {"reach": "wide", "severity": "high"}, "worse"),
        ({"reach": "wide", "severity": "high"}, {"reach": "internet", "severity": "medium"}, "better"),
    ],
)
def test_the_severity_says_first_whether_it_is_worse(was: dict[str, str], now: dict[str, str], news: str) -> None:
    known = items(exposure(**was))
    changes = changed(known, observed(known, [exposure(**now)]))
    assert [each.kind for each in changes.changed] == ([news] if news else [])


# What a history remembers of two moments


@pytest.mark.parametrize(
    ("was", "now", "looked", "news"),
    [
        (None, {}, True, "new"),
        (None, {}, False, "first-looked"),
        (None, {"state": "fixed"}, True, ""),
        (None, {"visible": False}, True, "new"),
        ({"state": "fixed"}, {"state": "fixed"}, True, ""),
        ({}, {"state": "fixed"}, True, "fixed"),
        ({"state": "fixed"}, {}, True, "reopened"),
        ({"state": "fixed"}, {"visible": False}, True, "reopened"),
        ({}, {"visible": False}, True, "unseen"),
        ({"visible": False}, {"visible": False}, True, ""),
        ({"visible": False}, {}, True, "again"),
        ({}, {}, True, ""),
        ({}, {"state": "accepted"}, True, "accepted"),
        ({"severity": "low"}, {"severity": "high"}, True, "worse"),
    ],
)
def test_between_two_moments(was: dict[str, str] | None, now: dict[str, str], looked: bool, news: str) -> None:
    item = items(exposure())["exposure", exposure().fingerprint]
    before = None if was is None else msgspec.structs.replace(item, **was)
    after = msgspec.structs.replace(item, **now)
    result = change_between(before, after, evaluated=looked)
    assert (result.kind if isinstance(result, Change) else "") == news
    assert (result.item if isinstance(result, Change) else result) == after
    assert not isinstance(result, Change) or result.was == before


# What holds for any estate

NAMES = ("a", "b")
exposures = st.builds(
    exposure,
    st.sampled_from([account(name) for name in NAMES]),
    st.sampled_from(["blob", "file"]),
    reach=st.sampled_from(["private", "wide", "internet"]),
    auth=st.sampled_from(["identity", "shared", "anonymous"]),
    severity=st.sampled_from([None, "low", "high", "critical"]),
    worst=st.sampled_from([None, "critical"]),
    state=st.sampled_from(["open", "waived", "intended"]),
)
findings = st.builds(
    finding,
    st.sampled_from([*(account(name) for name in NAMES), container("c", "a"), f"/subscriptions/{SUB}"]),
    st.sampled_from(["plain-http", "anonymous"]),
    status=st.sampled_from(["fail", "fail", "unknown", "error", "waived"]),
    severity=st.sampled_from(["low", "high"]),
    category=st.sampled_from(["transport", "network"]),
)
estates = st.lists(exposures | findings, max_size=8, unique_by=lambda row: row.fingerprint)
resources = st.sets(st.sampled_from([account(name) for name in NAMES]))
looks = st.builds(
    ScanCoverage,
    st.sets(st.sampled_from([SUB, OTHER])),
    st.sets(st.sampled_from(["plain-http", "anonymous"])),
    st.sets(st.just(TYPE)),
    st.booleans(),
    st.sets(st.just(SUB)),
)
some = settings(max_examples=80, deadline=None)


def after(known: Mapping[ItemKey, Item], changes: Changes) -> dict[ItemKey, Item]:
    """What is remembered after a scan."""
    return {
        **known,
        **{each.item.key: each.item for each in changes.changed},
        **{item.key: item for item in changes.unchanged},
    }


@some
@given(estates, resources, looks)
def test_a_scan_compared_with_itself_changes_nothing(rows: list[Row], seen: set[str], looked: ScanCoverage) -> None:
    known = after({}, changed({}, observed({}, rows, resources=seen), looked))
    assert quiet(changed(known, observed(known, rows, resources=seen), looked))


@some
@given(estates, estates, resources, looks)
def test_what_changed_is_reported_once(first: list[Row], then: list[Row], seen: set[str], looked: ScanCoverage) -> None:
    known = items(*first)
    later = after(known, changed(known, observed(known, then, resources=seen), looked))
    assert quiet(changed(later, observed(later, then, resources=seen), looked))


@some
@given(estates, estates, resources, looks, st.booleans())
def test_nothing_is_fixed_without_a_verdict(
    first: list[Row], then: list[Row], seen: set[str], looked: ScanCoverage, gone: bool
) -> None:
    known = items(*first)
    changes = changed(known, observed(known, then, resources=seen), looked, is_gone=lambda _: gone)
    for change in changes.of(ChangeKind.fixed):
        item = change.item
        assert top_of(item.resource) in {top_of(id) for id in seen} or gone or item.key in observed(known, then).closed
        for row in then:
            if isinstance(row, FindingRow) and row.status in ("unknown", "error") and row.rule == item.rule:
                assert not item.resource.lower().startswith(row.resource.lower())
    for change in changes.of(ChangeKind.no_longer_visible):
        assert (change.item.state, change.item.seen) == (known[change.item.key].state, MONDAY)


@some
@given(estates, estates, resources, looks)
def test_outside_of_what_was_looked_at_nothing_is_touched(
    first: list[Row], then: list[Row], seen: set[str], looked: ScanCoverage
) -> None:
    known = items(*first)
    new = observed(known, then, resources=seen)
    changes = changed(known, new, looked)
    touched = {each.item.key for each in changes.changed} | {item.key for item in changes.unchanged}
    for key in touched - set(new.items):
        item = known[key]
        assert SUB in looked.subscriptions or (looked.unfiltered and SUB in looked.previous_subscriptions)
        assert item.rule in looked.rules if item.kind == "finding" else TYPE in looked.types


@some
@given(estates, estates, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(first: list[Row], then: list[Row], chance: random.Random) -> None:
    known = items(*first)
    # Rows that collide, too: the same fingerprint with another cell.
    rows = then + [msgspec.structs.replace(row, severity="low") for row in then]
    mixed = chance.sample(rows, len(rows))
    assert changed(known, observed(known, rows)) == changed(known, observed(known, mixed))


@some
@given(estates)
def test_the_case_of_ids_does_not_matter(rows: list[Row]) -> None:
    known = items(*rows)
    loud = [msgspec.structs.replace(row, resource=row.resource.upper()) for row in rows]
    assert quiet(changed(known, observed(known, loud)))


@some
@given(estates)
def test_fixed_then_seen_is_reopened(rows: list[Row]) -> None:
    known = edit(items(*rows), state="fixed")
    for change in changed(known, observed(known, rows)).changed:
        assert change.kind == ("accepted" if change.item.state == "accepted" else "reopened")
        assert change.item.since == MONDAY


def test_a_resource_that_is_listed_and_could_not_be_read_is_not_gone() -> None:
    known = items(exposure(), finding())
    refused = [finding(rule="anonymous", status="unknown", category="anonymous-access"), finding(status="unknown")]
    changes = changed(known, observed(known, refused, resources=()), is_gone=lambda _: True)
    assert {each.kind for each in changes.changed} == {"unseen"}


def test_a_list_that_is_refused_hides_its_own_type_alone() -> None:
    known = items(exposure(container("c"), "blob/c"))
    refused = finding(f"/subscriptions/{SUB}", "sql-open", status="unknown", category="network")
    refused = msgspec.structs.replace(refused, gaps=[f"/subscriptions/{SUB}/providers/Microsoft.Sql/servers"])
    looked = ScanCoverage({SUB}, set(), {f"{TYPE}/blobservices/containers"})
    assert one(changed(known, observed(known, [refused]), looked)).kind == "fixed"
    refused = msgspec.structs.replace(
        refused, gaps=[f"/subscriptions/{SUB}/providers/Microsoft.Storage/storageAccounts"]
    )
    assert one(changed(known, observed(known, [refused]), looked)).kind == "unseen"
    refused = msgspec.structs.replace(refused, gaps=[])
    assert one(changed(known, observed(known, [refused]), looked)).kind == "unseen"


# What an earlier scan read


CARRIED = ((account("st"), "plain-http"),)


def test_nothing_is_new_by_what_an_earlier_scan_read() -> None:
    changes = changed({}, observed({}, [finding()], carried=CARRIED))
    assert (changes.changed, changes.unchanged) == ([], [])


def test_nothing_is_fixed_by_what_an_earlier_scan_read() -> None:
    known = items(finding())
    seen = observed(known, passed=[(account("st"), "plain-http")], carried=CARRIED)
    changes = changed(known, seen)
    assert (changes.changed, changes.unchanged) == ([], list(known.values()))
    assert one(changed(known, observed(known, passed=[(account("st"), "plain-http")]))).kind == "fixed"


def test_nothing_is_reopened_by_what_an_earlier_scan_read() -> None:
    known = edit(items(finding()), state="fixed")
    assert quiet(changed(known, observed(known, [finding()], carried=CARRIED)))
    assert one(changed(known, observed(known, [finding()]))).kind == "reopened"


def test_what_stays_open_is_seen_and_a_waiver_counts() -> None:
    known = items(finding())
    (item,) = changed(known, observed(known, [finding()], carried=CARRIED)).unchanged
    assert item.seen == TUESDAY
    assert one(changed(known, observed(known, [finding(status="waived")], carried=CARRIED))).kind == "accepted"


def test_a_row_says_that_it_was_read_by_an_earlier_scan() -> None:
    row = msgspec.structs.replace(finding(), read_at="2026-11-28T02:10:00Z")
    assert quiet(changed({}, observed({}, [row])))


def test_another_resource_or_rule_is_not_carried() -> None:
    others = ((account("other"), "plain-http"), (account("st"), "another"))
    assert one(changed({}, observed({}, [finding()], carried=others))).kind == "new"


def test_a_part_of_a_scan_says_what_it_carried() -> None:
    whole = observed({}, [finding()])
    part = whole.fork()
    part.carry(*CARRIED[0])
    whole.join(part.fragment())
    assert quiet(changed({}, whole))
