"""The commands of a scan that is spread over workers, one row each."""

from scanner.config.command import Command
from scanner.config.options import (
    BROKER,
    CONFIG,
    CUSTOM_RULES,
    FORMAT,
    PARTS,
    QUIET,
    REDELIVER_AFTER,
    SIGN_IN,
    VERBOSE,
    Option,
    needed,
    saying,
    shared,
)

_LOCATION = shared(needed(saying(PARTS, "Where the parts are: a folder of all machines, or az://CONTAINER/PATH")))

FLEET_COMMANDS = (
    Command("fleet", "Workers of a scan in parts, and its state"),
    Command(
        "fleet worker",
        "Read and evaluate for a scan with --broker",
        "fleet_worker:run",
        rows=(
            *shared(needed(saying(BROKER, "The broker: redis://, rediss://, amqp://, amqps://"))),
            *_LOCATION,
            Option("until-empty", about="End when nothing is left to read or evaluate"),
            *shared(REDELIVER_AFTER),
            "Sign-in and rules (the identity and the rules of the scan)",
            *shared(*SIGN_IN, *CUSTOM_RULES),
            "Terminal",
            *(QUIET, VERBOSE, CONFIG),
        ),
        intro="""\
Read one subscription after the other for twolocks scan --broker, then evaluate
ranges of resources, until it is stopped: SIGTERM ends it after the current
one. Messages hold no secret; each worker signs in by itself. Needs pip
install 'twolocks[fleet]'.""",
        example="broker",
        tables=("tenant", "limits"),
    ),
    Command(
        "fleet status",
        "Show how far a scan in parts is",
        "fleet:status",
        rows=(
            *_LOCATION,
            *shared(saying(BROKER, "Also count what waits in the queue of this broker")),
            Option("run", "RUN", "The run (default: the newest)"),
            FORMAT,
            "Sign-in (for az://)",
            *shared(*SIGN_IN),
            CONFIG,
        ),
        outro="""\
JSON: {run, taken, subscriptions, read, failed, started, evaluated, ranges,
over, waiting: null without --broker}. Exits with 0.""",
        example="parts",
        tables=("tenant",),
    ),
)
