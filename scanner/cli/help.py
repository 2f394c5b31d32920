"""The help of each command: plain text, 80 columns. A test holds it to the options that there are."""

MAIN = """\
Usage: twolocks COMMAND [OPTIONS]    Finds Azure endpoints that lack a lock.

  demo      Scan a sample estate; needs no Azure account
  scan      Scan subscriptions, or a snapshot; reads only
  reach     Who can open a connection to a resource, hop by hop
  rules     List and show rules
  access    What this login can decide; the smallest role that suffices
  report    Make a report from findings
  diff      Compare two findings files or snapshots
  history   Scans over time
  notify    Test a notification
  waive     Accept a finding, with reason, owner and expiry
  config    Show each setting and where it comes from
  sandbox   Serve an estate as Azure would, on this machine

Exit: 0 fine, 1 found, 2 wrong input, 3 incomplete, 4 nothing could be read.
Each has more: twolocks COMMAND --help. The version: twolocks --version."""

DEMO = """\
Usage: twolocks demo [OPTIONS]

Scans a sample estate that is served on this machine. No Azure account is used.
Writes report.html, findings.json and snapshot.jsonl.

  --dir DIR            Where to write (default: ./twolocks-demo)
  --open               Open the report in a browser
  --fail-on SEVERITY   End as a scan would: critical, high, medium, low, info
  --quiet              Silent unless exit is not 0
  --verbose            A line a request
  --help

Each option is also a variable: --dir is TWOLOCKS_DEMO_DIR."""

SCAN = """\
Usage: twolocks scan [OPTIONS]              + can be given more than once

What to scan (default: all subscriptions that this login can read)
  -s, --subscription NAME|ID  +  These subscriptions
  --management-group ID       +  All subscriptions below it
  --resource ID               +  One resource; quick, to check a fix
  --resource-group NAME       +  Only in these groups
  --tag NAME=VALUE            +  Only what carries the tag
  --from FILE                    A snapshot or other JSON; calls nothing
What to judge
  --only PATTERN              +  sql-*, category:, severity:, type:, control:
  --skip PATTERN              +  The same, left out
  --rules DIR                 +  Your own rules too
  --waivers FILE                 What was accepted
  --fail-on SEVERITY             high (default), never, new:high (also reopened)
What to write
  --out FILE                  +  Suffix decides: .html .json .csv .md .sarif
                                 .junit.xml; - is JSON on stdout. Also a blob:
                                 az://CONTAINER/PATH, with --auth
  --snapshot FILE                What was read (.jsonl, .gz, .zst); also a blob
  --history URL                  Remember, and compare with earlier scans
  --notify NAME               +  Tell what is new: [notify.NAME] in the settings
How to read
  --auth KIND                    cli, managed-identity, github, ...
  --tenant ID                    Sign in to this tenant
  --cloud NAME                   public (default), us-government, china
  --arm-endpoint URL             Any other cloud
  --no-graph                     List everything; no Resource Graph
  --effective                    Ask Azure for the effective rules too
  --record FILE                  Log of requests, without bodies
Output: --quiet (silent unless exit is not 0), --verbose, --config FILE, --help

Each option is also a variable: --fail-on is TWOLOCKS_SCAN_FAIL_ON; several
values stand between commas. And a setting: fail-on in [scan] of twolocks.toml."""

REACH = """\
Usage: twolocks reach RESOURCE [OPTIONS]    + can be given more than once

Who can open a connection to a resource: yes, no or not known, with the rule
that decides at each hop. RESOURCE is an id, or a name that only one resource
has. Ends with 0 after yes and no, with 3 where it is not known.

  --source WHO                   internet (default), an address or range, or
                                 a machine, subnet or network by name or id
  --port PORT                    tcp/22, or the name of an endpoint (default:
                                 every endpoint)
  --from FILE                    A snapshot or other JSON; calls nothing
How to read (only the resource, what lies below it, and the networks)
  -s, --subscription NAME|ID  +  Where the name is looked up
  --auth KIND                    cli, managed-identity, github, ...
  --tenant ID                    Sign in to this tenant
  --cloud NAME                   public (default), us-government, china
  --arm-endpoint URL             Any other cloud
  --help

Each option is also a variable: --source is TWOLOCKS_REACH_SOURCE."""

