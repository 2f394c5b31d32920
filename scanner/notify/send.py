"""Send all notices in parallel, each within its time limit, through the channel of its target."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scanner.config.notifications import Target
from scanner.errors import InputError
from scanner.notify.channels import ci_log, mail, slack, teams, webhook
from scanner.notify.delivery import PAUSES, Attempt, DeliveryError, attempt_within, with_retries
from scanner.notify.notice import Notice


class Prepare(Protocol):
    """Format a notice once, and return the attempt that delivers it."""

    def __call__(self, notice: Notice, target: Target, tool: str) -> Attempt: ...


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel. `seconds`: the time limit of an attempt, from the DNS lookup to the response.

    `on_stdout`: it writes lines to standard output, which needs no retry.
    """

    prepare: Prepare
    seconds: float = 10.0
    on_stdout: bool = False


CHANNELS = {
    "teams": Channel(teams.attempt),
    "slack": Channel(slack.attempt),
    "webhook": Channel(webhook.attempt),
    "mail": Channel(mail.attempt, seconds=30.0),
    "github": Channel(ci_log.github, on_stdout=True),
    "azure-devops": Channel(ci_log.azure_devops, on_stdout=True),
}
"""The channels by the `kind` of a target. Their settings are rows of `scanner.config.notifications.KINDS`."""


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """Time limit and retries of a delivery. `seconds`: of an attempt, in place of the channel's own."""

    seconds: float | None = None
    pauses: Sequence[float] = PAUSES
    sleep: Callable[[float], None] = field(default=time.sleep)


def send_all(notices: Mapping[Target, Notice], tool: str, limits: DeliveryLimits | None = None) -> dict[Target, str]:
    """Send each notice to its target. Return the reason of each failure, without secrets, when all have ended."""
    failed: dict[Target, str] = {}

    def send(target: Target, notice: Notice) -> None:
        try:
            _send(target, notice, tool, limits or DeliveryLimits())
        except DeliveryError as error:
            failed[target] = error.why
        except Exception as error:  # noqa: BLE001 - one failed notice must not stop the others or the scan
            failed[target] = f"internal error of Twolocks, {type(error).__name__}"

    threads = []
    for target, notice in notices.items():
        channel = CHANNELS[target.kind]
        if channel.on_stdout:
            channel.prepare(notice, target, tool)(channel.seconds, lambda end: None)
        else:
            threads.append(threading.Thread(target=send, args=(target, notice), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def not_delivered(target: Target, why: str, do: str) -> InputError:
    """Return the error for a notice that was not delivered."""
    return InputError(f'notification "{target.name}" was not delivered: {why}', at=target.at, do=do)


def _send(target: Target, notice: Notice, tool: str, limits: DeliveryLimits) -> None:
    channel = CHANNELS[target.kind]
    attempt = channel.prepare(notice, target, tool)
    seconds = channel.seconds if limits.seconds is None else limits.seconds
    with_retries(lambda: attempt_within(seconds, target.host, attempt), limits.pauses, limits.sleep)
