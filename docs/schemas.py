"""JSON Schemas of the files that people write, for their editors: `twolocks.toml` and waivers.

They say what a key is and which there are. What needs the rules, the day or arithmetic (a rule that does not exist, a
date too far ahead, networks that are the internet) is judged when the file is read. Draft 7: editors of TOML know it.
"""

import re
from typing import Any

import msgspec

from scanner.cli import help as texts
from scanner.config.notifications import KINDS, NAME, Key, keys_of
from scanner.config.settings import FAIL_ON, FAIL_ON_NEW, MAX_DAYS, SCAN, TABLES, Option
from scanner.config.waivers import GAP_KEYS, WAIVER_KEYS
from scanner.model.exposure import Auth, Reach
from scanner.model.verdict import Severity
from scanner.notify.channels.webhook import WebhookBody
from scanner.notify.notice import SCHEMA

DRAFT = "http://json-schema.org/draft-07/schema#"
TEXT = {"type": "string", "pattern": r"\S"}
SEVERITIES = [each.name for each in reversed(Severity)]
Schema = dict[str, Any]


def _table(properties: Schema, *needed: str, about: str = "") -> Schema:
    found: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    if needed:
        found["required"] = list(needed)
    return {"description": about, **found} if about else found


def _said(schema: Schema, about: str) -> Schema:
    return {**schema, "description": about}


def _list(about: str, item: Schema) -> Schema:
    return {"type": "array", "items": item, "description": about}


def settings() -> Schema:
    """The schema of `twolocks.toml`."""
    ranges = {"type": "string", "description": "An address or a range, such as 198.51.100.0/24"}
    tables: Schema = {
        "scan": _table({option.name: _option(option) for option in SCAN}, about="The options of twolocks scan"),
        "networks": {
            "type": "object",
            "additionalProperties": {"anyOf": [ranges, {"type": "array", "items": ranges}]},
            "description": "Ranges of the organisation, by name; they do not count as open",
        },
        "network": _table(
            {
                "wide-ipv4": _number("From how many IPv4 addresses on a union is wide", 1, 2**32, 65536),
                "wide-ipv6": _number("A union of more than one IPv6 network of this length is wide", 0, 128, 48),
            }
        ),
        "intended": _list(
            "Endpoints that are meant to be public",
            _table(
                {
                    "resource": _said(TEXT, "An id, or a pattern with *"),
                    "endpoint": _said(TEXT, "A name, or a pattern with *"),
                    "reason": TEXT,
                },
                *("resource", "endpoint", "reason"),
            ),
        ),
        "severity": {
            "type": "object",
            "additionalProperties": _table({"to": {"enum": SEVERITIES}, "reason": TEXT}, "to", "reason"),
            "description": "Other severities, by rule",
        },
        "report": _table(
            {
                "tags": _list("Tags that findings keep", {"type": "string"}),
                "owner-tag": _said(TEXT, "The tag that names the owner"),
            }
        ),
        "waivers": _table(
            {
                "max-days": _number("How far ahead a waiver may expire", 1, 3660, MAX_DAYS),
                "allow-tag": {
                    "type": "boolean",
                    "default": False,
                    "description": "Waivers by tag: who may write tags may then waive",
                },
            }
        ),
        "notify": {
            "type": "object",
            "propertyNames": {"pattern": f"^{NAME.pattern}$"},
            "additionalProperties": {"oneOf": [_notification(kind) for kind in KINDS]},
            "description": "Whom to tell what is new, by name",
        },
    }
    assert tables.keys() == TABLES.keys()
    return {"$schema": DRAFT, "title": "twolocks.toml", **_table(tables)}


