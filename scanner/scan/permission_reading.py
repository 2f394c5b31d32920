"""Asks Azure what the identity may do in the scopes that the settings name."""

from collections import defaultdict

from msgspec import Struct, field

from scanner.collect.permissions import SubscriptionPermissions, read_group_roles
from scanner.collect.plan import Plan, Scope
from scanner.config.settings import Settings
from scanner.document.schema import now
from scanner.errors import InputError
from scanner.model.ids import group_of, name_of, subscription_of
from scanner.rulebook import permissions
from scanner.rulebook.loader import RuleSet
from scanner.scan.permission_assessment import wanted
from scanner.scan.sources import show_logins
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop


class _AccountAndScopes:
    """Reports only the account and scopes of a collection, because this command prints the rest itself."""

    def __init__(self, screen: Screen) -> None:
        self.account, self.scope = screen.account, screen.scope
        self.refused: dict[str, str] = {}
        """The action that was refused for a subscription (its id in lower case)."""
        self.unread: list[str] = []
        """The paths of the lists of subscriptions that failed: of a tenant, or of a management group."""

    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None: ...
    def reading(self, what: str, done: int, total: int) -> None: ...

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        if action:
            self.refused[subscription_of(url)] = action
        if not subscription_of(url):
            self.unread.append(url)


class AskedPermissions(Struct, frozen=True):
    """The permissions in each scope, the action that was refused for each subscription that is not visible in full, and
    what of the scope could not be listed.
    """

    permissions: list[SubscriptionPermissions]
    refused: dict[str, str]
    unread: list[str] = field(default_factory=list)


def asked_permissions(rules: RuleSet, settings: Settings, screen: Screen, stop: Stop) -> AskedPermissions:
    """Return what the identity may do in each scope. Raises InputError and errors of a collection."""
    screen.begin("Checking", lambda: "permissions of this identity")
    try:
        return stop.run(_ask(rules, settings, screen))
    finally:
        screen.finish()


async def _ask(rules: RuleSet, settings: Settings, screen: Screen) -> AskedPermissions:
    from scanner.azure.clients import ConnectionOptions, connect
    from scanner.collect.collector import view_subscriptions

    way = ConnectionOptions.of(settings)
    scope, groups = _scope_of(settings)
    async with connect(way, on_wait=screen.wait, prompt=screen.tell, on_request=screen.note_response) as reader:
        show_logins(reader.labels, reader.notes, screen)
        store, progress = Store(Header(taken=now(), cloud=reader.cloud)), _AccountAndScopes(screen)
        seen = await view_subscriptions(reader, scope, Plan(rules.read(), ()), store, progress)
        screen.counts(0, 0, 0, 0)
        granted = {each.id.lower(): each.roles for each in seen}
        subscription_permissions = [
            SubscriptionPermissions(id, name, view, named, granted.get(id.lower()))
            for id, name, view in screen.scopes
            for named in groups.get(id.lower(), [()])
        ]
        await read_group_roles(reader, subscription_permissions, wanted(rules, settings["effective"]))
    return AskedPermissions(subscription_permissions, progress.refused, [screen.named(url) for url in progress.unread])


def _scope_of(settings: Settings) -> tuple[Scope, dict[str, list[tuple[str, ...]]]]:
    """Return the scope, and the resource groups by subscription id (lower case) if only groups were named.

    Raise InputError.
    """
    whole, above = list(settings["subscription"]), list(settings["management-group"])
    groups: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for text in settings["scope"]:
        where = permissions.scope(text, settings.at("scope", text))
        if permissions.in_management_group(where):
            above.append(name_of(where))
        elif group := group_of(where):
            groups[subscription_of(where)][group.lower()] = (group,)
        else:
            whole.append(subscription_of(where))
    if groups and (whole or above):
        raise InputError(
            "resource groups cannot be checked together with subscriptions or management groups",
            at="--scope",
            do="check them separately",
        )
    named = {subscription: list(each.values()) for subscription, each in groups.items()}
    return Scope(subscriptions=(*whole, *named), management_groups=tuple(above)), named
