"""Azure Red Hat OpenShift: the API server and the ingress of a cluster, by their visibility."""

from collections.abc import Iterator
from typing import Any

from scanner.model.exposure import ANONYMOUS, SHARED, Exposure, Hop, Lock, Reach, grant, possible, replace, unread
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTP_AND_HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Unread, not_a_list, not_returned, unknown_value
from scanner.reach.rules.sources import source_hop

from .common import host, private_only
from .reasons import DATA_INSIDE, DISKS_ARE_RESOURCES, LOCK_STOPS_SCALING, LOG_INSIDE

CLUSTER = ResourceType(
    "Microsoft.RedHatOpenShift/openShiftClusters",
    api="2025-07-25",
    product=Message("OpenShift cluster"),
    no_rule=NoRule(
        copy=DISKS_ARE_RESOURCES,
        log=LOG_INSIDE,
        lock=LOCK_STOPS_SCALING,
        backup=DATA_INSIDE,
        zone="its nodes are machines, each in one zone",
    ),
)
API = "properties.apiserverProfile.visibility"
INGRESS = "properties.ingressProfiles"
KUBEADMIN = Message(
    "whether kubeadmin was removed is not visible, and a cluster can have only a private address, so it counts as closed"
)
PRIVATE = Message("a private address in the virtual network of the cluster")
PUBLIC = Message("a public address without address rules")


def visible(path: str, value: Any) -> Lock:
    """Return the network lock that a visibility sets: openshift/howto-create-private-cluster-4x."""
    seen = Evidence(path, value if not is_absent(value) else "(absent)", "Private")
    if same(value, "Private"):
        return private_only(Hop("switch", "Visibility", PRIVATE), seen)
    if same(value, "Public"):
        reach = grant(Reach.internet, seen)
        return replace(reach, hops=(source_hop(reach), Hop("switch", "Visibility", PUBLIC)))
    missing = not_returned(path) if is_absent(value) else unknown_value(path, value)
    return possible(Reach.internet, missing, seen, hops=(Hop("switch", "Visibility", missing.why, allows=None),))


# openshift/howto-create-private-cluster-4x: every cluster has the user kubeadmin with a password until someone removes
# it inside the cluster, which ARM does not show.
@CLUSTER.endpoints(
    Endpoint(
        "api-server",
        "admin",
        ports=("tcp/6443",),
        no_rule={
            "anonymous-access": "the API server asks for a token or a password",
            "authentication": "the user kubeadmin is removed inside the cluster, and applications decide about themselves: no setting of ARM does",
        },
    ),
    Endpoint(
        "ingress/*",
        "app",
        ports=HTTP_AND_HTTPS,
        no_rule={
            "authentication": "the user kubeadmin is removed inside the cluster, and applications decide about themselves: no setting of ARM does"
        },
    ),
)
def endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "api-server",
        "admin",
        visible(API, cluster.get(API)),
        SHARED,
        display_name=Message("The API server"),
        address=host(cluster, "properties.apiserverProfile.url"),
        counts_as_closed_up_to=Reach.private,
        justification=KUBEADMIN,
    )
    profiles = cluster.get(INGRESS)
    # A cluster always has the ingress `default`.
    if not isinstance(profiles, list) or not profiles:
        why = cluster.why_absent_is_unknown
        missing = (
            Unread(INGRESS, why)
            if why
            else not_returned(INGRESS)
            if is_absent(profiles) or profiles == []
            else not_a_list(INGRESS)
        )
        yield unread("ingress/*", "app", missing, display_name=Message("The ingress of the cluster"))
        return
    for profile in profiles:
        name = text_at(profile, "name") or "default"
        yield Exposure(
            f"ingress/{name}",
            "app",
            visible(f"{INGRESS}[{name}].visibility", get_path(profile, "visibility")),
            ANONYMOUS,
            display_name=Message("The ingress {name} of the cluster", name=name),
            address=text_at(profile, "ip"),
        )
