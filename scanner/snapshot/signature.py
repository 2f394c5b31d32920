"""Signatures of snapshot files, in the format of cosign for files: ECDSA with P-256 over the SHA-256 of the file, as
base64 in FILE.sig. `openssl dgst -sha256 -verify` reads it, too.
"""

import base64
import binascii
import hashlib
import io
import os
import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from scanner.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

SUFFIX = ".sig"
"""What follows the name of a snapshot in the name of its signature."""
PASSWORD = "TWOLOCKS_SECRET_SIGNING_PASSWORD"  # noqa: S105 - a name, no secret
"""The variable with the password of the private key."""

_MOST_BYTES = 64 << 10
"""How much is read of a key or signature."""
_MAKE = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -out key.pem"
_MAKE_PUBLIC = "openssl pkey -in key.pem -pubout -out cosign.pub"
_NOTHING = "nothing was evaluated"


class Signer:
    """A private key. Its errors repeat nothing of the key or its password."""

    def __init__(self, private_key: "EllipticCurvePrivateKey") -> None:
        self._private_key = private_key

    def sign(self, digest: bytes) -> bytes:
        """Return the signature of a file with this SHA-256, as it stands in FILE.sig."""
        from cryptography.hazmat.primitives.asymmetric import ec

        return base64.b64encode(self._private_key.sign(digest, ec.ECDSA(_prehashed())))


class Verifier:
    """A public key. `name`: its file."""

    def __init__(self, public_key: "EllipticCurvePublicKey", name: str) -> None:
        self._public_key = public_key
        self.name = name

    def is_valid(self, signature: bytes, digest: bytes) -> bool:
        """Return whether this is the signature (DER) of a file with this SHA-256 by the private key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec

        try:
            self._public_key.verify(signature, digest, ec.ECDSA(_prehashed()))
        except InvalidSignature:
            return False
        return True


class Signature:
    """A signature and the public key that it must be of. `text`: the content of FILE.sig; `at`: its name."""

    def __init__(self, verifier: Verifier, text: bytes, at: str) -> None:
        self.verifier = verifier
        self._at = at
        try:
            self._value = base64.b64decode(b"".join(text.split()), validate=True)
        except binascii.Error:
            raise InputError(f"{at} is no signature: it is not base64; {_NOTHING}", at=at, do=_collect()) from None

    def opened(self, path: Path) -> BinaryIO:
        """Return a file whose signature is valid, open for reading. Raises InputError for any other.

        Reading hashes again, so that bytes that were exchanged after the check raise InputError at the latest at the
        end of the file.
        """
        try:
            file = path.open("rb", buffering=0)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}", at=f"--from {path}") from None
        try:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(f"{path} is no file, so it cannot be verified; {_NOTHING}", at=f"--from {path}")
            digest = hashlib.file_digest(file, "sha256").digest()
            if not self.verifier.is_valid(self._value, digest):
                raise InputError(
                    f"the signature of {path.name} is not valid for {self.verifier.name}; {_NOTHING}",
                    at=self._at,
                    do="the file was changed after it was signed, or another key signed it; get both again",
                )
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return io.BufferedReader(_VerifiedFile(file, path, digest), 1 << 16)


class _VerifiedFile(io.RawIOBase):
    """A file that must end with the digest that was verified."""

    def __init__(self, file: io.FileIO, path: Path, digest: bytes) -> None:
        self._file = file
        self._path = path
        self._expected = digest
        self._hash = sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        count = self._file.readinto(buffer)
        if count:
            self._hash.update(memoryview(buffer)[:count])
        elif self._hash.digest() != self._expected:
            what = f"{self._path.name} was changed while it was read; {_NOTHING}"
            raise InputError(what, at=str(self._path), do="scan again")
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class HashedFile(io.RawIOBase):
    """A file that is written through, with the SHA-256 of what was written. Closing it does not close that file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = sha256()

    @property
    def digest(self) -> bytes:
        return self._hash.digest()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def signer(name: str, at: str, environ: Mapping[str, str]) -> Signer:
    """Return the private key in a file. Raises InputError for any other content, and where its password is missing."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = _content(name, at)
    if b"SIGSTORE PRIVATE KEY-----" in text or b"COSIGN PRIVATE KEY-----" in text:
        do = f"{_MAKE}; cosign takes it by: cosign import-key-pair --key key.pem"
        raise InputError(f"{name} is encrypted in cosign's own format; nothing was read", at=at, do=do)
    password: bytes | None = None
    try:
        if b"ENCRYPTED" in text:
            password = environ.get(PASSWORD, "").encode("utf-8", "surrogateescape")
            if not password:
                raise InputError(f"{name} has a password; nothing was read", at=at, do=f"set {PASSWORD}")
        key = load_pem_private_key(text, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if password:
            what = f"{name} cannot be decrypted by the password in {PASSWORD}; nothing was read"
            raise InputError(what, at=at, do=f"check {PASSWORD}, or make a new key: {_MAKE}") from None
        raise InputError(f"{name} is no private key in PEM; nothing was read", at=at, do=_MAKE) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InputError(f"{name} is no key of ECDSA with P-256; nothing was read", at=at, do=_MAKE)
    return Signer(key)


def verifier(name: str, at: str) -> Verifier:
    """Return the public key in a file. Raises InputError for any other content."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    text = _content(name, at)
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(f"{name} is no public key in PEM; {_NOTHING}", at=at, do=_MAKE_PUBLIC) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InputError(f"{name} is no key of ECDSA with P-256; {_NOTHING}", at=at, do=_MAKE_PUBLIC)
    return Verifier(key, name)


def signature(verifier: Verifier, path: Path, name: str, at: str) -> Signature:
    """Return the signature in a file, whose name for people is `name`. Raises InputError where there is none."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES)
    except FileNotFoundError:
        raise InputError(
            f"{name} does not exist: the snapshot is not signed; {_NOTHING}", at=at, do=_collect()
        ) from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}; {_NOTHING}", at=at) from None
    return Signature(verifier, text, name)


def _collect() -> str:
    return "scan --snapshot FILE --sign KEY writes a snapshot with its signature"


def _content(name: str, at: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}", at=at, do="give a key in PEM") from None


def _prehashed() -> "Prehashed":
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    return Prehashed(SHA256())
