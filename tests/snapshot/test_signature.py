"""A snapshot is signed as cosign signs files, and refused where its signature is missing or not valid."""

import base64
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from scanner.errors import InputError
from scanner.output.storage import Storage
from scanner.rulebook.loader import load
from scanner.sandbox.server import Sandbox, running
from scanner.scan.outputs import Outputs
from scanner.snapshot import files, signature
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.terminals import SUB, Ended, account, closed, twolocks

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()
WORD = "a secret word"
SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")


def pair(name: str = "key", password: str = "") -> tuple[Path, Path]:
    """Write a private key and its public key into the current folder, and return their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    lock = serialization.BestAvailableEncryption(password.encode()) if password else PLAIN
    private, public = Path(f"{name}.pem").resolve(), Path(f"{name}.pub").resolve()
    private.write_bytes(key.private_bytes(PEM, PKCS8, lock))
    public.write_bytes(key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def scan(*words: object, **env: str) -> Ended:
    with running(Sandbox([account("st1"), closed("st2")], [SUB])) as box:
        return twolocks("scan", "--fail-on", "never", *words, env={**box.environment(), **env})


def verify(name: str, key: Path, *words: object) -> Ended:
    return twolocks("scan", "--from", name, "--verify", key, "--out", "found.json", "--fail-on", "never", *words)


def refused(ended: Ended, why: str) -> None:
    assert ended.code == 2, ended.err
    assert why in ended.err
    assert not Path("found.json").exists()
    assert " scope " not in ended.err, "something was read"


def openssl(name: str, public: Path) -> bool:
    """Whether openssl accepts the signature of a file."""
    Path("raw.sig").write_bytes(base64.b64decode(Path(f"{name}.sig").read_bytes(), validate=True))
    words = ["openssl", "dgst", "-sha256", "-verify", str(public), "-signature", "raw.sig", name]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_signed_snapshot_is_verified_by_us_and_openssl(suffix: str) -> None:
    private, public = pair()
    name = f"night{suffix}"
    ended = scan("--snapshot", name, "--sign", private)
    assert ended.code == 3, ended.err
    assert f"wrote    {name}.sig" in ended.err
    assert Path(f"{name}.sig").stat().st_mode & 0o777 == 0o600
    ended = verify(name, public)
    assert ended.code == 3, ended.err
    assert f"signature valid for {public}" in ended.err
    assert Path("found.json").exists()
    if shutil.which("openssl"):
        assert openssl(name, public)
    Path(name).write_bytes(Path(name).read_bytes() + b"\n")
    if shutil.which("openssl"):
        assert not openssl(name, public)
    ended = twolocks("reach", "st1", "--from", name, "--verify", public)
    assert ended.code == 2
    assert "is not valid for" in ended.err


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_key_of_openssl_with_a_password_signs_and_its_signature_is_verified() -> None:
    make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes256"]
    subprocess.run([*make, "-pass", f"pass:{WORD}", "-out", "key.pem"], check=True, capture_output=True)
    public = ["openssl", "pkey", "-in", "key.pem", "-passin", f"pass:{WORD}", "-pubout", "-out", "cosign.pub"]
    subprocess.run(public, check=True, capture_output=True)
    ended = scan("--snapshot", "n.jsonl", "--sign", "key.pem", TWOLOCKS_SECRET_SIGNING_PASSWORD=WORD)
    assert ended.code == 3, ended.err
    assert openssl("n.jsonl", Path("cosign.pub"))
    assert verify("n.jsonl", Path("cosign.pub")).code == 3
    for password, why in (("", "key.pem has a password"), ("wrong", "key.pem cannot be decrypted by the password in")):
        ended = scan("--snapshot", "n2.jsonl", "--sign", "key.pem", TWOLOCKS_SECRET_SIGNING_PASSWORD=password)
        Path("found.json").unlink(missing_ok=True)
        refused(ended, why)
        assert "wrong" not in ended.err
        assert not list(Path().glob("n2*"))
    sign = ["openssl", "dgst", "-sha256", "-sign", "key.pem", "-passin", f"pass:{WORD}", "-out", "raw", "n.jsonl"]
    subprocess.run(sign, check=True, capture_output=True)
    Path("n.jsonl.sig").write_bytes(base64.encodebytes(Path("raw").read_bytes()))
    assert verify("n.jsonl", Path("cosign.pub")).code == 3


def test_what_is_not_signed_by_the_key_is_refused_before_anything_is_evaluated() -> None:
    private, public = pair()
    other = pair("other")[1]
    for suffix in SUFFIXES:
        name = f"night{suffix}"
        assert scan("--snapshot", name, "--sign", private).code == 3
        whole, sig = Path(name).read_bytes(), Path(f"{name}.sig")
        good = sig.read_bytes()
        refused(verify(name, other), f"the signature of {name} is not valid for {other}")
        for position in (0, len(whole) // 2, len(whole) - 1):
            Path(name).write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
            refused(verify(name, public), "is not valid for")
        for changed in (whole + b"\0", whole[:-1]):
            Path(name).write_bytes(changed)
            refused(verify(name, public), "is not valid for")
        Path(name).write_bytes(whole)
        for text in (b"", b"!!", good[:-8], base64.b64encode(b"x" * 70), good[:4] + b"A" + good[5:]):
            sig.write_bytes(text)
            refused(verify(name, public), "night")
        sig.unlink()
        refused(verify(name, public), f"{name}.sig does not exist: the snapshot is not signed")
        sig.write_bytes(good + b"\n")
        assert verify(name, public).code == 3
        Path("found.json").unlink()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bytes_that_are_exchanged_after_the_check_are_not_evaluated(suffix: str) -> None:
    """The file keeps its inode, so that an open descriptor sees the change, too."""
    private, public = pair()
    name = Path(f"night{suffix}")
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    for number in range(20_000):
        made.resource(
            {"id": f"{account('st')['id']}{number:06}", "location": secrets.token_hex(40)}, "2025-08-01", "list"
        )
    storage = Storage(None, lambda run: run)  # type: ignore[arg-type]
    outputs = Outputs(storage, load())
    outputs.write_snapshot(made, str(name), signature.signer(str(private), "", {}))
    assert outputs.wrote == [str(name), f"{name}.sig"]
    key = signature.verifier(str(public), "")
    for change in ("other", "longer"):
        result = signature.signature(key, Path(f"{name}.sig"), f"{name}.sig", "")
        read = files.read(name, result)
        before = name.read_bytes()
        with name.open("r+b") as file:
            if change == "longer":
                file.seek(0, os.SEEK_END)
                file.write(b"\n" if suffix == ".jsonl" else before)
            else:
                store = Store(Header(taken="2026-11-25T00:00:00Z"))
                store.write(Path(f"empty{suffix}"))
                file.write(Path(f"empty{suffix}").read_bytes())
                file.truncate()
        with pytest.raises(InputError):
            list(read.bundles())
        name.write_bytes(before)
    result = signature.signature(key, Path(f"{name}.sig"), f"{name}.sig", "")
    assert len(list(files.read(name, result).bundles())) == 20_000


def test_a_file_of_bare_resources_can_be_verified() -> None:
    private, public = pair()
    Path("az.json").write_text(f'{{"value": [{{"id": "{account("st")["id"]}"}}]}}')
    digest = sha256(Path("az.json").read_bytes()).digest()
    Path("az.json.sig").write_bytes(signature.signer(str(private), "", {}).sign(digest))
    assert verify("az.json", public).code == 3
    Path("found.json").unlink()
    Path("az.json").write_text('{"value": []}')
    refused(verify("az.json", public), "is not valid for")


KEYS: dict[str, tuple[Callable[[], Any], str]] = {
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, "no key of ECDSA with P-256"),
    "P-384": (lambda: ec.generate_private_key(ec.SECP384R1()), "no key of ECDSA with P-256"),
    "RSA": (lambda: rsa.generate_private_key(65537, 2048), "no key of ECDSA with P-256"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_another_kind_is_refused(kind: str) -> None:
    make, why = KEYS[kind]
    key = make()
    Path("key.pem").write_bytes(key.private_bytes(PEM, PKCS8, PLAIN))
    Path("key.pub").write_bytes(key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    refused(scan("--snapshot", "n.jsonl", "--sign", "key.pem"), why)
    Path("n.jsonl").write_text("")
    refused(verify("n.jsonl", Path("key.pub")), why)


def test_other_files_are_no_keys() -> None:
    private, public = pair()
    for word in ("SIGSTORE", "COSIGN"):
        Path("cosign.key").write_text(f"-----BEGIN ENCRYPTED {word} PRIVATE KEY-----\nZXlK\n-----END\n")
        ended = scan("--snapshot", "n.jsonl", "--sign", "cosign.key", TWOLOCKS_SECRET_SIGNING_PASSWORD=WORD)
        refused(ended, "cosign.key is encrypted in cosign's own format")
        assert "hint: openssl genpkey -algorithm EC" in ended.err
    refused(scan("--snapshot", "n.jsonl", "--sign", public), "key.pub is no private key in PEM")
    refused(scan("--snapshot", "n.jsonl", "--sign", "nowhere"), "nowhere cannot be read")
    Path("n.jsonl").write_text("")
    refused(verify("n.jsonl", private), "key.pem is no public key in PEM")
    refused(verify("n.jsonl", Path("nowhere")), "nowhere cannot be read")


def test_a_key_without_a_snapshot_is_wrong_use() -> None:
    private, public = pair()
    refused(scan("--sign", private), "--sign signs a snapshot that a scan of Azure writes")
    refused(scan("--verify", public), "--verify is for a snapshot that is read")
    assert scan(TWOLOCKS_SCAN_VERIFY=str(public), TWOLOCKS_SCAN_SIGN=str(private)).code == 3
    for word in ("key.pem", "n.jsonl.sig"):
        assert scan("--snapshot", "n.jsonl", "--sign", private, "--record", word).code == 2


class _Full:
    """A file that takes no bytes: a full disk."""

    def write(self, data: bytes) -> int:
        raise OSError(28, os.strerror(28))


@pytest.mark.parametrize("what", ["snapshot", "signature", "signing"])
def test_a_failure_leaves_nothing_that_looks_signed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    private, _ = pair()
    assert scan("--snapshot", "n.jsonl", "--sign", private).code == 3
    before = {name: Path(name).read_bytes() for name in ("n.jsonl", "n.jsonl.sig")}
    if what == "signature":
        monkeypatch.setattr(signature.Signer, "sign", lambda *_: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
    elif what == "signing":
        monkeypatch.setattr(signature.Signer, "sign", lambda *_: 1 // 0)
    else:
        monkeypatch.setattr(Store, "into", lambda self, raw, path: _Full().write(b""))
    ended = scan("--snapshot", "n.jsonl", "--sign", private)
    assert ended.code == (70 if what == "signing" else 2), ended.err
    assert {name: Path(name).read_bytes() for name in before} == before
    assert not list(Path().glob(".*part"))
    monkeypatch.undo()


def test_an_unsigned_snapshot_in_the_place_of_a_signed_one_is_refused() -> None:
    private, public = pair()
    assert scan("--snapshot", "n.jsonl", "--sign", private).code == 3
    assert scan("--snapshot", "n.jsonl").code == 3
    refused(verify(str(Path("n.jsonl").resolve()), public), "is not valid for")


def test_a_kill_between_the_two_renames_leaves_no_older_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    private, _ = pair()
    assert scan("--snapshot", "n.jsonl", "--sign", private).code == 3
    seen: list[bool] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        if Path(target).name == "n.jsonl":
            seen.append(Path("n.jsonl.sig").exists())
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    assert scan("--snapshot", "n.jsonl", "--sign", private).code == 3
    assert seen == [False]


def test_a_settings_file_of_a_folder_names_no_key() -> None:
    _, public = pair()
    for key in ("sign", "verify"):
        Path("twolocks.toml").write_text(f'[scan]\n{key} = "key.pub"\n')
        ended = scan("--snapshot", "n.jsonl")
        assert ended.code == 2
        assert f"scan.{key}" in ended.err
    assert public.exists()
