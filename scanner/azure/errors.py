"""The errors of a read, parsed from Azure's answers, and the errors that end a scan.

Imports no SDK, so that the command line can import it quickly to print an error.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from scanner.errors import AccessError

_CODE = re.compile(r"[\w.\- ]{1,80}", re.ASCII)
_ACTION = re.compile(r"[\w.*-]+(/[\w.*$-]+)+", re.ASCII)
_REFUSED_ACTION = re.compile(
    r"not have (?:authorization|permission)s? to perform (?:the )?action\(?s?\)? '([^']+)'", re.I
)
_AFTER_SECONDS = re.compile(r"(?:try again|retry)[^'\d]{0,20}after '?(\d{1,6})'? ?sec", re.I)
_AFTER_DATE = re.compile(r"after '(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)[^']*'", re.I)
_TITLE = re.compile(r"<title>(.*?)</title>", re.I | re.S)
MESSAGE = 4096
"""How many characters of a message are searched and kept."""
_DENY = "DenyAssignmentAuthorizationFailed"


class ErrorBody(Struct, frozen=True):
    """What an error body says. `code` is never empty. `message` is "" where there is none.

    `inner` is the code of its first detail, which is specific where `code` is general (Resource Graph).
    """

    code: str
    message: str
    inner: str = ""


class ReadError(Exception):
    """A read that gave no usable answer. `url` is the ARM path without query. `status` is 0 where nothing answered.

    `action` is the RBAC action that would allow the read, "" where no role would. `inner`: see `ErrorBody`.
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
        """Whether the answer named a code. Errors of ARM do, pages of a gateway do not."""
        self.on_none: Callable[[ReadError], None] | None = None

    @property
    def is_refusal(self) -> bool:
        """Return whether Azure answered that it does not show this, and will not later."""
        return 400 <= self.status < 500 and self.status not in (408, 429)

    def means_none(self) -> None:
        """Note that this error is an answer: there is nothing to read. The journal of the scan keeps it."""
        if self.on_none is not None:
            self.on_none(self)


class Unanswered(ReadError):
    """A read of which no answer began in the time within which Azure answers. It is not sent again."""


class NoCredential(AccessError):
    """No login that was tried gave a token."""


class ExpiredLogin(AccessError):
    """Microsoft Entra ID no longer accepts the login."""


class LoginRefused(AccessError):
    """Microsoft Entra ID refused the login for another reason, whose AADSTS code the error names."""


class WrongTenant(AccessError):
    """What was requested belongs to another tenant than the login."""


class NothingReadable(AccessError):
    """The login works, and may read nothing of what was requested."""


class UntrustedCertificate(AccessError):
    """A host or proxy shows a certificate that is not trusted."""


class ProxyRefused(AccessError):
    """The proxy refused a connection."""


class Unreachable(AccessError):
    """A host could not be reached."""


def parse_error(status: int, body: bytes | str) -> ErrorBody:
    """Return the code and message of an error body, in any of the forms that ARM and the resource providers use."""
    decoded = _decoded(body)
    code, message = _code_and_message(decoded, 0)
    return ErrorBody(_clean_code(code, status), message, _inner(decoded))


def error_inside(body: object) -> ErrorBody | None:
    """Return the error that an answer with status 200 carries instead of a resource, or None."""
    if not isinstance(body, dict):
        return None
    inside = body.get("error", body.get("Error"))
    if not isinstance(inside, dict) or any(key in body for key in ("id", "value", "properties", "data")):
        return None
    code, message = _code_and_message(inside, 0)
    return ErrorBody(_clean_code(code, 200), message) if code or message else None


def missing_action(status: int, problem: ErrorBody, path: str) -> str:
    """Return the action that would allow the read of `path`: as the refusal names it, else as the path implies it.

    "" where roles did not cause the refusal: another status, or a deny assignment.
    """
    if status not in (401, 403) or problem.code == _DENY or "deny assignment" in problem.message.lower():
        return ""
    named = _REFUSED_ACTION.search(problem.message)
    if named and _ACTION.fullmatch(named[1]):
        return named[1]
    return read_action(path)


