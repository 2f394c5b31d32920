"""Several tenants in one collection: a client, a login and limits for each, and one reader over all of them.

Each read goes to the tenant that its subscription belongs to, so that a token never leaves for another tenant.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.azure import graph
from scanner.azure import subscriptions as subscription_lists
from scanner.azure.arm import ArmClient, Json
from scanner.azure.credentials import SignedInAccount
from scanner.azure.errors import NoCredential, NothingReadable, ReadError
from scanner.azure.logins import TenantLogin
from scanner.azure.reader import AzureReader, Identity, account_of
from scanner.azure.subscriptions import Listing, Subscription, is_subscription_id
from scanner.errors import AccessError, InputError, nearest
from scanner.model.ids import subscription_of
from scanner.model.message import Message, Number
from scanner.store.spool import SpooledRows

HIDDEN: Final = "NotVisibleInHomeTenant"
"""The code of a subscription that another tenant shows, and its home tenant does not show to its own login."""
EMPTY: Final = "NoReadableSubscription"
"""The code of a tenant whose login works, and that shows it no subscription."""
NO_TENANT: Final = "NotInTheseTenants"
"""The code of a read in a subscription that no tenant of the scan shows."""
_MOST_NOTES: Final = 20


class ConnectedTenant(Struct):
    """A tenant of the scan. `client`: None where its login failed; then `error` says why.

    `listing`: the subscriptions that its login sees. `fault`: the code of its gap, "" where they could be listed.
    """

    login: TenantLogin
    client: ArmClient | None = None
    account: SignedInAccount | None = None
    error: AccessError | None = None
    fault: str = ""
    listing: Listing = field(default_factory=lambda: Listing("", 0))

    @property
    def id(self) -> str:
        return self.login.id

    @property
    def name(self) -> str:
        return self.login.name

    @property
    def path(self) -> str:
        """Return the path of the gaps of the whole tenant."""
        return f"/tenants/{self.id}"

    async def open(self, client: ArmClient) -> None:
        """Sign in and list the subscriptions. What fails is kept as `fault`; InputError is raised."""
        try:
            self.account = await account_of(client)
            self.listing = await subscription_lists.visible(client)
        except AccessError as error:
            self.error, self.fault = error, type(error).__name__
        except ReadError as error:
            what = f"its subscriptions cannot be listed: {error.status or ''} {error.code}".replace(":  ", ": ")
            self.error, self.fault = NothingReadable(what, do="request the Reader role"), error.code
        else:
            self.client = client

    def gap(self, fault: str) -> Listing:
        """Return a list of its subscriptions that failed with this code."""
        return Listing(self.path, 0, fault=fault)


class TenantsReader(AzureReader):
    """Reads of Azure in several tenants. Every read goes through the client of the tenant of its subscription."""

    def __init__(self, cloud: str, tenants: Sequence[ConnectedTenant]) -> None:
        """Raise NothingReadable where no login of any tenant works."""
        live = [(each.client, each.account) for each in tenants if each.client is not None and each.account is not None]
        if not live:
            raise _no_tenant(tenants)
        names = dict.fromkeys(account.name for _, account in live)
        kinds = dict.fromkeys(account.kind for _, account in live)
        whole = SignedInAccount(", ".join(names), ", ".join(kinds), ", ".join(each.name for each in tenants))
        super().__init__(cloud, whole, live[0][0])
        self.labels = {each.id: each.name for each in tenants} if len(tenants) > 1 else {}
        self._tenants = tenants
        self._owners: dict[str, ConnectedTenant] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self.notes += [
            Message('tenant "{name}" was not read: {error}', name=each.name, error=_why(each.error))
            for each in tenants
            if each.error
        ]
        self._assign()

    def _assign(self) -> None:
        """Give each subscription to its home tenant, else to the first that shows it; bar it from all the others."""
        seen: dict[str, list[ConnectedTenant]] = {}
        for tenant in self._tenants:
            for id in tenant.listing.subscriptions:
                seen.setdefault(id, []).append(tenant)
        several = []
        for id, viewers in seen.items():
            owner = self._home(id, viewers) or viewers[0]
            shown = owner.listing.subscriptions.get(id)
            if shown is None:
                shown = replace(viewers[0].listing.subscriptions[id], state="", fault=owner.fault or HIDDEN)
            self._owners[id], self._subscriptions[id] = owner, shown
            if len(viewers) > 1 or owner not in viewers:
                several.append(_stated(shown, owner, viewers))
        for tenant in self._tenants:
            if tenant.client is not None:
                tenant.client.foreign = frozenset(id for id, owner in self._owners.items() if owner is not tenant)
        more = len(several) - _MOST_NOTES
        self.notes += [
            *several[:_MOST_NOTES],
            *([Message("and {more} more such subscriptions", more=Number(more))] if more > 0 else []),
        ]

    def _home(self, id: str, viewers: Sequence[ConnectedTenant]) -> ConnectedTenant | None:
        """Return the tenant of the scan that a subscription belongs to, None where it is not one of the scan.

        The list of the home tenant itself counts before what other tenants say.
        """
        stated = {viewer.id: viewer.listing.subscriptions[id].tenant.lower() for viewer in viewers}
        tenant = next((each for each in viewers if stated[each.id] == each.id), None)
        return tenant or next((each for each in self._tenants if each.id in stated.values()), None)

    def _client(self, path: str) -> ArmClient:
        """Return the client for a path. Raise ReadError where no tenant of the scan may read it."""
        owner = self._owners.get(subscription_of(path))
        if owner is None:
            raise ReadError(path, 0, NO_TENANT, message="no tenant of this scan shows this subscription")
        if owner.client is None:
            raise ReadError(path, 401, owner.fault, message=f"the login of tenant {owner.name} failed")
        return owner.client

    # What to read

    async def listed(self) -> Listing:
        """Return the subscriptions of all tenants."""
        return Listing("/subscriptions", len(self._subscriptions), dict(self._subscriptions))

    async def identities(self) -> list[Identity]:
        """Return the accounts that read, each with its tenant."""
        identities, read = [], {each.id for each in self._tenants}
        for tenant in self._tenants:
            if tenant.client is not None and tenant.account is not None:
                known = await subscription_lists.tenants(tenant.client)
                others = [name or id for id, name in known if id.lower() not in read]
                identities.append(Identity(tenant.account, tenant.name, others))
        return identities

    async def named(self, wanted: Sequence[str]) -> list[Subscription]:
        """Return the subscriptions that `-s` names, in any tenant. Raises InputError."""
        return (await self.targets(wanted, ()))[0] if wanted else []

    async def below(self, groups: Sequence[str]) -> list[Listing]:
        """Return the subscriptions below management groups of the only tenant. Raises InputError, NothingReadable."""
        return [listing for tenant in self._tenants for listing in await self._below(tenant, groups)]

    async def targets(
        self, subscriptions: Sequence[str], management_groups: Sequence[str]
    ) -> tuple[list[Subscription], list[Listing]]:
        """Return the subscriptions to read, with what is wrong with the tenants. Raises InputError.

        `subscriptions`, `management_groups`: those of the command line, in place of those of the tenants.
        """
        result: dict[str, Subscription] = {}
        listings: list[Listing] = []
        for word in subscriptions:
            for each in self._of_any_tenant(word, listings):
                result[each.id.lower()] = each
        for tenant in self._tenants if management_groups or not subscriptions else ():
            groups = management_groups or tenant.login.management_groups
            words = () if management_groups else tenant.login.subscriptions
            for each in await self._targets_of(tenant, words, groups, listings):
                result[each.id.lower()] = each
        return list(result.values()), listings

    async def _targets_of(
        self, tenant: ConnectedTenant, words: Sequence[str], groups: Sequence[str], listings: list[Listing]
    ) -> list[Subscription]:
        """Return the subscriptions that a tenant is to give. What is wrong with it is added to `listings`."""
        if tenant.client is None:
            listings.append(tenant.gap(tenant.fault))
            return [self._hidden(word, tenant, tenant.fault) for word in words if is_subscription_id(word)]
        listings += [tenant.gap(tenant.listing.fault)] if tenant.listing.fault else []
        if not words and not groups:
            listings += [] if tenant.listing.subscriptions else [tenant.gap(EMPTY)]
            return [self._subscriptions[id] for id in tenant.listing.subscriptions]
        below = await self._below(tenant, groups)
        listings += [each for each in below if each.fault]
        subscriptions = [each for word in words for each in self._of_tenant(word, tenant)]
        subscriptions += [
            self._subscriptions.get(id, each) for listing in below for id, each in listing.subscriptions.items()
        ]
        listings += [] if subscriptions or any(each.fault for each in below) else [tenant.gap(EMPTY)]
        return subscriptions

    def _of_tenant(self, word: str, tenant: ConnectedTenant) -> list[Subscription]:
        """Return the subscriptions of a tenant that a word of its entry names. Raises InputError."""
        subscriptions = [self._subscriptions[id] for id in tenant.listing.subscriptions if self._fits(word, id)]
        if subscriptions:
            return subscriptions
        others = [self._owners[id].name for id in self._subscriptions if self._fits(word, id)]
        if others:
            what = f'subscription "{word}" belongs to tenant "{others[0]}", not to tenant "{tenant.name}"'
            raise InputError(what, at=tenant.login.at, do="name it in the entry of its tenant")
        if is_subscription_id(word):
            return [self._hidden(word, tenant, "")]
        what = f'the login of tenant "{tenant.name}" sees no subscription "{word}"'
        raise InputError(what, at=tenant.login.at, do=self._hint(word, tenant.listing.subscriptions))

    def _of_any_tenant(self, word: str, listings: list[Listing]) -> list[Subscription]:
        """Return the subscriptions that a word of the command line names. Raises InputError."""
        subscriptions = [each for id, each in self._subscriptions.items() if self._fits(word, id)]
        failed = [each for each in self._tenants if each.client is None]
        if subscriptions or not failed:
            if not subscriptions:
                what = f'no tenant of the settings shows a subscription "{word}"'
                raise InputError(what, at=f"--subscription {word}", do=self._hint(word, self._subscriptions))
            return subscriptions
        listings += [each.gap(each.fault) for each in failed if each.path not in {one.path for one in listings}]
        return [self._hidden(word, failed[0], failed[0].fault)] if is_subscription_id(word) else []

    def _fits(self, word: str, id: str) -> bool:
        return word.lower() in (id, self._subscriptions[id].name.lower())

    def _hidden(self, id: str, tenant: ConnectedTenant, fault: str) -> Subscription:
        """Return a named subscription that no login sees. Without a fault, a role is missing."""
        return self._subscriptions.get(id.lower()) or Subscription(id.lower(), id, tenant.id, fault=fault)

    def _hint(self, word: str, known: Mapping[str, Subscription]) -> str:
        names = {each.name.lower(): each.name for each in known.values()}
        near = [names[each] for each in nearest(word, names, 3)]
        return (f"nearest: {', '.join(near)}; " if near else "") + "all: az account list --output table"

    async def _below(self, tenant: ConnectedTenant, groups: Sequence[str]) -> list[Listing]:
        """Return the subscriptions below management groups of a tenant. A group that is refused is a fault."""
        listings = []
        for group in groups if tenant.client is not None else ():
            assert tenant.client is not None
            try:
                listings += await subscription_lists.below(
                    tenant.client, [group], list(tenant.listing.subscriptions.values())
                )
            except InputError as error:
                raise InputError(f'{error.what} in tenant "{tenant.name}"', at=tenant.login.at, do=error.do) from error
            except NothingReadable as error:
                cause = error.__cause__
                fault = cause.code if isinstance(cause, ReadError) else type(error).__name__
                self.notes.append(f'tenant "{tenant.name}": {error.what}')
                listings.append(Listing(f"{tenant.path}/managementGroups/{group}", 0, fault=fault))
        return listings

    # Reads

    async def pages(
        self, path: str, api: str, region: str = "", query: Mapping[str, str] | None = None
    ) -> AsyncIterator[list[Json]]:
        """Yield the pages of an ARM list. Raises ReadError."""
        async for page in self._client(path).pages(path, api, region=region, query=query):
            yield page

    async def rows(self, path: str, api: str) -> SpooledRows:
        """Return all rows of an ARM list. Raises ReadError."""
        return await self._client(path).rows(path, api)

    async def get(self, path: str, api: str, region: str = "") -> Json:
        """Return one resource. Raises ReadError."""
        return await self._client(path).get(path, api, region=region)

    async def effective(self, path: str) -> Json:
        """Return the rules that Azure applies to a network interface or a network. Raises ReadError."""
        return await self._client(path).post_effective(path)

    async def query(self, kql: str, subscriptions: Sequence[str], batch: int = graph.BATCH) -> SpooledRows:
        """Return all rows of a Resource Graph query, asked in each tenant for its own. Raises ReadError."""
        rows = SpooledRows(self.spool)
        asked: dict[str, tuple[ArmClient, list[str]]] = {}
        for id in subscriptions:
            client = self._client(f"/subscriptions/{id}")
            asked.setdefault(self._owners[id.lower()].id, (client, []))[1].append(id)
        for client, ids in asked.values():
            rows.take(await graph.query(client, kql, ids, batch=batch))
        return rows

    async def query_everywhere(self, kql: str) -> SpooledRows:
        """Return all rows of a Resource Graph query, of every tenant. Raises ReadError."""
        rows = SpooledRows(self.spool)
        for tenant in self._tenants:
            if tenant.client is not None:
                rows.take(await graph.query_everywhere(tenant.client, kql))
        return rows


def _stated(shown: Subscription, owner: ConnectedTenant, viewers: Sequence[ConnectedTenant]) -> Message:
    names = " and ".join(f'"{each.name}"' for each in viewers)
    see = f"subscription {shown.name} is visible from {'tenant' if len(viewers) == 1 else 'tenants'} {names}"
    home = Message("its home tenant") if shown.tenant.lower() == owner.id else Message("the first of them")
    if shown.fault:
        return Message(
            '{see}; it was not read, because the login of "{name}", {home}, cannot read it',
            see=see,
            name=owner.name,
            home=home,
        )
    return Message('{see}; it was read once, from "{name}", {home}', see=see, name=owner.name, home=home)


def _why(error: AccessError) -> str:
    """Return why a tenant was not read: without what Entra ID adds, which differs each time."""
    return f"{error.what} ({error.at})" if isinstance(error, NoCredential) and error.at else error.what


def _no_tenant(tenants: Sequence[ConnectedTenant]) -> NothingReadable:
    """Return the error for when no login works."""
    errors = [(each.name, each.error) for each in tenants if each.error is not None]
    at = "; ".join(f"{name}: {_why(error)}" for name, error in errors)
    do = "check auth, client-id and the secret of each entry [[tenant]]"
    return NothingReadable("no tenant of the settings could be read", at=at, do=do)
