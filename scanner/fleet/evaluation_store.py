"""The place of an evaluation by workers, below that of its run. Its key is the digest of all that it depends on.

RUN/evaluation/KEY/input.zst           rules, settings, waivers, history (`EvaluationInput`)
RUN/evaluation/KEY/lines.jsonl.zst     what each range needs of the whole snapshot (`needed_lines`)
RUN/evaluation/KEY/ranges/NAME.zst     consecutive bundles (`Batch`); NAME is a number and the digest of the range
RUN/evaluation/KEY/done/NAME.zst       the part of the document that a range gives (`DocumentFragment`)
RUN/evaluation/KEY/done/NAME.MARK      an attempt to evaluate it
RUN/evaluation/KEY/done/NAME.failed    it was given up; the scan evaluates it
RUN/evaluation/KEY/over                the parts are joined; nothing is evaluated any more

Each `.zst` but the lines begins with a digest of its place and its bytes, so that no other file passes for it.
"""

import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from typing import IO, Final, NamedTuple, TypeVar

import msgspec
import zstandard
from msgspec import Struct

from scanner.errors import InputError
from scanner.evaluate import ledgers
from scanner.evaluate.ledgers import DocumentFragment
from scanner.fleet.inputs import VERSION, EvaluationInput
from scanner.fleet.shard_store import ShardStore
from scanner.model.message import message_text
from scanner.snapshot.batches import Batch
from scanner.snapshot.lines import LINE_BYTES
from scanner.text.packed import UnpackedTooLarge, unpacked, zstandard_reader

T = TypeVar("T")
FOLDER: Final = "evaluation"
_KEY: Final = re.compile(r"[0-9a-f]{32}")
_RANGE: Final = re.compile(r"[0-9]{6}-[0-9a-f]{32}")
_SEAL: Final = 32
_MOST_INPUT, _MOST_RANGE, _MOST_FRAGMENT = 1 << 29, 1 << 28, 1 << 29
"""The most bytes of each, decompressed."""
_BLOCK: Final = 1 << 20

_batch_decoder: Final = msgspec.msgpack.Decoder(Batch)
_input_decoder: Final = msgspec.json.Decoder(EvaluationInput)


def digest(data: bytes) -> str:
    """Return the digest that names data."""
    return blake2b(data, digest_size=16).hexdigest()


class EncodedRange(NamedTuple):
    """A range as it is written."""

    name: str
    """See the module."""
    packed: bytes

    @classmethod
    def of(cls, number: int, batch: Batch) -> "EncodedRange":
        data = msgspec.msgpack.encode(batch, enc_hook=message_text)
        return cls(f"{number:06}-{digest(data)}", zstandard.compress(data, 3))

    def batch(self) -> Batch:
        """Return the range. Raises InputError where it is none, or not the one of this name."""
        data = _unpacked(self.packed, _MOST_RANGE)
        if digest(data) != self.name.partition("-")[2]:
            raise InputError("it is another range than its name says")
        return _decoded(_batch_decoder, data)


