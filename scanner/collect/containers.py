"""Reads the resource groups of each subscription, and ARM's list of regions: what residency is evaluated against."""

from collections.abc import Callable, Sequence
from functools import partial

from scanner.azure.errors import ReadError
from scanner.collect.bodies import quoted_path
from scanner.collect.named import GROUPS
from scanner.collect.plan import Json
from scanner.collect.queue import CollectionContext, SubscriptionView, run_some, side_by_side
from scanner.collect.versions import by_version
from scanner.model.ids import segments
from scanner.model.regions import TABLE, Region, of_arm

LOCATIONS = "2022-12-01"
"""The api-version with which regions are read: the first one with their geography."""

GROUP_ACTION = "Microsoft.Resources/subscriptions/resourceGroups/read"
TRIES = 3
"""The number of subscriptions that are asked for the regions. Their list is that of the cloud."""


class ContainerReader:
    """Read the resource groups and regions of one collection."""

    def __init__(self, context: CollectionContext) -> None:
        self.context = context
        self.regions: dict[str, Region] = dict(TABLE)
        """The regions by name: the built-in table, and those that ARM listed."""
        self.listed: list[Json] = []
        """The regions as ARM listed them."""

    async def read(self, views: Sequence[SubscriptionView]) -> None:
        """Write the groups of each subscription, a gap where they cannot be read, and the regions."""
        groups = run_some(partial(self._groups, view.id) for view in views)
        if self.context.shared is None:
            await side_by_side(groups, self.read_regions(views))
        else:
            self.regions |= of_arm(self.context.shared.regions)
            await groups

    async def _groups(self, subscription: str) -> None:
        path = f"/subscriptions/{subscription}/resourcegroups"
        try:
            await self._write(path, GROUPS, lambda row: {"id": row["id"], "location": row.get("location")})
        except ReadError as error:
            self.context.add_failure(self.context.store, path, error, GROUP_ACTION)

    async def read_regions(self, views: Sequence[SubscriptionView]) -> None:
        """Read the regions from the first subscription that lists them. Without any, the built-in table is used."""
        why = ""
        for view in views[:TRIES]:
            path = f"/subscriptions/{view.id}/locations"
            try:
                await self._write(path, LOCATIONS, _region)
            except ReadError as error:
                why = why or f"{error.status} {error.code}; the built-in table of regions was used"
            else:
                return
        if why:
            self.context.store.skip(f"/subscriptions/{views[0].id}/locations", why)

    async def _write(self, path: str, api: str, shown: Callable[[Json], Json]) -> None:
        """Write the rows of a list. Raises ReadError."""
        rows, used = await self.context.versions.rows(quoted_path(path), api)
        kept = {str(row["id"]).lower(): shown(row) for row in rows if _is_in(row, path)}
        if api == LOCATIONS:
            self.listed = list(kept.values())
            self.regions |= of_arm(self.listed)
        by = by_version("list", used, api)
        for body in kept.values():
            self.context.store.resource(body, used, by)
        self.context.store.read(path, len(kept), by, used)


def _is_in(row: Json, path: str) -> bool:
    """Return whether a row of a list has an id in that list."""
    id = row.get("id")
    return isinstance(id, str) and segments(id)[:-1] == segments(path)


def _objects(value: object) -> list[Json]:
    """Return the objects of a list; [] for anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _region(row: Json) -> Json:
    """Return of a region what is used of it."""
    given = row.get("metadata")
    metadata = given if isinstance(given, dict) else {}
    pairs = metadata.get("pairedRegion")
    named = [{"name": each.get("name")} for each in _objects(pairs)] if isinstance(pairs, list) else None
    zones = row.get("availabilityZoneMappings")
    result = {name: metadata.get(name) for name in ("geography", "physicalLocation", "regionType")}
    return {
        "id": row["id"],
        "name": row.get("name"),
        "metadata": {**result, "pairedRegion": named},
        "availabilityZoneMappings": [{"logicalZone": each.get("logicalZone")} for each in _objects(zones)],
    }
