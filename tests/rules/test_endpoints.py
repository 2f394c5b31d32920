"""Each endpoint can fail on each of its locks, or its type says why it cannot."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from scanner.model.exposure import IDENTITY, LOCKS, NO_GRANT, Exposure
from scanner.model.resource_type import NO_PORT, Endpoint, NoPort, ResourceType
from scanner.reach.questions.port_query import port_of_endpoint
from tests.rules import examples
from tests.rules.each import each_case, each_in
from tests.rules.examples import Case

KINDS = {kind.type: kind for kind in examples.rules().kinds if kind.endpoint_function is not None}


class TypeEndpoint(NamedTuple):
    """An endpoint of a type."""

    type: str
    endpoint: Endpoint

    @property
    def id(self) -> str:
        return f"{self.endpoint.name} of {self.type}"


ENDPOINTS = {type: [TypeEndpoint(type, each) for each in kind.endpoint_list] for type, kind in KINDS.items()}


def each_endpoint(check: Callable[[TypeEndpoint], None]) -> Callable[..., None]:
    """Make a test of each type from a check of one endpoint."""
    return each_in(ENDPOINTS, check)


def read_by(kind: ResourceType, lock: str, endpoint: str) -> list[str]:
    return [
        rule.id
        for rule in examples.rules().rules_of(kind)
        if rule.lock and rule.category == lock and endpoint in rule.endpoints
    ]


@each_endpoint
def test_an_endpoint_can_fail_on_each_lock_or_it_says_why_not(endpoint: TypeEndpoint) -> None:
    for lock in LOCKS:
        matches = read_by(KINDS[endpoint.type], lock, endpoint.endpoint.name)
        reason = endpoint.endpoint.why_no_rule(lock)
        assert bool(matches) != bool(reason), f"{lock}: rules {matches}, reason {reason!r}"
    if not isinstance(endpoint.endpoint.no_rule, str):
        assert set(endpoint.endpoint.no_rule) <= set(LOCKS)


@pytest.mark.parametrize("type", KINDS)
def test_no_endpoint_is_there_twice(type: str) -> None:
    names = KINDS[type].endpoint_names
    assert len(names) == len(set(names))
    for endpoint, name in enumerate(names):
        # The first that fits is the endpoint of an exposure.
        assert not any(earlier.fits(name) for earlier in KINDS[type].endpoint_list[:endpoint])


@each_case
def test_exposures_are_of_the_kinds_that_their_type_declares(case: Case) -> None:
    for kind in examples.kinds_of(case.type):
        top = examples.bundle(case).top
        assert top is not None
        for exposure in examples.evaluation(case).exposures(kind, top)[0]:
            known = kind.endpoint_of(exposure.endpoint)
            assert known is not None, exposure.endpoint
            assert exposure.kind == known.kind or (exposure.kind == "app" and known.may_be_app), exposure.endpoint


@each_endpoint
def test_an_example_shows_the_endpoint(endpoint: TypeEndpoint) -> None:
    kind = KINDS[endpoint.type]
    shown = (name for case in examples.cases() if kind in examples.kinds_of(case.type) for name in case.exposures)
    assert any(endpoint.endpoint.fits(name) for name in shown)


@each_endpoint
def test_an_endpoint_has_a_port_or_its_type_says_why_it_has_none(endpoint: TypeEndpoint) -> None:
    name = endpoint.endpoint.name
    matches = KINDS[endpoint.type].ports_of(Exposure(name, endpoint.endpoint.kind, NO_GRANT, IDENTITY))
    assert matches
    assert matches is not NO_PORT
    if not isinstance(matches, NoPort):
        assert "*/*" in matches or name.endswith("p/*") or all(port_of_endpoint(each) for each in matches), matches


@each_case
def test_the_ports_of_an_exposure_are_ports(case: Case) -> None:
    for kind in examples.kinds_of(case.type):
        top = examples.bundle(case).top
        assert top is not None
        for exposure in examples.evaluation(case).exposures(kind, top)[0]:
            matches = kind.ports_of(exposure)
            assert isinstance(matches, NoPort) or all(port_of_endpoint(each) for each in matches), exposure.endpoint
