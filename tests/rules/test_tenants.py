"""Platform sign-in where the tenant of the subscription is not known, as in a file of bare resources."""

from scanner.evaluate.run import Evaluation
from scanner.model.exposure import Auth
from scanner.model.index import Index
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.format import Header
from tests.rules import examples


def test_an_issuer_cannot_be_compared_with_a_tenant_that_is_not_known() -> None:
    case = next(case for case in examples.cases() if case.name == "a custom provider that is the own tenant")
    top = examples.bundle(case).top
    assert top is not None
    kind = examples.kinds_of(case.type)[0]
    for tenants, level in (({examples.SUBSCRIPTION: examples.TENANT}, None), ({}, Auth.anonymous)):
        run = Evaluation(
            Snapshot(Header(taken="2026-11-25T00:00:00Z")), examples.rules(), index=Index(subscriptions=tenants)
        )
        app = next(each for each in run.exposures(kind, top)[0] if each.endpoint == "app")
        assert app.possible_authentication == level
