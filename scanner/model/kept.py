"""What is kept of a resource: the paths that rules read. A path that was not kept is unread, never absent.

A path steps through members with `.`. `[]` steps into the elements of a list, `*` into every member of an object, and
`**` at the end keeps everything below. What a path ends at is kept where it is a text, a number or a list of these; of
an object only that it is there.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from scanner.model.json_paths import PartialObject, member, steps
from scanner.model.message import Message
from scanner.model.origins import origin
from scanner.model.verdict import Unread


class Tree(dict[str, "Tree"]):
    """Paths as a tree: the members that are kept, in lower case, each with the tree below it.

    `below`: the trees below names as Azure writes them, as they were found; None where nothing is kept.
    """

    __slots__ = ("below",)

    def __init__(self, *members: Mapping[str, "Tree"]) -> None:
        super().__init__(*members)
        self.below: dict[str, Tree | None] = {}


_NAMES_KNOWN = 256
"""How many names a tree knows: names may be anything."""

ENVELOPE = (
    "id",
    "name",
    "type",
    "location",
    "kind",
    "sku.*",
    "zones",
    "identity.type",
    "identity.principalId",
    "identity.tenantId",
    "identity.userAssignedIdentities.*.principalId",
    "identity.userAssignedIdentities.*.clientId",
    "managedBy",
    "properties",
)
"""What is kept of every resource."""

NOT_KEPT = "not kept"
"""The text that stands for a value where rules expect an object. The value may be a secret, and is not absent."""

MARK = "~"
"""The only member of an object of which nothing was kept: it is not empty."""

WITHOUT = Message("the snapshot was made without this property")
"""Why a path that was not kept is unread."""

_SECRET = re.compile(
    r"password|passwd|pwd|secret|token|key|credential|connectionstring|customdata|userdata|protectedsettings"
    r"|commandtoexecute|script|certificate|sas(?![a-z])",
    re.IGNORECASE,
)
"""Names of members that may hold secrets. Where only `*` or `**` keeps them, their texts and numbers are not kept. The
id of a resource, which has "script" in "subscriptions", is no such name where the path goes on to a named member."""
_WHOLE = "**"
_EVERY = "*"
_SELF = ""
"""The mark of a member that is kept itself, where it is no object."""
_MARKS = (_WHOLE, _EVERY, _SELF)
_SECRET_URLS = {"microsoft.insights/actiongroups": ("webhookReceivers", "serviceuri")}
"""URLs whose path is a secret: the list in `properties`, and the member (lower case) of its entries."""
_HAS_MORE = (dict, list)
"""What has members or elements. A tuple: a union would be made at each call."""
_NAMES = ("id", "name")
"""What is kept of each object in a list of objects of which anything is kept."""
_ALL = Tree({_WHOLE: Tree()})
_HIDDEN = Tree()
"""The tree below a member that may be a secret: nothing of it is kept."""


@lru_cache(maxsize=4096)
def tree_of(paths: tuple[str, ...], tags: frozenset[str] = frozenset()) -> Tree:
    """Return the tree of paths, with the envelope and the tags (names in lower case)."""
    tree = Tree()
    for path in (*ENVELOPE, *paths):
        _add(tree, steps(path.lower()))
    tree["tags"] = Tree({tag: Tree({_SELF: Tree()}) for tag in sorted(tags)})
    _spread(tree)
    return tree


def _add(tree: Tree, steps: Sequence[str]) -> None:
    for position, step in enumerate(steps, 1):
        name = step.removesuffix("[]")
        below = tree.get(name)
        if below is None:
            below = tree[name] = Tree()
        tree = below
        if name != step and position < len(steps):
            for each in _NAMES:
                if each not in tree:
                    tree[each] = Tree({_SELF: Tree()})
    if _SELF not in tree:
        tree[_SELF] = Tree()


def _spread(tree: Tree) -> None:
    """Give each member that is named beside `*` what `*` keeps too."""
    every = tree.get(_EVERY)
    for name, below in tree.items():
        if every and name not in _MARKS:
            _merge(below, every)
        _spread(below)


def _merge(tree: Tree, other: Tree) -> None:
    for name, below in other.items():
        _merge(tree.setdefault(name, Tree()), below)


def cut(value: Any, tree: Tree) -> Any:
    """Return of a JSON value what a tree keeps. A value of unexpected shape becomes `NOT_KEPT`."""
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        known = tree.below
        for name, each in value.items():
            below = known[name] if name in known else _below(tree, name)
            if below is None:
                continue
            if isinstance(each, _HAS_MORE):
                kept[name] = cut(each, below)
            else:
                kept[name] = each if _SELF in below or _is_kept(each, below) else NOT_KEPT
        return kept if kept or not value else {MARK: NOT_KEPT}
    if isinstance(value, list):
        return [cut(each, tree) for each in value]
    return value if _is_kept(value, tree) else NOT_KEPT


def _is_kept(value: Any, tree: Tree) -> bool:
    """Return whether a tree keeps a value that is no object and no list."""
    return _SELF in tree or _WHOLE in tree or value is None or isinstance(value, bool)


def _below(tree: Tree, name: str) -> Tree | None:
    """Return what is kept below a member; None where nothing of it is."""
    if name in tree.below:
        return tree.below[name]
    result = _tree_below(tree, name)
    if len(tree.below) < _NAMES_KNOWN:
        tree.below[name] = result
    return result


def _tree_below(tree: Tree, name: str) -> Tree | None:
    result = tree.get(name.lower()) if name not in _MARKS else None
    if result is not None and (_WHOLE not in tree or _SECRET.search(name)):
        return result
    wide = _ALL if _WHOLE in tree else tree.get(_EVERY)
    if wide is None or not _SECRET.search(name):
        return wide
    return wide if name.startswith("/") and wide.keys().isdisjoint(_MARKS) else _HIDDEN


def _cut_urls(body: dict[str, Any], listed: str, name: str) -> None:
    """Cut the URLs in the entries of a list of `properties` to their origin, in place."""
    entries = member(member(body, "properties"), listed)
    for each in entries if isinstance(entries, list) else ():
        for key in list(each) if isinstance(each, dict) else ():
            if key.lower() == name and each[key] is not None:
                each[key] = origin(each[key]) or NOT_KEPT


class KeptObject(PartialObject):
    """A JSON object of which only some members were kept. Looking up another one, or all of them, raises Unread."""

    __slots__ = ("at", "tree", "why")

    def __init__(self, body: dict[str, Any], tree: Tree, at: str, why: Message) -> None:
        super().__init__(body)
        self.tree = tree
        self.at = at
        self.why = why

    def check(self, name: str) -> None:
        """Raise Unread where a member that the body does not have may have been left out."""
        if name.lower().removesuffix("[]") not in self.tree and _EVERY not in self.tree:
            raise Unread(f"{self.at}.{name}" if self.at else name, self.why)

    def __missing__(self, name: str) -> Any:
        self.check(name)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        if dict.__contains__(self, name):
            return True
        self.check(str(name))
        return False

    def get(self, name: str, default: Any = None) -> Any:
        return dict.get(self, name) if name in self else default

    def __bool__(self) -> bool:
        return dict.__len__(self) > 0

    # What names no member is about all of them.

    def __iter__(self) -> Iterator[str]:
        self._check_all()
        return dict.__iter__(self)

    def __len__(self) -> int:
        self._check_all()
        return dict.__len__(self)

    def __or__(self, other: Any) -> Any:
        self._check_all()
        return dict.__or__(self, other)

    def __ror__(self, other: Any) -> Any:
        self._check_all()
        return dict.__ror__(self, other)

    def keys(self) -> Any:
        self._check_all()
        return dict.keys(self)

    def items(self) -> Any:
        self._check_all()
        return dict.items(self)

    def values(self) -> Any:
        self._check_all()
        return dict.values(self)

    def copy(self) -> Any:
        self._check_all()
        return dict.copy(self)

    def _check_all(self) -> None:
        if _EVERY not in self.tree:
            raise Unread(f"{self.at}.{_EVERY}" if self.at else _EVERY, self.why)


def partial_value(value: Any, tree: Tree, at: str = "", why: Message = WITHOUT) -> Any:
    """Return a value that was cut by a tree, so that reading what was not kept raises Unread. Changes it in place."""
    if isinstance(value, dict):
        if _WHOLE in tree:
            return value
        for name, each in dict.items(value):
            if isinstance(each, dict | list):
                value[name] = partial_value(each, _below(tree, name) or _HIDDEN, f"{at}.{name}" if at else name, why)
        return KeptObject(value, tree, at, why)
    if isinstance(value, list):
        for position, each in enumerate(value):
            if isinstance(each, dict | list):
                value[position] = partial_value(each, tree, f"{at}[]", why)
    return value


class KeptPaths:
    """The paths that are kept of each ARM type, and the tags.

    `paths`: by type in lower case. `why`: why a path that was not kept is unread.
    """

    def __init__(
        self, paths: Mapping[str, Collection[str]], tags: Collection[str] = (), why: Message = WITHOUT
    ) -> None:
        self.paths = {type.lower(): tuple(sorted(each)) for type, each in paths.items()}
        self.tags = frozenset(tag.lower() for tag in tags)
        self.why = why
        self._trees: dict[str, Tree] = {}

    def listed(self) -> dict[str, list[str]]:
        """Return the paths by type, as the header of a snapshot has them."""
        return {type: list(paths) for type, paths in sorted(self.paths.items())}

    def tree(self, type: str) -> Tree:
        """Return what is kept of a type; the envelope of one that no rule reads."""
        result = self._trees.get(type)
        if result is None:
            result = self._trees[type] = tree_of(self.paths.get(type.lower(), ()), self.tags)
        return result

    def cut(self, body: dict[str, Any], type: str) -> dict[str, Any]:
        """Return of a body what is kept of its type; of URLs that are secrets their origin alone."""
        kept: dict[str, Any] = cut(body, self.tree(type))
        if type.lower() in _SECRET_URLS:
            _cut_urls(kept, *_SECRET_URLS[type.lower()])
        return kept

    def partial_body(self, body: dict[str, Any], type: str) -> dict[str, Any]:
        """Return a kept body, so that reading what was not kept raises Unread. It is changed in place."""
        result: dict[str, Any] = partial_value(body, self.tree(type), why=self.why)
        return result