class EvaluationStore(Struct, frozen=True):
    """The files of one evaluation."""

    shards: ShardStore
    key: str

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise InputError(f'"{self.key[:40]}" is not the key of an evaluation', at=self.shards.at)

    def _name(self, *names: str) -> str:
        return self.shards.name(FOLDER, self.key, *names)

    def _write(self, packed: bytes, *names: str) -> None:
        self.shards.write(self._name(*names), self._seal(packed, names) + packed)

    def _read(self, *names: str) -> bytes:
        """Return the bytes of a file. Raises UserError where it is not there, or was written as another file."""
        with self.shards.storage.reading(self._name(*names), self.shards.at) as path:
            try:
                with path.open("rb") as file:
                    data = file.read(_MOST_INPUT + 1)
            except OSError as error:
                raise _broken(self._name(*names), error.strerror or error) from None
        packed = data[_SEAL:]
        if not compare_digest(data[:_SEAL], self._seal(packed, names)):
            raise _broken(self._name(*names), "its digest differs")
        return packed

    def _seal(self, packed: bytes, names: Iterable[str]) -> bytes:
        about = "/".join((self.shards.run, self.key, *names)).encode()
        return blake2b(about + b"\0" + packed, digest_size=_SEAL).digest()

    # What the scan writes

    def write_input(self, data: bytes, lines: IO[bytes]) -> None:
        """Write the encoded `EvaluationInput`, after the compressed lines that it names."""
        with self.shards.writing(self._name("lines.jsonl.zst")) as file:
            lines.seek(0)
            shutil.copyfileobj(lines, file, _BLOCK)
        self._write(zstandard.compress(data, 3), "input.zst")

    def write_range(self, made: EncodedRange) -> None:
        self._write(made.packed, "ranges", f"{made.name}.zst")

    def end(self) -> None:
        """Note that nothing is to be evaluated any more."""
        self.shards.write(self._name("over"), b"")

    def is_over(self) -> bool:
        """Return whether nothing is to be evaluated any more."""
        return "over" in self.shards.names(FOLDER, self.key, prefix="over")

    def marks(self) -> set[str]:
        """Return the names of parts, attempts and failures: `NAME.zst`, `NAME.MARK`, `NAME.failed`."""
        return set(self.shards.names(FOLDER, self.key, "done"))

    def fragment(self, name: str) -> DocumentFragment:
        """Return the part of the document that a range gave. Raises UserError where there is none, or not all of it."""
        data = _unpacked(self._read("done", f"{_checked(name)}.zst"), _MOST_FRAGMENT)
        return _decoded(ledgers.decoder, data)

    # What a worker does

    def input(self) -> EvaluationInput:
        """Return what the evaluation depends on. Raises UserError where it is not there, or of another version."""
        data = _unpacked(self._read("input.zst"), _MOST_INPUT)
        evaluation_input = _decoded(_input_decoder, data)
        if digest(data) != self.key or evaluation_input.version != VERSION or evaluation_input.run != self.shards.run:
            raise _broken(self._name("input.zst"), "it is of another evaluation")
        return evaluation_input

    def copy_lines(self, to: Path, wanted: str) -> None:
        """Copy the compressed lines to a file. `wanted`: their digest. Raises UserError where they are others."""
        name = self._name("lines.jsonl.zst")
        with self.shards.storage.reading(name, self.shards.at) as path:
            try:
                shutil.copyfile(path, to)
            except OSError as error:
                raise _broken(name, error.strerror or error) from None
        try:
            value = digest_of_lines(lines_in(to))
        except (zstandard.ZstdError, OSError) as error:
            raise _broken(name, error) from None
        if value != wanted:
            raise _broken(name, "its digest differs")

    def range(self, name: str) -> Batch:
        """Return a range. Raises UserError where it is not there, or another one."""
        return EncodedRange(name, self._read("ranges", f"{_checked(name)}.zst")).batch()

    def is_handed_out(self, name: str) -> bool:
        """Return whether the scan wrote a range."""
        return f"{name}.zst" in self.shards.names(FOLDER, self.key, "ranges", prefix=f"{_checked(name)}.zst")

    def is_done(self, name: str) -> bool:
        """Return whether a range has a part."""
        return f"{name}.zst" in self.shards.names(FOLDER, self.key, "done", prefix=f"{_checked(name)}.zst")

    def note_start(self, name: str, worker: str) -> int:
        """Note an attempt to evaluate a range. Return how many there have been."""
        mark = f"{_checked(name)}.{secrets.token_hex(4)}"
        self.shards.write(self._name("done", mark), worker.encode())
        matches = self.shards.names(FOLDER, self.key, "done", prefix=f"{name}.")
        return sum(not each.endswith((".zst", ".failed")) for each in matches)

    def write_fragment(self, name: str, fragment: DocumentFragment) -> None:
        """Write the part of the document that a range gave. An earlier one is replaced whole."""
        self._write(zstandard.compress(ledgers.encoder.encode(fragment), 3), "done", f"{_checked(name)}.zst")

    def write_failure(self, name: str, why: str) -> None:
        """Note that a range is given up."""
        self.shards.write(self._name("done", f"{_checked(name)}.failed"), msgspec.json.encode(why))


def evaluated(shards: ShardStore) -> tuple[int, int]:
    """Return how many ranges of a run have a part, and how many there are."""
    done = total = 0
    for key in shards.names(FOLDER):
        total += len(shards.names(FOLDER, key, "ranges"))
        done += sum(name.endswith(".zst") for name in shards.names(FOLDER, key, "done"))
    return done, total


def lines_in(path: Path) -> Iterator[bytes]:
    """Yield the lines of a compressed file, without their ends."""
    with path.open("rb") as file, zstandard_reader(file) as reader:
        while line := reader.readline(LINE_BYTES + 1):
            if len(line) > LINE_BYTES:
                raise OSError("a line of it is too long")
            yield line.removesuffix(b"\n")


def digest_of_lines(lines: Iterable[bytes]) -> str:
    """Return the digest of lines."""
    result = blake2b(digest_size=16)
    for line in lines:
        result.update(line + b"\n")
    return result.hexdigest()


def _unpacked(packed: bytes, most: int) -> bytes:
    """Return what a compressed text holds. Raises InputError where it is none, or too large."""
    try:
        return unpacked(packed, most)
    except (zstandard.ZstdError, UnpackedTooLarge) as error:
        raise InputError(f"it cannot be read: {error}") from None


def _decoded(decoder: "msgspec.msgpack.Decoder[T] | msgspec.json.Decoder[T]", data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"it cannot be read: {error}") from None


def _broken(name: str, why: object) -> InputError:
    return InputError(f"{name} cannot be used: {why}")


def _checked(name: str) -> str:
    """Return the name of a range. Raises InputError for what is none."""
    if not _RANGE.fullmatch(name):
        raise InputError(f'"{name[:60]}" is not the name of a range')
    return name
