"""ARM paths taken apart, and how paths and patterns compare."""

import re
from fnmatch import fnmatchcase
from urllib.parse import unquote

import msgspec


class ArmPath(msgspec.Struct, frozen=True):
    """An ARM path taken apart."""

    path: str
    kind: str
    """The type that is read, as the path spells it."""
    name: str
    """"" where the path is a list."""
    scope: str
    """The scope on which the permission is needed."""
    subscription: str
    group: str
    parents: tuple[str, ...]
    """The names above the last one, outermost first."""

    @property
    def action(self) -> str:
        """Return the RBAC action of the read."""
        return f"{self.kind}/read"


SUBSCRIPTION = re.compile(r"^/subscriptions/(?!providers(?:/|$)|resourcegroups(?:/|$))([^/]+)")
GROUP = re.compile(r"^/subscriptions/[^/]+/resourcegroups/([^/]+)")
CONTAINER_KINDS = {
    "resourcegroups": "Microsoft.Resources/subscriptions/resourceGroups",
    "resources": "Microsoft.Resources/subscriptions/resources",
    "locations": "Microsoft.Resources/subscriptions/locations",
    "providers": "Microsoft.Resources/subscriptions/providers",
}


SINGLE = frozenset({"instanceview"})
"""Single resources whose path ends like that of a list."""


def parse_path(path: str) -> ArmPath | None:
    """Return the path of a read taken apart, or None where it is no ARM path."""
    path = "/" + "/".join(segment for segment in unquote(path).split("/") if segment)
    lower = path.lower()
    match = SUBSCRIPTION.match(lower)
    subscription = match[1] if match else ""
    match = GROUP.match(lower)
    group = path[match.start(1) : match.end(1)] if match else ""
    cut = lower.rfind("/providers/")
    if cut < 0 or cut + len("/providers/") == len(lower):
        return _container(path, subscription, group)
    segments = path[cut + len("/providers/") :].split("/")
    if len(segments) < 2:
        return ArmPath(
            path, "Microsoft.Resources/subscriptions/providers", segments[0], path[:cut], subscription, group, ()
        )
    types, names = segments[1::2], segments[2::2]
    if types[-1].lower() in SINGLE and len(types) > len(names):
        return ArmPath(path, "/".join([segments[0], *types]), types[-1], path, subscription, group, tuple(names))
    listed = len(types) > len(names)
    kind = "/".join([segments[0], *types])
    scope = (path.rsplit("/", 1)[0] if len(segments) > 2 else path[:cut]) if listed else path
    name = "" if listed else names[-1]
    return ArmPath(path, kind, name, scope or "/", subscription, group, tuple(names if listed else names[:-1]))


def _container(path: str, subscription: str, group: str) -> ArmPath | None:
    segments = path.strip("/").split("/")
    match [segments[0].lower(), *segments[1:]]:
        case ["subscriptions"]:
            return ArmPath(path, "Microsoft.Resources/subscriptions", "", "/", "", "", ())
        case ["tenants"]:
            return ArmPath(path, "Microsoft.Resources/tenants", "", "/", "", "", ())
        case ["subscriptions", name]:
            return ArmPath(path, "Microsoft.Resources/subscriptions", name, path, subscription, "", ())
        case ["subscriptions", _, word] if word.lower() in CONTAINER_KINDS:
            return ArmPath(path, CONTAINER_KINDS[word.lower()], "", path.rsplit("/", 1)[0], subscription, "", ())
        case ["subscriptions", _, word, name] if word.lower() == "resourcegroups":
            return ArmPath(path, CONTAINER_KINDS["resourcegroups"], name, path, subscription, group, ())
        case ["subscriptions", _, word, _, "resources"] if word.lower() == "resourcegroups":
            return ArmPath(path, CONTAINER_KINDS["resources"], "", path.rsplit("/", 1)[0], subscription, group, ())
    return None


def owner(at: ArmPath) -> str | None:
    """Return the id of the top-level resource above a child or extension path, None for top-level paths."""
    before = at.path[: at.path.lower().rfind("/providers/")]
    if "/providers/" in before.lower():
        return before
    if not at.parents:
        return None
    return "/".join(at.path.split("/")[: before.count("/") + 1 + 4])


def below(scope: str, path: str) -> bool:
    """Return whether `path` is the scope or something below it, without case."""
    scope, path = scope.lower().rstrip("/"), path.lower()
    return path == scope or path.startswith(scope + "/")


def matches(pattern: str, text: str) -> bool:
    """Return whether a text fits a pattern with `*` and `?`, without case. `*` also spans `/`."""
    return pattern == "*" or fnmatchcase(text.lower(), pattern.lower().replace("[", "[[]"))
