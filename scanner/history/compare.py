"""Compare known items with what a scan saw. Pure; `scan --history` and `twolocks diff` share it.

An item that a scan does not mention is not fixed by that: it is fixed by a verdict, or because its resource is certain
to be gone.
"""

from collections.abc import Callable, Mapping

import msgspec

from scanner.history.items import Change, ChangeKind, Changes, Item, ItemKey, level, rank
from scanner.history.observation import FirstId, Observation, ScanCoverage, same_id
from scanner.model.exposure import Auth, Reach
from scanner.model.ids import type_of
from scanner.model.message import NOTHING, Message

EvaluatedBefore = Callable[[str, str], bool]
"""(resource id, rule or type) -> whether an earlier scan evaluated the resource with the rule or, for an exposure, with
a lock rule of the type. The rule by its first id, the type in lower case."""
Resources = Callable[[str], bool]
"""Whether a resource id belongs to a set of resources."""


def compare(
    known: Mapping[ItemKey, Item],
    observation: Observation,
    coverage: ScanCoverage,
    evaluated_before: EvaluatedBefore,
    *,
    is_gone: Resources = lambda _: False,
    is_unconfirmed: Resources = lambda _: False,
) -> Changes:
    """Return what became of every known item that the scan evaluated, and of every item that it saw first.

    `is_gone`: the resource certainly does not exist any more. `is_unconfirmed`: a re-verification of the resource was
    needed and failed, so that nothing is fixed there.
    """
    changes = Changes()
    for key in sorted({*observation.items, *known}):
        was, now = known.get(key), observation.items.get(key)
        is_open = was is not None and was.state != "fixed"
        if (was is None or now is None or not is_open) and observation.is_carried(was or now):
            # Nothing is new and nothing is fixed by what an earlier scan read: an item that was open stays as it was.
            if was is None or not is_open or not coverage.includes(was, observation):
                continue
            change: Change | Item = was
        elif now is not None:
            change = _seen(was, now, observation.first_id, evaluated_before)
        elif was is not None and was.state != "fixed" and coverage.includes(was, observation):
            change = _not_seen(was, observation, is_gone, is_unconfirmed)
        else:
            continue
        if isinstance(change, Item):
            changes.unchanged.append(change)
        else:
            changes.changed.append(change)
    return changes


def change_between(was: Item | None, now: Item, *, evaluated: bool = True) -> Change | Item:
    """Return what became of one item between two moments of a history (`was` None: not known at the first).

    `evaluated`: whether a scan had evaluated it at the first moment. Returns the item itself where nothing changed, or
    where it came and went.
    """
    if now.state == "fixed":
        return now if was is None or was.state == "fixed" else Change(ChangeKind.fixed, now, was)
    if not now.visible and was is not None and was.state != "fixed":
        return Change(ChangeKind.no_longer_visible, now, was) if was.visible else now
    answer = _seen(was, now, same_id, lambda *_: evaluated)
    return answer if isinstance(answer, Change) else now


# One item


def _seen(was: Item | None, now: Item, first_id: FirstId, evaluated_before: EvaluatedBefore) -> Change | Item:
    if was is None:
        return _first_seen(now, first_id, evaluated_before)
    item = msgspec.structs.replace(now, since=was.since)
    if now.state == "accepted" and was.state != "accepted":
        return Change(ChangeKind.accepted, item, was)
    if now.state == "open":
        if was.state == "fixed":
            return Change(ChangeKind.reopened, item, was, Message("it was fixed before"))
        if was.state == "accepted":
            return Change(ChangeKind.reopened, item, was, Message("it is no longer accepted"))
        if _rating(was) != _rating(now):
            if why := _rated_differently(was, now, raised=True):
                return Change(ChangeKind.raised, item, was, why)
            if why := _rated_differently(was, now, raised=False):
                return Change(ChangeKind.lowered, item, was, why)
    return item if was.visible else Change(ChangeKind.visible_again, item, was)


def _first_seen(now: Item, first_id: FirstId, evaluated_before: EvaluatedBefore) -> Change:
    if now.state == "accepted":
        return Change(ChangeKind.accepted, now)
    rule_or_type = (
        first_id(now.rule, now.resource, now.fingerprint) if now.kind == "finding" else type_of(now.resource).lower()
    )
    before = evaluated_before(now.resource, rule_or_type)
    return Change(ChangeKind.new if before else ChangeKind.first_evaluated, now)


def _not_seen(was: Item, observation: Observation, is_gone: Resources, is_unconfirmed: Resources) -> Change | Item:
    if why := _may_be_open(was, observation, is_gone, is_unconfirmed):
        hidden = msgspec.structs.replace(was, visible=False)
        return Change(ChangeKind.no_longer_visible, hidden, was, why) if was.visible else hidden
    fixed = msgspec.structs.replace(was, state="fixed", visible=True, seen=observation.taken)
    why = NOTHING if observation.is_present(was.resource) else Message("the resource no longer exists")
    return Change(ChangeKind.fixed, fixed, was, why)


def _may_be_open(was: Item, observation: Observation, is_gone: Resources, is_unconfirmed: Resources) -> Message:
    """Return why an item that the scan did not see may still be open, "" where it is not."""
    if is_unconfirmed(was.resource):
        return Message("re-verification could not read it")
    if was.key in observation.inconclusive or observation.closed.get(was.key):
        return Message("it is inconclusive")
    if was.key in observation.closed:
        return NOTHING
    if observation.is_uncertain(was):
        return Message("a part that could not be read may contain it")
    if observation.is_present(was.resource) or is_gone(was.resource):
        return NOTHING
    return Message("the resource was not visible, and its deletion is not confirmed")


def _rating(item: Item) -> tuple[str, str, str]:
    return item.severity, item.reach, item.authentication


def _rated_differently(was: Item, now: Item, *, raised: bool) -> str:
    """Return what was raised (or lowered) as a clause, "" where nothing was on the whole."""
    sign = 1 if raised else -1
    steps = rank(now.severity) - rank(was.severity)
    pairs = (("reach", was.reach, now.reach), ("authentication", was.authentication, now.authentication))
    locks = [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]
    if steps * sign > 0:
        return ", ".join([f"{was.severity} -> {now.severity}", *locks])
    if steps:
        return ""
    wider = (
        level(Reach, now.reach) - level(Reach, was.reach),
        level(Auth, now.authentication) - level(Auth, was.authentication),
    )
    return ", ".join(locks) if all(each * sign >= 0 for each in wider) else ""
