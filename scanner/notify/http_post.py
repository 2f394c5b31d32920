"""One POST to a web hook: one trust, the proxy of the environment, no redirect, no file of logins."""

import base64
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from scanner.config.notifications import loopback
from scanner.notify.retry import Failed, Opened, explained

MOST = 2048
LATER = (408, 425, 429, 500, 502, 503, 504)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_WORD = re.compile(r"[a-z][a-z_]{2,40}")


def post(
    url: str,
    text: bytes,
    headers: Mapping[str, str],
    *,
    trust: Callable[[], ssl.SSLContext],
    seconds: float,
    opened: Opened,
) -> None:
    """Send JSON. Raises Failed, which names the host and never the rest of the address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: HTTPConnection | None = None
    try:
        connection = _connection(parts, trust, seconds)
        opened(_ending(connection))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, text, {"Content-Type": "application/json", "Connection": "close", **headers})
        with connection.getresponse() as answer:
            _judged(answer, host)
    except Failed:
        raise
    except HTTPException:
        raise Failed(f"{host} gave no answer that is HTTP", again=True) from None
    except OSError as error:
        if refused := _TUNNEL.match(str(error)):
            raise Failed(f"the proxy refused {host}: {refused[1]}") from None
        raise explained(error, host) from None
    finally:
        if connection is not None:
            connection.close()


def _connection(parts: SplitResult, trust: Callable[[], ssl.SSLContext], seconds: float) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port or 80, timeout=seconds)
    from scanner.azure.transport import proxy_of

    proxy = urlsplit("" if loopback(host) else proxy_of(parts._replace(path="", query="").geturl()) or "")
    if not proxy.hostname:
        return HTTPSConnection(host, parts.port or 443, timeout=seconds, context=trust())
    connection = HTTPSConnection(proxy.hostname, proxy.port or 80, timeout=seconds, context=trust())
    login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode()
    more = {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"} if proxy.username else {}
    connection.set_tunnel(host, parts.port or 443, more)
    return connection


def _ending(connection: HTTPConnection) -> Callable[[], None]:
    """What ends a connection from another thread: its socket tells the one that waits for it."""

    def end() -> None:
        opened: socket.socket | None = connection.sock
        if opened is not None:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    return end


def _judged(answer: HTTPResponse, host: str) -> None:
    """Raises Failed unless the answer is a success."""
    status = answer.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise Failed(f"{host} answered {status} and names another address, which is not followed")
    # Slack says in one word what is wrong (`invalid_token`). Whatever else stands there may repeat the address.
    with suppress(OSError, HTTPException):
        word = answer.read(MOST).decode("ascii", "replace").strip()
        if _WORD.fullmatch(word):
            raise Failed(f"{host} answered {status} {word}", again=status in LATER, after=_after(answer))
    raise Failed(f"{host} answered {status}", again=status in LATER, after=_after(answer))


def _after(answer: HTTPResponse) -> float | None:
    """The seconds of a Retry-After header, which may be a date."""
    text = (answer.getheader("Retry-After") or "").strip()
    if text.isdigit():
        return float(text[:6])
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
