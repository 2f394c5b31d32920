"""The words that a redacted report may hold: those of the built-in rules and of our own, none that Azure returned."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from scanner.document.schema import RuleRow
from scanner.evaluate.rows import rule_row
from scanner.model.framework import Framework
from scanner.model.index import INDEX_TYPES
from scanner.rulebook.kept import built_in
from scanner.rulebook.loader import RuleSet, load
from scanner.rulebook.permissions import askable

_VALUES = frozenset(
    [
        "absent",
        "none",
        "enabled",
        "disabled",
        "allow",
        "deny",
        "enforced",
        "learning",
        "audit",
        "secured",
        "securedbyperimeter",
        "standard",
        "basic",
        "premium",
        "developer",
        "free",
        "shared",
        "storage",
        "storagev2",
        "blobstorage",
        "blockblobstorage",
        "filestorage",
        "azureservices",
        "current",
        "on",
        "off",
        "blob",
        "container",
        "public",
        "private",
        "approved",
        "pending",
        "rejected",
        "disconnected",
        "required",
        "optional",
        "always",
        "never",
    ]
)
"""Values of settings that are no names, in lower case."""
_VERSION = re.compile(r"TLS[_v]?\d[._]\d|[0-9]\.[0-9]", re.IGNORECASE)
_PORT = re.compile(r"(tcp|udp)/([0-9]{1,5}(-[0-9]{1,5})?|\*)|\*/\*", re.IGNORECASE)
_CODES = frozenset(
    [
        "AuthorizationFailed",
        "Forbidden",
        "Unauthorized",
        "LinkedAuthorizationFailed",
        "ResourceNotFound",
        "NotFound",
        "TooManyRequests",
        "InternalServerError",
        "BadGateway",
        "ServiceUnavailable",
        "GatewayTimeout",
        "RequestTimeout",
        "Timeout",
        "Reset",
        "Deadline",
        "NoSecondLook",
        "SubscriptionMissing",
        "SubscriptionDisabled",
        "SubscriptionNotFound",
        "BadSubscriptionId",
        "DuplicateId",
        "RowsLost",
        "NoCredential",
        "ExpiredLogin",
        "LoginRefused",
        "WrongTenant",
        "NotVisibleInHomeTenant",
        "NoReadableSubscription",
        "OtherTenant",
        "NotInTheseTenants",
    ]
)


class Vocabulary(Struct, frozen=True):
    """What may stand in a redacted report. `types`: the segments of ARM types by their lower case.
    `paths`: those of settings, in lower case. `products`: what people call types, by type.
    """

    rules: dict[str, RuleRow]
    types: dict[str, str]
    paths: frozenset[str]
    endpoints: frozenset[str]
    actions: frozenset[str]
    values: frozenset[str]
    frameworks: dict[str, Framework]
    products: dict[str, str]

    def is_value(self, value: Any) -> bool:
        """Return whether a value of the evidence is a number, a switch or a known word."""
        if value is None or isinstance(value, bool | int | float):
            return True
        return isinstance(value, str) and (value.lower() in self.values or bool(_VERSION.fullmatch(value)))

    def is_port(self, endpoint: str) -> bool:
        """Return whether an endpoint is a port, or any."""
        return bool(_PORT.fullmatch(endpoint))

    def code(self, code: str) -> str:
        """Return a known error code, else `Error`."""
        return code if code in _CODES else "Error"


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """Return the words of the built-in rules."""
    rule_set = load(packages=False)
    segments: dict[str, str] = {"providers": "providers"}
    for type in _types(rule_set):
        segments.update({each.lower(): each for each in type.split("/")})
    paths = {path for each in built_in().values() for text in each for path in _prefixes(text)}
    endpoints = {name.partition("/")[0] for kind in rule_set.kinds for name in kind.endpoint_names} - {"*"}
    return Vocabulary(
        rules={id: rule_row(each) for id, each in rule_set.questions().items()},
        types=segments,
        paths=frozenset(paths),
        endpoints=frozenset(endpoints),
        products={type: name for kind in rule_set.kinds for type, name in kind.product_names().items()},
        actions=askable(),
        values=_VALUES,
        frameworks=rule_set.frameworks,
    )


def _prefixes(path: str) -> Iterable[str]:
    """Yield a path (lower case) and those above it, with and without the mark of a list."""
    while path:
        yield path
        yield path.removesuffix("[]")
        path = path.rpartition(".")[0]


def _types(rules: RuleSet) -> Iterable[str]:
    yield from INDEX_TYPES
    for kind in rules.kinds:
        yield from kind.types
        for child in kind.children:
            yield from child.types
            # A single resource below another one has a name in its path, which is Azure's own (`blobServices/default`).
            yield from child.path.split("/")[::2]
