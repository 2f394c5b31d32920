"""Extensions of virtual machines: sign-in with Microsoft Entra ID, and scripts that run on the machine."""

from scanner.model.bulk_reads import GraphRows
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, peek, same
from scanner.model.resource import Resource
from scanner.model.unread import Unread, malformed
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Verdict

from .machines import MACHINE, VM, is_vm

# Costly: one request for each machine. A list of machines names its extensions without their types.
EXTENSIONS = MACHINE.child("extensions", only=(VM,), costly=True, graph=GraphRows(tracked=True))
TYPE = "properties.type"
LOGIN = ("AADLoginForWindows", "AADSSHLoginForLinux", "AADSSHLogin", "AADLoginForLinux")
SCRIPTS = ("CustomScriptExtension", "CustomScript", "CustomScriptForLinux", "RunCommandWindows", "RunCommandLinux")


def no_entra_login(machine: Resource, index: Index) -> Verdict:
    """Fail where users sign in to a machine with its own accounts alone: entra/identity/devices/howto-vm-sign-in-azure-ad-windows."""
    if not is_vm(machine):
        return NotApplicable("instances of a scale set are not signed in to one by one")
    if machine.has_no_properties:
        raise Unread("properties", machine.why_absent_is_unknown)
    if is_absent(machine.get("properties.osProfile")):
        return NotApplicable("it was not made from an image with accounts of its own")
    found = machine.children(EXTENSIONS)
    types = [peek(each.body, TYPE) for each in found]
    login = next((each for each in types if any(same(each, one) for one in LOGIN)), None)
    if login is not None:
        return Pass((Evidence(f"extensions[].{TYPE}", login),))
    if found.gap is not None:
        raise found.gap
    for each in found:
        _kind(each)
    return Fail((Evidence(f"extensions[].{TYPE}", types, LOGIN[0]),))


def _kind(extension: Resource) -> str:
    """Return the name of what an extension runs. Raise Unread where it is absent or no text."""
    kind = extension.require(TYPE)
    if not isinstance(kind, str):
        raise malformed(TYPE)
    return kind


def runs_scripts(extension: Resource, index: Index) -> Verdict:
    """Fail where an extension runs a script of someone's on the machine, as its highest account."""
    if not extension.type.lower().startswith(f"{VM}/".lower()):
        return NotApplicable("it is of a scale set")
    kind = _kind(extension)
    seen = extension.evidence(TYPE, "no script")
    return Fail((seen,)) if any(same(kind, each) for each in SCRIPTS) else Pass((seen,))