def _notification(kind: str) -> Schema:
    """A table [notify.NAME] of one kind."""
    known = keys_of(kind)
    found = _table({key.name: {"const": kind} if key.name == "kind" else _key(key) for key in known}, "kind")
    found["required"] += [key.name for key in known if key.needed and not key.other]
    pairs = [(key.name, key.other) for key in known if key.other > key.name]
    needed = {key.name for key in known if key.needed}
    found["allOf"] = [{"oneOf": [{"required": [each]} for each in pair]} for pair in pairs if pair[0] in needed] + [
        {"not": {"required": list(pair)}} for pair in pairs if pair[0] not in needed
    ]
    return found if found["allOf"] else {name: value for name, value in found.items() if name != "allOf"}


def _key(key: Key) -> Schema:
    if key.shape == "number":
        return {"type": "integer", "minimum": 1, "maximum": 65535, "description": key.about}
    if key.shape == "list":
        return _said({"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]}, key.about)
    return _said({"enum": list(key.known)} if key.known else TEXT, key.about)


def _number(about: str, least: int, most: int, default: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default, "description": about}


def _option(option: Option) -> Schema:
    if option.flag:
        found: Schema = {"type": "boolean", "default": False}
    elif option.many:
        found = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}}]}
    elif option.name == "fail-on":
        found = {"enum": [*FAIL_ON, *FAIL_ON_NEW], "default": option.default}
    else:
        found = {"type": "string", "minLength": 1}
    about = _described().get(option.name)
    return _said(found, about) if about else found


def _described() -> dict[str, str]:
    """What the help of `scan` says of each option."""
    return dict(re.findall(r"^ +(?:-\w, )?--([a-z-]+)(?: [A-Z|=]+)?[ +]+(\S.*)$", texts.SCAN, re.MULTILINE))


def notice() -> Schema:
    """The schema of what a web hook is sent."""
    made = msgspec.json.schema(WebhookBody)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **made}


def waivers() -> Schema:
    """The schema of a waiver file."""
    cell = f"^(data|admin|app)/({'|'.join(Auth.__members__)}|unknown)/({'|'.join(Reach.__members__)})$"
    expires = {"type": "string", "format": "date", "description": "The last day on which it counts"}
    keys: Schema = {
        "rule": _said(TEXT, "A rule, or a pattern: sql-*, category:network, severity:high, type:, control:"),
        "resource": _said(TEXT, "An id, or a pattern with * ([*] is a star)"),
        "tag": {"type": "string", "pattern": r"^\s*[^\s=][^=]*=\s*\S", "description": "NAME=VALUE, if allowed"},
        "reason": _said(TEXT, "Why it is accepted"),
        "owner": _said(TEXT, "Who answers for it"),
        "expires": expires,
        "endpoints": {**_list("What it covers of a lock finding; without it, all", TEXT), "minItems": 1},
        "cell": {
            "type": "string",
            "pattern": cell,
            "description": "Accepted up to kind/authentication/reach",
        },
        "severity": {"enum": SEVERITIES, "description": "Accepted up to this"},
        "ticket": {"type": "string", "description": "Where it was decided"},
    }
    gap: Schema = {
        "url": _said(TEXT, "The path of the read that fails, or a pattern with *"),
        "rule": _said(TEXT, "A rule, or a pattern, that is undecided on the resource, and not for a read that failed"),
        **{name: keys[name] for name in ("resource", "reason", "owner", "expires", "ticket")},
    }
    assert set(keys) == set(WAIVER_KEYS)
    assert set(gap) == set(GAP_KEYS)
    waiver = _table(keys, "rule", "reason", "owner", "expires")
    waiver["oneOf"] = [{"required": ["resource"]}, {"required": ["tag"]}]
    accepted = _table(gap, "reason", "owner", "expires")
    by_rule: Schema = {"anyOf": [{"required": ["rule"]}, {"required": ["resource"]}]}
    accepted["oneOf"] = [
        {"required": ["url"], "not": by_rule},
        {"required": ["rule", "resource"], "not": {"required": ["url"]}},
    ]
    tables = {
        "waiver": _list("Findings that somebody accepted", waiver),
        "gap": _list("Reads that will not be granted, and what else stays undecided", accepted),
    }
    return {"$schema": DRAFT, "title": "Waivers of Twolocks", **_table(tables)}
