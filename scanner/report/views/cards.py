"""The cards of the page: endpoints, findings, and the names of their resources."""

from collections.abc import Sequence
from typing import Any

import msgspec

from scanner.document.reader import without_case
from scanner.document.schema import Document, EvidenceRow, ExposureRow, FindingRow, FixRow, HopRow
from scanner.document.tenants import scope_labels
from scanner.model.ids import subscription_of
from scanner.model.message import message_text
from scanner.model.severity import SEVERITIES
from scanner.report.language.naming import path_name
from scanner.report.language.text import effect, effect_on_card, has_invisible, split_fix
from scanner.report.language.words import Words, parse_time
from scanner.report.views.summary import rating

_LONGEST_EVIDENCE, _MOST_EVIDENCE = 300, 4


class ResourceNames:
    """The names of resources, of their groups and subscriptions, as cards show them."""

    def __init__(self, document: Document) -> None:
        self._scopes = scope_labels(document.coverage.scopes, document.scan)
        self._find = without_case(document.resources)

    def of(self, resource: str) -> dict[str, str]:
        """Return `name`, `path` (the name with its parent's), `sub` (subscription), `group` and `region` of a resource.

        "" stands for what is not known.
        """
        _, row = self._find(resource) or ("", None)
        name = (row.name if row else "") or resource.rpartition("/")[2]
        subscription = (row.subscription if row else "") or subscription_of(resource)
        return {
            "name": name,
            "path": path_name(resource, row.parent if row else None, name),
            "sub": self._scopes.get(subscription.lower(), subscription),
            "group": row.resource_group if row else "",
            "region": row.location if row else "",
        }

    def group_path(self, resource: str) -> str:
        """Return subscription and resource group: `prod-innbygger / rg-skjema`."""
        names = self.of(resource)
        return " / ".join(filter(None, (names["sub"], names["group"])))


def fix_of(fix: FixRow | None, words: Words, endpoint: str = "") -> dict[str, Any]:
    """Return a fix as `sentence`, `commands`, `fields`, `join`, `effect`, `impact`; `hidden`: invisible characters."""
    sentence, commands = split_fix(fix)
    hidden = any(map(has_invisible, commands))
    return {
        "sentence": sentence,
        "commands": tuple(commands),
        "hidden": hidden,
        "fields": [] if fix is None or hidden else fix.fields,
        "join": "" if fix is None or hidden else "".join(each.join for each in fix.fields),
        "effect": effect(fix, words, endpoint),
        "impact": "" if fix is None or hidden or not commands else fix.impact,
    }


def rating_word(words: Words, rating: str) -> str:
    """Return the word of a severity or of another rating."""
    return words(f"severity.{rating}" if rating in SEVERITIES else f"standing.{rating}")


def first_seen(words: Words, since: str | msgspec.UnsetType | None, taken: str | None, *, short: bool = False) -> str:
    """Return `First seen 34 days ago, on 22 October 2026`, `short` without the date; as in `finding_card.js`."""
    if not since:
        return ""
    if since == taken:
        return words("age.first")
    start, end = parse_time(since), parse_time(str(taken))
    days = (end.date() - start.date()).days if start and end else 0
    date = words.date(since)
    if days <= 0:
        return words("age.day", date=date)
    return words("age.days_short", days) if short else words("age.days", days, date=date)


NAMED = 3
"""The number of endpoints that a card of several names."""


def exposure_card(exposures: Sequence[ExposureRow], names: ResourceNames, words: Words, taken: str) -> dict[str, Any]:
    """Return the variables of the card of endpoints that stand together; `taken` is the time of the scan.

    `more`: how many there are beside the first one. `impact`: those of all of them.
    """
    exposure = exposures[0]
    rated, name = rating(exposure), names.of(exposure.resource)["name"]
    fix = fix_of(exposure.fix, words, exposure.endpoint)
    if len(exposures) > 1:
        fix["effect"] = effect_on_card(exposures, words)
    if not exposure.fix and rated != "unknown":
        fix["sentence"] = words("endpoints.nothing_to_close" if rated == "closed" else "endpoints.no_fix")
    return {
        **fix,
        "may": _may(exposure, words),
        "rating": rated,
        "word": rating_word(words, rated),
        "title": exposure.title or exposure.endpoint,
        "name": names.of(exposure.resource)["path"],
        "more": and_more(exposures, words),
        "endpoints": named_endpoints([each.endpoint for each in exposures], words),
        "place": names.group_path(exposure.resource),
        "new": bool(exposure.new),
        "age": first_seen(words, exposure.since, taken, short=True),
        "impact": " ".join(dict.fromkeys(fix_of(each.fix, words)["impact"] for each in exposures)).strip(),
        "because": _because(exposure.hops),
        "hops": [
            {"name": hop.name, "detail": hop.detail, "state": _hop_state(hop, words)}
            for hop in _with_endpoint(exposure, name)
        ],
    }


