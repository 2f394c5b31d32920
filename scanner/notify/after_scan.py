"""After a scan: who is told, what could not be told, and what is told with the next scan instead."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from scanner.config.notifications import Target, target
from scanner.config.settings import FILE, Settings
from scanner.errors import HistoryError, InputError, UserError, nearest
from scanner.notify import notice
from scanner.notify import send as deliver
from scanner.notify.notice import Earlier, Entry, Facts
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen

LATER = "twolocks notify test {name}; what is not told now is told after the next scan"


def targets(settings: Settings, names: Iterable[str]) -> tuple[Target, ...]:
    """The notifications of these names, with their secrets. Raises InputError."""
    return tuple(named(settings, name) for name in dict.fromkeys(names))


def named(settings: Settings, name: str) -> Target:
    if name not in settings.notify:
        near, known = nearest(name, settings.notify, 1), ", ".join(settings.notify)
        hint = f"nearest: {near[0]}; " if near else ""
        do = hint + (f"known: {known}" if known else f"write [notify.{name}] with its kind into {FILE}")
        raise InputError(f'there is no notification "{name}"', do=do)
    at = settings.at_key("notify", name)
    return target(name, settings.notify[name], at, Path(settings.file).parent, os.environ)


def prepared(settings: Settings) -> tuple[Target, ...]:
    """Whom a scan tells. Raises InputError, before anything is read, for what cannot work."""
    names = settings["notify"]
    if names and not settings["history"]:
        what = "notifications need a history to know what is new; nothing was read"
        raise InputError(what, at=settings.at("notify", names[0]), do="add --history FILE")
    found = targets(settings, names)
    for each in found:
        if each.owner and not settings.owner_tag:
            what = f'notification "{each.name}" is for one owner, and no tag names owners; nothing was read'
            raise InputError(what, at=settings.at_key("notify", each.name, "owner"), do="set owner-tag in [report]")
        if each.kind in deliver.STDOUT and "-" in settings["out"]:
            what = f'notification "{each.name}" writes to standard output, as --out - does; nothing was read'
            raise InputError(what, at=settings.at("notify", each.name), do="write the findings into a file")
    return found


class Memory(Protocol):
    """What was told before."""

    def earlier(self, name: str) -> Earlier: ...

    def arrived(self, name: str, entries: Sequence[Entry]) -> None:
        """Take in that a notification has been told of these, or that there was no news for it (none). Raises
        HistoryError.
        """


def tell(
    whom: Sequence[Target], facts: Facts, memory: Memory, screen: Screen, limits: deliver.Limits | None = None
) -> list[UserError]:
    """Tell each what is news for it; the errors of those that were not reached."""
    made = {each: notice.notice(each, facts, memory.earlier(each.name)) for each in whom}
    wanted = {each: news for each, news in made.items() if news is not None}
    failed: list[deliver.Undelivered] = []
    if wanted:
        with screen.busy("Telling", ", ".join(each.name for each in wanted)):
            failed = deliver.deliver(wanted, facts.scan.tool, limits)
    lost = {each.target.name for each in failed}
    errors = [each.error(LATER.format(name=each.target.name)) for each in failed]
    for each, news in made.items():
        if each.name in lost:
            continue
        try:
            memory.arrived(each.name, news.items if news is not None else ())
        except HistoryError as error:
            what = f'{error.what}; what "{each.name}" was told may be told again'
            errors.append(HistoryError(what, at=error.at, do=error.do))
        if news is not None:
            said = f"notice to {each.name}: {news.title}"
            screen.write([Line(said, "Wrote")], "wrote", said)
    return errors


def trial(settings: Settings, name: str, tool: str) -> int:
    """`twolocks notify test NAME`: 0 where it arrived."""
    whom = named(settings, name)
    failed = deliver.deliver({whom: notice.trial(whom, tool)}, tool)
    if failed:
        raise failed[0].error("mend it, then test again")
    if whom.kind not in deliver.STDOUT:
        Screen().last([Line(f"{name}: {whom.host} took a test message", "Told")])
    return 0
