"""Whose keys encrypt what: the keys of a document, ordered and in words, for the terminal and for the report."""

from collections import Counter
from collections.abc import Sequence

from scanner.document.key_rows import KeyRow
from scanner.document.schema import Document
from scanner.model.ids import name_of, type_of
from scanner.model.responsibility import ANOTHER_TIER

HOLDERS = ("customer", "platform", ANOTHER_TIER, "unknown")
MICROSOFTS = ("platform", ANOTHER_TIER)
"""The holders of which the key is Microsoft's: by choice, and because the tier has no customer-managed keys."""
LIVES = {
    "software": "vault, software",
    "hsm": "vault, HSM",
    "managed-hsm": "managed HSM",
    "microsoft": "Microsoft",
    "unknown": "not known",
}
RISKS = {
    "disabled": "disabled",
    "expired": "expired",
    "expires-soon": "expires within 30 days",
    "missing": "not in its vault",
    "no-purge-protection": "no purge protection",
    "no-rotation": "no rotation",
    "elsewhere": "vault in another subscription or region",
    "services-blocked": "vault blocks services",
    "identity": "identity may not unwrap",
    "version": "older version in use",
}
SEVERITIES = ("critical", "high", "medium", "low", "info", "unknown")


def resources(row: KeyRow) -> list[str]:
    """Return the ids of the resources behind a key, each once."""
    return list({each.resource.lower(): each.resource for each in row.stores}.values())


def types(row: KeyRow) -> list[tuple[str, int]]:
    """Return the types of the resources behind a key with their numbers, the most frequent first."""
    counts = Counter(map(type_of, resources(row)))
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def worst(row: KeyRow) -> str:
    """Return the severity of the worst risk that is proven; "unknown" where the key itself is; "" without any."""
    proven = [each.severity for each in row.risks if each.severity not in ("unknown", "info")]
    if proven:
        return min(proven, key=SEVERITIES.index)
    return "unknown" if row.holder == "unknown" or (row.holder == "customer" and row.state == "unknown") else ""


def ordered(rows: Sequence[KeyRow]) -> list[KeyRow]:
    """Return the keys: those of customers with the worst risks first, the unknown ones, those of Microsoft by type."""
    return sorted(rows, key=sort_key)


_RANK = {each: position for position, each in enumerate(SEVERITIES)}


def sort_key(row: KeyRow) -> tuple[bool, int, int, str]:
    """Return the key that keys are sorted by."""
    return (
        row.holder in MICROSOFTS,
        _RANK.get(worst(row), len(_RANK)),
        -len(resources(row)),
        row.key or row.type,
    )


def sentence(document: Document) -> str:
    """Return how many resources use a key of the customer, one of Microsoft (by choice, and because of their tier), or
    one that is not known.
    """
    rows = list(document.keys)
    if not rows:
        return "No rule on keys evaluated a resource."
    counts = {
        each: len({id.lower() for row in rows if row.holder == each for id in resources(row)}) for each in HOLDERS
    }
    key_count = sum(row.holder == "customer" for row in rows)
    text = f"{counts['customer']:,} resources depend on {key_count:,} customer-managed keys, {counts['platform']:,} use"
    text = f"{text} Microsoft-managed keys, {counts[ANOTHER_TIER]:,} need another tier for a customer-managed key,"
    return f"{text} and of {counts['unknown']:,} it is not known."


def name(row: KeyRow) -> str:
    """Return a key as `VAULT/NAME`; of Microsoft-managed keys the type of the resources."""
    if row.key:
        return f"{row.host.partition('.')[0]}/{row.key.rpartition('/')[2]}"
    return row.type.removeprefix("Microsoft.")


def risks(row: KeyRow) -> str:
    """Return the risks of a key in words, those that are not assessed last."""
    texts = [RISKS[each.id] if each.severity != "unknown" else f"{RISKS[each.id]}?" for each in row.risks]
    return ", ".join(dict.fromkeys(texts))


def tier_reason(row: KeyRow) -> str:
    """Return which tiers of a type have no customer-managed keys, of a row whose resources need another tier."""
    return next((each.why for each in row.stores if each.why), "")


def names(row: KeyRow, most: int = 4) -> str:
    """Return the names of the resources behind a key, the first ones where there are many."""
    resource_names = sorted(name_of(id) for id in resources(row))
    more = f" and {len(resource_names) - most} more" if len(resource_names) > most else ""
    return ", ".join(resource_names[:most]) + more
