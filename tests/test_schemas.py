"""The schemas for editors judge files of settings and of waivers as the readers do."""

import json
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scanner.config import schema as schemas
from scanner.config.commands import SCAN_SETTINGS
from scanner.config.settings import resolve
from scanner.config.waiver_reader import load
from scanner.errors import InputError
from scanner.rulebook import loader

ROOT = Path(__file__).parents[1]
TODAY = date(2026, 11, 25)
WAIVER = """[[waiver]]
rule = "storage-plain-http"
resource = "*/stjournal"
reason = "Closed in March"
owner = "kari"
expires = 2026-12-31
"""
GAP = '[[gap]]\nurl = "*/containers"\nreason = "r"\nowner = "o"\nexpires = 2026-12-31\n'
CHECK = GAP.replace('url = "*/containers"', 'rule = "storage-*"')


def plain(value: Any) -> Any:
    """TOML as editors hand it to a schema: a date is text."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def valid(schema: dict[str, Any], text: str) -> bool:
    import jsonschema

    kind = jsonschema.Draft7Validator
    return bool(kind(schema, format_checker=kind.FORMAT_CHECKER).is_valid(plain(tomllib.loads(text))))


MAIL = "[notify.ops]\nkind = 'mail'\nhost = 'mail.example'\nfrom = 'two@agency.example'\nto = ['ops@agency.example']\n"
SETTINGS = [
    ("", True),
    ('[scan]\nsubscription = ["prod"]\nfail-on = "low"\nquiet = true\nout = "report.html"\nwaivers = "w.toml"', True),
    ("[scan]\nfail_on = 'low'", False),
    ("[scan]\nfail-on = 'lower'", False),
    ("[scan]\nquiet = 'yes'", False),
    ("[scan]\nonly = [1]", False),
    ("[scan]\nauth = ['cli']", False),
    ("[scan]\nauth = ''", False),
    ("scan = 1", False),
    ("[scna]", False),
    ('[networks]\noffice = ["198.51.100.0/24"]\nvpn = "2001:db8::/48"', True),
    ("[networks]\na = 5", False),
    ("[network]\nwide-ipv4 = 4096\nwide-ipv6 = 56", True),
    ("[network]\nwide-ipv4 = 0", False),
    ("[network]\nwide-ipv6 = 129", False),
    ("[network]\nwide-ipv6 = true", False),
    ('[[intended]]\nresource = "*/stweb"\nendpoint = "web"\nreason = "Our site"', True),
    ('[[intended]]\nresource = "*/stweb"\nendpoint = "web"', False),
    ('[[intended]]\nresource = "*/stweb"\nendpoint = "web"\nreason = " "', False),
    ("[intended]\nresource = '*'", False),
    ('[severity.storage-plain-http]\nto = "low"\nreason = "Old printers"', True),
    ('[severity.storage-plain-http]\nto = "hihg"\nreason = "Old printers"', False),
    ("[severity]\na = 'low'", False),
    ('[report]\ntags = ["owner"]\nowner-tag = "team"', True),
    ("[report]\ntags = 'owner'", False),
    ("[report]\nowner-tag = ''", False),
    ("[waivers]\nmax-days = 90\nallow-tag = true", True),
    ("[waivers]\nmax-days = 0", False),
    ("[waivers]\nallow-tag = 'yes'", False),
    ("[notify.ops]\nkind = 'slack'\nurl-env = 'TWOLOCKS_SECRET_HOOK'", True),
    ("[notify.ops]\nurl-env = 'TWOLOCKS_SECRET_HOOK'", False),
    ("[notify.ops]\nkind = 'slack'", False),
    ("[notify.ops]\nkind = 'slack'\nurl = 'https://hooks.example/x'", False),
    ("[notify.ops]\nkind = 'slack'\nurl-env = 'TWOLOCKS_SECRET_HOOK'\nurl-file = 'hook'", False),
    ("[notify.ops]\nkind = 'slakc'\nurl-env = 'TWOLOCKS_SECRET_HOOK'", False),
    ("[notify.'o p']\nkind = 'github'", False),
    ("[notify.ops]\nkind = 'github'\nmin-severity = 'low'\nowner = 'team-a'", True),
    ("[notify.ops]\nkind = 'github'\nmin-severity = 'lwo'", False),
    ("[notify.ops]\nkind = 'azure-devops'\nurl-env = 'TWOLOCKS_SECRET_HOOK'", False),
    ("[notify.ops]\nkind = 'webhook'\nurl-env = 'TWOLOCKS_SECRET_HOOK'\nsecret-env = 'TWOLOCKS_SECRET_KEY'", True),
    ("[notify.ops]\nkind = 'webhook'\nurl-env = 'TWOLOCKS_SECRET_HOOK'", False),
    ("[notify.ops]\nkind = 'teams'\nurl-file = 'hook'", False),
    (MAIL, True),
    (MAIL + "port = 587\ntls = 'implicit'\nuser = 'two'\npassword-env = 'TWOLOCKS_SECRET_PASSWORD'", True),
    (MAIL + "port = 0", False),
    (MAIL + "port = '587'", False),
    (MAIL + "tls = 'ssl'", False),
    (MAIL + "password = 'geheim'", False),
    (MAIL.replace("host", "hots"), False),
    (MAIL.replace("['ops@agency.example']", "[]"), False),
    (MAIL.replace("['ops@agency.example']", "'ops@agency.example'"), True),
    ("[notify]\nkind = 'slack'", False),
]
WAIVERS = [
    ("", True),
    (WAIVER + GAP, True),
    (WAIVER + 'endpoints = ["blob"]\ncell = "admin/shared/internet"\nseverity = "low"\nticket = "T"', True),
    (WAIVER + 'cell = "data/unknown/azure"', True),
    (WAIVER.replace('resource = "*/stjournal"', 'tag = "waived=yes"'), True),
    (WAIVER.replace('resource = "*/stjournal"', 'tag = "waived"'), False),
    (WAIVER + 'tag = "waived=yes"', False),
    *[("".join(line + "\n" for line in WAIVER.splitlines() if not line.startswith(key)), False)
      for key in ("rule", "resource", "reason", "owner", "expires")],
    (WAIVER.replace('"kari"', '" "'), False),
    (WAIVER.replace("2026-12-31", '"2026-12-31"'), True),
    (WAIVER.replace("2026-12-31", '"soon"'), False),
    (WAIVER.replace("2026-12-31", "7"), False),
    (WAIVER.replace("expires", "expiry"), False),
    (WAIVER + "endpoints = 'blob'", False),
    (WAIVER + "endpoints = []", False),
    (WAIVER + "endpoints = ['']", False),
    (WAIVER + 'cell = "admin/shared"', False),
    (WAIVER + 'cell = "admin/secret/internet"', False),
    (WAIVER + 'severity = "bad"', False),
    (WAIVER + "ticket = 7", False),
    (GAP + "rule = 'x'", False),
    (GAP + "resource = '*/x'", False),
    (GAP + "ticket = 'OPS-7'", True),
    (CHECK, False),
    (CHECK + "resource = '*/x'", True),
    (CHECK + "resource = ''", False),
    (GAP.replace("url", "resource"), False),
    (GAP.replace("reason", "ticket"), False),
    ("[waiver]\nrule = 'x'", False),
    ("[[waivers]]", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "good"), SETTINGS)
def test_settings_are_evaluated_alike(text: str, good: bool, tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text(text)
    try:
        resolve("scan", {}, {}, config=tmp_path / "twolocks.toml")
        read = True
    except InputError:
        read = False
    assert (read, valid(schemas.settings(), text)) == (good, good)


@pytest.mark.parametrize(("text", "good"), WAIVERS)
def test_waivers_are_evaluated_alike(text: str, good: bool, tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text(text)
    try:
        load(path, loader.load(packages=False), today=TODAY, allow_tag=True)
        read = True
    except InputError:
        read = False
    assert (read, valid(schemas.waivers(), text)) == (good, good)


@pytest.mark.parametrize("name", ["settings", "waivers"])
def test_they_are_schemas_and_lie_in_docs(name: str) -> None:
    import jsonschema

    schema = getattr(schemas, name)()
    jsonschema.Draft7Validator.check_schema(schema)
    assert json.loads((ROOT / "docs" / f"{name}.schema.json").read_text("utf-8")) == schema


def test_each_option_of_scan_is_described_as_its_help_describes_it() -> None:
    options = schemas.settings()["properties"]["scan"]["properties"]
    assert list(options) == [option.name for option in SCAN_SETTINGS]
    assert [option["description"] for option in options.values()] == [option.about for option in SCAN_SETTINGS]


def blocks() -> Iterator[tuple[str, str]]:
    for page in ("waivers.md",):
        text = (ROOT / "docs" / page).read_text("utf-8")
        for block in text.split("```toml\n")[1:]:
            yield page, block.split("```")[0]


@pytest.mark.parametrize(("page", "block"), blocks())
def test_what_the_pages_show_is_valid(page: str, block: str) -> None:
    schema = schemas.waivers() if "[[waiver]]" in block or "[[gap]]" in block else schemas.settings()
    assert valid(schema, block), page
