"""The first reads of a collection are made at once: each answer here waits until all of them were asked for."""

import asyncio
from collections.abc import Sequence

import pytest
from aiohttp import web

from scanner.sandbox.served_estate import RoleGrant
from scanner.sandbox.server import Sandbox
from tests.azure.requests import ESTATE, PLAN, S1, SUBSCRIPTIONS, repeated, scanned

PERMISSIONS = f"/subscriptions/{S1}/providers/Microsoft.Authorization/permissions"
GRAPH = "/providers/Microsoft.ResourceGraph/resources"
WAIT = 20


class MeetingSandbox(Sandbox):
    """A sandbox that answers requests to the paths of a meeting only when all of them have arrived.

    `before`: the paths of requests that are answered before it.
    """

    def __init__(self, paths: Sequence[str], **options: object) -> None:
        super().__init__([each for each in ESTATE if S1 in each["id"]], SUBSCRIPTIONS[:1], **options)  # type: ignore[arg-type]
        self.missing, self.before = list(paths), list[str]()
        self.all_there = asyncio.Event()
        self.is_met = True

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path in self.before:
            self.before.remove(path)
        elif path in self.missing:
            self.missing.remove(path)
            if not self.missing:
                self.all_there.set()
            try:
                await asyncio.wait_for(self.all_there.wait(), WAIT)
            except TimeoutError:
                self.is_met = False
        return await super()._handle(request)


def first(position: int) -> str:
    """The list of a type of the plan, by its place."""
    return f"/subscriptions/{S1}/providers/{PLAN.resource_types[position].type}"


def test_permissions_the_first_list_and_resource_graph_are_asked_at_once() -> None:
    box = MeetingSandbox([PERMISSIONS, first(0), GRAPH])
    result = scanned(box)
    assert (box.is_met, box.missing, result.gaps) == (True, [], {})
    assert result.views == {S1: "full"}
    assert repeated(box) == []


def test_both_tables_of_the_index_are_asked_at_once_and_beside_the_lists() -> None:
    """The first query is about the types that exist."""
    box = MeetingSandbox([GRAPH, GRAPH, first(2)])
    box.before = [GRAPH]
    result = scanned(box)
    assert (box.is_met, box.missing, result.gaps) == (True, [], {})
    assert [each.path for each in box.requests].count(GRAPH) == 3


@pytest.mark.parametrize(("types", "view"), [(("Microsoft.KeyVault/vaults",), "full"), ((), "partial")])
def test_what_the_roles_allow_is_tried_after_the_first_list(types: tuple[str, ...], view: str) -> None:
    grants = [RoleGrant(scope=f"/subscriptions/{S1}", actions=tuple(f"{each}/read" for each in types) or ("x/read",))]
    grants.append(RoleGrant(scope=f"/subscriptions/{S1}/resourceGroups/rg-a", actions=("*/read",)))
    box = MeetingSandbox([PERMISSIONS, first(0), GRAPH], grants=grants)
    result = scanned(box)
    assert box.is_met
    assert result.views == {S1: view}
    assert repeated(box) == []
    lists = [each.path for each in box.requests if each.path in {first(position) for position in range(3)}]
    assert lists[0] == first(0)
    assert len(lists) == len(set(lists)), "a list that was refused is not asked for again"
