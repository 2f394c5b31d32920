"""The entries [[tenant]] of the settings: the tenants of one scan, each with its own login."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from scanner.config.keys import TENANT, Key
from scanner.config.secrets import VARIABLE, Secret, SecretFile, new_name, read_secret
from scanner.config.toml import TomlFile
from scanner.errors import InputError, nearest

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_NAME = re.compile(r"[\w.][\w. -]{0,63}")
_LITERAL = {
    "secret": "secret-env",
    "client-secret": "secret-env",
    "password": "secret-env",
    "certificate": "certificate-env",
}
"""Keys that would hold a secret, with the key that names its variable."""


class TenantSettings(Struct, frozen=True):
    """A tenant of a scan."""

    name: str
    id: str
    at: str = ""
    """`file:line` of its entry."""
    auth: str = ""
    """The kind of login, "" for that of `--auth`."""
    client: str = ""
    secret: str = ""
    certificate: str = ""
    """`client`, `secret`, `certificate`: the id of the app and the variables of its secret or certificate, "" for those
    of the environment. Without `subscriptions` and `management_groups` all that its login can see are read.
    """
    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the variables with its secrets."""
        return tuple(each for each in (self.secret, self.certificate) if each)

    def secrets(self, environ: Mapping[str, str], files: Mapping[str, SecretFile]) -> tuple[str, str]:
        """Return its secret and its certificate, "" for none. Raise InputError for one that is not given."""
        owner = f'tenant "{self.name}"'
        named = (("client secret", self.secret), ("certificate and its private key", self.certificate))
        secret, certificate = (
            read_secret(Secret(owner, word, variable, self.at), environ, files) for word, variable in named
        )
        return secret, certificate


def read_tenants(file: TomlFile, sources: dict[str, str]) -> tuple[TenantSettings, ...]:
    """Return the tenants of a file, and collect their faults: wrong values, and tenants that are there twice."""
    entries = file.data.get("tenant", [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        file.fault("tenant must be a list of tables", "tenant", do="write [[tenant]]")
        return ()
    tenant_settings = []
    for position, entry in enumerate(entries):
        tenant_settings.append(_tenant(file, entry, position))
        sources[f"tenant.{position + 1}"] = file.at("tenant", position)
    for key, values in (
        ("name", [each.name.casefold() for each in tenant_settings]),
        ("id", [each.id for each in tenant_settings]),
    ):
        for position, value in enumerate(values):
            if value and value in values[:position]:
                first = file.at("tenant", values.index(value), key).rpartition(":")[2]
                do = "give each tenant once, under its own name"
                file.fault(
                    f'two tenants have the {key} "{value}"; the first is in line {first}', *_at(position, key), do=do
                )
    return tuple(tenant_settings)


def _at(position: int, *key: str) -> tuple[str | int, ...]:
    return ("tenant", position, *key)


def _tenant(file: TomlFile, entry: Mapping[str, Any], position: int) -> TenantSettings:
    known = {key.name: key for key in TENANT}
    for name in entry:
        if name in _LITERAL:
            new = f'{_LITERAL[name]} = "{new_name(str(entry.get("name", "")))}"'
            file.fault(f"{name} is a secret and must not be in the settings", *_at(position, name), do=f"write {new}")
        elif name not in known:
            file.unknown(f'tenant has no key "{name}"', name, known, *_at(position, name))
    values = {key.key: _value(file, entry, position, key) for key in TENANT}
    if values["name"] and not _NAME.fullmatch(values["name"]):
        do = "use at most 64 letters, digits, spaces, dots, - and _"
        file.fault(f'"{values["name"]}" is not a valid name of a tenant', *_at(position, "name"), do=do)
    for key, what in (("id", "tenant"), ("client_id", "client")):
        if values[key] and not _GUID.fullmatch(values[key]):
            do = "az account show --query tenantId" if key == "id" else "give the application (client) id"
            file.fault(f'"{values[key]}" is not the id of a {what}', *_at(position, key.replace("_", "-")), do=do)
    if values["secret_env"] and values["certificate_env"]:
        file.fault(
            "secret-env and certificate-env exclude each other", *_at(position, "secret-env"), do="keep one of them"
        )
    return TenantSettings(
        values["name"],
        values["id"].lower(),
        file.at("tenant", position),
        values["auth"],
        values["client_id"],
        values["secret_env"],
        values["certificate_env"],
        values["subscriptions"],
        values["management_groups"],
    )


def _value(file: TomlFile, entry: Mapping[str, Any], position: int, key: Key) -> Any:
    """Return the value of a key, the empty one where it has a fault."""
    empty: Any = () if key.takes == "a list of texts" else ""
    value = entry.get(key.name)
    if value is None:
        if key.needed:
            file.fault(f"tenant requires {key.name}", *_at(position), do=key.do)
        return empty
    if not key.fits(value):
        file.fault(f"tenant.{key.name} must be {key.takes}", *_at(position, key.name), do=key.do)
        return empty
    if key.name.endswith("-env") and not VARIABLE.fullmatch(value):
        # The value is not repeated: it may be the secret itself.
        do = f'write {key.name} = "{new_name(str(entry.get("name", "")))}", and set that variable'
        file.fault(f"tenant.{key.name} must name a variable TWOLOCKS_SECRET_...", *_at(position, key.name), do=do)
        return empty
    return tuple(value) if isinstance(value, list) else value


def chosen(tenants: Sequence[TenantSettings], word: str, at: str) -> tuple[TenantSettings, ...]:
    """Return the tenants that a name or id chooses, all for "". Raise InputError for one that is not there."""
    if not word or not tenants:
        return tuple(tenants)
    tenant_settings = tuple(each for each in tenants if word.casefold() in (each.name.casefold(), each.id))
    if not tenant_settings:
        near = nearest(word, [each.name.lower() for each in tenants], 1)
        names = ", ".join(each.name for each in tenants)
        do = (f"nearest: {near[0]}; " if near else "") + f"known: {names}"
        raise InputError(f'the settings have no tenant "{word}"', at=at, do=do)
    return tenant_settings


def labelled(tenants: Iterable[TenantSettings]) -> dict[str, str]:
    """Return the names of tenants by their ids."""
    return {each.id: each.name for each in tenants}
