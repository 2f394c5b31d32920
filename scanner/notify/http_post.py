"""Post to a webhook, with the CA certificates and proxy settings of scans, without redirects or .netrc."""

import base64
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from scanner.config.notifications import loopback
from scanner.errors import UserError
from scanner.notify.delivery import Attempt, DeliveryError, OnOpen, delivery_error, trust

LARGEST_ANSWER = 2048
"""The bytes of a response that are read."""
RETRIED = (408, 425, 429, 500, 502, 503, 504)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_WORD = re.compile(r"[a-z][a-z_]{2,40}")


def post_attempt(url: str, text: bytes, tool: str, headers: Mapping[str, str] | None = None) -> Attempt:
    """Return an attempt that posts JSON to a URL, with the tool as User-Agent."""
    sent = {"User-Agent": tool.replace(" ", "/"), **(headers or {})}
    return lambda seconds, on_open: post(url, text, sent, seconds=seconds, on_open=on_open)


def post(url: str, text: bytes, headers: Mapping[str, str], *, seconds: float, on_open: OnOpen) -> None:
    """Post JSON. Raises DeliveryError, which has the host and never the rest of the URL."""
    split = urlsplit(url)
    host = split.hostname or ""
    connection: HTTPConnection | None = None
    try:
        connection = _connection(split, seconds)
        on_open(_end_of(connection))
        path = (split.path or "/") + (f"?{split.query}" if split.query else "")
        connection.request("POST", path, text, {"Content-Type": "application/json", "Connection": "close", **headers})
        with connection.getresponse() as answer:
            _check_answer(answer, host)
    except DeliveryError:
        raise
    except UserError as error:  # of the proxy
        raise DeliveryError(error.what) from None
    except HTTPException:
        raise DeliveryError(f"{host} sent no valid HTTP response", can_retry=True) from None
    except OSError as error:
        if refused := _TUNNEL.match(str(error)):
            raise DeliveryError(f"the proxy refused the connection to {host}: {refused[1]}") from None
        raise delivery_error(error, host) from None
    finally:
        if connection is not None:
            connection.close()


def _connection(split: SplitResult, seconds: float) -> HTTPConnection:
    host = split.hostname or ""
    if split.scheme == "http":
        return HTTPConnection(host, split.port or 80, timeout=seconds)
    from scanner.azure.transport import proxy_of

    proxy = urlsplit("" if loopback(host) else proxy_of(split._replace(path="", query="").geturl()) or "")
    if not proxy.hostname:
        return HTTPSConnection(host, split.port or 443, timeout=seconds, context=trust())
    connection = HTTPSConnection(proxy.hostname, proxy.port or 80, timeout=seconds, context=trust())
    login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode()
    more = {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"} if proxy.username else {}
    connection.set_tunnel(host, split.port or 443, more)
    return connection


def _end_of(connection: HTTPConnection) -> Callable[[], None]:
    """Return a function that ends a connection from another thread by its socket, so that a blocked call returns."""

    def end() -> None:
        opened: socket.socket | None = connection.sock
        if opened is not None:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    return end


def _check_answer(answer: HTTPResponse, host: str) -> None:
    """Raise DeliveryError unless the response is a success."""
    status = answer.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise DeliveryError(f"{host} responded {status}, a redirect, which is not followed")
    text = f"{host} responded {status}"
    # Slack responds with one word for the error (`invalid_token`). Any other text may repeat the URL.
    with suppress(OSError, HTTPException):
        word = answer.read(LARGEST_ANSWER).decode("ascii", "replace").strip()
        text += f" {word}" if _WORD.fullmatch(word) else ""
    raise DeliveryError(text, can_retry=status in RETRIED, retry_after=_retry_after(answer))


def _retry_after(answer: HTTPResponse) -> float | None:
    """Return the seconds of a Retry-After header, which may be a date; None where there is none."""
    text = (answer.getheader("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:6])
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
