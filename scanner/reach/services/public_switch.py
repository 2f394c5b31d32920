"""The public network access switch of a service, by its `Firewall` row."""

from typing import Any, Literal

from msgspec import Struct

from scanner.model.exposure import Lock
from scanner.model.json_paths import is_absent, same
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Unread,
    absent_at_unknown_version,
    display_value,
    not_returned,
    unknown_value,
)
from scanner.reach.services.firewall_row import Firewall
from scanner.reach.services.firewall_rules import FirewallReading

SwitchState = Literal["enabled", "disabled", "secured"]


class PublicSwitch(Struct, frozen=True):
    state: SwitchState
    seen: tuple[Evidence, ...]
    detail: Message
    possible: Unread | None = None
    unknown: bool = False
    """Whether nothing is known of the switch: then not even closed rules prove that no network has access."""


def public_switch(reading: FirewallReading, private: Lock) -> PublicSwitch:
    row, resource = reading.row, reading.resource
    if not row.public:
        return PublicSwitch("enabled", (), NOTHING)
    seen = (resource.evidence(row.public, row.disabled[0]),)
    value = resource.get(row.public)
    if is_absent(value) or value == "":
        return _absent(reading, private, seen)
    state = _state(row, value)
    text = Message("{setting} = {value}", setting=row.public.rsplit(".", 1)[-1], value=display_value(value))
    if state is None:
        return PublicSwitch("enabled", seen, text, unknown_value(row.public, value), True)
    path, lacking, _ = row.sku_without_network_rules
    if state != "enabled" and path and any(same(resource.get(path), each) for each in lacking):
        # What the feature needs is a higher SKU, and nothing documents what the switch does without.
        sku = resource.get(path)
        return PublicSwitch(
            "enabled", seen, text, Unread(row.public, Message("its effect on {sku} is not documented", sku=sku)), True
        )
    return _agreed(reading, PublicSwitch(state, seen, text))


def _absent(reading: FirewallReading, private: Lock, seen: tuple[Evidence, ...]) -> PublicSwitch:
    row = reading.row
    if row.absent == "enabled":
        return _agreed(reading, PublicSwitch("enabled", seen, Message("not set: enabled")))
    if row.absent == "disabled":
        unread = _absent_unread(reading.resource, row.public)
        return PublicSwitch("enabled" if unread else "disabled", seen, Message("not set: disabled"), unread)
    if row.absent == "auto":
        if private.grants:
            unread = _absent_unread(reading.resource, row.public)
            return PublicSwitch(
                "enabled" if unread else "disabled", seen, Message("automatic: disabled by a private endpoint"), unread
            )
        possible = private.possible_grants[0].missing if private.possible_grants else None
        return PublicSwitch("enabled", seen, Message("automatic: enabled, no approved private endpoint"), possible)
    return PublicSwitch("enabled", seen, Message("not set"), not_returned(row.public), True)


def _absent_unread(resource: Resource, path: str) -> Unread | None:
    """Return why an absent property of this record has no known meaning; None where it has."""
    return absent_at_unknown_version(path) if resource.api_version_unknown else None


def _agreed(reading: FirewallReading, switch: PublicSwitch) -> PublicSwitch:
    """Return the switch; not proven where the second one says something else or could not be read."""
    row = reading.row
    if not row.second:
        return switch
    if reading.holder is None:
        if reading.holder_gap is None or switch.state == "enabled":
            return switch
        return PublicSwitch(switch.state, switch.seen, switch.detail, reading.holder_gap)
    value = reading.holder.get(row.second)
    if is_absent(value) or _state(row, value) == switch.state:
        return switch
    both = (*switch.seen, reading.holder.evidence(row.second, row.disabled[0]))
    why = Message("the resource has {detail}, its rule set has {value}", detail=switch.detail, value=repr(value))
    return PublicSwitch(
        "enabled",
        both,
        Message("{detail}, the rule set {value}", detail=switch.detail, value=value),
        Unread(row.public, why),
    )


def _state(row: Firewall, value: Any) -> SwitchState | None:
    known: tuple[tuple[SwitchState, tuple[Any, ...]], ...] = (
        ("enabled", row.enabled),
        ("disabled", row.disabled),
        ("secured", row.secured),
    )
    for state, values in known:
        for each in values:
            if same(value, each):
                return state
    return None
