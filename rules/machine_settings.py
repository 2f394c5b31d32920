"""Settings of virtual machines and scale sets that are no port: passwords, secure boot, health probes."""

from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_one, known_objects, known_text, same, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.unread import Unread
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Verdict, not_returned_or_unknown, unknown_value

from .machines import is_vm

PASSWORDS = "osProfile.linuxConfiguration.disablePasswordAuthentication"


def _inner(machine: Resource, path: str) -> str:
    """Return the path of a setting of a machine, or of the machines that a scale set makes."""
    return f"properties.{path}" if is_vm(machine) else f"properties.virtualMachineProfile.{path}"


def _readable(machine: Resource) -> None:
    if machine.has_no_properties:
        raise Unread("properties", machine.why_absent_is_unknown)


def password_sign_in(machine: Resource, index: Index) -> Verdict:
    """Fail where a machine with Linux accepts passwords over SSH."""
    _readable(machine)
    profile = machine.get(_inner(machine, "osProfile"))
    if is_absent(profile):
        return NotApplicable(Message("it was not made from an image with its own accounts"))
    if not isinstance(profile, dict):
        raise unknown_value(_inner(machine, "osProfile"), profile)
    if not is_absent(machine.get(_inner(machine, "osProfile.windowsConfiguration"))):
        return NotApplicable(Message("it has Windows"))
    path = _inner(machine, PASSWORDS)
    value = machine.get(path)
    seen = Evidence(path, value, True)
    if same(value, True):
        return Pass((seen,))
    if same(value, False):
        return Fail((seen,))
    raise not_returned_or_unknown(path)


KIND, BOOT, TPM = (
    f"securityProfile.{each}" for each in ("securityType", "uefiSettings.secureBootEnabled", "uefiSettings.vTpmEnabled")
)


def no_trusted_launch(machine: Resource, index: Index) -> Verdict:
    """Fail where a machine starts whatever its disk says, without secure boot or a virtual TPM."""
    _readable(machine)
    kind, path = machine.get(_inner(machine, KIND)), _inner(machine, KIND)
    if is_absent(kind) or same(kind, "Standard"):
        if is_absent(kind) and machine.api_version_unknown:
            raise not_returned_or_unknown(path)
        return Fail((Evidence(path, kind, "TrustedLaunch"),))
    if not is_one(kind, ("TrustedLaunch", "ConfidentialVM")):
        raise unknown_value(path, kind)
    seen = tuple(Evidence(_inner(machine, each), machine.get(_inner(machine, each)), True) for each in (BOOT, TPM))
    # virtual-machines/trusted-launch: what is absent is off. Of a confidential machine, nothing says what absent means.
    unset = same(kind, "TrustedLaunch")
    off = tuple(each for each in seen if same(each.value, False) or (unset and is_absent(each.value)))
    if off:
        return Fail(off)
    if not all(same(each.value, True) for each in seen):
        raise not_returned_or_unknown(next(each.path for each in seen if not same(each.value, True)))
    return Pass(seen)


EXTENSIONS = "properties.virtualMachineProfile.extensionProfile.extensions"
HEALTH = ("ApplicationHealthLinux", "ApplicationHealthWindows")


def plain_health_probe(machine: Resource, index: Index) -> Verdict:
    """Fail where the health of a scale set's machines is asked for over HTTP."""
    if is_vm(machine):
        return NotApplicable(Message("it is no scale set"))
    _readable(machine)
    every = known_objects(machine.body, EXTENSIONS)
    types = [known_text(each, "properties.type") for each in every]
    matches = [each for each, kind in zip(every, types, strict=True) if is_one(kind, HEALTH)]
    if not matches:
        return NotApplicable(Message("no extension asks for its health"))
    path = f"{EXTENSIONS}[].properties.settings.protocol"
    values = [value_at(each, "properties.settings.protocol") for each in matches]
    if any(same(each, "http") for each in values):
        return Fail((Evidence(path, "http", Message("https or tcp")),))
    if not all(same(each, "https") or same(each, "tcp") for each in values):
        raise not_returned_or_unknown(path)
    return Pass((Evidence(path, values, Message("https or tcp")),))
