"""Answers reads of management groups as ARM does."""

from collections.abc import Mapping

from scanner.sandbox.errors import HttpAnswer, answer, arm_error
from scanner.sandbox.paths import ArmPath
from scanner.sandbox.served_estate import Json, ServedEstate


def answer_read(estate: ServedEstate, at: ArmPath) -> HttpAnswer:
    """Return the answer to a read of one management group, of all, or of the descendants of one."""
    groups = {str(group["name"]).lower(): group for group in estate.management_groups}
    name = at.parents[0] if at.parents else at.name
    if name and name.lower() not in groups:
        return arm_error(404, "NotFound", f"'/providers/Microsoft.Management/managementGroups/{name}' not found")
    if at.kind.lower().endswith("/descendants"):
        return answer({"value": _descendants(estate, name.lower(), groups), "@nextLink": None})
    if name:
        return answer(_group_json(groups[name.lower()], estate.tenant))
    return answer({"value": [_group_json(group, estate.tenant) for group in groups.values()], "@nextLink": None})


def _descendants(estate: ServedEstate, name: str, groups: Mapping[str, Json]) -> list[Json]:
    parent = {"id": f"/providers/Microsoft.Management/managementGroups/{groups[name]['name']}"}
    rows: list[Json] = []
    for subscription in groups[name].get("subscriptions", ()):
        known = estate.subscriptions.get(str(subscription).lower(), {})
        rows.append(
            {
                "id": f"/subscriptions/{subscription}",
                "type": "/subscriptions",
                "name": subscription,
                "properties": {"displayName": known.get("displayName", subscription), "parent": parent},
            }
        )
    for child, group in groups.items():
        if str(group.get("parent", "")).lower() == name:
            row = _group_json(group, estate.tenant)
            properties = {"displayName": row["properties"]["displayName"], "parent": parent}
            rows += [{**row, "properties": properties}, *_descendants(estate, child, groups)]
    return rows


def _group_json(group: Json, tenant: str) -> Json:
    name = group["name"]
    return {
        "id": f"/providers/Microsoft.Management/managementGroups/{name}",
        "type": "Microsoft.Management/managementGroups",
        "name": name,
        "properties": {"tenantId": tenant, "displayName": group.get("displayName", name)},
    }
