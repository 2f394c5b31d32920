"""The keys of settings and waiver files, one row each. Readers and the schemas for editors are generated from them.

msgspec checks the value of one key and returns its schema. It does not read whole tables, because it stops at the first
fault. Users see all faults of a file at once, each with its line and the nearest name.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from scanner.config.options import LANGUAGES, Effect, Option
from scanner.config.toml import TomlFile
from scanner.model.exposure import Auth, Reach
from scanner.model.severity import SEVERITIES

Schema = dict[str, Any]
TEXT: Any = Annotated[str, Meta(pattern=r"\S")]
ONE: Any = Annotated[str, Meta(min_length=1)]
NAMES: Any = Annotated[list[TEXT], Meta(min_length=1)]
CELL: Any = Annotated[
    str, Meta(pattern=f"^(data|admin|app)/({'|'.join(Auth.__members__)}|unknown)/({'|'.join(Reach.__members__)})$")
]
LANGUAGE: Any = Annotated[str, Meta(pattern=f"^({'|'.join(LANGUAGES)})$")]
TAG: Any = Annotated[str, Meta(pattern=r"^\s*[^\s=][^=]*=\s*\S")]
MAX_DAYS = 365
"""The default for how far ahead a waiver may expire, in days."""


class Key(Struct, frozen=True):
    """A key of a table."""

    name: str
    about: str = ""
    """Its description in the schema."""
    type: Any = TEXT
    """Its type for msgspec."""
    takes: str = "text"
    """The expected value, for errors."""
    do: str = ""
    """How to write it, for errors."""
    default: Any = None
    needed: bool = False
    """It is required."""
    known: tuple[str, ...] = ()
    """Its only values, if they are fixed."""
    effect: Effect | None = None
    """Of every key of a settings file; None for others."""

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")

    def fits(self, value: object) -> bool:
        """Return whether the key accepts this value."""
        try:
            msgspec.convert(value, self.type)
        except msgspec.ValidationError:
            return False
        return True

    def schema(self) -> Schema:
        """Return the JSON Schema of its value."""
        result: Schema = {"enum": list(self.known)} if self.known else msgspec.json.schema(self.type)
        result |= {"default": self.default} if self.default not in (None, "", ()) else {}
        return result | ({"description": self.about} if self.about else {})


def number(name: str, about: str, least: int, most: int, default: int | None, effect: Effect) -> Key:
    """Return a key whose value is a number from `least` to `most`."""
    type: Any = Annotated[int, Meta(ge=least, le=most)]
    return Key(name, about, type, f"a number from {least} to {most}", default=default, effect=effect)


def sized(name: str, about: str, units: str, most: str, default: str, effect: Effect) -> Key:
    """Return a key whose value is a size, a number below 1,000 and a unit. `units`: as a pattern."""
    type: Any = Annotated[str, Meta(pattern=f"^[1-9][0-9]{{0,2}} {units}$")]
    do = f'write {name} = "{default}"'
    return Key(name, about, type, f'a size from "1 MB" to "{most}"', do, default, effect=effect)


def option_key(option: Option) -> Key:
    """Return the key of [scan] that sets an option."""
    if option.flag:
        return Key(option.name, option.about, bool, "true or false", default=False)
    if option.most:
        assert option.effect is not None
        return number(option.name, option.about, 1, option.most, None, option.effect)
    if option.many:
        return Key(option.name, option.about, ONE | list[str], "text or a list of texts")
    return Key(option.name, option.about, ONE, default=option.default if option.known else None, known=option.known)


# The settings file

INTENDED = (
    Key("resource", "An id, or a pattern with *", needed=True),
    Key("endpoint", "A name, or a pattern with *", needed=True),
    Key("reason", needed=True),
)
SEVERITY = (Key("to", known=SEVERITIES, needed=True), Key("reason", needed=True))
NETWORK = (
    number(
        "wide-ipv4",
        "Number of IPv4 addresses from which allowed networks count as broad ranges",
        1,
        2**32,
        65536,
        Effect.hide,
    ),
    number(
        "wide-ipv6", "More than one IPv6 network of this prefix length counts as broad ranges", 0, 128, 48, Effect.hide
    ),
)
REPORT = (
    Key(
        "tags",
        "Tags that findings and reports show",
        list[str],
        "a list of names",
        'tags = ["owner"]',
        (),
        effect=Effect.harmless,
    ),
    Key("owner-tag", "Tag whose value is the owner", TEXT, "the name of a tag", default="", effect=Effect.harmless),
    Key(
        "language",
        "Language of reports, summaries and notices",
        LANGUAGE,
        f"one of {', '.join(LANGUAGES)}",
        default="en",
        known=LANGUAGES,
        effect=Effect.harmless,
    ),
)
WAIVERS = (
    number("max-days", "How far ahead a waiver may expire", 1, 3660, MAX_DAYS, Effect.hide),
    Key(
        "allow-tag",
        "Allow waivers by tag; anyone who can write tags can then waive findings",
        bool,
        "true or false",
        default=False,
        effect=Effect.hide,
    ),
)
LIMITS = (
    sized("answer-size", "Size of one answer, after decompression", "MB", "999 MB", "32 MB", Effect.exhaust),
    number("answer-values", "Values of one answer", 1, 10**9, 500_000, Effect.exhaust),
    number("answer-depth", "Levels of one answer", 1, 500, 100, Effect.exhaust),
    number("list-pages", "Pages of one list", 1, 10**9, 10_000, Effect.exhaust),
    sized("list-size", "Size of one list, all its pages", "(MB|GB)", "999 GB", "512 MB", Effect.exhaust),
    number("list-minutes", "Minutes of one list, all its pages", 1, 10**6, 60, Effect.exhaust),
    number("list-rows", "Rows of one list, all its pages", 1, 10**9, 300_000, Effect.exhaust),
    number("subscriptions", "Subscriptions of one scan", 1, 10**6, 10_000, Effect.exhaust),
)
TENANT = (
    Key("name", "Name of the tenant in reports", needed=True, do='add name = "..."'),
    Key("id", "Id of the tenant", needed=True, do="add its id: az account show --query tenantId"),
    Key("auth", "Kind of its login; default: that of --auth"),
    Key("client-id", "App, or user-assigned identity, that signs in; default: AZURE_CLIENT_ID"),
    Key("secret-env", "Environment variable TWOLOCKS_SECRET_NAME that contains the client secret of the app"),
    Key("certificate-env", "The same with a certificate and its private key (PEM)"),
    Key("subscriptions", "Names or ids; default: all that the login can see", NAMES, "a list of texts"),
    Key("management-groups", "Ids; all subscriptions below them", NAMES, "a list of texts"),
)
"""An entry [[tenant]]."""
PLACES = Key(
    "allowed",
    "Regions, geographies or eea",
    NAMES,
    "a place or a list of places",
    'write allowed = ["norwayeast", "norwaywest"], "norway" or "eea"',
    needed=True,
)
PLACE_SCOPE = (
    PLACES,
    Key("subscription", "Id or name of a subscription"),
    Key("tag", "NAME=VALUE of a tag", TAG),
)
VALUES: Mapping[str, tuple[Key, ...]] = {"network": NETWORK, "report": REPORT, "waivers": WAIVERS, "limits": LIMITS}
"""The tables of single values."""
TABLES: Mapping[str, tuple[Key, ...] | None] = {
    "scan": (),
    **VALUES,
    "networks": None,
    "severity": None,
    "intended": None,
    "tenant": None,
    "residency": None,
    "notify": None,
}
"""The tables of a settings file and their keys; None for free keys, () for the options of `scan`."""
EFFECTS: Mapping[str, Effect] = {
    "networks": Effect.hide,
    "severity": Effect.hide,
    "intended": Effect.hide,
    "tenant": Effect.send,
    "residency": Effect.hide,
    "notify": Effect.send,
}
"""What the tables with free keys can do in a file that somebody else wrote."""


# The waiver file

_REASON = Key("reason", "Why it is accepted", needed=True)
_OWNER = Key("owner", "Person responsible", needed=True)
_EXPIRES = Key("expires", "Last day on which it applies", date, needed=True)
_RESOURCE = Key("resource", "An id, or a pattern with * ([*] is an asterisk)")
PLACE_EXCEPTION = (
    Key("resource", "An id, or a pattern with *", needed=True),
    PLACES,
    *(_REASON, _OWNER, _EXPIRES),
)
_TICKET = Key("ticket", "Reference to the decision", str)
WAIVER = (
    Key("rule", "A rule, or a pattern: sql-*, category:network, severity:high, type:, control:", needed=True),
    _RESOURCE,
    Key("tag", "NAME=VALUE, if the settings allow it", TAG),
    *(_REASON, _OWNER, _EXPIRES),
    Key(
        "endpoints",
        "Endpoints of a finding that it covers; default: all",
        NAMES,
        "a list of names",
        'endpoints = ["blob"]',
    ),
    Key("cell", "Accepted up to kind/authentication/reach", CELL),
    Key("severity", "Accepted up to this severity", known=SEVERITIES),
    _TICKET,
)
GAP = (
    Key("url", "Path of the failed read, or a pattern with *"),
    Key("rule", "A rule, or a pattern, that is inconclusive on the resource without a failed read"),
    *(_RESOURCE, _REASON, _OWNER, _EXPIRES, _TICKET),
)


def texts(
    file: TomlFile, what: str, entry: Mapping[str, Any], keys: Sequence[Key], *at: str | int, but: Sequence[str] = ()
) -> dict[str, str]:
    """Return the text values of one entry by key. Collect faults for unknown keys and missing values.

    `what` names the entry in errors. `but`: keys whose values are not text.
    """
    known = [key.name for key in keys]
    for name in entry:
        if name not in known:
            file.unknown(f'{what} has no key "{name}"', name, known, *at, name)
    return {key.name: _text(file, what, entry, key, *at) for key in keys if key.name not in but}


def _text(file: TomlFile, what: str, entry: Mapping[str, Any], key: Key, *at: str | int) -> str:
    value = entry.get(key.name, "")
    if not isinstance(value, str):
        file.fault(f"{key.name} must be text", *at, key.name, do=f'write {key.name} = "..."')
        return ""
    if key.needed and not value.strip():
        file.fault(f"{what} requires {key.name}", *at, key.name, do=f'add {key.name} = "..."')
    return value
