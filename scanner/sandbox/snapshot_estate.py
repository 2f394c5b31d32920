"""A snapshot file as an estate: it can be scanned again, and what could not be read then cannot be read now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scanner.document.schema import ScopeRow
from scanner.model.resource import Gap
from scanner.sandbox import errors
from scanner.sandbox.world import TENANT, Json, Quirks, Reply, RoleGrant
from scanner.snapshot import files as snapshot


@dataclass(frozen=True, slots=True)
class Saved:
    """An estate, as `serve` takes it."""

    tenant: str
    subscriptions: list[Json]
    resources: list[Json]
    refusals: list[str]
    grants: list[RoleGrant]
    quirks: Quirks


def load(path: Path) -> Saved:
    """The estate of a snapshot, or of a file that `--from` takes too. Raises InputError.

    The caller gets roles as wide as the snapshot's views; its gaps become error answers with the same status and code.
    """
    taken = snapshot.read(path)
    resources: list[Json] = []
    gaps: list[Gap] = list(taken.gaps)
    for bundle in taken.bundles():
        resources += [one.body for one in bundle.resources.values()]
        gaps += bundle.gaps.values()
    ids = [str(body.get("id", "")).lower() for body in resources]
    tenants = [scope.tenant for scope in taken.scopes if scope.tenant]
    tenant = tenants[0] if tenants else TENANT
    return Saved(
        tenant=tenant,
        subscriptions=[
            {"subscriptionId": s.subscription, "displayName": s.name, "tenantId": s.tenant or tenant}
            for s in taken.scopes
        ],
        resources=resources,
        refusals=[],
        grants=list(grants(taken.scopes, ids)) if taken.header.live else [],
        quirks=Quirks(replies=tuple(reply(gap) for gap in gaps)),
    )


def grants(scopes: Iterable[ScopeRow], ids: Iterable[str]) -> Iterator[RoleGrant]:
    """A role on each subscription that was seen whole; on the groups of resources where it was seen in part."""
    seen = {"/".join(text.split("/")[:5]) for text in ids}
    for scope in scopes:
        root = f"/subscriptions/{scope.subscription}"
        if scope.view == "full":
            yield RoleGrant(root)
        else:
            yield from (
                RoleGrant(group) for group in sorted(seen) if group.startswith(f"{root.lower()}/resourcegroups/")
            )


def reply(gap: Gap) -> Reply:
    """The answer that made the gap; 504 where there was none."""
    if gap.status == 403 and gap.action:
        text = errors.refusal_text("sandbox", gap.action, gap.url)
        return Reply(gap.url, 403, gap.code, text)
    if gap.status < 400:
        return Reply(gap.url, 504, "GatewayTimeout", "The gateway did not receive a response in time.")
    return Reply(gap.url, gap.status, gap.code, "Answered as when the snapshot was taken.")
