"""An estate several times over, for benchmarks: every resource group again under another name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from scanner.sandbox.server import Estate
from scanner.sandbox.world import Json

GROUP = re.compile(r'(?i)(/resourcegroups/)([^/"]+)')


@dataclass(frozen=True, slots=True)
class Copies:
    """An estate, as `serve` takes it."""

    tenant: str
    subscriptions: list[Json | str]
    resources: list[Json]
    refusals: list[Any]
    grants: list[Any]
    quirks: Json


def copies(estate: Estate, times: int) -> Copies:
    """The estate `times` over in the same subscriptions; copies from the second on have `-2`, `-3`, ... on their group.

    Ids within bodies follow, so that each copy is connected as the first is.
    """
    first = {name: _plain(getattr(estate, name)) for name in ("resources", "refusals", "grants", "quirks")}
    text = msgspec.json.encode(first).decode()
    more = (GROUP.sub(rf"\g<1>\g<2>-{number}", text) for number in range(2, times + 1))
    parts = [first, *map(msgspec.json.decode, more)]
    quirks: Json = {}
    for part in parts:
        for name, value in (part["quirks"] or {}).items():
            quirks[name] = (
                {**quirks.get(name, {}), **value} if isinstance(value, dict) else [*quirks.get(name, []), *value]
            )
    return Copies(
        tenant=str(getattr(estate, "tenant", "")),
        subscriptions=list(estate.subscriptions),
        resources=[one for part in parts for one in part["resources"]],
        refusals=[one for part in parts for one in part["refusals"]],
        grants=[one for part in parts for one in part["grants"]],
        quirks=quirks,
    )


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
