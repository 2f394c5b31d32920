"""The parts of an ARM resource id or path: type, subscription, resource group, name, bundle."""

from functools import lru_cache


@lru_cache(maxsize=8192)
def segments(url: str) -> tuple[str, ...]:
    """Return the segments of an ARM id or path in lower case, without empty ones. An id or path has no query: what
    follows a question mark is of the name.
    """
    return tuple(segment for segment in url.lower().split("/") if segment)


def is_plain(url: str) -> bool:
    """Return whether an id or path is written as Azure writes ids: ASCII, no empty segments."""
    return url[:1] == "/" and url[-1] != "/" and "//" not in url and url.isascii()


@lru_cache(maxsize=8192)
def type_of(resource_id: str) -> str:
    """Return the ARM type that an id names, as the id spells it; "" for a subscription or a resource group."""
    low = resource_id.lower()
    if is_plain(resource_id) and not low.endswith("/providers"):
        start = low.rfind("/providers/")
        rest = resource_id[start + len("/providers/") :].split("/") if start >= 0 else []
        return "/".join((rest[0], *rest[1::2])) if len(rest) > 1 else ""
    pieces = [segment for segment in resource_id.split("/") if segment]
    for position in range(len(pieces) - 1, -1, -1):
        if pieces[position].lower() == "providers":
            rest = pieces[position + 1 :]
            return "/".join([*rest[:1], *rest[1::2]]) if len(rest) > 1 else ""
    return ""


SUBSCRIPTION = "Microsoft.Resources/subscriptions"
"""The type of a subscription, whose id names no provider."""


def is_subscription(resource_id: str) -> bool:
    """Return whether an id or path is that of a subscription itself."""
    pieces = segments(resource_id)
    return len(pieces) == len(("subscriptions", "id")) and pieces[0] == "subscriptions"


def resource_type_of(resource_id: str) -> str:
    """Return the ARM type of a resource or bundle, that of a subscription included; "" for a resource group."""
    return type_of(resource_id) or (SUBSCRIPTION if is_subscription(resource_id) else "")


def subscription_of(url: str) -> str:
    """Return the subscription id that an id or path names, in lower case; "" without one."""
    pieces = segments(url)
    return pieces[1] if len(pieces) > 1 and pieces[0] == "subscriptions" else ""


@lru_cache(maxsize=8192)
def group_of(resource_id: str) -> str:
    """Return the resource group that an id names, as the id spells it; "" without one."""
    pieces = [segment for segment in resource_id.split("/") if segment]
    return pieces[3] if len(pieces) > 3 and pieces[2].lower() == "resourcegroups" else ""


def subnet_name(subnet: str) -> str:
    """Return `vnet-a/snet-b` for the id of a subnet, "" for ""."""
    return "/".join(subnet.rstrip("/").split("/")[-3::2])


_CHILD_BUNDLES = frozenset({"microsoft.web/sites/slots"})
"""Nested types of which each resource is a bundle of its own."""

_PERIMETERS = "microsoft.network/networksecurityperimeters"
_LISTED_NESTED = frozenset(
    {
        *_CHILD_BUNDLES,
        f"{_PERIMETERS}/profiles",
        f"{_PERIMETERS}/profiles/accessrules",
        f"{_PERIMETERS}/resourceassociations",
        "microsoft.network/firewallpolicies/rulecollectiongroups",
    }
)
"""Nested types that one list reads for a whole subscription: the path below a parent is that list, not a resource."""


OF_SUBSCRIPTION = frozenset(
    {
        "microsoft.alertsmanagement/actionrules",
        "microsoft.authorization/denyassignments",
        "microsoft.authorization/locks",
        "microsoft.authorization/policyassignments",
        "microsoft.authorization/policydefinitions",
        "microsoft.authorization/policyexemptions",
        "microsoft.authorization/policysetdefinitions",
        "microsoft.authorization/roleassignments",
        "microsoft.authorization/roledefinitions",
        "microsoft.consumption/budgets",
        "microsoft.costmanagement/scheduledactions",
        "microsoft.insights/diagnosticsettings",
        "microsoft.security/pricings",
        "microsoft.security/securitycontacts",
        "microsoft.security/servervulnerabilityassessmentssettings",
        "microsoft.security/settings",
    }
)
"""Types that one list reads for a whole subscription, and that belong to the bundle of the subscription."""

QUOTA_TYPES = ("Microsoft.Compute/locations/usages", "Microsoft.Network/locations/usages")
"""Types of quotas: one list reads them for a region of a subscription, and they belong to no bundle."""
_REGIONAL = frozenset(each.lower() for each in QUOTA_TYPES)

