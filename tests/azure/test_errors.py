"""Error bodies in every form that was seen: one code, one missing action, and when to come back."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from scanner.azure.errors import error_inside, parse_error, read_action, read_error, retry_after

REFUSED = "The client 'x' with object id 'x' does not have authorization to perform action '{}' over scope '/s'."
LINKED = (
    "The client has permission to perform action 'Microsoft.Network/publicIPAddresses/read' on scope '/a', however the "
    "current tenant 't' does not have authorization to perform action 'Microsoft.Network/subnets/join/action' on '/b'."
)
DENIED = (
    "The client has permission to perform action 'A/b/read'; however, the access is denied because of the deny "
    "assignment with name 'd'."
)
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st"

FORMS: dict[str, tuple[int, Any, str]] = {
    "error.code": (404, {"error": {"code": "ResourceNotFound", "message": "m"}}, "ResourceNotFound"),
    "top level": (404, {"code": "NotFound", "message": "m", "target": None, "details": []}, "NotFound"),
    "capitals": (429, {"Code": "429", "Message": "m", "Target": None, "Details": []}, "TooManyRequests"),
    "Error.Code": (
        409,
        {"Error": {"Code": "ResourceGroupDeletionBlocked", "Message": "m"}},
        "ResourceGroupDeletionBlocked",
    ),
    "ErrorCode with a language": (
        500,
        {"ErrorCode": "CloudInternalError", "Message": {"Language": "en-US", "Value": "m"}},
        "CloudInternalError",
    ),
    "ErrorResponse": (500, {"ErrorResponse": {"error": {"code": "500", "message": "m"}}}, "InternalServerError"),
    "message only": (405, {"Message": "m"}, "MethodNotAllowed"),
    "problem+json": (404, {"type": "https://x", "title": "m", "status": 404, "traceId": "1"}, "NotFound"),
    "details as text": (400, {"error": {"code": "BadRequest", "message": "m", "details": "text"}}, "BadRequest"),
    "status in the code": (500, {"error": {"code": "500 InternalServerError", "message": "m"}}, "InternalServerError"),
    "number": (400, {"code": 400309, "message": "m"}, "400309"),
    "empty code": (404, {"error": {"code": "", "message": "m"}}, "NotFound"),
    "null code": (403, {"error": {"code": None, "message": "m"}}, "Forbidden"),
    "odata": (
        404,
        {"odata.error": {"code": "Request_ResourceNotFound", "message": {"lang": "en", "value": "m"}}},
        "Request_ResourceNotFound",
    ),
    "Entra": (400, {"error": "invalid_grant", "error_description": "m"}, "invalid_grant"),
    "JSON in a string": (409, '{"error":{"code":"Unauthorized","message":"m"}}', "Unauthorized"),
}
TEXTS: dict[str, tuple[int, bytes, str, str]] = {
    "html": (503, b"<html>\r\n<head><title>m</title></head><body>x</body></html>", "ServiceUnavailable", "m"),
    "plain": (502, b"Forbidden\n", "BadGateway", "Forbidden"),
    "empty": (404, b"", "NotFound", ""),
    "byte order mark": (404, b'\xef\xbb\xbf{"error":{"code":"A","message":"m"}}', "A", "m"),
    "cut": (500, b'{"error":{"code":"A', "InternalServerError", '{"error":{"code":"A'),
    "null": (404, b"null", "NotFound", ""),
    "a list": (404, b"[1]", "NotFound", ""),
    "deep": (500, b'{"error":' * 2000 + b"1" + b"}" * 2000, "InternalServerError", ""),
    "unknown status": (599, b"", "Status599", ""),
}


@pytest.mark.parametrize(("status", "body", "code"), FORMS.values(), ids=FORMS)
def test_a_form(status: int, body: Any, code: str) -> None:
    problem = parse_error(status, msgspec.json.encode(body))
    assert (problem.code, problem.message) == (code, "m")


@pytest.mark.parametrize(("status", "body", "code", "message"), TEXTS.values(), ids=TEXTS)
def test_a_text(status: int, body: bytes, code: str, message: str) -> None:
    problem = parse_error(status, body)
    assert problem.code == code
    assert problem.message[:200] in (message, body.decode("utf-8", "replace")[:200])


@pytest.mark.parametrize("code", ["a\n::error::b", "x" * 81, "\u202e", "<script>"])
def test_a_code_cannot_forge_a_line(code: str) -> None:
    assert parse_error(403, msgspec.json.encode({"error": {"code": code}})).code == "Forbidden"


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (
            REFUSED.format("Microsoft.Storage/storageAccounts/blobServices/read"),
            "Microsoft.Storage/storageAccounts/blobServices/read",
        ),
        (LINKED, "Microsoft.Network/subnets/join/action"),
        ("You may not.", "Microsoft.Storage/storageAccounts/read"),
        (REFUSED.format("rm -rf / ; x"), "Microsoft.Storage/storageAccounts/read"),
    ],
)
def test_a_refusal_names_the_missing_action(message: str, action: str) -> None:
    error = read_error(
        ACCOUNT, 403, msgspec.json.encode({"error": {"code": "AuthorizationFailed", "message": message}})
    )
    assert (error.status, error.code, error.action) == (403, "AuthorizationFailed", action)


def test_a_deny_assignment_is_distinguished_and_no_role_cures_it() -> None:
    for code in ("AuthorizationFailed", "DenyAssignmentAuthorizationFailed"):
        error = read_error(ACCOUNT, 403, msgspec.json.encode({"error": {"code": code, "message": DENIED}}))
        assert (error.code, error.action) == ("DenyAssignmentAuthorizationFailed", "")


def test_only_a_refusal_has_an_action() -> None:
    assert read_error(ACCOUNT, 500, b"").action == ""
    assert read_error(ACCOUNT, 429, b"").action == ""


@pytest.mark.parametrize(
    ("path", "action"),
    [
        (
            f"{ACCOUNT}/blobServices/default/containers",
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
        ),
        (f"{ACCOUNT}/blobServices/default", "Microsoft.Storage/storageAccounts/blobServices/read"),
        ("/subscriptions/s/providers/Microsoft.Web/sites?api-version=1", "Microsoft.Web/sites/read"),
        ("/subscriptions/s/resourcegroups", "Microsoft.Resources/subscriptions/resourceGroups/read"),
        ("/subscriptions/s", "Microsoft.Resources/subscriptions/read"),
        ("/subscriptions", "Microsoft.Resources/subscriptions/read"),
        ("/providers/Microsoft.ResourceGraph/resources", "Microsoft.ResourceGraph/resources/read"),
        (
            "/providers/Microsoft.Management/managementGroups/m/descendants",
            "Microsoft.Management/managementGroups/descendants/read",
        ),
    ],
)
def test_the_action_of_a_path(path: str, action: str) -> None:
    assert read_action(path) == action


NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After": "17"}, "", 17.0),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"x-ms-retry-after-ms": "1500", "Retry-After": "9"}, "", 1.5),
        ({"Retry-After": "Wed, 25 Nov 2026 12:00:30 GMT"}, "", 30.0),
        ({"Retry-After": "Wed, 25 Nov 2026 11:00:00 GMT"}, "", 0.0),
        ({}, "Please try again after '324' seconds.", 324.0),
        ({}, "Please retry after '2026-11-25T12:00:05.0000000Z' UTC.", 5.0),
        ({"Retry-After": "soon"}, "", None),
        ({"Retry-After": "٣"}, "", None),
        ({"Retry-After": "-1"}, "", None),
        ({}, "The request is being throttled.", None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], message: str, seconds: float | None) -> None:
    assert retry_after(headers, message, now=NOW) == seconds


def test_an_error_inside_a_200() -> None:
    inside = error_inside({"error": {"code": "Broken", "message": "m"}})
    assert inside is not None
    assert inside.code == "Broken"
    bodies: tuple[object, ...] = (
        {"id": "/x", "error": {"code": "a"}},
        {"value": [], "error": {"code": "a"}},
        {"error": None},
        [],
        {},
    )
    for body in bodies:
        assert error_inside(body) is None
