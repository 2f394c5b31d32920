"""Names of resources and types as people read them, and where Azure's portal shows a resource."""

import re
from collections.abc import Mapping

from scanner.document.schema import Coverage

PORTALS = {
    "public": "https://portal.azure.com",
    "us-government": "https://portal.azure.us",
    "china": "https://portal.azure.cn",
}
"""The portal of each cloud, by `scan.cloud`. The only hosts, besides those of references, that a report links to."""

_WORDS = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_PLURALS = (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ss", "ss"), ("us", "us"), ("s", ""))


def product_names(coverage: Coverage) -> dict[str, str]:
    """Return what people call types, by type in lower case, where the last segment does not say it."""
    return {type.lower(): name for row in coverage.types for type, name in (row.names or {}).items()}


def type_name(type: str, products: Mapping[str, str]) -> str:
    """Return a resource type in a few words: that of `products`, or `Load balancer` for `.../loadBalancers`."""
    known = products.get(type.lower())
    if known:
        return known
    words = _WORDS.findall(type.rpartition("/")[2])
    if not words:
        return type
    first, *others = (word if word.isupper() and len(word) > 1 else word.lower() for word in words)
    text = " ".join([first, *others])
    ending = next((each for each in _PLURALS if text.endswith(each[0])), ("", ""))
    text = text.removesuffix(ending[0]) + ending[1] if ending[0] else text
    return text[:1].upper() + text[1:]


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
