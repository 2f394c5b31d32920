"""The rows of a workbook that the CSV does not have: controls of frameworks, places, keys and capacity."""

from collections.abc import Iterator
from typing import Any

from scanner.document.capacity_rows import CapacityRow, QuotaRow, ReservationRow, SpreadRow
from scanner.document.framework_rows import FrameworkRow
from scanner.document.key_rows import KeyRow
from scanner.document.schema import DataPlaceRow, Document
from scanner.document.tenants import scope_labels
from scanner.evaluate.fix_groups import FirstChanges
from scanner.model.framework import NOT_TESTABLE, Framework, in_order
from scanner.model.ids import group_of, name_of, path_of, subscription_of, type_of
from scanner.model.severity import SEVERITIES
from scanner.report.language.plain_fixes import plain_fix
from scanner.report.language.text import without_ticks
from scanner.report.language.words import Words
from scanner.report.views import keys
from scanner.report.views.capacity import STATES, Capacity, reservation_name
from scanner.report.views.first_changes import by_severity, effect
from scanner.report.views.owners import ResourceOwners
from scanner.report.views.places import AREA_NAMES, VERDICT_NAMES, ordered, where
from scanner.report.views.services import Services
from scanner.rulebook.frameworks import catalogues

_WHY = {
    "not-read": "a read failed",
    "inconclusive": "a value is missing or not known",
    "rule-off": "a rule is off",
    "no-resource": "no such resource",
}
_Row = dict[str, Any]


def first_rows(document: Document, first: FirstChanges) -> Iterator[_Row]:
    """Yield a row for each change to make first, in their order."""
    words, owners, names = Words(), ResourceOwners(document), scope_labels(document.coverage.scopes, document.scan)
    for number, group in enumerate(first.groups, 1):
        yield {
            "order": number,
            "severity": group.severity,
            "name": path_of(group.resource),
            "type": type_of(group.resource),
            "resource_group": group_of(group.resource),
            "subscription_name": names.get(subscription_of(group.resource), ""),
            "endpoint": group.endpoint,
            "items": group.items,
            "by_severity": by_severity(group, words),
            "title": group.title,
            "effect": effect(group, words),
            "impact": without_ticks(group.fix.impact) if group.fix else "",
            "owner": owners.of(group.resource),
            "fix": plain_fix(group.fix),
            "fingerprint": group.fingerprint,
            "resource": group.resource,
        }


def control_rows(document: Document) -> Iterator[_Row]:
    """Yield a row for each control of each framework, in the order of its catalogue."""
    known = catalogues()
    for framework in in_order(document.frameworks or ()):
        yield from _controls(framework, known.get(framework.id))


def _controls(row: FrameworkRow, known: Framework | None) -> Iterator[_Row]:
    result: dict[str, _Row] = {}
    for id, tested in row.tested.items():
        result[id] = {
            "state": tested.state,
            "why": _WHY.get(tested.why, ""),
            "part": "in part" if tested.in_part else "wholly",
            "failed": tested.failed,
            "waived": tested.waived,
            "inconclusive": tested.inconclusive,
            "passed": tested.passed,
        }
    for reason, ids in row.not_testable.items():
        result |= {id: {"state": "not-testable", "why": NOT_TESTABLE.get(reason, reason)} for id in ids}
    result |= {id: {"state": "not-covered", "why": "no rule tests it yet"} for id in row.not_covered}
    order = {id: position for position, id in enumerate(known.controls)} if known else {}
    for id in sorted(result, key=lambda each: order.get(each, len(order))):
        control = known.controls.get(id) if known else None
        titles = (
            {"title": control.title, "section": known.sections.get(control.section, "")} if known and control else {}
        )
        yield {"framework": row.name, "control": id, **titles, **result[id]}


def place_rows(document: Document) -> Iterator[_Row]:
    """Yield a row for each place that a resource names, those from which data may leave first."""
    for row in ordered(document.places):
        yield _place(row)


