"""Two tenants behind one sandbox, each with its own app, and a settings file that lists them."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from scanner.sandbox.server import RecordedRequest, Sandbox, running
from tests.azure.requests import account, resource
from tests.terminals import Ended, twolocks

NORD, SYD, OTHER = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "789")
PROD = "aaaaaaaa-0000-4000-8000-000000000001"
DRIFT = "bbbbbbbb-0000-4000-8000-000000000001"
LENT = "bbbbbbbb-0000-4000-8000-000000000002"
"""A subscription of Syd that is delegated to Nord too."""
APPS = {
    NORD: ("aaaaaaaa-1111-4111-8111-111111111111", "nord-secret-of-the-test"),
    SYD: ("bbbbbbbb-1111-4111-8111-111111111111", "syd-secret-of-the-test"),
}
NAMES = {NORD: "Nord", SYD: "Syd"}
SECRETS = {f"TWOLOCKS_SECRET_{NAMES[tenant].upper()}": secret for tenant, (_, secret) in APPS.items()}
ENDPOINT = resource("Microsoft.Network/privateEndpoints", "pe-drift", subscription=DRIFT)
NETWORK = resource("Microsoft.Network/virtualNetworks", "vnet-drift", subscription=DRIFT)
NETWORK["properties"] = {
    "addressSpace": {"addressPrefixes": ["10.9.0.0/16"]},
    "subnets": [{"id": f"{NETWORK['id']}/subnets/one", "properties": {"addressPrefix": "10.9.1.0/24"}}],
}
SUBSCRIPTIONS: list[dict[str, Any]] = [
    {"subscriptionId": PROD, "displayName": "prod", "tenantId": NORD},
    {"subscriptionId": DRIFT, "displayName": "drift", "tenantId": SYD},
    {"subscriptionId": LENT, "displayName": "delegert", "tenantId": SYD, "managed_by": [NORD]},
]


def resources() -> list[dict[str, Any]]:
    """An account in each subscription; that of Nord has a private endpoint in Syd."""
    matches = [*account("stprod", subscription=PROD), *account("stdrift", subscription=DRIFT)]
    matches += account("stlent", subscription=LENT)
    matches[0]["properties"] |= {
        "publicNetworkAccess": "Disabled",
        "privateEndpointConnections": [
            {
                "id": f"{matches[0]['id']}/privateEndpointConnections/one",
                "properties": {
                    "privateEndpoint": {"id": ENDPOINT["id"]},
                    "privateLinkServiceConnectionState": {"status": "Approved"},
                },
            }
        ],
    }
    return [*matches, ENDPOINT, NETWORK]


def entry(tenant: str, *lines: str, app: str = "") -> str:
    """The entry [[tenant]] of a tenant, with its app and its secret."""
    name = NAMES[tenant]
    own = [
        f'name = "{name}"',
        f'id = "{tenant}"',
        f'client-id = "{app or APPS[tenant][0]}"',
        f'secret-env = "TWOLOCKS_SECRET_{name.upper()}"',
    ]
    return "\n".join(["[[tenant]]", *own, *lines, ""])


BOTH = entry(NORD) + entry(SYD)


@dataclass
class Estate:
    """The running sandbox, and the folder with the settings."""

    box: Sandbox
    folder: Path

    def run(self, *words: object, settings: str = BOTH, env: Mapping[str, str] | None = None) -> Ended:
        """Run a command with settings that are named."""
        file = self.folder / "settings.toml"
        file.write_text(settings)
        here = {name: value for name, value in self.box.environment().items() if not name.startswith("AZURE_CLIENT")}
        here.pop("AZURE_TENANT_ID")
        return twolocks(*words, "--config", file, env={**here, **SECRETS, **(env or {})})

    def scan(self, *words: object, settings: str = BOTH, env: Mapping[str, str] | None = None) -> Ended:
        """Scan into `findings.json` and `taken.jsonl`."""
        more = ("--out", self.folder / "findings.json", "--snapshot", self.folder / "taken.jsonl", "--fail-on", "never")
        return self.run("scan", *more, *words, settings=settings, env=env)

    @property
    def document(self) -> dict[str, Any]:
        result: dict[str, Any] = msgspec.json.decode((self.folder / "findings.json").read_bytes())
        return result

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "taken.jsonl").read_text().splitlines()]

    def gaps(self) -> dict[str, str]:
        """The codes of the gaps by their paths."""
        return {each["url"]: each["code"] for each in self.document["gaps"]}

    def views(self) -> dict[str, str]:
        """How much of each subscription was visible."""
        return {each["name"]: each["view"] for each in self.document["coverage"]["scopes"]}

    def sent(self) -> list[tuple[RecordedRequest, set[str]]]:
        """The requests with a token, each with the subscriptions that path and query name."""
        result = []
        for request in self.box.requests:
            named = set(re.findall(r"/subscriptions/([0-9a-f-]{36})", request.url.lower()))
            named |= set(json.loads(request.body).get("subscriptions", ())) if request.body else set()
            result += [(request, named)] if request.tenant else []
        return result


@contextmanager
def estate(folder: Path, **options: Any) -> Iterator[Estate]:
    """Serve both tenants."""
    given = {"tenant": NORD, "apps": APPS, **options}
    box = Sandbox(given.pop("resources", resources()), given.pop("subscriptions", SUBSCRIPTIONS), **given)
    with running(box):
        yield Estate(box, folder)
