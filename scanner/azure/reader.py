"""The reads of Azure that a collection makes, with one login."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from scanner.azure import graph
from scanner.azure import subscriptions as subscription_lists
from scanner.azure.arm import ArmClient, Json
from scanner.azure.credentials import SignedInAccount
from scanner.azure.subscriptions import Listing, Subscription
from scanner.store.spool import Spool, SpooledRows


class Identity(Struct, frozen=True):
    """An account that reads, its tenant by name (or id), and the other tenants that it belongs to, not read by it."""

    account: SignedInAccount
    tenant: str
    others: list[str]


async def account_of(arm: ArmClient) -> SignedInAccount:
    """Return the account of a login. Raises InputError where it is not that of the interrupted scan."""
    account = await arm.tokens.account()
    if arm.replay is not None:
        arm.replay.sign(account)
    return account


@dataclass(slots=True)
class AzureReader:
    """Reads of Azure for a collection, signed in as `account`. `labels`: the names of several tenants, by id."""

    cloud: str
    account: SignedInAccount
    _arm: ArmClient
    _known: Listing | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What must be known of the logins: tenants that were not read, subscriptions that several of them see."""

    @property
    def spool(self) -> Spool:
        """Return the spool of what was read and not written yet."""
        return self._arm.spool

    async def subscriptions(self) -> list[Subscription]:
        """Return all subscriptions that the identity can see. Raises ReadError."""
        return list((await self.listed()).subscriptions.values())

    async def listed(self) -> Listing:
        """Return the same, with what is wrong with the list. Raises ReadError."""
        if self._known is None:
            self._known = await subscription_lists.visible(self._arm)
            self._arm.limiters.names.update({id: each.name for id, each in self._known.subscriptions.items()})
        return self._known

    async def named(self, wanted: Sequence[str]) -> list[Subscription]:
        """Return the subscriptions that `-s` names. Raises InputError, WrongTenant, ReadError."""
        return await subscription_lists.named(self._arm, wanted, await self.subscriptions(), self.account)

    async def below(self, groups: Sequence[str]) -> list[Listing]:
        """Return the subscriptions below management groups. Raises InputError, NothingReadable, ReadError."""
        return await subscription_lists.below(self._arm, groups, await self.subscriptions())

    async def targets(
        self, subscriptions: Sequence[str], management_groups: Sequence[str]
    ) -> tuple[list[Subscription], list[Listing]]:
        """Return the subscriptions to read, all that are visible where none is named, and the lists they are from.

        Raises InputError, WrongTenant, NothingReadable, ReadError.
        """
        if not subscriptions and not management_groups:
            return await self.subscriptions(), [await self.listed()]
        listings = await self.below(management_groups)
        below = (each for listing in listings for each in listing.subscriptions.values())
        matches = [*await self.named(subscriptions), *below]
        return list({each.id.lower(): each for each in matches}.values()), listings

    async def identities(self) -> list[Identity]:
        """Return the accounts that read. Tenants that cannot be read have no names."""
        known = await subscription_lists.tenants(self._arm)
        names = dict(known)
        others = [name or id for id, name in known if id.lower() != self.account.tenant.lower()]
        return [Identity(self.account, names.get(self.account.tenant) or self.account.tenant, others)]

    def pages(
        self, path: str, api: str, region: str = "", query: Mapping[str, str] | None = None
    ) -> AsyncIterator[list[Json]]:
        """Yield the pages of an ARM list. Raises ReadError."""
        return self._arm.pages(path, api, region=region, query=query)

    async def rows(self, path: str, api: str) -> SpooledRows:
        """Return all rows of an ARM list. Raises ReadError."""
        return await self._arm.rows(path, api)

    async def get(self, path: str, api: str, region: str = "") -> Json:
        """Return one resource. Raises ReadError."""
        return await self._arm.get(path, api, region=region)

    async def effective(self, path: str) -> Json:
        """Return the rules that Azure applies to a network interface or a network. Raises ReadError.

        Needs `ConnectionOptions.effective`.
        """
        return await self._arm.post_effective(path)

    async def query(self, kql: str, subscriptions: Sequence[str], batch: int = graph.BATCH) -> SpooledRows:
        """Return all rows of a Resource Graph query. Raises ReadError."""
        return await graph.query(self._arm, kql, subscriptions, batch=batch)

    async def query_everywhere(self, kql: str) -> SpooledRows:
        """Return all rows of a Resource Graph query, also of subscriptions that are not read. Raises ReadError."""
        return await graph.query_everywhere(self._arm, kql)
