"""The channels of notifications, one row each: its keys in a table [notify.NAME], and the function that sends."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from scanner.config.keys import ONE, Key
from scanner.model.severity import SEVERITIES

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""The name of a notification."""
SECRET = "TWOLOCKS_SECRET_"  # noqa: S105 - a name, no secret
"""The prefix of the variables with secrets. A settings file can name no other variable."""
FILE_SUFFIX = "_FILE"
"""The end of a variable that names a file with the secret: TWOLOCKS_SECRET_OPS_FILE for TWOLOCKS_SECRET_OPS."""
TLS = ("starttls", "implicit", "none")
PORT: Any = Annotated[int, Meta(ge=1, le=65535)]
# Without a pattern, because msgspec 0.22 crashes where one type holds a pattern twice.
ONE_OR_MORE: Any = ONE | Annotated[list[ONE], Meta(min_length=1)]


class Channel(Struct, frozen=True):
    """A channel."""

    attempt: str
    """`module:function` below `scanner.notify.channels`; the function is a `Prepare`."""
    keys: tuple[Key, ...] = ()
    """In addition to COMMON."""
    seconds: float = 10.0
    """The time limit of an attempt, from the DNS lookup to the response."""
    on_stdout: bool = False
    """It writes lines to standard output, which needs no retry."""


def _secret(name: str, about: str, needed: bool = True) -> Key:
    return Key(f"{name}-env", f"Environment variable {SECRET}NAME that contains {about}", needed=needed)


def _owners(about: str, do: str) -> Key:
    return Key("owners", about, dict[str, ONE], "a table of owners", do)


_URL = (
    _secret("url", "the URL, which is a secret"),
    _owners(
        f"Owners with a notice of their own: for each the variable {SECRET}NAME that contains its URL",
        f'owners = {{ "Team A" = "{SECRET}TEAM_A" }}',
    ),
)
COMMON = (
    Key("kind", "Channel of the notification"),
    Key("min-severity", "Lowest severity to report (default: high)", known=SEVERITIES),
    Key("owner", "Report only resources with this value of the owner tag, and waivers of this owner"),
)
_MAIL = (
    Key("host", "Mail server", needed=True),
    Key("port", "Default: 587 with starttls, 465 with implicit", PORT, "a port, a number from 1 to 65535"),
    Key("tls", "starttls (default), implicit, or none (this machine only)", known=TLS),
    Key("from", "Sender", needed=True),
    Key(
        "to",
        "Addresses of the recipients",
        ONE_OR_MORE,
        "a list of addresses",
        '["ops@agency.example"]',
        needed=True,
    ),
    Key("user", "User name, if the server requires a login"),
    _secret("password", "the password of the user", needed=False),
    _owners(
        "Owners with a notice of their own: for each its address", 'owners = { "Team A" = "team-a@agency.example" }'
    ),
    Key(
        "owner-domains",
        "Owners whose tag is an address in one of these domains get a notice of their own",
        Annotated[list[ONE], Meta(min_length=1)],
        "a list of domains",
        'owner-domains = ["agency.example"]',
    ),
)
CHANNELS: Mapping[str, Channel] = {
    "teams": Channel("teams:attempt", _URL),
    "slack": Channel("slack:attempt", _URL),
    "webhook": Channel("webhook:attempt", (*_URL, _secret("secret", "the signing key"))),
    "mail": Channel("mail:attempt", _MAIL, seconds=30.0),
    "github": Channel("ci_log:github", on_stdout=True),
    "azure-devops": Channel("ci_log:azure_devops", on_stdout=True),
}
"""The channels by the `kind` of a notification. A new channel is a module and its row here."""


def keys_of(kind: str) -> tuple[Key, ...]:
    """Return all keys of a notification of this kind."""
    return (*COMMON, *CHANNELS[kind].keys)
