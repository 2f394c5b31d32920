"""What grants an access in the configuration (`Cause`), and what removes it: one object for commands and changes."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from scanner.model.json_paths import copied, member, same, steps
from scanner.model.message import NOTHING, Message, joined


class _Remove:
    __slots__ = ()

    def __repr__(self) -> str:
        return "REMOVE"


REMOVE: Final = _Remove()
"""The value of a `Edit` that takes a property, or an entry of a list, away."""


class _Add:
    __slots__ = ()

    def __repr__(self) -> str:
        return "ADD"


ADD: Final = _Add()
"""The entry of a `Edit` that adds its value to a list."""


class Edit(NamedTuple):
    """One edit of a body: the property at `path` gets `value`, or is removed."""

    resource: str
    path: str
    value: Any = REMOVE
    entry: Any = None
    """The entry of the list at `path` that is removed or replaced, or ADD; None changes the whole property."""


class Deletion(NamedTuple):
    """A resource that is deleted: a rule that is a child resource, or a resource that nothing needs."""

    resource: str


Change = Edit | Deletion


class Cause(NamedTuple):
    """The part of a configuration that grants an access."""

    resource: str
    """The id of the resource that has it; "" is the resource that is assessed."""
    path: str = ""
    """Its property; "" is the resource itself, a rule that is a child resource."""
    entry: Any = None
    """The entry of the list at `path`; None is the property itself, and `value` is what closes it."""
    value: Any = REMOVE
    command: str = ""
    """A template of the service's own command that removes the entry, with `{entry}` for `text`."""
    text: str = ""
    position: int = -1
    """The place of the entry in the list."""
    words: tuple[Message, ...] = ()
    """The steps where no single command removes it."""
    effect: tuple[Change, ...] = ()
    """The changes that follow where another resource shows the same part."""
    also: "tuple[Cause, ...]" = ()
    """What must be removed with it."""
    out_of: int = 0
    """Of so many entries one must stay, because an empty list allows every address; else 0."""
    among: tuple[Any, ...] = ()
    """All entries of the list, where what stays is written as a whole."""
    instead: "Cause | None" = None
    """What goes where none stays."""

    @property
    def is_setting(self) -> bool:
        """Return whether it is a property with a better value, not a rule or an entry that is removed."""
        return bool(self.path) and self.entry is None

    def at(self, resource: str) -> "Cause":
        """Return the same cause with the id of the assessed resource."""
        return self if self.resource else self._replace(resource=resource)

    @classmethod
    def in_list(cls, resource: str, path: str, entry: Any, position: int, child: str, value: Any = REMOVE) -> "Cause":
        """Return an entry of a list that is a child resource too, with its id as the text; without one, as words."""
        id, name = member(entry, "id"), member(entry, "name")
        if not isinstance(id, str) or not id.startswith("/"):
            id = f"{resource}/{child}/{name}" if isinstance(name, str) and name else ""
        words = (
            ()
            if id
            else (
                Message(
                    "Azure returned no id for entry {value} of {path}: change it in the portal.",
                    value=position + 1,
                    path=path,
                ),
            )
        )
        effect = () if id else (Edit(resource, path, value, entry),)
        return cls(resource, path, entry, value, text=id, position=position, words=words, effect=effect)

    def one_of(self, path: str, among: tuple[Any, ...], entry: Any, effect: tuple[Change, ...]) -> "Cause":
        """Return an entry of a list of this cause's resource, whose other entries stay."""
        position = among.index(entry)
        return self._replace(path=path, entry=entry, position=position, effect=effect, among=among, instead=self)

    def id(self) -> str:
        """Return a text that is equal for equal causes."""
        return f"{self.resource}\n{self.path}\n{self.position}".lower()

    def change(self) -> tuple[Change, ...]:
        """Return what removes it, as data."""
        if self.words:
            return self.effect
        if not self.path:
            return (Deletion(self.resource), *self.effect)
        return (Edit(self.resource, self.path, self.value, self.entry), *self.effect)


class Field(NamedTuple):
    """A part of a command that only the user knows: its name, and what to put there with the form in words."""

    name: str
    what: Message


