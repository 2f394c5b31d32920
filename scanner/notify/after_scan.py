"""Notify after a scan: check the targets before it, send the changes after it, and mark what was reported."""

import os
from collections.abc import Iterable, Sequence
from typing import Protocol

from scanner.config.channels import CHANNELS
from scanner.config.notifications import Target, target
from scanner.config.settings import Settings
from scanner.config.settings_location import FILE
from scanner.errors import HistoryError, InputError, UserError, nearest
from scanner.history.items import Reported
from scanner.notify import compose
from scanner.notify.notice import Notice, NoticeItem, ScanResult
from scanner.notify.send import DeliveryLimits, not_delivered, send_all
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen

LATER = "twolocks notify test {name}; what was not reported now is reported after the next scan"


def targets(settings: Settings, names: Iterable[str]) -> tuple[Target, ...]:
    """Return the notifications of these names, with their secrets. Raises InputError."""
    return tuple(named(settings, name) for name in dict.fromkeys(names))


def named(settings: Settings, name: str) -> Target:
    """Return one notification, with its secrets. Raises InputError."""
    if name not in settings.notify:
        near, known = nearest(name, settings.notify, 1), ", ".join(settings.notify)
        hint = f"nearest: {near[0]}; " if near else ""
        do = hint + (f"known: {known}" if known else f"write [notify.{name}] with its kind into {FILE}")
        raise InputError(f'there is no notification "{name}"', do=do)
    return target(name, settings.notify[name], settings.at_key("notify", name), os.environ, settings.secret_files())


def checked(settings: Settings) -> tuple[Target, ...]:
    """Return the notifications of a scan. Raises InputError, before anything is read, for what cannot work."""
    names = settings["notify"]
    if names and not settings["history"]:
        what = "notifications require a history to detect changes; nothing was read"
        raise InputError(what, at=settings.at("notify", names[0]), do="add --history FILE")
    result = targets(settings, names)
    for each in result:
        if (each.owner or each.owners or each.domains) and not settings.owner_tag:
            what = f'notification "{each.name}" filters by owner, but no owner tag is set; nothing was read'
            raise InputError(what, at=settings.at_key("notify", each.name, "owner"), do="set owner-tag in [report]")
        if CHANNELS[each.kind].on_stdout and ("-" in settings["out"] or (settings["format"] and not settings["out"])):
            what = f'notification "{each.name}" writes to standard output, and so does --out -; nothing was read'
            raise InputError(what, at=settings.at("notify", each.name), do="write the findings to a file")
    return result


class ReportLog(Protocol):
    """What was reported to notifications before."""

    def reported(self, name: str) -> Reported:
        """Return what was reported to a notification, and what it missed, before this scan."""

    def mark_reported(self, name: str, items: Sequence[NoticeItem]) -> None:
        """Record that these items were reported, or that nothing was new. Raises HistoryError."""

    def mark_partial(self, name: str, items: Sequence[NoticeItem]) -> None:
        """Record that these items were reported, and that others were not. Raises HistoryError."""


def notify(
    targets: Sequence[Target], result: ScanResult, log: ReportLog, screen: Screen, limits: DeliveryLimits | None = None
) -> list[UserError]:
    """Send each target and each of its owners with an address its changes. Return an error for each failure."""
    composed: dict[Target, dict[Target, Notice]] = {}
    for each in targets:
        reported, whole = log.reported(each.name), each.with_owners(result.owners.values())
        made = {to: compose.notice(to, result, reported) for to in (whole, *dict(whole.owners).values())}
        composed[each] = {to: notice for to, notice in made.items() if notice is not None}
    notices = {to: notice for sent in composed.values() for to, notice in sent.items()}
    failed: dict[Target, str] = {}
    if notices:
        with screen.busy("Notifying", ", ".join(each.name for each in notices)):
            failed = send_all(notices, result.scan.tool, limits)
    errors: list[UserError] = [not_delivered(each, why, LATER.format(name=each.name)) for each, why in failed.items()]
    for each, sent in composed.items():
        delivered = {to: notice for to, notice in sent.items() if to not in failed}
        if sent and not delivered:
            continue
        items = [item for notice in delivered.values() for item in notice.items]
        try:
            mark = log.mark_reported if len(delivered) == len(sent) else log.mark_partial
            mark(each.name, items)
        except HistoryError as error:
            what = f'{error.what}; items already reported to "{each.name}" may be reported again'
            errors.append(HistoryError(what, at=error.at, do=error.do))
        for to, notice in delivered.items():
            whom = f"{each.name} ({to.owner})" if to.is_of_owner else each.name
            text = f"notice to {whom}: {notice.title}"
            screen.write([Line(text, "Wrote")], "wrote", text)
    return errors


def trial(settings: Settings, name: str, tool: str) -> int:
    """Send the notice of `twolocks notify test NAME`. Return 0, or raise InputError if it was not delivered."""
    target = named(settings, name)
    failed = send_all({target: compose.trial(target, tool, settings.report_language)}, tool)
    if failed:
        raise not_delivered(target, failed[target], "fix it, then test again")
    if not CHANNELS[target.kind].on_stdout:
        Screen().last([Line(f"{name}: {target.host} accepted the test message", "Sent")])
    return 0
