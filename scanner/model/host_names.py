"""The hosts of resources whose name alone does not say them: apps, their slots, and container groups."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from scanner.model.ids import resource_type_of
from scanner.model.json_paths import is_absent, peek

_LIST: Final = "properties.hostNames"
_OF_APPS: Final = ("properties.defaultHostName", _LIST)
HOST_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "microsoft.web/sites": _OF_APPS,
    "microsoft.web/sites/slots": _OF_APPS,
    "microsoft.containerinstance/containergroups": ("properties.ipAddress.fqdn",),
}
"""Where the hosts of a type (lower case) are: a text, or a list of texts."""
MARKS: Final = (b"/microsoft.web/sites/", b"/microsoft.containerinstance/containergroups/")
"""Only lines with such a text (lower case) are about resources of these types."""


def host_names(body: Any) -> Iterator[str]:
    """Yield the hosts (lower case) that a resource names as its own; none where one of them is no text."""
    id = peek(body, "id")
    matches: list[Any] = []
    for path in HOST_PATHS.get(resource_type_of(id).lower(), ()) if isinstance(id, str) else ():
        value = peek(body, path)
        if not is_absent(value):
            matches += value if path == _LIST and isinstance(value, list) else [value]
    if all(isinstance(each, str) for each in matches):
        yield from (each.lower() for each in matches if each)
