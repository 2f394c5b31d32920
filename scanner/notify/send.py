"""Notices on their way: all at once, each tried within its time; what did not arrive is an error that names it."""

import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scanner.config.notifications import Target
from scanner.errors import InputError, UserError
from scanner.notify import http_post as web
from scanner.notify.channels import ci_log as commands
from scanner.notify.channels import mail, slack, teams, webhook
from scanner.notify.notice import Notice
from scanner.notify.retry import MAIL_SECONDS, PAUSES, SECONDS, Failed, Opened, tried, within

STDOUT = {"github": commands.github, "azure-devops": commands.azure_devops}
"""The kinds whose notices are lines on standard output."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait and how often to try; tests are less patient."""

    seconds: float = SECONDS
    mail_seconds: float = MAIL_SECONDS
    pauses: Sequence[float] = PAUSES
    sleep: Callable[[float], None] = field(default=time.sleep)


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A notice that did not arrive, and why; without a secret."""

    target: Target
    why: str

    def error(self, do: str) -> UserError:
        return InputError(f'notification "{self.target.name}" was not delivered: {self.why}', at=self.target.at, do=do)


def deliver(notices: Mapping[Target, Notice], tool: str, limits: Limits | None = None) -> list[Undelivered]:
    """Send each notice to its target; those that did not arrive. Returns when all have ended."""
    limits = limits or Limits()
    failed: list[Undelivered] = []

    def one(target: Target, notice: Notice) -> None:
        try:
            _send(target, notice, tool, limits)
        except Failed as error:
            failed.append(Undelivered(target, error.why))
        except Exception as error:  # noqa: BLE001 - one notice that fails stops no other, and no scan
            failed.append(Undelivered(target, f"a defect of Twolocks, {type(error).__name__}"))

    threads = []
    for target, notice in notices.items():
        if target.kind in STDOUT:
            sys.stdout.writelines(f"{line}\n" for line in STDOUT[target.kind](notice))
            sys.stdout.flush()
        else:
            threads.append(threading.Thread(target=one, args=(target, notice), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def _send(target: Target, notice: Notice, tool: str, limits: Limits) -> None:
    if target.mail is not None:
        box, made = target.mail, mail.message(notice, target.mail, target.name)

        def posted(opened: Opened) -> None:
            mail.send(made, box, trust=trust, seconds=limits.mail_seconds + 1)

        tried(lambda: within(limits.mail_seconds, target.host, posted), limits.pauses, limits.sleep)
        return
    text = {"teams": teams.body, "slack": slack.body, "webhook": webhook.body}[target.kind](notice)
    headers = {"User-Agent": tool.replace(" ", "/")}
    if target.kind == "webhook":
        scan = notice.scan.id if notice.scan is not None else "test"
        headers |= {"X-Twolocks-Delivery": f"{scan}/{target.name}"}
        headers |= webhook.headers(target.secret, str(int(time.time())), text)

    def called(opened: Opened) -> None:
        web.post(target.url, text, headers, trust=trust, seconds=limits.seconds + 1, opened=opened)

    tried(lambda: within(limits.seconds, target.host, called), limits.pauses, limits.sleep)


def trust() -> ssl.SSLContext:
    """The trust of everything that is read, with both variables."""
    from scanner.azure import transport

    try:
        return transport.tls_context()
    except UserError as error:
        raise Failed(error.what) from None