SET_ANYWHERE = frozenset(
    {
        "microsoft.authorization/denyassignments",
        "microsoft.authorization/locks",
        "microsoft.authorization/policyexemptions",
        "microsoft.authorization/roleassignments",
    }
)
"""Types of `OF_SUBSCRIPTION` that belong to the subscription also where they are set on a resource."""


def _is_of_subscription(type: str, above: int) -> bool:
    """Return whether a type belongs to the bundle of its subscription. `above`: the providers that its id names
    before its own.
    """
    return type in OF_SUBSCRIPTION and (above == 0 or type in SET_ANYWHERE)


@lru_cache(maxsize=2048)
def root_of(url: str) -> str:
    """Return the id (lower case) of the bundle of a resource, or of a read below one; "" for a list of a
    subscription or of a region, and for a subscription itself: a failed read of its path means that it is visible in
    part.
    """
    pieces = segments(url)
    above = pieces.count("providers") - 1
    if above < 0:
        return ""
    start = pieces.index("providers")
    tail = pieces[start + 1 :] if above == 0 else pieces[len(pieces) - pieces[::-1].index("providers") :]
    type = "/".join((tail[0], *tail[1::2])) if len(tail) > 1 else ""
    if _is_of_subscription(type, above) and pieces[0] == "subscriptions":
        return "/" + "/".join(pieces[:2])
    end = start + 4
    if start == 2 and type in _REGIONAL:
        return ""
    if len(pieces) < end or (start == 2 and "/".join(pieces[start + 1 :]) in _LISTED_NESTED):
        return ""
    if len(pieces) >= end + 2 and f"{pieces[start + 1]}/{pieces[start + 2]}/{pieces[end]}" in _CHILD_BUNDLES:
        end += 2
    return "/" + "/".join(pieces[:end])


def is_below(url: str, root: str) -> bool:
    """Return whether an id or path is in a bundle, as far as its beginning tells: False is no answer.

    `root`: the bundle's id, in lower case as `root_of` gives it.
    """
    below = url[len(root) :].lower()
    return (
        (below[:1] == "/" or not below)
        and is_plain(url)
        and "/providers/" not in f"{below}/"
        and url[: len(root)].lower() == root
        and has_plain_members(root)
    )


def has_plain_members(root: str) -> bool:
    """Return whether every path below a bundle (its id in lower case) without a further provider is of it."""
    return (
        "/resourcegroups/" in root
        and root.count("/providers/") == 1
        and not root.startswith("/providers/microsoft.web/sites/", root.find("/providers/"))
    )


def bundle_of(resource_id: str) -> str:
    """Return the id (lower case) of the bundle of a resource, that of a subscription included; "" without one."""
    return root_of(resource_id) or ("/" + "/".join(segments(resource_id)) if is_subscription(resource_id) else "")


def list_of(resource_id: str) -> str:
    """Return the path (lower case) of the list that a resource is in: for a lock or a role assignment that of its
    subscription.
    """
    type = type_of(resource_id).lower()
    if type not in OF_SUBSCRIPTION and is_plain(resource_id):
        return resource_id.lower().rpartition("/")[0] or "/"
    pieces = segments(resource_id)
    if type in OF_SUBSCRIPTION and is_subscription(root_of(resource_id)):
        return f"{root_of(resource_id)}/providers/{type}"
    return "/" + "/".join(pieces[:-1])


def is_bundle_list(url: str) -> bool:
    """Return whether a path is the list, below a resource, of resources that are bundles of their own (slots)."""
    return type_of(f"{url}/name").lower() in _CHILD_BUNDLES


def path_of(resource_id: str) -> str:
    """Return the name of a resource after those of its parents, `stplankart/planer`; `default` only at the end."""
    rest = [segment for segment in resource_id.split("/") if segment]
    lower = [segment.lower() for segment in rest]
    if "providers" in lower:
        rest = rest[len(lower) - lower[::-1].index("providers") + 1 :]
    names = rest[1::2]
    return "/".join([each for each in names[:-1] if each.lower() != "default"] + names[-1:]) or name_of(resource_id)


def name_of(resource_id: str) -> str:
    """Return the last segment of an id, as the id spells it."""
    return resource_id.rstrip("/").rsplit("/", 1)[-1]


def normalized_id(resource_id: str) -> str:
    """Return what tells ids apart: the id in lower case, without empty segments."""
    return resource_id.lower() if is_plain(resource_id) else "/" + "/".join(segments(resource_id))
