"""Rows of the findings document, made of verdicts and exposures and their fixes."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import cast

import msgspec

from scanner.document.schema import (
    EvidenceRow,
    ExposureRow,
    FindingRow,
    FixRow,
    HopRow,
    May,
    Remediation,
    ResourceRow,
    RuleRow,
    WaiverRow,
    exposure_fingerprint,
    finding_fingerprint,
)
from scanner.document.states import State
from scanner.document.value_messages import value_message
from scanner.evaluate.waiving import Acceptance
from scanner.fix.expected import as_fixed
from scanner.model.exposure import AUTH_NAMES, Auth, Exposure, Hop, Lock, title
from scanner.model.fix import Fix
from scanner.model.ids import SUBSCRIPTION, bundle_of, group_of
from scanner.model.index import Index
from scanner.model.json_paths import member, text_at
from scanner.model.masked_values import shown_value
from scanner.model.message import Message, joined, name
from scanner.model.resource import Resource
from scanner.model.rule import FixTemplate, Question, Rule
from scanner.model.severity import Severity
from scanner.model.verdict import Evidence, Fail, Unknown, display_value


def failed_row(
    rule: Rule,
    verdict: Fail,
    subject: Resource,
    top: Resource,
    severity: Severity,
    acceptance: Acceptance,
    shown: FixRow,
    fix: Fix,
    index: Index,
) -> FindingRow:
    """Return the finding of a failed check. `shown`: its fix as the document has it."""
    title = rule.title_at(subject.id)
    evidence = [evidence_row(each) for each in (*as_fixed(verdict.evidence, fix, subject, top, index), *managed(top))]
    message = verdict.message or value_message(evidence) or Message("{title}.", title=title)
    if verdict.undecided:
        others = Message("Other endpoints are inconclusive: {missing}.", missing=verdict.undecided[0].text)
        message = joined(" ", (message, others))
    return FindingRow(
        rule=rule.id,
        title=title,
        category=rule.category,
        status="fail" if acceptance.waiver is None else "waived",
        severity=severity.name,
        resource=subject.id,
        endpoints=sorted(verdict.endpoints) if verdict.endpoints else [],
        message=joined(" ", (message, acceptance.message)),
        evidence=evidence,
        fix=shown,
        gaps=list(dict.fromkeys(each.gap for each in verdict.undecided if each.gap)) if verdict.undecided else [],
        fingerprint=finding_fingerprint(rule.first_id, subject.id),
        waiver=acceptance.waiver,
        lapsed=acceptance.lapsed or msgspec.UNSET,
    )


def inconclusive_row(rule: Rule, resource: str, verdict: Unknown, waiver: WaiverRow | None) -> FindingRow:
    """Return the finding of an inconclusive check. `waiver`: who accepted that."""
    worst = rule.severity if verdict.worst is None else verdict.worst
    return FindingRow(
        rule=rule.id,
        title=rule.title_at(resource),
        category=rule.category,
        status="unknown",
        severity=None if worst is None else worst.name,
        resource=resource,
        endpoints=sorted(verdict.endpoints),
        message=Message("{why}.", why=verdict.why),
        evidence=[evidence_row(each) for each in verdict.evidence],
        fix=None,
        gaps=list(verdict.gaps),
        fingerprint=finding_fingerprint(rule.first_id, resource),
        waiver=waiver,
    )


def crashed_row(rule: Rule, resource: str, severity: Severity, message: str) -> FindingRow:
    """Return the finding of a rule that raised an exception on a resource."""
    return FindingRow(
        rule=rule.id,
        title=rule.title_at(resource),
        category=rule.category,
        status="error",
        severity=severity.name,
        resource=resource,
        endpoints=[],
        message=Message("The rule failed with an error: {message}", message=message),
        evidence=[],
        fix=None,
        gaps=[],
        fingerprint=finding_fingerprint(rule.first_id, resource),
    )


def evidence_row(evidence: Evidence) -> EvidenceRow:
    return EvidenceRow(evidence.path, shown_value(evidence.value), evidence.expected)


# The prefixes of the resource groups that services create, unless somebody chose a name. MC_: Microsoft Learn, aks/faq;
# the others are not verified (recorded registries have azureml-rg-), and only appear in evidence.
MANAGED_GROUPS = (
    ("mc_", Message("a Kubernetes cluster")),
    ("databricks-rg-", Message("a Databricks workspace")),
    ("synapseworkspace-managedrg-", Message("a Synapse workspace")),
    ("azureml-rg-", Message("a Machine Learning registry")),
)


def managed(top: Resource) -> tuple[Evidence, ...]:
    """Return what manages a resource, by its `managedBy`, else by the name of its resource group.

    Resource groups are not read, so their `managedBy` is not known; the name alone tells the kind of service.
    """
    memo = top.bundle.memo
    if memo is None:
        return _managed(top)
    evidence: tuple[Evidence, ...] | None = memo.get((0, top.key))
    if evidence is None:
        evidence = memo[0, top.key] = _managed(top)
    return evidence


def _managed(top: Resource) -> tuple[Evidence, ...]:
    by = member(top.body, "managedBy")
    if isinstance(by, str) and by:
        return (Evidence("managedBy", by),)
    for start, what in MANAGED_GROUPS:
        if top.group.lower().startswith(start):
            message = Message(
                "{group}, by its name created by {what}, which reverts changes: change the setting there",
                group=top.group,
                what=what,
            )
            return (Evidence(Message("the resource group"), message),)
    return ()


def _gaps(exposure: Exposure) -> list[str]:
    """Return the failed reads that leave the locks of an endpoint unread."""
    possible = (*exposure.reach.possible_grants, *exposure.authentication.possible_grants)
    return list(dict.fromkeys(each.missing.gap for each in possible if each.missing.gap))


class ExposureRows:
    """Makes exposure rows. What endpoints of one resource share (mostly the reach) is made once."""

    def __init__(self) -> None:
        self._top: Resource | None = None
        self._reach: Lock | None = None
        self._authentication: Lock | None = None
        self._managed: tuple[Evidence, ...] = ()
        self._evidence: list[EvidenceRow] = []
        self._reach_hops: list[HopRow] = []
        self._authentication_hop = HopRow("", "", "", "", None)

    def row(
        self,
        exposure: Exposure,
        top: Resource,
        *,
        state: State,
        reason: str,
        waiver: WaiverRow | None,
        fix: FixRow | None,
        breaks: str | None,
    ) -> ExposureRow:
        """Return the row of one endpoint. `waiver`: who accepted it, where its state is `waived`."""
        self._share(exposure, top)
        reach, authentication = exposure.proven_reach, exposure.proven_authentication
        severity, worst = exposure.severity, exposure.worst_severity
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
            evidence=self._evidence,
            hops=[
                *self._reach_hops,
                self._authentication_hop,
                HopRow("endpoint", top.name, exposure.endpoint, top.id, True),
            ],
            admits=[*exposure.admits, *exposure.reach.admits],
            fix=fix and fix.without_undo,
            breaks=breaks,
            fingerprint=exposure_fingerprint(top.id, exposure.endpoint, exposure.address),
            waiver=waiver or msgspec.UNSET,
            gaps=_gaps(exposure) if exposure.inconclusive else msgspec.UNSET,
            hosts=list(exposure.hosts) or msgspec.UNSET,
            publishers=[list(map(hop_row, chain)) for chain in exposure.publishers] or msgspec.UNSET,
        )

    def _share(self, exposure: Exposure, top: Resource) -> None:
        """Make what depends on the resource and the locks alone, where they differ from those of the last exposure."""
        reach, authentication = exposure.reach, exposure.authentication
        if reach is self._reach and authentication is self._authentication and top is self._top:
            return
        if reach is not self._reach:
            self._reach_hops = [hop_row(hop) for hop in reach.hops]
        if top is not self._top:
            self._managed = managed(top)
        self._reach, self._authentication, self._top = reach, authentication, top
        self._evidence = _unique((*reach.evidence, *authentication.evidence, *self._managed))
        self._authentication_hop = authentication_hop(exposure)


def hop_row(hop: Hop) -> HopRow:
    """Return the row of a hop."""
    return HopRow(hop.kind, hop.name, hop.detail, hop.resource, hop.allows)


def may_row(exposure: Exposure) -> May | None:
    """Return the widest reach and weakest authentication that an unread part could add, None where it adds nothing."""
    reach, auth = exposure.possible_reach, exposure.possible_authentication
    if reach is None and auth is None:
        return None
    return May(None if reach is None else reach.name, None if auth is None else auth.name)


def _unique(evidence: Iterable[Evidence]) -> list[EvidenceRow]:
    """Return each path and value once."""
    kept: dict[tuple[str, str], EvidenceRow] = {}
    for each in evidence:
        kept.setdefault((each.path, repr(each.value)), evidence_row(each))
    return list(kept.values())


def authentication_hop(exposure: Exposure) -> HopRow:
    authentication = exposure.authentication.widest
    if authentication is None:
        return HopRow("authentication", "Authentication", Message("not assessed"), "", None)
    proof = authentication.evidence[0] if authentication.evidence else None
    detail = _shown_short(proof) if proof is not None else ""
    name = AUTH_NAMES[cast("Auth", authentication.level)]
    lets = authentication.level.name != "identity"
    return HopRow(
        "authentication",
        "Authentication",
        joined(": ", (name, detail)),
        "",
        lets,
    )


def _shown_short(proof: Evidence) -> Message:
    """Return the last word of a property's path and its value; of what is no property, the value."""
    value = display_value(proof.value)
    if isinstance(proof.path, Message):
        return value if isinstance(value, Message) else name(value)
    return Message("{property} = {value}", property=proof.path.rsplit(".", 1)[-1], value=value)


