"""Storage accounts: what the file service accepts over SMB, who may copy, how old the keys are, and foreign instances."""

from typing import NamedTuple

from scanner.model.checks import check_child
from scanner.model.dates import seconds_of
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, spelled
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_a_list,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)

from . import storage

ACCOUNT, FILE_SERVICE = storage.ACCOUNT, storage.FILE_SERVICE
DIRECTORY = "properties.azureFilesIdentityBasedAuthentication.directoryServiceOptions"
NO_FILES = Message("the account has no file service")


class SmbSetting(NamedTuple):
    """A setting of SMB: its path, a text with semicolons, and its values. Without it the service accepts all of them.

    Source: storage/files/files-smb-protocol, the profile "maximum compatibility", which is the default.
    """

    path: str
    weak: tuple[str, ...]
    strong: tuple[str, ...]


VERSIONS = SmbSetting("properties.protocolSettings.smb.versions", ("SMB2.1", "SMB3.0"), ("SMB3.1.1",))
SIGN_IN = SmbSetting("properties.protocolSettings.smb.authenticationMethods", ("NTLMv2",), ("Kerberos",))
TICKETS = SmbSetting("properties.protocolSettings.smb.kerberosTicketEncryption", ("RC4-HMAC",), ("AES-256",))
CHANNEL = SmbSetting(
    "properties.protocolSettings.smb.channelEncryption", ("AES-128-CCM", "AES-128-GCM"), ("AES-256-GCM",)
)


def accepts_weak(account: Resource, index: Index, *, setting: SmbSetting) -> Verdict:
    """Fail where the file service accepts a weak value of a setting of SMB."""
    if setting is SIGN_IN and storage.refuses_keys(account, ("file",)):
        return NotApplicable(Message("account keys are refused, and NTLMv2 signs in with one"))
    if setting is TICKETS:
        directory = account.get(DIRECTORY)
        if (is_absent(directory) and not account.why_absent_is_unknown) or same(directory, "None"):
            return NotApplicable(Message("no directory signs in to its shares"))
    if not FILE_SERVICE.needed(account):
        return NotApplicable(NO_FILES)
    return check_child(account.child(FILE_SERVICE), FILE_SERVICE, lambda one: _weak(one, setting), none=NO_FILES)


def _weak(service: Resource, setting: SmbSetting) -> Verdict:
    value, seen = service.get(setting.path), service.evidence(setting.path, ";".join(setting.strong))
    if is_absent(value) or value == "":
        why = service.why_absent_is_unknown
        return unknown(Unread(setting.path, why)) if why else Fail((seen,))
    if not isinstance(value, str):
        return unknown(unknown_value(setting.path, value), evidence=(seen,))
    named = [each for piece in value.split(";") if (each := piece.strip())]
    if any(same(each, weak) for each in named for weak in setting.weak):
        return Fail((seen,))
    known = named and all(any(same(each, one) for one in setting.strong) for each in named)
    return Pass((seen,)) if known else unknown(unknown_value(setting.path, value), evidence=(seen,))


# Keys

PERIOD = "properties.keyPolicy.keyExpirationPeriodInDays"
CREATED = ("properties.keyCreationTime.key1", "properties.keyCreationTime.key2")
DAY = 86400
YEAR = 365


def old_keys(account: Resource, index: Index) -> Verdict:
    """Fail where a key is older than the policy of the account says, or than a year without one, or with a longer one.

    storage/common/storage-account-keys-manage: a key without a time of creation was not renewed since Azure keeps it.
    """
    if storage.refuses_keys(account):
        return NotApplicable(Message("account keys are refused"))
    now, period = seconds_of(index.taken), account.get(PERIOD)
    days = YEAR if is_absent(period) else period
    if not isinstance(days, int) or isinstance(days, bool) or days <= 0:
        return unknown(unknown_value(PERIOD, period))
    days = min(days, YEAR)
    seen = tuple(account.evidence(each, Message("at most {days} days ago", days=days)) for each in CREATED)
    if why := account.why_absent_is_unknown:
        return unknown(Unread("properties.keyCreationTime", why))
    old: list[Evidence] = []
    for path, shown in zip(CREATED, seen, strict=True):
        value = account.get(path)
        made = seconds_of(value) if isinstance(value, str) else None
        if now is None or (made is None and not is_absent(value)):
            return unknown(
                unknown_value(path, value)
                if now is not None
                else Unread(Message("the time of the scan"), Message("not known"))
            )
        if made is None or now - made > days * DAY:
            old.append(shown)
    return Fail(tuple(old)) if old else Pass(seen)


# Instances of other tenants

INSTANCES = "properties.networkAcls.resourceAccessRules"


def foreign_instances(account: Resource, index: Index) -> Verdict:
    """Fail where the firewall allows instances of a service in an external tenant."""
    rules = account.get(INSTANCES)
    if is_absent(rules) or rules == []:
        why = account.why_absent_is_unknown if is_absent(rules) else NOTHING
        return (
            unknown(Unread(INSTANCES, why))
            if why
            else NotApplicable(Message("its firewall has no resource instance rule"))
        )
    if not isinstance(rules, list):
        return unknown(not_a_list(INSTANCES))
    path, home = f"{INSTANCES}[].tenantId", index.subscriptions.get(account.subscription, "")
    if not home:
        return unknown(Unread(Message("the tenant of the subscription"), Message("not collected")))
    tenants = [get_path(each, "tenantId") for each in rules]
    others = [
        position
        for position, each in enumerate(tenants)
        if isinstance(each, str) and each and not index.same_owner(each, home)
    ]
    if others:
        seen = Evidence(path, [tenants[position] for position in others], home)
        text = [spelled(get_path(rules[position], "resourceId")) for position in others]
        causes = (Cause("", INSTANCES, rules[at], text=text[n], position=at) for n, at in enumerate(others))
        return Fail((seen,), causes=tuple(causes))
    if not all(isinstance(each, str) and each for each in tenants):
        return unknown(not_returned_or_unknown(path))
    return Pass((Evidence(path, tenants, home),))
