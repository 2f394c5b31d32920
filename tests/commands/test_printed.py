"""Which `az` commands are found for the Azure CLI to check; `make commands` checks them."""

import json
from pathlib import Path
from typing import Any

from scanner.fix.sample_commands import SUBSCRIPTION, below, commands_of, sample
from scanner.model.message import NOTHING, Message
from scanner.model.resource_type import ResourceType
from scanner.model.rule import FixTemplate, Rule
from scanner.model.verdict import Pass
from tests.commands.printed import in_page, of_findings, of_report, printed

PAGE = """
Log in with `az login`, or `pip install .`:

```sh
az account set \\
  --subscription prod   # which one
twolocks scan
$ az account show
```

```toml
az = 1
```
"""


def test_a_page_gives_its_shell_lines_and_its_code_in_sentences() -> None:
    assert list(in_page(PAGE)) == [
        "az account set \\\n  --subscription prod   # which one",
        "az account show",
        "az login",
    ]


def test_a_rule_gives_its_fix_and_its_first_step_with_a_sample_filled_in() -> None:
    kind = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
    fix = FixTemplate(
        az="az storage account update -g {group} -n {name} --https-only true",
        check_first="az resource show --ids {id}",
        impact=Message("Clients that speak plain HTTP."),
    )
    rule = Rule(
        id="storage-plain-http",
        category="transport",
        title="Storage accepts plain HTTP",
        resource_type=kind,
        check=lambda resource, index: Pass(),
        why="",
        fix=fix,
    )
    account = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-sample/providers/Microsoft.Storage/storageAccounts/sample"
    )
    assert list(commands_of(rule)) == [
        ("storage-plain-http, az", "az storage account update -g rg-sample -n sample --https-only true"),
        ("storage-plain-http, first_step", f"az resource show --ids {account}"),
    ]


def test_a_fix_in_words_is_no_command() -> None:
    kind = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
    fix = FixTemplate(az="", check_first="Look at the log for a week.", impact=NOTHING)
    rule = Rule(id="x", category="transport", title="X", resource_type=kind, check=lambda r, i: Pass(), why="", fix=fix)
    assert not list(commands_of(rule))


def test_a_child_is_named_below_its_parents() -> None:
    kind = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
    containers = kind.child("blobServices/default/containers")
    account = sample(kind.type)
    assert below(containers, account).id == f"{account.id}/blobServices/default/containers/sample"


def test_findings_give_one_command_of_each_shape(tmp_path: Path) -> None:
    file = tmp_path / "findings.json"
    rows: list[dict[str, Any]] = [
        {"rule": "a", "fix": {"commands": ["az x update -n one --on false"]}},
        {"rule": "a", "fix": {"commands": ["az x update -n two --on false"]}},
        {"rule": "a", "fix": {"commands": ["az x update -n two --ip 1.2.3.4"]}},
        {"rule": "b", "fix": {"steps": ["Move it to Premium."]}},
        {"rule": "c", "fix": None},
    ]
    file.write_text(
        json.dumps({"exposures": [{"endpoint": "blob", "fix": {"commands": ["az y -n one"]}}], "findings": rows})
    )
    assert [command for _, command in of_findings(file)] == [
        "az y -n one",
        "az x update -n one --on false",
        "az x update -n two --ip 1.2.3.4",
    ]


def test_the_report_and_the_readme_are_among_them() -> None:
    matches = list(printed(Path(__file__).parents[2], []))
    assert ("README.md", "az login") in matches
    assert all(command.startswith("az role ") for command in of_report())
    assert any(where.startswith("report") for where, _ in matches)
