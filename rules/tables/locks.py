"""The check of deletion locks: whether one is set on a resource, its resource group or its subscription."""

from collections.abc import Iterator
from typing import NamedTuple

from scanner.model.ids import segments
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.unread import Unread
from scanner.model.verdict import Evidence, Fail, Pass, Verdict, unknown, unknown_value

LOCK = "/providers/microsoft.authorization/locks/"
LEVELS = ("CanNotDelete", "ReadOnly")
"""The levels that refuse a deletion: azure-resource-manager/management/lock-resources."""


def delete_lock(resource: Resource, index: Index, *, read: Read) -> Verdict:
    """Pass where a lock of `read` refuses the deletion of a resource. A lock on a scope holds for everything in it.

    Raises Unread where the subscription was not read.
    """
    locks = _locks(index, index.find(f"/subscriptions/{resource.subscription}"), read)
    strange: list[Resource] = []
    for lock in _above(resource, locks.by_scope):
        level = lock.get("properties.level")
        if any(same(level, each) for each in LEVELS):
            return Pass((Evidence(f"{lock.id} properties.level", level, "CanNotDelete"),))
        if level is MISSING or not same(level, "NotSpecified"):
            strange.append(lock)
    if strange:
        return unknown(unknown_value(f"{strange[0].id} properties.level", strange[0].get("properties.level")))
    if locks.gap is not None:
        return unknown(locks.gap)
    return Fail((Evidence(Message("locks on it, its resource group or its subscription"), "none", "CanNotDelete"),))


class _Locks(NamedTuple):
    """The locks of a subscription by the scope that they are set on, in lower case. `gap`: why there may be more."""

    by_scope: dict[str, list[Resource]]
    gap: Unread | None


def _locks(index: Index, subscription: Resource, read: Read) -> _Locks:
    """Return the locks of a subscription, read once for all of its resources."""
    key = ("locks", subscription.key)
    if key not in index.memo:
        children = subscription.children(read)
        by_scope: dict[str, list[Resource]] = {}
        for lock in children:
            by_scope.setdefault(lock.key.partition(LOCK)[0], []).append(lock)
        index.memo[key] = _Locks(by_scope, children.gap)
    return index.memo[key]  # type: ignore[return-value]


def _above(resource: Resource, scopes: dict[str, list[Resource]]) -> Iterator[Resource]:
    """Yield the locks that are set on a resource or on a scope that it lies in."""
    pieces = segments(resource.id)
    for end in range(2, len(pieces) + 1, 2):
        yield from scopes.get("/" + "/".join(pieces[:end]), ())
