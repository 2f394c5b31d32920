"""A reader for a scan: login, cloud, trust, limits and record put together."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scanner.azure import clouds, credentials, graph
from scanner.azure import subscriptions as scope
from scanner.azure.arm import Arm, Json, metadata
from scanner.azure.credentials import Account
from scanner.azure.limits import Limits, Told
from scanner.azure.pipeline import Heard, RecordFile
from scanner.azure.subscriptions import Subscription
from scanner.azure.transport import Web, trust
from scanner.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Way:
    """How Azure is reached: the options of a scan that are about the way, not about what is read.

    `more`: the record is of an earlier connection too, and goes on.
    """

    cloud: str = "public"
    arm_endpoint: str = ""
    auth: str = "default"
    tenant: str = ""
    record: Path | None = None
    limits: bool = True
    agent: str = "twolocks"
    effective: bool = False
    more: bool = False

    @classmethod
    def of(cls, settings: Settings, *, agent: str = "twolocks", **more: bool) -> "Way":
        """The way that the options of a command say; `agent` is `twolocks 0.1.0`, `more` other fields."""
        options = settings.options
        record = settings["record"] if "record" in options else ""
        return cls(
            cloud=settings["cloud"],
            arm_endpoint=settings["arm-endpoint"],
            auth=settings["auth"],
            tenant=settings["tenant"],
            record=Path(record) if record else None,
            agent=agent.replace(" ", "/"),
            **more,
        )


@dataclass(slots=True)
class Reader:
    """What `collect` reads with."""

    cloud: str
    account: Account
    _arm: Arm
    _known: list[Subscription] | None = field(default=None)

    async def subscriptions(self) -> list[Subscription]:
        """All that the login sees. Raises ReadError."""
        if self._known is None:
            self._known = await scope.visible(self._arm)
            self._arm.limits.names.update({each.id.lower(): each.name for each in self._known})
        return self._known

    async def named(self, wanted: Sequence[str]) -> list[Subscription]:
        """Those that `-s` names. Raises InputError, WrongTenant, ReadError."""
        return await scope.named(self._arm, wanted, await self.subscriptions(), self.account)

    async def below(self, groups: Sequence[str]) -> list[Subscription]:
        """Those below management groups. Raises InputError, NothingReadable, ReadError."""
        return await scope.below(self._arm, groups, await self.subscriptions())

    async def tenants(self) -> list[tuple[str, str]]:
        """Ids and names of the tenants that the login knows; [] where that cannot be read."""
        return await scope.tenants(self._arm)

    def pages(
        self, path: str, api: str, region: str = "", query: Mapping[str, str] | None = None
    ) -> AsyncIterator[list[Json]]:
        """The pages of an ARM list. Raises ReadError."""
        return self._arm.pages(path, api, region=region, query=query)

    async def get(self, path: str, api: str, region: str = "") -> Json:
        """One resource. Raises ReadError."""
        return await self._arm.get(path, api, region=region)

    async def effective(self, path: str) -> Json:
        """What Azure says that applies to a network interface or a network; see `Way.effective`. Raises ReadError."""
        return await self._arm.post_effective(path)

    async def query(self, kql: str, subscriptions: Sequence[str], batch: int = graph.BATCH) -> list[Json]:
        """All rows of a Resource Graph query. Raises ReadError."""
        return await graph.query(self._arm, kql, subscriptions, batch=batch)


@asynccontextmanager
async def connect(
    way: Way,
    *,
    wait: Told = lambda what, seconds: None,
    tell: Callable[[str], None] = lambda text: None,
    heard: Heard = lambda method, path, status, milliseconds: None,
) -> AsyncIterator[Reader]:
    """A reader that is signed in. Raises InputError for wrong options, an AccessError where nothing can be read.

    `wait` hears which limit is waited for, `tell` what a person must do to sign in, `heard` of every request.
    """
    context = trust()
    web = Web(context)
    record = None
    try:
        record = RecordFile(way.record, way.more) if way.record else None

        def note(method: str, path: str, status: int, milliseconds: float) -> None:
            heard(method, path, status, milliseconds)
            if record:
                record.heard(method, path, status, milliseconds)

        cloud = await _cloud(way, web, note)
        tokens = credentials.tokens(way.auth, cloud, way.tenant, web, context, tell)
        arm = Arm(cloud, tokens, Limits(on=way.limits, told=wait), web, note, way.agent, way.effective)
        try:
            yield Reader(cloud.name, await tokens.account(), arm)
        finally:
            await arm.close()
    finally:
        if record:
            record.close()
        await web.close()


async def _cloud(way: Way, web: Web, heard: Heard) -> clouds.Cloud:
    if not way.arm_endpoint:
        return clouds.cloud(way.cloud)
    arm = clouds.endpoint(way.arm_endpoint)
    return clouds.described(arm, await metadata(arm, web, heard))
