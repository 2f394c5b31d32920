"""Tries a fix: applies its changes to the bodies of a bundle, so that rules can be asked again, and takes them back."""

import operator
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from scanner.model.ids import id_key, resource_type_of
from scanner.model.index import is_indexed
from scanner.model.json_paths import get_path
from scanner.model.keys import SAMPLE_VAULT
from scanner.model.remedy import Edit, Step, changed
from scanner.model.resource import Bundle, Resource

RETURNED_LISTS: Final = {
    "properties.networkAcls": ("ipRules", "ipv6Rules", "virtualNetworkRules"),
    "properties.networkProfile.accountAccess": ("ipRules",),
    "properties.networkProfile.nodeManagementAccess": ("ipRules",),
}
"""Lists that Azure returns, empty, in an object that a change made."""


SAMPLES: Final = {
    "YOUR_RANGE": "20.31.7.9/32",
    "CLIENT_ID": "00000000-0000-0000-0000-000000000003",
    "KEY_URI": f"https://{SAMPLE_VAULT}/keys/sample",
    "KEY_VERSION_URI": f"https://{SAMPLE_VAULT}/keys/sample/0123456789abcdef0123456789abcdef",
    "VAULT_URI": f"https://{SAMPLE_VAULT}/",
    "KEY_NAME": "sample",
    "ORIGIN": "https://portal.contoso.com",
}
"""What is put into the fields of a fix: one public address is narrow, whatever the settings."""
_FIELD = re.compile(r"<([A-Z][A-Z0-9_]*)>")


def can_try(top: Resource, steps: Sequence[Step]) -> bool:
    """Return whether changes are all in the bundle of a resource, with values that are known.

    The index has what other rules know of a resource of its types, so that a change of one would not be seen
    everywhere.
    """
    if not steps or is_indexed(resource_type_of(top.bundle.id)):
        return False
    return all(isinstance(each, Edit) and _is_within(each.resource, top) and _is_known(each.value) for each in steps)


def _is_known(value: Any) -> bool:
    if type(value) is bool:
        return True
    return all(
        name in SAMPLES or name == "TENANT_ID" for name in _FIELD.findall(value if type(value) is str else repr(value))
    )


def _is_within(id: str, top: Resource) -> bool:
    """Return whether an id is that of a resource or below it. What extends it is looked up elsewhere."""
    key = id_key(id)
    return key == top.key or (key.startswith(f"{top.key}/") and "/providers/" not in key[len(top.key) :])


@contextmanager
def applied(bundle: Bundle, steps: Sequence[Step], tenant: str) -> Iterator[bool]:
    """Apply edits to the bodies of a bundle, and take them back at the end. Yield whether they change anything.

    A resource that an edit makes counts as read. `tenant`: that of the resource.
    """
    memo, before, made = bundle.memo, dict[str, Any](), list[tuple[Resource, dict[str, int]]]()
    bundle.memo = None if memo is None else {}
    try:
        for each in steps:
            assert isinstance(each, Edit)
            resource = bundle.resources.get(id_key(each.resource))
            if resource is None:
                resource, reads = _new(bundle, each.resource)
                made.append((resource, reads))
            before.setdefault(resource.key, resource.body)
            _set_body(resource, edited(resource.body, each._replace(value=_filled(each.value, tenant))))
        yield bool(made) or any(bundle.resources[key].body != body for key, body in before.items())
    finally:
        bundle.memo = memo
        for key, body in before.items():
            _set_body(bundle.resources[key], body)
        for resource, reads in reversed(made):
            _forget(bundle, resource, reads)


def edited(body: Any, edit: Edit) -> Any:
    """Return a body with an edit, as Azure would return it."""
    body = changed(body, edit)
    for place, names in RETURNED_LISTS.items():
        if edit.path.startswith(f"{place}."):
            for name in names:
                if not isinstance(get_path(body, f"{place}.{name}"), list):
                    body = changed(body, Edit("", f"{place}.{name}", []))
    return body


def _filled(value: Any, tenant: str) -> Any:
    """Return a value with samples in its fields; the same object where it has none, because a part of an older
    snapshot says what it does not hold.
    """
    if isinstance(value, dict):
        members = {key: _filled(each, tenant) for key, each in dict.items(value)}
        return value if all(members[key] is each for key, each in dict.items(value)) else members
    if isinstance(value, list):
        entries = [_filled(each, tenant) for each in value]
        return value if all(map(operator.is_, entries, value)) else entries
    if not isinstance(value, str) or "<" not in value:
        return value
    return _FIELD.sub(lambda hit: SAMPLES.get(hit[1], tenant), value)


def _set_body(resource: Resource, body: Any) -> None:
    resource.body = body
    resource.has_no_properties = Resource.lacks_properties(body, resource.type)


def _new(bundle: Bundle, id: str) -> tuple[Resource, dict[str, int]]:
    """Add a resource to a bundle. Return it, and the counts of its reads before."""
    body = {"id": id, "name": id.rsplit("/", 1)[-1], "properties": {}}
    resource = Resource(body, by="get", bundle=bundle)
    reads = {key: bundle.reads[key] for key in (resource.key, resource.list_key) if key in bundle.reads}
    bundle.add(resource)
    bundle.reads[resource.key] = 1
    bundle.reads[resource.list_key] = bundle.reads.get(resource.list_key, 0) + 1
    return resource, reads


def _forget(bundle: Bundle, resource: Resource, reads: dict[str, int]) -> None:
    del bundle.resources[resource.key]
    bundle.below[resource.list_key].remove(resource)
    for key in (resource.key, resource.list_key):
        bundle.reads.pop(key, None)
    bundle.reads.update(reads)
