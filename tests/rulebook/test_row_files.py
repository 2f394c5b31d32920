"""Files of rows: what they say, and what is refused with its line and the nearest known word."""

from pathlib import Path

import pytest

from scanner.errors import InputError
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.rule import Rule
from scanner.model.severity import Severity
from scanner.model.verdict import Fail, NotApplicable, Pass, Unknown, Verdict
from scanner.rulebook import loader
from scanner.rulebook.row_files import line_of

ACCOUNT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
TYPES = """
from scanner.model.resource_type import ResourceType
from scanner.model.verdict import Fail

STORE = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
SERVICE = STORE.child("blobServices/default", one=True)

def always(resource, index, *, read=None):
    return Fail((), message=repr(read))
"""
ROW = """[my-rule]
title = "T"
category = "governance"
severity = "low"
check = { path = "properties.x", good = [true] }
why = "w"
controls = "mine"
learn = "a/b"
pass_title = "P"
[my-rule.fix]
az = "az version"
impact = "None."
"""
CONTROLS = """[frameworks]
own = "Own 1"

[mine]
own = ["A.1"]

[more]
own = ["A.1", "A.2"]
"""


def load(folder: Path, rows: str = ROW, *, types: str = TYPES) -> loader.RuleSet:
    (folder / "mine.py").write_text(types)
    (folder / "mine.toml").write_text(rows)
    (folder / "controls.toml").write_text(CONTROLS)
    return loader.load(code=[folder], built_in=False, packages=False)


def only(rule_set: loader.RuleSet) -> Rule:
    assert rule_set.broken == []
    (rule,) = rule_set.rules.values()
    return rule


def verdict(rule: Rule, **properties: object) -> Verdict:
    assert rule.check is not None
    return rule.check(Resource({"id": ACCOUNT, "properties": properties}, by="get"), None)  # type: ignore[arg-type]


def test_a_row_makes_a_rule(tmp_path: Path) -> None:
    rule = only(load(tmp_path))
    assert (rule.id, rule.title, rule.types) == ("my-rule", "T", ("Microsoft.Storage/storageAccounts",))
    assert rule.controls == {"Own 1": ("A.1",)}
    assert rule.references == ("https://learn.microsoft.com/azure/a/b",)
    assert rule.fix.bicep == "x: true"
    assert isinstance(verdict(rule, x=True), Pass)
    assert isinstance(verdict(rule, x="False"), Fail)
    assert isinstance(verdict(rule), Unknown)


def test_the_ids_of_several_sets_count_together(tmp_path: Path) -> None:
    rule = only(load(tmp_path, ROW.replace('"mine"', '["mine", "more"]')))
    assert rule.controls == {"Own 1": ("A.1", "A.2")}


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ('path = "properties.x", at_least = 7', 7, 6),
        ('path = "properties.x", at_least = "1.2"', "1.10", "1.1"),
        ('path = "properties.x", at_least = "P30D"', "P1M", "P4WT23H"),
        ('path = "properties.x", set = "a key", like = "https://*"', "HTTPS://kv", ""),
        ('path = "properties.x", good = ["a"], bad = ["b"], absent = "b"', "A", None),
        ('path = "properties.x[].on", good = [false]', [{"name": "n", "on": False}], [{"name": "n", "on": True}]),
        ('any_of = ["properties.x", "properties.y"], good = [true], absent = false', True, False),
    ],
)
def test_what_a_check_can_ask(check: str, good: object, bad: object, tmp_path: Path) -> None:
    rows = ROW.replace('path = "properties.x", good = [true]', check).replace("why =", 'source = "s"\nwhy =')
    rule = only(load(tmp_path, rows))
    assert isinstance(verdict(rule, x=good), Pass)
    assert isinstance(verdict(rule, x=bad), Fail)
    assert isinstance(verdict(rule, x={"strange": 1}), Unknown) or "any_of" not in check


def test_a_condition_says_why_the_rule_does_not_apply(tmp_path: Path) -> None:
    unless = 'unless = [{ path = "properties.y", is = ["Off"], because = "it is off" }]\nwhy ='
    rule = only(load(tmp_path, ROW.replace("why =", unless)))
    assert verdict(rule, x=False, y="off") == NotApplicable(Message("it is off"))
    assert isinstance(verdict(rule, x=False, y="on"), Fail)


