"""Azure Kubernetes Service: the API server of a cluster, and the cluster's own settings."""

from collections.abc import Iterator
from typing import Any

from scanner.model.addresses import AddressSet, BadAddress, parse, union
from scanner.model.checks import check_value
from scanner.model.exposure import Exposure, Grant, Hop, Lock, PossibleGrant, Reach, grant, possible, replace
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, text_at
from scanner.model.message import Message, listed, more
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    Pass,
    Unread,
    Verdict,
    not_a_list,
    not_returned,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.rules.sources import (
    MAX_LISTED,
    grant_from_addresses,
    grant_from_tag,
    private_range_evidence,
)
from scanner.reach.services.firewall import Firewall, firewall

from .common import perhaps_private, private_only, unless_running
from .reasons import LOCK_STOPS_SCALING

CLUSTER = ResourceType(
    "Microsoft.ContainerService/managedClusters",
    api="2025-10-01",
    product=Message("AKS cluster"),
    unread={
        "maxCount of node pools": "It is required where a pool scales by itself. aks-no-node-limit is about node auto-provisioning.",
    },
    no_rule=NoRule(lock=LOCK_STOPS_SCALING, backup="whether a cluster keeps data is in Kubernetes, not in ARM"),
)

POWER = "properties.powerState.code"
START_FIRST = Fix(
    steps=(
        Message(
            "A stopped cluster can only be started or deleted (aks/start-stop-cluster): start it and restrict it then, or delete it"
        ),
    )
)
PRIVATE = "properties.apiServerAccessProfile.enablePrivateCluster"
RANGES = "properties.apiServerAccessProfile.authorizedIPRanges"

# The API server has no public switch of its own, because properties.publicNetworkAccess is never returned.
SERVER = Firewall(
    empty="open",
    source="aks/api-server-authorized-ip-ranges: without ranges the API server is reachable from every address",
    name=Message("Authorized address ranges"),
    public="",
    endpoints=None,
)
ACCOUNTS = CLUSTER.local_auth(
    "properties.disableLocalAccounts",
    off=(True,),
    on=(False,),
    absent=False,
    source="aks/local-accounts: local accounts are enabled by default",
    message=Message("accepts the local administrator certificate"),
)


def authorized(cluster: Resource, index: Index) -> Lock:
    """Return the network lock of the authorized ranges: addresses or a service tag. No range allows every address.

    0.0.0.0/32 means only the cluster's own outbound address.
    """
    value = cluster.get(RANGES)
    if is_absent(value):
        value = []
    if not isinstance(value, list):
        missing = not_a_list(RANGES)
        return possible(Reach.internet, missing, hops=(Hop("firewall", SERVER.name, missing.why, allows=None),))
    seen = cluster.evidence(RANGES, Message("your own address ranges"))
    if not value:
        return grant(Reach.internet, seen, hops=(Hop("firewall", SERVER.name, Message("none")),))
    address_sets: list[AddressSet] = []
    grants: list[Grant] = []
    possible_grants: list[PossibleGrant] = []
    for entry in value:
        if isinstance(entry, str) and entry[:1].isalpha() and ":" not in entry:
            named, tag = grant_from_tag(entry, Evidence(RANGES, entry))
            if named is not None:
                grants.append(
                    replace(named, description=Message("{why} (the service tag {name})", why=tag.why, name=tag.name))
                )
            continue
        try:
            address_sets.append(parse(entry))
        except BadAddress as bad:
            possible_grants.append(PossibleGrant(Reach.internet, Unread(RANGES, bad.why)))
    shown = Evidence(
        RANGES,
        value if len(value) <= MAX_LISTED else [*value[:MAX_LISTED], more(len(value) - MAX_LISTED)],
    )
    local_one = grant_from_addresses(
        union(address_sets), index, shown, *private_range_evidence(RANGES, union(address_sets))
    )
    grants += [local_one] if local_one is not None else []
    detail = listed([each.description or each.level.name for each in grants]) or Message("only the cluster itself")
    hop = Hop("firewall", SERVER.name, detail, allows=True if grants else None if possible_grants else False)
    if not grants and not possible_grants:
        grants = [Grant(Reach.none, (shown,))]
    return Lock(tuple(grants), tuple(possible_grants), (hop,))


def reach_of(cluster: Resource, index: Index) -> Lock:
    """Return the network lock of the API server. A private cluster has no public endpoint, whatever its other settings."""
    private = cluster.get(PRIVATE)
    if same(private, True):
        hop = Hop("private-cluster", Message("Private cluster"), Message("the API server has a private address"))
        return private_only(hop, cluster.evidence(PRIVATE, True))
    usual = firewall(cluster, index, SERVER, authorized(cluster, index))
    if is_absent(private) or same(private, False):
        return usual
    return perhaps_private(usual, unknown_value(PRIVATE, private))


def address(cluster: Resource) -> str:
    names = (cluster.get("properties.fqdn"), cluster.get("properties.privateFQDN"))
    return next((name for name in names if isinstance(name, str) and name), "")


@CLUSTER.endpoints(
    Endpoint(
        "api-server",
        "admin",
        ports=HTTPS,
        no_rule={"anonymous-access": "the API server always asks for a certificate or a token"},
    ),
)
def endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    stopped = same(cluster.get(POWER), "Stopped")
    exposure = Exposure(
        "api-server",
        "admin",
        reach_of(cluster, index),
        ACCOUNTS.lock(cluster),
        display_name=Message("The API server"),
        address=address(cluster),
        fixes=dict.fromkeys(("network", "authentication"), START_FIRST) if stopped else {},
    )
    yield unless_running(exposure, cluster, POWER)


