"""How verdicts become rows of the findings document: evidence, hops, commands with the names filled in."""

import shlex
from collections.abc import Callable, Iterable, Sequence

from scanner.document.schema import (
    ExposureRow,
    HopRow,
    May,
    Remediation,
    ResourceRow,
    RuleRow,
    Seen,
    exposure_fingerprint,
)
from scanner.model.exposure import Exposure, Lock, title
from scanner.model.ids import group_of, root_of
from scanner.model.json_paths import member
from scanner.model.resource import Resource
from scanner.model.rule import Fix, Rule
from scanner.model.verdict import Evidence, shown


def seen_row(evidence: Evidence) -> Seen:
    return Seen(evidence.path, evidence.value, evidence.expected)


# What services call the groups that they make, unless somebody chose a name. MC_: Microsoft Learn, aks/faq; the other
# two are not verified, and only make a word of evidence.
GROUPS = (
    ("mc_", "a Kubernetes cluster"),
    ("databricks-rg-", "a Databricks workspace"),
    ("synapseworkspace-managedrg-", "a Synapse workspace"),
)


def managed(top: Resource) -> tuple[Evidence, ...]:
    """What manages a resource, so that it is set right there: by its own `managedBy`, else by its group's name.

    Resource groups are not read, and so not their `managedBy`; the name alone says what kind of service it is.
    """
    by = member(top.body, "managedBy")
    if isinstance(by, str) and by:
        return (Evidence("managedBy", by),)
    for start, what in GROUPS:
        if top.group.lower().startswith(start):
            said = f"{top.group}, by its name made by {what}, which undoes changes: set it right there"
            return (Evidence("the resource group", said),)
    return ()


class Rows:
    """Makes rows of exposures; what endpoints of one resource share (the reach, mostly) is made once."""

    def __init__(self) -> None:
        self._reach: Lock | None = None
        self._hops: list[HopRow] = []
        self._asks: Lock | None = None
        self._top: Resource | None = None
        self._managed: tuple[Evidence, ...] = ()
        self._seen: list[Seen] = []
        self._asked = HopRow("", "", "", "", None)

    def exposure(
        self, exposure: Exposure, top: Resource, state: str, reason: str, fix: str | None, breaks: str | None
    ) -> ExposureRow:
        """The row of one endpoint."""
        self._look(exposure, top)
        reach, authentication = exposure.proven_reach, exposure.proven_authentication
        severity, worst = exposure.severity, exposure.worst
        return ExposureRow(
            resource=top.id,
            endpoint=exposure.endpoint,
            kind=exposure.kind,
            address=exposure.address,
            reach="unknown" if reach is None else reach.name,
            authentication="unknown" if authentication is None else authentication.name,
            may=may_row(exposure),
            severity=None if severity is None else severity.name,
            worst=None if worst is None else worst.name,
            state=state,
            reason=reason,
            title=title(exposure),
            evidence=self._seen,
            hops=[
                *self._hops,
                self._asked,
                HopRow("endpoint", top.name, exposure.endpoint, top.id, True),
            ],
            admits=[*exposure.admits, *exposure.reach.admits],
            fix=fix,
            breaks=breaks,
            fingerprint=exposure_fingerprint(top.id, exposure.endpoint, exposure.address),
        )

    def _look(self, exposure: Exposure, top: Resource) -> None:
        """Make what depends on resource and halves alone, where they are not those of the exposure before."""
        reach, authentication = exposure.reach, exposure.authentication
        if reach is self._reach and authentication is self._asks and top is self._top:
            return
        if reach is not self._reach:
            self._hops = [HopRow(hop.kind, hop.name, hop.detail, hop.resource, hop.lets) for hop in reach.hops]
        if top is not self._top:
            self._managed = managed(top)
        self._reach, self._asks, self._top = reach, authentication, top
        self._seen = _unique((*reach.proof, *authentication.proof, *self._managed))
        self._asked = authentication_hop(exposure)


def may_row(exposure: Exposure) -> May | None:
    """What an unread part could add, None where it would add nothing."""
    reach, auth = exposure.possible_reach, exposure.possible_authentication
    if reach is None and auth is None:
        return None
    return May(None if reach is None else reach.name, None if auth is None else auth.name)


def _unique(seen: Iterable[Evidence]) -> list[Seen]:
    kept: dict[tuple[str, str], Seen] = {}
    for each in seen:
        kept.setdefault((each.path, repr(each.value)), seen_row(each))
    return list(kept.values())


def authentication_hop(exposure: Exposure) -> HopRow:
    authentication = exposure.authentication.widest
    if authentication is None:
        return HopRow("authentication", "Authentication", "not known", "", None)
    proof = authentication.evidence[0] if authentication.evidence else None
    detail = _said(proof) if proof is not None else ""
    lets = authentication.level.name != "identity"
    return HopRow(
        "authentication",
        "Authentication",
        f"{authentication.level.name}: {detail}" if detail else authentication.level.name,
        "",
        lets,
    )


def _said(proof: Evidence) -> str:
    """What was seen, in short: the last word of a property's path and its value; of what is no property the value."""
    value = shown(proof.value)
    return value if proof.path.startswith("the ") else f"{proof.path.rsplit('.', 1)[-1]} = {value}"


def resource_row(resource: Resource, tags: Sequence[str]) -> ResourceRow:
    """A resource as the document names it; of its tags only the chosen ones."""
    top = resource.bundle.top
    child = resource.key != root_of(resource.id) and top is not None
    return ResourceRow(
        type=resource.type,
        name=resource.name,
        location=resource.location or (top.location if top is not None else ""),
        subscription=resource.subscription,
        resource_group=group_of(resource.id),
        tags={tag: text for tag, text in resource.tags.items() if tag in tags} if tags else {},
        parent=top.id if child and top is not None else None,
    )


_WORDS: dict[str, Callable[[Resource, Resource], str]] = {
    "name": lambda subject, top: subject.name,
    "id": lambda subject, top: subject.id,
    "group": lambda subject, top: subject.group,
    "subscription": lambda subject, top: subject.subscription,
    "top": lambda subject, top: top.name,
    "top_id": lambda subject, top: top.id,
    "location": lambda subject, top: top.location,
}


class _Words(dict[str, str]):
    """The words of a command, made as it asks for them; braces around anything else stay."""

    def __init__(self, subject: Resource, top: Resource) -> None:
        self._subject = subject
        self._top = top

    def __missing__(self, key: str) -> str:
        make = _WORDS.get(key)
        return "{" + key + "}" if make is None else shlex.quote(make(self._subject, self._top))


def filled(template: str, subject: Resource, top: Resource) -> str:
    """A command with the names of a resource filled in, each quoted for POSIX shells; "" stays ""."""
    return template.format_map(_Words(subject, top))


def rule_row(rule: Rule) -> RuleRow:
    """A rule as the findings document holds it."""
    return RuleRow(
        title=rule.title,
        category=rule.category,
        severity=rule.severity.name if rule.severity is not None else None,
        why=rule.why,
        remediation=remediation(rule.fix),
        controls={framework: list(ids) for framework, ids in rule.controls.items()},
        references=list(rule.references),
    )


def remediation(fix: Fix) -> Remediation:
    return Remediation(
        az=fix.az,
        bicep=fix.bicep,
        terraform=fix.terraform,
        portal=fix.portal,
        breaks=fix.impact,
        first_step=fix.first_step,
    )
