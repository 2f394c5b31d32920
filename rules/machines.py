"""Virtual machines, scale sets and container groups, by the ports that are reachable from outside."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from scanner.model.bulk_reads import SubscriptionRows
from scanner.model.exposure import (
    ANONYMOUS,
    SHARED,
    Auth,
    Exposure,
    Hop,
    Lock,
    Reach,
    grant,
    possible,
    replace,
    unread,
)
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, objects_at, same, text_at, value_at
from scanner.model.message import NOTHING, Message, joined, name
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.model.rule import word
from scanner.model.severity import Severity
from scanner.model.verdict import Evidence, Unread, not_returned, unknown_value
from scanner.reach.networks.fabric import Nic, id_or_empty
from scanner.reach.networks.peerings import unseen_peers
from scanner.reach.paths.appliances import appliances_before
from scanner.reach.paths.front_ends import publishers
from scanner.reach.paths.internal_paths import internal_paths, scale_set_internal_paths
from scanner.reach.paths.narrowing import caused, narrowing
from scanner.reach.paths.network_paths import NetworkPath
from scanner.reach.paths.open_ports import OpenPorts, closed_path_hops, open_ports
from scanner.reach.paths.scale_sets import scale_set_paths
from scanner.reach.paths.topology import Topology, topology
from scanner.reach.questions.callers import Caller, caller_of_resource
from scanner.reach.questions.port_query import AskedPort, endpoint_covers
from scanner.reach.questions.scale_set_senders import scale_set_senders
from scanner.reach.rules.known_ports import KnownPort, known
from scanner.reach.rules.sources import cached

if TYPE_CHECKING:
    from scanner.model.exposure import Chain

from .common import rows, when_started
from .reasons import FROM_TEMPLATE, LOCK_STOPS_SCALING, LOG_BY_AGENTS, NO_CALLER_LOG, NO_OTHER_LOCATION, ZONES_NOT_READ

VM = "Microsoft.Compute/virtualMachines"
SET = "Microsoft.Compute/virtualMachineScaleSets"
MODEL = "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations"
LINUX = "osProfile.linuxConfiguration.disablePasswordAuthentication"
MACHINE = ResourceType(
    VM,
    SET,
    api="2025-11-01",
    unread={
        "agents in the machine": "Not in ARM.",
        "just-in-time access that is absent": "A rule would fail on nearly all machines. Open management ports are evaluated.",
        "confidential machines": "The section keys of the document names them. Not being confidential is no fault.",
        "autoscale settings of scale sets": "The maximum of a profile is required (Microsoft.Insights/autoscalesettings).",
    },
    no_rule=NoRule(
        copy="disks are resources of their own, and site-recovery-outside asks the vault; not evaluated: edge zones",
        log=LOG_BY_AGENTS,
        lock=LOCK_STOPS_SCALING,
        zone="one machine is in one zone; not evaluated: the zones of a scale set",
    ),
)

DISK_SETS = ResourceType(
    "Microsoft.Compute/diskEncryptionSets",
    api="2025-01-02",
    no_rule=NoRule(
        data="it names a key; the disks that use it are evaluated, and where its vault is",
        log=NO_CALLER_LOG,
        loss=FROM_TEMPLATE,
    ),
)
IMAGE = ResourceType(
    "Microsoft.Compute/images",
    api="2025-11-01",
    no_rule=NoRule(
        copy="the disk, snapshot or blob that it was made from is a resource of its own",
        log=NO_CALLER_LOG,
        loss=FROM_TEMPLATE,
        zone="not evaluated: zoneResilient",
    ),
)


def is_vm(machine: Resource) -> bool:
    return machine.type.lower() == VM.lower()


def is_uniform(machine: Resource) -> bool:
    """Return whether it is a Uniform scale set. Instances of a Flexible one are virtual machines of their own."""
    return not is_vm(machine) and not same(machine.get("properties.orchestrationMode"), "Flexible")


VIEW = MACHINE.child(
    "instanceView",
    one=True,
    only=(VM,),
    together=SubscriptionRows(
        source='Azure/azure-rest-api-specs, VirtualMachines_ListAll: "statusOnly=true enables fetching run time status of all '
        'Virtual Machines in the subscription"',
        at="properties.instanceView",
        query=(("statusOnly", "true"),),
        holds=("statuses",),
    ),
)
# azure-mgmt-network lists what instances of Uniform scale sets have, at this version.
NICS = MACHINE.child(
    "networkInterfaces",
    api="2018-10-01",
    when=is_uniform,
    only=(SET,),
    alone="what a row of computeresources lacks must not close a network path",
)
ADDRESSES = MACHINE.child("publicIPAddresses", api="2018-10-01", when=is_uniform, only=(SET,), alone=NICS.alone)

OTHER = Message("a port with an unknown service is rated one step lower than a management or data port")
WORST = Message("no port of a machine is rated higher")
ALL_ADDRESSES = "everything"


def items_at(machine: Resource, path: str) -> list[object]:
    """Return the list at a path. Raise Unread if it is not a list or is empty, because a machine has a network interface."""
    value = machine.require(path)
    if not isinstance(value, list) or not value:
        raise Unread(path, Message("Azure returned no network interface"))
    return value


@MACHINE.paths
def paths(
    machine: Resource, result: Topology
) -> tuple[list[NetworkPath], dict[str, frozenset[int]], tuple[Unread, ...]]:
    """Return the network paths to a machine, the parts that were not read, and its publishers with the ports that these
    call (none: not known).
    """
    front_ends = publishers(result.index)
    if not is_vm(machine):
        if not is_uniform(machine):
            return [], {}, ()
        network_paths = scale_set_paths(
            result, items_at(machine, MODEL), machine.children(NICS), machine.children(ADDRESSES)
        )
        return network_paths, front_ends.of_machine(machine.id, (), network_paths), ()
    network_paths = []
    nics: list[Nic] = []
    missing: list[Unread] = []
    for each in items_at(machine, "properties.networkProfile.networkInterfaces"):
        id = value_at(each, "id")
        nic = result.fabric.nics.get(id_or_empty(id)) if isinstance(id, str) else None
        if nic is None:
            gap = result.index.missing_in("Microsoft.Network/networkInterfaces", str(id))
            missing.append(gap or Unread(str(id), Message("the network interface was not collected")))
            continue
        network_paths += result.paths(nic)
        nics.append(nic)
    return network_paths, front_ends.of_machine(machine.id, nics, network_paths), tuple(missing)


def interfaces(machine: Resource) -> list[str]:
    """Return the ids of the network interfaces of a virtual machine. Raise Unread if they were not returned."""
    return [str(value_at(each, "id")) for each in items_at(machine, "properties.networkProfile.networkInterfaces")]


@MACHINE.inside
def inside_paths(machine: Resource, result: Topology) -> list[NetworkPath]:
    """Return the paths to a machine from inside its networks."""
    if is_vm(machine):
        return internal_paths(result, interfaces(machine))
    return scale_set_internal_paths(result, items_at(machine, MODEL), machine.children(NICS))


@MACHINE.senders
def senders(machine: Resource, result: Topology) -> Caller | None:
    """Return a machine as a caller."""
    if is_vm(machine):
        in_set = not is_absent(machine.get("properties.virtualMachineScaleSet"))
        return caller_of_resource(machine.name, machine.id, result, interfaces(machine), bare=not in_set)
    if not is_uniform(machine):
        missing = Unread(machine.name, Message("its instances are virtual machines of their own: ask for one of them"))
        return Caller(machine.name, missing=(missing,))
    ends = scale_set_senders(result, items_at(machine, MODEL), machine.children(NICS))
    return caller_of_resource(machine.name, machine.id, result, more=ends)


def chains_of(machine: Resource, result: Topology, network_paths: list[NetworkPath]) -> "tuple[Chain, ...]":
    """Return the publishers of a machine as hops."""
    values = objects_at(machine.body, "properties.networkProfile.networkInterfaces")
    nics = [
        nic for each in values if (nic := result.fabric.nics.get(id_or_empty(str(value_at(each, "id"))))) is not None
    ]
    front_ends = publishers(result.index)
    return front_ends.chains(front_ends.machine_keys(machine.id, nics, network_paths))


def published(exposure: Exposure, chains: "tuple[Chain, ...]") -> Exposure:
    """Return an exposure with the hops of the publishers that it names."""
    named = tuple(chain for chain in chains if chain[-1].detail in exposure.admits)
    return replace(exposure, publishers=named) if named else exposure


def covers(label: str, ports: frozenset[int] | None) -> bool:
    """Return whether an open range includes a port that a publisher calls; True where its ports are not known."""
    return not ports or any(endpoint_covers(label, AskedPort("tcp", each)) for each in ports)


def subnets(machine: Resource, result: Topology) -> Iterator[str]:
    """Yield the keys of the subnets that a machine is known to be in."""
    if not is_vm(machine):
        for model in objects_at(machine.body, MODEL):
            for each in objects_at(model, "properties.ipConfigurations"):
                yield id_or_empty(str(value_at(each, "properties.subnet.id")))
        return
    for each in objects_at(machine.body, "properties.networkProfile.networkInterfaces"):
        nic = result.fabric.nics.get(id_or_empty(str(value_at(each, "id"))))
        if nic is not None:
            yield from (one.subnet for one in nic.configurations)


def stopped(machine: Resource) -> bool:
    """Return whether the machine is known to be stopped."""
    if not is_vm(machine):
        # The instance view of a scale set does not say which instances run (recorded answers); one without any has none.
        return same(machine.get("sku.capacity"), 0)
    try:
        view = machine.child(VIEW)
        statuses = view.items("statuses") if view is not None else []
        codes = [str(value_at(each, "code")).lower() for each in statuses]
    except Unread:
        return False
    return any(code in ("powerstate/deallocated", "powerstate/stopped") for code in codes)


def login(machine: Resource, port: KnownPort | None) -> Lock:
    """Return the authentication lock of a port, named by the port's group."""
    if port is not None and port.kind == "app":
        return grant(Auth.anonymous, Evidence(Message("the port"), joined(": ", (port.name, port.why)))).with_name(
            port.group
        )
    if port is None:
        return SHARED
    lock = grant(Auth.shared, Evidence(Message("the port"), joined(": ", (port.name, port.why))))
    inner = "properties" if is_vm(machine) else "properties.virtualMachineProfile"
    path = f"{inner}.{LINUX}"
    if port.name == "SSH" and same(machine.get(path), True):
        lock = grant(Auth.shared, machine.evidence(path, True), description=Message("accepts SSH keys"))
    return lock.with_name(port.group)


