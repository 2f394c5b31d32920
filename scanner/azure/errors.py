"""What Azure, and the way to it, answer when a read fails, and the errors that end a scan.

Nothing here imports an SDK, so the command line may import it to print an error.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import msgspec

from scanner.errors import AccessError

NO_ANSWER = ("Timeout", "Reset", "BadJson")
"""The codes of a read without a usable answer."""

_CODE = re.compile(r"[\w.\- ]{1,80}", re.ASCII)
_ACTION = re.compile(r"[\w.*-]+(/[\w.*$-]+)+", re.ASCII)
_REFUSED_ACTION = re.compile(
    r"not have (?:authorization|permission)s? to perform (?:the )?action\(?s?\)? '([^']+)'", re.I
)
_AFTER_SECONDS = re.compile(r"(?:try again|retry)[^'\d]{0,20}after '?(\d{1,6})'? ?sec", re.I)
_AFTER_DATE = re.compile(r"after '(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)[^']*'", re.I)
_TITLE = re.compile(r"<title>(.*?)</title>", re.I | re.S)
_DENY = "DenyAssignmentAuthorizationFailed"


@dataclass(frozen=True, slots=True)
class Problem:
    """An error body, whatever its form: `code` never empty, `message` text for people, "" where there is none.

    `inner` is the code of its first detail, which says more where `code` is general (Resource Graph).
    """

    code: str
    message: str
    inner: str = ""


class ReadError(Exception):
    """A read that gave no usable answer. `url` is the ARM path without query; `status` 0 where nothing answered.

    `action` is the RBAC action that would allow the read, "" where no role cures it; `inner` see `Problem`.
    """

    def __init__(self, url: str, status: int, code: str, action: str = "", message: str = "", inner: str = "") -> None:
        super().__init__(f"{url}: {status} {code}")
        self.url = url
        self.status = status
        self.code = code
        self.action = action
        self.message = message
        self.inner = inner
        self.named = True
        """Whether the answer itself named a code, as ARM's errors do and pages of a gateway do not."""


class NoCredential(AccessError):
    """No kind of login that was tried gave a token."""


class ExpiredLogin(AccessError):
    """There is a login, and Entra ID does not accept it any more."""


class LoginRefused(AccessError):
    """Entra ID refused the login for another reason, whose AADSTS code is named."""


class WrongTenant(AccessError):
    """What was asked for belongs to another tenant than the login."""


class NothingReadable(AccessError):
    """The login works and may read nothing of what was asked for."""


class UntrustedCertificate(AccessError):
    """A host on the way shows a certificate that the configured trust does not cover."""


class ProxyRefused(AccessError):
    """The proxy did not let a connection through."""


class Unreachable(AccessError):
    """A host could not be reached at all."""


def understand(status: int, body: bytes | str) -> Problem:
    """The code and message of an error body in any of the forms that ARM and what stands behind it use."""
    decoded = _decoded(body)
    code, message = _look_into(decoded, 0)
    return Problem(_tidy(code, status), message, _inner(decoded))


def error_inside(body: object) -> Problem | None:
    """The error that an answer with status 200 carries instead of a resource, or None."""
    if not isinstance(body, dict):
        return None
    inside = body.get("error", body.get("Error"))
    if not isinstance(inside, dict) or any(key in body for key in ("id", "value", "properties", "data")):
        return None
    code, message = _look_into(inside, 0)
    return Problem(_tidy(code, 200), message) if code or message else None


def missing_action(status: int, problem: Problem, path: str) -> str:
    """The action that would allow the read of `path`: as the refusal names it, else as the path implies it.

    "" where the refusal is no matter of roles: another status, or a deny assignment.
    """
    if status not in (401, 403) or problem.code == _DENY or "deny assignment" in problem.message.lower():
        return ""
    named = _REFUSED_ACTION.search(problem.message)
    if named and _ACTION.fullmatch(named[1]):
        return named[1]
    return read_action(path)


