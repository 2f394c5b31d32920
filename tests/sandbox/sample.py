"""A small estate, made by hand, for the tests of the sandbox itself."""

from typing import Any

S1 = "aaaaaaaa-0000-0000-0000-000000000001"
S2 = "aaaaaaaa-0000-0000-0000-000000000002"
Json = dict[str, Any]


def resource(what: str, name: str, group: str = "rg-a", subscription: str = S1, **more: Any) -> Json:
    path = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{what}/{name}"
    return {"id": path, "name": name, "type": what, "location": "norwayeast", "properties": {}, **more}


def child(parent: Json, path: str, **properties: Any) -> Json:
    types = path.split("/")[0::2]
    kind = "/".join([parent["type"], *types])
    return {
        "id": f"{parent['id']}/{path}",
        "name": path.rsplit("/", 1)[-1],
        "type": kind,
        "properties": properties,
    }


def account(name: str, **more: Any) -> Json:
    return resource("Microsoft.Storage/storageAccounts", name, kind="StorageV2", sku={"name": "Standard_LRS"}, **more)


ACCOUNTS = [account(f"st{number:03}") for number in range(25)]
CONTAINERS = [child(ACCOUNTS[0], f"blobServices/default/containers/c{n}", publicAccess="None") for n in range(7)]
BLOB = child(ACCOUNTS[0], "blobServices/default", staticWebsite={"enabled": True}, deleteRetentionPolicy={"days": 7})
SITE = resource(
    "Microsoft.Web/sites",
    "app",
    "rg-b",
    kind="app",
    properties={"siteConfig": {"alwaysOn": True, "minTlsVersion": "1.2", "cors": {"allowedOrigins": ["*"]}}},
)
CONFIG = child(SITE, "config/web", minTlsVersion="1.2")
VAULT = resource("Microsoft.KeyVault/vaults", "kv", "rg-c", S2, properties={"enablePurgeProtection": True})
PERIMETER = resource("Microsoft.Network/networkSecurityPerimeters", "nsp", "rg-b")
ASSOCIATION = child(PERIMETER, "resourceAssociations/one", accessMode="Learning")
GROUP = resource("Microsoft.Network/networkSecurityGroups", "nsg", "rg-b", properties={"securityRules": []})

RESOURCES = [*ACCOUNTS, *CONTAINERS, BLOB, SITE, CONFIG, VAULT, PERIMETER, ASSOCIATION, GROUP]
