"""Extensions of virtual machines: sign-in with Microsoft Entra ID, and scripts that run on the machine."""

from scanner.model.bulk_reads import GraphRows
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_one, known_text, peek, same, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.unread import Unread, malformed
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Verdict,
    not_returned,
    not_returned_or_unknown,
)

from .common import child_evidence
from .machines import MACHINE, VM, is_vm

# Costly: one request for each machine. A list of machines names its extensions without their types.
EXTENSIONS = MACHINE.child("extensions", only=(VM,), costly=True, graph=GraphRows())
TYPE = "properties.type"
LOGIN = ("AADLoginForWindows", "AADSSHLoginForLinux", "AADSSHLogin", "AADLoginForLinux")
SCRIPTS = ("CustomScriptExtension", "CustomScript", "CustomScriptForLinux", "RunCommandWindows", "RunCommandLinux")


def no_entra_login(machine: Resource, index: Index) -> Verdict:
    """Fail where users sign in to a machine with its own accounts alone: entra/identity/devices/howto-vm-sign-in-azure-ad-windows."""
    if not is_vm(machine):
        return NotApplicable(Message("instances of a scale set are not signed in to one by one"))
    if machine.has_no_properties:
        raise Unread("properties", machine.why_absent_is_unknown)
    if is_absent(machine.get("properties.osProfile")):
        return NotApplicable(Message("it was not made from an image with its own accounts"))
    children = machine.children(EXTENSIONS)
    types = [peek(each.body, TYPE) for each in children]
    logins = [each for each in children if any(same(peek(each.body, TYPE), one) for one in LOGIN)]
    if logins:
        return _signs_in(machine, logins)
    if children.gap is not None:
        raise children.gap
    for each in children:
        _kind(each)
    return Fail((Evidence(f"extensions[].{TYPE}", types, LOGIN[0]),))


SET_EXTENSIONS = "properties.virtualMachineProfile.extensionProfile.extensions"
AKS = "Microsoft.AKS"
"""The publisher of the extensions that AKS puts on the nodes of every pool."""


def set_without_entra_login(machine: Resource, index: Index) -> Verdict:
    """Fail where users sign in to the instances of a scale set with their own accounts alone. Its model names the extensions.

    The extension and the identity are those of a machine: see `no_entra_login`.
    """
    if is_vm(machine):
        return NotApplicable(Message("it is no scale set"))
    if machine.has_no_properties:
        raise Unread("properties", machine.why_absent_is_unknown)
    if not is_absent(machine.get("managedBy")):
        return NotApplicable(Message("another service of Azure manages it"))
    if is_absent(machine.get("properties.virtualMachineProfile.osProfile")):
        return NotApplicable(Message("it was not made from an image with its own accounts"))
    every = machine.objects(SET_EXTENSIONS)
    if any(same(value_at(each, "properties.publisher"), AKS) for each in every):
        return NotApplicable(Message("its machines are nodes of AKS, which users do not sign in to"))
    kinds = [known_text(each, TYPE) for each in every]
    path = f"{SET_EXTENSIONS}[].{TYPE}"
    if not any(is_one(each, LOGIN) for each in kinds):
        if not all(kinds):
            raise not_returned(path)
        return Fail((Evidence(path, kinds, LOGIN[0]),))
    identity = machine.get("identity.type")
    if "systemassigned" in str(identity).lower():
        return Pass((Evidence(path, kinds), machine.evidence("identity.type")))
    if is_absent(identity) and machine.api_version_unknown:
        raise not_returned("identity.type")
    return Fail((machine.evidence("identity.type", "SystemAssigned"),), NO_IDENTITY)


STATE = "properties.provisioningState"


def _signs_in(machine: Resource, logins: list[Resource]) -> Verdict:
    """Return the verdict on a machine with the extension, which works once it is installed, and with an identity.

    howto-vm-sign-in-azure-ad-windows, howto-vm-sign-in-azure-ad-linux: it needs the system-assigned identity of the machine.
    """
    kinds = str(machine.get("identity.type")).lower()
    has_identity = "systemassigned" in kinds
    if not has_identity and (not is_absent(machine.get("identity.type")) or not machine.api_version_unknown):
        return Fail((machine.evidence("identity.type", "SystemAssigned"),), NO_IDENTITY)
    if not has_identity:
        raise not_returned("identity.type")
    for each in logins:
        if same(each.get(STATE), "Succeeded"):
            return Pass((Evidence(f"extensions/{each.name} {TYPE}", each.get(TYPE)), machine.evidence("identity.type")))
    failed = [each for each in logins if same(each.get(STATE), "Failed")]
    if len(failed) == len(logins):
        seen = tuple(child_evidence(each, f"extensions/{each.name}", STATE, "Succeeded") for each in failed)
        return Fail(seen, Message("The extension could not be installed."))
    raise not_returned_or_unknown(f"extensions/{logins[0].name} {STATE}")


NO_IDENTITY = Message("The extension for it has no system-assigned identity of the machine, which it needs.")


def _kind(extension: Resource) -> str:
    """Return the name of what an extension runs. Raise Unread where it is absent or no text."""
    kind = extension.require(TYPE)
    if not isinstance(kind, str):
        raise malformed(TYPE)
    return kind


def runs_scripts(extension: Resource, index: Index) -> Verdict:
    """Fail where an extension runs a script of someone's on the machine, as its highest account."""
    if not extension.type.lower().startswith(f"{VM}/".lower()):
        return NotApplicable(Message("it is of a scale set"))
    kind = _kind(extension)
    seen = extension.evidence(TYPE, Message("no script"))
    return Fail((seen,)) if any(same(kind, each) for each in SCRIPTS) else Pass((seen,))
