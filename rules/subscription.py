"""Subscriptions: what is set on a whole subscription, and on the resource groups and resources in it."""

from scanner.model.resource_type import ResourceType

SUBSCRIPTION = ResourceType("Microsoft.Resources/subscriptions", api="2022-12-01", keep=("displayName", "state"))
LOCKS = SUBSCRIPTION.child("providers/Microsoft.Authorization/locks", api="2020-05-01", always=True)
"""Every lock of the subscription: on it, on its resource groups and on its resources."""
