"""Which resources use each key, encoded: an estate may have hundreds of thousands, and a rule reads few of them."""

import zlib
from collections.abc import Collection
from typing import Final, NamedTuple

import msgspec

from scanner.model.message import message_text


class KeyUse(NamedTuple):
    """A resource that names a key."""

    resource: str
    what: str
    version: str
    """The version that it is bound to; "" where it follows the newest one."""
    principal: str


class _NamedUse(NamedTuple):
    name: str
    use: KeyUse


_encode: Final = msgspec.json.Encoder(enc_hook=message_text).encode
_decode: Final = msgspec.json.Decoder(_NamedUse).decode_lines


class KeyUses:
    """The uses of keys by the host of their vault and the name of the key, both in lower case."""

    def __init__(self) -> None:
        self._encoded: dict[str, bytearray] = {}
        """The uses of the keys of a host, until they are read."""
        self._packed: dict[str, bytes] = {}
        self._by_vault: dict[str, list[str]] | None = None
        """The hosts by the name of their vault (before the first point), once a vault without an address asks."""
        self._last: tuple[str, dict[str, list[KeyUse]]] = ("", {})

    def add(self, host: str, name: str, use: KeyUse) -> None:
        """Add a use of a key. All uses are added before any is read."""
        self._encoded.setdefault(host, bytearray()).extend(_encode((name, use)) + b"\n")

    def _all(self) -> dict[str, bytes]:
        """Return the uses of each host, compressed: ids of resources repeat each other."""
        for host in list(self._encoded):
            self._packed[host] = zlib.compress(self._encoded.pop(host), 1)
        return self._packed

    @property
    def hosts(self) -> Collection[str]:
        """The hosts of the vaults in use."""
        return self._all().keys()

    def of_vault(self, name: str) -> list[str]:
        """Return the hosts of vaults of a name, in lower case."""
        if self._by_vault is None:
            self._by_vault = {}
            for host in self._all():
                self._by_vault.setdefault(host.partition(".")[0], []).append(host)
        return self._by_vault.get(name, [])

    def of_host(self, host: str) -> dict[str, list[KeyUse]]:
        """Return the uses of the keys of a vault by the name of the key, each use once. Several rules ask in turn."""
        last, result = self._last
        if last != host:
            packed = self._all().get(host)
            rows = dict.fromkeys(_decode(zlib.decompress(packed))) if packed is not None else {}
            result = {}
            for row in rows:
                result.setdefault(row.name, []).append(row.use)
            self._last = (host, result)
        return result
