"""One attempt within its time, and more of them where that may help. What went wrong is told without secrets."""

import ssl
import threading
import time
from collections.abc import Callable, Sequence

from scanner.errors import UserError

SECONDS = 10.0
"""How long a web hook may take in all, from the name's look-up to the answer."""
MAIL_SECONDS = 30.0
PAUSES = (1.0, 3.0)
"""Between three tries."""
LONGEST = 30.0
"""The longest Retry-After that is waited for."""


class Failed(Exception):
    """A notice that did not arrive: why, whether another try may help, and after how long at the least."""

    def __init__(self, why: str, *, again: bool = False, after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.again = again
        self.after = after


def explained(error: BaseException, host: str) -> Failed:
    """What a socket or TLS said. Never the error's own text: some repeat the address that was asked."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failed(f"{host} shows a certificate that is not trusted here: {error.verify_message.rstrip('.')}")
    if isinstance(error, TimeoutError):
        return Failed(f"{host} does not answer")
    if isinstance(error, ssl.SSLError):
        return Failed(f"{host} speaks no TLS that is understood here ({error.reason or 'no reason given'})")
    if isinstance(error, UserError):
        return Failed(error.what)
    said = getattr(error, "strerror", None) or "the connection broke"
    return Failed(f"{host} cannot be reached: {said}", again=True)


Opened = Callable[[Callable[[], None]], None]


def within(seconds: float, host: str, work: Callable[[Opened], None]) -> None:
    """Do the work in at most so many seconds, or raise Failed.

    Time limits of sockets count from one byte to the next, so that a server that sends one now and then holds them
    for ever; and the look-up of a name has none. `work` gives `opened` what ends its connection.
    """
    ends: list[Callable[[], None]] = []
    told: list[BaseException] = []

    def run() -> None:
        try:
            work(ends.append)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            told.append(error)

    thread = threading.Thread(target=run, name=f"notice to {host}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        for end in ends:
            end()
        thread.join(0.5)
        raise Failed(f"{host} did not answer within {seconds:g} s")
    if told:
        raise told[0]


def tried(
    attempt: Callable[[], None], pauses: Sequence[float] = PAUSES, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Try, and again after each pause where that may help. Raises the last Failed."""
    left = list(pauses)
    while True:
        try:
            attempt()
        except Failed as error:
            if not error.again or not left:
                error.why += f", at {len(pauses) - len(left) + 1} tries" if len(left) < len(pauses) else ""
                raise
            sleep(min(LONGEST, max(left.pop(0), error.after or 0)))
        else:
            return
