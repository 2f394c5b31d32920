"""Azure Machine Learning workspaces, hubs and projects: their network, and what is read below them."""

import contextlib
import re
from typing import Any

from scanner.model.addresses import BadAddress, parse, union
from scanner.model.bulk_reads import GraphRows
from scanner.model.checks import is_one
from scanner.model.exposure import Hop, Lock, Reach, possible, replace
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_list_of_texts, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    malformed,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.rules.owners import rated
from scanner.reach.rules.sources import grant_from_addresses, in_same_tenant
from scanner.reach.services.firewall import Firewall, firewall

from .common import find
from .connections import without_credentials
from .reasons import NO_ZONES

WORKSPACE = ResourceType(
    "Microsoft.MachineLearningServices/workspaces",
    api="2026-05-01",
    product=Message("Machine Learning workspace"),
    unread={
        "computes of the type AKS": "Version 1, retired. Clusters are evaluated as such.",
        "enableRootAccess of compute instances": "In preview versions alone.",
        "jobs, models, environments, featurestore settings": "What users make: no lock and no secret in ARM.",
        "v1LegacyMode": "A choice between two APIs. With it on, the newer one is not isolated, and Azure Policy asks for either.",
    },
    no_rule=NoRule(backup="models and data are in storage, which is evaluated", zone=NO_ZONES),
)
HUB = "properties.hubResourceId"
PUBLIC = "properties.publicNetworkAccess"
LEGACY = "properties.allowPublicAccessWhenBehindVnet"
ADDRESSES, ACLS = "properties.ipAllowlist", "properties.networkAcls"
ISOLATION = "properties.managedNetwork.isolationMode"
CONNECTIONS_PATH = "properties.privateEndpointConnections"
NOT_ISOLATED = ("Disabled", "")
ACL = Firewall(
    empty="open",
    source="Azure Policy 438c38d2: an absent switch is non-compliant, as everything but Disabled; "
    "machine-learning/how-to-configure-private-link: a workspace is public unless its public network access is disabled",
    name=Message("Public network access"),
    absent="enabled",
)


def is_project(workspace: Resource) -> bool:
    """Return whether a workspace is a project of a hub, whose network, key and storage it has.

    machine-learning/concept-hub-workspace: projects use the hub's connections, networks and managed resources.
    """
    return same(workspace.get("kind"), "Project") or not is_absent(workspace.get(HUB))


def is_isolated(workspace: Resource) -> bool:
    """Return whether rules for outbound traffic decide anything: the managed network is on, and not a hub's."""
    value = workspace.get(ISOLATION)
    return not is_project(workspace) and not is_absent(value) and not is_one(value, NOT_ISOLATED)


COMPUTES = WORKSPACE.child("computes")
ONLINE = WORKSPACE.child(
    "onlineEndpoints",
    graph=GraphRows(holds=("properties.authMode", "properties.publicNetworkAccess", "properties.scoringUri")),
)
DEPLOYMENTS = ONLINE.child(
    "deployments",
    graph=GraphRows(holds=("properties.endpointComputeType", "properties.egressPublicNetworkAccess")),
)
BATCH = WORKSPACE.child("batchEndpoints", graph=GraphRows(holds=("properties.authMode", "properties.scoringUri")))
SERVERLESS = WORKSPACE.child(
    "serverlessEndpoints",
    graph=GraphRows(
        holds=(
            "properties.authMode",
            "properties.contentSafety.contentSafetyStatus",
            "properties.inferenceEndpoint.uri",
        ),
    ),
)
DATASTORES = WORKSPACE.child("datastores")
CONNECTIONS = WORKSPACE.child("connections", reduce=without_credentials)
OUTBOUND = WORKSPACE.child("outboundRules", when=is_isolated)


# Network


def network(workspace: Resource, index: Index) -> Lock:
    """Return the network lock of a workspace; that of its hub for a project."""
    return _of_hub(workspace, index) if is_project(workspace) else _workspace_lock(workspace, index)


