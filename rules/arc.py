"""Machines and Kubernetes clusters outside Azure that Azure Arc manages, and Flux configurations of clusters."""

from typing import Any

from scanner.model.bulk_reads import GraphRows
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, spelled
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    malformed,
    not_returned,
    unknown_value,
)

from . import aks
from .reasons import LOG_INSIDE

MACHINE = ResourceType(
    "Microsoft.HybridCompute/machines",
    api="2025-01-13",
    product=Message("Arc machine"),
    unread={
        "extensions": "One request for each machine. What may be installed is evaluated.",
    },
    no_rule=NoRule(
        copy="ARM does not say where the machine or cluster is",
        key="the disks are not in Azure",
        log=LOG_INSIDE,
        loss="the machine is not in Azure",
        backup="recovery-item-stopped and recovery-item-failing ask for it, where a vault protects it",
    ),
)
CLUSTER = ResourceType(
    "Microsoft.Kubernetes/connectedClusters",
    api="2026-05-01",
    product=Message("Arc cluster"),
    unread={
        "privateLinkState": "The path of agents to Azure, outbound.",
    },
    no_rule=NoRule(
        copy="ARM does not say where the machine or cluster is",
        key="the disks are not in Azure",
        log=LOG_INSIDE,
        loss="the machine is not in Azure",
    ),
)
FLUX = "providers/Microsoft.KubernetesConfiguration/fluxConfigurations"
# One request for each cluster; Resource Graph has them in a table of their own, which a scan does not read.
FLUX_ROWS = GraphRows("kubernetesconfigurationresources")
AKS_FLUX = aks.CLUSTER.child(FLUX, api="2025-04-01", graph=FLUX_ROWS)
ARC_FLUX = CLUSTER.child(FLUX, api="2025-04-01", graph=FLUX_ROWS)

AGENT = "properties.agentConfiguration"
ON, OFF = ("true", True), ("false", False)


SCRIPTS = (
    *("CustomScriptExtension", "CustomScript", "CustomScriptForLinux", "RunCommandHandlerWindows"),
    *("RunCommandHandlerLinux", "DSC", "HybridWorkerForWindows", "HybridWorkerForLinux"),
)
"""Types of extensions that run whatever program they are given, as root or SYSTEM."""


def any_extension(machine: Resource, index: Index) -> Verdict:
    """Fail where an identity with rights on the machine can run any program on it, as its highest account.

    azure-arc/servers/security-extensions: the agent runs every extension unless extensions are disabled, a list allows
    some of them, or the agent is in monitor mode. A list of extensions that run scripts limits nothing.
    """
    mode, enabled = machine.get(f"{AGENT}.configMode"), machine.get(f"{AGENT}.extensionsEnabled")
    if same(mode, "monitor"):
        return Pass((machine.evidence(f"{AGENT}.configMode"),))
    if any(same(enabled, each) for each in OFF):
        return Pass((machine.evidence(f"{AGENT}.extensionsEnabled"),))
    path = f"{AGENT}.extensionsAllowList"
    allowed = machine.objects(path)
    if allowed:
        return _listed(machine, path, allowed)
    if is_absent(mode) or is_absent(enabled):
        raise not_returned(f"{AGENT}.configMode" if is_absent(mode) else f"{AGENT}.extensionsEnabled")
    if not same(mode, "full"):
        raise unknown_value(f"{AGENT}.configMode", mode)
    if not any(same(enabled, each) for each in ON):
        raise unknown_value(f"{AGENT}.extensionsEnabled", enabled)
    if is_absent(machine.get(path)) and machine.api_version_unknown:
        raise absent_at_unknown_version(path)
    return Fail(
        (Evidence(path, [], Message("the extensions that you use")), machine.evidence(f"{AGENT}.configMode", "monitor"))
    )


