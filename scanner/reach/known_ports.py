"""The table of known ports: the service on each port, and how its exposure counts.

`admin` administers or holds data: a login gives the machine, its shares, its database or its cluster. `app` is the
customer's own program on web ports. A port that is not in the table is `other`: one severity step lower.
Source: IANA Service Name and Transport Protocol Port Number Registry; where it has none, the product's documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from scanner.reach.port_ranges import Protocol, place

PortKind = Literal["admin", "app"]
PortGroup = Literal["administration", "database", "files", "cluster", "web"]


@dataclass(frozen=True, slots=True)
class KnownPort:
    """A port of the table. `name` begins titles ("SSH"); `why` is a clause: what a successful caller can do."""

    protocol: Protocol
    port: int
    name: str
    kind: PortKind
    group: PortGroup
    why: str

    @property
    def place(self) -> int:
        return place(self.protocol, self.port)


_SHELL = "whoever logs in runs commands on the machine"
_SCREEN = "whoever logs in has the machine's desktop"
_CLEAR = "the password travels in clear text"
_DATA = "whoever logs in reads and changes the stored data"
_BARE = "it asks for no password unless somebody set one, and holds the stored data"
_SHARES = "whoever logs in reads the shared files, and worms spread here"
_NODES = "whoever gets in runs containers on the nodes"
_STATE = "it holds the state and the secrets of the cluster"
_WEB = "the program's own login, if it has one, is not visible"

_ROWS: Final[tuple[tuple[PortGroup, PortKind, str, tuple[int, ...], tuple[int, ...], str], ...]] = (
    # group, kind, name, TCP ports, UDP ports, why
    ("administration", "admin", "FTP", (21,), (), _CLEAR),
    ("administration", "admin", "SSH", (22,), (), _SHELL),
    ("administration", "admin", "Telnet", (23,), (), _CLEAR),
    ("administration", "admin", "RPC endpoint mapper", (135,), (), "it hands out the ports of Windows' services"),
    ("administration", "admin", "SNMP", (), (161,), "whoever knows the community string reads the machine's settings"),
    ("administration", "admin", "LDAP", (389, 636), (389,), "it answers questions about users, and takes passwords"),
    ("administration", "admin", "RDP", (3389,), (3389,), _SCREEN),
    ("administration", "admin", "VNC", (5900,), (), _SCREEN),
    ("administration", "admin", "WinRM", (5985, 5986), (), _SHELL),
    ("files", "admin", "NetBIOS", (139,), (), _SHARES),
    ("files", "admin", "SMB", (445,), (), _SHARES),
    ("files", "admin", "rsync", (873,), (), "many modules ask for no password"),
    ("files", "admin", "NFS", (2049,), (), "it trusts the address of the caller"),
    ("database", "admin", "SQL Server", (1433,), (1434,), _DATA),
    ("database", "admin", "Oracle", (1521,), (), _DATA),
    ("database", "admin", "MySQL", (3306,), (), _DATA),
    ("database", "admin", "PostgreSQL", (5432,), (), _DATA),
    ("database", "admin", "RabbitMQ", (5672, 15672), (), "whoever logs in reads and sends messages"),
    ("database", "admin", "CouchDB", (5984,), (), _DATA),
    ("database", "admin", "Redis", (6379,), (), _BARE),
    ("database", "admin", "Cassandra", (9042,), (), _DATA),
    ("database", "admin", "Kafka", (9092,), (), "whoever gets in reads and sends messages"),
    ("database", "admin", "Elasticsearch", (9200, 9300), (), _BARE),
    ("database", "admin", "Memcached", (11211,), (11211,), _BARE),
    ("database", "admin", "MongoDB", (27017,), (), _BARE),
    ("cluster", "admin", "ZooKeeper", (2181,), (), _STATE),
    ("cluster", "admin", "Docker", (2375, 2376), (), "whoever gets in is root on the machine"),
    ("cluster", "admin", "etcd", (2379, 2380), (), _STATE),
    ("cluster", "admin", "Kubernetes API", (6443,), (), _NODES),
    ("cluster", "admin", "Consul", (8500,), (), _STATE),
    ("cluster", "admin", "kubelet", (10250,), (), _NODES),
    ("cluster", "admin", "Service Fabric", (19000, 19080), (), _NODES),
    ("web", "app", "HTTP", (80, 8080), (), _WEB),
    ("web", "app", "HTTPS", (443, 8443), (), _WEB),
)  # fmt: skip


def _rows(protocol: Protocol) -> list[KnownPort]:
    return [
        KnownPort(protocol, port, name, kind, group, why)
        for group, kind, name, tcp, udp, why in _ROWS
        for port in (tcp if protocol == "tcp" else udp)
    ]


KNOWN_PORTS: Final = tuple(sorted((*_rows("tcp"), *_rows("udp")), key=lambda known: known.place))
BY_PLACE: Final[dict[int, KnownPort]] = {known.place: known for known in KNOWN_PORTS}


def known(protocol: Protocol, port: int) -> KnownPort | None:
    """Return the row of a port; None where the table has none."""
    return BY_PLACE.get(place(protocol, port))
