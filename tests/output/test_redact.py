"""A redacted report: no name of the estate is in any format, and its numbers are those of the whole."""

import base64
import gzip
import html
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.document.capacity_rows import ControlPlaneRow, QuotaRow, ReservationRow
from scanner.document.message_data import with_texts
from scanner.document.schema import Document, decode_document
from scanner.output.redact import VARIABLE, redact
from scanner.output.writers import encoded, write
from tests.output.test_parts import numbers
from tests.report import sample
from tests.report.parquet_file import parquet_text
from tests.sampled import is_all, some
from tests.terminals import account, snapshot, twolocks

KEY = b"0123456789abcdef"
SUFFIXES = (".html", ".csv", ".xlsx", ".ocsf.jsonl", ".md", ".sarif", ".junit.xml", ".parquet", ".json")
ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,7}\b", re.IGNORECASE)
HOST = re.compile(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+){2,}\b", re.IGNORECASE)
GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
PIECE = 6
"""The bytes of a name that are looked for first."""
MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
BESIDE = re.compile(r"[^\w.:@+-]+")
"""What stands in none of these patterns."""


@pytest.fixture(scope="module")
def demo(demo_folder: Path) -> Document:
    """The findings of the sample estate."""
    return decode_document((demo_folder / "findings.json").read_bytes())


def texts(document: Document) -> dict[str, str]:
    """A document in every format, in lower case, with what the formats encode decoded."""
    result = {".json": encoded(document).decode()}
    for suffix in SUFFIXES[:-1]:
        out = BytesIO()
        write(suffix, document, out)
        result[suffix] = readable(out.getvalue())
    return {name: text for suffix, each in result.items() for name, text in opened(suffix, each).items()}


def opened(suffix: str, text: str) -> dict[str, str]:
    """The text of a file in lower case, with what its format encodes decoded, and apart the data blocks of a page."""
    result = {suffix: text}
    islands = re.findall(r'<script[^>]*id="island(?:-more)?"[^>]*>([A-Za-z0-9+/=\s]+)<', text)
    assert len(islands) == (2 if suffix == ".html" else 0)
    for at, island in enumerate(islands):
        result[suffix] = result[suffix].replace(island, "")
        result[f"data block {at}"] = gzip.decompress(base64.b64decode(island)).decode("utf-8", "replace")
    return {name: html.unescape(re.sub(r"\\(?=\W)", "", each)).lower() for name, each in result.items()}


def readable(data: bytes) -> str:
    """Return a file as text: of a workbook all its parts."""
    if data.startswith(b"PAR1"):
        return parquet_text(data)
    if not data.startswith(b"PK"):
        return data.decode("utf-8-sig")
    with ZipFile(BytesIO(data)) as book:
        return "\n".join(book.read(name).decode() for name in book.namelist())


def names(document: Document) -> set[str]:
    """Every name that the estate has, in lower case."""
    # Each word is searched once. Its neighbours are no part of any name, so that it ends where it ended in the text.
    raw = "\0".join(set(BESIDE.split(encoded(document).decode())))
    matches = {each for pattern in (ADDRESS, HOST, GUID, MAIL) for each in pattern.findall(raw)}
    for id, row in document.resources.items():
        matches |= {row.name, row.resource_group, row.subscription, row.location, *row.tags, *row.tags.values()}
        matches |= set(_names_in(id))
    for scope in document.coverage.scopes:
        matches |= {scope.subscription, scope.name, scope.tenant}
    for exposure in document.exposures:
        kind, _, name = exposure.endpoint.partition("/")
        # The number of a port is none of its names.
        matches |= {exposure.address, exposure.fingerprint, *([] if kind in ("tcp", "udp") else [name])}
        matches |= {each.name for each in exposure.hops if each.resource} | set(_names_in(exposure.resource))
    for finding in document.findings:
        matches |= {finding.fingerprint, *_names_in(finding.resource)}
        matches |= {text for each in finding.evidence for id in _strings(each.value) for text in _names_in(id)}
    for gap in document.gaps:
        matches |= set(_names_in(gap.url))
    for key in document.keys:
        matches |= {key.host, key.key, key.key.rpartition("/")[2], key.region, *_names_in(key.vault)}
        matches |= {store.version for store in key.stores} | {key.subscription}
    for held in document.capacity:
        if isinstance(held, QuotaRow):
            matches |= {held.subscription, held.region}
        elif isinstance(held, ReservationRow):
            matches |= {held.subscription, held.region, held.sku, *_names_in(held.resource)}
    return {each.lower() for each in matches | {document.scan.principal, document.scan.cloud, document.scan.id}}


