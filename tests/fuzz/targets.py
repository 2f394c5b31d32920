"""What is fuzzed: each target takes bytes, and only the errors that its reader documents may leave it.

A target that takes a file's bytes starts from the files in `corpus/NAME`. One that takes decisions (`choices.py`)
starts from any bytes.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from scanner.config import settings, waiver_reader
from scanner.errors import InputError, UserError
from scanner.fleet.broker import Delivery, RedisBroker
from scanner.fleet.queue import Queue
from scanner.history.documents import document_of
from scanner.output.formats import FORMATS, writer
from scanner.rulebook.row_files import RuleFiles, read_controls, read_rows
from scanner.sandbox.kusto import BadQuery
from scanner.sandbox.kusto import run as run_query
from scanner.snapshot.answer_shape import AnswerShape
from scanner.snapshot.journal import Journal
from scanner.snapshot.journal_lines import JournalHeader
from tests.fuzz import bodies
from tests.fuzz.choices import WORDS, Choices, json_line
from tests.rules import examples

CORPUS = Path(__file__).parent / "corpus"
LIMIT = 5.0
"""The seconds of processor time that one input may take."""


HEADER = JournalHeader(taken="2026-11-25T02:00:00Z", tool="twolocks 1.0.0")


@dataclass(frozen=True, slots=True)
class Target:
    """`run` takes one input and raises where the target's property does not hold. `words`: tokens of its language."""

    name: str
    run: Callable[[bytes], None]
    words: tuple[str, ...] = ()

    def corpus(self) -> list[bytes]:
        """Return the inputs that are kept, in the order of their names."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).glob("*")) if path.is_file()]


def _in_file(data: bytes, suffix: str, read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory(prefix="twolocks-fuzz-") as folder:
        path = Path(folder) / f"input{suffix}"
        path.write_bytes(data)
        read(path)


def import_all() -> None:
    """Import rules and writers: atheris guides by the modules that it saw while they were imported."""
    examples.rules()
    for format in FORMATS:
        if format.writer:
            writer(format)


# Files


def snapshot_file(data: bytes) -> None:
    """Read a snapshot or a file of bare resources, and evaluate it."""
    try:
        _in_file(data, ".jsonl", lambda path: document_of(path, examples.rules(), "fuzz"))
    except InputError:
        return


def snapshot_lines(data: bytes) -> None:
    """Change the lines of a whole snapshot: values, order, repeated and missing lines."""
    choices = Choices(data)
    lines = list(_lines())
    for _ in range(1 + choices.number(5)):
        position = choices.number(len(lines))
        match choices.number(4):
            case 0:
                lines.pop(position)
            case 1:
                lines.insert(position, choices.one(lines))
            case _:
                lines[position] = choices.changed(lines[position])
        if not choices.left or not lines:
            break
    snapshot_file(b"".join(map(json_line, lines)))


@lru_cache
def _lines() -> tuple[Any, ...]:
    (first, *_) = sorted((CORPUS / "snapshot").glob("*.jsonl"))
    return tuple(msgspec.json.decode(line) for line in first.read_bytes().splitlines())


def findings_file(data: bytes) -> None:
    """Read a findings document, and write it in every format."""
    try:
        _in_file(data, ".json", _reported)
    except InputError:
        return


def findings_rows(data: bytes) -> None:
    """Change the rows of a findings document."""
    (first, *_) = sorted((CORPUS / "findings").glob("*.json"))
    findings_file(json_line(Choices(data).changed(msgspec.json.decode(first.read_bytes()), most=10)))


def _reported(path: Path) -> None:
    document = document_of(path, examples.rules(), "fuzz")
    for format in FORMATS:
        if format.writer:
            writer(format)(document, BytesIO())


def settings_file(data: bytes) -> None:
    try:
        _in_file(data, ".toml", lambda path: settings.resolve("scan", {}, {}, config=path))
    except UserError:
        return


def journal_file(data: bytes) -> None:
    """Go on with a journal."""

    def read(path: Path) -> None:
        with suppress(InputError):
            Journal.resume(path, HEADER, AnswerShape(None)).close(delete=False)

    _in_file(data, ".journal", read)


def journal_lines(data: bytes) -> None:
    """Change the lines of a journal, each with its sum."""
    choices = Choices(data)
    answer = {"key": "0" * 32, "path": "/subscriptions/x", "at": 1764000000, "body": {"value": []}}
    lines: list[Any] = [{"journal": msgspec.to_builtins(HEADER)}, {"account": {"name": "a", "tenant": "t"}}]
    lines += [{"answer": answer}, {"answer": {**answer, "failure": {"status": 404, "code": "NotFound"}}}]
    lines = [choices.changed(each) if choices.number(2) else each for each in lines]
    texts = map(msgspec.json.encode, lines)
    journal_file(b"".join(b"%08x %b\n" % (crc32(text), text) for text in texts))


def messages(data: bytes) -> None:
    """Take a message from a broker."""

    class OneMessage(RedisBroker):
        def __init__(self) -> None:
            """Ask no broker."""

        def take(self) -> Delivery:
            return Delivery(data)

    Queue(OneMessage()).take()


def waiver_file(data: bytes) -> None:
    try:
        _in_file(data, ".toml", lambda path: waiver_reader.load(path, examples.rules()))
    except UserError:
        return


def rule_rows(data: bytes) -> None:
    """Read a file of rules as data: what is wrong is in `broken`, with its line; nothing is raised."""

    def read(path: Path) -> None:
        modules = examples.rules().modules
        files = RuleFiles(modules=modules, controls={"set": {"CIS": ("1.1",)}}, frameworks={"cis": "CIS"})
        read_rows(path, files, modules["storage"])
        assert all(each.line >= 1 and each.error for each in files.broken)

    _in_file(data, ".toml", read)


def control_sets(data: bytes) -> None:
    """Read a `controls.toml`."""

    def read(path: Path) -> None:
        files = RuleFiles()
        read_controls(path, files)
        assert all(each.line >= 1 and each.error for each in files.broken)

    _in_file(data, ".toml", read)


def toml_words(run: Callable[[bytes], None], name: str) -> Callable[[bytes], None]:
    """Return a target that builds a file from the lines of the corpus and values of every type."""

    def built(data: bytes) -> None:
        choices = Choices(data)
        kept = [line for text in Target(name, run).corpus() for line in text.decode("utf-8", "replace").splitlines()]
        lines: list[str] = []
        while choices.left and len(lines) < 40:
            line = choices.one(kept)
            key, equals, _ = line.partition("=")
            if equals and choices.number(2):
                line = f"{key}= {_toml(choices.one(WORDS))}"
            lines.append(line)
        run("\n".join(lines).encode())

    return built


def _toml(value: Any) -> str:
    """Return a value as TOML; null, which TOML has not, as a date."""
    if value is None:
        return "2026-11-26"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return msgspec.json.encode(value).decode()


# Queries


def kql(data: bytes) -> None:
    """Run a query in the sandbox's Resource Graph: rows, or BadQuery."""
    try:
        run_query(data.decode("utf-8", "replace"), lambda name: list(_ROWS) if name == "resources" else [])
    except BadQuery:
        return