ENTRA_SSH = Message(
    "Let people sign in to the machine with Microsoft Entra ID, and remove the passwords and keys of its local accounts; no "
    "setting of Azure shows them, so this check remains until the port is closed."
)
MACHINE_LOGIN = Message(
    "Have the service behind the port require Microsoft Entra ID or client certificates; no setting of Azure shows it, so "
    "this check remains until the port is closed."
)


def sign_in(machine: Resource, open_port: OpenPorts) -> Fix:
    """Return the steps to a stronger sign-in. What a machine accepts is not a setting of Azure."""
    port = open_port.known_port
    if port is None or port.name != "SSH":
        return Fix(
            steps=(MACHINE_LOGIN,),
            impact=Message("Clients that sign in with a password or a key of the service lose access."),
        )
    if not is_vm(machine) or not isinstance(machine.get(f"properties.{LINUX}"), bool):
        return Fix(steps=(ENTRA_SSH,))
    extension = "az vm extension set --ids {id} --publisher Microsoft.Azure.ActiveDirectory --name AADSSHLoginForLinux"
    return Fix((extension,), (ENTRA_SSH,))


def shown_first(fix: Fix, machine: Resource, result: Topology) -> Fix:
    """Return a fix that begins with a command: where no rule is named, what applies to the machine's interface."""
    if fix.check_first or not is_vm(machine):
        return fix
    ids = (value_at(each, "id") for each in objects_at(machine.body, "properties.networkProfile.networkInterfaces"))
    known = next((id for id in ids if isinstance(id, str) and id_or_empty(id) in result.fabric.nics), "")
    return replace(fix, check_first=f"az network nic list-effective-nsg --ids {word(known)}") if known else fix


