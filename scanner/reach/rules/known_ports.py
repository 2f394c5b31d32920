"""The table of known ports: the service on each port, and how its exposure counts.

`admin` administers or holds data: a login gives the machine, its shares, its database or its cluster. `app` is the
customer's own program on web ports. A port that is not in the table is `other`: one severity step lower.
Source: IANA Service Name and Transport Protocol Port Number Registry; where it has none, the product's documentation.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from scanner.model.message import Message
from scanner.reach.rules.port_ranges import Protocol, position

PortKind = Literal["admin", "app"]
PortGroup = Literal["administration", "database", "files", "cluster", "web"]


class KnownPort(Struct, frozen=True):
    """A port of the table. `name` begins titles ("SSH"); `why` is a clause: what a successful caller can do."""

    protocol: Protocol
    port: int
    name: str
    kind: PortKind
    group: PortGroup
    why: Message

    @property
    def position(self) -> int:
        return position(self.protocol, self.port)


_SHELL = Message("a login allows running commands on the machine")
_SCREEN = Message("a login gives access to the machine's desktop")
_CLEAR = Message("passwords are sent in clear text")
_DATA = Message("a login allows reading and changing the stored data")
_BARE = Message("it stores data and requires no password unless one was set")
_SHARES = Message("a login allows reading the shared files, and worms spread over this port")
_NODES = Message("access allows running containers on the nodes")
_STATE = Message("it stores the state and the secrets of the cluster")
_WEB = Message("the application's own login, if it has one, is not visible to this scan")

_SNMP: Final = Message("the community string allows reading the machine's settings")
_LDAP: Final = Message("it answers queries about users and accepts passwords")
_NOTEBOOK: Final = Message("a notebook runs code on the machine")
_MODELS: Final = Message("it requires no sign-in: callers use, copy and delete its models")
_SWARM: Final = Message("a node that joins runs containers and receives secrets")
_ROWS: Final[tuple[tuple[PortGroup, PortKind, str, tuple[int, ...], tuple[int, ...], Message], ...]] = (
    # group, kind, name, TCP ports, UDP ports, why
    ("administration", "admin", "FTP", (21,), (), _CLEAR),
    ("administration", "admin", "SSH", (22,), (), _SHELL),
    ("administration", "admin", "Telnet", (23,), (), _CLEAR),
    ("administration", "admin", "RPC endpoint mapper", (135,), (), Message("it lists the ports of Windows services")),
    ("administration", "admin", "SNMP", (), (161,), _SNMP),
    ("administration", "admin", "LDAP", (389, 636), (389,), _LDAP),
    ("administration", "admin", "RDP", (3389,), (3389,), _SCREEN),
    ("administration", "admin", "VNC", (5900,), (), _SCREEN),
    ("administration", "admin", "WinRM", (5985, 5986), (), _SHELL),
    ("administration", "admin", "Jupyter", (8888,), (), _NOTEBOOK),
    ("files", "admin", "NetBIOS", (139,), (), _SHARES),
    ("files", "admin", "SMB", (445,), (), _SHARES),
    ("files", "admin", "rsync", (873,), (), Message("many modules require no password")),
    ("files", "admin", "NFS", (2049,), (), Message("it authenticates callers only by their address")),
    ("database", "admin", "SQL Server", (1433,), (1434,), _DATA),
    ("database", "admin", "Oracle", (1521,), (), _DATA),
    ("database", "admin", "MySQL", (3306,), (), _DATA),
    ("database", "admin", "PostgreSQL", (5432,), (), _DATA),
    ("database", "admin", "RabbitMQ", (5672, 15672), (), Message("a login allows reading and sending messages")),
    ("database", "admin", "CouchDB", (5984,), (), _DATA),
    ("database", "admin", "Redis", (6379,), (), _BARE),
    ("database", "admin", "Cassandra", (9042,), (), _DATA),
    ("database", "admin", "Kafka", (9092,), (), Message("access allows reading and sending messages")),
    ("database", "admin", "Elasticsearch", (9200, 9300), (), _BARE),
    ("database", "admin", "Memcached", (11211,), (11211,), _BARE),
    ("database", "admin", "MongoDB", (27017,), (), _BARE),
    ("database", "admin", "Ollama", (11434,), (), _MODELS),
    ("cluster", "admin", "ZooKeeper", (2181,), (), _STATE),
    ("cluster", "admin", "Docker", (2375, 2376), (), Message("access gives root on the machine")),
    ("cluster", "admin", "Docker Swarm", (2377,), (), _SWARM),
    ("cluster", "admin", "etcd", (2379, 2380), (), _STATE),
    ("cluster", "admin", "Kubernetes API", (6443,), (), _NODES),
    ("cluster", "admin", "Ray", (8265,), (), Message("it runs jobs on the nodes without a sign-in")),
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


KNOWN_PORTS: Final = tuple(sorted((*_rows("tcp"), *_rows("udp")), key=lambda known: known.position))
BY_POSITION: Final[dict[int, KnownPort]] = {known.position: known for known in KNOWN_PORTS}


def known(protocol: Protocol, port: int) -> KnownPort | None:
    """Return the row of a port; None where the table has none."""
    return BY_POSITION.get(position(protocol, port))
