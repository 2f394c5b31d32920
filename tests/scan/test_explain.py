"""`scan --explain-reads`: every request is counted once, and each read that was made says why or who uses it."""

import re
from collections.abc import Iterator

import pytest

from scanner.rulebook.loader import RuleSet, load
from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import Sandbox, serve
from scanner.scan.explain import ReadLog, uses
from tests.scan.test_narrowing import scan
from tests.terminals import Ended, twolocks

ROW = re.compile(r"\s*([\d,]+)\s+([\d,]+)\s+([\d,]+)\s+([\d,]+)  (\S.*)")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with serve(load_estate()) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def ended(box: Sandbox) -> Ended:
    return scan(box, "--explain-reads")


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    rule_set = load(packages=False)
    rule_set.select()
    return rule_set


def rows(text: str) -> list[tuple[int, int, int, str, str]]:
    """Return requests, failed, not needed, the name and the text below of each read."""
    result: list[tuple[int, int, int, str, str]] = []
    for line in text.partition("requests  failed  not needed")[2].splitlines():
        if match := ROW.fullmatch(line):
            numbers = [int(each.replace(",", "")) for each in match.groups()[:3]]
            result.append((numbers[0], numbers[1], numbers[2], match[5], ""))
        elif result:
            result[-1] = (*result[-1][:4], f"{result[-1][4]}{line.strip()}\n")
    return result


def test_every_request_is_counted_once(box: Sandbox, ended: Ended) -> None:
    sent = [each for each in box.requests if "/oauth2/" not in each.path]
    matches = rows(ended.err)
    assert sum(each[0] for each in matches) == len(sent)
    assert sum(each[1] for each in matches) == sum(each.status >= 400 for each in sent)
    assert f"{len(sent):,} requests, " in ended.err


def test_each_read_that_was_made_says_why_or_who_uses_it(ended: Ended) -> None:
    assert [name for requests, _, _, name, text in rows(ended.err) if requests and not text] == []


def test_what_a_condition_left_out_is_counted(ended: Ended) -> None:
    left_out = {name: count for _, _, count, name, _ in rows(ended.err)}
    assert left_out["Microsoft.Storage/storageAccounts/fileServices/default"] > 0


def test_each_rule_stands_at_its_type_and_at_its_reads(ended: Ended, rules: RuleSet) -> None:
    texts = {name: text for *_, name, text in rows(ended.err)}
    assert "keyvault-no-audit-log" in texts["Microsoft.KeyVault/vaults: Microsoft.Insights/diagnosticSettings"]
    assert "app-cors-any-origin" in texts["Microsoft.Web/sites/config/web"]
    assert "app-cors-any-origin" not in texts["Microsoft.Web/sites/config/authsettingsV2"]
    assert "endpoints: blob" in texts["Microsoft.Storage/storageAccounts"]
    used = uses(rules)
    assert all(rule.id in used[rule.resource_type.type].rules for rule in rules.enabled.values())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/subscriptions/1/providers/Microsoft.Web/sites?api-version=1", "Microsoft.Web/sites"),
        (
            "/SUBSCRIPTIONS/1/resourceGroups/g/providers/microsoft.web/SITES/a/config/WEB",
            "Microsoft.Web/sites/config/web",
        ),
        (
            "/subscriptions/1/resourceGroups/g/providers/Microsoft.Web/sites/a/slots/b/config/web",
            "Microsoft.Web/sites/slots/config/web",
        ),
        (
            "/subscriptions/1/providers/Microsoft.Authorization/locks",
            "Microsoft.Resources/subscriptions: Microsoft.Authorization/locks",
        ),
        ("/subscriptions/1/locations", "/subscriptions/{id}/locations"),
        ("/metadata/endpoints", "/metadata/endpoints"),
        ("/subscriptions/1/providers/Own.Provider/things/a/parts", "Own.Provider/things/parts"),
    ],
)
def test_a_path_has_the_name_of_its_read(rules: RuleSet, path: str, name: str) -> None:
    assert ReadLog(rules).name(path) == name


def test_a_scan_of_a_snapshot_has_no_reads(tmp_path: object) -> None:
    ended = twolocks("scan", "--from", "snapshot.jsonl", "--explain-reads")
    assert ended.code == 2
    assert "--explain-reads" in ended.err
