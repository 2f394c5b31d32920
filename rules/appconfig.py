"""App Configuration stores: access keys, the public switch that a private endpoint turns off, deletion."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.reach.firewall import Firewall, firewall

from .common import ISO, LEARN, MCSB, NIST, host, pending_private_endpoint, strange_private_endpoint

STORE = ResourceType("Microsoft.AppConfiguration/configurationStores", api="2024-06-01")
ACL = Firewall(
    empty="open",
    source="azure-app-configuration/howto-disable-public-access: automatic (null) is open until a private endpoint exists, and "
    "closed from then on; a store has no rules for addresses",
    name="Network rules",
    absent="auto",
)
KEYS = STORE.local_auth(
    "properties.disableLocalAuth",
    off=(True,),
    on=(False,),
    absent=False,
    source="azure-mgmt-appconfiguration: the default value of disableLocalAuth is false",
    says="an access key opens it",
)
UPDATE = "az appconfig update --name {name} --resource-group {group}"
DISABLE = f"{UPDATE} --disable-local-auth true"


def is_free(store: Resource) -> bool:
    return same(store.get("sku.name"), "free")


def closing(store: Resource, authentication: Lock) -> str:
    """What closes a free store, which has no private endpoint: its keys, and where these are off the move."""
    if not is_free(store):
        return ""
    if Auth.shared in [each.level for each in authentication.grants] + [
        each.level for each in authentication.possible_grants
    ]:
        return DISABLE
    return "The free tier has no private endpoint: move the store to a paid tier, and turn its public side off there"


@STORE.endpoints(data=("config",))
def endpoints(store: Resource, index: Index) -> Iterator[Exposure]:
    authentication = KEYS.lock(store)
    yield Exposure(
        "config",
        "data",
        firewall(store, index, ACL),
        authentication,
        display_name="The App Configuration store",
        address=host(store, "properties.endpoint"),
        fix_instruction=closing(store, authentication),
    )


PAGE = "app_configuration"

STORE.lock(
    "appconfig-access-keys",
    "authentication",
    "App Configuration accepts access keys",
    only=("config",),
    why="A key reads, and a read-write key changes, the settings of every program that uses the store: addresses, switches, "
    "and the passwords that should lie in a vault. It names nobody and does not expire.",
    fix=Fix(
        az=DISABLE,
        first_step="az role assignment list --scope {id} --include-inherited --output table",
        breaks="Every program with a connection string, and deployments that write settings through Resource Manager with "
        "local authentication: give them the role App Configuration Data Reader or Owner first.",
        bicep="disableLocalAuth: true",
        terraform="azurerm_app_configuration.local_auth_enabled = false",
        terraform_page=PAGE,
        portal="App Configuration > Access settings > Enable access keys: off",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/azure-app-configuration/howto-disable-access-key-authentication",),
)
STORE.lock(
    "appconfig-open-network",
    "network",
    "App Configuration answers networks that are not yours",
    only=("config",),
    why="A store has no rules for addresses: its public side is on for everybody or off. On, a key or token that got lost "
    "reads the settings from anywhere. A private endpoint that waits for approval closes nothing.",
    fix=Fix(
        az=f"{UPDATE} --enable-public-network false",
        first_step="az network private-endpoint-connection list --id {id}",
        breaks="Every program outside the networks of its private endpoints: make one first. The free tier has none.",
        bicep="publicNetworkAccess: 'Disabled'",
        terraform='azurerm_app_configuration.public_network_access = "Disabled"',
        terraform_page=PAGE,
        portal="App Configuration > Networking > Public access: Disabled",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/azure-app-configuration/howto-disable-public-access",),
)
pending_private_endpoint(STORE, "appconfig-private-endpoint-pending", "App Configuration")
strange_private_endpoint(STORE, "appconfig-private-endpoint-of-strangers", "App Configuration")
STORE.setting(
    "appconfig-purge-protection-off",
    "recovery",
    "Deleted settings can be destroyed at once",
    "properties.enablePurgeProtection",
    allowed=(True,),
    absent=False,
    source="azure-mgmt-appconfiguration: the default value of enablePurgeProtection is false",
    severity="low",
    unless=lambda store: "stores of the free tier are not kept after deletion" if is_free(store) else None,
    why="A deleted store is kept for some days. Without purge protection whoever may purge destroys it at once, and every "
    "program that reads its settings stands still until they are written anew.",
    fix=Fix(
        az=f"{UPDATE} --enable-purge-protection true",
        first_step="az appconfig show --name {name} --resource-group {group} --query enablePurgeProtection",
        breaks="It cannot be turned off again, and the name of a deleted store stays taken for the whole retention.",
        bicep="enablePurgeProtection: true",
        terraform="azurerm_app_configuration.purge_protection_enabled = true",
        terraform_page=PAGE,
        portal="App Configuration > Recover > Purge protection",
    ),
    controls={MCSB: ("BR-2",), NIST: ("CP-9",), ISO: ("A.8.13",)},
    references=(f"{LEARN}/azure-app-configuration/concept-soft-delete",),
)
