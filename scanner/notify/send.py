"""Send all notices in parallel, each within its time limit, through the channel of its target."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Protocol

from msgspec import Struct, field

from scanner.config.channels import CHANNELS, Channel
from scanner.config.notifications import Target
from scanner.errors import InputError
from scanner.notify.delivery import PAUSES, Attempt, DeliveryError, attempt_within, with_retries
from scanner.notify.notice import Notice


class Prepare(Protocol):
    """Format a notice once, and return the attempt that delivers it."""

    def __call__(self, notice: Notice, target: Target, tool: str) -> Attempt: ...


class DeliveryLimits(Struct, frozen=True):
    """Time limit and retries of a delivery."""

    seconds: float | None = None
    """Of an attempt, in place of the channel's own."""
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
            _prepare(channel)(notice, target, tool)(channel.seconds, lambda end: None)
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


def _prepare(channel: Channel) -> Prepare:
    """Import what sends through a channel."""
    module, _, name = channel.attempt.partition(":")
    prepare: Prepare = getattr(import_module(f"scanner.notify.channels.{module}"), name)
    return prepare


def _send(target: Target, notice: Notice, tool: str, limits: DeliveryLimits) -> None:
    channel = CHANNELS[target.kind]
    attempt = _prepare(channel)(notice, target, tool)
    seconds = channel.seconds if limits.seconds is None else limits.seconds
    with_retries(lambda: attempt_within(seconds, target.host, attempt), limits.pauses, limits.sleep)