def what(open_port: OpenPorts) -> Message:
    """Return the subject of the title of an open port."""
    port = open_port.known_port
    if port is None:
        return (
            Message("Every port")
            if open_port.every_port
            else Message("Port {label}", label=open_port.label)
            if "-" not in open_port.label
            else Message("Ports {label}", label=open_port.label)
        )
    usual = f"{port.protocol}/{port.port}"
    return (
        Message("The {name} port", name=port.name)
        if usual == open_port.label
        else Message("The {name} port behind {label}", name=port.name, label=open_port.label)
    )


def exposure(
    open_port: OpenPorts,
    authentication: Lock,
    resting: bool,
    admits: tuple[Message, ...] = (),
    fixes: Mapping[str, Fix] | None = None,
    reach: Lock | None = None,
) -> Exposure:
    """Return the exposure of an open port. `fixes`: what closes its locks, by category. `reach`: with its causes."""
    port = open_port.known_port
    if port is None:
        authentication = authentication.with_name(ALL_ADDRESSES if open_port.every_port else "other")
    made = Exposure(
        open_port.label,
        "admin" if port is None else port.kind,
        reach or open_port.reach,
        authentication,
        display_name=what(open_port),
        address=open_port.address,
        severity_steps_down=int(port is None),
        justification=OTHER if port is None else NOTHING,
        admits=admits,
        fixes=fixes or {},
    )
    return when_started(made) if resting else made