def test_a_row_may_call_a_function_with_variables_of_its_python_file(tmp_path: Path) -> None:
    check = 'function = "always", arguments = { read = "SERVICE" }'
    rule = only(load(tmp_path, ROW.replace('path = "properties.x", good = [true]', check)))
    assert verdict(rule) == Fail((), message=Message("Read(Microsoft.Storage/storageAccounts/blobServices)"))
    assert [read.path for read in rule.reads] == ["blobServices/default"]


def test_the_conditions_of_a_row_that_calls_a_function_count(tmp_path: Path) -> None:
    unless = 'unless = [{ path = "properties.y", is = ["off"], because = "it is off" }]\nwhy ='
    called = ROW.replace('path = "properties.x", good = [true]', 'function = "always"').replace("why =", unless)
    rule = only(load(tmp_path, called))
    assert verdict(rule, y="off") == NotApplicable(Message("it is off"))
    assert isinstance(verdict(rule, y="on"), Fail)


def test_a_row_may_be_about_a_type_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(
        ROW.replace("[my-rule", "[other-rule").replace("path", 'of = "mine.STORE", path')
    )
    rule_set = load(tmp_path)
    assert (rule_set.broken, set(rule_set.rules)) == ([], {"my-rule", "other-rule"})


def test_the_rows_of_a_table_share_its_keys(tmp_path: Path) -> None:
    table = ROW.replace("[my-rule", "[table.t").replace('"T"', '"{what} is wrong"')
    rows = (
        '[table.t.rows]\na = { what = "It" }\nb = { what = "He", severity = "info", check = { path = "properties.z" } }'
    )
    rule_set = load(tmp_path, table + rows)
    assert rule_set.broken == []
    assert [(rule.title, rule.severity) for rule in rule_set.rules.values()] == [
        ("It is wrong", Severity.low),
        ("He is wrong", Severity.info),
    ]
    assert isinstance(verdict(rule_set.rules["b"], z=True), Pass)


@pytest.mark.parametrize(
    ("old", "new", "line", "error"),
    [
        ("severity =", "sevrity =", 4, 'my-rule: unknown key "sevrity" (nearest: severity)'),
        ("good =", "goood =", 5, 'my-rule: unknown key "goood" (nearest: good)'),
        ('impact = "None."', "", 10, 'my-rule: missing key "impact"'),
        ("good = [true]", "good = [true], absent = false", 5, "the key source is missing"),
        ('"mine"', '"mnie"', 7, 'my-rule: unknown control set "mnie" (nearest: mine)'),
        (
            "check = { path",
            'check = { of = "STOER", path',
            5,
            '"STOER" is not a variable of its .py file (nearest: STORE)',
        ),
        ("check = { path", 'check = { of = "storag.X", path', 5, '"storag.X": storag.py does not exist'),
        ('severity = "low"', "severity = 7", 4, "my-rule: "),
        ('"governance"', '"governnace"', 3, "unknown category 'governnace'"),
        ("good = [true]", 'good = ["a"]', 5, "the key bad is missing"),
        ("good = [true]", "good = [true], at_least = 3", 5, "one of good, at_least, set, place, key and function"),
        ('title = "T"', 'title = "T', 2, "the file is not TOML: Illegal character"),
    ],
)
def test_a_fault_is_named_with_its_line(old: str, new: str, line: int, error: str, tmp_path: Path) -> None:
    assert old in ROW
    rule_set = load(tmp_path, ROW.replace(old, new))
    assert rule_set.rules == {}
    (broken,) = rule_set.broken
    assert (broken.file, broken.line) == (str(tmp_path / "mine.toml"), line)
    assert error in broken.error


UNLESS = """[[my-rule.unless]]
path = "properties.y"
present = true
because = "it is y"
[[my-rule.unless]]
path = "properties.z"
is = ["a"]
because = "it is z"
"""
"""Its first line is line 13 of the file, where it follows the row."""
LIST = """unless = [
  { path = "properties.y", present = true, because = "it is y" },
  { path = "properties.z", is = ["a"], because = "it is z" },
]
why ="""
MISSING = "my-rul: the table [my-rul] is missing (nearest: my-rule)"
TABLE = """[table.t]
title = "{what} is wrong"
pass_title = "P"
category = "governance"
severity = "low"
check = { path = "properties.x", good = [true] }
why = "w"
[table.t.fix]
az = "az version"
impact = "None."
[table.t.rows]
a-rule = { what = "It" }
[table.t.rows.b-rule]
what = "He"
check = { path = "properties.z" }
"""


