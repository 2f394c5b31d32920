"""Runs the commands of docs/install.md that verify a release, where Sigstore is not reached.

An authority of this machine issues the certificate that Sigstore's would: for the workflow's name, by the issuer of
GitHub's tokens (extensions 1.3.6.1.4.1.57264.1.1 and .8 of Fulcio's certificates). What remains untried is the log.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.release.builds import ROOT
from tests.release.machine import Failed, Machine

IDENTITY: Final = "https://github.com/OWNER/twolocks/.github/workflows/release.yml@refs/tags/v{version}"
ISSUER: Final = "https://token.actions.githubusercontent.com"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PROVENANCE: Final = "https://slsa.dev/provenance/v1"
CONTENTS: Final = "https://cyclonedx.org/bom"
OWN_AUTHORITY: Final = (
    'cosign() { command cosign "$1" --trusted-root root.json --insecure-ignore-tlog --insecure-ignore-sct "${@:2}"; }\n'
)


@dataclass(frozen=True, slots=True)
class Signer:
    """A key with its certificate (DER), and that of the authority (PEM)."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes
    authority: bytes


def builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    """Return a certificate to be completed; an empty subject is none, as in Fulcio's certificates."""
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        common_name(issuer),
        common_name(subject),
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(minutes=5),
        now + timedelta(hours=1),
    )


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)] if text else [])


def signer(identity: str, issuer: str = ISSUER) -> Signer:
    """Return a signer whose certificate names a workflow, from a new authority."""
    above, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = builder("authority", "authority", above)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    root = root.add_extension(usage(certificates=True), critical=True)
    leaf = builder("", "authority", key).add_extension(usage(certificates=False), critical=True)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
    text = issuer.encode()
    for number, value in (("1", text), ("8", bytes((12, len(text))) + text)):
        oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
        leaf = leaf.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
    der = leaf.sign(above, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return Signer(key, der, root.sign(above, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def usage(*, certificates: bool) -> x509.KeyUsage:
    """Return the key usage of the authority, or of who signs."""
    unused = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
    )
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        encipher_only=False,
        decipher_only=False,
        **unused,
    )


def bundle(by: Signer, file: Path, kind: str, predicate: Any) -> str:
    """Return a Sigstore bundle without a log entry: an in-toto statement about a file in a DSSE envelope."""
    subject = {"name": file.name, "digest": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}}
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [subject]}
    payload = json.dumps({**statement, "predicateType": kind, "predicate": predicate}).encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    signature = by.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    envelope = {
        "payload": base64_of(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": base64_of(signature)}],
    }
    material = {"certificate": {"rawBytes": base64_of(by.certificate)}}
    return json.dumps({"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope})


def base64_of(value: bytes) -> str:
    return base64.b64encode(value).decode()


def printed(version: str) -> str:
    """Return the commands of docs/install.md that need no account, for this release."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "install.md").read_text("utf-8"), re.S)
    return "".join(each for each in blocks if "cosign" in each or "jq" in each).replace("VERSION", version)


def commands(machine: Machine, wheel: Path, contents: Path) -> str:
    """Run them for a release, and where the wheel or the workflow is another one."""
    version = wheel.name.split("-")[1]
    folder = machine.home / "verify"
    folder.mkdir()
    script = ("bash", "-euo", "pipefail", "-c", OWN_AUTHORITY + printed(version))
    identity = IDENTITY.format(version=version)
    write_release(folder, machine, signer(identity), wheel, contents)
    accepted = machine.run(*script, cwd=folder)
    changed = folder / wheel.name
    changed.write_bytes(wheel.read_bytes() + b"x")
    refused(machine.run(*script, cwd=folder, code=1), "digest")
    for other in (identity.replace("release.yml", "test.yml"), identity.replace("/twolocks/", "/another/")):
        write_release(folder, machine, signer(other), wheel, contents)
        refused(machine.run(*script, cwd=folder, code=1), "expected SAN value")
    return f"ok {accepted.strip().splitlines()[-1]}; refused: another byte, another workflow, another repository"


def refused(text: str, reason: str) -> None:
    """Raise `Failed` where another reason than this one is given."""
    if reason not in text:
        raise Failed(f"refused for another reason than {reason!r}: {text}")


def write_release(folder: Path, machine: Machine, by: Signer, wheel: Path, contents: Path) -> None:
    """Write the files of a release that the commands read, and the authority that they trust."""
    (folder / wheel.name).write_bytes(wheel.read_bytes())
    (folder / contents.name).write_bytes(contents.read_bytes())
    named = {"provenance": (PROVENANCE, {"buildDefinition": {}}), "sbom": (CONTENTS, json.loads(contents.read_bytes()))}
    for name, (kind, predicate) in named.items():
        text = bundle(by, wheel, kind, predicate)
        (folder / f"twolocks.{name}.sigstore.json").write_text(text, "utf-8")
    (folder / "authority.pem").write_bytes(by.authority)
    machine.run(
        "cosign", "trusted-root", "create", "--certificate-chain", "authority.pem", "--out", "root.json", cwd=folder
    )
