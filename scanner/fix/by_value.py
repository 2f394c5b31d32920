"""Commands that remove entries of a list: the service's own where it names the value, else one behind a check."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

from scanner.fix.checked import Entries, checked
from scanner.fix.placeholders import quoted
from scanner.model.ids import group_of, subscription_of, type_of
from scanner.model.json_paths import peek

_Words = Callable[[Any], str]


def removals(id: str, path: str, entries: Entries, more: str = "") -> tuple[str, ...]:
    """Return the commands that remove entries of a list of a resource; () where none can be sure of them.

    `more`: what the general command changes besides, such as `--set properties.a=1`.
    """
    own = tuple(_own(id, path, entries))
    if own:
        return (f"az resource update --ids {quoted(id)} {more}", *own) if more else own
    words = [f"--remove {path} {position}" for position, _ in sorted(entries, key=lambda each: -each[0])]
    command = " ".join(filter(None, (f"az resource update --ids {quoted(id)}", *words, more)))
    made = checked(command, id, path, entries)
    return (made,) if made else ()


def _own(id: str, path: str, entries: Entries) -> Iterator[str]:
    """Yield the service's own commands, one for each entry; none where one of them has no such command."""
    known = _OWN.get((type_of(id).lower(), path.lower()))
    if known is None:
        return
    command, words = known
    matches = [words(entry) for _, entry in entries]
    if not all(matches):
        return
    names = id.split("/providers/")[-1].split("/")[2::2]
    for each in matches:
        yield (
            f"{command} {quoted(names[0])} --resource-group {quoted(group_of(id))} {each}"
            f" --subscription {subscription_of(id)}"
        )


def _address(member: str, option: str) -> _Words:
    """Return what names an entry by its address; "" where the entry is no address that the command reads."""

    def words(entry: Any) -> str:
        value = peek(entry, member)
        return f"{option} {shlex.quote(value)}" if isinstance(value, str) and _is_network(value) else ""

    return words


def _is_network(value: str) -> bool:
    if value == "<YOUR_RANGE>":
        return True
    try:
        ip_network(value)
    except ValueError:
        return False
    return True


def _instance(entry: Any) -> str:
    """Return what names a resource instance rule."""
    tenant, resource = peek(entry, "tenantId"), peek(entry, "resourceId")
    if not (isinstance(tenant, str) and isinstance(resource, str)):
        return ""
    return f"--resource-id {shlex.quote(resource)} --tenant-id {shlex.quote(tenant)}"


def _mask(entry: Any) -> str:
    """Return what names an IP rule of a namespace."""
    value = peek(entry, "ipMask")
    return f"--ip-rule ip-address={shlex.quote(value)} action=Allow" if isinstance(value, str) else ""


_OWN: Final[Mapping[tuple[str, str], tuple[str, _Words]]] = {
    ("microsoft.storage/storageaccounts", "properties.networkacls.iprules"): (
        "az storage account network-rule remove --account-name",
        _address("value", "--ip-address"),
    ),
    ("microsoft.storage/storageaccounts", "properties.networkacls.ipv6rules"): (
        "az storage account network-rule remove --account-name",
        _address("value", "--ipv6-address"),
    ),
    ("microsoft.storage/storageaccounts", "properties.networkacls.resourceaccessrules"): (
        "az storage account network-rule remove --account-name",
        _instance,
    ),
    ("microsoft.keyvault/vaults", "properties.networkacls.iprules"): (
        "az keyvault network-rule remove --name",
        _address("value", "--ip-address"),
    ),
    ("microsoft.containerregistry/registries", "properties.networkruleset.iprules"): (
        "az acr network-rule remove --name",
        _address("value", "--ip-address"),
    ),
    ("microsoft.cognitiveservices/accounts", "properties.networkacls.iprules"): (
        "az cognitiveservices account network-rule remove --name",
        _address("value", "--ip-address"),
    ),
    ("microsoft.eventhub/namespaces/networkrulesets", "properties.iprules"): (
        "az eventhubs namespace network-rule-set ip-rule remove --namespace-name",
        _mask,
    ),
    ("microsoft.servicebus/namespaces/networkrulesets", "properties.iprules"): (
        "az servicebus namespace network-rule-set ip-rule remove --namespace-name",
        _mask,
    ),
}
"""By type and path in lower case: the command up to the name of the resource, and what names an entry. Source: the
reference of the Azure CLI, and its code, which removes every entry with the value."""
