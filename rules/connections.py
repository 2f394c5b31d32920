"""What is kept of connections of Foundry and Machine Learning: never their credentials, of a target no more than its host."""

from typing import Any, Final

from scanner.model.json_paths import get_path, is_absent, member, same

WRONG: Final[list[Any]] = []
"""What is kept of a value of a wrong type: rules find it inconclusive."""
KEPT = ("authType", "category", "isSharedToAll", "target", "metadata")


def without_credentials(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a connection with what rules read alone: of its target the scheme and host, of its metadata the id."""
    properties = member(body, "properties")
    if not isinstance(properties, dict):
        return body
    wanted = {each.lower() for each in KEPT}
    kept = {name: value for name, value in properties.items() if name.lower() in wanted}
    for name, value in kept.items():
        if same(name, "target"):
            kept[name] = _origin(value)
        elif same(name, "metadata"):
            kept[name] = _id_of(value)
    return {**body, "properties": kept}


def _id_of(metadata: Any) -> Any:
    """Return metadata with its id of a resource alone; `WRONG` for metadata or an id of another type."""
    if not isinstance(metadata, dict):
        return None if metadata is None else WRONG
    id = get_path(metadata, "ResourceId")
    if not is_absent(id) and not isinstance(id, str):
        return {"ResourceId": WRONG}
    return {"ResourceId": id} if isinstance(id, str) and id.startswith("/subscriptions/") else {}


def _origin(value: Any) -> Any:
    """Return scheme and host of a URL; a host without a scheme; `WRONG` for what is no text, which may hold secrets."""
    if not isinstance(value, str):
        return None if value is None else WRONG
    scheme, mark, _ = value.partition("://")
    return f"{scheme}{mark}{host_of(value)}" if mark else host_of(value)


def host_of(value: Any) -> str:
    """Return the host of a URL without port, user and path; "" without one, and for the id of a resource."""
    if not isinstance(value, str) or value.startswith("/"):
        return ""
    rest = value.partition("://")[2] if "://" in value else value
    for mark in "/?#\\":
        rest = rest.partition(mark)[0]
    return rest.rpartition("@")[2].partition(":")[0].strip().lower()