def closed_by_switch(lock: Lock, resource: Resource) -> Lock:
    """Return a lock whose public access is caused by the switch of a resource: workspace and endpoints have one each."""
    cause = Cause(resource.id, PUBLIC, value="Disabled")
    grants = (replace(each, cause=cause) if each.level == Reach.internet else each for each in lock.grants)
    return replace(lock, grants=tuple(grants))


def _workspace_lock(workspace: Resource, index: Index) -> Lock:
    """Return the lock of a workspace's own settings.

    The older switch allowed public access beside private endpoints. Which of the two wins where they disagree is documented
    nowhere, so together they are inconclusive.
    """
    lock = closed_by_switch(firewall(workspace, index, ACL, _named_addresses(workspace)), workspace)
    if same(workspace.get(PUBLIC), "Disabled") and same(workspace.get(LEGACY), True):
        missing = Unread(LEGACY, Message("the older switch allows public access, which the newer one refuses"))
        return lock | possible(Reach.internet, missing, workspace.evidence(LEGACY, False))
    return lock


def _named_addresses(workspace: Resource) -> Lock | None:
    """Return the lock of a workspace that names addresses; None where it names none, or one of its two forms allows all.

    Azure returns them, but no stable version defines them: whether they are enforced is not known.
    azure-ai-ml NetworkAcls: with the default action Allow every address may call, whatever the rules say.
    """
    value, default = workspace.get(ADDRESSES), workspace.get(f"{ACLS}.defaultAction")
    rules = workspace.get(f"{ACLS}.ipRules")
    named = (ADDRESSES, value) if not is_absent(value) and value != [] else None
    if same(default, "Allow") or (named is not None and _has_every_address(value)):
        return None
    if not is_absent(default) or (not is_absent(rules) and rules != []):
        named = named or (ACLS, workspace.get(ACLS))
    if named is None:
        return None
    missing = Unread(named[0], Message("it names addresses in a property that no stable API version defines"))
    hop = Hop("rules", Message("Allowed addresses"), missing.why, allows=None)
    return possible(Reach.internet, missing, workspace.evidence(named[0], []), hops=(hop,))


def _has_every_address(value: Any) -> bool:
    """Return whether a list of addresses has every one of IPv4."""
    matches = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    with contextlib.suppress(BadAddress):
        return (parse("0.0.0.0/0") - union([parse(each) for each in matches])).is_empty
    return False


def hub_of(workspace: Resource, index: Index) -> Resource:
    """Return the hub of a project. Raise Unread where it is not known, or was not read."""
    hub = workspace.require(HUB)
    if not isinstance(hub, str) or not hub:
        raise unknown_value(HUB, hub)
    resource = find(index, hub, WORKSPACE.type)
    if resource.key == workspace.key or is_project(resource):
        raise Unread(HUB, Message("it names a project"))
    return resource


def _of_hub(project: Resource, index: Index) -> Lock:
    try:
        hub = hub_of(project, index)
    except Unread as missing:
        hop = Hop("switch", "Hub", missing.why, allows=None)
        return possible(Reach.internet, missing, project.evidence(HUB), hops=(hop,))
    lock = _workspace_lock(hub, index)
    first, *rest = lock.hops or (Hop("source", "Internet"),)
    return replace(lock, hops=(first, Hop("hub", hub.name, Message("the hub of the project"), hub.id), *rest))


# Outbound traffic