@pytest.mark.parametrize(
    ("text", "old", "new", "line", "error"),
    [
        (ROW + UNLESS, "[[my-rule.unless]]", "[[my-rul.unless]]", 13, MISSING),
        (ROW + UNLESS, "[my-rule.fix]", "[my-rul.fix]", 10, MISSING),
        (ROW + UNLESS.partition("[[my-rule.unless]]\n")[2], "properties.y", "properties.y", 13, "my-rule: unknown key"),
        (ROW + UNLESS, 'is = ["a"]', 'is = ["a"]\ntier = true', 20, "my-rule: tier goes with path and is, of a"),
        (ROW + UNLESS, 'is = ["a"]', 'iss = ["a"]', 19, 'my-rule: unknown key "iss" (nearest: is)'),
        (ROW + UNLESS, 'is = ["a"]', 'is = [["a"]]', 19, "my-rule: Expected"),
        (ROW + UNLESS, 'because = "it is z"', "", 17, 'my-rule: missing key "because"'),
        (ROW + UNLESS, 'is = ["a"]', "", 17, "a condition needs without, or a path with is, absent or present"),
        (ROW + UNLESS, 'is = ["a"]', 'is = ["a"]\nof = "SERVCIE"', 20, "(nearest: SERVICE)"),
        (ROW + UNLESS, 'is = ["a"]', 'without = "STORE"', 19, "STORE is not a read"),
        (ROW + UNLESS, "properties.z", "properties..z", 18, "'properties..z' is no path"),
        (ROW.replace("why =", LIST), 'because = "it is z"', 'becuase = "it is z"', 8, 'unknown key "becuase"'),
        (ROW.replace("why =", LIST), "properties.z", "properties.z[].a", 8, "names the items of a list"),
        (ROW, "properties.x", "properties.x.", 5, "'properties.x.' is no path"),
        (ROW, "properties.x", "properties x", 5, "'properties x' is no path"),
        (ROW, "properties.x", "properties.x[]", 5, "a list is asked as LIST[].PROPERTY"),
        (ROW, "properties.x", "properties.x[].y[].z", 5, "a list is asked as LIST[].PROPERTY"),
        (ROW, "good = [true]", "good = [true], at_least = 3", 5, "exactly one of good, at_least, set, place, key and"),
        (ROW, "good = [true]", "", 5, "exactly one of good, at_least, set, place, key and function"),
        (ROW, "good = [true]", 'good = [true], asks = "set"', 5, 'unknown key "asks"'),
        (ROW, "good = [true]", "at_least = 3, unpaired = ['a']", 5, 'the key "unpaired" does not go with at_least'),
        (ROW, "good = [true]", 'at_least = "much"', 5, '"much" is no version and no ISO 8601 period'),
        (ROW, 'check = { path = "properties.x", good = [true] }', "", 1, "a rule needs a check or a lock"),
        (ROW, "why =", 'lock = { endpoints = ["x"] }\nwhy =', 6, "a rule needs a check or a lock"),
        (ROW, 'severity = "low"\n', "", 1, "a rule with a check needs a severity"),
        (ROW, 'title = "T"\n', "", 1, 'my-rule: missing key "title"'),
        (ROW, 'why = "w"', "why = [\n]", 6, "Expected `str`".replace("`", '"')),
        (ROW, '"mine"', '[\n  "mine",\n  "mnie",\n]', 9, 'unknown control set "mnie"'),
        (ROW, "why =", 'reads = [\n "SERVICE",\n "STORE",\n]\nwhy =', 8, "STORE is not a read"),
        (ROW, "why =", 'aliases = [\n "a-b",\n "A b",\n]\nwhy =', 8, '"A b" is no id'),
        (ROW + "[[my-rule.merged]]\nids = [\n'a',\n'b.c']\n", "x", "x", 16, '"b.c" is no id'),
        (ROW + "[[my-rule.merged]]\ntypes = []\n", "x", "x", 13, 'missing key "ids"'),
        (ROW.replace("governance", "network"), 'severity = "low"', 'severity = "high"', 4, "at most medium"),
        (ROW, '"governance"', '"governnace"', 3, "my-rule: unknown category 'governnace'"),
        (ROW, 'az = "az version"', 'steps = [\n  "Open it",\n  "Close {",\n]', 13, "a brace stands alone"),
        (ROW + "[my-rule.fix.change]\n'properties.y' = 1\n'{other} a.y' = 1\n", "x", "x", 15, "an id is made of"),
        (ROW, 'path = "properties.x", good = [true]', 'function = "alwyas"', 5, "(nearest: always)"),
        (
            ROW.replace('check = { path = "properties.x", good = [true] }\n', "")
            + '[my-rule.check]\nfunction = "always"\n[my-rule.check.arguments]\nread = "SERVICE"\nmore = "SERVCIE"\n',
            *("x", "x", 16, "(nearest: SERVICE)"),
        ),
        (
            ROW.replace('check = { path = "properties.x", good = [true] }\n', "")
            + '[my-rule.check]\nof = "STORE"\npath = "properties.x"\ngoood = [true]\n',
            *("x", "x", 15, 'unknown key "goood" (nearest: good)'),
        ),
        (
            ROW.replace('check = { path = "properties.x", good = [true] }\n', "")
            + '[my-rule.check]\npath = "properties.x"\nof = "STROE"\ngood = [true]\n',
            *("x", "x", 14, "(nearest: STORE)"),
        ),
        (TABLE, "good = [true]", 'good = ["a"]', 6, "a-rule: the key bad is missing"),
        (TABLE, "impact =", "impcat =", 10, 'unknown key "impcat" (nearest: impact)'),
        (TABLE, 'path = "properties.z"', 'paht = "properties.z"', 15, 'b-rule: unknown key "paht" (nearest: path)'),
        (TABLE, 'what = "He"', 'waht = "He"', 14, 'b-rule: unknown key "waht"'),
        (TABLE, 'what = "It"', 'waht = "It"', 12, 'a-rule: unknown key "waht"'),
        (TABLE, 'a-rule = { what = "It" }', "a-rule = 3", 12, "a-rule: a row must be a table"),
    ],
)  # fmt: skip
def test_each_fault_of_a_row_is_named_with_the_line_of_its_table_or_key(
    text: str, old: str, new: str, line: int, error: str, tmp_path: Path
) -> None:
    """A sub-table of a misspelt rule was named with line 1."""
    assert old in text
    broken = load(tmp_path, text.replace(old, new)).broken
    matches = {(each.file, each.line) for each in broken if error in each.error}
    assert matches == {(str(tmp_path / "mine.toml"), line)}, broken


