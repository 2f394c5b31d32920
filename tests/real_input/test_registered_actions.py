"""Our list of registered actions agrees with the lists that others wrote."""

import subprocess

import msgspec
import pytest

from scanner.collect.bodies import allows
from scanner.rulebook import loader
from scanner.rulebook import permissions as access
from scanner.rulebook.registered_actions import sources, wildcards
from tests.real_input.recorded import FOLDER

FACTS = FOLDER.parent / "facts"
SEEN = FACTS / "actions.tsv.zst"
ROLES = FACTS / "built-in-roles.json.zst"
pytestmark = pytest.mark.skipif(not SEEN.exists(), reason="no facts beside the recordings")


def unpacked(name: str) -> bytes:
    return subprocess.run(["zstd", "-dc", str(FACTS / name)], check=True, capture_output=True).stdout


def seen() -> dict[str, str]:
    """Return the actions (lower case) of the facts with where each was seen."""
    rows = (line.split("\t") for line in unpacked(SEEN.name).decode().splitlines())
    return {action.strip().lower(): where for action, where in rows}


def test_the_actions_of_built_in_roles_stand_in_built_in_roles() -> None:
    result = seen()
    ours = sources()["built-in-roles"].actions
    assert [each for each in ours if "built-in role" not in result.get(each.lower(), "")] == []


def test_what_a_built_in_role_names_has_it_as_its_source() -> None:
    """The strongest source: Azure itself has accepted the action in a role."""
    result = seen()
    others = [each for name, one in sources().items() if name != "built-in-roles" for each in one.actions]
    assert [each for each in others if "built-in role" in result.get(each.lower(), "")] == []
    assert [each for one in wildcards() for each in one.covers if each.lower() in result] == []


def test_reader_allows_all_that_a_scan_asks_for() -> None:
    roles = msgspec.json.decode(unpacked(ROLES.name))["roles"]
    (reader,) = (each for each in roles if each["name"] == "Reader")
    actions = [action for each in reader["permissions"] for action in each["actions"]]
    rules = loader.load(packages=False)
    rules.enabled = dict(rules.rules)
    assert [each for each in access.actions(rules) if not allows((actions, []), each)] == []
