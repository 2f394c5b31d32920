"""Makes an estate from a snapshot file. It can be scanned again, with the same reads failing."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from scanner.document.schema import ScopeRow
from scanner.model.resource import Gap
from scanner.sandbox import errors
from scanner.sandbox.estate import Estate
from scanner.sandbox.served_estate import TENANT, ErrorReply, Json, ResponseOverrides, RoleGrant
from scanner.snapshot import files as snapshot


def load(path: Path, *, accept_version_1: bool = False) -> Estate:
    """Return the estate of a snapshot, or of another file that `--from` takes. Raises InputError.

    The caller gets roles that match the visibility in the snapshot. Gaps become errors with the same status and code.
    """
    taken = snapshot.read(path, accept_version_1=accept_version_1)
    resources: list[Json] = []
    gaps: list[Gap] = list(taken.gaps)
    for bundle in taken.bundles():
        resources += [one.body for one in bundle.resources.values()]
        gaps += bundle.gaps.values()
    ids = [str(body.get("id", "")).lower() for body in resources]
    tenants = [scope.tenant for scope in taken.scopes if scope.tenant]
    tenant = tenants[0] if tenants else TENANT
    return Estate(
        tenant=tenant,
        subscriptions=[
            {"subscriptionId": s.subscription, "displayName": s.name, "tenantId": s.tenant or tenant}
            for s in taken.scopes
        ],
        resources=resources,
        refusals=[],
        grants=list(grants(taken.scopes, ids)) if taken.header.live else [],
        overrides=ResponseOverrides(replies=tuple(reply(gap) for gap in gaps)),
    )


def grants(scopes: Iterable[ScopeRow], ids: Iterable[str]) -> Iterator[RoleGrant]:
    """Yield a role on each subscription that was visible in full, else on the groups of its resources."""
    seen = {"/".join(text.split("/")[:5]) for text in ids}
    for scope in scopes:
        root = f"/subscriptions/{scope.subscription}"
        if scope.view == "full":
            yield RoleGrant(root)
        else:
            yield from (
                RoleGrant(group) for group in sorted(seen) if group.startswith(f"{root.lower()}/resourcegroups/")
            )


def reply(gap: Gap) -> ErrorReply:
    """Return the answer that made a gap; 504 where there was none."""
    if gap.status == 403 and gap.action:
        text = errors.refusal_text("sandbox", gap.action, gap.url)
        return ErrorReply(gap.url, 403, gap.code, text)
    if gap.status < 400:
        return ErrorReply(gap.url, 504, "GatewayTimeout", "The gateway did not receive a response in time.")
    return ErrorReply(gap.url, gap.status, gap.code, "Answered as when the snapshot was taken.")