def unlimited_outbound(workspace: Resource, index: Index) -> Verdict:
    """Fail where the managed network of a workspace lets data out to every address."""
    if is_project(workspace):
        return NotApplicable(Message("a project has the network of its hub"))
    value, seen = workspace.get(ISOLATION), workspace.evidence(ISOLATION, "AllowOnlyApprovedOutbound")
    if is_absent(value) or same(value, "Disabled"):
        if is_absent(value) and workspace.why_absent_is_unknown:
            return unknown(Unread(ISOLATION, workspace.why_absent_is_unknown), evidence=(seen,))
        return NotApplicable(Message("it has no managed network, which another rule reports"))
    if same(value, "AllowOnlyApprovedOutbound"):
        return Pass((seen,))
    return Fail((seen,)) if same(value, "AllowInternetOutbound") else unknown(unknown_value(ISOLATION, value))


TARGET = "properties.destination.serviceResourceId"
WIDE_TAGS = (
    *("Internet", "AzureCloud", "Storage", "Sql", "AzureCosmosDB", "AzureDataLake", "EventHub", "ServiceBus"),
    *("AzureKeyVault", "AzureContainerRegistry", "AppService", "AzureFrontDoor.Frontend", "AzureArcInfrastructure"),
)
"""Service tags behind which any customer of Azure has a resource of its own."""
NARROW_TAGS = (
    *("AzureActiveDirectory", "AzureMachineLearning", "AzureMonitor", "AzureResourceManager", "BatchNodeManagement"),
    *("AzureFrontDoor.FirstParty", "AzureLoadBalancer", "MicrosoftContainerRegistry", "VirtualNetwork"),
)
"""Service tags of Azure itself: machine-learning/how-to-managed-network names those that a workspace needs."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+", re.I)


def _is_custom_rule(rule: Resource) -> bool:
    """Return whether a rule was made by the customer: the others are those that Azure needs."""
    value = rule.get("properties.category")
    return not is_one(value, ("Required", "Recommended", "Dependency"))


def foreign_target(rule: Resource, index: Index) -> Verdict:
    """Fail where the managed network has a private endpoint to a resource of an external subscription."""
    kind = rule.require("properties.type")
    if not isinstance(kind, str):
        raise malformed("properties.type")
    if not same(kind, "PrivateEndpoint"):
        return NotApplicable(Message("it names no resource"))
    target = rule.require(TARGET)
    if not isinstance(target, str) or not target.startswith("/"):
        return unknown(unknown_value(TARGET, target))
    if in_same_tenant(rule, index, target):
        return Pass((rule.evidence(TARGET),))
    severity, message = rated(rule, index, [target], Message("destination"))
    return Fail((rule.evidence(TARGET, Message("a resource in your own tenant")),), message, severity)


def wide_target(rule: Resource, index: Index) -> Verdict:
    """Fail where a rule of the customer's lets data out to hosts that anyone may have."""
    kind = rule.require("properties.type")
    if not isinstance(kind, str):
        raise malformed("properties.type")
    if same(kind, "PrivateEndpoint"):
        return NotApplicable(Message("it names one resource"))
    if not _is_custom_rule(rule):
        return NotApplicable(Message("Azure needs the rule"))
    if same(kind, "FQDN"):
        return _wide_name(rule, "properties.destination")
    return _wide_tag(rule, index) if same(kind, "ServiceTag") else unknown(unknown_value("properties.type", kind))


def _wide_name(rule: Resource, path: str) -> Verdict:
    value = rule.require(path)
    if not isinstance(value, str) or not value:
        return unknown(unknown_value(path, value))
    seen = rule.evidence(path, Message("the names of single hosts"))
    if value.startswith("*"):
        return Fail((seen,))
    return Pass((seen,)) if _NAME.fullmatch(value) else unknown(unknown_value(path, value))