def read_error(path: str, status: int, body: bytes | str) -> ReadError:
    """Return the ReadError of an answer with an error status. A deny assignment has a code of its own."""
    problem = parse_error(status, body)
    if status == HTTPStatus.FORBIDDEN and "deny assignment" in problem.message.lower():
        problem = ErrorBody(_DENY, problem.message)
    action = missing_action(status, problem, path)
    error = ReadError(path, status, problem.code, action, problem.message, problem.inner)
    error.named = bool(_code_and_message(_decoded(body), 0)[0])
    return error


def read_action(path: str) -> str:
    """Return the RBAC action that a GET of an ARM path needs, e.g. `Microsoft.Storage/storageAccounts/read`."""
    segments = [segment for segment in path.split("?", 1)[0].split("/") if segment]
    for position in range(len(segments) - 1, -1, -1):
        if segments[position].lower() == "providers" and position + 1 < len(segments):
            namespace, *rest = segments[position + 1 :]
            return "/".join([namespace, *rest[0::2], "read"])
    if len(segments) > 2 and segments[2].lower() == "resourcegroups":
        return "Microsoft.Resources/subscriptions/resourceGroups/read"
    return "Microsoft.Resources/subscriptions/read"


def retry_after(headers: Mapping[str, str], message: str = "", *, now: datetime | None = None) -> float | None:
    """Return the seconds after which Azure asks to come back, from headers, else from the message, else None."""
    lower = {key.lower(): value for key, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = lower.get(name, "").strip()
        if value.replace(".", "", 1).isdigit() and value.isascii() and len(value) < 16:
            return float(value) * unit
    moment = _date(lower.get("retry-after", ""))
    if moment is None:
        seconds = _AFTER_SECONDS.search(message)
        if seconds:
            return float(seconds[1])
        date = _AFTER_DATE.search(message)
        moment = _iso_date(date[1]) if date else None
    return None if moment is None else max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _iso_date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decoded(body: bytes | str) -> object:
    text = body.decode("utf-8-sig", "replace") if isinstance(body, bytes) else body
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        title = _TITLE.search(text[:MESSAGE])
        return {"message": (title[1] if title else text).strip()[:500]}


def _code_and_message(body: object, depth: int) -> tuple[str, str]:
    """Return code and message of a decoded body; "" for each that it does not hold."""
    if isinstance(body, str):
        inner = _decoded(body) if body.lstrip().startswith("{") and depth < 4 else {"message": body[:500]}
        return _code_and_message(inner, depth + 1)
    if not isinstance(body, dict) or depth > 4:
        return "", ""
    keys = {str(key).lower(): value for key, value in body.items()}
    for wrapper in ("error", "errorresponse", "odata.error"):
        if isinstance(keys.get(wrapper), dict | str) and "code" not in keys:
            code, message = _code_and_message(keys[wrapper], depth + 1)
            if isinstance(keys[wrapper], str):
                code, message = keys[wrapper], _text(keys.get("error_description"))
            if code or message:
                return code, message
    return _first(keys, "code", "errorcode"), _first(keys, "message", "error_description", "detail", "title")


def _inner(body: object) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    first = details[0] if isinstance(details, list) and details else None
    return str(first.get("code") or "") if isinstance(first, dict) else ""


def _first(keys: Mapping[str, Any], *names: str) -> str:
    return next((text[:MESSAGE] for name in names if (text := _text(keys.get(name)))), "")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return next(_texts(value), "")
    return "" if value is None or isinstance(value, list | bool) else str(value)


def _texts(value: Mapping[str, Any]) -> Iterator[str]:
    for key, text in value.items():
        if str(key).lower() == "value" and isinstance(text, str):
            yield text


def _clean_code(code: str, status: int) -> str:
    """Return a code that is not empty and no copy of the status, without characters that could forge a line."""
    code = code.removeprefix(str(status)).strip() if len(code) > 3 and code[3:4] == " " else code.strip()
    if code and code != str(status) and _CODE.fullmatch(code):
        return code.replace(" ", "") if code.lower() == _phrase(status).lower() else code
    return _phrase(status).replace(" ", "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status{status}"
