"""The pure part of `make same`: what counts as a difference, and what does not."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.same.compare import Comparison, Names, Result, Wording, old_ids

ID = "/subscriptions/s/resourceGroups/rg-1/providers/Microsoft.Storage/storageAccounts/stkart1"
SEEN = {"path": "properties.allowBlobPublicAccess", "value": True, "expected": False}
FINDING = {
    "rule": "storage-open",
    "status": "fail",
    "severity": "high",
    "resource": ID,
    "endpoints": ["blob"],
    "message": "stkart1 answers 4 ranges.",
    "evidence": [SEEN],
    "fingerprint": "9b01c2d3e4f5a607",
}
RULE = {"title": "It is open", "severity": "high", "remediation": {"az": "az x"}, "controls": {"CIS": ["1.1"]}}


def document() -> dict[str, Any]:
    return copy.deepcopy(
        {
            "schema": "twolocks/2",
            "scan": {"id": "1", "complete": True},
            "rules": {"storage-open": RULE},
            "resources": {ID: {"name": "stkart1"}},
            "exposures": [],
            "findings": [FINDING],
            "passed": {ID: ["storage-tls"]},
            "not_applicable": {},
            "gaps": [],
            "coverage": {"rules_off": [], "notes": []},
        }
    )


def compared(new: dict[str, Any], names: Names | None = None) -> Result:
    comparison = Comparison(names or Names())
    comparison.documents("x", document(), new)
    return comparison.result


def test_what_belongs_to_one_run_is_no_difference() -> None:
    new = document()
    new["scan"]["id"] = "2"
    result = compared(new)
    assert not result.kinds
    assert (result.counts["verdicts"], result.counts["verdicts: pass"], result.counts["evidence paths"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda new: new["findings"][0].update(severity="low"), "verdict: severity"),
        (lambda new: new["findings"][0].update(evidence=[]), "verdict: evidence"),
        (lambda new: new["findings"][0]["evidence"][0].update(value=1), "verdict: evidence.value"),
        (lambda new: new["findings"][0]["evidence"][0].update(path="properties.other"), "verdict: evidence.path"),
        (lambda new: new["findings"][0].update(message="stkart1 answers 5 ranges."), "verdict message: data"),
        (lambda new: new["findings"][0].update(fingerprint="0"), "verdict: fingerprint"),
        (lambda new: new["findings"].clear(), "verdict: only in old"),
        (lambda new: new["passed"].update({ID: ["storage-tls", "storage-more"]}), "verdict: only in new"),
        (lambda new: new.update(passed={}, not_applicable={ID: {"storage-tls": "why"}}), "verdict: status"),
        (lambda new: new["rules"]["storage-open"]["remediation"].update(az="az y"), "rule: remediation.az"),
        (lambda new: new["rules"]["storage-open"]["controls"].update(CIS=["1.2"]), "rule: controls"),
        (lambda new: new["rules"]["storage-open"].update(more=1), "rule: more: only in new"),
        (lambda new: new["scan"].update(complete=False), "scan: complete"),
        (lambda new: new.update(more=1), "document: only in new"),
    ],
)
def test_each_change_is_a_difference(change: Callable[[dict[str, Any]], object], kind: str) -> None:
    new = document()
    change(new)
    assert list(compared(new).kinds) == [kind]


def test_a_renamed_rule_keeps_its_verdicts_and_fingerprints() -> None:
    names = Names(old_ids([{"id": "storage-blob-open", "aliases": ["storage-first", "storage-open"]}]))
    new = document()
    new["rules"] = {"storage-blob-open": new["rules"]["storage-open"]}
    new["findings"][0]["rule"] = "storage-blob-open"
    assert not compared(new, names).kinds
    new["findings"][0]["fingerprint"] = "0"
    assert list(compared(new, names).kinds) == ["verdict: fingerprint"]


def test_new_wording_is_a_difference_until_the_map_has_it(tmp_path: Path) -> None:
    path = tmp_path / "wording.toml"
    path.write_text("# Map\n")
    new = document()
    new["findings"][0]["message"] = "4 ranges can reach stkart1."
    result = compared(new)
    Wording(path).check(result, accept=False)
    assert list(result.kinds) == ["wording"]
    accepting = Wording(path)
    accepting.check(compared(new), accept=True)
    accepting.write()
    assert '"{1} answers {2} ranges." = ["{2} ranges can reach {1}."]' in path.read_text()
    known, again = Wording(path), compared(new)
    known.check(again, accept=False)
    assert (again.kinds, known.stale()) == ({}, [])
    new["findings"][0]["message"] = "5 ranges can reach stkart1."
    other = compared(new)
    Wording(path).check(other, accept=False)
    assert other.kinds


def test_what_changed_on_purpose_is_listed() -> None:
    new = document()
    new["rules"]["storage-open"] |= {"controls": {"CIS": ["2.1"]}, "pass_title": "It is closed"}
    result = compared(new, Names(controls=frozenset({"CIS"}), fields=frozenset({"rule.pass_title"})))
    assert not result.kinds
    assert result.on_purpose == {"controls": {"storage-open"}, "fields": {"rule.pass_title"}}
