"""Tries a fix: applies its changes to the bodies of a bundle, so that rules can be asked again, and takes them back.

A bundle of the index may be in a file, so a copy of it is changed, which the index finds by its ids. Of what else the
index knows, network security groups and access rules of perimeters can be changed too.
"""

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any, Final

from scanner.model.fix import Change, Deletion, Edit, changed
from scanner.model.ids import normalized_id, resource_type_of
from scanner.model.index import Index, is_indexed
from scanner.model.json_paths import get_path
from scanner.model.resource import Bundle, Resource
from scanner.reach.networks.fabric import fabric_of
from scanner.reach.services.perimeters import with_access_rules

RETURNED_LISTS: Final = {
    "properties.networkAcls": ("ipRules", "ipv6Rules", "virtualNetworkRules"),
    "properties.networkProfile.accountAccess": ("ipRules",),
    "properties.networkProfile.nodeManagementAccess": ("ipRules",),
}
"""Lists that Azure returns, empty, in an object that a change made."""


SAMPLES: Final = {
    "YOUR_RANGE": "20.31.7.9/32",
    "CLIENT_ID": "00000000-0000-0000-0000-000000000003",
    "KEY_URI": "https://vault.example/keys/sample",
    "KEY_VERSION_URI": "https://vault.example/keys/sample/0123456789abcdef0123456789abcdef",
    "VAULT_URI": "https://vault.example/",
    "KEY_NAME": "sample",
    "ORIGIN": "https://portal.contoso.com",
}
"""What is put into the fields of a fix: one public address is narrow, whatever the settings."""
_FIELD = re.compile(r"<([A-Z][A-Z0-9_]*)>")


GROUPS: Final = "microsoft.network/networksecuritygroups"
RULES_OF_PERIMETERS: Final = "microsoft.network/networksecurityperimeters/profiles/accessrules"
_COPY: Final = ("copy",)


def can_try(top: Resource, steps: Sequence[Change], index: Index) -> bool:
    """Return whether changes are all in the bundle of a resource, or of what of the index can be changed, with values
    that are known.
    """
    return bool(steps) and all(
        (not isinstance(each, Deletion) or normalized_id(each.resource) != top.key)
        and (_is_within(each.resource, top) or _is_of_index(each, index))
        and (isinstance(each, Deletion) or _is_known(each.value))
        for each in steps
    )


def _is_of_index(step: Change, index: Index) -> bool:
    type = resource_type_of(step.resource).lower()
    if type == RULES_OF_PERIMETERS:
        return True
    return type == GROUPS and isinstance(step, Edit) and normalized_id(step.resource) in index.resources


def _is_known(value: Any) -> bool:
    if type(value) is bool:
        return True
    return all(
        name in SAMPLES or name == "TENANT_ID" for name in _FIELD.findall(value if type(value) is str else repr(value))
    )


def _is_within(id: str, top: Resource) -> bool:
    """Return whether an id is that of a resource or below it. What extends it is looked up elsewhere."""
    key = normalized_id(id)
    return key == top.key or (key.startswith(f"{top.key}/") and "/providers/" not in key[len(top.key) :])


def applied(
    bundle: Bundle, steps: Sequence[Change], tenant: str, index: Index
) -> AbstractContextManager[Bundle | None]:
    """Apply changes to a bundle and the index, and take them back at the end. Return the bundle with the changes, a
    copy where it is one of the index; None where they change nothing.

    A resource that an edit makes counts as read. `tenant`: that of the resource.
    """
    prefix = f"{normalized_id(bundle.id)}/"
    within = [each for each in steps if f"{normalized_id(each.resource)}/".startswith(prefix)]
    edits = [each for each in within if isinstance(each, Edit)]
    if len(edits) == len(steps) and not is_indexed(resource_type_of(bundle.id)):
        return _edited(bundle, edits, tenant)  # nearly all of them are such
    return _changed(bundle, steps, within, tenant, index)


@contextmanager
def _changed(
    bundle: Bundle, steps: Sequence[Change], within: Sequence[Change], tenant: str, index: Index
) -> Iterator[Bundle | None]:
    with ExitStack() as stack:
        stack.enter_context(_separate_memo(index))
        after = stack.enter_context(_in_place_of(bundle, index)) if is_indexed(resource_type_of(bundle.id)) else bundle
        edits = [each for each in within if isinstance(each, Edit)]
        is_changed = stack.enter_context(_edited(after, edits, tenant)) is not None
        gone = {normalized_id(each.resource) for each in within if isinstance(each, Deletion)}
        is_changed |= stack.enter_context(_deleted(after, gone))
        if is_changed and after.top is not None and after.top.type.lower() == GROUPS:
            stack.enter_context(fabric_of(index).with_group(after.top))
        elsewhere = [each for each in steps if each not in within]
        rules: dict[str, Callable[[Any], Any]] = {}
        for id in dict.fromkeys(each.resource for each in elsewhere):
            change = partial(_body_after, [each for each in elsewhere if each.resource == id], tenant)
            if resource_type_of(id).lower() == GROUPS:
                is_changed |= stack.enter_context(_of_group(index, id, change))
            else:
                rules[normalized_id(id)] = change
        is_changed |= stack.enter_context(with_access_rules(index, rules))
        yield after if is_changed else None


