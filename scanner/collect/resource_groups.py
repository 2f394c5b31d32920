"""Lists the resource groups of a subscription, where a type is listed in each of them."""

from scanner.azure.errors import ReadError
from scanner.collect.bodies import allows, is_group_name, list_path
from scanner.collect.named import GROUPS
from scanner.collect.queue import CollectionContext, SubscriptionView
from scanner.collect.roles import learn_roles
from scanner.model.index import LISTED_BY_GROUP

ACTION = "Microsoft.Resources/subscriptions/resourceGroups/read"


def is_listed_by_group(type: str) -> bool:
    """Return whether ARM lists a type in resource groups only."""
    return type.lower() in LISTED_BY_GROUP


class ResourceGroups:
    """Read the groups of each subscription once."""

    def __init__(self, context: CollectionContext) -> None:
        self.context = context
        self._groups: dict[str, list[str] | None] = {}

    async def visible(self, subscription: str) -> list[str] | None:
        """Return the names of the groups that the identity can see; None where they could not be listed: a gap."""
        async with self.context.locks[subscription]:
            if subscription not in self._groups:
                self._groups[subscription] = await self._read(subscription)
        return self._groups[subscription]

    async def all(self, subscription: SubscriptionView, type: str) -> list[str] | None:
        """Return all groups of a subscription, in which a type is listed; None where some may be missing: a gap.

        ARM leaves out of its list, without any sign, the groups that no role lets the identity read. The roles say
        whether there may be such.
        """
        if subscription.roles is None and subscription.no_roles is None:
            await learn_roles(self.context.reader, subscription)
        if not any(allows(role, ACTION) for role in subscription.roles or ()):
            path, why = list_path(subscription.id, type), subscription.no_roles
            if subscription.roles is None and why is not None:
                self.context.add_gap(self.context.store, path, why.status, why.code, "")
            else:
                self.context.add_gap(self.context.store, path, 403, "AuthorizationFailed", ACTION)
            return None
        return await self.visible(subscription.id)

    async def _read(self, subscription: str) -> list[str] | None:
        path = f"/subscriptions/{subscription}/resourcegroups"
        try:
            rows, _ = await self.context.versions.rows(path, GROUPS)
        except ReadError as error:
            self.context.add_failure(self.context.store, path, error)
            return None
        names = [name for row in rows if isinstance(name := row.get("name"), str) and is_group_name(name)]
        if len(names) < len(rows):
            self.context.add_gap(self.context.store, path, 0, "BadJson", "")
        else:
            self.context.store.read(path, len(rows), "list")
        return names
