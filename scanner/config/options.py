"""The options of all commands, one row each: the command line, the variables, `[scan]` of the settings file, its schema
and the help are made of them. `--help` loads this module, so it imports nothing heavy.
"""

from dataclasses import dataclass, replace
from typing import Any

from scanner.model.verdict import SEVERITIES

FAIL_ON = (*SEVERITIES, "never")
NEW = tuple(f"new:{name}" for name in SEVERITIES)
"""Values of `--fail-on` for scans with a history: count only findings that are new, reopened or raised."""
FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command.

    `value`: the word for its value in the help; a flag has none. `about`: its help. `known`: the values that it takes.
    `many`: may be given more than once. `path`: names a file or folder; in a settings file it is relative to the folder
    of that file. `url`: a path unless it is a URL. `shared`: a command other than `scan` also uses the variable and the
    setting of `scan` (`TWOLOCKS_SCAN_WAIVERS`, `waivers` in [scan]). `needed`: part of the usage line.
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
        """Return the default value."""
        return () if self.many else False if self.flag else self.default


def saying(option: Option, about: str) -> Option:
    """Return the option with another help."""
    return replace(option, about=about)


def needed(option: Option) -> Option:
    """Return the option as part of the usage line."""
    return replace(option, needed=True)


def shared(*options: Option) -> tuple[Option, ...]:
    """Return the options, which then also use the variables and settings of `scan`."""
    return tuple(replace(option, shared=True) for option in options)


# What to read

SUBSCRIPTION = Option("subscription", "NAME|ID", "These subscriptions", many=True, short="-s")
MANAGEMENT_GROUP = Option("management-group", "ID", "All subscriptions in this management group", many=True)
RESOURCE = Option("resource", "ID", "One resource, to check a fix quickly", many=True)
RESOURCE_GROUP = Option("resource-group", "NAME", "Only these resource groups", many=True)
TAG = Option("tag", "NAME=VALUE", "Only resources with this tag", many=True)
FROM = Option("from", "FILE", "A snapshot or other JSON; sends no requests", path=True)

# Which rules count, and how

ONLY = Option("only", "PATTERN", "sql-*, category:, severity:, type:, control:", many=True)
SKIP = Option("skip", "PATTERN", "Rules to leave out; same patterns", many=True)
RULES = Option("rules", "DIR", "Folder of additional rules", many=True, path=True)
WAIVERS = Option("waivers", "FILE", "Waiver file", path=True)
FAIL_ON_SCAN = Option(
    "fail-on", "SEVERITY", "high (default), never, new:high (new, reopened, raised)", "high", known=(*FAIL_ON, *NEW)
)
FAIL_ON_DEMO = Option(
    "fail-on", "SEVERITY", "Exit code as for a scan: critical, high, medium, low, info", "never", known=FAIL_ON
)

# What to write

OUT = Option("out", "FILE", many=True, path=True)
SNAPSHOT = Option("snapshot", "FILE", "Store what was read (.jsonl, .gz, .zst); also a blob", path=True)
KEEP_ALL = Option("keep-all", about="Store whole resources, secrets included, not only what rules read")
HISTORY = Option("history", "URL", "Store the scan; compare with earlier ones", path=True, url=True, shared=True)
NOTIFY = Option("notify", "NAME", "Send changes to [notify.NAME] of the settings", many=True)
FORMAT = Option("format", "FORMAT", "text (default) or json", "text", known=FORMATS)

# How to read

AUTH = Option("auth", "KIND", "cli, managed-identity, github, ...", "default")
TENANT = Option("tenant", "ID", "Sign in to this tenant")
CLOUD = Option("cloud", "NAME", "public (default), us-government, china", "public")
ARM_ENDPOINT = Option("arm-endpoint", "URL", "ARM endpoint of another cloud")
SIGN_IN = (AUTH, TENANT, CLOUD, ARM_ENDPOINT)
NO_GRAPH = Option("no-graph", about="Use lists instead of Resource Graph")
EFFECTIVE = Option("effective", about="Compare with effective rules from Azure")
RECORD = Option("record", "FILE", "Log requests, without bodies", path=True)

# How to print

QUIET = Option("quiet", about="Print nothing if the exit code is 0")
VERBOSE = Option("verbose", about="Print a line for each request")
CONFIG = Option("config", "FILE", "Settings (default: twolocks.toml in this folder)", path=True)
"""Names the settings file, so it is not a setting itself."""