def _wide_tag(rule: Resource, index: Index) -> Verdict:
    ranges, tag = "properties.destination.addressPrefixes", "properties.destination.serviceTag"
    if same(rule.get("properties.destination.action"), "Deny"):
        return Pass((rule.evidence("properties.destination.action"),))
    listed = rule.get(ranges)
    if not is_absent(listed) and not is_list_of_texts(listed):
        raise malformed(ranges)
    if listed:
        return _wide_ranges(rule, index, ranges, listed)
    value = rule.require(tag)
    if not isinstance(value, str) or not value:
        return unknown(unknown_value(tag, value))
    seen = rule.evidence(tag, Message("your own service, by a private endpoint"))
    # A tag of one region (Storage.NorwayEast) has the resources of every customer there.
    names = (value, value.partition(".")[0])
    if any(is_one(each, WIDE_TAGS) for each in names):
        return Fail((seen,))
    return Pass((seen,)) if any(is_one(each, NARROW_TAGS) for each in names) else unknown(unknown_value(tag, value))


def _wide_ranges(rule: Resource, index: Index, path: str, listed: list[str]) -> Verdict:
    """Return the verdict on addresses, which stand in place of a service."""
    try:
        grant = grant_from_addresses(union([parse(each) for each in listed]), index)
    except BadAddress as bad:
        return unknown(Unread(path, bad.why))
    if grant is not None and grant.level >= Reach.wide:
        return Fail((rule.evidence(path, Message("the addresses of single services")),))
    return NotApplicable(Message("it names addresses instead of a service"))


# Data and deployments

CREDENTIALS = "properties.credentials.credentialsType"
SYSTEM_STORES = ("workspaceblobstore", "workspacefilestore", "workspaceartifactstore", "workspaceworkingdirectory")
"""The datastores that each workspace has: machine-learning/concept-data. How they sign in is a setting of the workspace."""


def stored_key(store: Resource, index: Index) -> Verdict:
    """Fail where a datastore signs in with a key, a signature or a secret that the workspace keeps."""
    if is_one(store.name, SYSTEM_STORES):
        return NotApplicable(Message("a setting of the workspace decides how its own datastores sign in"))
    value, seen = store.require(CREDENTIALS), store.evidence(CREDENTIALS, "None")
    if same(value, "None"):
        return Pass((seen,))
    known = ("AccountKey", "Sas", "Certificate", "ServicePrincipal")
    return Fail((seen,)) if is_one(value, known) else unknown(unknown_value(CREDENTIALS, value))


EGRESS = "properties.egressPublicNetworkAccess"


def public_egress(deployment: Resource, index: Index) -> Verdict:
    """Fail where a deployment calls out over the internet.

    machine-learning/concept-secure-online-endpoint: the switch decides only where the workspace has no managed network, and
    is Enabled where it is absent.
    """
    kind = deployment.text("properties.endpointComputeType") or "Managed"
    if not is_one(kind, ("Managed", "Kubernetes", "AzureMLCompute")):
        return unknown(unknown_value("properties.endpointComputeType", kind))
    if not same(kind, "Managed"):
        return NotApplicable(Message("it runs in your own cluster"))
    workspace = deployment.bundle.top
    if workspace is None or is_project(workspace):
        return NotApplicable(Message("the network of its hub decides"))
    workspace.text(ISOLATION)
    if is_isolated(workspace):
        return NotApplicable(Message("the managed network of the workspace decides"))
    value, seen = deployment.get(EGRESS), deployment.evidence(EGRESS, "Disabled")
    if is_absent(value):
        return unknown(absent_at_unknown_version(EGRESS)) if deployment.why_absent_is_unknown else Fail((seen,))
    if same(value, "Disabled"):
        return Pass((seen,))
    return Fail((seen,)) if same(value, "Enabled") else unknown(unknown_value(EGRESS, value))


SCORING = "properties.scoringUri"


def plain_scoring(endpoint: Resource, index: Index) -> Verdict:
    """Fail where an endpoint answers over plain HTTP, as one of a cluster without a certificate does."""
    value = endpoint.require(SCORING)
    scheme = value.partition("://")[0].lower() if isinstance(value, str) else ""
    seen = Evidence(SCORING, scheme or None, "https")
    if scheme == "https":
        return Pass((seen,))
    return Fail((seen,)) if scheme == "http" else unknown(not_returned_or_unknown(SCORING))