def _place(row: DataPlaceRow) -> _Row:
    waiver = row.waiver
    return {
        "verdict": "accepted" if waiver is not None else VERDICT_NAMES.get(row.verdict, row.verdict),
        "place": where(row),
        "area": AREA_NAMES.get(row.area, row.area),
        "what": row.what,
        "name": name_of(row.resource),
        "resource_group": group_of(row.resource),
        "path": row.path,
        "value": "" if row.value is None else str(row.value),
        "allowed": ", ".join(row.allowed),
        "source": row.source,
        "why": row.why,
        "rule": row.rule,
        "waiver_owner": waiver and waiver.owner,
        "waiver_expires": waiver and waiver.expires,
        "waiver_reason": waiver and waiver.reason,
        "resource": row.resource,
    }


def service_rows(_: Document, services: Services) -> Iterator[_Row]:
    """Yield a row for each service with endpoints or failed findings, the most severe first."""
    for name, each in services.named(Words()):
        numbers = {"resources": each.resources, "endpoints": each.endpoints, "open": each.open}
        yield {"service": name, "type": each.type, **numbers, **{name: each.failed[name] for name in SEVERITIES}}


def key_rows(document: Document) -> Iterator[_Row]:
    """Yield a row for each key and each resource that it encrypts, the keys with the worst risks first."""
    labels = scope_labels(document.coverage.scopes, document.scan)
    for row in keys.ordered(list(document.keys)):
        fields = _key(row)
        for store in row.stores:
            subscription = subscription_of(store.resource)
            yield {
                **fields,
                "name": name_of(store.resource),
                "type": type_of(store.resource),
                "resource_group": group_of(store.resource),
                "subscription_name": labels.get(subscription, subscription),
                "what": store.what,
                "version": store.version,
                "double": store.double,
                "encrypted_at_host": store.host,
                "confidential": store.confidential,
                "why": store.why or row.why,
                "rule": store.rule,
                "path": store.path,
                "value": "" if store.value is None else str(store.value),
                "resource": store.resource,
            }
        if not row.stores:
            yield fields


def _key(row: KeyRow) -> _Row:
    return {
        "severity": keys.worst(row),
        "holder": row.holder,
        "key": keys.name(row),
        "vault": name_of(row.vault) or row.host,
        "lives": keys.LIVES.get(row.lives, row.lives),
        "kind": row.kind,
        # Nothing is read of Microsoft's own keys.
        "state": "" if row.holder in keys.MICROSOFTS else row.state,
        "expires": row.expires,
        "rotation": row.rotation,
        "risks": keys.risks(row),
        "why": row.why,
        "key_region": row.region,
        "key_uri": row.key,
        "vault_id": row.vault,
    }


def capacity_rows(document: Document) -> Iterator[_Row]:
    """Yield a row for each quota, reservation, rule on zones or regions and global control plane, in this order."""
    labels = scope_labels(document.coverage.scopes, document.scan)
    for row in Capacity.of(document.capacity).rows:
        result = _capacity(row)
        if isinstance(row, QuotaRow | ReservationRow):
            result["subscription_name"] = labels.get(row.subscription, row.subscription)
        yield result


def _capacity(row: CapacityRow) -> _Row:
    """Return the cells of a row that are not about its subscription. Numbers that are not known are empty."""
    if isinstance(row, QuotaRow):
        return {
            "kind": "quota",
            "state": STATES[row.state],
            "name": row.name or row.quota,
            "provider": row.provider,
            "location": row.region,
            "used": row.used,
            "limit": row.limit,
            "left": row.left,
            "share": row.share,
            "why": row.why,
            "id": row.quota,
        }
    if isinstance(row, ReservationRow):
        return {
            "kind": "reservation",
            "state": STATES[row.state],
            "name": reservation_name(row),
            "provider": row.sku,
            "location": row.region,
            "zones": ", ".join(row.zones),
            "used": row.used,
            "limit": row.reserved,
            "left": row.left,
            "why": row.why,
            "resource": row.resource,
        }
    if isinstance(row, SpreadRow):
        counts = {"single": row.single, "spread": row.spread, "unknown": row.unknown}
        return {"kind": f"one of {row.over}", "name": row.title, "id": row.rule, **counts}
    return {
        "kind": "global control plane",
        "state": "" if row.complete else "not whole: there may be more",
        "name": row.service,
        "depends": "all resources" if row.resources is None else row.resources,
        "why": row.reason,
        "id": row.id,
        "source": row.source,
    }
