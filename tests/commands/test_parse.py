"""How shell text is taken apart before the Azure CLI parses it (the CLI itself runs in `make commands` only)."""

import pytest

from scanner.azure.az_parser import check, split


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("az login", [["login"]]),
        ("az group list > groups.json", [["group", "list"]]),
        ("az acr update \\\n  -n 'my registry'", [["acr", "update", "-n", "my registry"]]),
        ("az login && az account list; az group list | cat", [["login"], ["account", "list"], ["group", "list"]]),
        ("az a -n ''", [["a", "-n", ""]]),
        ("az login\naz account list\n", [["login"], ["account", "list"]]),
        ("echo done", []),
        ("az login  # first; az nothing\naz account list", [["login"], ["account", "list"]]),
        ("az x --set a.b='[\"1;2\"]'", [["x", "--set", 'a.b=["1;2"]']]),
        ("az x --q 'two\nlines'", [["x", "--q", "two\nlines"]]),
    ],
)
def test_split(text: str, commands: list[list[str]]) -> None:
    assert list(split(text)) == commands


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("az acr update -n {name}", "placeholder {name}"),
        ("az acr update -n <name>", "placeholder <name>"),
        ("az acr update -n 'x", "cannot read it"),
        ("x=$(az account show)", "no az command"),
        ("az acr update -n $(az acr list)", "line of its own"),
        ("for x in 1 2; do az acr update; done", "line of its own"),
        ("open the portal", "no az command"),
    ],
)
def test_what_cannot_be_checked_is_refused(text: str, complaint: str) -> None:
    count, errors = check(text, lambda _: "")
    assert count == 1
    assert complaint in errors[0]


def test_each_command_of_a_line_is_checked() -> None:
    assert check("az a && az b && az c", lambda args: "no" if args == ["b"] else "") == (3, ["no"])