def _names_in(id: str) -> Iterator[str]:
    pieces = [segment for segment in id.split("/") if segment]
    if id.startswith("/subscriptions/"):
        yield from pieces[1:4:2]
        yield from pieces[7::2]


def _strings(value: Any) -> Iterable[str]:
    return (
        [value]
        if isinstance(value, str)
        else [each for each in value or () if isinstance(each, str)]
        if isinstance(value, list)
        else []
    )


def held(text: str, told: Iterable[str]) -> list[str]:
    """The names that a text has. Each part of it whose bytes are those of names is searched once, for the names
    whose beginning and end are somewhere in it.
    """
    names = {each.encode(): each for each in told}
    used = set(b"".join(names))
    # As bytes, because they are translated and split ten times faster than a text is by a pattern.
    only_used = bytes(each if each in used else 0xFF for each in range(256))  # 0xFF is in no text of UTF-8
    only = b"\xff".join(set(text.encode().translate(only_used).split(b"\xff")))
    pieces = {only[at : at + PIECE] for at in range(len(only) - PIECE + 1)}
    likely = (name for name in names if len(name) < PIECE or {name[:PIECE], name[-PIECE:]} <= pieces)
    return [names[name] for name in likely if name in only]


def empty(document: Document) -> Document:
    """The same scan of an estate with nothing in it: what a format says without any name."""
    nothing: dict[str, Any] = {"resources": {}, "exposures": [], "findings": [], "passed": {}, "not_applicable": {}}
    coverage = msgspec.structs.replace(document.coverage, scopes=[])
    scan = msgspec.structs.replace(document.scan, scopes=[], principal="", cloud="")
    return msgspec.structs.replace(document, **nothing, gaps=[], coverage=coverage, scan=scan)


def told_by(document: Document, words: str) -> set[str]:
    """The names of a document that tell something: they are not in our own words."""
    every = {each for each in names(document) if len(each) > 2 and not each.isdecimal()}
    return every - set(held(words, every))


@pytest.fixture(scope="module")
def words(demo: Document) -> str:
    """Our own texts. A name that they hold tells nothing: a database "master", a container "web"."""
    ours = texts(redact(empty(demo), KEY))
    return "\n".join((*ours.values(), json.dumps([each.split("/") for each in _vocabulary()]).lower()))


def test_no_name_of_the_demo_is_in_a_redacted_report(demo: Document, words: str) -> None:
    told = told_by(demo, words)
    assert len(told) > 900
    assert len(held(encoded(demo).decode().lower(), told)) > 900
    result = texts(redact(demo, KEY))
    leaked = held("\0".join(result.values()), told)
    assert leaked == [], [(suffix, name) for suffix, text in result.items() for name in leaked if name in text]


