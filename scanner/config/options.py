"""The options of all commands, one row each: the command line, the variables, `[scan]` of the settings file, its schema
and the help are made of them. `--help` loads this module, so it imports nothing heavy.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from scanner.model.severity import SEVERITIES

FAIL_ON = (*SEVERITIES, "never")
NEW = tuple(f"new:{name}" for name in SEVERITIES)
"""Values of `--fail-on` for scans with a history: count only findings that are new, reopened or raised."""
FORMATS = ("text", "json")
LANGUAGES = ("en", "nb")
"""The languages of reports: English, and each folder of `locale/`."""


class Effect(StrEnum):
    """What a settings file that somebody else wrote could do with a setting. The value completes "this setting can".

    A setting without an effect is harmless: it may stand in a file that was found in the current folder.
    """

    harmless = ""
    run = "run code, or print commands for you to run"
    send = "send data or credentials to another host"
    write = "overwrite files"
    hide = "hide findings"
    exhaust = "use up the memory, or leave resources unread"


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command."""

    name: str
    value: str = ""
    """The word for its value in the help; a flag has none."""
    about: str = ""
    """Its help."""
    default: Any = ""
    known: tuple[str, ...] = ()
    """The values that it takes."""
    many: bool = False
    """May be given more than once."""
    path: bool = False
    """Names a file or folder; in a settings file it is relative to the folder of that file."""
    url: bool = False
    """A path unless it is a URL."""
    shared: bool = False
    """A command other than `scan` also uses the variable and the setting of `scan` (`TWOLOCKS_SCAN_WAIVERS`, `waivers`
    in [scan]).
    """
    needed: bool = False
    """Part of the usage line."""
    most: int = 0
    """Its value is a whole number from 1 to this."""
    short: str = ""
    """Its short form, such as `-s`."""
    effect: Effect | None = None
    """Of every option that a settings file may set; None for others."""
    in_file: bool = True
    """An option of `scan` that a settings file may set."""

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

SUBSCRIPTION = Option("subscription", "NAME|ID", "These subscriptions", many=True, short="-s", effect=Effect.hide)
MANAGEMENT_GROUP = Option(
    "management-group", "ID", "All subscriptions in this management group", many=True, effect=Effect.hide
)
RESOURCE = Option("resource", "ID", "One resource, to check a fix quickly", many=True, effect=Effect.hide)
RESOURCE_GROUP = Option("resource-group", "NAME", "Only these resource groups", many=True, effect=Effect.hide)
TAG = Option("tag", "NAME=VALUE", "Only resources with this tag", many=True, effect=Effect.hide)
EXCLUDE = Option(
    "exclude",
    "WHAT",
    "Leave out sub:NAME|ID, group:NAME or group:SUBSCRIPTION/NAME",
    many=True,
    effect=Effect.hide,
)
FROM = Option("from", "FILE", "A snapshot or other JSON; sends no requests", path=True, effect=Effect.hide)
# In a file that somebody else wrote it would name their key, and their snapshot would pass as verified.
VERIFY = Option("verify", "KEY", "Evaluate FILE only if FILE.sig is by this key", path=True, effect=Effect.hide)

ACCEPT_VERSION_1 = Option(
    "accept-version-1", about="Accept a snapshot of version 1: no change to it shows", in_file=False
)
"""No setting of a file, and no default: nothing says who wrote such a file."""

# Which rules count, and how

ONLY = Option("only", "PATTERN", "sql-*, category:, severity:, type:, control:, ...", many=True, effect=Effect.hide)
SKIP = Option("skip", "PATTERN", "Rules to leave out; same patterns", many=True, effect=Effect.hide)
UNTIL = Option(
    "until",
    "SEVERITY",
    "Read only what can be this or above; rules that need more reads are not asked",
    known=SEVERITIES[:-1],
    effect=Effect.hide,
)
RULES = Option("rules", "DIR", "Folder of additional rules (rows only)", many=True, path=True, effect=Effect.run)
RULES_CODE = Option("rules-code", "DIR", "The same; may run Python", many=True, path=True, effect=Effect.run)
NO_RULE_PACKAGES = Option("no-rule-packages", about="Leave out installed rule packages", effect=Effect.hide)
CUSTOM_RULES = (RULES, RULES_CODE, NO_RULE_PACKAGES)
RUN_CODE = Option("run-code", about="Run the Python files of the folder")
WAIVERS = Option("waivers", "FILE", "Waiver file", path=True, effect=Effect.hide)
FAIL_ON_SCAN = Option(
    "fail-on",
    "SEVERITY",
    "high (default), never, new:high (new, reopened, raised)",
    "high",
    known=(*FAIL_ON, *NEW),
    effect=Effect.hide,
)
FAIL_ON_DEMO = Option(
    "fail-on", "SEVERITY", "Exit code as for a scan: critical, high, medium, low, info", "never", known=FAIL_ON
)

JOBS = Option("jobs", "N", "Processes that evaluate (default: one a core, at most 8)", most=64, effect=Effect.exhaust)

