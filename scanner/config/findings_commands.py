"""The commands that show one part of a findings file, one row each."""

from scanner.config.command import Command
from scanner.config.options import FORMAT, Option

FINDINGS_COMMANDS = (
    Command(
        "places",
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
        "keys",
        "Show whose keys encrypt what, and the keys' risks",
        "keys:run",
        arguments=("FILE",),
        rows=(Option("at-risk", about="Only keys with a proven risk or of unknown state"), FORMAT),
        intro="Show the keys of a findings file, their risks and what depends on them.\nJSON: as in `keys` there.",
    ),
    Command(
        "capacity",
        "Show quotas, reservations and single zones",
        "capacity:run",
        arguments=("FILE",),
        rows=(Option("tight", about="Only what is full, near its limit or not known"), FORMAT),
        intro="""\
Show what a crisis would run into: quotas, reservations, resources in one zone
or region, global control planes. JSON: as in `capacity` of the findings file.""",
    ),
)
