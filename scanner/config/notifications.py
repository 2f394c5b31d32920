"""Checks a table [notify.NAME] of the settings, and creates its target with its secrets."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

from scanner.config.channels import CHANNELS, FILE_SUFFIX, NAME, SECRET, keys_of
from scanner.config.keys import Key
from scanner.config.secrets import VARIABLE, Secret, SecretFile, new_name, read_secret
from scanner.config.toml import TomlFile
from scanner.errors import InputError
from scanner.model.severity import Severity

PORTS = {"starttls": 587, "implicit": 465, "none": 25}
LEAST_SECRET = 16
LITERAL = ("url", "secret", "password")
"""Keys whose values are never in the settings."""
_OLD_NAME = re.compile(r"[A-Z]+|[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
"""The name of a variable, not a secret that was written in its place."""
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
MOST_OWNERS = 100
"""The most owners with an address of their own. A writer of tags must not be able to send more mails."""
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def check(file: TomlFile, name: str, table: Mapping[str, Any]) -> None:
    """Collect the faults of one table, whose `kind` is text."""
    table_path, kind = ("notify", name), table["kind"]
    if not NAME.fullmatch(name):
        file.fault(
            f'"{name}" is not a valid name of a notification', *table_path, do="use letters, digits, dots, - and _"
        )
    if kind not in CHANNELS:
        known = ", ".join(CHANNELS)
        file.unknown(
            f'unknown kind of notification "{kind}"', kind, CHANNELS, *table_path, "kind", more=f"known: {known}"
        )
        return
    known_keys = {key.name: key for key in keys_of(kind)}
    for given, value in table.items():
        if given in LITERAL:
            do = f'use {given}-env = "{new_name(name)}"'
            file.fault(f"{given} is a secret and must not be in the settings", *table_path, given, do=do)
        elif given.removesuffix("-file") in LITERAL:
            word, new = given.removesuffix("-file"), new_name(name)
            do = f'write {word}-env = "{new}", and set {new}{FILE_SUFFIX} to the path of the file'
            file.fault(f"{given}: a settings file names no file with a secret", *table_path, given, do=do)
        elif given not in known_keys:
            file.unknown(f'notify.{name} ({kind}) has no key "{given}"', given, known_keys, *table_path, given)
        else:
            _value(file, table_path, known_keys[given], value)
    for key in known_keys.values():
        _present(file, table_path, key, table)
    if kind == "mail":
        _mail(file, table_path, table)
    _owners(file, table_path, table)


def _owners(file: TomlFile, table_path: tuple[str, str], table: Mapping[str, Any]) -> None:
    """Collect the faults of owners with an address of their own."""
    owners, domains = table.get("owners"), table.get("owner-domains")
    if table.get("owner") and (owners or domains):
        file.fault("owner and owners exclude each other", *table_path, "owner", do="remove one of them")
    for owner, text in owners.items() if isinstance(owners, dict) else ():
        if not isinstance(text, str):
            continue
        at = (*table_path, "owners", owner)
        if table["kind"] == "mail" and not _ADDRESS.fullmatch(text):
            file.fault(f'"{text}" is not a mail address', *at, do="write name@agency.example, in ASCII")
        elif table["kind"] != "mail" and not VARIABLE.fullmatch(text):
            # The value is not repeated: it may be the secret itself.
            do = f'write "{new_name(table_path[1])}_OWNER", and set that variable'
            file.fault(f"notify.{table_path[1]}.owners must name a variable {SECRET}... for each owner", *at, do=do)
    for each in domains if isinstance(domains, list) else ():
        if isinstance(each, str) and not _DOMAIN.fullmatch(each):
            file.fault(f'"{each}" is not a domain', *table_path, "owner-domains", do="write agency.example, in ASCII")


def _value(file: TomlFile, table_path: tuple[str, str], key: Key, value: Any) -> None:
    """Collect the fault of one value."""
    what, at = f"notify.{table_path[1]}.{key.name}", (*table_path, key.name)
    if not key.fits(value):
        file.fault(f"{what} must be {key.takes}", *at, do=key.do)
    elif key.known and value not in key.known:
        file.unknown(f'unknown {what} "{value}"', value, key.known, *at, more=f"known: {', '.join(key.known)}")
    elif key.name.endswith("-env") and not VARIABLE.fullmatch(value):
        # The value is not repeated unless it looks like a variable: it may be the secret itself.
        new = new_name(value if _OLD_NAME.fullmatch(value) else table_path[1])
        file.fault(f"{what} must name a variable {SECRET}...", *at, do=f'write "{new}", and set that variable')


def _present(file: TomlFile, table_path: tuple[str, str], key: Key, table: Mapping[str, Any]) -> None:
    """Collect the fault of a key that is missing; a secret under another key has a fault of its own."""
    word = key.name.removesuffix("-env")
    if not key.needed or not table.keys().isdisjoint((key.name, word, f"{word}-file")):
        return
    value = '["..."]' if key.name == "to" else f'"{new_name(table_path[1])}"' if word != key.name else '"..."'
    file.fault(f"notify.{table_path[1]} requires {key.name}", *table_path, do=f"add {key.name} = {value}")


def _mail(file: TomlFile, table_path: tuple[str, str], table: Mapping[str, Any]) -> None:
    """Collect the faults that only mail has: addresses, TLS, a user without a password or the reverse."""
    to = table.get("to", [])
    given = [("from", table.get("from")), *(("to", each) for each in ([to] if isinstance(to, str) else to or []))]
    for key, text in given:
        if isinstance(text, str) and text.strip() and not _ADDRESS.fullmatch(text):
            file.fault(f'"{text}" is not a mail address', *table_path, key, do="write name@agency.example, in ASCII")
    host = table.get("host", "")
    if table.get("tls") == "none" and isinstance(host, str) and not loopback(host):
        file.fault(
            "mail without TLS is allowed on this machine only",
            *table_path,
            "tls",
            do='write tls = "starttls" or "implicit"',
        )
    password = "password-env" in table
    if ("user" in table) != password and "password-file" not in table:
        missing = "password-env" if "user" in table else "user"
        file.fault(
            f"notify.{table_path[1]} requires {missing}", *table_path, do="a login consists of a user and a password"
        )


def loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or literal address."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mail server, its login, and the addresses of a message."""

    host: str
    port: int
    tls: str
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """A notification, with its secrets."""

    name: str
    kind: str
    at: str = ""
    """`file:line` of its table."""
    least: Severity = Severity.high
    """The lowest severity that is sent."""
    owner: str = ""
    url: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    mail: Mailbox | None = None
    owners: "tuple[tuple[str, Target], ...]" = ()
    """The targets of owners (casefolded) with an address of their own. Each has that owner as `owner`."""
    domains: tuple[str, ...] = field(default=())
    """The domains (lower case) in which the address of an owner may lie."""
    is_of_owner: bool = False
    """Whether it is such a target of another one."""

    def with_owners(self, tags: Iterable[str]) -> "Target":
        """Return the target with those of owners whose tag is an address in its domains, at most MOST_OWNERS in all."""
        result = dict(self.owners)
        for tag in sorted(set(tags)):
            if len(result) < MOST_OWNERS and self.mail is not None and self._may_send(tag):
                result.setdefault(tag.casefold(), self.of_owner(tag, tag))
        return replace(self, owners=tuple(result.items()), domains=())

    def _may_send(self, tag: str) -> bool:
        return bool(_ADDRESS.fullmatch(tag)) and tag.rpartition("@")[2].lower() in self.domains

    def of_owner(self, owner: str, address: str) -> "Target":
        mail = None if self.mail is None else replace(self.mail, to=(address,))
        url = "" if mail is not None else address
        return replace(self, owner=owner, url=url, mail=mail, owners=(), domains=(), is_of_owner=True)

    @property
    def host(self) -> str:
        """Return the host, the only part of the address that may be shown."""
        return self.mail.host if self.mail is not None else urlsplit(self.url).hostname or ""


