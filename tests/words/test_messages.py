"""The message of a finding adds to its title. Derived over every finding of the sample."""

from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scanner.document.schema import EvidenceRow, FindingRow, read_document
from scanner.document.value_messages import is_value, value_message
from scanner.model.message import Message
from scanner.report.code_scanning.junit import write_junit


def words(text: str) -> str:
    return text.lower().strip(" .")


def test_no_message_of_the_sample_repeats_its_title(demo_folder: Path) -> None:
    failed = [row for row in read_document(demo_folder / "findings.json").findings if row.status in ("fail", "waived")]
    assert len(failed) > 1000
    assert [(row.rule, row.message) for row in failed if words(row.message) == words(row.title)] == []
    assert [row.rule for row in failed if not row.message] == []
    assert sum(map(is_value, failed)) > 500


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("properties.minimumTlsVersion", "TLS1_0", "minimumTlsVersion: TLS1_0."),
        ("config/web properties.ftpsState", "AllAllowed", "config/web ftpsState: AllAllowed."),
        (Message("logs that are sent"), Message("none"), "logs that are sent: none."),
        ("properties.enabled", False, "enabled: false."),
        ("properties.key", None, "key: null."),
        ("properties.path", "", "path: empty."),
        ("replicas", [], "replicas: none."),
        ("cors[]", ["*"], "cors[]: *."),
        ("cors[]", ["a", "b", "c", "d", "e"], "cors[]: a, b, c, 2 more."),
        ("properties.rules", [{"name": "x"}], "rules: 1 entry."),
        ("properties.rules", {"name": "x"}, "rules: an object."),
        ("headers", [["x-a", "x-b"]], "headers: x-a, x-b."),
        ("/subscriptions/1/resourceGroups/rg/x/nsp properties.accessMode", "Learning", "nsp accessMode: Learning."),
        ("properties.vault", "/subscriptions/1/resourceGroups/rg/x/kv", "vault: kv."),
    ],
)
def test_a_value_is_a_short_text(path: str, value: object, text: str) -> None:
    assert value_message([EvidenceRow("context", 1), EvidenceRow(path, value, "another")]) == text


def test_the_first_value_counts_where_none_is_expected() -> None:
    assert value_message([EvidenceRow("a", 1), EvidenceRow("b", 2)]) == "a: 1."
    assert value_message([]) == ""


def test_a_value_is_told_from_a_sentence(demo_folder: Path) -> None:
    rows: list[FindingRow] = list(read_document(demo_folder / "findings.json").findings)
    assert not is_value(next(row for row in rows if row.rule == "activity-log-categories-missing"))


def test_a_failure_in_junit_says_what_fails_before_the_value(demo_folder: Path) -> None:
    document, out = read_document(demo_folder / "findings.json"), BytesIO()
    write_junit(document, out)
    messages = {each.get("message") for each in ET.fromstring(out.getvalue()).iter("failure")}
    values = [row for row in document.findings if row.status == "fail" and is_value(row)]
    assert [row.rule for row in values if f"{row.title}. {row.message}" not in messages] == []
    assert [row.rule for row in values if row.message in messages] == []
