"""The evidence of a finding expects what its own fix sets, and nothing that the fix leaves as it is."""

from collections.abc import Iterator

from scanner.document.schema import EvidenceRow, FindingRow
from scanner.model.fix import Deletion, Fix
from scanner.model.json_paths import same
from tests.estate.test_fixes import before
from tests.rules import examples

TOGETHER = examples.TOGETHER
IN_WORDS = {
    "properties.clients": "none",
    "properties.clientCertExclusionPaths": "none",
}
"""Expected values of one word that are no values: the property, the word."""


def failures() -> Iterator[tuple[str, FindingRow, Fix]]:
    """Yield the failures of all examples and of the sample estate whose fix is a change alone."""
    for file in examples.all_files():
        for case in file.cases:
            bundle_result = examples.result(case)
            yield from (
                (case.id, row, bundle_result.fixes[row.fingerprint]) for row in bundle_result.findings if row.fix
            )
    yield from (("sample", row, before().fixes[mark]) for mark, row in before().findings.items() if row.fix)


def values(row: FindingRow) -> Iterator[EvidenceRow]:
    """Yield the evidence that expects a value of a property, not words about it."""
    for each in row.evidence:
        owner, _, path = each.path.rpartition(" ")
        if owner.endswith(":"):
            continue  # what is assigned to the resource; the fix assigns something else
        is_words = isinstance(each.expected, str) and (" " in each.expected or IN_WORDS.get(path) == each.expected)
        if each.expected is not None and not is_words and path.startswith("properties."):
            yield each


def test_every_expected_value_is_one_that_the_fix_sets() -> None:
    wrong: dict[tuple[str, str, str], str] = {}
    count = 0
    for where, row, fix in failures():
        if row.fix is None or row.fix.steps or not fix.changes:
            continue
        for each in values(row):
            count += 1
            if not same(each.value, each.expected) and not is_set(each, fix):
                wrong[row.rule, each.path, str(each.expected)] = f"{where}: {row.fix.commands}"
    assert wrong == {}
    assert count > 3000


def is_set(evidence: EvidenceRow, fix: Fix) -> bool:
    """Return whether a fix sets a property to the expected value, or changes it as a part of something else."""
    path = evidence.path.rpartition(" ")[2].lower()
    for each in fix.changes:
        if isinstance(each, Deletion):
            return True
        own = each.path.lower()
        if own == path and each.entry is None and not isinstance(each.value, dict | list):
            return "<" in str(each.value) or same(each.value, evidence.expected)
        if own.split("[")[0].startswith(path.split("[")[0]) or path.startswith(own.split("[")[0]):
            return True
        if own.rsplit(".", 1)[-1] == path.rsplit(".", 1)[-1]:
            return same(each.value, evidence.expected)
    return False


def test_what_is_deleted_itself_still_says_what_was_expected() -> None:
    finding_rows = [row for row in before().findings.values() if row.rule == "servicebus-recovery-outside"]
    assert [bool(row.fix and row.fix.commands) for row in finding_rows] == [True]
    assert any(each.expected is not None for each in finding_rows[0].evidence)


def test_every_failure_with_commands_shows_what_is_expected_after_them() -> None:
    """A fix with a step in words is not one change alone: the step says what is to be."""
    lacking: dict[str, str] = {}
    count = 0
    for where, row, _ in failures():
        if row.fix is None or not row.fix.commands or row.fix.steps:
            continue
        count += 1
        if all(each.expected is None for each in row.evidence):
            lacking[f"{where} {row.rule}"] = str(row.fix.commands)
    assert lacking == {}
    assert count > 3000


def test_a_removed_rule_is_expected_to_be_absent() -> None:
    """Each firewall has its own words: a child resource, an entry of a list, a rule of a perimeter."""
    shown = {
        (row.rule, row.resource.rsplit("/", 1)[1]): [
            (each.path.rsplit("/", 2)[-1], each.expected) for each in row.evidence if each.expected is not None
        ]
        for row in before().findings.values()
        if row.status == "fail"
    }
    assert shown["citus-network-unrestricted", "citus-innsyn"] == [("alle", "absent")]
    assert shown["machine-web-port-anonymous", "vm-fag01"] == [("nsg-fag nett", "absent")]
    assert shown["storage-network-unrestricted", "stkartlager"] == [("midlertidig", "absent")]
    assert shown["sql-network-unrestricted", "sql-innkjoring"] == [
        ("driftsleverandor properties.addressPrefixes", ["51.120.0.0/16"])
    ]


def test_the_authority_of_a_tenant_is_that_of_the_cloud_of_the_resource() -> None:
    rows = {
        where: row
        for where, row, _ in failures()
        if row.rule == "fhir-external-authority" and "another tenant" in where
    }
    shown = {
        where.rpartition(": ")[2]: (
            [str(each.expected).rpartition("/")[0] for each in row.evidence],
            "login.microsoftonline.us" in row.fix.commands[0],
            "login.microsoftonline.us" in row.fix.bicep,
            row.fix.of_rule,
        )
        for where, row in rows.items()
        if row.fix is not None
    }
    assert shown == {
        "a FHIR service of another tenant": (["https://login.microsoftonline.com"], False, False, True),
        "a FHIR service of another tenant in the cloud of US Government": (
            ["https://login.microsoftonline.us"],
            True,
            True,
            False,
        ),
    }
