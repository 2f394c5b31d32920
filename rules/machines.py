"""Machines: virtual machines, scale sets and container groups, by the ports that answer from outside."""

from collections.abc import Iterable, Iterator

from scanner.model.exposure import ANONYMOUS, SHARED, Auth, Exposure, Hop, Lock, Reach, grant, possible, replace, unread
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, objects_at, same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType, word
from scanner.model.verdict import Evidence, Severity, Unread, not_a_list, not_returned, unknown_value
from scanner.reach.front_ends import publishers
from scanner.reach.known_ports import KnownPort, known
from scanner.reach.networks import Nic, key_of
from scanner.reach.open_ports import OpenPorts, closed_path_hops, open_ports
from scanner.reach.paths import NetworkPath
from scanner.reach.peerings import unseen_peers
from scanner.reach.scale_sets import scale_set_paths
from scanner.reach.topology import Topology, topology

from .common import CIS, ISO, LEARN, MCSB, NIST

VM = "Microsoft.Compute/virtualMachines"
SET = "Microsoft.Compute/virtualMachineScaleSets"
MODEL = "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations"
LINUX = "osProfile.linuxConfiguration.disablePasswordAuthentication"
MACHINE = ResourceType(
    VM,
    SET,
    api="2025-11-01",
    keep=(
        "properties.provisioningState",
        "properties.networkProfile",
        f"properties.{LINUX}",
        "properties.virtualMachineScaleSet",
        "properties.orchestrationMode",
        "properties.virtualMachineProfile.networkProfile",
        f"properties.virtualMachineProfile.{LINUX}",
    ),
)


def is_vm(machine: Resource) -> bool:
    return machine.type.lower() == VM.lower()


def is_uniform(machine: Resource) -> bool:
    """Instances of a Flexible scale set are virtual machines of their own."""
    return not is_vm(machine) and not same(machine.get("properties.orchestrationMode"), "Flexible")


VIEW = MACHINE.child("instanceView", one=True, only=(VM,))
# azure-mgmt-network lists what instances of Uniform scale sets have, at this version.
NICS = MACHINE.child("networkInterfaces", api="2018-10-01", when=is_uniform, only=(SET,))
ADDRESSES = MACHINE.child("publicIPAddresses", api="2018-10-01", when=is_uniform, only=(SET,))

NARROW = "az network nsg rule update --source-address-prefixes 203.0.113.0/24"
OTHER = "what answers on a port that is not known is rated one step milder than a port of administration or data"
STOPPED = "the machine is stopped: one step milder, since it is open again as soon as it runs"
WORST = "no port of a machine is rated higher"
EVERYTHING = "everything"


def listed(machine: Resource, path: str) -> list[object]:
    """The list there; Unread where it is no list, or empty: a machine has a network interface."""
    value = machine.require(path)
    if not isinstance(value, list) or not value:
        raise Unread(path, "the answer held no network interface")
    return value


@MACHINE.paths
def paths(machine: Resource, found: Topology) -> tuple[list[NetworkPath], tuple[str, ...], tuple[Unread, ...]]:
    """The paths to a machine, what publishes it, and what of it was not read."""
    front = publishers(found.index)
    if not is_vm(machine):
        if not is_uniform(machine):
            return [], (), ()
        led = scale_set_paths(found, listed(machine, MODEL), machine.children(NICS), machine.children(ADDRESSES))
        return led, front.of_machine(machine.id, (), led), ()
    led = []
    nics: list[Nic] = []
    missing: list[Unread] = []
    for each in listed(machine, "properties.networkProfile.networkInterfaces"):
        id = get_path(each, "id")
        nic = found.fabric.nics.get(key_of(id)) if isinstance(id, str) else None
        if nic is None:
            gap = found.index.missing_in("Microsoft.Network/networkInterfaces", str(id))
            missing.append(gap or Unread(str(id), "the network interface is not among what was read"))
            continue
        led += found.paths(nic)
        nics.append(nic)
    return led, front.of_machine(machine.id, nics, led), tuple(missing)


def subnets(machine: Resource, found: Topology) -> Iterator[str]:
    """The subnets (keys) that a machine is known to stand in."""
    if not is_vm(machine):
        for model in objects_at(machine.body, MODEL):
            for each in objects_at(model, "properties.ipConfigurations"):
                yield key_of(str(get_path(each, "properties.subnet.id")))
        return
    for each in objects_at(machine.body, "properties.networkProfile.networkInterfaces"):
        nic = found.fabric.nics.get(key_of(str(get_path(each, "id"))))
        if nic is not None:
            yield from (one.subnet for one in nic.configurations)


