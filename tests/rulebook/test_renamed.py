"""Old ids of rules: the frozen list of them, and the errors that give the new ids."""

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from scanner.errors import InputError
from scanner.rulebook.loader import RuleSet, load
from scanner.rulebook.renamed import new_id, new_ids, renamed
from tests.same.compare import renamed as from_page


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load(packages=False)


def test_the_list_is_frozen() -> None:
    """Migration 0003 reads it: an id that changes later is an alias of its rule, and not added here."""
    text = "".join(f"{old} {new}\n" for old, new in sorted(renamed().items()))
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "ebe256fd2758cfdce4399b34f0b5a869801c429c865a3614ebba076493b20914"
    )


def test_each_new_id_is_a_rule_and_no_old_id_is(rules: RuleSet) -> None:
    ids = {id for rule in rules.rules.values() for id in (rule.id, *rule.aliases)}
    assert set(renamed().values()) <= ids
    assert not set(renamed()) & ids
    assert len(set(renamed().values())) == len(renamed())


def test_new_ids() -> None:
    assert new_id("Storage-Shared-Key") == "storage-shared-key-enabled"
    assert new_id("storage-plain-http") is None
    assert new_ids("*-SUBNET-of-strangers")[:2] == ["ai-external-subnet", "app-external-subnet"]


@pytest.mark.parametrize("pattern", sorted(renamed()))
def test_an_old_id_is_an_error_with_the_new_one(pattern: str, rules: RuleSet) -> None:
    with pytest.raises(InputError) as caught:
        rules.check(pattern, "--skip")
    assert caught.value.what == f'the rule "{pattern}" is now "{renamed()[pattern]}"'
    assert caught.value.at == f"--skip {pattern}"
    assert caught.value.do == f'write "{renamed()[pattern]}"'


def test_a_pattern_of_old_ids_is_an_error_with_the_new_ones(rules: RuleSet) -> None:
    with pytest.raises(InputError) as caught:
        rules.check("storage-*-off", "--only")
    assert caught.value.what == '--only "storage-*-off" matches no rule'
    assert caught.value.do == (
        "the rules that it matched are now storage-blob-soft-delete-disabled, "
        "storage-container-soft-delete-disabled, storage-share-soft-delete-disabled, storage-versioning-disabled; "
        "all: twolocks rules list"
    )


def test_a_rule_of_ones_own_may_have_an_old_id(rules: RuleSet) -> None:
    own = replace(rules.rules["storage-plain-http"], id="storage-shared-key")
    RuleSet(rules={**rules.rules, own.id: own}).check(own.id)


def test_where_the_new_rule_is_not_loaded_its_id_is_not_given() -> None:
    for pattern in ("storage-shared-key", "storage-*"):
        with pytest.raises(InputError, match="matches no rule") as caught:
            RuleSet().check(pattern)
        assert "storage-shared-key-enabled" not in caught.value.do


def test_the_page_lists_each() -> None:
    """`make same` reads the page, because an earlier commit has no list."""
    page = Path(__file__).parents[2] / "docs/dev/renamed.md"
    assert from_page(page) == renamed()