def no_entra(cluster: Resource, index: Index) -> Verdict:
    """Fail where users sign in with certificates alone: no profile, or one that names no integration."""
    path = "properties.aadProfile"
    profile = cluster.get(path)
    if is_absent(profile):
        return Fail((cluster.evidence(path, Message("a profile")),))
    if not isinstance(profile, dict):
        return unknown(Unread(path, Message("not an object")))
    managed, seen = cluster.get(f"{path}.managed"), cluster.evidence(f"{path}.managed", True)
    if same(managed, True) or text_at(profile, "serverAppID"):
        return Pass((Evidence(path, "set", Message("a profile")),))
    return Fail((seen,)) if same(managed, False) else unknown(not_returned_or_unknown(seen.path), evidence=(seen,))


# Network policy

POLICY, PLUGIN = "properties.networkProfile.networkPolicy", "properties.networkProfile.networkPlugin"


def no_network_policy(cluster: Resource, index: Index) -> Verdict:
    """Fail where no engine applies the network policies of the cluster.

    aks/use-byo-cni: with the plugin none a cluster brings its own, which may have an engine that Azure does not show.
    """
    verdict = check_value(cluster, POLICY, good=("cilium", "azure", "calico"), bad=("none", ""), absent="none")
    if isinstance(verdict, Fail) and same(cluster.get(PLUGIN), "none"):
        missing = Unread(PLUGIN, Message("the cluster has a network plugin of its own, which may apply policies"))
        return unknown(missing, evidence=verdict.evidence)
    return verdict


# Versions

VERSION = "properties.currentKubernetesVersion"
CALENDAR = {
    27: ("2024-07-31", "2025-07-31"),
    28: ("2025-01-31", "2026-01-31"),
    29: ("2025-03-31", "2026-03-31"),
    30: ("2025-07-31", "2026-07-31"),
    31: ("2025-11-01", "2026-11-30"),
    32: ("2026-03-31", "2027-03-31"),
    33: ("2026-07-31", "2027-07-31"),
    34: ("2026-11-30", "2027-11-30"),
    35: ("2027-03-31", "2028-03-31"),
    36: ("2027-06-30", "2028-06-30"),
    37: ("2027-10-31", "2028-10-31"),
}
"""The last day of support of each minor version of Kubernetes 1: of the community, and long-term. As of November 2026.

Source: aks/supported-kubernetes-versions, whose dates without a day are the last one of the month. Long-term support is
one year longer, of the versions too of which the page no longer has the date.
"""


POOLS = "properties.agentPoolProfiles"


def unsupported(cluster: Resource, index: Index) -> Verdict:
    """Fail where Microsoft fixes no flaws of a version any more: of the control plane, or of one of the node pools.

    aks/supported-kubernetes-versions: nodes may be three minor versions older than the control plane.
    """
    long_term = same(cluster.get("properties.supportPlan"), "AKSLongTermSupport")
    day = index.taken[:10]
    if not day:
        raise Unread(Message("the time of the scan"), Message("not in the snapshot"))
    versions = [("", VERSION, "properties.kubernetesVersion", cluster.body)]
    pools = cluster.require(POOLS)
    if not isinstance(pools, list):
        raise not_a_list(POOLS)
    for pool in pools:
        prefix = f"{POOLS}[{text_at(pool, 'name')}]."
        versions.append((prefix, "currentOrchestratorVersion", "orchestratorVersion", pool))
    matches: list[Fail | Pass] = []
    missing: list[Unread] = []
    for prefix, current, wanted, body in versions:
        try:
            matches.append(_supported(body, prefix, current, wanted, day, long_term=long_term))
        except Unread as gap:
            missing.append(gap)
    old = [each for each in matches if isinstance(each, Fail)]
    if old:
        return Fail(tuple(seen for each in old for seen in each.evidence))
    return unknown(*missing) if missing else Pass(tuple(seen for each in matches for seen in each.evidence))


def _supported(body: Any, prefix: str, current: str, wanted: str, day: str, *, long_term: bool) -> Fail | Pass:
    """Return the verdict on the version at one of two paths of a body. Raises Unread."""
    value = get_path(body, current)
    path = wanted if is_absent(value) else current
    value = get_path(body, path)
    if is_absent(value):
        raise not_returned(f"{prefix}{current}")
    major, _, rest = str(value).partition(".")
    minor = rest.partition(".")[0]
    if major != "1" or not minor.isascii() or not minor.isdecimal():
        raise unknown_value(f"{prefix}{path}", value)
    first, last = min(CALENDAR), max(CALENDAR)
    end = CALENDAR[min(max(int(minor), first), last)][long_term]
    seen = Evidence(f"{prefix}{path}", value, Message("a version that is supported on {day}", day=day))
    if day <= end and path != current:
        raise not_returned(f"{prefix}{current}")
    if day <= end:
        return Pass((seen,))
    if int(minor) > last:
        raise Unread(seen.path, Message("this version of the scanner has no date for it"))
    return Fail((seen, Evidence(Message("end of support"), end)))
