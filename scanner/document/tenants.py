"""The tenants of a findings document, and how its subscriptions are named where they are of more than one."""

from collections.abc import Iterable

import msgspec

from scanner.document.schema import ScanRow, ScopeRow
from scanner.model.ids import segments

_STARTS = (8, 13, 18, 23)
"""How many characters of a GUID its first groups have."""


def tenant_names(scan: ScanRow) -> dict[str, str]:
    """Return the names of the tenants that were scanned together, by their ids in lower case; {} for a single login."""
    return {} if scan.tenants is msgspec.UNSET else scan.tenants


def tenant_labels(scopes: Iterable[ScopeRow], scan: ScanRow) -> dict[str, str]:
    """Return the tenant of each subscription (lower case), by name or id; {} where all are of one tenant."""
    names = tenant_names(scan)
    result = {scope.subscription.lower(): scope.tenant.lower() for scope in scopes}
    if len({*names, *result.values()} - {""}) < 2:
        return {}
    return {subscription: names.get(tenant, tenant) for subscription, tenant in result.items()}


def scope_labels(scopes: Iterable[ScopeRow], scan: ScanRow) -> dict[str, str]:
    """Return the name of each subscription by its id in lower case: `prod`, or `Nord / prod` with several tenants.

    A tenant without a name is the start of its id, as far as it is the only one with it.
    """
    rows = list(scopes)
    tenants = tenant_labels(rows, scan)
    ids = {row.tenant.lower() for row in rows}
    length = next(size for size in (*_STARTS, None) if len({each[:size] for each in ids}) == len(ids))
    tenants = {key: label[:length] if label in ids else label for key, label in tenants.items()}
    return {
        row.subscription.lower(): " / ".join(
            filter(None, (tenants.get(row.subscription.lower(), ""), row.name or row.subscription))
        )
        for row in rows
    }


def tenant_of(url: str) -> str:
    """Return the id of the tenant whose gap a path is (`/tenants/ID`), in lower case; "" for other paths."""
    pieces = segments(url)
    return pieces[1] if len(pieces) > 1 and pieces[0] == "tenants" else ""
