"""MySQL and PostgreSQL: what flexible servers share."""

from collections.abc import Callable

from scanner.model.checks import check_child, check_value
from scanner.model.index import Index
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Pass, Verdict, unknown
from scanner.reach.services.firewall import Firewall, RuleList

from . import common
from .tables.server_parameters import pending_restart

PUBLIC_NETWORK_ACCESS = "properties.network.publicNetworkAccess"
# azure-mgmt-postgresqlflexibleservers and azure-mgmt-mysqlflexibleservers ServerState.
STATE = "properties.state"
SUBNET = "properties.network.delegatedSubnetResourceId"


def rules_count(server: Resource) -> bool:
    # mysql/flexible-server/concepts-networking-vnet, postgresql/flexible-server/concepts-networking-private: inside a
    # virtual network firewall rules do not apply.
    return common.rules_count(server, SUBNET, PUBLIC_NETWORK_ACCESS)


def acl(rules: Read, name: str, source: str) -> Firewall:
    """Return the firewall row of a server, from the read of its firewall rules."""
    return Firewall(
        empty="closed",
        source=source,
        name=name,
        public=PUBLIC_NETWORK_ACCESS,
        addresses=(RuleList(child=rules, start="properties.startIpAddress", end="properties.endIpAddress"),),
        zero=True,
        injected=(SUBNET,),
    )


def in_effect(server: Resource, index: Index, *, read: Read, good: tuple[str, ...], bad: tuple[str, ...]) -> Verdict:
    """Fail where a parameter has a bad value; a good one passes once it is in effect."""

    def fact(parameter: Resource) -> Verdict:
        verdict = check_value(parameter, "properties.value", good=good, bad=bad)
        if not isinstance(verdict, Pass):
            return verdict
        missing = pending_restart(parameter)
        return verdict if missing is None else unknown(missing, evidence=verdict.evidence)

    return check_child(server.child(read), read, fact)


def named(*names: str) -> Callable[[Resource], bool]:
    """Return whether a row of the list of parameters, of which there are hundreds, is one that a rule reads."""
    return lambda row: row.name.rsplit("/", 1)[-1].lower() in names
