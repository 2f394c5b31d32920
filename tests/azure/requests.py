"""What the tests of scanner.azure and scanner.collect share: a small estate, a plan, and a scan of a sandbox."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from scanner.azure.clients import AzureReader, ConnectionOptions, connect
from scanner.collect.collector import Plan, Scope, collect
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.sandbox.server import Sandbox
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store

Json = dict[str, Any]
T = TypeVar("T")
S1 = "aaaaaaaa-0000-0000-0000-000000000001"
S2 = "aaaaaaaa-0000-0000-0000-000000000002"
SUBSCRIPTIONS: list[Json] = [
    {"subscriptionId": S1, "displayName": "prod"},
    {"subscriptionId": S2, "displayName": "test"},
]


def resource(type: str, name: str, group: str = "rg-a", subscription: str = S1, **more: Any) -> Json:
    id = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{type}/{name}"
    return {"id": id, "name": name, "type": type, "location": "norwayeast", "properties": {"state": "on"}, **more}


def child(parent: Json, path: str, **properties: Any) -> Json:
    return {"id": f"{parent['id']}/{path}", "name": path.rsplit("/", 1)[-1], "properties": properties}


def account(name: str, *, anonymous: bool = True, group: str = "rg-a", subscription: str = S1) -> list[Json]:
    """A storage account with its blob service and two containers."""
    made = resource("Microsoft.Storage/storageAccounts", name, group, subscription)
    made["properties"] = {"allowBlobPublicAccess": anonymous}
    below = [child(made, f"blobServices/default/containers/c{n}", publicAccess="None") for n in range(2)]
    return [made, child(made, "blobServices/default", staticWebsite={"enabled": False}), *below]


SITE = resource("Microsoft.Web/sites", "app", "rg-b")
SLOT = child(SITE, "slots/stage")
SLOT["location"] = "norwayeast"
VAULT = resource("Microsoft.KeyVault/vaults", "kv", "rg-c", S2, tags={"Team": "blue"})
PERIMETER = resource("Microsoft.Network/networkSecurityPerimeters", "nsp", "rg-b")
PROFILE = child(PERIMETER, "profiles/p")
ESTATE: list[Json] = [
    *account("st0"),
    *account("st1", anonymous=False),
    *account("st2", group="rg-b"),
    SITE,
    child(SITE, "config/web", ftpsState="Disabled"),
    SLOT,
    child(SLOT, "config/web", ftpsState="AllAllowed"),
    VAULT,
    PERIMETER,
    PROFILE,
    child(PROFILE, "accessRules/r", direction="Inbound"),
    child(PERIMETER, "resourceAssociations/a", accessMode="Learning"),
    resource("Microsoft.Network/virtualNetworks", "vnet", "rg-b"),
]


def _anonymous(account: Resource) -> bool:
    return account.get("properties.allowBlobPublicAccess") is not False


STORAGE = ResourceType("Microsoft.Storage/storageAccounts", api="2025-06-01")
BLOB = STORAGE.child("blobServices/default", one=True)
CONTAINERS = STORAGE.child("blobServices/default/containers", when=_anonymous)
VAULTS = ResourceType("Microsoft.KeyVault/vaults", api="2024-11-01")
SITES = ResourceType("Microsoft.Web/sites", api="2024-11-01")
CONFIG = SITES.child("config/web", one=True)
AUTH = SITES.child("config/authsettingsV2", one=True, none=("ResourceNotFound", "NotFound"))
SLOTS = ResourceType("Microsoft.Web/sites/slots", api="2024-11-01")
SLOT_CONFIG = SLOTS.child("config/web", one=True)
KINDS = (STORAGE, VAULTS, SITES, SLOTS)
PLAN = Plan(KINDS, [read for kind in KINDS for read in kind.children])


@dataclass
class RecordedProgress:
    """A progress that keeps what it heard."""

    accounts: list[tuple[str, str, str, Sequence[str]]] = field(default_factory=list)
    scopes: dict[str, str] = field(default_factory=dict)
    gaps: list[tuple[str, int, str, str]] = field(default_factory=list)
    waits: list[tuple[str, float]] = field(default_factory=list)
    read: dict[str, tuple[int, int]] = field(default_factory=dict)
    last: tuple[int, int, int, int] = (0, 0, 0, 0)

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None:
        self.accounts.append((name, kind, tenant, others))

    def scope(self, subscription: str, name: str, view: str) -> None:
        self.scopes[name] = view

    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None:
        self.last = (done, to_come, resources, failed)

    def reading(self, what: str, done: int, total: int) -> None:
        self.read[what] = (done, total)

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        self.gaps.append((url, status, code, action))

    def wait(self, what: str, seconds: float) -> None:
        self.waits.append((what, seconds))


@dataclass
class Result:
    """What a scan wrote, by kind of line; URLs and ids are keys."""

    lines: list[bytes]
    progress: RecordedProgress
    resources: dict[str, Json] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)
    skips: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, Json] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    by: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in map(msgspec.json.decode, self.lines):
            if "resource" in line:
                self.resources[line["resource"]["id"]] = line["resource"]
                self.by[line["resource"]["id"]] = line.get("by", "list")
            elif "read" in line:
                self.reads[line["read"]["url"]] = line["read"]["count"]
            elif "skip" in line:
                self.skips[line["skip"]["url"]] = line["skip"]["why"]
            elif "gap" in line:
                self.gaps[line["gap"]["url"]] = line["gap"]
            elif "scope" in line:
                self.views[line["scope"]["subscription"]] = line["scope"]["view"]

    @property
    def named(self) -> set[str]:
        """The last two segments of each resource's id."""
        return {"/".join(id.split("/")[-2:]) for id in self.resources}


