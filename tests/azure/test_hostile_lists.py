"""Hostile lists of subscriptions and tenants, and hostile metadata: never an all clear, never our defect."""

from collections.abc import Iterator

import pytest

from tests.azure.hostile_lists import GROUPS, collected, of

UNREAD = [(group, name) for group in ("subscriptions", "refusals") for name in GROUPS[group][1]]
HARMLESS = [(group, name) for group in ("names", "tenants") for name in GROUPS[group][1]]


@pytest.fixture(scope="module", autouse=True)
def _collected() -> Iterator[None]:
    with collected():
        yield


@pytest.mark.parametrize(("group", "name"), UNREAD)
def test_a_list_that_is_not_whole_is_never_an_all_clear(group: str, name: str) -> None:
    ended, document = of(group, name)
    assert ended.code in (3, 4)
    if ended.code == 3:
        assert document["gaps"]
        assert " gap " in ended.err
    else:
        assert ended.err.startswith("20")
        assert "\nerror: " in ended.err


@pytest.mark.parametrize(("group", "name"), HARMLESS)
def test_names_and_tenants_stop_no_scan(group: str, name: str) -> None:
    ended, document = of(group, name)
    assert ended.code == 0
    assert not document["gaps"]
    assert max(map(len, ended.err.splitlines())) < 800


@pytest.mark.parametrize("name", GROUPS["metadata"][1])
def test_with_hostile_metadata_no_scan_begins(name: str) -> None:
    ended, document = of("metadata", name)
    assert ended.code in (2, 4)
    assert "error: " in ended.err
    assert not document


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("endless pages", "20 pages of one list (raise limits.list-pages)"),
        ("more rows than the limit", "2,000 rows of one list (raise limits.list-rows)"),
        ("more subscriptions than the limit", "5 subscriptions (raise limits.subscriptions)"),
        ("gzip bomb", "32 MB of one answer (raise limits.answer-size)"),
    ],
)
def test_a_limit_names_its_setting(name: str, setting: str) -> None:
    assert f"limit: {setting}" in of("subscriptions", name)[0].err