FIELDS: Final[Mapping[str, Message]] = {
    "YOUR_RANGE": Message(
        "the address range that keeps access, in CIDR form (your office's or gateway's public addresses)"
    ),
    "FIRST_ADDRESS": Message("the first public address that keeps access"),
    "LAST_ADDRESS": Message("the last public address that keeps access"),
    "KEY_URI": Message("the identifier of a key in your Key Vault, with the vault's host and the key's name"),
    "KEY_VERSION_URI": Message("the identifier of a version of a key in your Key Vault, with host, name and version"),
    "KEY_NAME": Message("the name of a key in your Key Vault"),
    "VAULT_URI": Message("the URI of your Key Vault"),
    "IDENTITY_ID": Message("the resource ID of a user-assigned identity that may use the key"),
    "WORKSPACE_ID": Message("the resource ID of a Log Analytics workspace"),
    "WORKSPACE_GUID": Message("the workspace ID (a GUID) of a Log Analytics workspace"),
    "WORKSPACE_KEY": Message("a key of that Log Analytics workspace"),
    "RESOURCE_GROUP": Message("the name of a resource group for it"),
    "REGION": Message("the name of a region, such as norwayeast"),
    "ACTION_GROUP_ID": Message("the resource ID of an action group that notifies the right people"),
    "EMAIL": Message("the e-mail address of your security team"),
    "STORAGE_ID": Message("the resource ID of a storage account in the same region"),
    "VAULT_NAME": Message("the name of a Recovery Services vault in the region of the resource"),
    "VAULT_GROUP": Message("the resource group of that vault"),
    "RESOURCE_GUARD_ID": Message("the resource ID of a Resource Guard that another team owns"),
    "DISK_ENCRYPTION_SET_ID": Message("the resource ID of a disk encryption set in the same region"),
    "PLAN_ID": Message("the resource ID of a DDoS protection plan"),
    "WAF_POLICY_ID": Message("the resource ID of a web application firewall policy"),
    "NSG_ID": Message("the resource ID of the network security group for the subnet"),
    "PRINCIPAL_ID": Message("the object ID of the identity that gets the permission; look it up in Microsoft Entra ID"),
    "OBJECT_ID": Message("the object ID of a Microsoft Entra ID group"),
    "GROUP_NAME": Message("the display name of that Microsoft Entra ID group"),
    "TENANT_ID": Message("the ID of your Microsoft Entra ID tenant"),
    "CLIENT_ID": Message("the application ID of the app registration that people sign in with"),
    "AUDIENCE": Message("the application ID that the VPN client signs in to"),
    "EXPIRES": Message("the date of expiry, as year-month-day, for example a year from today"),
    "EXPIRES_EPOCH": Message("the date of expiry in seconds since 1 January 1970"),
    "HTTPS_LISTENER": Message("the name of the gateway's HTTPS listener"),
    "ORIGIN": Message("the origin of your web application, scheme and host without a path"),
    "SECURITY_POLICY": Message("the name of a new security policy of the Front Door profile"),
    "FRONT_DOOR_ID": Message("your own profile's Front Door ID"),
    "NEW_NAME": Message("the name of the new resource"),
    "VNET_SUBNET_ID": Message("the resource ID of a subnet"),
    "IMAGE": Message("the container image"),
}
"""The fields that commands may have, written `<NAME>` in them."""
RANGE: Final = "<YOUR_RANGE>"
_FIELD = re.compile(r"<([A-Z][A-Z0-9_]*)>")


def fields_of(texts: Iterable[str], known: Mapping[str, Message] = FIELDS) -> tuple[Field, ...]:
    """Return the fields that stand in commands or steps, each once, in their order."""
    names: dict[str, None] = {}
    for text in texts:
        if "<" in text:
            names.update(dict.fromkeys(_FIELD.findall(text)))
    if not names:
        return ()
    return tuple(Field(name, known.get(name) or FIELDS.get(name, NOTHING)) for name in names)


class Fix(Struct, frozen=True):
    """What closes causes."""

    commands: tuple[str, ...] = ()
    """`az` commands, filled and quoted."""
    steps: tuple[Message, ...] = ()
    """Words where no single command exists."""
    changes: tuple[Change, ...] = ()
    """What the commands change, as data."""
    closes: tuple[Cause, ...] = ()
    """The causes that they remove."""
    narrows: bool = False
    """Whether an allowed range stays, so that the endpoint remains reachable from it."""
    check_first: str = ""
    """A command that only reads."""
    tier: bool = False
    """Whether the tier of the resource has no such setting."""
    impact: Message = NOTHING
    """What may stop working; "" is what the rule says of its own fix."""
    of_rule: bool = False
    """Whether it is the rule's own fix and nothing else, so that what the rule says in other forms, such as Terraform,
    does the same.
    """

    @property
    def fields(self) -> tuple[Field, ...]:
        """Return the fields of the commands and steps."""
        return fields_of((*self.commands, *self.steps))

    def __add__(self, other: "Fix") -> "Fix":
        """Return both fixes as one, each command, step, change and impact once."""
        if self == Fix():
            return other
        impacts = dict.fromkeys(filter(None, (self.impact, other.impact)))
        return Fix(
            tuple(dict.fromkeys(self.commands + other.commands)),
            tuple(dict.fromkeys(self.steps + other.steps)),
            _unique(self.changes + other.changes),
            self.closes + other.closes,
            self.narrows or other.narrows,
            self.check_first or other.check_first,
            self.tier or other.tier,
            joined(" ", impacts),
            self.of_rule and other.of_rule,
        )


def _unique(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple({repr(each): each for each in changes}.values())


# The overlay


def changed(body: Any, change: Edit) -> Any:
    """Return a copy of a body with a change. Objects on the way to the path are made; the case of known keys stays."""
    return _set(body, list(steps(change.path)), change)


def _set(body: Any, steps: list[str], change: Edit) -> Any:
    if not steps:
        return _value(body, change)
    step, rest = steps[0], steps[1:]
    if step.endswith("[]"):
        name = step.removesuffix("[]")
        items = member(body, name)
        return _with(body, name, [_set(each, rest, change) for each in items] if isinstance(items, list) else [])
    value = _set(member(body, step), rest, change)
    return _with(body, step, value)


def _value(value: Any, change: Edit) -> Any:
    if change.entry is None:
        return change.value
    items = value if isinstance(value, list) else []
    if change.entry is ADD:
        return [*items, change.value]
    replaced = [change.value if each == change.entry or same(each, change.entry) else each for each in items]
    return [each for each in replaced if each is not REMOVE]


def _with(body: Any, name: str, value: Any) -> dict[str, Any]:
    known = copied(body) if isinstance(body, dict) else {}
    key = name if name in known else next((each for each in known if each.lower() == name.lower()), name)
    if value is REMOVE:
        known.pop(key, None)
    else:
        known[key] = value
    return known