def box(resources: Iterable[Json] = ESTATE, subscriptions: Iterable[Json] = SUBSCRIPTIONS, **options: Any) -> Sandbox:
    return Sandbox(resources, subscriptions, **options)


async def scan(
    running: Sandbox,
    scope: Scope | None = None,
    plan: Plan = PLAN,
    way: ConnectionOptions | None = None,
    reported: Callable[[str, float], None] | None = None,
    fast: bool = False,
    variables: dict[str, str] | None = None,
    kept: dict[str, list[str]] | None = None,
) -> Result:
    """A collection from a running sandbox; `fast`: without the pauses before retries. `kept`: paths by type."""
    progress, store = RecordedProgress(), Store(Header(taken="2026-11-25T00:00:00Z", kept=kept))
    with environment(running, **(variables or {})):
        chosen = replace(way or ConnectionOptions(auth="environment"), arm_endpoint=running.url)
        async with connect(chosen, on_wait=reported or progress.wait) as reader:
            if fast:
                reader._arm.limiters.sleep = quickly
            await collect(reader, scope or Scope(), plan, store, progress)
    return Result(list(store.lines()), progress)


async def quickly(seconds: float) -> None:
    """Sleeps a hundredth of the time."""
    await asyncio.sleep(seconds / 100)


def scanned(
    running: Sandbox,
    scope: Scope | None = None,
    plan: Plan = PLAN,
    way: ConnectionOptions | None = None,
    *,
    fast: bool = True,
    kept: dict[str, list[str]] | None = None,
) -> Result:
    """The same, with the sandbox started and stopped around it."""

    async def main() -> Result:
        async with running:
            return await scan(running, scope, plan, way, fast=fast, kept=kept)

    return asyncio.run(main())


def reading(running: Sandbox, read: Callable[[AzureReader], Awaitable[T]], **way: Any) -> T:
    """What `read` makes of a reader that is connected to the sandbox."""

    async def main() -> T:
        async with running:
            with environment(running):
                async with connect(
                    ConnectionOptions(arm_endpoint=running.url, **{"auth": "environment", **way})
                ) as reader:
                    return await read(reader)

    return asyncio.run(main())


@contextmanager
def environment(running: Sandbox, **more: str) -> Iterator[None]:
    """The process's environment with which the sandbox is used; without proxies and other logins."""
    before = dict(os.environ)
    clean = {k: v for k, v in before.items() if not k.lower().endswith("_proxy") and not k.startswith("AZURE_")}
    os.environ.clear()
    os.environ.update({**clean, **running.environment(), **more})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def repeated(running: Sandbox) -> list[str]:
    """What was read with success more than once."""
    sent = Counter((r.method, r.url, r.body) for r in running.requests if "/oauth2/" not in r.url and r.status == 200)
    return [f"{method} {url} {body}" for (method, url, body), times in sent.items() if times > 1]
