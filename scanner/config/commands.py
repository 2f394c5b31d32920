"""The commands of Twolocks, one row each: arguments and options, the function that runs, the words of the help."""

from dataclasses import dataclass
from functools import cached_property

from scanner.config.options import (
    AUTH,
    CLOUD,
    CONFIG,
    EFFECTIVE,
    FAIL_ON_DEMO,
    FAIL_ON_SCAN,
    FORMAT,
    FROM,
    HISTORY,
    MANAGEMENT_GROUP,
    NO_GRAPH,
    NOTIFY,
    ONLY,
    OUT,
    QUIET,
    RECORD,
    RESOURCE,
    RESOURCE_GROUP,
    RULES,
    SIGN_IN,
    SKIP,
    SNAPSHOT,
    SUBSCRIPTION,
    TAG,
    TENANT,
    VERBOSE,
    WAIVERS,
    Option,
    needed,
    saying,
    shared,
)


@dataclass(frozen=True)
class Command:
    """A command, such as `scan` or `rules list`; without `runs` a group of the commands whose names begin with its own.

    `about`: its line in the list of commands. `runs`: `module:function` in `scanner.cli`; the function takes the
    settings and the arguments, and returns the exit code. `arguments`: as the usage line shows them, `[SCAN]` where one
    may be left out. `rows`: its options, with headings between them. `intro` and `outro`: what the help says before and
    after them. `example`: the option whose variable the help names (default: the first). `beside`: what stands beside
    the usage line of a group.
    """

    name: str
    about: str
    runs: str = ""
    arguments: tuple[str, ...] = ()
    rows: tuple[Option | str, ...] = ()
    intro: str = ""
    outro: str = ""
    example: str = ""
    beside: str = ""

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Return what may be set by an option or a variable."""
        return tuple(each for each in self.rows if isinstance(each, Option) and each is not CONFIG)

    @property
    def word(self) -> str:
        """Return the first word, which the names of the variables hold."""
        return self.name.partition(" ")[0]


_SUFFIXES = saying(OUT, "Suffix decides: .html .json .csv .md .sarif .junit.xml; - is JSON on stdout")
_WHERE = saying(HISTORY, "A file, or postgresql+psycopg://HOST/DATABASE")

_ROWS = (
    Command(
        "",
        "Finds Azure endpoints that lack a lock.",
        beside="Finds Azure endpoints that lack a lock.",
        outro="""\
Exit: 0 fine, 1 found, 2 wrong input, 3 incomplete, 4 nothing could be read.
Each has more: twolocks COMMAND --help. The version: twolocks --version.""",
    ),
    Command(
        "demo",
        "Scan a sample estate; needs no Azure account",
        "demo:run",
        rows=(
            Option("dir", "DIR", "Where to write (default: ./twolocks-demo)", "twolocks-demo", path=True),
            Option("open", about="Open the report in a browser"),
            FAIL_ON_DEMO,
            QUIET,
            VERBOSE,
        ),
        intro="""\
Scans a sample estate that is served on this machine. No Azure account is used.
Writes report.html, findings.json and snapshot.jsonl.""",
    ),
    Command(
        "scan",
        "Scan subscriptions, or a snapshot; reads only",
        "scan:run",
        rows=(
            "What to scan (default: all subscriptions that this login can read)",
            *(SUBSCRIPTION, MANAGEMENT_GROUP, RESOURCE, RESOURCE_GROUP, TAG, FROM),
            "What to judge",
            *(ONLY, SKIP, RULES, WAIVERS, FAIL_ON_SCAN),
            "What to write",
            saying(OUT, f"{_SUFFIXES.about}. Also a blob: az://CONTAINER/PATH, with --auth"),
            *(SNAPSHOT, HISTORY, NOTIFY),
            "How to read",
            *(*SIGN_IN, NO_GRAPH, EFFECTIVE, RECORD),
            "How to print",
            *(QUIET, VERBOSE, CONFIG),
        ),
        example="fail-on",
    ),
    Command(
        "reach",
        "Who can open a connection to a resource, hop by hop",
        "reach:run",
        arguments=("RESOURCE",),
        rows=(
            Option(
                "source",
                "WHO",
                "internet (default), an address or range, or a machine, subnet or network by name or id",
                "internet",
            ),
            Option("port", "PORT", "tcp/22, or the name of an endpoint (default: every endpoint)"),
            FROM,
            "How to read (only the resource, what lies below it, and the networks)",
            saying(SUBSCRIPTION, "Where the name is looked up"),
            *shared(*SIGN_IN),
        ),
        intro="""\
