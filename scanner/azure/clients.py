"""The connection of a scan to Azure: login, cloud, trusted certificates, limits and record put together."""

import os
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from scanner.azure import credentials
from scanner.azure.answers import DEFAULTS
from scanner.azure.arm import ArmClient, resolve_cloud
from scanner.azure.limits import OnWait, RateLimiters, SharedTurn
from scanner.azure.logins import TenantLogin
from scanner.azure.management_clients import LOGIN, Imports
from scanner.azure.pipeline import OnRequest, RecordFile, RequestSlots
from scanner.azure.reader import AzureReader, account_of
from scanner.azure.replay import Replay
from scanner.azure.tenants import ConnectedTenant, TenantsReader
from scanner.azure.transport import HttpSession, tls_context
from scanner.config.limits import Limits
from scanner.config.settings import Settings
from scanner.snapshot.journal import Journal
from scanner.store.spool import Spool

__all__ = ["AzureReader", "ConnectionOptions", "connect"]


class ConnectionOptions(Struct, frozen=True):
    """The options of a scan that concern the connection to Azure, not what is read.

    `record`: the file of `--record`. `append_record`: add to the record of an earlier connection.
    `ends`: the deadline of the scan, by the monotonic clock.
    `limits`: keep the documented limits of Azure. `answers`: our own limits of answers and lists. `agent`: the user
    agent. `effective`: allow the POSTs of `--effective`. `tenants`: the logins of several tenants, in place of `auth`
    and `tenant`. `providers`: those (lower case) whose resources will be read: their clients are imported during the
    login. `graph_turn`: see `RateLimiters`.
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
    tenants: tuple[TenantLogin, ...] = ()
    providers: Collection[str] = ()
    ends: float | None = None
    graph_turn: SharedTurn | None = None

    @classmethod
    def of(cls, settings: Settings, *, agent: str = "twolocks", **fields: Any) -> "ConnectionOptions":
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
            tenants=_logins(settings),
            **fields,
        )


def _logins(settings: Settings) -> tuple[TenantLogin, ...]:
    """Return the logins of [[tenant]] with their secrets. Raises InputError for a secret that is not given."""
    files = settings.secret_files() if settings.tenants else {}
    tenant_logins = []
    for each in settings.tenants:
        secret, certificate = each.secrets(os.environ, files)
        auth = each.auth or ("environment" if each.variables else settings["auth"])
        tenant_logins.append(
            TenantLogin(
                name=each.name,
                id=each.id,
                auth=auth,
                client=each.client,
                secret=secret,
                certificate=certificate,
                at=each.at,
                subscriptions=each.subscriptions,
                management_groups=each.management_groups,
            )
        )
    return tuple(tenant_logins)


@asynccontextmanager
async def connect(
    options: ConnectionOptions,
    *,
    on_wait: OnWait = lambda what, seconds: None,
    prompt: Callable[[str], None] = lambda text: None,
    on_request: OnRequest = lambda method, path, status, milliseconds: None,
    journal: Journal | None = None,
) -> AsyncIterator[AzureReader]:
    """Yield a reader that is signed in. Raises InputError for wrong options, an AccessError where nothing can be read.

    `on_wait` is called with the limit that is waited for, `prompt` with what a person must do to sign in, `on_request`
    with every request. `journal`: answers reads that were made before, and keeps the answers.
    """
    context = tls_context()
    http = HttpSession(context, limits=options.answers)
    imports = Imports()
    imports.begin(LOGIN)
    imports.begin_clients(options.providers)
    record = None
    try:
        record = RecordFile(options.record, options.append_record) if options.record else None

        def report(method: str, path: str, status: int, milliseconds: float) -> None:
            on_request(method, path, status, milliseconds)
            if record:
                record.add(method, path, status, milliseconds)

        cloud = await resolve_cloud(options.cloud, options.arm_endpoint, options.arm_audience, http, report)
        clients: list[ArmClient] = []
        spool, slots = Spool(), RequestSlots()

        def client(auth: str, tenant: str, login: TenantLogin | None) -> ArmClient:
            ask = prompt if login is None else lambda text: prompt(f"{login.name}: {text}")
            tokens = credentials.tokens(auth, cloud, tenant, http, context, ask, login)
            limiters = RateLimiters(
                on=options.limits, on_wait=on_wait, ends=options.ends, graph_turn=options.graph_turn
            )
            replay = Replay(journal, login.id if login is not None else "") if journal is not None else None
            made = ArmClient(cloud, tokens, limiters, http, report, options.agent, options.effective, replay=replay)
            made.spool, made.slots, made.imports = spool, slots, imports
            clients.append(made)
            return made

        try:
            if options.tenants:
                yield await _in_tenants(cloud.name, options.tenants, client)
            else:
                arm = client(options.auth, options.tenant, None)
                yield AzureReader(cloud.name, await account_of(arm), arm)
        finally:
            for each in clients:
                await each.close()
    finally:
        imports.close()
        if record:
            record.close()
        await http.close()


async def _in_tenants(
    cloud: str, logins: Sequence[TenantLogin], client: Callable[[str, str, TenantLogin], ArmClient]
) -> TenantsReader:
    """Return a reader over several tenants, each signed in. Raises NothingReadable where no login works."""
    # All clients are made first, so that an unknown kind of login is found before anyone signs in.
    pairs = [(ConnectedTenant(login), client(login.auth, login.id, login)) for login in logins]
    for tenant, arm in pairs:
        await tenant.open(arm)
        arm.limiters.names.update({id: each.name for id, each in tenant.listing.subscriptions.items()})
    return TenantsReader(cloud, [tenant for tenant, _ in pairs])