def labels(index: Index) -> dict[str, tuple[str, ...]]:
    """Return the DNS names of public addresses, by address."""
    result: dict[str, tuple[str, ...]] = {}
    for each in index.of_type("Microsoft.Network/publicIPAddresses")[0]:
        address, name = text_at(each.body, "properties.ipAddress"), text_at(each.body, "properties.dnsSettings.fqdn")
        if address and name:
            result[address] = (*result.get(address, ()), name)
    return result


def with_names(exposures: Iterable[Exposure], index: Index) -> Iterator[Exposure]:
    """Yield exposures with the DNS names of their address as further hosts."""
    for each in exposures:
        names = cached(index, "names of addresses", labels).get(each.address, ()) if each.address else ()
        yield replace(each, hosts=names) if names else each


def unreachable(why: Message, hops: Iterable[Hop] = (), admits: tuple[Message, ...] = ()) -> Exposure:
    """Return the one exposure of a machine that is not reachable from outside."""
    reach = grant(Reach.none, Evidence(Message("paths from outside"), why), hops=tuple(hops))
    return Exposure("*/*", "admin", reach, SHARED, display_name=Message("Every port"), admits=admits)


def not_assessed(missing: Unread) -> Exposure:
    """Return the exposure of a machine if a part of the network path was not read."""
    return replace(
        unread("*/*", "admin", missing, Message("Every port")), max_severity=Severity.high, justification=WORST
    )


# An address without any certain grant is one row for all its ports.
@MACHINE.endpoints(
    Endpoint("tcp/*", "admin", may_be_app=True),
    Endpoint("udp/*", "admin", may_be_app=True),
    Endpoint("*/*", "admin"),
    reads=(VIEW, NICS, ADDRESSES),
)
def endpoints(machine: Resource, index: Index) -> Iterator[Exposure]:
    yield from with_names(_endpoints(machine, index), index)


