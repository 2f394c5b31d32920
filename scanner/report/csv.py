"""The findings as CSV, for a spreadsheet: one row an exposure, a finding, and a read that failed.

With a byte order mark, since without it a spreadsheet reads `å` as two letters; who reads by program has the JSON.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from io import StringIO
from typing import IO, Any

from scanner.report.gaps import subscription_of
from scanner.report.text import plain

Item = Mapping[str, Any]

COLUMNS = (
    "record", "status", "severity", "worst", "new", "since", "rule", "category", "title", "subscription",
    "subscription_name", "resource_group", "type", "name", "location", "endpoint", "kind", "address", "reach",
    "authentication", "message", "fix", "waiver_reason", "waiver_owner", "waiver_expires", "waiver_ticket", "tags",
    "fingerprint", "resource", "waiver_lapsed",
)  # fmt: skip
"""What each holds stands in `docs/formats.md`; a new one is added at the end."""

LONGEST = 32_000
"""Characters of a cell; beyond 32,767 a spreadsheet moves the rest into the next row."""

_CUT = " [cut]"
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212"
_LEAD = re.compile(rf"(^|[;,])(?=[\s\"'`\u2018\u2019\u201c\u201d]*[{_SIGNS}])")
_GUARDED = re.compile(rf"(^|[;,])'(?=[\s\"'`\u2018\u2019\u201c\u201d]*[{_SIGNS}])")
_ROWS = 512


def write_csv(document: Item, out: IO[bytes]) -> None:
    """Writes a findings document (schema `twolocks/1`, decoded). The same document gives the same bytes."""
    text = StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    out.write(b"\xef\xbb\xbf")
    for number, row in enumerate(_rows(document), 1):
        writer.writerow([cell(row.get(name)) for name in COLUMNS])
        if number % _ROWS == 0:
            _flush(text, out)
    _flush(text, out)


def _flush(text: StringIO, out: IO[bytes]) -> None:
    out.write(text.getvalue().encode())
    text.seek(0)
    text.truncate()


def cell(value: object) -> str:
    """A value that no spreadsheet takes for a formula: controls made visible, an apostrophe before a sign.

    Also after a comma or semicolon: where the semicolon separates, a spreadsheet splits there, quotes or not.
    """
    return "" if value is None else _cell(str(value))


@lru_cache(maxsize=65_536)
def _cell(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        text = plain(text)
    if len(text) > LONGEST:
        text = text[: LONGEST - len(_CUT)] + _CUT
    return _LEAD.sub(r"\1'", text)


def unguarded(text: str) -> str:
    """The value of a cell without the apostrophes that `cell` put there."""
    return _GUARDED.sub(r"\1", text)


def _rows(document: Item) -> Iterator[dict[str, Any]]:
    names = {scope["subscription"].lower(): scope["name"] for scope in document["coverage"]["scopes"]}
    resources = document["resources"]
    for exposure in document["exposures"]:
        yield {**_resource(exposure["resource"], resources, names), **_exposure(exposure)}
    for finding in document["findings"]:
        yield {**_resource(finding["resource"], resources, names), **_finding(finding)}
    for gap in document["gaps"]:
        yield {**_resource(gap["url"], resources, names), **_gap(gap)}


def _resource(id: str, resources: Mapping[str, Item], names: Mapping[str, str]) -> dict[str, Any]:
    row = resources.get(id, {})
    subscription = str(row.get("subscription") or subscription_of(id))
    return {
        "resource": id,
        "subscription": subscription,
        "subscription_name": names.get(subscription.lower(), ""),
        "resource_group": row.get("resource_group"),
        "type": row.get("type"),
        "name": row.get("name") or id.rstrip("/").rsplit("/", 1)[-1],
        "location": row.get("location"),
        "tags": "; ".join(f"{name}={value}" for name, value in sorted((row.get("tags") or {}).items())),
    }


def _exposure(row: Item) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("severity", "worst", "title", "endpoint", "kind", "address", "reach")},
        **{name: row[name] for name in ("authentication", "fix", "fingerprint")},
        "record": "exposure",
        "status": row["state"],
        "message": row["reason"],
        **_waiver(row),
        **_since(row),
    }


def _finding(row: Item) -> dict[str, Any]:
    proven = row["status"] in ("fail", "waived")
    return {
        **{name: row[name] for name in ("rule", "category", "title", "status", "message", "fix", "fingerprint")},
        "record": "finding",
        # What could not be decided has no severity: it may be as bad as `worst`.
        "severity": row["severity"] if proven else None,
        "worst": row["severity"],
        "endpoint": ", ".join(row["endpoints"]),
        **_waiver(row),
        "waiver_lapsed": (row.get("lapsed") or {}).get("expires"),
        **_since(row),
    }


def _gap(row: Item) -> dict[str, Any]:
    answer = " ".join(str(part) for part in (row["status"], row["code"]) if part)
    return {
        "record": "gap",
        "status": "accepted" if row.get("accepted") else "not read",
        "message": answer + (f", missing {row['action']}" if row["action"] else ""),
        "rule": ", ".join(row["rules"]),
        **_waiver(row),
    }


def _waiver(row: Item) -> dict[str, Any]:
    waiver = row.get("waiver") or {}
    return {f"waiver_{name}": waiver.get(name) for name in ("reason", "owner", "expires", "ticket")}


def _since(row: Item) -> dict[str, Any]:
    return {"new": "yes" if row.get("new") else "no" if "new" in row else None, "since": row.get("since")}