def stopped(machine: Resource) -> bool:
    """Whether it is known not to run; what is not known runs."""
    if not is_vm(machine):
        return False
    try:
        view = machine.child(VIEW)
        statuses = view.items("statuses") if view is not None else []
    except Unread:
        return False
    codes = [str(get_path(each, "code")).lower() for each in statuses]
    return any(code in ("powerstate/deallocated", "powerstate/stopped") for code in codes)


def login(machine: Resource, port: KnownPort | None) -> Lock:
    """What a port asks for, in the name of its group."""
    if port is not None and port.kind == "app":
        return grant(Auth.anonymous, Evidence("the port", f"{port.name}: {port.why}")).with_name(port.group)
    if port is None:
        return SHARED
    lock = grant(Auth.shared, Evidence("the port", f"{port.name}: {port.why}"))
    inner = "properties" if is_vm(machine) else "properties.virtualMachineProfile"
    path = f"{inner}.{LINUX}"
    if port.name == "SSH" and same(machine.get(path), True):
        lock = grant(Auth.shared, machine.evidence(path, True), description="a copied key opens it")
    return lock.with_name(port.group)


def what(door: OpenPorts) -> str:
    """What opens the title of a door."""
    port = door.known_port
    if port is None:
        return (
            "Every port"
            if door.every_port
            else f"Port {door.label}"
            if "-" not in door.label
            else f"Ports {door.label}"
        )
    usual = f"{port.protocol}/{port.port}"
    return f"The {port.name} port" if usual == door.label else f"The {port.name} port behind {door.label}"


def exposure(door: OpenPorts, authentication: Lock, resting: bool, admits: tuple[str, ...] = ()) -> Exposure:
    """The exposure of a door, as the design rates it."""
    port = door.known_port
    if port is None:
        authentication = authentication.with_name(EVERYTHING if door.every_port else "other")
    steps, why = (int(resting) + int(port is None)), [OTHER] * (port is None) + [STOPPED] * resting
    return Exposure(
        door.label,
        "admin" if port is None else port.kind,
        door.reach,
        authentication,
        display_name=what(door),
        address=door.address,
        severity_steps_down=steps,
        justification="; ".join(why),
        admits=admits,
        remedies={"network": f"{NARROW} --ids {word(door.rule_id)}"} if door.rule_id else {},
    )


def shut(why: str, hops: Iterable[Hop] = (), admits: tuple[str, ...] = ()) -> Exposure:
    """The one exposure of a machine that nobody outside gets to."""
    reach = grant(Reach.none, Evidence("paths from outside", why), hops=tuple(hops))
    return Exposure("*/*", "admin", reach, SHARED, display_name="Every port", admits=admits)


def hidden(missing: Unread) -> Exposure:
    """The exposure of a machine of which a part that leads to it was not read."""
    return replace(unread("*/*", "admin", missing, "Every port"), max_severity=Severity.high, justification=WORST)


# Where nothing of an address is sure, one row says so for all its ports.
@MACHINE.endpoints(admin=("tcp/*", "udp/*", "*/*"), reads=(VIEW, NICS, ADDRESSES))
def endpoints(machine: Resource, index: Index) -> Iterator[Exposure]:
    found = topology(index)
    try:
        machine.require("properties")
        led, told, missing = paths(machine, found)
    except Unread as stop:
        led, told, missing = [], (), (stop,)
    told = (*told, *unseen_peers(index, subnets(machine, found)))
    open_doors = open_ports(led, found.fabric, index)
    resting = stopped(machine) if open_doors else False
    blind = {door.address for door in open_doors if door.every_port and not door.reach.grants}
    for door in open_doors:
        if door.reach.grants or door.address not in blind:
            yield exposure(door, login(machine, door.known_port), resting, told)
        elif door.every_port:
            yield replace(
                hidden(door.reach.possible_grants[0].missing), reach=door.reach, address=door.address, admits=told
            )
    for each in missing[:1]:
        yield hidden(each)
    if open_doors or missing:
        return
    if not is_vm(machine) and not is_uniform(machine):
        return
    why = "none lets anybody through" if led else "there is none"
    yield shut(why, [hop for path in led[:1] for hop in closed_path_hops(path, found.fabric)], told)


