"""The minimum TLS version of application gateways: their policies, and those of their TLS profiles."""

from collections.abc import Iterator
from typing import Any

from scanner.model.checks import is_one
from scanner.model.fix import Cause, Edit, changed
from scanner.model.json_paths import is_absent, same, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Fail, Pass, Verdict, absent_at_unknown_version, unknown, unknown_value

from .common import rows

PREDEFINED_OLD = ("AppGwSslPolicy20150501", "AppGwSslPolicy20170401")
PREDEFINED = ("AppGwSslPolicy20170401S", "AppGwSslPolicy20220101", "AppGwSslPolicy20220101S")
GATEWAY_TLS = "properties.sslPolicy"
NEW_POLICY = {"policyType": "Predefined", "policyName": "AppGwSslPolicy20220101"}
UPDATE_PROFILE = (
    "az network application-gateway ssl-profile update --gateway-name {name} --resource-group {group} "
    "--subscription {subscription} --name {entry} --policy-type Predefined --policy-name AppGwSslPolicy20220101"
)


def old_policies(gateway: Resource, profiles: list[Any], minimums: list[bool | None]) -> Iterator[Cause]:
    """Yield the policies that accept TLS 1.0 or 1.1: those of profiles, and the gateway's own."""
    path = "properties.sslProfiles"
    for position, (profile, new) in enumerate(zip(profiles, minimums, strict=True)):
        if new is False:
            value, name = changed(profile, Edit("", GATEWAY_TLS, NEW_POLICY)), value_at(profile, "name")
            words = (
                ()
                if isinstance(name, str)
                else (Message("Set a new TLS policy in TLS profile {value} of the gateway.", value=position + 1),)
            )
            effect = (Edit(gateway.id, path, value, profile),) if words else ()
            yield Cause(
                "", path, profile, value, UPDATE_PROFILE, str(name), position=position, words=words, effect=effect
            )
    if isinstance(main_tls(gateway), Fail):
        yield Cause("", GATEWAY_TLS, value=NEW_POLICY)


def profile_tls(profile: Any) -> bool | None:
    """Return whether a profile needs TLS 1.2, None if this is unknown. One without a policy uses the gateway's."""
    policy = value_at(profile, GATEWAY_TLS)
    if is_absent(policy):
        return True if isinstance(value_at(profile, "properties"), dict) else None
    return is_new_tls(policy)


def is_new_tls(policy: Any) -> bool | None:
    """Return whether a policy needs at least TLS 1.2, None if this is unknown."""
    lowest, name = value_at(policy, "minProtocolVersion"), value_at(policy, "policyName")
    if not is_absent(lowest):
        return {"tlsv1_0": False, "tlsv1_1": False, "tlsv1_2": True, "tlsv1_3": True}.get(str(lowest).lower())
    if any(same(name, each) for each in PREDEFINED_OLD):
        return False
    return True if any(same(name, each) for each in PREDEFINED) else None


def main_tls(gateway: Resource) -> Verdict:
    lowest = gateway.get("properties.sslPolicy.minProtocolVersion")
    if not is_absent(lowest):
        seen = gateway.evidence("properties.sslPolicy.minProtocolVersion", "TLSv1_2")
        if is_one(lowest, ("TLSv1_2", "TLSv1_3")):
            return Pass((seen,))
        return Fail((seen,)) if is_one(lowest, ("TLSv1_0", "TLSv1_1")) else unknown(unknown_value(seen.path))
    path = "properties.sslPolicy.policyName"
    if not gateway.has(GATEWAY_TLS):
        path = "properties.defaultPredefinedSslPolicy"
    if not gateway.has(GATEWAY_TLS) and not gateway.has(path):
        # No gateway serves TLS 1.0 or 1.1 by default: application-gateway-tls-version-retirement.
        if gateway.api_version_unknown:
            return unknown(absent_at_unknown_version(GATEWAY_TLS))
        rows(gateway, "properties.httpListeners")
        gateway.objects("properties.httpListeners")
        return Pass((gateway.evidence(GATEWAY_TLS),))
    name, seen = gateway.require(path), gateway.evidence(path, "AppGwSslPolicy20220101")
    if any(same(name, each) for each in PREDEFINED_OLD):
        return Fail((seen,))
    return Pass((seen,)) if any(same(name, each) for each in PREDEFINED) else unknown(unknown_value(path))