RULES = """\
Usage: twolocks rules COMMAND [OPTIONS]

  list   All rules, one a line
  show   One rule: why, what it reads, how to close it"""

RULES_LIST = """\
Usage: twolocks rules list [OPTIONS]        + can be given more than once

  --only PATTERN   +  sql-*, category:, severity:, type:, control:
  --skip PATTERN   +  The same, left out
  --rules DIR      +  Your own rules too
  --format FORMAT     text (default) or json
  --help

Each option is also a variable: --only is TWOLOCKS_RULES_ONLY."""

RULES_SHOW = """\
Usage: twolocks rules show ID [OPTIONS]     + can be given more than once

  --rules DIR      +  Your own rules too
  --format FORMAT     text (default) or json
  --help

Each option is also a variable: --format is TWOLOCKS_RULES_FORMAT."""

ACCESS = """\
Usage: twolocks access COMMAND [OPTIONS]

  check   How many rules this login can decide, and which actions it lacks
  role    The smallest role with which the rules can be decided"""

ACCESS_CHECK = """\
Usage: twolocks access check [OPTIONS]      + can be given more than once

Before any scan: how many of the enabled rules the login at hand can decide in
each subscription, and which actions are missing, those first that leave most
rules undecided. Asks Azure for permissions, and reads nothing else but the
first page of a list, to see how much is seen. Deny assignments are not in
Azure's answer. Ends with 0 where all can be decided, else with 3.

  --scope ID                  +  A subscription, a resource group or a
                                 management group (default: all subscriptions
                                 that this login can read)
  -s, --subscription NAME|ID  +  These subscriptions
  --management-group ID       +  All subscriptions below it
  --effective                    With what scan --effective asks for
  --only PATTERN              +  Only these rules
  --skip PATTERN              +  Not these rules
  --rules DIR                 +  Your own rules too
  --auth KIND                    cli, managed-identity, github, ...
  --tenant ID                    Sign in to this tenant
  --cloud NAME                   public (default), us-government, china
  --arm-endpoint URL             Any other cloud
  --format FORMAT                text (default) or json
  --help

Piped, the text is rows of cells between tabs: name, count, view, scope; then
"missing", rules that it leaves undecided, action, where, their ids.
JSON: {tool, rules, scopes: [{scope, name, view: full, partial or none, decided,
undecided: [rule], unknown: [rule], not-asked: {group: why}}], missing:
[{action, rules, scopes}], exit}.

Each option is also a variable: --scope is TWOLOCKS_ACCESS_SCOPE."""

ACCESS_ROLE = """\
Usage: twolocks access role [OPTIONS]       + can be given more than once

A custom role that allows exactly the reads of the enabled rules: no secrets, no
writes. It calls nothing.

  --scope ID       +  Where it may be assigned: subscriptions, resource groups
                      of them, one management group at most
  --format FORMAT     json (default), bicep or terraform
  --effective         With what scan --effective asks for
  --only PATTERN   +  Only for these rules
  --skip PATTERN   +  Not for these rules
  --rules DIR      +  Your own rules too
  --help

Each option is also a variable: --scope is TWOLOCKS_ACCESS_SCOPE."""

REPORT = """\
Usage: twolocks report FILE --out FILE [OPTIONS]

Makes a report from a findings file (scan --out findings.json). Each FILE may be
a blob, az://CONTAINER/PATH, in the account AZURE_STORAGE_ACCOUNT_NAME.

  --out FILE    +  Suffix decides: .html .json .csv .md .sarif .junit.xml;
                   - is JSON on stdout
  --auth KIND      cli, managed-identity, github, ...
  --tenant ID      Sign in to this tenant
  --cloud NAME     public (default), us-government, china
  --help           + can be given more than once

Each option is also a variable: --out is TWOLOCKS_REPORT_OUT."""

