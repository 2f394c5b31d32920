"""Checks a table [notify.NAME] of the settings, and creates its target with its secrets."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from scanner.config.channels import CHANNELS, NAME, keys_of
from scanner.config.keys import Key
from scanner.config.toml import TomlFile
from scanner.errors import InputError
from scanner.model.verdict import Severity

PORTS = {"starttls": 587, "implicit": 465, "none": 25}
LEAST_SECRET = 16
MOST_BYTES = 64 << 10
"""The number of bytes to read of a file with a secret."""
LITERAL = ("url", "secret", "password")
"""Keys whose values are never in the settings."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def check(file: TomlFile, name: str, table: Mapping[str, Any]) -> None:
    """Collect the faults of one table, whose `kind` is text."""
    place, kind = ("notify", name), table["kind"]
    if not NAME.fullmatch(name):
        file.fault(f'"{name}" is not a valid name of a notification', *place, do="use letters, digits, dots, - and _")
    if kind not in CHANNELS:
        known = ", ".join(CHANNELS)
        file.unknown(f'unknown kind of notification "{kind}"', kind, CHANNELS, *place, "kind", more=f"known: {known}")
        return
    known_keys = {key.name: key for key in keys_of(kind)}
    for given, value in table.items():
        if given in LITERAL:
            do = f'use {given}-env = "NAME_OF_A_VARIABLE", or {given}-file = "FILE"'
            file.fault(f"{given} is a secret and must not be in the settings", *place, given, do=do)
        elif given not in known_keys:
            file.unknown(f'notify.{name} ({kind}) has no key "{given}"', given, known_keys, *place, given)
        else:
            _value(file, place, known_keys[given], value)
    for key in known_keys.values():
        _present(file, place, key, table)
    if kind == "mail":
        _mail(file, place, table)


def _value(file: TomlFile, place: tuple[str, str], key: Key, value: Any) -> None:
    """Collect the fault of one value."""
    what, at = f"notify.{place[1]}.{key.name}", (*place, key.name)
    if not key.fits(value):
        file.fault(f"{what} must be {key.takes}", *at, do=key.do)
    elif key.known and value not in key.known:
        file.unknown(f'unknown {what} "{value}"', value, key.known, *at, more=f"known: {', '.join(key.known)}")
    elif key.name.endswith("-env") and not _VARIABLE.fullmatch(value):
        # The value is not repeated: it may be the secret itself.
        file.fault(f"{what} must be the name of a variable", *at, do="use letters, digits and _")
    elif key.name.endswith("-file") and "://" in value:
        file.fault(f"{what} must be the name of a file", *at)


def _present(file: TomlFile, place: tuple[str, str], key: Key, table: Mapping[str, Any]) -> None:
    """Collect the fault of a key that is missing, or that is set together with the other key of its pair."""
    if key.other and key.name in table and key.other in table and key.name < key.other:
        file.fault(f"{key.name} and {key.other} exclude each other", *place, key.other, do="remove one of them")
    if not key.needed or key.name in table or key.other in table or (key.other and key.name > key.other):
        return
    word = key.name.removesuffix("-env")
    if word in table:
        return
    value = '["..."]' if key.name == "to" else '"..."'
    more = f", or {key.other} = {value}" if key.other else ""
    what = f"{key.name} or {key.other}" if key.other else key.name
    file.fault(f"notify.{place[1]} requires {what}", *place, do=f"add {key.name} = {value}{more}")


def _mail(file: TomlFile, place: tuple[str, str], table: Mapping[str, Any]) -> None:
    """Collect the faults that only mail has: addresses, TLS, a user without a password or the reverse."""
    to = table.get("to", [])
    given = [("from", table.get("from")), *(("to", each) for each in ([to] if isinstance(to, str) else to or []))]
    for key, text in given:
        if isinstance(text, str) and text.strip() and not _ADDRESS.fullmatch(text):
            file.fault(f'"{text}" is not a mail address', *place, key, do="write name@agency.example, in ASCII")
    host = table.get("host", "")
    if table.get("tls") == "none" and isinstance(host, str) and not loopback(host):
        file.fault(
            "mail without TLS is allowed on this machine only", *place, "tls", do='write tls = "starttls" or "implicit"'
        )
    password = "password-env" in table or "password-file" in table
    if ("user" in table) != password:
        missing = "password-env" if "user" in table else "user"
        file.fault(f"notify.{place[1]} requires {missing}", *place, do="a login consists of a user and a password")


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
    """A notification, with its secrets. `at`: `file:line` of its table. `least`: the lowest severity that is sent."""

    name: str
    kind: str
    at: str = ""
    least: Severity = Severity.high
    owner: str = ""
    url: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    mail: Mailbox | None = None

    @property
    def host(self) -> str:
        """Return the host, the only part of the address that may be shown."""
        return self.mail.host if self.mail is not None else urlsplit(self.url).hostname or ""


def target(name: str, table: Mapping[str, Any], at: str, folder: Path, environ: Mapping[str, str]) -> Target:
    """Return the target of a checked table, with its secrets. Raise InputError if one is missing.

    `folder`: the folder of the settings file, for relative paths.
    """

    def secret(word: str) -> str:
        return _read(name, word, table, at, folder, environ)

    kind = table["kind"]
    found = Target(
        name=name,
        kind=kind,
        at=at,
        least=Severity[table.get("min-severity", "high")],
        owner=table.get("owner", ""),
        url=secret("url"),
        secret=secret("secret"),
        mail=_mailbox(table, secret("password")) if kind == "mail" else None,
    )
    if found.url:
        _address(found)
    if found.secret and len(found.secret) < LEAST_SECRET:
        what = f'the secret of notification "{name}" has fewer than {LEAST_SECRET} characters; nothing was read'
        raise InputError(what, at=at, do="openssl rand -hex 32")
    return found


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


def _read(name: str, word: str, table: Mapping[str, Any], at: str, folder: Path, environ: Mapping[str, str]) -> str:
    """Return a secret, from the variable or the file that the table names; "" if it names none."""
    variable, file = table.get(f"{word}-env", ""), table.get(f"{word}-file", "")
    if variable:
        if given := environ.get(variable, "").strip():
            return given
        what = f'notification "{name}" requires the variable {variable}, which is not set; nothing was read'
        raise InputError(what, at=at, do=f"set {variable} from your secret store")
    if not file:
        return ""
    try:
        with (folder / file).open("rb") as opened:
            text: str = opened.read(MOST_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        what = f'notification "{name}" requires the file {file}, which cannot be read: {why}; nothing was read'
        raise InputError(what, at=at, do=f"write the {word} to this file") from None
    if not text:
        raise InputError(f'the file {file} of notification "{name}" is empty; nothing was read', at=at)
    return text


def _address(found: Target) -> None:
    """Raise InputError for an address that is invalid or unsafe. No error repeats the address."""

    def wrong(why: str, do: str) -> InputError:
        return InputError(f'the address of notification "{found.name}" {why}; nothing was read', at=found.at, do=do)

    if not all("!" <= char <= "~" for char in found.url):
        raise wrong("contains characters that are not allowed in a URL", "copy it again, as one line")
    parts = _parts(found.url)
    if parts is None or not parts.hostname or parts.scheme not in ("https", "http"):
        raise wrong("is not a web address", "use an address that starts with https://")
    if parts.username is not None:
        raise wrong("contains a login", "remove the login")
    if parts.scheme == "http" and not loopback(parts.hostname):
        raise wrong("is not https", "use https; http is allowed for this machine only")


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
