"""Group the failed reads by missing permission (or error) and subscription, with the way to resolve each group."""

import json
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct, field

from scanner.document.schema import Document, FindingRow, GapRow, WaiverRow
from scanner.document.tenants import scope_labels, tenant_names, tenant_of
from scanner.evaluate.counts import misses_permission
from scanner.model.ids import name_of, segments, subscription_of
from scanner.model.severity import severity_rank
from scanner.report.language.messages import exactly
from scanner.report.language.words import Words
from scanner.rulebook.permissions import askable
from scanner.rulebook.registered_actions import granted, without
from scanner.terminal.text import clean

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
ROLE = "Twolocks gaps"
_SECRETS = re.compile(r"/list[^/]*/action$|/listkeys|/regeneratekey", re.IGNORECASE)
_MANY_RULES = 12


class GapGroup(Struct):
    """Gaps of one missing permission (or error) in one subscription, and the inconclusive checks that they cause.

    `action` is the missing permission, or the error where no permission is missing. `subscription` is an id in lower
    case, `scope` its name. `errors` are answers such as `403 AuthorizationFailed`. `worst` is the worst severity that
    one of the `checks` could have. `query` is the filter of the page that selects them.
    """

    action: str
    subscription: str
    urls: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)
    checks: int = 0
    worst: str | None = None
    missing_permission: bool = False
    accepted: bool = False
    waiver: WaiverRow | None = None
    what: str = ""
    scope: str = ""
    query: str = ""
    accepted_by: str = ""
    """The owner, reason and expiry of the waiver."""

    @property
    def gives_secrets(self) -> bool:
        """Whether the missing permission returns secrets."""
        return bool(_SECRETS.search(self.action))

    @property
    def is_partial_visibility(self) -> bool:
        """Whether this identity cannot read everything in the subscription."""
        return any(_is_scope(url) for url in self.urls)

    def add(self, gap: GapRow) -> None:
        """Add a gap."""
        self.urls.append(gap.url)
        error = answer(gap)
        if error and error not in self.errors:
            self.errors.append(error)
        self.rules.update(gap.rules)


class AcceptedChecks(Struct):
    """Inconclusive checks without a gap, accepted by waivers of the same words. `checks` are (rule, resource)."""

    waiver: WaiverRow
    checks: list[tuple[str, str]] = field(default_factory=list)
    worst: str | None = None


class NotAssessed(Struct):
    """Everything that was not assessed, the worst group first.

    `unexplained` counts the inconclusive checks without a gap that no one accepted, `accepted` holds the accepted ones.
    """

    groups: list[GapGroup]
    unexplained: int = 0
    unexplained_worst: str | None = None
    accepted: list[AcceptedChecks] = field(default_factory=list)

    @property
    def missing_permission(self) -> list[GapGroup]:
        """The groups that a role resolves."""
        return [group for group in self.groups if group.missing_permission and not group.accepted]

    @property
    def other_errors(self) -> list[GapGroup]:
        """The groups that no role resolves."""
        return [group for group in self.groups if not group.missing_permission and not group.accepted]


def _is_scope(url: str) -> bool:
    return "/providers/" not in url.lower()


def scope_names(document: Document) -> dict[str, str]:
    """Return the name of each subscription by its id in lower case; the id where it has no name."""
    scopes = document.coverage.scopes
    return {scope.subscription.lower(): scope.name or scope.subscription for scope in scopes}


def answer(gap: GapRow) -> str:
    """Return the response of Azure to a failed read: `403 AuthorizationFailed`."""
    return " ".join(str(value) for value in (gap.status, gap.code) if value)


