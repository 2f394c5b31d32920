"""URLs with secrets: one parser for all that is shown, and for those that are used.

A password may hold any character. A reader of URLs ends the login at the first `/`, `?` or `#`, or at the first or last
`@`, and shows what follows. What is shown here ends it at the last `@` that there is. What is used must be clear: each
of these characters in a password is written as %40, %2F and so on.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from scanner.text.masks import MASK, masked

_SCHEME = re.compile(r"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://")
_URL = re.compile(r"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://[^\s\"'<>]*")
_SECRET = re.compile(
    r"""(?ix)((?:[?&;#]|%3f|%26|%3b|%23)(?:
      [\w.~%-]*(?:pass|pwd|secret|token|credential|signature)[\w.~%-]*
      |(?!ssl)[\w.~%-]*key
      |code|sas|sig|jwt|auth|authorization
    )(?:=|%3d))"""
)
"""What stands before a secret in a query. `sslkey` of PostgreSQL is a file."""
_BARE_LOGIN = re.compile(r"(?i)^(?!mailto:|[a-z]:[/\\])((?:[a-z][a-z0-9+.-]+:)?[/\\]{0,2})[^\s@]*:\S*(?=@)")
"""A login with a password where the scheme is missing, or not written as one."""
_SENT_TO = ("http://", "https://")
"""Where a login without a password is a token, as of `https://TOKEN@github.com`."""
_PORT = re.compile(r"[0-9]{0,5}")
_SECRET_NAME = re.compile(r"(?i)(?:password|passwd|secret|token|_key|connection_string)(?:_|$)")
_BREAKS = re.compile(r"[@:/?#&=;%\s]+")
SHORTEST = 4
"""The letters of the shortest word that is taken for a secret, wherever it stands."""
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_NO_LOGIN = ("az://", "sqlite://")
"""Of `az://CONTAINER@ACCOUNT/PATH` neither part is a secret, and what follows `sqlite://` is a path."""


class BadUrl(ValueError):
    """A URL that cannot be used. Its text holds nothing of the URL. `do`: the hint."""

    do = "write @ / ? # [ ] and % in a password as %40 %2F %3F %23 %5B %5D and %25"


def masked_url(text: str) -> str:
    """Return a value, such as that of a setting, without logins with a password and without secrets in its URL.

    Where a URL begins, all the rest is taken for it.
    """
    match = _SCHEME.search(text)
    if match is None:
        return masked(_BARE_LOGIN.sub(rf"\1{MASK}", text))
    return masked(text[: match.end()] + _masked_rest(match[0], text[match.end() :]))


def masked_urls(text: str) -> str:
    """Return a text, such as a message, in which each URL ends at a blank or a quote, masked as `masked_url` does."""
    return masked(_URL.sub(lambda match: masked_url(match[0]), text))


def _masked_rest(scheme: str, rest: str) -> str:
    """Return what follows the scheme of a URL, masked."""
    login, at, after = rest.rpartition("@")
    if scheme.lower() in _NO_LOGIN:
        pass
    elif at and (":" in login or "%3a" in login.lower() or (scheme.lower() in _SENT_TO and _is_authority(login))):
        rest = f"{MASK}@{after}"
    elif not at and (host := _unclear_host(rest)) is not None:
        rest = f"{host}:{MASK}"
    secret = _SECRET.search(rest)
    return rest if secret is None else rest[: secret.end()] + MASK


def _is_authority(text: str) -> bool:
    """Return whether a text is before the path of a URL."""
    return not any(sign in text for sign in "/?#")


def _unclear_host(rest: str) -> str | None:
    """Return the host of `host:WORD`, where WORD is no port: it may be a password whose host is missing."""
    host, colon, more = re.split(r"[/?#,]", rest, maxsplit=1)[0].partition(":")
    is_clear = rest.startswith("[") or not colon or _PORT.fullmatch(more)
    return None if is_clear else host


def has_password(url: str) -> bool:
    """Return whether a URL contains a password, or what may be one."""
    return masked_url(url) != url


def hidden_words(environ: Mapping[str, str]) -> list[str]:
    """Return what masks hide of the variables of a process, the longest first: secrets, logins of URLs, their parts."""
    matches: set[str] = set()
    for name, value in environ.items():
        shown = "" if _SECRET_NAME.search(name) else masked_url(value)
        if shown != value:
            words = {value, unquote(value), *_BREAKS.split(value), *_BREAKS.split(unquote(value))}
            matches |= {word for word in words if len(word) >= SHORTEST and word not in shown}
    return sorted(matches, key=len, reverse=True)


class BrokerUrl(NamedTuple):
    """The parts of the URL of a broker, decoded. As text it has no login."""

    scheme: str
    host: str
    port: int | None
    path: str
    user: str
    password: str

    @property
    def tls(self) -> bool:
        return self.scheme in ("rediss", "amqps")

    @classmethod
    def of(cls, url: str) -> "BrokerUrl":
        """Return the parts. Raise BadUrl where they are not clear: a client may read others than another one."""
        check_url(url)
        split_result = urlsplit(url)
        if split_result.query or split_result.fragment or not split_result.hostname:
            raise BadUrl("it needs a host, and must not have ? or #")
        path = unquote(split_result.path.removeprefix("/"))
        if split_result.scheme.startswith("redis") and not re.fullmatch(r"[0-9]{0,4}", path):
            raise BadUrl("what follows the host is the number of a database, such as /0")
        user, password = unquote(split_result.username or ""), unquote(split_result.password or "")
        return cls(split_result.scheme, split_result.hostname, split_result.port, path, user, password)

    def __str__(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{port}/{self.path}"


def check_url(url: str) -> None:
    """Raise BadUrl where two readers may see another host or password in a URL with a login."""
    rest = url.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    more = rest[len(authority) :]
    login, _, host = authority.rpartition("@")
    if "@" in login.partition(":")[2] or ("@" in more and ":" in authority):
        raise BadUrl("its login is not clear")
    try:
        urlsplit(url)
    except ValueError:
        raise BadUrl("a reader of URLs refuses it") from None
    for each in host.split(","):
        match = _AUTHORITY.fullmatch(each)
        if match is None or int(match[2] or 0) > 65535:
            raise BadUrl("its host or port is not clear")
