"""Multiplies an estate, for benchmarks: every resource group again under other names."""

import re
from typing import Any

import msgspec

from scanner.sandbox.estate import Estate
from scanner.sandbox.served_estate import Json

HUB = re.compile(r'(?i)(/virtualhubs/|/HV_)([^/"_]+)')
VAULT = re.compile(
    r'(?i)(microsoft\.keyvault/(?:vaults|managedhsms)/|https://)([a-z0-9-]+)(?=[/"]|\.(?:vault|managedhsm)\.)'
)
GROUP = re.compile(r'(?i)(/resourcegroups/)([^/"]+)')


def copies(estate: Estate, times: int) -> Estate:
    """Return the estate `times` over in the same subscriptions. Groups of later copies end with `-2`, `-3`, ...

    Ids in bodies change with them, so that each copy is connected like the first one.
    """
    first = {name: _plain(getattr(estate, name)) for name in ("resources", "refusals", "grants", "overrides")}
    text = msgspec.json.encode(first).decode()
    more = (renamed(text, number) for number in range(2, times + 1))
    documents = [first, *map(msgspec.json.decode, more)]
    overrides: Json = {}
    for document in documents:
        for name, value in (document["overrides"] or {}).items():
            overrides[name] = (
                {**overrides.get(name, {}), **value} if isinstance(value, dict) else [*overrides.get(name, []), *value]
            )
    return Estate(
        tenant=estate.tenant,
        subscriptions=list(estate.subscriptions),
        resources=[one for document in documents for one in document["resources"]],
        refusals=[one for document in documents for one in document["refusals"]],
        grants=[one for document in documents for one in document["grants"]],
        overrides=overrides,
    )


def renamed(text: str, number: int) -> str:
    """Return a JSON text with the names of another copy. Networks know a virtual hub by its name alone, and resources
    know the vault of their key by its address.
    """
    for pattern in (GROUP, HUB, VAULT):
        text = pattern.sub(rf"\g<1>\g<2>-{number}", text)
    return text


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