def group_gaps(document: Document, words: Words) -> NotAssessed:
    """Return the gaps and inconclusive checks of a findings document, in groups."""
    names = scope_labels(document.coverage.scopes, document.scan)
    groups, by_url = _groups(document.gaps)
    not_assessed = NotAssessed(groups)
    _count_checks(document.findings, by_url, not_assessed)
    for group in groups:
        group.scope = names.get(group.subscription, group.subscription)
        group.errors = [exactly(each, words) for each in group.errors]
        group.what = describe(group.urls, group.scope, words)
        if tenant := tenant_of(group.urls[0]):
            group.scope = tenant_names(document.scan).get(tenant, tenant)
            group.what = words("not_assessed.tenant", name=group.scope)
            if len(segments(group.urls[0])) > 2:
                group.what = words("not_assessed.part_of", scope=f"{group.scope} / {name_of(group.urls[0])}")
        group.accepted_by = accepted_by(group.waiver, words)
        group.query = f"status:unknown gap:{_quoted(group.action)}"
        group.query += f" sub:{group.subscription}" if group.subscription else ""
    groups.sort(key=lambda group: (group.accepted, severity_rank(group.worst), -group.checks, group.what, group.action))
    return not_assessed


def accepted_by(waiver: WaiverRow | None, words: Words) -> str:
    """Return `accepted by kari until 2026-12-31: Personal files [OPS-7]`; older documents do not name who accepted."""
    if not waiver:
        return words("summary.accepted")
    ticket = f" [{waiver.ticket}]" if waiver.ticket else ""
    key = "summary.accepted_until" if waiver.expires else "summary.accepted_by"
    return words(key, date=waiver.expires, owner=waiver.owner, reason=f"{waiver.reason}{ticket}")


def waiver_of(gap: GapRow) -> WaiverRow | None:
    """Return the waiver of a gap, None where it has none."""
    return None if gap.waiver is msgspec.UNSET else gap.waiver


def _groups(gaps: Iterable[GapRow]) -> tuple[list[GapGroup], dict[str, GapGroup]]:
    """Return the groups, and each group by the URLs of its gaps in lower case."""
    groups: dict[tuple[str, str, bool, bool, WaiverRow | None], GapGroup] = {}
    by_url: dict[str, GapGroup] = {}
    for gap in gaps:
        refused, waiver = misses_permission(gap), waiver_of(gap)
        action = clean(gap.action if refused else gap.code or gap.status or "")
        subscription = subscription_of(gap.url)
        key = (action, subscription or tenant_of(gap.url), refused, gap.accepted, waiver)
        if key not in groups:
            groups[key] = GapGroup(
                action, subscription, missing_permission=refused, accepted=gap.accepted, waiver=waiver
            )
        groups[key].add(gap)
        by_url[gap.url.lower()] = groups[key]
    return list(groups.values()), by_url


def _count_checks(findings: Iterable[FindingRow], by_url: Mapping[str, GapGroup], not_assessed: NotAssessed) -> None:
    """Add each inconclusive check to the groups that cause it, else to the accepted or the unexplained ones."""
    accepted: dict[WaiverRow, AcceptedChecks] = {}
    for finding in findings:
        if finding.status != "unknown":
            continue
        causes: list[GapGroup] = []
        for url in finding.gaps:
            group = by_url.get(url.lower())
            if group is not None and not any(group is each for each in causes):
                causes.append(group)
        for group in causes:
            group.checks += 1
            group.worst = _worse(group.worst, finding.severity)
        if causes:
            continue
        if finding.waiver:
            same = accepted.setdefault(finding.waiver, AcceptedChecks(finding.waiver))
            same.checks.append((finding.rule, finding.resource))
            same.worst = _worse(same.worst, finding.severity)
        else:
            not_assessed.unexplained += 1
            not_assessed.unexplained_worst = _worse(not_assessed.unexplained_worst, finding.severity)
    not_assessed.accepted = [accepted[each] for each in sorted(accepted, key=msgspec.structs.astuple)]


def _worse(one: str | None, two: str | None) -> str | None:
    return two if severity_rank(two) < severity_rank(one) else one


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"[\s,]", value) else value