def failure(path: str, status: int, body: bytes | str) -> ReadError:
    """The ReadError for an answer with an error status; a deny assignment is told apart from a missing role."""
    problem = understand(status, body)
    if status == HTTPStatus.FORBIDDEN and "deny assignment" in problem.message.lower():
        problem = Problem(_DENY, problem.message)
    action = missing_action(status, problem, path)
    error = ReadError(path, status, problem.code, action, problem.message, problem.inner)
    error.named = bool(_look_into(_decoded(body), 0)[0])
    return error


def read_action(path: str) -> str:
    """The RBAC action that a GET of an ARM path needs, e.g. `Microsoft.Storage/storageAccounts/read`."""
    parts = [part for part in path.split("?", 1)[0].split("/") if part]
    for place in range(len(parts) - 1, -1, -1):
        if parts[place].lower() == "providers" and place + 1 < len(parts):
            namespace, *rest = parts[place + 1 :]
            return "/".join([namespace, *rest[0::2], "read"])
    if len(parts) > 2 and parts[2].lower() == "resourcegroups":
        return "Microsoft.Resources/subscriptions/resourceGroups/read"
    return "Microsoft.Resources/subscriptions/read"


def retry_after(headers: Mapping[str, str], message: str = "", *, now: datetime | None = None) -> float | None:
    """The seconds after which Azure asks to come back, by headers, else by the message; None where it does not say."""
    lower = {key.lower(): value for key, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = lower.get(name, "").strip()
        if value.replace(".", "", 1).isdigit() and value.isascii():
            return float(value) * unit
    moment = _date(lower.get("retry-after", ""))
    if moment is None:
        seconds = _AFTER_SECONDS.search(message)
        if seconds:
            return float(seconds[1])
        date = _AFTER_DATE.search(message)
        moment = datetime.fromisoformat(date[1]).replace(tzinfo=UTC) if date else None
    return None if moment is None else max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decoded(body: bytes | str) -> object:
    text = body.decode("utf-8-sig", "replace") if isinstance(body, bytes) else body
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        title = _TITLE.search(text)
        return {"message": (title[1] if title else text).strip()[:500]}


def _look_into(body: object, depth: int) -> tuple[str, str]:
    """Code and message of a decoded body; "" for each that it does not hold."""
    if isinstance(body, str):
        inner = _decoded(body) if body.lstrip().startswith("{") and depth < 4 else {"message": body[:500]}
        return _look_into(inner, depth + 1)
    if not isinstance(body, dict) or depth > 4:
        return "", ""
    keys = {str(key).lower(): value for key, value in body.items()}
    for wrapper in ("error", "errorresponse", "odata.error"):
        if isinstance(keys.get(wrapper), dict | str) and "code" not in keys:
            code, message = _look_into(keys[wrapper], depth + 1)
            if isinstance(keys[wrapper], str):
                code, message = keys[wrapper], _words(keys.get("error_description"))
            if code or message:
                return code, message
    return _first(keys, "code", "errorcode"), _first(keys, "message", "error_description", "detail", "title")


def _inner(body: object) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    first = details[0] if isinstance(details, list) and details else None
    return str(first.get("code") or "") if isinstance(first, dict) else ""


def _first(keys: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if (text := _words(keys.get(name)))), "")


def _words(value: object) -> str:
    if isinstance(value, dict):
        return next(_texts(value), "")
    return "" if value is None or isinstance(value, list | bool) else str(value)


def _texts(value: Mapping[str, Any]) -> Iterator[str]:
    for key, text in value.items():
        if str(key).lower() == "value" and isinstance(text, str):
            yield text


def _tidy(code: str, status: int) -> str:
    """A code that says something: never empty, no bare copy of the status, no text that could forge a line."""
    code = code.removeprefix(str(status)).strip() if len(code) > 3 and code[3:4] == " " else code.strip()
    if code and code != str(status) and _CODE.fullmatch(code):
        return code.replace(" ", "") if code.lower() == _phrase(status).lower() else code
    return _phrase(status).replace(" ", "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status{status}"