OPEN = {MCSB: ("NS-1", "NS-2"), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)}
NSG = "az network nsg rule list --resource-group {group} --nsg-name NSG --output table"
CLOSE = f"{NARROW} --resource-group {{group}} --nsg-name NSG --name RULE"
PORTAL = "Virtual machine > Networking > Network settings > Inbound port rules"
PORTS = ("tcp/*", "udp/*", "*/*")


def open_port(id: str, title: str, group: str, why: str, breaks: str, controls: dict[str, tuple[str, ...]]) -> None:
    """The network rule of one group of ports."""
    MACHINE.lock(
        id,
        "network",
        title,
        only=PORTS,
        ways=(group,),
        why=why,
        fix=Fix(
            az=CLOSE,
            first_step=NSG,
            breaks=breaks,
            terraform="azurerm_network_security_rule.source_address_prefix",
            terraform_page="network_security_rule",
            portal=PORTAL,
        ),
        controls=controls,
        references=(f"{LEARN}/virtual-network/network-security-groups-overview",),
    )


open_port(
    "machine-open-administration",
    "A port of administration answers networks that are not yours",
    "administration",
    "SSH, RDP and their like are tried by robots within minutes. Whoever has a password, a key or a flaw gets the whole machine.",
    "Administrators outside the range; give them Bastion or a VPN first, or just-in-time access.",
    {CIS: ("7.1", "7.2"), **OPEN},
)
open_port(
    "machine-open-databases",
    "A database on the machine answers networks that are not yours",
    "database",
    "What answers here holds the data itself. Many of these programs ask for no password unless somebody set one.",
    "Clients outside the range; let them come through the virtual network.",
    OPEN,
)
open_port(
    "machine-open-file-sharing",
    "File shares of the machine answer networks that are not yours",
    "files",
    "SMB and its like were made for a local network: worms spread over them, and passwords are guessed.",
    "Clients that mount a share over the internet; use Azure Files with an identity, or a VPN.",
    OPEN,
)
open_port(
    "machine-open-cluster-control",
    "Control of a cluster answers networks that are not yours",
    "cluster",
    "Whoever gets an answer from Docker, etcd, kubelet or their like runs code on every node.",
    "Tools that steer the cluster from outside; let them come through the virtual network.",
    OPEN,
)
open_port(
    "machine-open-everything",
    "Every port of the machine answers networks that are not yours",
    EVERYTHING,
    "Nothing is filtered: whatever program starts to listen on this machine, today or next year, is on the internet.",
    "Clients of ports that nobody has written down; read the flow logs before.",
    {CIS: ("7.3",), **OPEN},
)
open_port(
    "machine-open-other-ports",
    "Ports of the machine answer networks that are not yours",
    "other",
    "What listens here is not known to anybody who reads the rule. Each open port is one more program that must have no flaw.",
    "Clients outside the range.",
    OPEN,
)
MACHINE.lock(
    "machine-open-web",
    "anonymous-access",
    "A web port of the machine answers without asking who calls",
    only=PORTS,
    ways=("web",),
    why="The program behind the port is on the internet with nothing before it: no web application firewall, and its own login, "
    "if it has one, is not visible here.",
    fix=Fix(
        az=CLOSE,
        first_step=NSG,
        breaks="Visitors, unless they come through a gateway: publish the site through Application Gateway or Front Door first.",
        portal=PORTAL,
        cost=3,
    ),
    controls=OPEN,
    references=(f"{LEARN}/web-application-firewall/overview",),
)
MACHINE.lock(
    "machine-shared-login",
    "authentication",
    "A copied key or password opens a port of the machine",
    only=PORTS,
    why="No second factor guards the login, it names no single person in Entra ID, and nobody takes it away when a person leaves.",
    fix=Fix(
        az="az vm extension set --ids {id} --publisher Microsoft.Azure.ActiveDirectory --name AADSSHLoginForLinux",
        first_step="az role assignment list --scope {id} --include-inherited --output table",
        breaks="Nothing at once: logins with keys go on working until they are taken out of the machine. Windows: AADLoginForWindows.",
        portal="Virtual machine > Extensions; then close the port to all but Bastion",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/active-directory/devices/howto-vm-sign-in-azure-ad-linux",),
)


# Container groups: a public address has no firewall of any kind in front of it.

GROUP = ResourceType(
    "Microsoft.ContainerInstance/containerGroups",
    api="2023-05-01",
    keep=(
        "properties.provisioningState",
        "properties.ipAddress",
        "properties.subnetIds",
        "properties.instanceView.state",
    ),
)
AT_REST = ("Stopped", "Succeeded", "Failed")
ADDRESS = "properties.ipAddress"


def group_ports(group: Resource) -> list[tuple[str, int]]:
    """The ports of its address, TCP where the protocol is not said. Unread where they are not what they should be."""
    found: list[tuple[str, int]] = []
    value = group.require(f"{ADDRESS}.ports")
    if not isinstance(value, list):
        raise not_a_list(f"{ADDRESS}.ports")
    for each in value:
        port, said = get_path(each, "port"), get_path(each, "protocol")
        if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
            raise Unread(f"{ADDRESS}.ports[].port", "this is no port")
        found.append(("udp" if same(said, "UDP") else "tcp", port))
    if not found:
        raise Unread(f"{ADDRESS}.ports", "the answer held no port")
    return found


@GROUP.endpoints(admin=PORTS)
def group_endpoints(group: Resource, index: Index) -> Iterator[Exposure]:
    if not isinstance(group.get("properties"), dict):
        yield hidden(not_returned("properties", "them"))
        return
    address, kind = group.get(ADDRESS), group.get(f"{ADDRESS}.type")
    # terraform-provider-azurerm container_group: with ip_address_type None there is no ipAddress, and nothing answers.
    if (address is MISSING or address is None) and not group.api_version_unknown:
        yield shut("the group has no address")
        return
    if same(kind, "Private"):
        yield shut("the address is private")
        return
    host = group.get(f"{ADDRESS}.ip")
    where = host if isinstance(host, str) else ""
    seen = group.evidence(f"{ADDRESS}.type", "Private")
    hops = (Hop("source", "Internet", "every address"), Hop("public-ip", "Public address", where or "Public"))
    reach = grant(Reach.internet, seen, hops=hops)
    if not same(kind, "Public"):
        reach = possible(Reach.internet, unknown_value(f"{ADDRESS}.type", kind), seen)
    resting = any(same(group.get("properties.instanceView.state"), each) for each in AT_REST)
    try:
        ports = group_ports(group)
    except Unread as missing:
        yield hidden(missing)
        return
    for protocol, port in ports:
        row = known("udp" if protocol == "udp" else "tcp", port)
        door = OpenPorts(where, f"{protocol}/{port}", row, False, reach)
        authentication = ANONYMOUS if row is not None and row.kind == "app" else SHARED
        yield exposure(
            door, authentication.with_name("web") if authentication is ANONYMOUS else authentication, resting
        )


MOVE = "az container create --resource-group {group} --name {name} --vnet VNET --subnet SUBNET --image IMAGE"
MOVING = (
    "The address changes and its DNS name with it: make the group anew in a subnet, and publish it through a gateway."
)
GROUP_PAGE = {"terraform": 'azurerm_container_group.ip_address_type = "Private"', "terraform_page": "container_group"}

GROUP.lock(
    "container-group-open-port",
    "network",
    "Ports of the container group answer the internet",
    only=PORTS,
    ways=("administration", "database", "files", "cluster", "other", EVERYTHING),
    why="A public container group has no firewall: every port that it names answers every address.",
    fix=Fix(
        az=MOVE,
        breaks=MOVING,
        bicep="ipAddress: { type: 'Private' }",
        portal="Container instances > Create > Networking: Private",
        cost=3,
        **GROUP_PAGE,
    ),
    controls=OPEN,
    references=(f"{LEARN}/container-instances/container-instances-virtual-network-concepts",),
)
GROUP.lock(
    "container-group-open-web",
    "anonymous-access",
    "A web port of the container group answers without asking who calls",
    only=PORTS,
    ways=("web",),
    why="The program is on the internet with nothing before it, and its own login, if it has one, is not visible here.",
    fix=Fix(
        az=MOVE,
        breaks=MOVING,
        bicep="ipAddress: { type: 'Private' }",
        portal="Container instances > Create > Networking: Private",
        cost=3,
        **GROUP_PAGE,
    ),
    controls=OPEN,
    references=(f"{LEARN}/container-instances/container-instances-virtual-network-concepts",),
)
GROUP.lock(
    "container-group-shared-login",
    "authentication",
    "A copied key or password opens a port of the container group",
    only=PORTS,
    why="What the program on the port asks for is its own password at best: no second factor, no single person, no end when somebody leaves.",
    fix=Fix(az=MOVE, breaks=MOVING, portal="Container instances > Create > Networking: Private", cost=3),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/container-instances/container-instances-virtual-network-concepts",),
)
