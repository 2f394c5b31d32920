"""The commands of Twolocks, one row each: arguments and options, the function that runs, the text of the help."""

from scanner.config.command import Command
from scanner.config.findings_commands import FINDINGS_COMMANDS
from scanner.config.fleet_commands import FLEET_COMMANDS
from scanner.config.options import (
    ACCEPT_VERSION_1,
    AUTH,
    BROKER,
    CLOUD,
    CONFIG,
    CUSTOM_RULES,
    DEADLINE,
    EFFECTIVE,
    EXCLUDE,
    EXPLAIN_READS,
    FAIL_ON_DEMO,
    FAIL_ON_SCAN,
    FORMAT,
    FROM,
    HISTORY,
    JOBS,
    KEEP_ALL,
    LANGUAGE,
    MANAGEMENT_GROUP,
    MAX_AGE,
    NO_GRAPH,
    NO_JOURNAL,
    NO_RULE_PACKAGES,
    NOTIFY,
    ONLY,
    OUT,
    OUT_FORMAT,
    PARTS,
    QUIET,
    RECORD,
    REDACT,
    REDELIVER_AFTER,
    RESOURCE,
    RESOURCE_GROUP,
    RESUME,
    RUN_CODE,
    SECRET_FILE,
    SHOWN_SEVERITY,
    SIGN,
    SIGN_IN,
    SKIP,
    SNAPSHOT,
    SPLIT,
    SUBSCRIPTION,
    TAG,
    TENANT,
    TOKEN_HOST,
    UNTIL,
    VERBOSE,
    VERIFY,
    WAIVERS,
    Option,
    needed,
    saying,
    shared,
)

_SUFFIXES = saying(
    OUT, "Format by suffix: .html .json .csv .xlsx .ocsf.jsonl .md .sarif .junit.xml .parquet; - is JSON on stdout"
)
_REMOTE = "az://CONTAINER/PATH, a blob; loganalytics://HOST/DCR-ID/STREAM, a table"
_WHERE = (saying(HISTORY, "A file, or postgresql+psycopg://HOST/DATABASE"), TOKEN_HOST)

