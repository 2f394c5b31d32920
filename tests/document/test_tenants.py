"""Names of subscriptions where several tenants are scanned."""

from msgspec import UNSET

from scanner.document.schema import ScanRow, ScopeRow
from scanner.document.tenants import scope_labels, tenant_labels

NORD, SOR = "8f2c1a64-3b7d-4e59-a1c0-6d5e4f3b2a19", "8f2c1a64-0000-4e59-a1c0-6d5e4f3b2a19"


def scan(**tenants: str) -> ScanRow:
    return ScanRow(
        id="1",
        started="2026-11-27T18:00:00Z",
        finished="2026-11-27T18:00:09Z",
        taken="2026-11-27T18:00:00Z",
        tool="twolocks",
        cloud="public",
        principal="scanner",
        scopes=[],
        resources=0,
        reads=0,
        complete=True,
        tenants=dict(tenants) or UNSET,
    )


def scopes(*tenants: str) -> list[ScopeRow]:
    return [
        ScopeRow(subscription=str(at), name=f"prod-{at}", view="full", tenant=each) for at, each in enumerate(tenants)
    ]


def test_one_tenant_is_not_named() -> None:
    assert scope_labels(scopes(NORD, NORD.upper()), scan()) == {"0": "prod-0", "1": "prod-1"}


def test_a_tenant_is_named_by_its_name_and_without_one_by_the_start_of_its_id() -> None:
    other = "c4e0f7d2-7a31-4b8e-8d0c-91b6f2a3e5d4"
    result = scope_labels(scopes(NORD, other.upper()), scan(**{NORD: "Nord"}))
    assert result == {"0": "Nord / prod-0", "1": "c4e0f7d2 / prod-1"}


def test_the_start_of_an_id_is_as_long_as_it_takes_to_tell_tenants_apart() -> None:
    assert scope_labels(scopes(NORD, SOR), scan()) == {"0": "8f2c1a64-3b7d / prod-0", "1": "8f2c1a64-0000 / prod-1"}


def test_what_programs_read_has_the_whole_id() -> None:
    assert tenant_labels(scopes(NORD, SOR), scan()) == {"0": NORD, "1": SOR}