def resource_row(resource: Resource, tags: Sequence[str]) -> ResourceRow:
    """Return a resource as the document describes it, with the chosen ones of its tags."""
    top = resource.bundle.top
    name = text_at(resource.body, "displayName") if resource.type == SUBSCRIPTION else ""
    child = resource.key != bundle_of(resource.id) and top is not None
    return ResourceRow(
        type=resource.type,
        name=name or resource.name,
        location=resource.location or (top.location if top is not None else ""),
        subscription=resource.subscription,
        resource_group=group_of(resource.id),
        tags={tag: text for tag, text in resource.known_tags.items() if tag in tags} if tags else {},
        parent=top.id if child and top is not None else None,
    )


@lru_cache(maxsize=4096)
def rule_row(question: Question) -> RuleRow:
    """Return a rule as the document describes it. It is made once, and not to be changed."""
    rule = question.one
    return RuleRow(
        title=question.title,
        category=rule.category,
        severity=rule.severity.name if rule.severity is not None else None,
        why=rule.why,
        remediation=remediation(question.fix),
        controls={framework: list(ids) for framework, ids in question.controls.items()},
        references=list(question.references),
        pass_title=rule.pass_title,
        responsibility=question.responsibility,
    )


def remediation(fix: FixTemplate) -> Remediation:
    return Remediation(
        az=fix.text,
        bicep=fix.bicep,
        terraform=fix.terraform,
        portal=fix.portal,
        breaks=fix.impact,
        first_step=fix.first_step,
    )