_ROWS: tuple[dict[str, Any], ...] = (
    {"id": "/a", "type": "microsoft.web/sites", "subscriptionId": "s", "resourceGroup": "rg", "kind": None},
    {"id": "/b", "type": "microsoft.keyvault/vaults", "subscriptionId": "s", "resourceGroup": "rg", "kind": "x"},
)
_JSON = ("{", "}", "[", "]", "null", "true", '"', ":", ",")
_TOML = ("[[", "]]", "[", "]", "=", '"', "'''", "{", "}", "2026-11-26")
TARGETS = (
    Target("snapshot", snapshot_file, (*_JSON, "snapshot", "scope", "resource", "read", "gap", "end", "properties")),
    Target("snapshot-lines", snapshot_lines),
    Target("journal", journal_file, (*_JSON, "journal", "account", "answer", "taken", "key", "at")),
    Target("journal-lines", journal_lines),
    Target("messages", messages, (*_JSON, "task", "shard", "range", "run", "subscription", "parts", "evaluation")),
    Target("settings", settings_file, (*_TOML, "scan", "intended", "networks", "severity", "notify")),
    Target("settings-lines", toml_words(settings_file, "settings")),
    Target("waivers", waiver_file, (*_TOML, "waiver", "gap", "rule", "resource", "expires", "owner", "reason")),
    Target("waivers-lines", toml_words(waiver_file, "waivers")),
    Target("rows", rule_rows, (*_TOML, "check", "lock", "unless", "table", "rows", "fix", "title")),
    Target("rows-lines", toml_words(rule_rows, "rows")),
    Target("controls", control_sets, _TOML),
    Target("controls-lines", toml_words(control_sets, "controls")),
    Target("findings", findings_file, (*_JSON, "twolocks/2", "findings", "exposures")),
    Target("findings-rows", findings_rows),
    Target("kql", kql, ("resources", "|", "where", "project", "summarize", "order by", "=~", "in~", " and ", "asc")),
    Target("bodies", bodies.evaluated),
    Target("wrong-types", bodies.wrong_types),
    Target("list-answers", bodies.list_answers, (*_JSON, "value", "nextLink", "error", "code", "message", "https://")),
    Target("graph-answers", bodies.graph_answers),
    Target("graph-rows", bodies.graph_rows),
    Target("nsg", bodies.security_rules),
)
"""Every target. `make fuzz` runs them all; `test_corpus.py` replays what is kept."""