def test_one_faulty_row_takes_no_other_away(tmp_path: Path) -> None:
    rule_set = load(tmp_path, ROW.replace("severity", "sevrity") + "\n" + ROW.replace("[my-rule", "[good-rule"))
    assert (set(rule_set.rules), len(rule_set.broken)) == ({"good-rule"}, 1)


@pytest.mark.parametrize(
    ("row", "error"),
    [('a = { what = "It", waht = "It" }', 'unknown key "waht"'), ("a = {}", "the key what is missing")],
)
def test_the_words_of_a_table_are_those_that_it_names(row: str, error: str, tmp_path: Path) -> None:
    table = ROW.replace("[my-rule", "[table.t").replace('"T"', '"{what} is wrong"')
    (broken,) = load(tmp_path, f"{table}[table.t.rows]\n{row}\n").broken
    assert (broken.line, error in broken.error) == (14, True)


def test_a_python_file_that_does_not_load_is_the_one_fault_of_its_rows(tmp_path: Path) -> None:
    rule_set = load(tmp_path, types="import nothing_of_this_name")
    assert [broken.file for broken in rule_set.broken] == [str(tmp_path / "mine.py")]


def test_tests_beside_rules_are_no_rules(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("raise RuntimeError")
    only(load(tmp_path))


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(ROW.replace("path", 'of = "mine.STORE", path'))
    with pytest.raises(InputError, match="duplicate rule id my-rule") as raised:
        load(tmp_path)
    assert raised.value.at == f"{tmp_path / 'other.toml'}:1"


OLD = 'why = "w"\naliases = ["my-old"]\n[[my-rule.merged]]\nids = [\n  "my-part",\n  "my-first",\n]\n[my-rule.fix]'


@pytest.mark.parametrize(
    ("other", "what", "line"),
    [
        ('aliases = ["my-rule"]', "my-rule", 7),
        ('aliases = ["my-old"]', "my-old: it was an id of my-rule", 7),
        ('aliases = ["a", "b", "my-first"]', "my-first: it was an id of my-rule", 7),
        ('aliases = ["a", "a"]', "a: it was an id of my-other", 7),
        ('aliases = ["my-other"]', "my-other", 7),
        ('merged = [\n{ ids = ["x"] },\n{ ids = ["y", "my-part"] },\n]', "my-part: it was an id of my-rule", 9),
    ],
)
def test_no_two_rules_have_an_id_in_common(other: str, what: str, line: int, tmp_path: Path) -> None:
    """Nor may an old id be the id of another rule: a waiver of it would be about both."""
    text = ROW.replace("[my-rule", "[my-other").replace("path", 'of = "mine.STORE", path')
    (tmp_path / "other.toml").write_text(text.replace('controls = "mine"', other))
    with pytest.raises(InputError) as raised:
        load(tmp_path, ROW.replace('why = "w"', "").replace("[my-rule.fix]", OLD))
    assert (raised.value.what, raised.value.at) == (f"duplicate rule id {what}", f"{tmp_path / 'other.toml'}:{line}")


def test_an_old_id_that_a_row_of_a_table_claims_is_named_with_its_line(tmp_path: Path) -> None:
    table = ROW.replace("[my-rule", "[table.t").replace('"T"', '"{what} is wrong"')
    rows = '[table.t.rows]\nmy-a = { what = "It" }\nmy-b = { what = "He", aliases = ["my-a"] }\n'
    with pytest.raises(InputError) as raised:
        load(tmp_path, table + rows)
    assert (raised.value.what, raised.value.at) == ("duplicate rule id my-a", f"{tmp_path / 'mine.toml'}:15")


def test_the_line_of_a_key_is_that_of_its_longest_part() -> None:
    text = 'a = 1\n[b.c]\nd = { e = 1 }\n"f.g" = 2\n'
    assert [line_of(text, key) for key in (("a",), ("b", "c", "d", "e"), ("b", "c", "x"), ("z",))] == [1, 3, 2, 1]


@pytest.mark.parametrize(
    ("fix", "text"),
    [
        ('az = "{"', "a brace stands alone"),
        ('az = "az version"\ncannot_undo = "Never."', "cannot_undo needs undo_source"),
        ('az = "az version"\nunset = false', "unset needs undo_source"),
        (
            'az = "az version"\ncannot_undo = "Never."\nunset = 1\nundo_source = "https://learn.microsoft.com"',
            "leave out unset",
        ),
        ('az = "az version"\nundo_source = "https://learn.microsoft.com"', "a source of what?"),
        ('az = "az version }"', "a brace stands alone"),
        ('az = "az {name.x}"', "is no name"),
        ('az = "az {name!r}"', "is no name"),
        ('az = "az {name:>99999999999}"', "is no name"),
        ('az = "az {0}"', "is no name"),
        ('az = "az version"\ncheck_first = "{"', "a brace stands alone"),
        ('steps = ["Open {"]', "a brace stands alone"),
        ('az = "az version"\ndelete = "{other}"', "an id is made of"),
        ('az = "az version"\nchange = { "{other}/x properties.y" = 1 }', "an id is made of"),
    ],
)
def test_braces_of_a_fix_that_cannot_be_filled_in(fix: str, text: str, tmp_path: Path) -> None:
    rule_set = load(tmp_path, ROW.replace('az = "az version"', fix))
    assert [text in each.error for each in rule_set.broken] == [True], rule_set.broken
    assert rule_set.broken[0].line > 1


def test_braces_that_are_doubled_are_braces(tmp_path: Path) -> None:
    assert only(load(tmp_path, ROW.replace("az version", "az {{}} {name}"))).fix.az == "az {{}} {name}"