def and_more(exposures: Sequence[ExposureRow], words: Words) -> str:
    """Return how many endpoints a card has beside the first one, "" without any."""
    return words("endpoints.and_more", len(exposures) - 1) if len(exposures) > 1 else ""


def named_endpoints(endpoints: Sequence[str], words: Words) -> str:
    """Return the names of endpoints, of many the first ones and how many more there are; as in `endpoints.js`."""
    names = list(dict.fromkeys(endpoints))
    if len(names) > NAMED + 1:
        names[NAMED:] = [words("more_named", len(names) - NAMED)]
    return ", ".join(names)


def _may(exposure: ExposureRow, words: Words) -> str:
    """Return what unread parts may add to an endpoint, "" where they add nothing; as in `endpoints.js`."""
    may = exposure.may
    if may is None:
        return ""
    row, column = may.authentication or exposure.authentication, may.reach or exposure.reach
    locks = words("matrix.locks", row=words(f"row.{row}"), column=words(f"column.{column}"))
    return words("endpoints.may", locks=locks, severity=rating_word(words, exposure.worst or "closed").lower())


def _with_endpoint(exposure: ExposureRow, name: str) -> list[HopRow]:
    """Return the hops of an endpoint, with the endpoint as the last one."""
    hops = exposure.hops
    if not hops or hops[-1].kind == "endpoint":
        return hops
    return [*hops, HopRow("endpoint", name, exposure.endpoint, "", None)]


def _hop_state(hop: HopRow, words: Words) -> str:
    if hop.kind in ("source", "endpoint"):
        return words("path." + hop.kind)
    if hop.lets is None:
        return words("path.not_assessed")
    return words("path.allows" if hop.lets else "path.blocks")


def _because(hops: Sequence[HopRow]) -> list[str]:
    """Return at most three facts: those of the last two hops of the network lock, and that of authentication."""
    network = [hop for hop in hops if hop.kind not in ("source", "endpoint", "authentication")]
    authentication = [hop for hop in hops if hop.kind == "authentication"]
    return [hop.detail or hop.name for hop in (*network[-2:], *authentication[-1:])]


def finding_card(finding: FindingRow, names: ResourceNames, words: Words, taken: str) -> dict[str, Any]:
    """Return the variables of the card of a finding; `taken` is the time of the scan."""
    status, names_of = finding.status, names.of(finding.resource)
    severity = finding.severity if status == "fail" and finding.severity in SEVERITIES else None
    title = finding.title or finding.rule
    texts = (", ".join(finding.endpoints), names_of["sub"], names_of["group"], names_of["region"])
    return {
        **fix_of(finding.fix if status == "fail" else None, words),
        "look": severity or status,
        "word": words(f"severity.{severity}" if severity else f"status.{status}"),
        "title": f"{title if status == 'fail' else words('title.' + status, title=title)} - {names_of['path']}",
        "rule": finding.rule,
        "place": " · ".join(filter(None, texts)),
        "evidence": [_evidence(each, words) for each in finding.evidence[:_MOST_EVIDENCE]],
        "new": bool(finding.new),
        "age": first_seen(words, finding.since, taken),
    }


def _evidence(item: EvidenceRow, words: Words) -> str:
    text = f"{item.path} = {_value(item.value)}"
    if item.expected is not None:
        text += f" ({words('card.expected').lower()}: {_value(item.expected)})"
    return text if len(text) <= _LONGEST_EVIDENCE else text[:_LONGEST_EVIDENCE] + "…"


def _value(value: Any) -> str:
    """Return a value of evidence: a string as it is, everything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=message_text).decode()
