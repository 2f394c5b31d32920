"""Error answers in the forms of ARM, Resource Graph and Microsoft Entra ID.

The structure (place of code and message, headers) follows recorded answers. The sentences are our own unless a client
could reasonably match on them.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

JSON = "application/json; charset=utf-8"


class HttpAnswer(msgspec.Struct, frozen=False):
    """One HTTP answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}
    content_type: str = JSON
    packed: bytes | None = None
    """The body in gzip, made when a client first accepts it."""


def answer(value: Any, status: int = 200, **headers: str) -> HttpAnswer:
    """Return `value` as a JSON answer. Header names are given with `_` for `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return HttpAnswer(status, msgspec.json.encode(value), named)


def arm_error(status: int, code: str, message: str, cause: str = "gateway", **more: Any) -> HttpAnswer:
    """Return an error in ARM's usual form: `{"error": {"code", "message", ...}}` and x-ms-failure-cause."""
    return answer({"error": {"code": code, "message": message, **more}}, status, x_ms_failure_cause=cause)


def web_error(status: int, code: str, message: str) -> HttpAnswer:
    """Return an error in App Service's form: capitalised names, the code as text, the message three times."""
    entity = {"ExtendedCode": "51004", "MessageTemplate": message, "Parameters": [], "Code": code, "Message": message}
    details = [{"Message": message}, {"Code": code}, {"ErrorEntity": entity}]
    body = {"Code": code, "Message": message, "Target": None, "Details": details, "Innererror": None}
    return answer(body, status, x_ms_failure_cause="service")


def missing_api_version() -> HttpAnswer:
    text = "The api-version query parameter (?api-version=) is required for all requests."
    return arm_error(400, "MissingApiVersionParameter", text)


def no_registered_provider(kind: str, version: str, supported: str) -> HttpAnswer:
    text = (
        f"No registered resource provider found for location 'global' and API version '{version}' for type '{kind}'. "
        f"The supported api-versions are '{supported}'. The supported locations are ', global'."
    )
    return arm_error(400, "NoRegisteredProviderFound", text)


def no_permissions(status: int) -> HttpAnswer:
    """Return the answer of a gateway that does not route the permissions of a whole subscription."""
    if status == 405:
        return arm_error(405, "MethodNotAllowed", "The requested resource does not support http method 'GET'.")
    text = "The resource type could not be found in the namespace 'Microsoft.Authorization'."
    return arm_error(status, "InvalidResourceType", text)


def invalid_api_version(version: str) -> HttpAnswer:
    return arm_error(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")


VersionRefusal = Literal["NoRegisteredProviderFound", "InvalidResourceType", "InvalidApiVersionParameter"]
"""The codes with which ARM refuses an api-version, and names those that it serves."""


def unserved_version(code: VersionRefusal, kind: str, version: str, served: Sequence[str]) -> HttpAnswer:
    """Return ARM's answer to a version that it does not serve of a type."""
    namespace, _, name = kind.partition("/")
    if code == "InvalidResourceType":
        text = (
            f"The resource type '{name}' could not be found in the namespace '{namespace}' for api version '{version}'."
            f" The supported api-versions are '{','.join(served)}'."
        )
        return arm_error(404, code, text)
    if code == "InvalidApiVersionParameter":
        text = f"The api-version '{version}' is invalid. The supported versions are '{','.join(served)}'."
        return arm_error(400, code, text)
    return no_registered_provider(name, version, ", ".join(served))


def invalid_type(namespace: str, kind: str, version: str) -> HttpAnswer:
    text = f"The resource type '{kind}' could not be found in the namespace '{namespace}' for api version '{version}'."
    return arm_error(404, "InvalidResourceType", text)


def not_registered(namespace: str) -> HttpAnswer:
    text = (
        f"The subscription is not registered to use namespace '{namespace}'. "
        "See https://aka.ms/rps-not-found for how to register subscriptions."
    )
    detail = {"code": "MissingSubscriptionRegistration", "target": namespace, "message": text}
    return arm_error(409, "MissingSubscriptionRegistration", text, details=[detail])


def forbidden(principal: str, action: str, scope: str, denied_by: str | None = None) -> HttpAnswer:
    """Return ARM's 403. `denied_by`: the id of a deny assignment, which the answer then names."""
    if denied_by:
        text = (
            f"The client '{principal}' with object id '{principal}' has permission to perform action '{action}' "
            f"on scope '{scope}'; however, the access is denied because of the deny assignment with name "
            f"'System deny assignment' and Id '{denied_by}' at scope '{scope}'."
        )
        return arm_error(403, "DenyAssignmentAuthorizationFailed", text)
    return arm_error(403, "AuthorizationFailed", refusal_text(principal, action, scope))


def refusal_text(principal: str, action: str, scope: str) -> str:
    """Return ARM's message for a missing action."""
    return (
        f"The client '{principal}' with object id '{principal}' does not have authorization "
        f"to perform action '{action}' over scope '{scope}' or the scope is invalid. "
        "If access was recently granted, please refresh your credentials."
    )


def no_subscription(subscription: str) -> HttpAnswer:
    return arm_error(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def no_group(group: str) -> HttpAnswer:
    return arm_error(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def no_parent(name: str) -> HttpAnswer:
    text = f"Can not perform requested operation on nested resource. Parent resource '{name}' not found."
    return arm_error(404, "ParentResourceNotFound", text)


def no_resource(kind: str, name: str, group: str) -> HttpAnswer:
    text = (
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return arm_error(404, "ResourceNotFound", text)


def no_child(kind: str, name: str) -> HttpAnswer:
    """Return the answer for a child that does not exist. Each provider has its own code."""
    if kind.startswith("microsoft.web/"):
        return web_error(404, "NotFound", f"Cannot find {kind.rsplit('/', 1)[-1]} with name {name}.")
    codes = {
        "microsoft.app/containerapps/authconfigs": "AuthConfigNotFound",
        "microsoft.storage/storageaccounts/blobservices/containers": "ContainerNotFound",
        "microsoft.storage/storageaccounts/fileservices/shares": "ShareNotFound",
    }
    code = codes.get(kind, "ResourceNotFound")
    return arm_error(404, code, f"The requested resource of type '{kind}' with name '{name}' was not found.", "service")


def read_only(method: str) -> HttpAnswer:
    text = f"The sandbox is read-only: {method} is refused."
    return answer({"error": {"code": "MethodNotAllowed", "message": text}}, 405, Allow="GET, HEAD")


def unauthenticated(tenant: str, authority: str, code: str, message: str, status: int = 401) -> HttpAnswer:
    why = f'Bearer authorization_uri="{authority}/{tenant}", error="invalid_token", error_description="{message}"'
    return answer(
        {"error": {"code": code, "message": message}}, status, WWW_Authenticate=why, x_ms_failure_cause="gateway"
    )


def throttled(code: str, message: str, retry_after: int, **headers: str) -> HttpAnswer:
    http_answer = arm_error(429, code, message)
    http_answer.headers["Retry-After"] = str(retry_after)
    http_answer.headers.update({name.replace("_", "-"): text for name, text in headers.items()})
    return http_answer


def graph_error(status: int, code: str, detail: str, message: str) -> HttpAnswer:
    """Return an error in Resource Graph's form: a general outer message, and the specific code in `details`."""
    details = [{"code": detail, "message": message}]
    outer = "Please provide below info when asking for support: correlationId = 00000000-0000-0000-0000-000000000000."
    return arm_error(status, code, outer, "service", details=details)
