"""Deliver a notice within a time limit, with retries where they may help. No error contains a secret."""

import ssl
import threading
import time
from collections.abc import Callable, Sequence

from scanner.errors import UserError

PAUSES = (1.0, 3.0)
"""The seconds between three attempts."""
LONGEST_PAUSE = 30.0
"""The longest wait for a Retry-After, in seconds."""

OnOpen = Callable[[Callable[[], None]], None]
"""Receives a function that ends the connection of an attempt, as soon as there is one."""
Attempt = Callable[[float, OnOpen], None]
"""(seconds, on_open) -> None. Delivers a notice once, or raises DeliveryError. No wait for the network is longer than
the seconds."""


class DeliveryError(Exception):
    """The reason of a failed delivery, whether a retry may help, and after how many seconds at least."""

    def __init__(self, why: str, *, can_retry: bool = False, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.can_retry = can_retry
        self.retry_after = retry_after


def delivery_error(error: BaseException, host: str) -> DeliveryError:
    """Return the error for an exception of a socket or TLS, without its text, because some texts repeat the URL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return DeliveryError(f"the certificate of {host} is not trusted: {why}")
    if isinstance(error, TimeoutError):
        return DeliveryError(f"{host} does not respond")
    if isinstance(error, ssl.SSLError):
        return DeliveryError(f"TLS handshake with {host} failed ({error.reason or 'no reason given'})")
    if isinstance(error, UserError):
        return DeliveryError(error.what)
    why = getattr(error, "strerror", None) or "the connection was lost"
    return DeliveryError(f"{host} cannot be reached: {why}", can_retry=True)


def trust() -> ssl.SSLContext:
    """Return the TLS context of scans, which reads both variables for certificates. Raises DeliveryError."""
    from scanner.azure import transport

    try:
        return transport.tls_context()
    except UserError as error:
        raise DeliveryError(error.what) from None


def attempt_within(seconds: float, host: str, attempt: Attempt) -> None:
    """Run an attempt in at most so many seconds, or raise DeliveryError.

    It runs in a thread that is abandoned after the time limit, because socket timeouts restart with each byte, so a
    slow server can extend them without limit, and because a DNS lookup has no timeout.
    """
    ends: list[Callable[[], None]] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            attempt(seconds + 1, ends.append)
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            errors.append(error)

    thread = threading.Thread(target=run, name=f"notice to {host}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        for end in ends:
            end()
        thread.join(0.5)
        raise DeliveryError(f"{host} did not respond within {seconds:g} s")
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
                error.why += f", after {len(pauses) - len(left) + 1} attempts" if len(left) < len(pauses) else ""
                raise
            sleep(min(LONGEST_PAUSE, max(left.pop(0), error.retry_after or 0)))
        else:
            return
