"""Words that no version knows, in files of somebody else: exit code 2 with the place, not a defect."""

import json
from pathlib import Path
from typing import Any

import pytest

from scanner.document import capacity_rows, key_rows, schema
from scanner.document.words import KNOWN
from tests.terminals import account, snapshot, twolocks


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot(Path("night.jsonl"), account("st", allowSharedKeyAccess=True, publicNetworkAccess="Enabled"))


@pytest.fixture(scope="module")
def document(demo_folder: Path) -> Any:
    """A document with a row of each kind, of which a test changes a word."""
    result = json.loads((demo_folder / "findings.json").read_text())
    exposures = result["exposures"]
    may = next(each for each in exposures if each["may"])
    result["exposures"] = [may, exposures[0]]
    result["findings"], result["places"] = result["findings"][:1], result["places"][:1]
    risky = next(each for each in result["keys"] if each.get("risks"))
    result["keys"] = [risky]
    kinds = {each["kind"]: each for each in result["capacity"]}
    result["capacity"] = [kinds["quota"], kinds["reservation"], kinds["spread"]]
    result["frameworks"] = result["frameworks"][:1]
    result["rules"] = {name: result["rules"][name] for name in (result["findings"][0]["rule"],)}
    return result


WORDS = (
    *(("exposures", 0, key) for key in ("kind", "reach", "authentication", "severity", "worst", "state", "since")),
    *(("exposures", 0, "may", key) for key in ("reach", "authentication")),
    *(("findings", 0, key) for key in ("category", "status", "severity", "since")),
    *(("places", 0, key) for key in ("area", "verdict")),
    *(("keys", 0, key) for key in ("holder", "lives", "state", "rotation", "expires")),
    *(("keys", 0, "stores", 0, key) for key in ("double", "host", "confidential")),
    *(("keys", 0, "risks", 0, key) for key in ("id", "severity")),
    *(("capacity", number, key) for number, key in ((0, "state"), (1, "state"), (2, "over"), (0, "kind"))),
    *(("coverage", "scopes", 0, key) for key in ("view",)),
    *(("scan", key) for key in ("taken", "started", "finished")),
)


@pytest.mark.parametrize("path", WORDS, ids=lambda path: ".".join(map(str, path)))
def test_an_unknown_word_is_named(document: Any, path: tuple[str | int, ...]) -> None:
    changed = json.loads(json.dumps(document))
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = "dire"
    Path("f.json").write_text(json.dumps(changed))
    ended = twolocks("report", "f.json", "--out", "r.html")
    assert ended.code == 2, ended.err
    assert f"$.{path[0]}" in ended.err, ended.err
    assert not Path("r.html").exists()


@pytest.mark.parametrize("key", ["category", "severity", "responsibility"])
def test_an_unknown_word_of_a_rule_is_named(document: Any, key: str) -> None:
    changed = json.loads(json.dumps(document))
    next(iter(changed["rules"].values()))[key] = "dire"
    Path("f.json").write_text(json.dumps(changed))
    ended = twolocks("diff", "f.json", "f.json")
    assert (ended.code, "$.rules[" in ended.err) == (2, True), ended.err


@pytest.mark.parametrize(
    ("taken", "text"),
    [
        ("2099-01-01T00:00:00Z", "lies ahead of the clock"),
        ("1970-01-01T00:00:00Z", "before there was Azure"),
        ("2026-11-25T02:00:00", "is no time"),
        ("2026-02-30T02:00:00Z", "is no time"),
        ("[x](https://evil.example)", "is no time"),
        ("<img src=x>", "is no time"),
    ],
)
def test_a_time_that_cannot_be_is_named(document: Any, taken: str, text: str) -> None:
    changed = json.loads(json.dumps(document))
    for table, key in (("scan", "taken"), ("exposures", "since")):
        made = json.loads(json.dumps(changed))
        (made[table] if table == "scan" else made[table][0])[key] = taken
        Path("f.json").write_text(json.dumps(made))
        ended = twolocks("report", "f.json", "--out", "r.md")
        assert (ended.code, text in ended.err) == (2, True), ended.err


def test_a_time_is_shown_in_one_form(document: Any) -> None:
    document["scan"] |= {"taken": "2026-11-25t03:00:00.5+01:00"}
    Path("f.json").write_text(json.dumps(document))
    twolocks("report", "f.json", "--out", "r.csv")
    assert "2026-11-25T02:00:00Z" in Path("r.csv").read_text("utf-8-sig")


def test_every_word_is_one_of_a_row_that_there_is() -> None:
    rows = {each.__name__: each for module in (schema, key_rows, capacity_rows) for each in vars(module).values()
            if isinstance(each, type)}  # fmt: skip
    for name, members in KNOWN.items():
        assert set(members) <= set(rows[name].__struct_fields__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("option", ["--config", "--waivers"])
def test_toml_that_is_too_deep_is_wrong_input(option: str) -> None:
    Path("deep.toml").write_text("a = " + "[" * 20_000 + "]" * 20_000 + "\n")
    ended = twolocks("scan", "--from", "night.jsonl", option, "deep.toml")
    assert (ended.code, "nested too deeply" in ended.err) == (2, True), ended.err