Who can open a connection to a resource: yes, no or not known, with the rule
that decides at each hop. RESOURCE is an id, or a name that only one resource
has. Ends with 0 after yes and no, with 3 where it is not known.""",
    ),
    Command("rules", "List and show rules; write and test your own"),
    Command("rules list", "All rules, one a line", "rules:list_rules", rows=(ONLY, SKIP, RULES, FORMAT)),
    Command(
        "rules show",
        "One rule: why, what it reads, how to close it",
        "rules:show",
        arguments=("ID",),
        rows=(RULES, FORMAT),
        example="format",
    ),
    Command(
        "rules new",
        "Write a rule into a rules folder",
        "rules_new:run",
        arguments=("ID",),
        rows=(
            "What it reads",
            Option("type", "TYPE", "The resource type, or a read below it by its path"),
            Option("path", "PATH", "The property, such as properties.minimumTlsVersion"),
            Option("good", "VALUE", "A value that passes", many=True),
            Option("bad", "VALUE", "A value that fails (true and false: the other one)", many=True),
            Option("absent", "VALUE", "The value that an absent property stands for"),
            Option("source", "TEXT", "The page that says so; required with --absent"),
            "What it says",
            Option("title", "TEXT", "The fault, in at most nine words"),
            Option("pass-title", "TEXT", "What holds when it passes"),
            Option("category", "NAME", "transport, recovery, ...: twolocks rules list"),
            Option("severity", "NAME", "critical, high, medium, low, info"),
            Option("why", "TEXT", "What can happen"),
            Option("fix-az", "COMMAND", "The az command; {id}, {name}, {group} are filled in"),
            Option("fix-impact", "TEXT", "What may stop working"),
            Option("fix-terraform", "TEXT", "RESOURCE.ARGUMENT = VALUE"),
            Option("fix-portal", "TEXT", "Where the portal has the setting"),
            Option("controls", "NAME", "A set of controls.toml", many=True),
            Option("learn", "PAGE", "A page below learn.microsoft.com/azure", many=True),
            "Where it goes",
            Option("into", "DIR", "A rules folder (default: the built-in one of a working copy)", path=True),
            Option("api", "VERSION", "The api-version of a type that no rule file names yet"),
            Option("code", about="Write a Python function in place of path and values"),
        ),
        intro="""\
Writes a rule as a row into the TOML file of its service, and prints file and
line. Asks nothing: an error lists each option that is missing. A type that no
rule file names needs --api, and gets a Python file with its ResourceType.""",
        example="into",
    ),
    Command(
        "rules test",
        "Run the examples of a rules folder",
        "rules_test:run",
        arguments=("DIR",),
        rows=(saying(ONLY, "Only these rules"), saying(SKIP, "Not these rules")),
        intro="""\
