"""Switches of encryption that are on, and what the service reports of their effect."""

from scanner.model.checks import check_value
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, Pass, Verdict

ROTATION = "properties.rotationToLatestKeyVersionEnabled"
ROTATION_ERROR = "properties.autoKeyRotationError"
ENFORCEMENT = "properties.encryptionWithCmk.enforcement"
COMPLIANCE = "properties.encryptionWithCmk.encryptionComplianceStatus"
END_ERROR = Message(
    "Read `properties.autoKeyRotationError` of the set, let its identity use the key again, and set the newest version once."
)
ENCRYPT = Message(
    "Create the indexes, synonym maps and other objects without a key again, with a customer-managed key."
)


def no_rotation(disk_set: Resource, index: Index) -> Verdict:
    """Fail where a disk encryption set does not follow its key to a new version, or has failed to do so.

    azure-mgmt-compute EncryptionSetProperties.autoKeyRotationError: while it is present, no rotation is attempted.
    """
    verdict = check_value(disk_set, ROTATION, good=(True,), bad=(False,), absent=False)
    error = disk_set.get(ROTATION_ERROR)
    if not isinstance(verdict, Pass) or is_absent(error) or error == {}:
        return verdict
    shown = text_at(disk_set.body, f"{ROTATION_ERROR}.code") or Message("an error")
    seen = Evidence(ROTATION_ERROR, shown, Message("no error"))
    stopped = Cause("", ROTATION_ERROR, words=(END_ERROR,))
    return Fail(
        (*verdict.evidence, seen), Message("Automatic rotation is enabled, but stopped at an error."), causes=(stopped,)
    )


def platform_keys_allowed(service: Resource, index: Index) -> Verdict:
    """Fail where a search service does not ask for customer-managed keys, or has objects without one.

    azure-mgmt-search SearchEncryptionWithCmk.enforcement: Enabled marks a service as not compliant, and refuses nothing.
    """
    verdict = check_value(
        service, ENFORCEMENT, good=("Enabled",), bad=("Disabled", "Unspecified"), absent="Unspecified"
    )
    if not isinstance(verdict, Pass):
        return verdict
    status = check_value(service, COMPLIANCE, good=("Compliant",), bad=("NonCompliant",))
    if isinstance(status, Fail):
        others = Cause("", COMPLIANCE, words=(ENCRYPT,))
        return Fail(
            (*verdict.evidence, *status.evidence),
            Message("Some objects have no customer-managed key."),
            causes=(others,),
        )
    return status if not isinstance(status, Pass) else Pass((*verdict.evidence, *status.evidence))
