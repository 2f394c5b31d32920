"""Public IP addresses and prefixes of an index."""

from __future__ import annotations

from msgspec import Struct

from scanner.model.addresses import Version
from scanner.model.exposure import Hop
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_one, known_text, same, text_at
from scanner.model.message import Message, name
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, not_listed, unknown_value
from scanner.reach.networks.fabric import id_or_empty
from scanner.reach.networks.filtering import EntryKind
from scanner.reach.rules.sources import cached

ADDRESSES = "Microsoft.Network/publicIPAddresses"
PREFIXES = "Microsoft.Network/publicIPPrefixes"
SKUS = ("Basic", "Standard", "StandardV2")
"""azure-mgmt-network PublicIPAddressSkuName."""


class PublicAddress(Struct, frozen=True):
    """A public IP address or prefix: `address` is "" while none is allocated; `entry` follows its SKU."""

    id: str
    address: str
    version: Version
    entry: EntryKind
    sku_unread: Unread | None = None
    """Why the SKU is not known, so that it may be a Basic address."""

    @property
    def hop(self) -> Hop:
        detail = (
            Message("could not be read") if self.sku_unread else name(self.address) or Message("has no address now")
        )
        return Hop("public-ip", name_of(self.id), detail, self.id, None if self.sku_unread else True)


def public_addresses(index: Index) -> dict[str, PublicAddress]:
    """Return the public IP addresses and prefixes of an index by key."""
    return cached(index, "public addresses", _public_addresses)


def public_address(index: Index, id: str) -> PublicAddress:
    """Return a public IP address or prefix by its id; one that was not read has an unread SKU."""
    address = public_addresses(index).get(id_or_empty(id))
    if address is not None:
        return address
    return PublicAddress(id, "", 4, "standard", index.missing_in(ADDRESSES, id) or not_listed(id))


def _public_addresses(index: Index) -> dict[str, PublicAddress]:
    addresses = [_parsed(each, "properties.ipAddress") for each in index.of_type(ADDRESSES)[0]]
    addresses += [_parsed(each, "properties.ipPrefix") for each in index.of_type(PREFIXES)[0]]
    return {id_or_empty(each.id): each for each in addresses}


def sku_of(resource: Resource, known: tuple[str, ...]) -> tuple[str, Unread | None]:
    """Return the name of a SKU, "" without one, and why it is not known. `known`: the names that Azure documents."""
    try:
        name = known_text(resource.body, "sku.name")
    except Unread as missing:
        return "", missing.again()
    return name, None if is_one(name, ("", *known)) else unknown_value(f"{resource.name} sku.name", name)


def _parsed(resource: Resource, path: str) -> PublicAddress:
    address = text_at(resource.body, path)
    sku, sku_unread = sku_of(resource, SKUS)
    is_basic = sku_unread is None and (not sku or same(sku, "Basic"))
    entry: EntryKind = "basic" if is_basic else "standard"
    six = same(get_path(resource.body, "properties.publicIPAddressVersion"), "IPv6") or ":" in address
    return PublicAddress(resource.id, address, 6 if six else 4, entry, sku_unread)
