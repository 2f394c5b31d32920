"""The options of all commands, one row each: the command line, the variables, `[scan]` of the settings file, its schema
and the help are made of them. `--help` loads this module, so it imports nothing heavy.
"""

from dataclasses import dataclass, replace
from typing import Any

from scanner.model.verdict import Severity

SEVERITIES = tuple(each.name for each in reversed(Severity))
FAIL_ON = (*SEVERITIES, "never")
NEW = tuple(f"new:{name}" for name in SEVERITIES)
"""Values of `--fail-on` for scans with a history: count only what is new to it, reopened or of raised severity."""
FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command.

    `value`: the word for its value in the help; a flag has none. `about`: its help. `known`: the values that it takes.
    `many`: may be given more than once. `path`: names a file or folder, which in a settings file starts from its
    folder. `url`: a path only where it is no URL. `shared`: on another command than `scan`, the variable and the
    setting of `scan` count too (`TWOLOCKS_SCAN_WAIVERS`, `waivers` in [scan]). `needed`: part of the usage line.
    `short`: its short form, such as `-s`.
    """

    name: str
    value: str = ""
    about: str = ""
    default: Any = ""
    known: tuple[str, ...] = ()
    many: bool = False
    path: bool = False
    url: bool = False
    shared: bool = False
    needed: bool = False
    short: str = ""

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")

    @property
    def flag(self) -> bool:
        return not self.value

    @property
    def unset(self) -> Any:
        """Return the value that counts where none is given."""
        return () if self.many else False if self.flag else self.default


def saying(option: Option, about: str) -> Option:
    """Return the option with another help."""
    return replace(option, about=about)


def needed(option: Option) -> Option:
    """Return the option as part of the usage line."""
    return replace(option, needed=True)


def shared(*options: Option) -> tuple[Option, ...]:
    """Return the options so that the variables and settings of `scan` count for them too."""
    return tuple(replace(option, shared=True) for option in options)


# What to read

SUBSCRIPTION = Option("subscription", "NAME|ID", "These subscriptions", many=True, short="-s")
MANAGEMENT_GROUP = Option("management-group", "ID", "All subscriptions below it", many=True)
RESOURCE = Option("resource", "ID", "One resource; quick, to check a fix", many=True)
RESOURCE_GROUP = Option("resource-group", "NAME", "Only in these groups", many=True)
TAG = Option("tag", "NAME=VALUE", "Only what carries the tag", many=True)
FROM = Option("from", "FILE", "A snapshot or other JSON; calls nothing", path=True)

# Which rules count, and how

ONLY = Option("only", "PATTERN", "sql-*, category:, severity:, type:, control:", many=True)
SKIP = Option("skip", "PATTERN", "The same, left out", many=True)
RULES = Option("rules", "DIR", "Your own rules too", many=True, path=True)
WAIVERS = Option("waivers", "FILE", "What was accepted", path=True)
FAIL_ON_SCAN = Option(
    "fail-on", "SEVERITY", "high (default), never, new:high (also reopened)", "high", known=(*FAIL_ON, *NEW)
)
FAIL_ON_DEMO = Option(
    "fail-on", "SEVERITY", "End as a scan would: critical, high, medium, low, info", "never", known=FAIL_ON
)

# What to write

OUT = Option("out", "FILE", many=True, path=True)
SNAPSHOT = Option("snapshot", "FILE", "What was read (.jsonl, .gz, .zst); also a blob", path=True)
HISTORY = Option("history", "URL", "Remember, and compare with earlier scans", path=True, url=True, shared=True)
NOTIFY = Option("notify", "NAME", "Tell what is new: [notify.NAME] in the settings", many=True)
FORMAT = Option("format", "FORMAT", "text (default) or json", "text", known=FORMATS)

# How to read

AUTH = Option("auth", "KIND", "cli, managed-identity, github, ...", "default")
TENANT = Option("tenant", "ID", "Sign in to this tenant")
CLOUD = Option("cloud", "NAME", "public (default), us-government, china", "public")
ARM_ENDPOINT = Option("arm-endpoint", "URL", "Any other cloud")
SIGN_IN = (AUTH, TENANT, CLOUD, ARM_ENDPOINT)
NO_GRAPH = Option("no-graph", about="List everything; no Resource Graph")
EFFECTIVE = Option("effective", about="Ask Azure for the effective rules too")
RECORD = Option("record", "FILE", "Log of requests, without bodies", path=True)

# How to print

QUIET = Option("quiet", about="Silent unless exit is not 0")
VERBOSE = Option("verbose", about="A line a request")
CONFIG = Option("config", "FILE", "Settings (default: twolocks.toml in this folder)", path=True)
"""Names the settings file, so that it is no setting itself."""