def _listed(machine: Resource, path: str, allowed: list[Any]) -> Verdict:
    """Return the verdict on a list of allowed extensions. The list of blocked ones is stronger."""
    blocked = {_name_of(each) for each in machine.objects(f"{AGENT}.extensionsBlockList")}
    names = [f"{spelled(get_path(each, 'publisher'))}/{spelled(get_path(each, 'type'))}" for each in allowed]
    seen = Evidence(path, names)
    if not all(isinstance(get_path(each, "type"), str) for each in allowed):
        raise unknown_value(f"{path}[].type")
    kinds = [str(get_path(each, "type")) for each in allowed if _name_of(each) not in blocked]
    scripts = [each for each in kinds if any(same(each, one) for one in SCRIPTS)]
    if scripts:
        return Fail((seen,), Message("The list allows {list}, which runs any program.", list=", ".join(scripts)))
    return Pass((seen,))


def _name_of(extension: Any) -> tuple[str, str]:
    return str(get_path(extension, "publisher")).lower(), str(get_path(extension, "type")).lower()


def incoming_ports(machine: Resource, index: Index) -> Verdict:
    """Fail where the agent connects callers of Azure to ports of the machine, such as SSH."""
    path = f"{AGENT}.incomingConnectionsPorts"
    if is_absent(machine.get(path)):
        raise not_returned(path)
    ports = machine.items(path)
    seen = Evidence(path, ports, [])
    return Fail((seen,)) if ports else Pass((seen,))


# Flux

SPEC = "properties"
SOURCES = ("gitRepository", "bucket", "azureBlob", "ociRepository")
SUSPENDED = NotApplicable(Message("it is suspended"))
"""azure-rest-api-specs, FluxConfigurationProperties.suspend: neither sources nor kustomizations are reconciled."""


def plain_source(configuration: Resource, index: Index) -> Verdict:
    """Fail where a cluster pulls GitOps sources over HTTP."""
    kind = configuration.get(f"{SPEC}.sourceKind")
    used = [name for name in SOURCES if same(kind, name)] or SOURCES
    matches = [(name, configuration.get(f"{SPEC}.{name}")) for name in used]
    for name, each in matches:
        if not is_absent(each) and not isinstance(each, dict):
            raise malformed(f"{SPEC}.{name}")
    seen = [_transport(f"{SPEC}.{name}", name, each) for name, each in matches if not is_absent(each)]
    if not seen:
        raise Unread(f"{SPEC}.sourceKind", Message("Azure returned no source"))
    plain = tuple(evidence for evidence, is_plain in seen if is_plain)
    if plain and same(configuration.get(f"{SPEC}.suspend"), True):
        return SUSPENDED
    return Fail(plain) if plain else Pass(tuple(evidence for evidence, _ in seen))


def _transport(path: str, name: str, source: Any) -> tuple[Evidence, bool]:
    """Return the evidence of how a source is fetched, and whether that is over HTTP. Raises Unread.

    azure-rest-api-specs: insecure of a bucket decides, and is true by default; of an OCI repository it is false.
    """
    insecure = get_path(source, "insecure")
    if not is_absent(insecure) and not any(same(insecure, each) for each in (True, False)):
        raise unknown_value(f"{path}.insecure", insecure)
    if same(insecure, True) or (name == "bucket" and is_absent(insecure)):
        return Evidence(f"{path}.insecure", ABSENT if is_absent(insecure) else insecure, False), True
    scheme = _scheme(get_path(source, "url"))
    if scheme not in ("http", "https", "ssh", "oci") and name != "bucket":
        raise Unread(f"{path}.url", Message("its scheme is not known"))
    return Evidence(f"{path}.url", f"{scheme}://", "https://"), scheme == "http"


def _scheme(url: Any) -> str:
    """Return the scheme of a URL in lower case; "ssh" of one of Git's short forms, "" where it is not known."""
    text = url if isinstance(url, str) else ""
    scheme, sign, _ = text.partition("://")
    if sign:
        return scheme.lower()
    return "ssh" if "@" in text and ":" in text else ""


def whole_cluster(configuration: Resource, index: Index) -> Verdict:
    """Fail where a source may write to every namespace of a cluster."""
    scope = configuration.require(f"{SPEC}.scope")
    seen = configuration.evidence(f"{SPEC}.scope", "namespace")
    if same(scope, "namespace"):
        return Pass((seen,))
    if not same(scope, "cluster"):
        raise unknown_value(f"{SPEC}.scope", scope)
    if same(configuration.get(f"{SPEC}.suspend"), True):
        return SUSPENDED
    return Fail((seen,))
