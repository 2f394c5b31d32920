"""Each endpoint of the contract can fail on each of its locks, or it stands here why it cannot."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import pytest

from scanner.model.exposure import IDENTITY, LOCKS, NO_GRANT, Exposure
from scanner.model.resource_type import NoPort, ResourceType
from scanner.reach.port_query import port_of_endpoint
from tests.rules import examples
from tests.rules.each import each_case, each_in
from tests.rules.examples import Case

CONTRACT: dict[str, dict[str, Any]] = examples.by_type("endpoints")
KINDS = {kind.type: kind for kind in examples.rules().kinds if kind.endpoint_function is not None}


class Place(NamedTuple):
    """An endpoint of a type."""

    type: str
    endpoint: str

    @property
    def id(self) -> str:
        return f"{self.endpoint} of {self.type}"


PLACES = {
    type: [Place(type, name) for part in ("data", "admin", "app") for name in entry.get(part, ())]
    for type, entry in CONTRACT.items()
}


def each_place(check: Callable[[Place], None]) -> Callable[..., None]:
    """Make a test of each type from a check of one endpoint."""
    return each_in(PLACES, check)


def read_by(kind: ResourceType, lock: str, endpoint: str) -> list[str]:
    return [
        rule.id
        for rule in examples.rules().rules_of(kind)
        if rule.lock and rule.category == lock and endpoint in rule.endpoints
    ]


def test_every_type_with_endpoints_stands_in_the_contract() -> None:
    assert set(KINDS) == set(CONTRACT)


@pytest.mark.parametrize("type", CONTRACT)
def test_the_endpoints_and_their_kinds_are_those_of_the_contract(type: str) -> None:
    expected = {name: part for part in ("data", "admin", "app") for name in CONTRACT[type].get(part, ())}
    assert KINDS[type].endpoint_kinds == expected


@each_place
def test_an_endpoint_can_fail_on_each_lock_or_it_says_why_not(place: Place) -> None:
    for lock in LOCKS:
        found, entry = read_by(KINDS[place.type], lock, place.endpoint), CONTRACT[place.type]
        reason = entry.get(f"{lock} {place.endpoint}") or entry.get(f"{lock} *")
        if lock == "network" and place.endpoint in entry.get("app", ()):
            reason = "docs/decisions/0007-web-applications-have-no-network-rule.md"
        assert bool(found) != bool(reason), f"{lock}: rules {found}, reason {reason!r}"


@each_case
def test_exposures_are_of_the_kinds_that_their_type_declares(case: Case) -> None:
    for kind in examples.kinds_of(case.type):
        top = examples.bundle(case).top
        assert top is not None
        for exposure in examples.evaluation(case).exposures(kind, top)[0]:
            declared = [part for name, part in kind.endpoint_kinds.items() if fnmatchcase(exposure.endpoint, name)]
            ports = CONTRACT[kind.type].get("also-app", ())
            declared += ["app" for name in ports if fnmatchcase(exposure.endpoint, name)]
            assert exposure.kind in declared, exposure.endpoint


def test_no_reason_is_about_something_that_is_not_there() -> None:
    for type, entry in CONTRACT.items():
        names = {name for part in ("data", "admin", "app") for name in entry.get(part, ())}
        for key in entry.keys() - {"data", "admin", "app", "also-app"}:
            lock, _, endpoint = key.partition(" ")
            assert lock in LOCKS, (type, key)
            assert endpoint in {*names, "*"}, (type, key)


@each_place
def test_an_example_shows_the_endpoint(place: Place) -> None:
    kind = KINDS[place.type]
    shown = (name for case in examples.cases() if kind in examples.kinds_of(case.type) for name in case.exposures)
    assert any(fnmatchcase(name, place.endpoint) for name in shown)


@each_place
def test_an_endpoint_has_a_port_or_its_type_says_why_it_has_none(place: Place) -> None:
    kind, endpoint = KINDS[place.type], place.endpoint
    found = kind.ports_of(Exposure(endpoint, kind.endpoint_kinds[endpoint], NO_GRANT, IDENTITY))
    if isinstance(found, NoPort):
        assert found.why in {each.why for each in kind.endpoint_ports.values() if isinstance(each, NoPort)}
        return
    assert found
    assert "*/*" in found or endpoint.endswith("p/*") or all(port_of_endpoint(each) for each in found), found


@pytest.mark.parametrize("type", CONTRACT)
def test_the_ports_of_a_type_are_of_its_endpoints(type: str) -> None:
    kind = KINDS[type]
    left = list(kind.endpoint_kinds)
    for pattern in kind.endpoint_ports:
        fits = [each for each in left if fnmatchcase(each, pattern)]
        assert fits, pattern
        left = [each for each in left if each not in fits]


@each_case
def test_the_ports_of_an_exposure_are_ports(case: Case) -> None:
    for kind in examples.kinds_of(case.type):
        top = examples.bundle(case).top
        assert top is not None
        for exposure in examples.evaluation(case).exposures(kind, top)[0]:
            found = kind.ports_of(exposure)
            assert isinstance(found, NoPort) or all(port_of_endpoint(each) for each in found), exposure.endpoint
