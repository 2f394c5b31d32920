"""Names on the command line that do not exist: an error with the nearest names, unless the history knows them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.sandbox.estate import load_estate
from scanner.sandbox.served_estate import RoleGrant
from scanner.sandbox.server import Sandbox, running, serve
from tests.cli.test_access_check import PROD, estate, group
from tests.history.changing_estate import container, public, scheduled_run, storage
from tests.terminals import STORAGE, Ended, twolocks

KART = f"{group('rg-kart')}/providers/Microsoft.Storage/storageAccounts"


@pytest.fixture(scope="module")
def demo() -> Iterator[Sandbox]:
    with serve(load_estate()) as box:
        yield box


def scan(box: Sandbox, *words: str) -> Ended:
    return twolocks("scan", "--fail-on", "never", *words, env=box.environment())


@pytest.mark.parametrize("more", [(), ("--no-graph",)])
def test_a_resource_group_that_does_not_exist_is_an_error_with_the_nearest_names(
    demo: Sandbox, more: tuple[str, ...]
) -> None:
    """It ended with 3, and with 404s as failed reads."""
    ended = scan(demo, "--resource-group", "rg-karl", *more)
    assert ended.code == 2
    text = (
        'error: resource group "rg-karl" does not exist in the subscription, and 1 more did not say whether it exists'
    )
    assert ended.last[-4:-1] == [
        text,
        "--> --resource-group rg-karl",
        "hint: nearest: rg-kart, rg-maskiner, rg-kart-utsnitt; all: az group list --output table",
    ]


def test_one_of_several_groups_is_enough(demo: Sandbox) -> None:
    ended = scan(demo, "--resource-group", "rg-kart", "--resource-group", "rg-innsin", "-s", "prod-journal")
    assert (ended.code, ended.last[-4]) == (2, 'error: resource group "rg-innsin" does not exist in the subscription')
    assert "nearest: rg-innsyn" in ended.last[-2]


def test_an_empty_or_quoted_name_is_no_group(demo: Sandbox) -> None:
    for name in ("a/b", "..", "x?y"):
        ended = scan(demo, "--resource-group", name)
        assert (ended.code, ended.last[-3]) == (2, f'error: "{name}" is not the name of a resource group')


def test_a_resource_that_does_not_exist_names_the_nearest_of_its_type(demo: Sandbox) -> None:
    ended = scan(demo, "--resource", f"{KART}/stkartutsnit")
    assert ended.code == 2
    assert ended.last[-4].startswith("error: no such resource: ")
    assert ended.last[-2].startswith("hint: nearest: stkartutsnitt, ")


def test_a_tag_that_no_resource_has_names_the_nearest(tmp_path: Path) -> None:
    tagged = storage(public("stprod"))
    tagged[0]["tags"] = {"env": "prod"}
    reported = scheduled_run(tagged, str(tmp_path / "h.db"), tmp_path, "--tag", "env=prd")
    assert reported.ended.code == 2
    assert reported.ended.last[-4:-1] == [
        "error: no resource in scope has the tag env=prd",
        "--> --tag env=prd",
        "hint: nearest: env=prod; all: az tag list --output table",
    ]


def test_a_group_that_cannot_be_read_is_no_typo() -> None:
    with running(Sandbox.from_estate(estate(), refusals=[], grants=[RoleGrant(group("rg-kart"))])) as box:
        ended = scan(box, "--resource-group", "rg-innsyn", "-s", PROD)
        assert ended.code == 3


def test_a_list_that_was_refused_may_hold_the_tag() -> None:
    grants = [RoleGrant("/", ("*/read",), ("Microsoft.KeyVault/vaults/read",))]
    with running(Sandbox.from_estate(estate(), refusals=[], grants=grants)) as box:
        assert scan(box, "--tag", "nobody=has-this").code == 3


def narrowed(tmp_path: Path, *words: str) -> set[str]:
    """The resources that are fixed for a scan of a part, after a scan of everything and their deletion."""
    history = str(tmp_path / "history.db")
    other = storage(public("stblir"), container("x", above=f"{STORAGE}/stblir/blobServices/default/containers"))
    for body in other:
        body["id"] = body["id"].replace("rg-journal", "rg-annen")
    gone = storage(public("stborte"), container("x", above=f"{STORAGE}/stborte/blobServices/default/containers"))
    gone[0]["tags"] = {"env": "prod"}
    scheduled_run([*gone, *other], history, tmp_path, *words[2:])
    reported = scheduled_run(other, history, tmp_path, *words[:2])
    assert reported.ended.code != 2, reported.ended.err
    return {endpoint.split(":")[0] for endpoint in reported.listed("fixed")}


@pytest.mark.parametrize("words", [("--resource-group", "RG-journal"), ("--resource", f"{STORAGE}/stborte")])
def test_what_the_history_knows_and_is_gone_is_fixed(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert narrowed(tmp_path, *words) == {"stborte"}


def test_a_tag_that_an_earlier_scan_had_is_no_typo(tmp_path: Path) -> None:
    tag = ("--tag", "env=prod")
    assert narrowed(tmp_path, *tag, *tag) == set()
