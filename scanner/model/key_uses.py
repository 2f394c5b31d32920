"""Which resources use each key, encoded: an estate may have hundreds of thousands, and a rule reads few of them."""

from collections.abc import Collection
from typing import Final, NamedTuple

import msgspec


class KeyUse(NamedTuple):
    """A resource that names a key. `version`: the version that it is bound to; "" where it follows the newest one."""

    resource: str
    what: str
    version: str
    principal: str


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(KeyUse).decode_lines


class KeyUses:
    """The uses of keys by the host of their vault and the name of the key, both in lower case."""

    def __init__(self) -> None:
        self._encoded: dict[str, dict[str, bytearray]] = {}
        self._by_vault: dict[str, list[str]] | None = None
        """The hosts by the name of their vault (before the first point), once a vault without an address asks."""
        self._last: tuple[str, dict[str, list[KeyUse]]] = ("", {})

    def add(self, host: str, name: str, use: KeyUse) -> None:
        """Add a use of a key. All uses are added before any is read."""
        keys = self._encoded.setdefault(host, {})
        keys.setdefault(name, bytearray()).extend(_encode(use) + b"\n")

    @property
    def hosts(self) -> Collection[str]:
        """The hosts of the vaults in use."""
        return self._encoded.keys()

    def of_vault(self, name: str) -> list[str]:
        """Return the hosts of vaults of a name, in lower case."""
        if self._by_vault is None:
            self._by_vault = {}
            for host in self._encoded:
                self._by_vault.setdefault(host.partition(".")[0], []).append(host)
        return self._by_vault.get(name, [])

    def of_host(self, host: str) -> dict[str, list[KeyUse]]:
        """Return the uses of the keys of a vault by the name of the key, each use once. Several rules ask in turn."""
        last, found = self._last
        if last != host:
            found = {name: list(dict.fromkeys(_decode(row))) for name, row in self._encoded.get(host, {}).items()}
            self._last = (host, found)
        return found
