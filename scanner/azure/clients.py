"""The connection of a scan to Azure: login, cloud, trusted certificates, limits and record put together."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scanner.azure import credentials, graph
from scanner.azure import subscriptions as subscription_lists
from scanner.azure.answers import DEFAULTS
from scanner.azure.arm import ArmClient, Json, resolve_cloud
from scanner.azure.credentials import SignedInAccount
from scanner.azure.limits import OnWait, RateLimiters
from scanner.azure.pipeline import OnRequest, RecordFile
from scanner.azure.subscriptions import Listing, Subscription
from scanner.azure.transport import HttpSession, tls_context
from scanner.config.limits import Limits
from scanner.config.settings import Settings
from scanner.snapshot.spool import Spool, SpooledRows


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """The options of a scan that concern the connection to Azure, not what is read.

    `record`: the file of `--record`. `append_record`: add to the record of an earlier connection.
    `limits`: keep the documented limits of Azure. `answers`: our own limits of answers and lists. `agent`: the user
    agent. `effective`: allow the POSTs of `--effective`.
    """

    cloud: str = "public"
    arm_endpoint: str = ""
    arm_audience: str = ""
    auth: str = "default"
    tenant: str = ""
    record: Path | None = None
    limits: bool = True
    agent: str = "twolocks"
    effective: bool = False
    append_record: bool = False
    answers: Limits = DEFAULTS

    @classmethod
    def of(cls, settings: Settings, *, agent: str = "twolocks", **fields: bool) -> "ConnectionOptions":
        """Return the connection options of a command. `agent` is e.g. `twolocks 0.1.0`; `fields` are other fields."""
        record = settings["record"] if "record" in settings.options else ""
        return cls(
            cloud=settings["cloud"],
            arm_endpoint=settings["arm-endpoint"],
            arm_audience=settings["arm-audience"],
            auth=settings["auth"],
            tenant=settings["tenant"],
            record=Path(record) if record else None,
            agent=agent.replace(" ", "/"),
            answers=settings.limits,
            **fields,
        )


@dataclass(slots=True)
class AzureReader:
    """Reads of Azure for a collection, signed in as `account`."""

    cloud: str
    account: SignedInAccount
    _arm: ArmClient
    _known: Listing | None = field(default=None)

    @property
    def spool(self) -> Spool:
        """Return the spool of what was read and not written yet."""
        return self._arm.spool

    async def subscriptions(self) -> list[Subscription]:
        """Return all subscriptions that the identity can see. Raises ReadError."""
        return list((await self.listed()).found.values())

    async def listed(self) -> Listing:
        """Return the same, with what is wrong with the list. Raises ReadError."""
        if self._known is None:
            self._known = await subscription_lists.visible(self._arm)
            self._arm.limiters.names.update({id: each.name for id, each in self._known.found.items()})
        return self._known

    async def named(self, wanted: Sequence[str]) -> list[Subscription]:
        """Return the subscriptions that `-s` names. Raises InputError, WrongTenant, ReadError."""
        return await subscription_lists.named(self._arm, wanted, await self.subscriptions(), self.account)

    async def below(self, groups: Sequence[str]) -> list[Listing]:
        """Return the subscriptions below management groups. Raises InputError, NothingReadable, ReadError."""
        return await subscription_lists.below(self._arm, groups, await self.subscriptions())

    async def tenants(self) -> list[tuple[str, str]]:
        """Return ids and names of the tenants that the identity belongs to; [] where they cannot be read."""
        return await subscription_lists.tenants(self._arm)

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


@asynccontextmanager
async def connect(
    options: ConnectionOptions,
    *,
    on_wait: OnWait = lambda what, seconds: None,
    prompt: Callable[[str], None] = lambda text: None,
    on_request: OnRequest = lambda method, path, status, milliseconds: None,
) -> AsyncIterator[AzureReader]:
    """Yield a reader that is signed in. Raises InputError for wrong options, an AccessError where nothing can be read.

    `on_wait` is called with the limit that is waited for, `prompt` with what a person must do to sign in, `on_request`
    with every request.
    """
    context = tls_context()
    http = HttpSession(context, limits=options.answers)
    record = None
    try:
        record = RecordFile(options.record, options.append_record) if options.record else None

        def report(method: str, path: str, status: int, milliseconds: float) -> None:
            on_request(method, path, status, milliseconds)
            if record:
                record.add(method, path, status, milliseconds)

        cloud = await resolve_cloud(options.cloud, options.arm_endpoint, options.arm_audience, http, report)
        tokens = credentials.tokens(options.auth, cloud, options.tenant, http, context, prompt)
        limiters = RateLimiters(on=options.limits, on_wait=on_wait)
        arm = ArmClient(cloud, tokens, limiters, http, report, options.agent, options.effective)
        try:
            yield AzureReader(cloud.name, await tokens.account(), arm)
        finally:
            await arm.close()
    finally:
        if record:
            record.close()
        await http.close()
