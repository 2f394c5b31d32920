"""One attempt to deliver a notice within its time, and more where they may help. No error holds a secret."""

import ssl
import threading
import time
from collections.abc import Callable, Sequence

from scanner.errors import UserError

PAUSES = (1.0, 3.0)
"""The seconds between three attempts."""
LONGEST_PAUSE = 30.0
"""The longest Retry-After, in seconds, that is waited for."""

OnOpen = Callable[[Callable[[], None]], None]
"""Is called with a function that ends the connection of an attempt, as soon as there is one."""
Attempt = Callable[[float, OnOpen], None]
"""(seconds, on_open) -> None. Delivers a notice once, or raises DeliveryError. No wait for the network is longer than
the seconds."""


class DeliveryError(Exception):
    """The reason why a notice did not arrive, whether another attempt may help, and after how many seconds at least."""

    def __init__(self, why: str, *, can_retry: bool = False, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.can_retry = can_retry
        self.retry_after = retry_after


def delivery_error(error: BaseException, host: str) -> DeliveryError:
    """Return the error for what a socket or TLS raised, never with its own text, because some repeat the address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return DeliveryError(f"{host} shows a certificate that is not trusted here: {why}")
    if isinstance(error, TimeoutError):
        return DeliveryError(f"{host} does not answer")
    if isinstance(error, ssl.SSLError):
        return DeliveryError(f"{host} speaks no TLS that is understood here ({error.reason or 'no reason given'})")
    if isinstance(error, UserError):
        return DeliveryError(error.what)
    why = getattr(error, "strerror", None) or "the connection broke"
    return DeliveryError(f"{host} cannot be reached: {why}", can_retry=True)


def trust() -> ssl.SSLContext:
    """Return the TLS context that scans use, with both variables for certificates. Raises DeliveryError."""
    from scanner.azure import transport

    try:
        return transport.tls_context()
    except UserError as error:
        raise DeliveryError(error.what) from None


def attempt_within(seconds: float, host: str, attempt: Attempt) -> None:
    """Run an attempt in at most so many seconds, or raise DeliveryError.

    It runs in a thread that is left behind, because time limits of sockets count from one byte to the next, so that a
    server that sends one now and then holds them for ever, and because the look-up of a name has none.
    """
    ends: list[Callable[[], None]] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            attempt(seconds + 1, ends.append)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, name=f"notice to {host}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        for end in ends:
            end()
        thread.join(0.5)
        raise DeliveryError(f"{host} did not answer within {seconds:g} s")
    if errors:
        raise errors[0]


def with_retries(
    attempt: Callable[[], None], pauses: Sequence[float] = PAUSES, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Run an attempt, and again after each pause where that may help. Raises the last DeliveryError."""
    left = list(pauses)
    while True:
        try:
            attempt()
        except DeliveryError as error:
            if not error.can_retry or not left:
                error.why += f", at {len(pauses) - len(left) + 1} tries" if len(left) < len(pauses) else ""
                raise
            sleep(min(LONGEST_PAUSE, max(left.pop(0), error.retry_after or 0)))
        else:
            return
