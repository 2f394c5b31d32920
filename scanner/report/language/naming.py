"""Names of resources and types as people read them, and where Azure's portal shows a resource."""

from scanner.document.schema import Coverage

PORTALS = {
    "public": "https://portal.azure.com",
    "us-government": "https://portal.azure.us",
    "china": "https://portal.azure.cn",
}
"""The portal of each cloud, by `scan.cloud`. The only hosts, besides those of references, that a report links to."""


def product_names(coverage: Coverage) -> dict[str, str]:
    """Return what people call types, by type in lower case, where the last segment does not say it."""
    return {type.lower(): name for row in coverage.types for type, name in (row.names or {}).items()}


def path_name(id: str, parent: str | None, name: str) -> str:
    """Return the name of a resource with its parent's, `stplankart/planer`; just the `name` of a top-level resource.

    The names between the two are given too, but for `default`. `findings_table.js` has the same.
    """
    if not parent or not id.lower().startswith(parent.lower() + "/"):
        return name
    below = id[len(parent) + 1 :].split("/")
    pairs = zip(below[::2], below[1::2], strict=False)
    names = [last for type, last in pairs if type.lower() != "providers" and last.lower() != "default"]
    return "/".join([parent.rpartition("/")[2], *(names or [name])])