DIFF = """\
Usage: twolocks diff OLD NEW [OPTIONS]      + can be given more than once

What differs between two findings files, or snapshots, without a history: new,
fixed, changed, unknown now, and resources that appeared or vanished. What the
new file says nothing of is vanished, not fixed. Each file may be a blob,
az://CONTAINER/PATH. Ends with 0, whatever differs.

  --out FILE       +  Suffix decides: .html .json .md; - is JSON on stdout
  --format FORMAT     text (default) or json
  --only PATTERN   +  Of snapshots, judge by these rules alone
  --skip PATTERN   +  Not by these
  --rules DIR      +  Your own rules too
  --auth KIND         cli, managed-identity, github, ... (for blobs)
  --tenant ID         Sign in to this tenant
  --cloud NAME        public (default), us-government, china
  --help

Each option is also a variable: --out is TWOLOCKS_DIFF_OUT."""

WAIVE = """\
Usage: twolocks waive FINGERPRINT --in FILE [OPTIONS]

Accepts a finding, or all that fails on an endpoint, by an entry in the waiver
file: for the endpoints that it has now, as bad as it is now. What opens later,
or gets worse, counts again. A check that no failed read leaves undecided is
accepted as undecided. FINGERPRINT may be its first 6 digits.

  --in FILE       The findings of a scan (findings.json)
  --reason TEXT   Why it is accepted
  --owner NAME    Who answers for it
  --expires DATE  The last day, such as 2027-06-30; at most a year ahead
  --ticket TEXT   Where it was decided
  --waivers FILE  Where to write (default: that of the settings, else
                  waivers.toml)
  --rules DIR     Your own rules too; can be given more than once
  --config FILE   Settings (default: twolocks.toml in this folder)
  --help

Each option is also a variable: --owner is TWOLOCKS_WAIVE_OWNER."""

HISTORY = """\
Usage: twolocks history COMMAND [OPTIONS]   What scan --history remembers

  list      All scans, one a line
  show      One scan: what changed, and what stood open, with its age
  diff      What changed between two scans
  trend     What stood open after each scan, by severity
  upgrade   Bring the schema up to date; for PostgreSQL, the first time too
  prune     Forget old scans; what stands open stays
  export    Everything, as JSON lines

A history is an SQLite file, which is upgraded by itself, or a PostgreSQL
database: postgresql+psycopg://HOST/DATABASE. Every command finds it by
--history, by TWOLOCKS_HISTORY_HISTORY or TWOLOCKS_SCAN_HISTORY, or by history
in [scan] of twolocks.toml. A scan is named by its number, its id or the
beginning of it, or its day (2026-11-24: the last one of that day)."""

HISTORY_LIST = """\
Usage: twolocks history list [OPTIONS]

  --history URL     A file, or postgresql+psycopg://HOST/DATABASE
  --format FORMAT   text (default) or json
  --config FILE     Settings (default: twolocks.toml in this folder)
  --help

Number, time, what stood open, whether it was complete, how many subscriptions,
id, what was asked for ("all only=sql-*"). JSON: [{number, id, taken, started,
finished, tool, selection, subscriptions, complete, confirmed, standing:
{severity: count}, undecided}].

Each option is also a variable: --history is TWOLOCKS_HISTORY_HISTORY."""

HISTORY_SHOW = """\
Usage: twolocks history show [SCAN] [OPTIONS]

What changed in a scan (default: the last one), and what stood open after it in
its subscriptions, the oldest first: news, severity, name, fingerprint, why or
age. News are new, first-looked (a rule or type that no scan had looked at),
reopened, worse, better, accepted, again (seen again), fixed, unseen. Endpoints
and findings outside the lock categories, as a scan counts; JSON has them all.

  --history URL     A file, or postgresql+psycopg://HOST/DATABASE
  --format FORMAT   text (default) or json
  --config FILE     Settings (default: twolocks.toml in this folder)
  --help

JSON: {scan: {as of list}, changes: [{news, why, item..., was: {severity, reach,
authentication, state} or null}], open: [item]}; an item is {kind, fingerprint,
resource, endpoint, address, rule, category, title, severity, reach,
authentication, state: open, accepted or fixed, since, seen, sighted}.

Each option is also a variable: --history is TWOLOCKS_HISTORY_HISTORY."""

