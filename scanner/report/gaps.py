"""What could not be read: gaps merged by action and scope, and what closes them."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scanner.report.summary import Item, rank
from scanner.report.words import Words

ROLE = "Twolocks gaps"
_SECRETS = re.compile(r"/list[^/]*/action$|/listkeys|/regeneratekey", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"^/subscriptions/([^/?]+)", re.IGNORECASE)
_MANY_RULES = 12


@dataclass
class Entry:
    """Gaps of one action (or error) in one subscription, with the undecided checks that hang on them."""

    action: str
    subscription: str
    urls: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)
    checks: int = 0
    worst: str | None = None
    curable: bool = False
    accepted: bool = False
    waiver: Item | None = None
    what: str = ""
    scope: str = ""
    query: str = ""

    @property
    def by(self) -> str:
        """Who accepted them, why and until when."""
        return accepted_by(self.waiver)

    @property
    def secret(self) -> bool:
        """Whether the missing action hands out secrets."""
        return bool(_SECRETS.search(self.action))

    @property
    def blind(self) -> bool:
        """Whether a whole scope was seen in part only."""
        return any(_is_scope(url) for url in self.urls)


@dataclass
class Agreed:
    """Undecided checks that no gap explains, accepted in the same words; `places` are pairs of rule and resource."""

    waiver: Item
    places: list[tuple[str, str]] = field(default_factory=list)
    worst: str | None = None


@dataclass
class NotRead:
    """Everything that could not be read, worst first. `other` counts undecided checks that no gap explains, without
    those that somebody accepted.
    """

    entries: list[Entry]
    other: int
    other_worst: str | None
    agreed: list["Agreed"] = field(default_factory=list)

    @property
    def curable(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.curable and not entry.accepted]

    @property
    def others(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.curable and not entry.accepted]


def _is_scope(url: str) -> bool:
    return "/providers/" not in url.lower()


def subscription_of(url: str) -> str:
    """The subscription id in an ARM path, lower case; empty where there is none."""
    found = _SUBSCRIPTION.match(url)
    return found[1].lower() if found else ""


def curable(gap: Item) -> bool:
    """Whether a role would cure the gap: a refusal that names its action."""
    return bool(gap.get("action")) and gap.get("status") in (401, 403)


def gather(document: Item, words: Words) -> NotRead:
    """The entries of a findings document."""
    names = {scope["subscription"].lower(): scope.get("name") or scope["subscription"] for scope in _scopes(document)}
    entries, by_url = _merge(document.get("gaps", ()))
    other, other_worst, agreed = _count(document.get("findings", ()), by_url)
    for entry in entries:
        entry.scope = names.get(entry.subscription, entry.subscription)
        entry.what = describe(entry.urls, entry.scope, words)
        entry.query = f"status:unknown gap:{_quoted(entry.action)}" + (
            f" sub:{entry.subscription}" if entry.subscription else ""
        )
    entries.sort(key=lambda entry: (entry.accepted, rank(entry.worst), -entry.checks, entry.what, entry.action))
    return NotRead(entries, other, other_worst, agreed)


def accepted_by(waiver: Item | None) -> str:
    """`accepted by kari until 2026-12-31: Personal files [OPS-7]`; a document of before that time does not say who."""
    if not waiver:
        return "accepted"
    until = f" until {waiver['expires']}" if waiver.get("expires") else ""
    ticket = f" [{waiver['ticket']}]" if waiver.get("ticket") else ""
    return f"accepted by {waiver['owner']}{until}: {waiver['reason']}{ticket}"


def _scopes(document: Item) -> Sequence[Item]:
    scopes: Sequence[Item] = document.get("coverage", {}).get("scopes", ())
    return scopes


def _merge(gaps: Sequence[Item]) -> tuple[list[Entry], dict[str, Entry]]:
    entries: dict[tuple[str, str, bool, bool, str], Entry] = {}
    by_url: dict[str, Entry] = {}
    for gap in gaps:
        cure = curable(gap)
        label = gap["action"] if cure else str(gap.get("code") or gap.get("status") or "")
        accepted, waiver = bool(gap.get("accepted")), gap.get("waiver")
        key = (label, subscription_of(gap["url"]), cure, accepted, accepted_by(waiver))
        entry = entries.setdefault(key, Entry(label, key[1], curable=cure, accepted=accepted, waiver=waiver))
        entry.urls.append(gap["url"])
        error = " ".join(str(part) for part in (gap.get("status"), gap.get("code")) if part)
        if error and error not in entry.errors:
            entry.errors.append(error)
        entry.rules.update(gap.get("rules") or ())
        by_url[gap["url"].lower()] = entry
    return list(entries.values()), by_url


def _count(findings: Sequence[Item], by_url: Mapping[str, Entry]) -> tuple[int, str | None, list[Agreed]]:
    other, other_worst = 0, None
    agreed: dict[str, Agreed] = {}
    for finding in findings:
        if finding["status"] != "unknown":
            continue
        severity = finding.get("severity")
        hit = {id(entry): entry for url in finding.get("gaps") or () if (entry := by_url.get(url.lower()))}
        for entry in hit.values():
            entry.checks += 1
            entry.worst = _worse(entry.worst, severity)
        if hit:
            continue
        if waiver := finding.get("waiver"):
            group = agreed.setdefault(accepted_by(waiver), Agreed(waiver))
            group.places.append((finding["rule"], finding["resource"]))
            group.worst = _worse(group.worst, severity)
        else:
            other += 1
            other_worst = _worse(other_worst, severity)
    return other, other_worst, [agreed[said] for said in sorted(agreed)]


def _worse(one: str | None, two: str | None) -> str | None:
    return two if rank(two) < rank(one) else one


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"[\s,]", value) else value


def _parts(url: str) -> tuple[str, str]:
    """(owner's name, child) of a read's path; a list at subscription scope has no owner, a resource itself no child."""
    _, found, tail = url.partition("?")[0].strip("/").rpartition("/providers/")
    if not found:
        return "", ""
    pieces = tail.split("/")
    if len(pieces) == 2:
        return "", f"{pieces[1]} ({pieces[0]})"
    return pieces[2], "/".join(pieces[3:]) if len(pieces) > 3 else ""


def describe(urls: Sequence[str], scope: str, words: Words) -> str:
    """What the reads were after: `containers of stjournal`, `servers (Microsoft.Sql) in prod-citizen`."""
    parts = [_parts(url) for url in urls if not _is_scope(url)]
    lists = sorted({child for owner, child in parts if not owner})
    owners = sorted({owner for owner, _ in parts if owner})
    children = sorted({_short(child) for owner, child in parts if owner and child})
    said = []
    if len(parts) < len(urls):
        said.append(words("notread.part_of", scope=scope))
    if lists:
        said.append(words("notread.list_of", types=", ".join(lists), scope=scope))
    if owners and children:
        child = ", ".join(children)
        one = len(owners) == 1
        said.append(
            words("notread.child_of", child=child, name=owners[0])
            if one
            else words("notread.child_of_many", len(owners), child=child)
        )
    elif owners:
        said.append(words("notread.itself", name=owners[0]) if len(owners) == 1 else words("notread.many", len(owners)))
    return "; ".join(said)


def _short(child: str) -> str:
    """The last collection of a child path: `blobServices/default/containers` as `containers`."""
    pieces = child.split("/")
    return pieces[-1] if len(pieces) % 2 else "/".join(pieces[-2:])


def role(entries: Sequence[Entry]) -> str:
    """A custom role with just the missing actions, as `az role definition create` takes it."""
    return json.dumps(
        {
            "Name": ROLE,
            "IsCustom": True,
            "Description": "Reads that Twolocks was refused",
            "Actions": sorted({entry.action for entry in entries}),
            "NotActions": [],
            "DataActions": [],
            "NotDataActions": [],
            "AssignableScopes": _assignable(entries),
        },
        indent=2,
        ensure_ascii=False,
    )


def _assignable(entries: Sequence[Entry]) -> list[str]:
    return sorted({f"/subscriptions/{entry.subscription}" for entry in entries if entry.subscription})


def grant(entries: Sequence[Entry], principal: str) -> list[str]:
    """The commands that create the role and assign it to the scan's principal, a scope each."""
    assign = f"az role assignment create --assignee {shlex.quote(principal)} --role {shlex.quote(ROLE)} --scope "
    return [
        "az role definition create --role-definition role.json",
        *(assign + shlex.quote(scope) for scope in _assignable(entries)),
    ]


def rescan(entries: Sequence[Entry]) -> str:
    """The command that scans again only what these gaps left undecided."""
    subscriptions = sorted({entry.subscription for entry in entries if entry.subscription})
    rules = sorted({rule for entry in entries for rule in entry.rules})
    words = ["twolocks scan", *(f"-s {shlex.quote(each)}" for each in subscriptions)]
    if len(rules) <= _MANY_RULES:
        words += [f"--only {shlex.quote(rule)}" for rule in rules]
    return " ".join(words)


def principal_of(document: Item, words: Words) -> str:
    """The object id or name that the scan ran as, or a placeholder."""
    principal: Any = document.get("scan", {}).get("principal")
    if isinstance(principal, Mapping):
        principal = principal.get("object_id") or principal.get("id") or principal.get("name")
    return str(principal) if principal else words("notread.principal_missing")
