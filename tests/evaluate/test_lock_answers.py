"""What lock rules answer where a half of an exposure has nothing that is sure, or nothing at all."""

import pytest
from msgspec.structs import replace

from scanner.evaluate.locks import answer, evaluate
from scanner.model.exposure import (
    ANONYMOUS,
    IDENTITY,
    SHARED,
    Auth,
    Exposure,
    Lock,
    Reach,
    Switch,
    grant,
    possible,
    unread,
)
from scanner.model.message import Message
from scanner.model.severity import Severity
from scanner.model.verdict import NotApplicable, Pass, Unknown, Unread

LOST = Unread("a part", Message("not collected"))
NO_GRANTS = Lock()
OPEN = grant(Reach.internet)


def exposure(reach: Lock, authentication: Lock, kind: str = "data") -> Exposure:
    return Exposure("endpoint", kind, reach, authentication)  # type: ignore[arg-type]


def test_an_empty_lock_is_rated_as_the_worst() -> None:
    assert exposure(OPEN, NO_GRANTS).worst_severity is Severity.critical
    assert exposure(NO_GRANTS, grant(Auth.anonymous)).worst_severity is Severity.critical
    assert exposure(NO_GRANTS, NO_GRANTS).worst_severity is Severity.critical


@pytest.mark.parametrize("lock", ["anonymous-access", "authentication", "network"])
def test_an_endpoint_that_was_not_read_is_undecided_on_each_lock(lock: str) -> None:
    assert answer(lock, unread("endpoint", "data", LOST)) == "unknown"


def test_who_reaches_an_endpoint_without_any_grant_is_not_known() -> None:
    assert answer("authentication", exposure(NO_GRANTS, grant(Auth.shared))) == "unknown"
    assert answer("network", exposure(NO_GRANTS, IDENTITY)) == "unknown"


def test_what_an_endpoint_asks_that_says_nothing_may_be_nothing() -> None:
    assert answer("network", exposure(possible(Reach.internet, LOST), NO_GRANTS, "app")) == "unknown"


def test_an_app_that_asks_for_an_identity_may_be_reached_from_the_internet() -> None:
    assert answer("network", exposure(OPEN, IDENTITY, "app")) == "pass"
    assert answer("network", exposure(possible(Reach.internet, LOST), IDENTITY, "app")) == "pass"


def test_a_key_that_may_be_taken_fails_no_open_app_yet() -> None:
    assert answer("network", exposure(OPEN, possible(Auth.shared, LOST), "app")) == "unknown"
    assert answer("network", exposure(OPEN, possible(Auth.shared, LOST))) == "fail"


def test_what_a_switch_should_say_is_its_strictest_value() -> None:
    assert Switch("path", {True: Auth.shared, False: Auth.identity}).expected() is False
    assert Switch("path", {"Off": Auth.identity, "On": Auth.shared}).expected() == "Off"


def test_a_network_rule_of_some_credentials_passes_on_endpoints_that_ask_for_others() -> None:
    endpoints = [
        Exposure("tcp/22", "admin", OPEN, SHARED.with_name("administration")),
        Exposure("tcp/80", "app", OPEN, ANONYMOUS.with_name("web")),
    ]
    assert evaluate("network", endpoints, ("administration",)).failing == (endpoints[0],)
    assert isinstance(evaluate("network", endpoints, ("databases",)).verdict, Pass)
    assert isinstance(evaluate("network", [], ("databases",)).verdict, NotApplicable)


HIDDEN = Exposure(
    "hidden", "data", grant(Reach.none), grant(Auth.shared), hidden_rules=Message("rules inside are not shown")
)


def test_what_is_hidden_at_one_endpoint_of_two_does_not_settle_the_rule() -> None:
    shut = exposure(grant(Reach.none), IDENTITY)
    assert isinstance(evaluate("network", [HIDDEN]).verdict, NotApplicable)
    assert isinstance(evaluate("network", [HIDDEN, shut]).verdict, Pass)


def test_a_weak_login_at_one_hidden_endpoint_is_enough() -> None:
    strong = replace(HIDDEN, authentication=IDENTITY)
    assert isinstance(evaluate("authentication", [strong]).verdict, Pass)
    assert isinstance(evaluate("authentication", [strong, HIDDEN]).verdict, NotApplicable)


def test_an_unknown_says_whether_something_is_missing_beside_its_gaps() -> None:
    refused = Unread("a list", Message("403"), "/a/list")
    gap = exposure(OPEN, IDENTITY | possible(Auth.anonymous, refused))
    both = exposure(OPEN, IDENTITY | possible(Auth.anonymous, refused) | possible(Auth.anonymous, LOST))
    verdicts = [evaluate("anonymous-access", [each]).verdict for each in (gap, both)]
    assert [verdict.has_other_reasons for verdict in verdicts if isinstance(verdict, Unknown)] == [False, True]
