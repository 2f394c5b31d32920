"""Halves, the severity table and what a switch says."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.evaluate import locks
from scanner.model.exposure import (
    IDENTITY,
    NO_GRANT,
    SHARED,
    Auth,
    Exposure,
    Lock,
    Reach,
    Switch,
    cell,
    closed,
    grant,
    possible,
    replace,
    title,
    unread,
)
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.severity import Severity
from scanner.model.verdict import Fail, NotApplicable, Pass, Unknown, Unread

GAP = Unread("containers", Message("403 AuthorizationFailed"))
KINDS = ("data", "admin", "app")


def rank(severity: Severity | None) -> int:
    return -1 if severity is None else int(severity)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stronger_lock_never_raises_a_severity(kind: str) -> None:
    for auth, reach in itertools.product(Auth, Reach):
        for stronger in Auth:
            if stronger < auth:
                assert rank(cell(kind, stronger, reach)) <= rank(cell(kind, auth, reach))  # type: ignore[arg-type]
        for narrower in Reach:
            if narrower < reach:
                assert rank(cell(kind, auth, narrower)) <= rank(cell(kind, auth, reach))  # type: ignore[arg-type]


TABLE = {
    # (kind, authentication): none, private, selected, wide, azure, internet
    ("data", Auth.anonymous): (None, "medium", "high", "critical", "critical", "critical"),
    ("data", Auth.shared): (None, "low", "medium", "high", "high", "high"),
    ("data", Auth.identity): (None, None, None, "medium", "medium", "medium"),
    ("admin", Auth.anonymous): (None, "medium", "high", "critical", "critical", "critical"),
    ("admin", Auth.shared): (None, "low", "medium", "high", "high", "high"),
    ("admin", Auth.identity): (None, None, None, "medium", "medium", "medium"),
    ("app", Auth.anonymous): (None, None, "low", "medium", "medium", "medium"),
    ("app", Auth.shared): (None, None, None, "low", "low", "low"),
    ("app", Auth.identity): (None, None, None, None, None, None),
}
"""Every cell, by hand. No other test and no example names the severity of a cell."""


@pytest.mark.parametrize(("kind", "auth"), TABLE)
def test_the_table_of_severities(kind: str, auth: Auth) -> None:
    row = (cell(kind, auth, reach) for reach in sorted(Reach))  # type: ignore[arg-type]
    assert tuple(severity and severity.name for severity in row) == TABLE[kind, auth]


def test_the_table_has_every_kind_and_authentication() -> None:
    assert set(TABLE) == set(itertools.product(KINDS, Auth))


some_locks = st.builds(
    lambda grants, possible_grants: _joined(
        [grant(level) for level in grants] + [possible(level, GAP) for level in possible_grants]
    ),
    st.lists(st.sampled_from(Reach), max_size=3),
    st.lists(st.sampled_from(Reach), max_size=3),
)
auths = st.builds(
    lambda grants, possible_grants: _joined(
        [grant(level) for level in grants] + [possible(level, GAP) for level in possible_grants]
    ),
    st.lists(st.sampled_from(Auth), max_size=3),
    st.lists(st.sampled_from(Auth), max_size=3),
)


def _joined(several: list[Lock]) -> Lock:
    lock = NO_GRANT
    for one in several:
        lock |= one
    return lock


@given(some_locks, auths, st.sampled_from(KINDS))
def test_what_is_not_read_never_makes_an_exposure_milder(reach: Lock, authentication: Lock, kind: str) -> None:
    exposure = Exposure("blob", kind, reach, authentication)  # type: ignore[arg-type]
    assert rank(exposure.worst_severity) >= rank(exposure.severity)


@given(some_locks, auths, st.sampled_from(Reach), st.sampled_from(KINDS))
def test_one_more_grant_never_makes_an_exposure_milder(
    reach: Lock, authentication: Lock, more: Reach, kind: str
) -> None:
    before = Exposure("blob", kind, reach, authentication)  # type: ignore[arg-type]
    after = Exposure("blob", kind, reach | grant(more), authentication)  # type: ignore[arg-type]
    assert rank(after.severity) >= rank(before.severity)


def test_a_lock_shows_its_widest_grant_and_what_an_unread_part_could_add() -> None:
    lock = SHARED | IDENTITY | possible(Auth.anonymous, GAP)
    assert lock.widest is not None
    assert lock.widest.level is Auth.shared
    assert lock.widest_possible is not None
    assert lock.widest_possible.level is Auth.anonymous


def test_a_possible_grant_that_adds_nothing_is_not_reported() -> None:
    exposure = Exposure("blob", "data", grant(Reach.internet), grant(Auth.anonymous) | possible(Auth.shared, GAP))
    assert exposure.possible_authentication is None
    assert not exposure.inconclusive


def test_nothing_sure_is_unknown_and_could_be_the_worst() -> None:
    exposure = unread("blob", "data", GAP)
    assert (exposure.proven_reach, exposure.proven_authentication, exposure.severity) == (None, None, None)
    assert exposure.worst_severity is cell("data", Auth.anonymous, Reach.internet)
    assert exposure.inconclusive


def test_what_could_be_info_is_inconclusive_too() -> None:
    """Info is 0, which counted as no severity."""
    exposure = Exposure(
        "blob",
        "data",
        possible(Reach.internet, GAP),
        IDENTITY,
        max_severity=Severity.info,
        justification=Message("limited"),
    )
    assert (exposure.severity, exposure.worst_severity) == (None, Severity.info)
    assert exposure.inconclusive


def test_an_endpoint_that_is_off_is_closed_and_says_why() -> None:
    exposure = closed("sftp", "data", Message("SFTP is not switched on"), display_name=Message("SFTP"))
    assert exposure.severity is None
    assert title(exposure) == "SFTP is off: SFTP is not switched on"


def test_a_title_names_both_locks() -> None:
    exposure = Exposure("blob", "data", grant(Reach.internet), SHARED, display_name=Message("The blob service"))
    assert title(exposure) == "The blob service is reachable from the internet and accepts a shared key or password"


def test_a_milder_cell_needs_an_argument() -> None:
    with pytest.raises(TypeError, match="justification"):
        Exposure("nfs", "data", grant(Reach.private), grant(Auth.anonymous), max_severity=Severity.low)


@given(some_locks, auths)
def test_a_cap_and_a_milder_cell_never_raise_a_severity(reach: Lock, authentication: Lock) -> None:
    plain = Exposure("tcp/22", "admin", reach, authentication)
    milder = Exposure("tcp/22", "admin", reach, authentication, severity_steps_down=1, justification=Message("stopped"))
    capped = Exposure(
        "tcp/22", "admin", reach, authentication, max_severity=Severity.low, justification=Message("by design")
    )
    inside = Exposure(
        "nfs",
        "data",
        reach,
        authentication,
        max_severity=Severity.low,
        max_severity_up_to=Reach.private,
        justification=Message("by design"),
    )
    assert inside.rate(Auth.anonymous, Reach.private) is Severity.low
    assert inside.rate(Auth.anonymous, Reach.selected) is cell("data", Auth.anonymous, Reach.selected)
    assert rank(milder.severity) <= rank(plain.severity)
    assert rank(capped.severity) <= min(rank(plain.severity), Severity.low)


SWITCH = Switch("properties.keys", {False: Auth.identity, True: Auth.shared}, absent=True, source="a page")


def test_a_switch_says_what_its_values_mean_whatever_their_case_or_type() -> None:
    for value, level in ((True, Auth.shared), ("True", Auth.shared), (False, Auth.identity), ("false", Auth.identity)):
        lock = SWITCH.lock(Resource({"id": "/x", "Properties": {"KEYS": value}}))
        assert lock.widest is not None
        assert lock.widest.level is level


def test_a_value_that_is_unknown_is_never_closed() -> None:
    lock = SWITCH.lock(Resource({"id": "/x", "properties": {"keys": "maybe"}}))
    assert lock.widest is None
    assert lock.widest_possible is not None
    assert lock.widest_possible.level is Auth.shared


def test_an_absent_switch_means_what_its_source_says() -> None:
    lock = SWITCH.lock(Resource({"id": "/x", "properties": {"keys": None}}))
    assert lock.widest is not None
    assert lock.widest.level is Auth.shared


def test_what_is_absent_in_a_graph_row_may_fail_but_never_pass() -> None:
    safe = Switch("properties.sftp", {False: Auth.identity, True: Auth.shared}, absent=False, source="a page")
    assert safe.lock(Resource({"id": "/x", "properties": {}}, by="get")).widest is not None
    assert safe.lock(Resource({"id": "/x", "properties": {}}, by="graph")).widest is None
    assert SWITCH.lock(Resource({"id": "/x", "properties": {}}, by="graph")).widest is not None


def test_absent_without_a_source_does_not_load() -> None:
    with pytest.raises(TypeError, match="source"):
        Switch("properties.keys", {True: Auth.shared}, absent=True)


def test_a_network_of_which_only_the_service_shows_the_rules_is_not_applicable_but_a_certain_grant_fails() -> None:
    closed_but = Exposure(
        "tds", "data", grant(Reach.none), grant(Auth.shared), hidden_rules=Message("rules that nobody sees")
    )
    assert locks.evaluate("network", [closed_but]).verdict == NotApplicable(Message("rules that nobody sees"))
    assert locks.evaluate("authentication", [closed_but]).verdict == NotApplicable(Message("rules that nobody sees"))
    strong = Exposure(
        "tds", "data", grant(Reach.none), grant(Auth.identity), hidden_rules=Message("rules that nobody sees")
    )
    assert isinstance(locks.evaluate("authentication", [strong]).verdict, Pass)
    open_anyway = Exposure(
        "tds", "data", grant(Reach.internet), grant(Auth.shared), hidden_rules=Message("rules that nobody sees")
    )
    assert isinstance(locks.evaluate("network", [open_anyway]).verdict, Fail)


def test_rules_that_share_an_endpoint_each_read_their_own_credentials() -> None:
    authentication = IDENTITY | SHARED.with_name("admin") | possible(Auth.shared, GAP).with_name("tokens")
    exposure = Exposure("registry", "data", grant(Reach.internet), authentication)
    admin = locks.evaluate("authentication", (exposure,), ("admin",))
    assert isinstance(admin.verdict, Fail)
    assert admin.failing == (exposure,)
    assert isinstance(locks.evaluate("authentication", (exposure,), ("tokens",)).verdict, Unknown)
    assert isinstance(locks.evaluate("authentication", (exposure,), ("others",)).verdict, Pass)
    assert isinstance(locks.evaluate("authentication", (exposure,)).verdict, Fail)


@pytest.mark.parametrize("reach", Reach)
def test_a_reach_that_is_enough_counts_as_closed_and_a_wider_one_does_not(reach: Reach) -> None:
    authentication = grant(Auth.shared)
    exposure = Exposure(
        "publish",
        "data",
        grant(reach),
        authentication,
        counts_as_closed_up_to=Reach.selected,
        justification=Message("no switch for the keys"),
    )
    plain = Exposure("publish", "data", grant(reach), authentication)
    assert exposure.severity == (None if reach <= Reach.selected else plain.severity)
    with pytest.raises(TypeError, match="justification"):
        Exposure("publish", "data", grant(reach), authentication, counts_as_closed_up_to=Reach.selected)


def test_a_title_says_that_an_endpoint_is_stopped() -> None:
    reach, keys = grant(Reach.internet), grant(Auth.shared)
    running = Exposure("api-server", "admin", reach, keys, display_name=Message("The API server"))
    assert title(running) == "The API server is reachable from the internet and accepts a shared key or password"
    assert title(replace(running, stopped=True)) == (
        "The API server is stopped: would be reachable when started, from the internet; "
        "it accepts a shared key or password"
    )
    assert title(replace(running, reach=grant(Reach.none), stopped=True)).startswith(
        "The API server is reachable from no"
    )
