"""The views of a findings file, one row each: `twolocks show`."""

from scanner.config.command import Command
from scanner.config.options import (
    ACCEPT_VERSION_1,
    AUTH,
    CLOUD,
    CUSTOM_RULES,
    FORMAT,
    ONLY,
    SHOWN_SEVERITY,
    SKIP,
    TENANT,
    Option,
    saying,
)

_SEVERITY = saying(SHOWN_SEVERITY, "Only this severity and above")
_WAYS_IN = (saying(AUTH, f"{AUTH.about} (for blobs)"), TENANT, CLOUD)
FINDINGS_COMMANDS = (
    Command(
        "fix",
        "Write the commands that close findings, as one script",
        "fix:run",
        arguments=("FILE",),
        rows=(
            _SEVERITY,
            Option("finding", "FINGERPRINT", "Only this finding; 6 digits or more", many=True),
            Option("out", "FILE", "Default: stdout", path=True, short="-o"),
        ),
        intro="""\
Write a script for Bash with the commands that close the findings of a findings
file. Changes nothing. Each change has its impact as a comment, and variables
for what only you know: an empty one stops the script. What allows comes before
what closes; what deletes or cannot be undone runs only where you ask for it.
The script asks before it begins. Findings that a waiver accepts are left out.""",
        outro="""\
Run it: bash SCRIPT. Its first lines name its own options.""",
    ),
    Command("show", "Show endpoints, findings, places, keys, ... of a scan"),
    Command(
        "show endpoints",
        "Show endpoints and their locks, the most severe first",
        "show:endpoints",
        arguments=("FILE",),
        rows=(_SEVERITY, Option("all", about="Also those with both locks"), FORMAT),
        intro="Show the endpoints of a findings file. JSON: as in `exposures` there.",
    ),
    Command(
        "show findings",
        "Show what failed or is inconclusive, by severity",
        "show:findings",
        arguments=("FILE",),
        rows=(_SEVERITY, FORMAT),
        intro="Show the findings of a findings file. JSON: as in `findings` there.",
    ),
    Command(
        "show gaps",
        "Show what was not assessed, and why",
        "show:gaps",
        arguments=("FILE",),
        rows=(FORMAT,),
        intro="Show the failed reads of a findings file, in groups. JSON: as in `gaps` there.",
    ),
    Command(
        "show places",
        "Show where data may be, by configuration",
        "places:run",
        arguments=("FILE",),
        rows=(
            Option("leaving", about="Only places that may leave or are unknown"),
            FORMAT,
        ),
        intro="""\
Show the places that the resources of a findings file name: region, paired
region, replicas, targets of replication, processing. Each stays by
configuration, may leave the allowed places, or is unknown. The settings
[residency] say what is allowed; without them, the geography of the resource
group's region. What Microsoft does beside the configuration is not shown.""",
        outro="""\
JSON: [{resource, rule, kind, what, region, geography, place, area, verdict,
path, value, allowed, source, why, waiver}]; keys without a value are left out.""",
    ),
    Command(
        "show keys",
        "Show whose keys encrypt what, and the keys' risks",
        "keys:run",
        arguments=("FILE",),
        rows=(Option("at-risk", about="Only keys with a proven risk or of unknown state"), FORMAT),
        intro="Show the keys of a findings file, their risks and what depends on them.\nJSON: as in `keys` there.",
    ),
    Command(
        "show capacity",
        "Show quotas, reservations and single zones",
        "capacity:run",
        arguments=("FILE",),
        rows=(Option("tight", about="Only what is full, near its limit or not known"), FORMAT),
        intro="""\
Show what a crisis would run into: quotas, reservations, resources in one zone
or region, global control planes. JSON: as in `capacity` of the findings file.""",
    ),
    Command(
        "show frameworks",
        "Show the states of controls of frameworks",
        "frameworks:run",
        arguments=("FILE", "[ID]"),
        rows=(ACCEPT_VERSION_1, ONLY, SKIP, *CUSTOM_RULES, FORMAT, *_WAYS_IN),
        intro="""\
Show the frameworks of a scan, from a findings file or a snapshot, with the
numbers of controls by state: failed, passed, not assessed, not testable from
configuration, not covered by a rule yet. With ID (nsm-2.0): every control. "In
part": the control asks more than its rules test. Waivers are not applied to a
snapshot.""",
        outro="""\
JSON: as frameworks of a findings file; with ID one of them, its controls as
[{id, section, title, state, reason, rest, rules: [id], findings: [{rule,
status, severity, resource, fingerprint}], ...}].""",
        example="format",
    ),
)