Runs the examples of a rules folder: those that follow from each row (its good,
bad, absent, null and unknown values), and those of DIR/cases/*.toml. Compares
the paths of rows with DIR/paths.toml where it exists. The Azure CLI, where it
is installed, parses the az commands of the fixes; it runs none.""",
        outro="""\
One line a rule: ok, fail or none (no example), id, what. Ends with 0, with 1
where a rule fails, with 2 where a file does not load.""",
    ),
    Command("access", "What this login can decide; the smallest role that suffices"),
    Command(
        "access check",
        "How many rules this login can decide, and which actions it lacks",
        "access:check",
        rows=(
            Option(
                "scope",
                "ID",
                "A subscription, a resource group or a management group (default: all subscriptions that this login "
                "can read)",
                many=True,
            ),
            *(SUBSCRIPTION, MANAGEMENT_GROUP),
            saying(EFFECTIVE, "With what scan --effective asks for"),
            *shared(saying(ONLY, "Only these rules"), saying(SKIP, "Not these rules"), RULES, *SIGN_IN),
            FORMAT,
        ),
        intro="""\
Before any scan: how many of the enabled rules the login at hand can decide in
each subscription, and which actions are missing, those first that leave most
rules undecided. Asks Azure for permissions, and reads nothing else but the
first page of a list, to see how much is seen. Deny assignments are not in
Azure's answer. Ends with 0 where all can be decided, else with 3.""",
        outro="""\
Piped, the text is rows of cells between tabs: name, count, view, scope; then
"missing", rules that it leaves undecided, action, where, their ids.
JSON: {tool, rules, scopes: [{scope, name, view: full, partial or none, decided,
undecided: [rule], unknown: [rule], not-asked: {group: why}}], missing:
[{action, rules, scopes}], exit}.""",
    ),
    Command(
        "access role",
        "The smallest role with which the rules can be decided",
        "access:role",
        rows=(
            Option(
                "scope",
                "ID",
                "Where it may be assigned: subscriptions, resource groups of them, one management group at most",
                many=True,
            ),
            Option(
                "format",
                "FORMAT",
                "json (default), bicep or terraform",
                "json",
                known=("json", "bicep", "terraform"),
            ),
            saying(EFFECTIVE, "With what scan --effective asks for"),
            *shared(saying(ONLY, "Only for these rules"), saying(SKIP, "Not for these rules"), RULES),
        ),
        intro="""\
A custom role that allows exactly the reads of the enabled rules: no secrets, no
writes. It calls nothing.""",
    ),
    Command(
        "report",
        "Make a report from findings",
        "report:run",
        arguments=("FILE",),
        rows=(needed(_SUFFIXES), AUTH, TENANT, CLOUD),
        intro="""\
Makes a report from a findings file (scan --out findings.json). Each FILE may be
a blob, az://CONTAINER/PATH, in the account AZURE_STORAGE_ACCOUNT_NAME.""",
    ),
    Command(
        "diff",
        "Compare two findings files or snapshots",
        "diff:run",
        arguments=("OLD", "NEW"),
        rows=(
            saying(OUT, "Suffix decides: .html .json .md; - is JSON on stdout"),
            FORMAT,
            saying(ONLY, "Of snapshots, judge by these rules alone"),
            saying(SKIP, "Not by these"),
            RULES,
            saying(AUTH, f"{AUTH.about} (for blobs)"),
            TENANT,
            CLOUD,
        ),
        intro="""\
What differs between two findings files, or snapshots, without a history: new,
fixed, changed, unknown now, and resources that appeared or vanished. What the
new file says nothing of is vanished, not fixed. Each file may be a blob,
az://CONTAINER/PATH. Ends with 0, whatever differs.""",
    ),
    Command(
        "history",
        "Scans over time",
        beside="What scan --history remembers",
        outro="""\
A history is an SQLite file, which is upgraded by itself, or a PostgreSQL
database: postgresql+psycopg://HOST/DATABASE. Every command finds it by
--history, by TWOLOCKS_HISTORY_HISTORY or TWOLOCKS_SCAN_HISTORY, or by history
in [scan] of twolocks.toml. A scan is named by its number, its id or the
beginning of it, or its day (2026-11-24: the last one of that day).""",
    ),
    Command(
        "history list",
        "All scans, one a line",
        "history:list_scans",
        rows=(_WHERE, FORMAT, CONFIG),
        outro="""\
Number, time, what stood open, whether it was complete, how many subscriptions,
id, what was asked for ("all only=sql-*"). JSON: [{number, id, taken, started,
finished, tool, selection, subscriptions, complete, confirmed, standing:
{severity: count}, undecided}].""",
    ),
    Command(
        "history show",
        "One scan: what changed, and what stood open, with its age",
        "history:show",
        arguments=("[SCAN]",),
        rows=(_WHERE, FORMAT, CONFIG),
        intro="""\
What changed in a scan (default: the last one), and what stood open after it in
its subscriptions, the oldest first: news, severity, name, fingerprint, why or
age. News are new, first-looked (a rule or type that no scan had looked at),
reopened, worse, better, accepted, again (seen again), fixed, unseen. Endpoints
and findings outside the lock categories, as a scan counts; JSON has them all.""",
        outro="""\
JSON: {scan: {as of list}, changes: [{news, why, item..., was: {severity, reach,
authentication, state} or null}], open: [item]}; an item is {kind, fingerprint,
resource, endpoint, address, rule, category, title, severity, reach,
authentication, state: open, accepted or fixed, since, seen, sighted}.""",
    ),
    Command(
        "history diff",
        "What changed between two scans",
        "history:diff",
        arguments=("SCAN", "SCAN"),
        rows=(_WHERE, FORMAT, CONFIG),
        intro="""\
What changed from the older of two scans to the newer: news, severity, name,
fingerprint, why. What came and went in between is not told.""",
        outro="JSON: {from: scan, to: scan, changes: [{as of show}], same: count}.",
    ),
    Command(
        "history trend",
        "What stood open after each scan, by severity",
        "history:trend",
        arguments=("[SCAN]",),
        rows=(_WHERE, FORMAT, CONFIG),
        intro="""\
The last 60 scans that asked for the same as SCAN (default: the last one), the
oldest first: time, what stood open as critical, high, medium, low and info, and
how many verdicts were undecided.""",
        outro="JSON: [{taken, critical, high, medium, low, info, undecided}].",
    ),
    Command(
        "history upgrade",
        "Bring the schema up to date; for PostgreSQL, the first time too",
        "history:upgrade",
        rows=(_WHERE, CONFIG),
        intro="""\
Makes the tables of a history in an empty database, or brings them up to date,
in one transaction. Back it up before. A scan upgrades a file by itself.""",
    ),
    Command(
        "history prune",
        "Forget old scans; what stands open stays",
        "history:prune",
        rows=(Option("older-than", "DAYS", "Such as 400", needed=True), _WHERE, CONFIG),
        intro="""\
Forgets scans that are older, what became of findings in them, and findings that
were fixed before: one of those that comes back is new. The last scan of each
selection stays, and all that stands open, with the day it was first seen.""",
        example="history",
    ),
    Command(
        "history export",
        "Everything, as JSON lines",
        "history:export",
        rows=(Option("out", "FILE", "Default: stdout", path=True), _WHERE, CONFIG),
        intro="""\
Everything that is remembered, as JSON lines: {"history": {id, schema}}, then
{"scans": {...}}, {"scan_subscriptions": {...}}, {"looks": {...}},
{"items": {...}} and {"events": {...}} for each row, always in the same order.""",
    ),
    Command("notify", "Test a notification"),
    Command(
        "notify test",
        "Send a message that is marked as a test",
        "notify:test",
        arguments=("NAME",),
        rows=(CONFIG,),
        intro="""\
Sends a message that is marked as a test to [notify.NAME] of twolocks.toml, in
the way of a scan that tells NAME. Ends with 0 where it arrived, else with 2.""",
    ),
    Command(
        "waive",
        "Accept a finding, with reason, owner and expiry",
        "waive:run",
        arguments=("FINGERPRINT",),
        rows=(
            Option("in", "FILE", "The findings of a scan (findings.json)", path=True, needed=True),
            Option("reason", "TEXT", "Why it is accepted"),
            Option("owner", "NAME", "Who answers for it"),
            Option("expires", "DATE", "The last day, such as 2027-06-30; at most a year ahead"),
            Option("ticket", "TEXT", "Where it was decided"),
            *shared(
                saying(WAIVERS, "Where to write (default: that of the settings, else waivers.toml)"),
                RULES,
            ),
            CONFIG,
        ),
        intro="""\
Accepts a finding, or all that fails on an endpoint, by an entry in the waiver
file: for the endpoints that it has now, as bad as it is now. What opens later,
or gets worse, counts again. A check that no failed read leaves undecided is
accepted as undecided. FINGERPRINT may be its first 6 digits.""",
        example="owner",
    ),
    Command("config", "Show each setting and where it comes from"),
    Command(
        "config show",
        "Each setting of a scan, its value, and where it comes from",
        "config:show",
        rows=(CONFIG,),
        outro="""\
An option wins over a variable, a variable over the file, the file over the
default.""",
    ),
    Command(
        "sandbox",
        "Serve an estate as Azure would, on this machine",
        "sandbox:run",
        arguments=("[FILE]",),
        rows=(
            Option("port", "PORT", "Default: a free one", "0"),
            Option("latency", "MS", "Wait so long before each answer", "0"),
        ),
        intro="""\
Serves the sample estate, or the resources of a snapshot, on this machine as
Entra ID, Azure Resource Manager and Resource Graph would. Prints the variables
with which twolocks scan and the Azure SDKs use it. Ctrl-C ends it.""",
    ),
)
COMMANDS = {command.name: command for command in _ROWS}
"""By name, in the order of the help; "" is `twolocks` itself."""
SCAN = COMMANDS["scan"].options