@pytest.mark.parametrize(
    ("way", "suffixes"),
    # One way: what a report of each format hides is tried above, and here the names of files.
    some(
        [
            # A workbook of a part is written as that of the whole, and takes longest.
            ("tag:cost-center", (".html", *((".xlsx",) if is_all() else ()), ".json")),
            ("subscription", SUFFIXES[5:]),
            ("resource-group", (".json",)),
        ],
        1,
    ),
)
def test_no_name_of_the_demo_is_in_a_redacted_split(
    way: str,
    suffixes: tuple[str, ...],
    demo: Document,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    key, value = way.removeprefix("tag:"), "kari.nordmann@agency.example"
    tagged = {
        id: msgspec.structs.replace(row, tags={**row.tags, key: value if at % 2 else "ops"})
        for at, (id, row) in enumerate(demo.resources.items())
    }
    whole = msgspec.structs.replace(demo, resources=tagged)
    Path("whole.json").write_bytes(encoded(whole))
    outs = [word for suffix in suffixes for word in ("--out", f"out/r{suffix}")]
    Path("out").mkdir()
    ended = twolocks("report", "whole.json", "--redact", "--split", way, *outs, env={VARIABLE: KEY.decode() * 2})
    assert ended.code == 0, ended.err
    told = told_by(whole, words)
    files = list(Path("out").iterdir())
    assert len(files) > 2 * len(suffixes)
    result = {
        path.name: "\0".join((path.name.lower(), *opened(path.suffix, readable(path.read_bytes())).values()))
        for path in files
    }
    leaked = held("\0".join(result.values()), told)
    assert leaked == [], [(file, name) for file, text in result.items() for name in leaked if name in text]
    alike = [decode_document(path.read_bytes()) for path in Path("out").glob("r.*.json")]
    assert {id for each in alike for id in each.resources} == decode_document(
        Path("out/r.json").read_bytes()
    ).resources.keys()
    total: Counter[str] = sum((numbers(each) for each in alike), Counter())
    assert _sums(total) == _sums(numbers(whole))


def _sums(result: Counter[str]) -> list[tuple[str, int]]:
    return sorted((name.partition(" ")[0] if name[:5] == "type " else name, count) for name, count in result.items())


def _vocabulary() -> Iterable[str]:
    from scanner.output.vocabulary import vocabulary

    known = vocabulary()
    return [*known.endpoints, *known.types, *known.paths, *known.values, *known.actions]


def test_the_numbers_of_the_demo_are_those_of_the_whole(demo: Document) -> None:
    made = redact(demo, KEY)
    assert _counted(made) == _counted(demo)
    assert Counter(row.severity for row in made.exposures) == Counter(row.severity for row in demo.exposures)
    assert [row.status for row in made.findings] == [row.status for row in demo.findings]
    assert len(made.resources) == len(demo.resources)
    assert len({row.fingerprint for row in made.findings}) == len({row.fingerprint for row in demo.findings})
    again = decode_document(encoded(made))
    assert encoded(again) == encoded(made)
    assert list(again.findings) == [with_texts(row, {}) for row in made.findings]


def test_a_framework_of_ones_own_is_left_out_and_another_has_its_own_words(demo: Document) -> None:
    whole = demo.frameworks or []
    first, *others = whole
    framework_row = msgspec.structs.replace(first, id="ours", name="Journal AS")
    poisoned = msgspec.structs.replace(first, title="Journal AS", not_covered=["Journal AS"])
    made = redact(msgspec.structs.replace(demo, frameworks=[framework_row, poisoned, *others]), b"key")
    assert made.frameworks == whole


def test_capacity_keeps_numbers_and_our_own_texts_and_no_names(demo: Document) -> None:
    made = redact(demo, KEY)
    assert len(made.capacity) == len(demo.capacity)
    assert [with_texts(each, {}) for each in made.capacity if isinstance(each, ControlPlaneRow)] == [
        each for each in demo.capacity if isinstance(each, ControlPlaneRow)
    ]
    both = [(a, b) for a, b in zip(demo.capacity, made.capacity, strict=True) if isinstance(a, QuotaRow)]
    assert {b.quota for a, b in both if isinstance(b, QuotaRow) and a.quota == "cores"} == {"cores"}
    assert all(
        isinstance(b, QuotaRow) and (a.used, a.limit, a.left, a.state) == (b.used, b.limit, b.left, b.state)
        for a, b in both
    )
    families = [b.name for a, b in both if isinstance(b, QuotaRow) and a.quota.endswith("Family")]
    assert families
    assert all(re.fullmatch("quota-[0-9a-f]{16}", each) for each in families)
    assert {b.why for a, b in both if isinstance(b, QuotaRow) and a.why} == {"withheld"}
    forged = ControlPlaneRow(id="entra-id", service="Journal AS", resources=None, complete=True, reason="x", source="y")
    control_plane_row = msgspec.structs.replace(forged, id="journal-as")
    [only] = redact(msgspec.structs.replace(demo, capacity=[forged, control_plane_row]), KEY).capacity
    assert isinstance(only, ControlPlaneRow)
    assert only.service == "Microsoft Entra ID"


def _counted(document: Document) -> list[tuple[str, int]]:
    """The numbers, with those of types by themselves: the name of one may be a pseudonym."""
    return _sums(numbers(document))


def test_pseudonyms_are_those_of_the_key(demo: Document) -> None:
    assert encoded(redact(demo, KEY)) == encoded(redact(demo, KEY))
    other = redact(demo, b"fedcba9876543210")
    assert not other.resources.keys() & redact(demo, KEY).resources.keys()


# Hex digits do not have these letters, so a pseudonym never holds such a name.
LETTERS = "ghijklmnopqrstuvwxyz"


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_random_name_is_left_wherever_it_stands(seed: int) -> None:
    made, chosen = sample.document(12, hostile=False), random.Random(seed)
    made = sample.with_capacity(sample.with_keys(sample.with_places(made)))
    known: list[str] = []

    def named(text: str) -> str:
        known.append("".join(chosen.choices(LETTERS, k=chosen.randint(9, 14))))
        return text + known[-1]

    document = msgspec.convert(_poisoned(made, named), Document)
    result = texts(redact(document, KEY))
    assert numbers(redact(document, KEY))["endpoints"] == numbers(document)["endpoints"]
    assert [(suffix, name) for suffix, text in result.items() for name in known if name in text] == []


STAY = {"schema", "severity", "worst", "state", "status", "taken", "started", "finished", "since", "last_seen"}
"""Fields whose words the reader of a document checks."""


CAPACITY = {"quota", "reservation", "spread", "control-plane", "zones"}
"""The kinds of rows on capacity, which the reader checks, and what one of them counts."""


def _poisoned(made: dict[str, Any], named: Any) -> dict[str, Any]:
    """A document in which every text, and every key, holds a name."""

    def poison(value: Any, key: str) -> Any:
        if isinstance(value, str):
            return value if key in STAY or value in CAPACITY else named(value)
        if isinstance(value, list):
            return [poison(each, key) for each in (value if key == "capacity" else value[:2])]
        if isinstance(value, dict):
            free = key in ("rules", "resources", "passed", "not_applicable", "tags", "controls")
            return {named(name) if free else name: poison(each, name) for name, each in list(value.items())[:30]}
        return value

    poisoned: dict[str, Any] = poison(made, "")
    return poisoned


def test_a_scan_and_a_report_are_redacted_in_each_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot(tmp_path / "taken.jsonl", account("stverysecretname", allowBlobPublicAccess=True))
    env = {VARIABLE: "0123456789abcdef0123456789abcdef"}
    outs = [word for suffix in SUFFIXES for word in ("--out", f"r{suffix}")]
    ended = twolocks("scan", "--from", "taken.jsonl", "--redact", *outs, "--out", "-", "--fail-on", "never", env=env)
    assert ended.code in (0, 3), ended.err
    paths = list(tmp_path.glob("r.*"))
    assert len(paths) == len(SUFFIXES)
    decoded = [text for path in paths for text in opened(path.suffix, readable(path.read_bytes())).values()]
    written = [*decoded, ended.out.lower()]
    assert not any("stverysecretname" in each or "prod-journal" in each or "kari" in each for each in written)
    assert twolocks("scan", "--from", "taken.jsonl", "--out", "whole.json", "--fail-on", "never").code in (0, 3)
    ended = twolocks("report", "whole.json", "--redact", "--out", "again.json", "--out", "-", env=env)
    assert ended.code == 0, ended.err
    again, first = (json.loads(Path(each).read_bytes()) for each in ("again.json", "r.json"))
    assert again["findings"] == first["findings"] == json.loads(ended.out)["findings"]


@pytest.mark.parametrize(
    ("words", "env", "text"),
    [
        ("--redact", {VARIABLE: "short"}, "fewer than 16 characters"),
        ("--redact", {f"{VARIABLE}_FILE": "nowhere"}, "cannot be read"),
        ("--redact", {VARIABLE: "0123456789abcdef", f"{VARIABLE}_FILE": "f"}, "exclude each other"),
    ],
)
def test_what_cannot_be_redacted_is_refused(
    words: str, env: dict[str, str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.json").write_bytes(encoded(msgspec.convert(sample.document(5), Document)))
    ended = twolocks("report", "f.json", "--out", "r.html", *words.split(), env=env)
    assert (ended.code, text in ended.err, Path("r.html").exists()) == (2, True, False), ended.err


def test_what_texts_are_made_of_goes_with_the_texts(demo: Document) -> None:
    """It has the names that the texts have."""
    assert any(row.texts for row in demo.exposures)
    assert demo.reasons
    made = redact(demo, KEY)
    assert not made.reasons
    assert not any(row.texts for row in (*made.exposures, *made.findings, *made.places, *made.keys, *made.capacity))
    assert not made.templates
    assert not made.coverage.texts
