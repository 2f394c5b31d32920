"""Reads the roles of the identity on a scope."""

from typing import TYPE_CHECKING

from scanner.azure.errors import ReadError
from scanner.collect.bodies import Role, quoted_path, roles
from scanner.collect.queue import SubscriptionView
from scanner.collect.versions import rows_served

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

PERMISSIONS = "2022-04-01"
"""The api-version with which the permissions of the identity are read."""

ROLES_BYTES = 1 << 20
"""The size of the roles on one subscription, which are kept for the whole scan."""


async def read_roles(reader: "AzureReader", path: str) -> list[Role]:
    """Return the roles that a list of permissions gives. Raises ReadError."""
    rows, _ = await rows_served(reader, quoted_path(path), PERMISSIONS)  # versions differ in no member that is used
    if rows.size > ROLES_BYTES:
        raise ReadError(path, 200, "TooManyRoles", message="the list of permissions is larger than roles can be")
    return roles(rows)


async def learn_roles(reader: "AzureReader", view: SubscriptionView) -> None:
    """Note the roles of the identity on a subscription, or why they are not known."""
    path = f"/subscriptions/{view.id}/providers/Microsoft.Authorization/permissions"
    try:
        view.roles = await read_roles(reader, path)
    except ReadError as error:
        view.no_roles = error
