"""Elastic SAN: the volumes of each volume group over iSCSI, by the switch of the SAN and the rules of the group."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, Reach, grant, unread
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .file_shares import NO_SIGN_IN
from .reasons import NO_LOG_CATEGORY, NO_OTHER_LOCATION

SAN = ResourceType(
    "Microsoft.ElasticSan/elasticSans",
    api="2025-09-01",
    product=Message("Elastic SAN"),
    unread={
        "volumegroups/volumes": "The locks are those of the group; CHAP secrets are not in ARM.",
    },
    no_rule=NoRule(
        copy=NO_OTHER_LOCATION,
        log=NO_LOG_CATEGORY,
        backup="not evaluated: snapshots, a list for each group; soft delete is in preview versions only",
    ),
)
GROUPS = SAN.child(
    "volumegroups", alone="settings decide that only some groups have, and what a row lacks is not taken as absent"
)
SUBNETS = "properties.networkAcls.virtualNetworkRules"
SAN_ACL = Firewall(
    empty="closed",
    source="storage/elastic-san/elastic-san-networking: a volume group answers the subnets of its rules and its private endpoints alone; "
    "Azure Policy 6a92fe1f flags an absent publicNetworkAccess",
    name=Message("Rules of the volume group"),
    absent="enabled",
)
GROUP_ACL = Firewall(
    empty="closed",
    source="storage/elastic-san/elastic-san-networking: without a rule no subnet has access to the volumes of a group",
    name=Message("Rules of the volume group"),
    public="",
    acl="properties.networkAcls",
    subnets=(RuleList(SUBNETS, id="id", action="action"),),
    endpoints=None,
)


def rules_of(group: Resource, index: Index) -> Lock:
    """Return what the rules of a group allow. A group without networkAcls has none, as recorded groups show."""
    if is_absent(group.get("properties.networkAcls")) and not group.why_absent_is_unknown:
        return grant(Reach.none, group.evidence("properties.networkAcls"))
    inner = firewall(group, index, GROUP_ACL)
    return Lock(inner.grants, inner.possible_grants, inner.hops[1:])


@SAN.endpoints(
    Endpoint(
        "group/*",
        "data",
        ports=("tcp/3260",),
        no_rule={
            "authentication": "no setting of ARM asks for a sign-in over iSCSI",
            "network": "chosen subnets and private endpoints alone reach it; the rule on anonymous access tells whose",
        },
    ),
    reads=(GROUPS,),
)
def endpoints(san: Resource, index: Index) -> Iterator[Exposure]:
    groups = san.children(GROUPS)
    if groups.gap is not None:
        yield unread("group/*", "data", groups.gap, display_name=Message("The volume groups of the SAN"))
    for group in groups:
        name = group.name.rsplit("/", 1)[-1]
        if same(group.get("properties.protocolType"), "None"):
            continue
        yield Exposure(
            f"group/{name}",
            "data",
            # The group id of a private endpoint is the name of a volume group: storage/elastic-san/elastic-san-networking.
            firewall(san, index, SAN_ACL, rules_of(group, index), (name,)),
            grant(Auth.anonymous, description=Message("requires no authentication")),
            display_name=Message("Volume group {name}", name=name),
            subject=group,
            counts_as_closed_up_to=Reach.private,
            justification=NO_SIGN_IN,
        )