def _endpoints(machine: Resource, index: Index) -> Iterator[Exposure]:
    result = topology(index)
    try:
        machine.require("properties")
        network_paths, called, missing = paths(machine, result)
    except Unread as stop:
        network_paths, called, missing = [], {}, (stop,)
    subnet_ids = tuple(subnets(machine, result))
    published_by = (*called, *unseen_peers(index, subnet_ids), *appliances_before(result, subnet_ids))
    found_ports = open_ports(network_paths, result.fabric, index)
    chains = chains_of(machine, result, network_paths) if called else ()
    resting = stopped(machine) if found_ports else False
    blind = {open_port.address for open_port in found_ports if open_port.every_port and not open_port.reach.grants}
    for open_port in found_ports:
        if open_port.reach.grants or open_port.address not in blind:
            fixes = {
                "network": shown_first(narrowing(open_port, index), machine, result),
                "anonymous-access": shown_first(narrowing(open_port, index, remove=True), machine, result),
                "authentication": sign_in(machine, open_port),
            }
            admits = tuple(each for each in published_by if covers(open_port.label, called.get(each)))
            reach = caused(open_port, index)
            made = exposure(open_port, login(machine, open_port.known_port), resting, admits, fixes, reach)
            yield published(made, chains)
        elif open_port.every_port:
            made = not_assessed(open_port.reach.possible_grants[0].missing)
            made = replace(made, reach=open_port.reach, address=open_port.address, admits=published_by)
            yield published(made, chains)
    for each in missing[:1]:
        yield not_assessed(each)
    if found_ports or missing:
        return
    if not is_vm(machine) and not is_uniform(machine):
        return
    why = Message("none allows traffic") if network_paths else Message("there is none")
    hops = [hop for path in network_paths[:1] for hop in closed_path_hops(path, result.fabric)]
    yield published(unreachable(why, hops, published_by), chains)


PORTS = ("tcp/*", "udp/*", "*/*")


# Container groups: a public address has no firewall.

GROUP = ResourceType(
    "Microsoft.ContainerInstance/containerGroups",
    api="2023-05-01",
    unread={
        "confidentialComputeProperties": "Not being confidential is no fault.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, log=LOG_BY_AGENTS, loss=FROM_TEMPLATE, zone=ZONES_NOT_READ),
)
AT_REST = ("Stopped", "Succeeded", "Failed")
ADDRESS = "properties.ipAddress"


def group_ports(group: Resource) -> list[tuple[str, int]]:
    """Return the ports of the group's address, TCP if no protocol is given. Raise Unread if they are not ports."""
    result: list[tuple[str, int]] = []
    for each in rows(group, f"{ADDRESS}.ports"):
        port, transport = value_at(each, "port"), value_at(each, "protocol")
        if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
            raise Unread(f"{ADDRESS}.ports[].port", Message("not a port number"))
        result.append(("udp" if same(transport, "UDP") else "tcp", port))
    if not result:
        raise Unread(f"{ADDRESS}.ports", Message("Azure returned no port"))
    return result


@GROUP.endpoints(
    Endpoint("tcp/*", "admin", may_be_app=True),
    Endpoint("udp/*", "admin", may_be_app=True),
    Endpoint("*/*", "admin"),
)
def group_endpoints(group: Resource, index: Index) -> Iterator[Exposure]:
    if not isinstance(group.get("properties"), dict):
        yield not_assessed(not_returned("properties", "them"))
        return
    address, kind = group.get(ADDRESS), group.get(f"{ADDRESS}.type")
    # terraform-provider-azurerm container_group: with ip_address_type None there is no ipAddress, and no endpoint.
    if is_absent(address) and not group.api_version_unknown:
        yield unreachable(Message("the group has no address"))
        return
    if same(kind, "Private"):
        yield unreachable(Message("the address is private"))
        return
    host = group.get(f"{ADDRESS}.ip")
    where = name(host) if isinstance(host, str) else NOTHING
    seen = group.evidence(f"{ADDRESS}.type", "Private")
    hops = (
        Hop("source", "Internet", Message("every address")),
        Hop("public-ip", Message("Public address"), where or Message("Public")),
    )
    reach = grant(Reach.internet, seen, hops=hops)
    if not same(kind, "Public"):
        reach = possible(Reach.internet, unknown_value(f"{ADDRESS}.type", kind), seen)
    resting = any(same(group.get("properties.instanceView.state"), each) for each in AT_REST)
    try:
        ports = group_ports(group)
    except Unread as missing:
        yield not_assessed(missing)
        return
    for protocol, port in ports:
        row = known("udp" if protocol == "udp" else "tcp", port)
        open_port = OpenPorts(where, f"{protocol}/{port}", row, False, reach)
        authentication = ANONYMOUS if row is not None and row.kind == "app" else SHARED
        lock = authentication.with_name("web") if authentication is ANONYMOUS else authentication
        yield replace(exposure(open_port, lock, resting), hosts=(text_at(group.body, f"{ADDRESS}.fqdn"),))