# What to write

OUT = Option("out", "FILE", many=True, path=True, short="-o", effect=Effect.write)
SPLIT = Option("split", "BY", "Also a report an owner: tag:NAME, subscription, resource-group", effect=Effect.write)
REDACT = Option("redact", about="Replace names by pseudonyms in every --out file", effect=Effect.hide)
LANGUAGE = Option(
    "language",
    "en|nb",
    "Language of report, summary and notices (default: en); names, fields, commands, Azure's messages, logs and help "
    "stay English",
    known=LANGUAGES,
    shared=True,
    effect=Effect.harmless,
    in_file=False,
)
SNAPSHOT = Option(
    "snapshot", "FILE", "Store what was read (.jsonl, .gz, .zst); also a blob", path=True, effect=Effect.write
)
KEEP_ALL = Option(
    "keep-all", about="Store whole resources, not only what rules read; may hold secrets", effect=Effect.write
)
SIGN = Option("sign", "KEY", "Sign the snapshot by this private key (FILE.sig)", path=True, effect=Effect.write)
HISTORY = Option(
    "history", "URL", "Store the scan; compare with earlier ones", path=True, url=True, shared=True, effect=Effect.send
)
TOKEN_HOST = Option(
    "postgres-token-host",
    "HOST",
    "Server outside of Azure that gets the token",
    many=True,
    shared=True,
    effect=Effect.send,
)
NOTIFY = Option("notify", "NAME", "Send changes to [notify.NAME] of the settings", many=True, effect=Effect.send)
SECRET_FILE = Option(
    "secret-file", "NAME=PATH", "File with the secret TWOLOCKS_SECRET_NAME", many=True, shared=True, in_file=False
)
"""No setting of a file: otherwise the writer of the file could send any file of the user as a password."""
OUT_FORMAT = Option(
    "format",
    "FORMAT",
    "Format of --out in place of its suffix; json alone is --out -",
    known=("html", "json", "csv", "xlsx", "ocsf.jsonl", "md", "sarif", "junit.xml", "parquet"),
    in_file=False,
)
"""Of `scan` and `report`."""
SHOWN_SEVERITY = Option(
    "severity",
    "SEVERITY",
    "List only this and above on the terminal; all count for files and exit code",
    known=SEVERITIES,
    in_file=False,
)
FORMAT = Option("format", "FORMAT", "text (default) or json", "text", known=FORMATS)

# How to read

AUTH = Option("auth", "KIND", "cli, managed-identity, github, ...", "default", effect=Effect.hide)
TENANT = Option("tenant", "ID", "Sign in to this tenant", effect=Effect.send)
CLOUD = Option("cloud", "NAME", "public (default), us-government, china", "public", effect=Effect.send)
ARM_ENDPOINT = Option("arm-endpoint", "URL", "ARM endpoint of another cloud", effect=Effect.send)
ARM_AUDIENCE = Option("arm-audience", "URL", "Audience of its tokens, if not the endpoint", effect=Effect.send)
SIGN_IN = (AUTH, TENANT, CLOUD, ARM_ENDPOINT, ARM_AUDIENCE)
NO_GRAPH = Option("no-graph", about="Use lists instead of Resource Graph", effect=Effect.hide)
EFFECTIVE = Option("effective", about="Compare with effective rules from Azure", effect=Effect.harmless)
EXPLAIN_READS = Option(
    "explain-reads", about="List each read: cost, reason, rules and endpoints that use it", in_file=False
)
RESUME = Option("resume", "FILE", "Go on with an interrupted scan, from its journal", path=True, in_file=False)
NO_JOURNAL = Option("no-journal", about="Keep no journal of the reads for --resume", effect=Effect.harmless)
DEADLINE = Option(
    "deadline", "TIME", "Stop reading after 90s, 30m or 2h; the rest is not assessed", effect=Effect.exhaust
)
MAX_AGE = Option("max-age", "AGE", "Let reads for low and info be of earlier scans: low=7d", effect=Effect.hide)
PARTS = Option(
    "parts", "DIR", "Read each subscription into a part in DIR or az://...; --resume RUN goes on", path=True,
    effect=Effect.write,
)  # fmt: skip
BROKER = Option("broker", "URL", "With --parts: workers read, by this broker (redis://, amqp://)", effect=Effect.send)
REDELIVER_AFTER = Option(
    "redeliver-after", "TIME", "When another worker reads what a killed one left (1h)", "1h", effect=Effect.exhaust
)
RECORD = Option("record", "FILE", "Log requests, without bodies", path=True, effect=Effect.write)

# How to print

QUIET = Option("quiet", about="Print nothing if the exit code is 0", short="-q", effect=Effect.hide)
VERBOSE = Option("verbose", about="Print a line for each request", short="-v", effect=Effect.harmless)
CONFIG = Option("config", "FILE", "Settings file (default: your own, see docs)", path=True)
"""Names the settings file, so it is not a setting itself."""