def variables(tables: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the variables with secrets that the notifications name."""
    known = {value for table in tables.values() for key, value in table.items() if key.endswith("-env")}
    owners = (table.get("owners", {}).values() for table in tables.values() if table["kind"] != "mail")
    return known | {each for values in owners for each in values}


def target(
    name: str,
    table: Mapping[str, Any],
    at: str,
    environ: Mapping[str, str],
    files: Mapping[str, SecretFile] | None = None,
) -> Target:
    """Return the target of a checked table, with its secrets. Raise InputError if one is missing.

    `files`: those that the command line names, by variable. They override the environment.
    """

    def secret(word: str, variable: str = "") -> str:
        variable = variable or table.get(f"{word}-env", "")
        return read_secret(Secret(f'notification "{name}"', word, variable, at), environ, files or {})

    kind = table["kind"]
    result = Target(
        name=name,
        kind=kind,
        at=at,
        least=Severity[table.get("min-severity", "high")],
        owner=table.get("owner", ""),
        url=secret("url"),
        secret=secret("secret"),
        mail=_mailbox(table, secret("password")) if kind == "mail" else None,
    )
    result = replace(result, domains=tuple(each.lower() for each in table.get("owner-domains", ())))
    owners = {
        owner.strip().casefold(): result.of_owner(owner.strip(), text if kind == "mail" else secret("url", text))
        for owner, text in table.get("owners", {}).items()
    }
    result = replace(result, owners=tuple(owners.items()))
    for each in (result, *owners.values()):
        if each.url:
            _address(each)
    if result.secret and len(result.secret) < LEAST_SECRET:
        what = f'the secret of notification "{name}" has fewer than {LEAST_SECRET} characters; nothing was read'
        raise InputError(what, at=at, do="openssl rand -hex 32")
    return result


def _mailbox(table: Mapping[str, Any], password: str) -> Mailbox:
    tls, to = table.get("tls", "starttls"), table["to"]
    return Mailbox(
        host=table["host"],
        port=table.get("port", PORTS[tls]),
        tls=tls,
        sender=table["from"],
        to=(to,) if isinstance(to, str) else tuple(to),
        user=table.get("user", ""),
        password=password,
    )


def _address(result: Target) -> None:
    """Raise InputError for an address that is invalid or unsafe. No error repeats the address."""

    def wrong(why: str, do: str) -> InputError:
        return InputError(f'the address of notification "{result.name}" {why}; nothing was read', at=result.at, do=do)

    if not all("!" <= char <= "~" for char in result.url):
        raise wrong("contains characters that are not allowed in a URL", "copy it again, as one line")
    split = _split(result.url)
    if split is None or not split.hostname or split.scheme not in ("https", "http"):
        raise wrong("is not a web address", "use an address that starts with https://")
    if split.username is not None:
        raise wrong("contains a login", "remove the login")
    if split.scheme == "http" and not loopback(split.hostname):
        raise wrong("is not https", "use https; http is allowed for this machine only")


def _split(url: str) -> SplitResult | None:
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        return None
    return split
