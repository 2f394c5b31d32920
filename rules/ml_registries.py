"""Machine Learning registries: models and images that several workspaces share, in one region or more."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, known_objects, same, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_a_list,
    not_returned,
    unknown,
)
from scanner.reach.services.firewall import Firewall, firewall
from scanner.reach.services.private_endpoints import OF_REGISTRY

from .common import host
from .reasons import NO_CUSTOMER_KEY, NO_ZONES

REGISTRY = ResourceType(
    "Microsoft.MachineLearningServices/registries",
    api="2026-05-01",
    product=Message("ML registry"),
    no_rule=NoRule(key=NO_CUSTOMER_KEY, backup="models and data are in storage, which is evaluated", zone=NO_ZONES),
)
REGIONS = "properties.regionDetails"
STORES = "storageAccountDetails"
ANONYMOUS = "systemCreatedStorageAccount.allowBlobPublicAccess"
ACL = Firewall(
    empty="open",
    source="machine-learning/how-to-registry-network-isolation: a registry is public unless its public network access is disabled",
    name=Message("Public network access"),
    absent="enabled",
    endpoints=OF_REGISTRY,
)


@REGISTRY.endpoints(
    Endpoint(
        "registry",
        "data",
        ports=HTTPS,
        hosts=("properties.discoveryUrl",),
        no_rule="every call carries a token of Microsoft Entra ID",
    ),
)
def endpoints(registry: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "registry",
        "data",
        firewall(registry, index, ACL),
        IDENTITY,
        display_name=Message("The Machine Learning registry"),
        address=host(registry, "properties.mlFlowRegistryUri"),
    )


def anonymous_storage(registry: Resource, index: Index) -> Verdict:
    """Fail where storage that Azure made for a registry may have containers that everyone reads.

    The accounts are resources of their own, in the managed group of the registry. Where Azure leaves the switch out here, their
    own rules tell.
    """
    regions = registry.get(REGIONS)
    if not isinstance(regions, list):
        return unknown(not_returned(REGIONS) if is_absent(regions) else not_a_list(REGIONS))
    stores = [store for region in registry.objects(REGIONS) for store in known_objects(region, STORES)]
    made = [store for store in stores if not is_absent(get_path(store, "systemCreatedStorageAccount"))]
    if not made:
        return NotApplicable(Message("Azure made no storage account for it"))
    path = f"{REGIONS}[].{STORES}[].{ANONYMOUS}"
    values = [value_at(store, ANONYMOUS) for store in made]
    seen = Evidence(path, [each if isinstance(each, bool) else None for each in values], False)
    if any(same(each, True) for each in values):
        return Fail((seen,))
    strange = [each for each in values if not is_absent(each) and not same(each, False)]
    if strange:
        return unknown(Unread(path, Message("Azure returned an unrecognized value")), evidence=(seen,))
    if all(is_absent(each) for each in values):
        return NotApplicable(
            Message("Azure returned no switch of its storage accounts, which are resources of their own")
        )
    if any(is_absent(each) for each in values):
        return unknown(Unread(path, Message("Azure returned it for some of the accounts alone")), evidence=(seen,))
    return Pass((seen,))