@contextmanager
def _in_place_of(bundle: Bundle, index: Index) -> Iterator[Bundle]:
    """Have a copy of a bundle of the index, in memory, which the index finds in its place. It serves all trials of the
    bundle, until `release`.
    """
    known, memo = index.resources, bundle.memo if bundle.memo is not None else {}
    copy: Bundle | None = memo.get(_COPY)
    if copy is None:
        copy = memo[_COPY] = Bundle(bundle.id, reads=dict(bundle.reads), memo={})
        copy.skips, copy.gaps = bundle.skips, bundle.gaps
        for each in bundle.resources.values():
            copy.add(Resource(each.body, api=each.api, by=each.by, bundle=copy))
    index.resources = known.with_bundle(copy)
    try:
        yield copy
    finally:
        index.resources = known


def release(bundle: Bundle) -> None:
    """Forget the copy of a bundle that trials made, after the last one."""
    copy: Bundle | None = bundle.memo.pop(_COPY, None) if bundle.memo else None
    if copy is not None:
        copy.release()


@contextmanager
def _separate_memo(index: Index) -> Iterator[None]:
    """Forget at the end what was made of the index in between: it may show what was tried."""
    known = index.memo
    index.memo = known.copy()
    try:
        yield
    finally:
        index.memo = known


def _body_after(steps: Sequence[Change], tenant: str, body: Any) -> Any:
    """Return the body of a resource after changes; None where it is deleted."""
    for each in steps:
        if isinstance(each, Deletion):
            return None
        body = edited(body, each._replace(value=_filled(each.value, tenant)))
    return body


@contextmanager
def _of_group(index: Index, group: str, change: Callable[[Any], Any]) -> Iterator[bool]:
    """Change a network security group, whose rules the fabric has in parsed form."""
    body = index.find(group).body
    after = change(body)
    with fabric_of(index).with_group(Resource(after)):
        yield after != body


@contextmanager
def _deleted(bundle: Bundle, gone: set[str]) -> Iterator[bool]:
    """Take resources (keys) and what is below them out of a bundle for a while."""
    lost = [key for key in bundle.resources if any(key == each or key.startswith(f"{each}/") for each in gone)]
    if not lost:
        yield False
        return
    resources, below, reads, memo = bundle.resources, bundle.below, bundle.reads, bundle.memo
    lists = [resources[key].list_key for key in lost]
    bundle.memo = None if memo is None else {}
    bundle.resources = {key: each for key, each in resources.items() if key not in lost}
    bundle.below = {key: [each for each in matches if each.key not in lost] for key, matches in below.items()}
    bundle.reads = {key: count - lists.count(key) for key, count in reads.items()}
    try:
        yield True
    finally:
        bundle.resources, bundle.below, bundle.reads, bundle.memo = resources, below, reads, memo


@contextmanager
def _edited(bundle: Bundle, steps: Sequence[Edit], tenant: str) -> Iterator[Bundle | None]:
    memo, before, made = bundle.memo, dict[str, Any](), list[tuple[Resource, dict[str, int]]]()
    bundle.memo = None if memo is None else {}
    try:
        for each in steps:
            resource = bundle.resources.get(normalized_id(each.resource))
            if resource is None:
                resource, reads = _new(bundle, each.resource)
                made.append((resource, reads))
            before.setdefault(resource.key, resource.body)
            _set_body(resource, edited(resource.body, each._replace(value=_filled(each.value, tenant))))
        is_changed = bool(made) or any(bundle.resources[key].body != body for key, body in before.items())
        yield bundle if is_changed else None
    finally:
        bundle.memo = memo
        for key, body in before.items():
            _set_body(bundle.resources[key], body)
        for resource, reads in reversed(made):
            _forget(bundle, resource, reads)


def edited(body: Any, edit: Edit) -> Any:
    """Return a body with an edit, as Azure would return it."""
    body = changed(body, edit)
    for list_path, names in RETURNED_LISTS.items():
        if edit.path.startswith(f"{list_path}."):
            for name in names:
                if not isinstance(get_path(body, f"{list_path}.{name}"), list):
                    body = changed(body, Edit("", f"{list_path}.{name}", []))
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
