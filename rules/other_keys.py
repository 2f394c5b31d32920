"""Keys of vaults and managed HSMs that no resource of the scan uses: one verdict a vault on all of them."""

from collections.abc import Callable
from typing import NamedTuple

from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, text_at
from scanner.model.message import Message, joined, listed, more
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown, unknown_value

from .vault_keys import EXPIRES, MOST, POLICY, SOON, date, seconds_left

ROTATED = [{"trigger": {"timeAfterCreate": "P1Y"}, "action": {"type": "rotate"}}]


class KeyState(NamedTuple):
    """What is known of a key. `fault`: in words; "" without one."""

    seen: Evidence
    fault: Message | str = ""


State = Callable[[Resource, Index], KeyState | None]
"""Returns what is known of a key; None where the question does not apply to it. Raises Unread."""


def expire(vault: Resource, index: Index, *, keys: Read) -> Verdict:
    """Fail where a key that no resource of the scan uses has expired, or expires within 30 days."""
    return _verdict(vault, index, keys, _expiry, Message("no other key is enabled and has an expiry date"))


def not_rotated(vault: Resource, index: Index, *, keys: Read) -> Verdict:
    """Fail where a key that no resource of the scan uses neither expires nor is rotated by a policy."""
    why = Message("every other key is disabled, or has an expiry date")
    return _verdict(vault, index, keys, _rotation, why, _rotate)


def _verdict(
    vault: Resource,
    index: Index,
    keys: Read,
    state: State,
    inapplicable: Message,
    repair: Callable[[Resource], Cause] | None = None,
) -> Verdict:
    """Return Fail where one of the keys has a fault. `inapplicable`: why the question is about none. `repair`: makes the
    cause of one.
    """
    below, unused = vault.children(keys), _unused(vault, index, keys)
    matches, missing = _states(unused, index, state)
    failing = [(key, each) for key, each in matches if each.fault]
    missing += [below.gap] if below.gap is not None else []
    if failing:
        words = [each.fault for _, each in failing[:MOST]]
        rest = len(failing) - MOST
        causes = tuple(repair(key) for key, _ in failing) if repair is not None else ()
        shown = listed([*words, more(rest)]) if rest > 0 else joined(", ", words)
        seen = tuple(each.seen for _, each in failing[:MOST])
        return Fail(seen, Message("Keys: {list}.", list=shown), causes=causes)
    if missing:
        return unknown(*missing)
    if not matches:
        return NotApplicable(inapplicable if below.all() else Message("it has no key"))
    return Pass(tuple(each.seen for _, each in matches[:MOST]))


def _unused(vault: Resource, index: Index, keys: Read) -> list[Resource]:
    """Return the keys that no resource of the scan uses; all where that is not known."""
    try:
        used = index.keys.uses(vault, index)
    except Unread:
        used = {}
    return [each for each in vault.children(keys) if each.name.lower() not in used]


def _states(keys: list[Resource], index: Index, state: State) -> tuple[list[tuple[Resource, KeyState]], list[Unread]]:
    """Return what is known of each key that the question applies to, and what is not known of the others."""
    matches: list[tuple[Resource, KeyState]] = []
    missing: list[Unread] = []
    for key in keys:
        try:
            match = state(key, index)
        except Unread as unread:
            missing.append(Unread(f"keys/{key.name} {unread.what}", unread.why, unread.gap))
        else:
            matches += [(key, match)] if match is not None else []
    return matches, missing


def _expiry(key: Resource, index: Index) -> KeyState | None:
    """Return whether a key has expired, or expires soon; None where it is disabled, or never expires."""
    left = seconds_left(key, index)
    if left is None or isinstance(left, Message):
        return None
    seen = Evidence(f"keys/{key.name} {EXPIRES}", date(key), Message("30 days from now, or later"))
    if left >= SOON:
        return KeyState(seen)
    if left <= 0:
        return KeyState(seen, Message("{name} expired on {date}", name=key.name, date=date(key)))
    return KeyState(seen, Message("{name} expires on {date}", name=key.name, date=date(key)))


def _rotation(key: Resource, index: Index) -> KeyState | None:
    """Return whether a key without an expiry date is rotated; None where it is disabled, or has such a date."""
    left = seconds_left(key, index)
    if left is not None:
        return None
    policy = key.get(POLICY)
    if is_absent(policy) and (key.by != "get" or key.has_no_properties):
        raise Unread(POLICY, Message("only the list was read, which does not have it"))
    actions = [text_at(each, "action.type").lower() for each in key.items(f"{POLICY}.lifetimeActions")]
    path, wanted = f"keys/{key.name} {POLICY}", Message("a policy that rotates, or an expiry date")
    if "rotate" in actions:
        return KeyState(Evidence(path, Message("rotates the key"), wanted))
    if any(each != "notify" for each in actions):
        raise unknown_value(f"{POLICY}.lifetimeActions")
    return KeyState(Evidence(path, Message("does not rotate"), wanted), Message("{name}", name=key.name))


def _rotate(key: Resource) -> Cause:
    """Return what has a key rotated each year."""
    return Cause(key.id, f"{POLICY}.lifetimeActions", value=ROTATED, text=key.name)
