"""A small estate that changes from night to night, served by the sandbox and scanned with a history."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from scanner.sandbox.errors import HttpAnswer
from scanner.sandbox.served_estate import Refusal, ResponseOverrides
from scanner.sandbox.server import Sandbox, running
from tests.terminals import GROUP, STORAGE, SUB, Ended, account, closed, files, twolocks

Json = dict[str, Any]

SKIPPED = ("--skip", "type:Microsoft.Resources/subscriptions")
"""These estates are about resources: what their subscription lacks is left out."""

CONTAINERS = f"{STORAGE}/stjournal/blobServices/default/containers"
SERVER = f"{GROUP}/providers/Microsoft.Sql/servers/sqlfag"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
MACHINE = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm-hopp"
EVERYWHERE = ("0.0.0.0", "255.255.255.255")
ONE = ("198.51.100.7", "198.51.100.7")


def container(name: str, access: str = "Container", above: str = CONTAINERS) -> Json:
    return {
        "id": f"{above}/{name}",
        "name": name,
        "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
        "properties": {"publicAccess": access},
    }


def public(name: str) -> Json:
    """An account that anybody reaches, without keys; what its containers allow decides."""
    return account(
        name,
        allowBlobPublicAccess=True,
        allowSharedKeyAccess=False,
        publicNetworkAccess="Enabled",
        minimumTlsVersion="TLS1_2",
        networkAcls={"defaultAction": "Allow", "bypass": "None", "ipRules": [], "virtualNetworkRules": []},
    )


KEPT = {"enabled": True, "days": 14}
AUDITED = ("SUCCESSFUL_DATABASE_AUTHENTICATION_GROUP", "FAILED_DATABASE_AUTHENTICATION_GROUP", "BATCH_COMPLETED_GROUP")


def child(above: str, path: str, **properties: Any) -> Json:
    return {"id": f"{above}/{path}", "name": path.rsplit("/", 1)[-1], "properties": properties}


def storage(body: Json, *containers: Json) -> list[Json]:
    """An account with its services, and containers of it."""
    keys = {"keyType": "Account", "enabled": True}
    services = {"blob": keys, "file": keys, "queue": keys, "table": keys}
    body["properties"]["encryption"] = {"keySource": "Microsoft.Storage", "services": services}
    blobs = {
        "deleteRetentionPolicy": {**KEPT, "allowPermanentDelete": False},
        "containerDeleteRetentionPolicy": KEPT,
        "staticWebsite": {"enabled": False},
    }
    return [
        body,
        child(body["id"], "blobServices/default", **blobs),
        child(body["id"], "fileServices/default", shareDeleteRetentionPolicy=KEPT),
        *containers,
    ]


def server(addresses: tuple[str, str] = ONE) -> list[Json]:
    """A SQL server with passwords, and one firewall rule."""
    return [
        {
            "id": SERVER,
            "name": "sqlfag",
            "type": "Microsoft.Sql/servers",
            "kind": "v12.0",
            "location": "norwayeast",
            "properties": {
                "publicNetworkAccess": "Enabled",
                "minimalTlsVersion": "1.2",
                "administrators": {"azureADOnlyAuthentication": False, "login": "dba"},
                "restrictOutboundNetworkAccess": "Enabled",
                "version": "12.0",
            },
        },
        {
            "id": f"{SERVER}/firewallRules/all",
            "name": "all",
            "type": "Microsoft.Sql/servers/firewallRules",
            "properties": {"startIpAddress": addresses[0], "endIpAddress": addresses[1]},
        },
        child(
            SERVER,
            "auditingSettings/default",
            state="Enabled",
            auditActionsAndGroups=[*AUDITED],
            storageEndpoint="https://stjournal.blob.core.windows.net/",
            retentionDays=0,
            isManagedIdentityInUse=True,
        ),
        child(SERVER, "advancedThreatProtectionSettings/Default", state="Enabled"),
    ]


def machine(ssh_from: str = "10.0.0.0/8") -> list[Json]:
    """A running machine with a public address, and a group that lets SSH in from somewhere."""
    subnet = f"{NETWORK}/virtualNetworks/vnet/subnets/default"
    nic, group, address = (
        f"{NETWORK}/{each}" for each in ("networkInterfaces/nic", "networkSecurityGroups/nsg", "publicIPAddresses/pip")
    )
    rule = {
        "name": "ssh",
        "properties": {
            "priority": 300,
            "direction": "Inbound",
            "access": "Allow",
            "protocol": "Tcp",
            "sourceAddressPrefix": ssh_from,
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": "22",
        },
    }
    return [
        {
            "id": subnet.rsplit("/subnets", 1)[0],
            "name": "vnet",
            "type": "Microsoft.Network/virtualNetworks",
            "location": "norwayeast",
            "properties": {
                "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
                "subnets": [{"id": subnet, "name": "default", "properties": {"addressPrefix": "10.1.0.0/24"}}],
                "virtualNetworkPeerings": [],
            },
        },
        {
            "id": group,
            "name": "nsg",
            "type": "Microsoft.Network/networkSecurityGroups",
            "location": "norwayeast",
            "properties": {"securityRules": [rule], "networkInterfaces": [{"id": nic}]},
        },
        {
            "id": address,
            "name": "pip",
            "type": "Microsoft.Network/publicIPAddresses",
            "location": "norwayeast",
            "sku": {"name": "Standard"},
            "properties": {
                "ipAddress": "20.100.4.17",
                "publicIPAddressVersion": "IPv4",
                "ipConfiguration": {"id": f"{nic}/ipConfigurations/one"},
            },
        },
        {
            "id": nic,
            "name": "nic",
            "type": "Microsoft.Network/networkInterfaces",
            "location": "norwayeast",
            "properties": {
                "networkSecurityGroup": {"id": group},
                "virtualMachine": {"id": MACHINE},
                "ipConfigurations": [
                    {
                        "id": f"{nic}/ipConfigurations/one",
                        "name": "one",
                        "properties": {
                            "primary": True,
                            "privateIPAddress": "10.1.0.4",
                            "privateIPAddressVersion": "IPv4",
                            "subnet": {"id": subnet},
                            "publicIPAddress": {"id": address},
                        },
                    }
                ],
            },
        },
        {
            "id": MACHINE,
            "name": "vm-hopp",
            "type": "Microsoft.Compute/virtualMachines",
            "location": "norwayeast",
            "properties": {
                "networkProfile": {"networkInterfaces": [{"id": nic}]},
                "osProfile": {"linuxConfiguration": {"disablePasswordAuthentication": True}},
                "storageProfile": {"osDisk": {"osType": "Linux"}, "dataDisks": []},
            },
        },
        {"id": f"{MACHINE}/instanceView", "statuses": [{"code": "PowerState/running"}]},
    ]


@dataclass(frozen=True, slots=True)
class RunResult:
    """How one night ended, and its findings document."""

    ended: Ended
    document: Json

    @property
    def counts(self) -> dict[str, int]:
        """Only what changed."""
        return {name: count for name, count in self.document["changes"]["counts"].items() if count and name != "open"}

    def new(self) -> set[str]:
        """The endpoints that are new, as `account: endpoint`."""
        return {endpoint(row) for row in self.document["exposures"] if row.get("new")}

    def listed(self, name: str) -> set[str]:
        return {endpoint(row) for row in self.document["changes"][name]}


def endpoint(row: Mapping[str, Any]) -> str:
    name = row["resource"].rsplit("/", 1)[-1]
    return f"{name}: {row['endpoint']}" if row.get("endpoint") else f"{name}: {row['rule']}"


@contextmanager
def served(resources: list[Json], **options: Any) -> Iterator[Sandbox]:
    with running(sandbox(resources, **options)) as box:
        yield box


def sandbox(resources: list[Json], **options: Any) -> Sandbox:
    return Sandbox(resources, [{"subscriptionId": SUB, "displayName": "prod-journal"}], **options)


def _then(box: Sandbox, later: Sandbox) -> None:
    first, is_listed = box.arm.read, False

    def read(path: str, query: str, base: str, tenant: str) -> HttpAnswer:
        # A re-verification begins with the list of subscriptions. Other lists are read twice in one scan.
        nonlocal is_listed
        if path == "/subscriptions" and is_listed:
            box.arm.read = later.arm.read  # type: ignore[method-assign]
            return later.arm.read(path, query, base, tenant)
        is_listed = is_listed or path == "/subscriptions"
        return first(path, query, base, tenant)

    box.arm.read = read  # type: ignore[method-assign]


def scheduled_run(
    resources: list[Json],
    history: str,
    folder: Path,
    *words: str,
    later: Sandbox | None = None,
    skipped: Sequence[str] = SKIPPED,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> RunResult:
    """One night's scan of these resources, with the options of the sandbox (refusals, overrides, faults).

    `later` answers from the second list of subscriptions on: what the second look sees.
    """
    out = folder / "findings.json"
    out.unlink(missing_ok=True)
    with served(resources, **options) as box:
        if later is not None:
            _then(box, later)
        given = ("scan", "--arm-endpoint", box.url, "--auth", "environment", "--out", out, "--history", history)
        ended = twolocks(*given, *skipped, *words, env={"CI": "1", **box.environment(), **(env or {})})
    return RunResult(ended, msgspec.json.decode(out.read_bytes()) if out.exists() else {})


_FIRST_NIGHTS: dict[str, bytes] = {}


def first_night(resources: list[Json], history: str, *words: str) -> None:
    """Make a history in which one scan saw these resources. It is made once, and copied."""
    told = msgspec.json.encode([resources, words]).decode()
    if told not in _FIRST_NIGHTS:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "history.db"
            scheduled_run(resources, str(made), Path(folder), *words)
            assert files(folder) == ["findings.json", "history.db"]
            _FIRST_NIGHTS[told] = made.read_bytes()
    Path(history).write_bytes(_FIRST_NIGHTS[told])


__all__ = [
    "CONTAINERS",
    "EVERYWHERE",
    "MACHINE",
    "ONE",
    "SERVER",
    "SKIPPED",
    "STORAGE",
    "Json",
    "Refusal",
    "ResponseOverrides",
    "RunResult",
    "closed",
    "container",
    "endpoint",
    "first_night",
    "machine",
    "public",
    "sandbox",
    "scheduled_run",
    "served",
    "server",
    "storage",
]