def _name_and_path(url: str) -> tuple[str, str]:
    """Return (name of the resource, path below it) of a read.

    A list of a whole subscription has no resource; the read of a resource itself has no path below it.
    """
    _, value, tail = url.strip("/").rpartition("/providers/")
    if not value:
        return "", ""
    pieces = tail.split("/")
    if len(pieces) == 1:
        return "", pieces[0]
    if len(pieces) == 2:
        return "", f"{pieces[1]} ({pieces[0]})"
    return pieces[2], "/".join(pieces[3:]) if len(pieces) > 3 else ""


def describe(urls: Sequence[str], scope: str, words: Words) -> str:
    """Return the objects of failed reads: `containers of stjournal`, `servers (Microsoft.Sql) in prod-citizen`."""
    targets = [_name_and_path(url) for url in urls if not _is_scope(url)]
    lists = sorted({child for owner, child in targets if not owner})
    owners = sorted({owner for owner, _ in targets if owner})
    children = sorted({_short(child) for owner, child in targets if owner and child})
    matches = []
    if len(targets) < len(urls):
        matches.append(words("not_assessed.part_of", scope=scope))
    if lists:
        matches.append(words("not_assessed.list_of", types=", ".join(lists), scope=scope))
    if owners:
        matches.append(_describe_resources(owners, ", ".join(children), words))
    return "; ".join(matches)


def _describe_resources(owners: Sequence[str], children: str, words: Words) -> str:
    only = owners[0] if len(owners) == 1 else ""
    if children and only:
        return words("not_assessed.child_of", child=children, name=only)
    if children:
        return words("not_assessed.child_of_many", len(owners), child=children)
    return words("not_assessed.itself", name=only) if only else words("not_assessed.many", len(owners))


def _short(child: str) -> str:
    """Return the last collection of a child path: `blobServices/default/containers` as `containers`."""
    pieces = child.split("/")
    return pieces[-1] if len(pieces) % 2 else "/".join(pieces[-2:])


def role_definition(groups: Sequence[GapGroup], custom: Collection[str] = ()) -> str:
    """Return a custom role with the missing permissions alone, as `az role definition create` takes it.

    An action that no rule needs was named by an answer or a file. It is shown as text, and is not in the role.
    `custom`: the actions of the user's own rules (lower case), where these are loaded. An action that Azure has not
    registered is in it as the wildcard that grants it.
    """
    known = {*askable(), *custom} if groups else frozenset[str]()
    actions = granted(each.action for each in groups if each.action.isascii() and each.action.lower() in known)
    return json.dumps(
        {
            "Name": ROLE,
            "IsCustom": True,
            "Description": "Read permissions that Twolocks lacks",
            "Actions": actions,
            "NotActions": without(actions),
            "DataActions": [],
            "NotDataActions": [],
            "AssignableScopes": _assignable_scopes(groups),
        },
        indent=2,
        ensure_ascii=False,
    )


def _assignable_scopes(groups: Sequence[GapGroup]) -> list[str]:
    return sorted(f"/subscriptions/{each}" for each in {group.subscription for group in groups} if _ID.fullmatch(each))


def role_commands(groups: Sequence[GapGroup]) -> list[str]:
    """Return the commands that create the role and assign it to the scan's identity in each subscription.

    Who that is stands in a file that somebody else may have written. So only the user says who gets the role.
    """
    assign = f"az role assignment create --assignee-object-id <PRINCIPAL_ID> --role {shlex.quote(ROLE)} --scope "
    return [
        "az role definition create --role-definition role.json",
        *(assign + shlex.quote(scope) for scope in _assignable_scopes(groups)),
    ]


def rescan_command(groups: Sequence[GapGroup]) -> str:
    """Return the command that repeats the scan for the subscriptions and rules of these groups."""
    subscriptions = sorted({group.subscription for group in groups if group.subscription})
    rules = sorted({rule for group in groups for rule in group.rules})
    command = ["twolocks scan", *(f"-s {shlex.quote(each)}" for each in subscriptions)]
    if len(rules) <= _MANY_RULES:
        command += [f"--only {shlex.quote(rule)}" for rule in rules]
    return " ".join(command)