HISTORY_DIFF = """\
Usage: twolocks history diff SCAN SCAN [OPTIONS]

What changed from the older of two scans to the newer: news, severity, name,
fingerprint, why. What came and went in between is not told.

  --history URL     A file, or postgresql+psycopg://HOST/DATABASE
  --format FORMAT   text (default) or json
  --config FILE     Settings (default: twolocks.toml in this folder)
  --help

JSON: {from: scan, to: scan, changes: [{as of show}], same: count}.

Each option is also a variable: --history is TWOLOCKS_HISTORY_HISTORY."""

HISTORY_TREND = """\
Usage: twolocks history trend [SCAN] [OPTIONS]

The last 60 scans that asked for the same as SCAN (default: the last one), the
oldest first: time, what stood open as critical, high, medium, low and info, and
how many verdicts were undecided.

  --history URL     A file, or postgresql+psycopg://HOST/DATABASE
  --format FORMAT   text (default) or json
  --config FILE     Settings (default: twolocks.toml in this folder)
  --help

JSON: [{taken, critical, high, medium, low, info, undecided}].

Each option is also a variable: --history is TWOLOCKS_HISTORY_HISTORY."""

HISTORY_UPGRADE = """\
Usage: twolocks history upgrade [OPTIONS]

Makes the tables of a history in an empty database, or brings them up to date,
in one transaction. Back it up before. A scan upgrades a file by itself.

  --history URL   A file, or postgresql+psycopg://HOST/DATABASE
  --config FILE   Settings (default: twolocks.toml in this folder)
  --help

Each option is also a variable: --history is TWOLOCKS_HISTORY_HISTORY."""

HISTORY_PRUNE = """\
Usage: twolocks history prune --older-than DAYS [OPTIONS]

Forgets scans that are older, what became of findings in them, and findings that
were fixed before: one of those that comes back is new. The last scan of each
selection stays, and all that stands open, with the day it was first seen.

  --older-than DAYS   Such as 400
  --history URL       A file, or postgresql+psycopg://HOST/DATABASE
  --config FILE       Settings (default: twolocks.toml in this folder)
  --help

Each option is also a variable: --history is TWOLOCKS_HISTORY_HISTORY."""

HISTORY_EXPORT = """\
Usage: twolocks history export [OPTIONS]

Everything that is remembered, as JSON lines: {"history": {id, schema}}, then
{"scans": {...}}, {"scan_subscriptions": {...}}, {"looks": {...}},
{"items": {...}} and {"events": {...}} for each row, always in the same order.

  --out FILE      Default: stdout
  --history URL   A file, or postgresql+psycopg://HOST/DATABASE
  --config FILE   Settings (default: twolocks.toml in this folder)
  --help

Each option is also a variable: --out is TWOLOCKS_HISTORY_OUT."""

NOTIFY = """\
Usage: twolocks notify COMMAND [OPTIONS]

  test   Send a message that is marked as a test"""

NOTIFY_TEST = """\
Usage: twolocks notify test NAME [OPTIONS]

Sends a message that is marked as a test to [notify.NAME] of twolocks.toml, in
the way of a scan that tells NAME. Ends with 0 where it arrived, else with 2.

  --config FILE   Settings (default: twolocks.toml in this folder)
  --help"""

CONFIG = """\
Usage: twolocks config COMMAND [OPTIONS]

  show   Each setting of a scan, its value, and where it comes from"""

CONFIG_SHOW = """\
Usage: twolocks config show [OPTIONS]

  --config FILE   Settings (default: twolocks.toml in this folder)
  --help

An option wins over a variable, a variable over the file, the file over the
default."""

SANDBOX = """\
Usage: twolocks sandbox [FILE] [OPTIONS]

Serves the sample estate, or the resources of a snapshot, on this machine as
Entra ID, Azure Resource Manager and Resource Graph would. Prints the variables
with which twolocks scan and the Azure SDKs use it. Ctrl-C ends it.

  --port PORT    Default: a free one
  --latency MS   Wait so long before each answer
  --help

Each option is also a variable: --port is TWOLOCKS_SANDBOX_PORT."""