_ROWS = (
    Command(
        "",
        "Find Azure endpoints that lack a lock.",
        summary="Find Azure endpoints that lack a lock.",
        outro="""\
Start: twolocks demo. Then: az login, twolocks scan --out report.html
Exit: 0 passed, 1 findings, 2 wrong input, 3 incomplete, 4 nothing was read.
Help on a command: twolocks COMMAND -h. Version: twolocks -V.
Completion: twolocks --install-completion [bash|zsh|fish], or
--show-completion to print the script.""",
    ),
    Command(
        "demo",
        "Scan a sample environment; needs no Azure account",
        "demo:run",
        rows=(
            Option("dir", "DIR", "Where to write (default: ./twolocks-demo)", "twolocks-demo", path=True),
            Option("open", about="Open the report in a browser"),
            FAIL_ON_DEMO,
            QUIET,
            VERBOSE,
        ),
        intro="""\
Scan a sample environment that is served on this machine. No Azure account is
used. Writes report.html, findings.json and snapshot.jsonl.""",
    ),
    Command(
        "scan",
        "Scan subscriptions or a snapshot; read-only",
        "scan:run",
        rows=(
            "Scope (default: all subscriptions that this identity can read)",
            *(SUBSCRIPTION, MANAGEMENT_GROUP, RESOURCE, RESOURCE_GROUP, TAG, EXCLUDE, FROM, VERIFY, ACCEPT_VERSION_1),
            "Rules and waivers",
            *(ONLY, SKIP, UNTIL, *CUSTOM_RULES, WAIVERS, FAIL_ON_SCAN, JOBS),
            "Output",
            saying(OUT, f"{_SUFFIXES.about}. Also, with --auth: {_REMOTE}"),
            *(OUT_FORMAT, SPLIT, REDACT, LANGUAGE, SNAPSHOT, KEEP_ALL, SIGN, HISTORY, TOKEN_HOST, NOTIFY, SECRET_FILE),
            "Sign-in and reads",
            *(*SIGN_IN, NO_GRAPH, EFFECTIVE, DEADLINE, MAX_AGE, RESUME, NO_JOURNAL, RECORD, EXPLAIN_READS),
            *(PARTS, BROKER, REDELIVER_AFTER),
            "Terminal",
            *(SHOWN_SEVERITY, QUIET, VERBOSE, CONFIG),
        ),
        example="fail-on",
    ),
    Command(
        "reach",
        "Check who can connect to a resource, hop by hop",
        "reach:run",
        arguments=("RESOURCE",),
        rows=(
            Option(
                "source",
                "SOURCE",
                "internet (default), an address or range, or the name or id of a machine, subnet or network",
                "internet",
            ),
            Option("port", "PORT", "tcp/22, or the name of an endpoint (default: every endpoint)"),
            *(FROM, VERIFY, ACCEPT_VERSION_1, FORMAT),
            "Sign-in and reads (reads only the resource, its children and the networks)",
            saying(SUBSCRIPTION, "Subscription in which the name is looked up"),
            *shared(*SIGN_IN, NO_RULE_PACKAGES),
            SECRET_FILE,
            CONFIG,
        ),
        intro="""\
Check who can connect to a resource: yes, in part (of a range or subnet), no or
not known, with the rule that allows or blocks at each hop. RESOURCE is an id or
a unique name. Exits with 3 for not known, else with 0.""",
        outro="""\
JSON: [{verdict: yes, in part, no or not known, sentence, hops: [{kind, name,
detail, resource, allows: true, false or null}], also_published: [text],
endpoint, next_step: what to do where it is not known}].""",
        tables=("tenant", "limits"),
    ),
    Command(
        "report",
        "Create a report from a findings file",
        "report:run",
        arguments=("FILE",),
        rows=(needed(_SUFFIXES), OUT_FORMAT, SPLIT, REDACT, LANGUAGE, AUTH, TENANT, CLOUD, CONFIG),
        intro="""\
Create a report from a findings file (scan --out findings.json). Each FILE may
be a blob, az://CONTAINER/PATH, in the account AZURE_STORAGE_ACCOUNT_NAME.""",
        tables=("report.language", "tenant"),
    ),
    Command(
        "diff",
        "Compare two findings files or snapshots",
        "diff:run",
        arguments=("OLD", "NEW"),
        rows=(
            saying(OUT, "Format by suffix: .html .json .md; - is JSON on stdout"),
            FORMAT,
            LANGUAGE,
            ACCEPT_VERSION_1,
            saying(ONLY, "For snapshots: evaluate only these rules"),
            saying(SKIP, "For snapshots: without these rules"),
            *CUSTOM_RULES,
            saying(AUTH, f"{AUTH.about} (for blobs)"),
            TENANT,
            CLOUD,
        ),
        intro="""\
Compare two findings files or snapshots without a history: new, fixed, changed
and newly inconclusive findings, resources that appeared or disappeared. A
resource that is missing from the new file counts as disappeared, not as fixed.
Each file may be a blob, az://CONTAINER/PATH. Exits with 0 in any case.""",
        tables=("report.language", "tenant"),
    ),
    *FINDINGS_COMMANDS,
    Command(
        "waive",
        "Accept a finding, with reason, owner and expiry",
        "waive:run",
        arguments=("FINGERPRINT",),
        rows=(
            Option("in", "FILE", "Findings file of a scan (findings.json)", path=True, needed=True),
            Option("reason", "TEXT", "Why it is accepted"),
            Option("owner", "NAME", "Person responsible"),
            Option("expires", "DATE", "Last day, such as 2027-06-30; at most a year ahead"),
            Option("ticket", "TEXT", "Reference to the decision"),
            *shared(
                saying(WAIVERS, "Waiver file (default: that of the settings, else waivers.toml)"),
                *CUSTOM_RULES,
            ),
            CONFIG,
        ),
        intro="""\
Accept a finding, or all findings of an endpoint, by an entry in the waiver
file: for its current endpoints, at the current severity. New endpoints and a
raised severity count again. A check that is inconclusive without a failed read
is accepted as inconclusive. FINGERPRINT may be its first 6 digits.""",
        example="owner",
        tables=("waivers",),
    ),
    Command(
        "history",
        "List and compare stored scans",
        summary="Scans stored by scan --history",
        outro="""\
A history is an SQLite file, which is upgraded automatically, or a PostgreSQL
database: postgresql+psycopg://HOST/DATABASE. It is set by --history, by
TWOLOCKS_HISTORY_HISTORY or TWOLOCKS_SCAN_HISTORY, or by history in [scan] of
twolocks.toml. SCAN is a number, an id or its first characters, or a day
(2026-11-24: the last scan of that day).""",
    ),
    Command(
        "history list",
        "List all scans",
        "history:list_scans",
        rows=(*_WHERE, FORMAT, CONFIG),
        outro="""\
Columns: number, time, open findings, complete or not, number of subscriptions,
id, selection ("all only=sql-*"). JSON: [{number, id, taken, started, finished,
tool, selection, subscriptions, complete, confirmed, standing:
{severity: count}, undecided,
unknown: endpoints not assessed, or null}].""",
    ),
    Command(
        "history show",
        "Show one scan: changes, and open findings with their age",
        "history:show",
        arguments=("[SCAN]",),
        rows=(*_WHERE, FORMAT, CONFIG),
        intro="""\
Show the changes in a scan (default: the last one), and the findings that were
open after it in its subscriptions, oldest first. Columns: change, severity,
name, fingerprint, reason or age. Changes: new, first evaluated (by a new rule
or of a new type), reopened, raised, lowered, accepted, visible again, fixed,
no longer visible. Shows endpoints and findings without an endpoint, as
counted by a scan; JSON contains all.""",
        outro="""\
JSON: {scan: {as of list}, changes: [{news, why, item..., was: {severity, reach,
authentication, state} or null}], open: [item]}; an item is {kind, fingerprint,
resource, endpoint, address, rule, category, title, severity, reach,
authentication, state: open, accepted or fixed, since, seen, sighted}.""",
    ),
    Command(
        "history diff",
        "Show changes between two scans",
        "history:diff",
        arguments=("SCAN", "SCAN"),
        rows=(*_WHERE, FORMAT, CONFIG),
        intro="""\
Show the changes from the older of two scans to the newer: change, severity,
name, fingerprint, reason. Findings that appeared and were fixed in between are
not shown.""",
        outro="JSON: {from: scan, to: scan, changes: [{as of show}], same: count}.",
    ),
    Command(
        "history trend",
        "Show open findings after each scan, by severity",
        "history:trend",
        arguments=("[SCAN]",),
        rows=(*_WHERE, FORMAT, CONFIG),
        intro="""\
Show the last 60 scans with the same selection as SCAN (default: the last one),
oldest first: time, number of open critical, high, medium, low and info
findings, number of inconclusive checks.""",
        outro="JSON: [{taken, critical, high, medium, low, info, undecided, unknown}].",
    ),
    Command(
        "history upgrade",
        "Create or upgrade the schema (required for PostgreSQL)",
        "history:upgrade",
        rows=(*_WHERE, CONFIG),
        intro="""\
Create the tables of a history in an empty database, or upgrade them, in one
transaction. Back up the database first. A scan upgrades an SQLite file itself.""",
    ),
    Command(
        "history prune",
        "Delete old scans; open findings stay",
        "history:prune",
        rows=(Option("older-than", "DAYS", "Number of days, such as 400", needed=True), *_WHERE, CONFIG),
        intro="""\
Delete older scans, their changes, and findings that were fixed before. Such a
finding counts as new if it returns. The last scan of each selection and all
open findings stay, with the day on which they were first seen.""",
        example="history",
    ),
    Command(
        "history export",
        "Export everything as JSON lines",
        "history:export",
        rows=(Option("out", "FILE", "Default: stdout", path=True, short="-o"), *_WHERE, CONFIG),
        intro="""\
Export the whole history as JSON lines: {"history": {id, schema}}, then
{"scans": {...}}, {"scan_subscriptions": {...}}, {"looks": {...}},
{"items": {...}} and {"events": {...}} for each row, always in the same order.""",
    ),
    Command("rules", "List and show rules; write and test your own"),
    Command("rules list", "List all rules", "rules:list_rules", rows=(ONLY, SKIP, *CUSTOM_RULES, FORMAT)),
    Command(
        "rules show",
        "Show one rule: rationale, reads, fix",
        "rules:show",
        arguments=("ID",),
        rows=(*CUSTOM_RULES, FORMAT),
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
            Option(
                "fix-change", "PATH=VALUE", "What it changes, where that is not the path to a good value", many=True
            ),
            Option("fix-impact", "TEXT", "What may stop working"),
            Option("fix-terraform", "HCL", "HCL of the resource, with its line breaks"),
            Option("fix-portal", "TEXT", "Where the portal has the setting"),
            Option("controls", "NAME", "A set of controls.toml", many=True),
            Option("learn", "PAGE", "A page below learn.microsoft.com/azure", many=True),
            "Where it goes",
            Option("into", "DIR", "A rules folder (default: the built-in one of a working copy)", path=True),
            Option("api", "VERSION", "The api-version of a type that no rule file names yet"),
            Option("code", about="Write a Python function in place of path and values"),
            RUN_CODE,
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
        rows=(saying(ONLY, "Only these rules"), saying(SKIP, "Not these rules"), RUN_CODE),
        intro="""\
Runs the examples of a rules folder: those that follow from each row (its good,
bad, absent, null and unknown values), and those of DIR/cases/*.toml. Compares
the paths of rows with DIR/paths.toml where it exists. The Azure CLI, where it
is installed, parses the az commands of the fixes; it runs none.""",
        outro="""\
One line a rule: ok, fail or none (no example), id, what. Ends with 0, with 1
where a rule fails, with 2 where a file does not load.""",
    ),
    Command(
        "rules frameworks",
        "Show which controls of frameworks the rules test",
        "frameworks:rules",
        arguments=("[ID]",),
        rows=(*(ONLY, SKIP), *CUSTOM_RULES, FORMAT),
        intro="""\
List the frameworks with the numbers of their controls: tested wholly, in part,
not testable from configuration, not covered by a rule yet. With ID (nsm-2.0):
every control. States in a scan: twolocks show frameworks FILE.""",
        outro="JSON: as twolocks show frameworks.",
        example="format",
    ),
    Command("access", "Check permissions; create a least-privilege role"),
    Command(
        "access check",
        "Show which rules this identity can evaluate, and missing actions",
        "access:check",
        rows=(
            Option(
                "scope",
                "ID",
                "A subscription, resource group or management group (default: all subscriptions that this identity can "
                "read)",
                many=True,
            ),
            *(SUBSCRIPTION, MANAGEMENT_GROUP),
            saying(EFFECTIVE, "Include the actions of scan --effective"),
            *shared(saying(ONLY, "Only these rules"), saying(SKIP, "Without these rules"), *CUSTOM_RULES, *SIGN_IN),
            SECRET_FILE,
            FORMAT,
            CONFIG,
        ),
        intro="""\
Check before a scan how many of the enabled rules this identity can evaluate in
each subscription, and which actions are missing. Actions that affect the most
rules come first. Queries Azure for permissions, and reads only the first page
of one list to determine visibility. Azure's response does not include deny
assignments. Exits with 0 if the roles allow all reads of the rules, else 3.""",
        outro="""\
In a pipe, the text is tab-separated: name, count, view, scope; then "missing",
number of affected rules, action, where, rule ids. The refused read that shows
partial visibility has "visibility" in place of a number, and no rules.
JSON: {tool, rules, scopes: [{scope, name, view: full, partial or none, decided,
undecided: [rule], unknown: [rule], not-asked: {group: why}}], missing:
[{action, rules, scopes}], exit}.""",
        tables=("tenant", "limits"),
    ),
    Command(
        "access role",
        "Create the least-privilege role for the rules",
        "access:role",
        rows=(
            Option(
                "scope",
                "ID",
                "Assignable scope: subscriptions, resource groups, at most one management group",
                many=True,
            ),
            Option(
                "format",
                "FORMAT",
                "json (default), bicep or terraform",
                "json",
                known=("json", "bicep", "terraform"),
            ),
            saying(EFFECTIVE, "Include the actions of scan --effective"),
            *shared(saying(ONLY, "Only for these rules"), saying(SKIP, "Without these rules"), *CUSTOM_RULES),
            CONFIG,
        ),
        intro="""\
Print a custom role that allows exactly the reads of the enabled rules: no
secrets, no writes. Sends no requests.""",
    ),
    Command("config", "Show the settings and their sources"),
    Command(
        "config show",
        "Show each setting of a scan, its value and its source",
        "config:show",
        rows=(FORMAT, CONFIG),
        outro="""\
An option overrides a variable, a variable the file, the file the default.""",
    ),
    Command("notify", "Test a notification"),
    Command(
        "notify test",
        "Send a test message",
        "notify:test",
        arguments=("NAME",),
        rows=(SECRET_FILE, CONFIG),
        intro="""\
Send a message that is marked as a test to [notify.NAME] of twolocks.toml, as a
scan with --notify NAME would. Exits with 0 if it was delivered, else with 2.""",
        tables=("notify", "tenant", "report.language"),
    ),
    *FLEET_COMMANDS,
    Command(
        "sandbox",
        "Emulate Azure for a snapshot, on this machine",
        "sandbox:run",
        arguments=("[FILE]",),
        rows=(
            Option("port", "PORT", "Default: a free port", "0"),
            Option("latency", "MS", "Delay before each response", "0"),
            ACCEPT_VERSION_1,
            Option("env", about="Serve in the background, print the variables and end"),
            Option("stop", about="Stop the sandboxes in the background"),
        ),
        intro="""\
Emulate Microsoft Entra ID, Azure Resource Manager and Resource Graph on this
machine, with the sample environment or the resources of a snapshot. Prints the
variables for twolocks scan and the Azure SDKs. Ctrl-C stops it. For a shell:
eval "$(twolocks sandbox --env)", and afterwards twolocks sandbox --stop. It
also ends with the terminal, and after an hour without a request.""",
    ),
)
COMMANDS = {command.name: command for command in _ROWS}
"""By name, in the order of the help; "" is `twolocks` itself."""
SCAN = COMMANDS["scan"].options
SCAN_SETTINGS = tuple(option for option in SCAN if option.in_file)
"""The options of `scan` that a settings file may set."""
