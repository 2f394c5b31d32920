"""The locks hold what pyproject.toml asks for, by version and hash, and name no registry."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.azure.sdks import sdks

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = PROJECT["dependency-groups"]
EXTRAS = [each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra]
ASKED = {
    "requirements.lock": PROJECT["project"]["dependencies"] + EXTRAS,
    "requirements-dev.lock": PROJECT["project"]["dependencies"] + GROUPS["dev"] + sdks(),
    "requirements-setup.lock": GROUPS["setup"],
    "tests/commands/requirements.lock": GROUPS["commands"],
    "tests/fuzz/requirements.lock": GROUPS["fuzz"],
}


def pins(name: str) -> dict[str, str]:
    """Package -> version."""
    text = (ROOT / name).read_text("utf-8")
    return {
        canonicalize_name(package): version for package, version in re.findall(r"^([\w.-]+)==([\w.+!]+)", text, re.M)
    }


@pytest.mark.parametrize("name", ASKED)
def test_every_dependency_is_pinned_at_a_version_that_fits(name: str) -> None:
    pinned = pins(name)
    for each in map(Requirement, ASKED[name]):
        assert each.specifier.contains(pinned[canonicalize_name(each.name)]), f"{each}: run `make lock`"


@pytest.mark.parametrize("name", ASKED)
def test_every_pin_has_a_hash_and_no_line_names_a_registry(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in entry, entry


def test_tests_run_with_the_versions_that_users_get() -> None:
    users, tests = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {package: tests.get(package) for package in users} == users
