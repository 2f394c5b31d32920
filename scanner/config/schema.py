"""JSON Schemas of `twolocks.toml` and the waiver file, for editors; generated from the rows of `keys` and `options`.

They define the keys and their values. Only the readers check the rest: rules that do not exist, dates too far ahead,
networks that cover the internet. Draft 7, because TOML editors support it.
"""

from scanner.config.channels import CHANNELS, NAME, keys_of
from scanner.config.commands import SCAN_SETTINGS
from scanner.config.keys import (
    GAP,
    INTENDED,
    LIMITS,
    NETWORK,
    PLACE_EXCEPTION,
    PLACE_SCOPE,
    PLACES,
    REPORT,
    SEVERITY,
    TABLES,
    TENANT,
    WAIVER,
    WAIVERS,
    Key,
    Schema,
    option_key,
)

DRAFT = "http://json-schema.org/draft-07/schema#"


def settings() -> Schema:
    """Return the schema of `twolocks.toml`."""
    ranges = {"type": "string", "description": "An address or a range, such as 198.51.100.0/24"}
    tables: Schema = {
        "scan": {
            "description": "The options of twolocks scan",
            **_table([option_key(option) for option in SCAN_SETTINGS]),
        },
        "networks": _named(
            "Address ranges of the organisation, by name; never counted as broad ranges",
            {"anyOf": [ranges, {"type": "array", "items": ranges}]},
        ),
        "network": _table(NETWORK),
        "intended": _list("Endpoints that are public on purpose", _table(INTENDED)),
        "tenant": _list("The tenants of a scan, each with its own login", _table(TENANT)),
        "residency": _object(
            {
                "allowed": _places(),
                "scope": _list("Allowed places of a part of the resources", _place_table(PLACE_SCOPE)),
                "exception": _list("Accepted places of resources", _place_table(PLACE_EXCEPTION)),
            }
        )
        | {"description": "Where data may be; without it, the geography of each resource group's region"},
        "severity": _named("Changed severities, by rule", _table(SEVERITY)),
        "report": _table(REPORT),
        "waivers": _table(WAIVERS),
        "limits": {
            "description": "What one answer and one list of Azure may be; beyond it they are not assessed",
            **_table(LIMITS),
        },
        "notify": {
            "propertyNames": {"pattern": f"^{NAME.pattern}$"},
            **_named("Notifications, by name", {"oneOf": [_notification(kind) for kind in CHANNELS]}),
        },
    }
    assert tables.keys() == TABLES.keys()
    return {"$schema": DRAFT, "title": "twolocks.toml", **_object(tables)}


def waivers() -> Schema:
    """Return the schema of a waiver file."""
    waiver, gap = _table(WAIVER), _table(GAP)
    waiver["oneOf"] = [{"required": ["resource"]}, {"required": ["tag"]}]
    by_rule: Schema = {"anyOf": [{"required": ["rule"]}, {"required": ["resource"]}]}
    gap["oneOf"] = [
        {"required": ["url"], "not": by_rule},
        {"required": ["rule", "resource"], "not": {"required": ["url"]}},
    ]
    tables = {
        "waiver": _list("Accepted findings", waiver),
        "gap": _list("Accepted failed reads, and other accepted inconclusive checks", gap),
    }
    return {"$schema": DRAFT, "title": "Waivers of Twolocks", **_object(tables)}


def _places() -> Schema:
    """Return the schema of a place or a list of places."""
    return {"anyOf": [{"type": "string"}, PLACES.schema()], "description": PLACES.about}


def _place_table(keys: tuple[Key, ...]) -> Schema:
    """Return the schema of a table whose `allowed` is a place or a list of places."""
    result = _table(keys)
    result["properties"]["allowed"] = _places()
    return result


def _object(properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _table(keys: list[Key] | tuple[Key, ...]) -> Schema:
    """Return the schema of a table with these keys."""
    needed = [key.name for key in keys if key.needed]
    return _object({key.name: key.schema() for key in keys}) | ({"required": needed} if needed else {})


def _named(about: str, item: Schema) -> Schema:
    """Return the schema of a table with free keys."""
    return {"type": "object", "additionalProperties": item, "description": about}


def _list(about: str, item: Schema) -> Schema:
    return {"type": "array", "items": item, "description": about}


def _notification(kind: str) -> Schema:
    """Return the schema of a table [notify.NAME] of one kind."""
    result = _table(keys_of(kind))
    result["properties"]["kind"] = {"const": kind}
    result["required"] = ["kind", *result.get("required", ())]
    return result
