"""Examples of rules, evaluated."""

from collections.abc import Iterator

from scanner.evaluate.policy import Policy
from scanner.evaluate.results import BundleResult
from scanner.evaluate.run import Evaluation
from scanner.model.addresses import NO_ADDRESSES, parse, union
from scanner.model.exposure import Exposure
from scanner.model.host_names import host_names
from scanner.model.ids import bundle_of, is_subscription
from scanner.model.index import Index
from scanner.model.levels import Auth, Reach
from scanner.model.message import Message
from scanner.model.resource import Bundle, Resource
from scanner.model.verdict import Unread
from scanner.rulebook.examples import SUBSCRIPTION, Case, bundle, nulls
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot, closed_in
from scanner.snapshot.format import Header, SnapshotLine, encoder

OTHER = "5a000000-0000-4000-8000-000000000002"
TENANT = "7e000000-0000-4000-8000-000000000001"
ORDER = ("fail", "error", "unknown", "pass", "not-applicable")


def evaluate(case: Case, rules: RuleSet) -> tuple[dict[str, str], dict[str, Exposure]]:
    """Return the worst status of each rule, and the exposures by endpoint."""
    kinds = rules.declared(case.type)
    made = bundle(case, kinds)
    run = evaluation(case, rules)
    statuses = worst_statuses(run, made)
    exposures: dict[str, Exposure] = {}
    for kind in kinds:
        if made.top is not None:
            matches, problem = run.exposures(kind, made.top)
            if problem is not None:
                raise problem
            exposures |= {each.endpoint: each for each in matches}
    return statuses, exposures


def worst_statuses(run: Evaluation, made: Bundle) -> dict[str, str]:
    """Return the worst status of each rule over a bundle."""
    return worst_of(run.evaluate(made))


def worst_of(bundle_result: BundleResult) -> dict[str, str]:
    """Return the worst status of each rule in a result."""
    statuses: dict[str, str] = {}
    for row in bundle_result.findings:
        _worse(statuses, row.rule, row.status)
    for passed in bundle_result.passed.values():
        for rule in passed:
            _worse(statuses, rule, "pass")
    for reasons in bundle_result.not_applicable.values():
        for rule in reasons:
            _worse(statuses, rule, "not-applicable")
    return statuses


def evaluation(case: Case, rules: RuleSet) -> Evaluation:
    """Return the evaluation of an example, beside the resources of its index."""
    index = index_of(case, rules)
    snapshot = Snapshot(Header(taken=index.taken))
    return Evaluation(snapshot, rules, Policy(networks=index.networks), index=index)


def index_of(case: Case, rules: RuleSet) -> Index:
    """Return the index of an example."""
    networks = union(parse(each) for each in case.networks) if case.networks else NO_ADDRESSES
    index = Index(subscriptions={SUBSCRIPTION: TENANT, OTHER: TENANT}, networks=networks, live=case.live)
    index.missing = {type.lower(): Unread(type, Message("not collected")) for type in case.missing}
    _add_also(case, index, rules)
    group = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-example"
    index.residency.groups = {group: "norwayeast"}
    index.residency.locate = lambda: {str(each.get("id")).lower(): str(each.get("location")) for each in case.also}
    index.closed = lambda: closed_in(lambda: [encoder.encode(SnapshotLine(resource=nulls(body))) for body in case.also])
    index.names = lambda: {host: str(each.get("id")).lower() for each in case.also for host in host_names(nulls(each))}
    index.taken = "2026-11-25T00:00:00Z"
    index.keys.finders = rules.key_finders()
    index.keys.resources = lambda: [Resource(nulls(body), by="get") for body in case.also]
    return index


def _add_also(case: Case, index: Index, rules: RuleSet) -> None:
    """Add the resources of the index, with their children in one bundle. What verdicts on other resources look up
    below them was read, but for the types that the example names as missing.
    """
    bundles: dict[str, Bundle] = {}
    for body in map(nulls, case.also):
        root = bundle_of(str(body.get("id")))
        resource = Resource(body, by="get", bundle=bundles.setdefault(root, Bundle(root)))
        resource.bundle.add(resource)
        index.add(resource)
    for top in filter(None, (each.top for each in bundles.values())):
        for child in (child for kind in rules.declared(top.type) for child in kind.children):
            if (child.always or is_subscription(top.id)) and child.type.lower() not in index.missing:
                list_path = top.key + child.key
                top.bundle.reads[list_path] = len(top.bundle.below.get(list_path, ()))


def _worse(statuses: dict[str, str], rule: str, status: str) -> None:
    known = statuses.get(rule)
    if known is None or ORDER.index(status) < ORDER.index(known):
        statuses[rule] = status


def shown(exposure: Exposure) -> str:
    """Return an exposure as the examples spell it: all that its severity follows from, and not the severity."""
    text = _levels(exposure.proven_authentication, exposure.proven_reach, "unknown")
    if exposure.kind == "app":
        text = f"app {text}"
    auth, reach = exposure.possible_authentication, exposure.possible_reach
    if auth is not None or reach is not None:
        text += f" may {_levels(auth, reach, '-')}"
    return ", ".join([text, *_limits(exposure)])


def _levels(auth: Auth | None, reach: Reach | None, without: str) -> str:
    return f"{without if auth is None else auth.name} {without if reach is None else reach.name}"


def _limits(exposure: Exposure) -> Iterator[str]:
    """Yield why an endpoint has another severity than the table gives."""
    if exposure.severity_steps_down:
        yield f"lowered by {exposure.severity_steps_down}"
    if exposure.max_severity is not None:
        highest, up_to = exposure.max_severity.name, exposure.max_severity_up_to
        yield f"at most {highest}" if up_to is Reach.internet else f"at most {highest} up to {up_to.name}"
    if exposure.counts_as_closed_up_to:
        yield f"closed up to {exposure.counts_as_closed_up_to.name}"
