"""A scan in parts (`--parts`): which options it excludes, and how an interrupted one goes on."""

import shlex
from collections.abc import Iterable, Sequence

from msgspec import Struct

from scanner.config.durations import seconds_of
from scanner.config.settings import Settings
from scanner.errors import InputError

NOT_SHARDED = ("resource", "resource-group", "tag", "effective", "explain-reads", "record", "max-age", "from")
"""The options of a scan that a scan in parts does not have."""


class PartedRun(Struct):
    """How an interrupted scan in parts goes on. `words`: the command of the same scan; `run`: "" before it began."""

    words: Sequence[str]
    run: str = ""
    is_left: bool = True
    """Whether a subscription is left to read."""

    def begin(self, run: str) -> None:
        """Note the id of the run."""
        self.run = run

    def kept(self) -> str:
        """Return how the scan goes on, "" before it has begun."""
        return shlex.join((*self.words, "--resume", self.run)) if self.run else ""

    def ended(self, gaps: Iterable[tuple[int, str]], *, is_written: bool) -> str:
        """Return how a scan goes on that left subscriptions, else ""."""
        return self.kept() if self.is_left else ""

    def close(self) -> None:
        """Do nothing: parts stay where they are."""


def check_sharding(settings: Settings) -> None:
    """Raise InputError for options that a scan in parts does not have, and for `--broker` without `--parts`."""
    given = settings["parts"]
    if not given:
        if settings["broker"]:
            raise InputError(
                "--broker needs a place for the parts",
                at=settings.at("broker", ""),
                do="add --parts DIR or --parts az://CONTAINER/PATH",
            )
        return
    at = settings.at("parts", given)
    for name in NOT_SHARDED:
        if settings[name]:
            raise InputError(f"--parts reads subscriptions as wholes, so it excludes --{name}", at=at, do="use one")
    if any(each.lower().startswith("group:") for each in settings["exclude"]):
        raise InputError("--parts cannot leave out resource groups", at=at, do="leave out subscriptions: sub:NAME")
    if settings.tenants:
        raise InputError("--parts signs in to one tenant", at="[[tenant]]", do="choose it: --tenant NAME")
    after = settings["redeliver-after"]
    seconds_of(after, settings.at("redeliver-after", after))
    if settings["broker"]:
        from scanner.fleet.queue import check_broker

        check_broker(settings)
