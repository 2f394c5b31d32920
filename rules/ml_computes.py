"""Computes of a Machine Learning workspace: SSH of instances and of cluster nodes, and the applications of instances."""

from collections.abc import Iterator

from scanner.model.checks import is_one
from scanner.model.exposure import IDENTITY, Auth, Exposure, Hop, Lock, Reach, grant, possible, replace, unread
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, objects_at, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, unknown_value
from scanner.reach.paths.open_ports import subnet_port_lock
from scanner.reach.services.firewall import injection_subnet

from .common import in_subnet, private_only, unless_running
from .machine_learning import COMPUTES

TYPE = "properties.computeType"
INNER = "properties.properties"
PUBLIC_ADDRESS = f"{INNER}.enableNodePublicIp"
SUBNET = f"{INNER}.subnet"
INSTANCE_SSH = f"{INNER}.sshSettings.sshPublicAccess"
CLUSTER_SSH = f"{INNER}.remoteLoginPortPublicAccess"
APPLICATIONS = f"{INNER}.applications"
STATE = f"{INNER}.state"
SERVICE_SIGN_IN = Message(
    "SSH of a compute takes the key or password that was chosen for it, and no setting asks for Microsoft Entra ID, so once its "
    "networks are restricted there is nothing left to fix"
)
KEY = grant(Auth.shared, description=Message("accepts an SSH key"))
PASSWORD = grant(Auth.shared, description=Message("accepts the password or key of the administrator"))


def address_lock(compute: Resource, index: Index, port: int) -> Lock:
    """Return the network lock of a port of a compute.

    machine-learning/how-to-secure-training-vnet: a compute has a public address unless enableNodePublicIp is false; in a
    subnet its security group filters it. Which port of the public address leads to it Azure chooses.
    """
    value, seen = compute.get(PUBLIC_ADDRESS), compute.evidence(PUBLIC_ADDRESS, False)
    subnet, given = injection_subnet(compute, SUBNET), compute.get(SUBNET)
    if same(value, False):
        return in_subnet(compute, index, f"{SUBNET}.id") if subnet else private_only(NO_ADDRESS, seen)
    if not is_absent(value) and not same(value, True):
        return possible(Reach.internet, unknown_value(PUBLIC_ADDRESS, value), seen)
    if subnet:
        hop = Hop("switch", Message("Public address"), Message("in a virtual network"))
        return subnet_port_lock(index, subnet, port, hop) | in_subnet(compute, index, f"{SUBNET}.id")
    if not is_absent(given) and given != {}:
        return possible(Reach.internet, unknown_value(SUBNET, Message("not a subnet")), seen)
    return grant(Reach.internet, seen, hops=(Hop("source", "Internet", Message("every address")), PUBLIC))


NO_ADDRESS = Hop("switch", Message("Public address"), Message("none"))
PUBLIC = Hop("switch", Message("Public address"), Message("without a virtual network"))


def _shell(compute: Resource, endpoint: str, title: Message, reach: Lock, sign_in: Lock) -> Exposure:
    return Exposure(
        endpoint,
        "admin",
        reach,
        sign_in,
        display_name=title,
        subject=compute,
        address=text_at(compute.body, f"{INNER}.connectivityEndpoints.publicIpAddress"),
        counts_as_closed_up_to=Reach.selected,
        justification=SERVICE_SIGN_IN,
    )


def _instance_port(compute: Resource) -> int:
    value = compute.get(f"{INNER}.sshSettings.sshPort")
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else 22


def _instance(compute: Resource, index: Index, workspace: Lock) -> Iterator[Exposure]:
    """Yield SSH of an instance, where it is on (absent is Disabled: azure-mgmt-machinelearningservices), and its applications."""
    name = compute.name
    value, seen = compute.get(INSTANCE_SSH), compute.evidence(INSTANCE_SSH, "Disabled")
    title = Message("SSH of the compute instance {name}", name=name)
    reach: Lock | None = None
    if same(value, "Enabled"):
        reach = address_lock(compute, index, _instance_port(compute))
    elif is_absent(value) and compute.why_absent_is_unknown:
        reach = possible(Reach.internet, Unread(INSTANCE_SSH, compute.why_absent_is_unknown), seen)
    elif not is_absent(value) and not same(value, "Disabled"):
        reach = possible(Reach.internet, unknown_value(INSTANCE_SSH, value), seen)
    if reach is not None:
        shell = _shell(compute, f"ssh/{name}", title, reach, KEY)
        yield unless_running(replace(shell, ports=(f"tcp/{_instance_port(compute)}",)), compute, STATE)
    hosts = [text_at(each, "endpointUri") for each in objects_at(compute.body, APPLICATIONS)]
    exposure = Exposure(
        f"apps/{name}",
        "data",
        workspace,
        IDENTITY,
        display_name=Message("The applications of the compute instance {name}", name=name),
        subject=compute,
        address=next((host.split("://", 1)[-1].split("/", 1)[0] for host in hosts if host), ""),
    )
    yield unless_running(exposure, compute, STATE)


def _cluster(compute: Resource, index: Index) -> Iterator[Exposure]:
    """Yield SSH of the nodes of a cluster, unless it is closed.

    bicep-types-az AmlComputeProperties: NotSpecified, which absent stands for, is closed in a virtual network, else open.
    """
    name = compute.name
    value, seen = compute.get(CLUSTER_SSH), compute.evidence(CLUSTER_SSH, "Disabled")
    unsaid = is_absent(value) or same(value, "NotSpecified")
    if same(value, "Disabled") or (unsaid and injection_subnet(compute, SUBNET)):
        return
    reach = address_lock(compute, index, 22)
    if not unsaid and not same(value, "Enabled"):
        reach = possible(Reach.internet, unknown_value(CLUSTER_SSH, value), seen)
    yield _shell(
        compute, f"nodes/{name}", Message("SSH of the nodes of the cluster {name}", name=name), reach, PASSWORD
    )


def compute_endpoints(workspace: Resource, index: Index, reach: Lock) -> Iterator[Exposure]:
    """Yield the endpoints of all computes. What is attached (machines, clusters) is a resource of its own."""
    computes = workspace.children(COMPUTES)
    if computes.gap is not None:
        yield unread("ssh/*", "admin", computes.gap, display_name=Message("SSH of the compute instances"))
        yield unread("nodes/*", "admin", computes.gap, display_name=Message("SSH of the compute clusters"))
        yield unread("apps/*", "data", computes.gap, display_name=Message("The applications of compute instances"))
    for compute in computes:
        kind = compute.get(TYPE)
        if same(kind, "ComputeInstance"):
            yield from _instance(compute, index, reach)
        elif same(kind, "AmlCompute"):
            yield from _cluster(compute, index)
        elif not is_one(kind, ATTACHED):
            missing = unknown_value(TYPE, kind)
            name = compute.name
            yield _shell(
                compute,
                f"ssh/{name}",
                Message("SSH of the compute {name}", name=name),
                possible(Reach.internet, missing),
                KEY,
            )


ATTACHED = (
    *("AKS", "Databricks", "DataFactory", "DataLakeAnalytics", "HDInsight", "Kubernetes", "SynapseSpark"),
    "VirtualMachine",
)
"""Types of computes that are resources of their own, with endpoints of their own: bicep-types-az Compute."""
