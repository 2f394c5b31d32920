"""The progress of a collection or of other work: reads done, current reads, and limits that reads wait for."""

from collections.abc import Callable
from dataclasses import dataclass, field

from scanner.terminal.lines import COLUMN
from scanner.terminal.text import fitting, printable, span

MOST_LINES = 4


@dataclass
class ProgressState:
    """The state behind the block of a live screen and the lines of a log. Times are seconds of one clock."""

    began: float
    done: int = 0
    to_come: int = 0
    resources: int = 0
    failed: int = 0
    scopes: list[tuple[str, str, str]] = field(default_factory=list)
    """Id, name and visibility of each subscription."""
    who: str = ""
    """The account, "" before it is known."""
    verb: str = ""
    """The current activity, "" if there is none."""
    status: Callable[[], str] | None = None
    """The sentence of an activity other than a collection."""
    _kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    _waits: dict[str, float] = field(default_factory=dict)

    def reading(self, what: str, done: int, total: int) -> None:
        """Record how many reads of `what` are done."""
        self._kinds.pop(what, None)
        if done < total:
            self._kinds[what] = (done, total)

    def wait(self, what: str, until: float) -> None:
        """Record that reads wait for a limit until a time."""
        self._waits[what] = until

    def sentence(self) -> str:
        """Return the progress as a sentence."""
        if self.status is not None:
            return self.status()
        if not self.who:
            return "signing in"
        if not self.scopes:
            return "looking for subscriptions"
        failed = f"; {self.failed:,} failed" if self.failed else ""
        return f"{self.done:,} reads done, {self.to_come:,} remaining; {self.resources:,} resources{failed}"

    def log(self, now: float) -> str:
        """Return the line of a log."""
        verb = "" if self.status is None else f"{self.verb.lower()} "
        return f"{span(now - self.began)}: {verb}{self.sentence()}"

    def block(self, now: float, width: int) -> list[str]:
        """Return the lines of the block, each cut to the width. Numbers come first, so that only names are cut."""
        if not self.verb:
            return []
        lines = [f"{self.verb:<{COLUMN - 1}} {span(now - self.began)}: {self.sentence()}"]
        if self.status is None:
            lines += [*self._now(), *self._waiting(now)]
        return [fitting(printable(line), width) for line in lines[:MOST_LINES]]

    def _now(self) -> list[str]:
        busy = sorted(self._kinds.items(), key=lambda each: each[1][0] - each[1][1])[:2]
        texts = [f"{done:,} of {total:,} reads: {what}" for what, (done, total) in busy]
        return [f"  now    {'; '.join(texts)}"] if texts else []

    def _waiting(self, now: float) -> list[str]:
        waits = sorted(((until - now, what) for what, until in self._waits.items() if until > now), reverse=True)
        if not waits:
            return []
        seconds, what = waits[0]
        more = f"; {len(waits) - 1} more waits" if len(waits) > 1 else "; other reads go on"
        return [f"  wait   {span(seconds)} more for {what}{more}"]
