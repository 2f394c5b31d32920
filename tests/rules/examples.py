"""The examples of the rules: `tests/rules/cases/<service>.toml` read into bundles, and judged.

    [[base]]                        what a healthy resource of a type looks like; cases of the type start from it
    type = "Microsoft.Storage/storageAccounts"
    [base.body]
    [[base.child]]                  path below the resource, and the members of its body
    path = "blobServices/default"

    [[case]]
    name = "an anonymous container behind an open firewall"
    type = "Microsoft.Storage/storageAccounts"
    expect = { storage-anonymous-blob-access = "fail" }         the worst status over the resource and its children
    exposures = { blob = "shared internet high" }
    gaps = ["blobServices/default/containers"]                  reads that were refused
    by = "graph"                                                a thin record; "import": its children too; default "get"
    networks = ["203.0.113.0/24"]                               the organisation's own
    read = false                                                nothing was read below it
    missing = ["Microsoft.Network/..."]                         types of the index that could not be read
    body.properties.x = 1                                       merged into the base; "ABSENT" takes it away, "NULL"
    [[case.child]]                                              replaces the base's child of the same path
    [[case.also]]                                               resources of the index, with their id
    parts = ["network"]                                         more of them, by the names of [[part]] tables

    [safe]                          where a missing or unknown value may pass: "rule" or "rule:path" = source
    [never]                         "rule:status" = why no resource can have it, so that no example shows it

Lists that no child is given for were read and are empty; single reads that no child is given for were not read, but for
those in `none`, of which Azure said that there is none. An exposure is "authentication reach severity", with "-" for
closed, and "may authentication reach worst" behind it where an unread part may add something. In texts "~/" stands for
the providers of a resource group of networks.
"""

import copy
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from scanner.evaluate.policy import Policy
from scanner.evaluate.run import Evaluation
from scanner.model.addresses import NO_ADDRESSES, parse, union
from scanner.model.exposure import Exposure
from scanner.model.ids import root_of
from scanner.model.index import Index
from scanner.model.resource import Bundle, Gap, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.model.verdict import Unread
from scanner.rulebook import loader
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.format import Header

CASES = Path(__file__).parent / "cases"
SUBSCRIPTION = "5a000000-0000-4000-8000-000000000001"
OTHER = "5a000000-0000-4000-8000-000000000002"
TENANT = "7e000000-0000-4000-8000-000000000001"
ORDER = ("fail", "error", "unknown", "pass", "not-applicable")


@dataclass(slots=True)
class Case:
    """One example, ready to be judged."""

    file: str
    name: str
    type: str
    body: dict[str, Any]
    children: dict[str, dict[str, Any]]
    expect: dict[str, str] = field(default_factory=dict)
    exposures: dict[str, str] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    none: list[str] = field(default_factory=list)
    by: str = "get"
    networks: list[str] = field(default_factory=list)
    also: list[dict[str, Any]] = field(default_factory=list)
    live: bool = True
    missing: list[str] = field(default_factory=list)
    read: bool = True
    """Whether lists without children were read, and are empty."""

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


@lru_cache
def rules() -> loader.RuleSet:
    found = loader.load(packages=False)
    found.enabled = dict(found.rules)
    return found


def kinds_of(type: str) -> list[ResourceType]:
    return [kind for kind in rules().kinds if type.lower() in (each.lower() for each in kind.types)]


@lru_cache
def load(file: str) -> tuple[tuple[Case, ...], dict[str, str], dict[str, str]]:
    """The cases of a file, its `safe` and its `never` table."""
    text = (CASES / file).read_text("utf-8")
    parsed = tomllib.loads(text.replace('"~/', f'"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-net/providers/'))
    parts = {part["name"]: part["body"] for part in parsed.get("part", [])}
    for raw in parsed.get("case", []):
        raw["also"] = [*(parts[name] for name in raw.pop("parts", [])), *raw.get("also", [])]
    bases = {base["type"].lower(): base for base in parsed.get("base", [])}
    cases = tuple(_case(file.removesuffix(".toml"), raw, bases) for raw in parsed.get("case", []))
    return cases, parsed.get("safe", {}), parsed.get("never", {})


@lru_cache
def healthy(type: str) -> Case:
    """Return the healthy resource of a type: its [[base]]. Raise KeyError where there is none."""
    for path in sorted(CASES.glob("*.toml")):
        parsed = tomllib.loads(path.read_text("utf-8"))
        bases = {base["type"].lower(): base for base in parsed.get("base", [])}
        if type.lower() in bases:
            return _case(path.stem, {"name": "healthy", "type": type}, bases)
    raise KeyError(f"{type} has no [[base]] in tests/rules/cases")


def cases() -> Iterator[Case]:
    for path in sorted(CASES.glob("*.toml")):
        yield from load(path.name)[0]


def safe() -> dict[str, str]:
    """Return where a missing or unknown value may pass, with the source; a row that says so names it itself."""
    found = {key: source for path in sorted(CASES.glob("*.toml")) for key, source in load(path.name)[1].items()}
    for rule in all_rules():
        check = rule.row.check if rule.row is not None else None
        if check is not None and check.absent in check.good:
            found |= {rule.id: rule.source, f"{rule.id}:{check.path}": rule.source}
    return found


def never() -> set[str]:
    return {key for path in CASES.glob("*.toml") for key in load(path.name)[2]}


def _case(file: str, raw: dict[str, Any], bases: dict[str, Any]) -> Case:
    base = nulls(bases.get(raw["type"].lower(), {}))
    body = merged(base.get("body", {}), raw.get("body", {}))
    children = {child["path"]: _child(child) for child in base.get("child", [])}
    for child in raw.get("child", []):
        children[child["path"]] = merged(children.get(child["path"], {}), _child(child))
    gaps = raw.get("gaps", [])
    children = {path: child for path, child in children.items() if not _below(path, [*gaps, *raw.get("none", [])])}
    keys = ("expect", "exposures", "none", "by", "networks", "also", "live", "missing", "read")
    return Case(
        file, raw["name"], raw["type"], body, children, gaps=gaps, **{key: raw[key] for key in keys if key in raw}
    )


def _below(path: str, gaps: list[str]) -> bool:
    return any(path == gap or path.rsplit("/", 1)[0] == gap for gap in gaps)


def _child(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key != "path"}


def merged(base: Any, over: Any) -> Any:
    """`over` laid on `base`, tables member by member; "ABSENT" takes a member away, "NULL" is null."""
    if isinstance(base, dict) and isinstance(over, dict):
        out = {key: copy.deepcopy(value) for key, value in base.items()}
        for key, value in over.items():
            if value == "ABSENT":
                out.pop(key, None)
            else:
                out[key] = merged(out.get(key), value)
        return out
    return nulls(over)


def nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: nulls(each) for key, each in value.items() if each != "ABSENT"}
    if isinstance(value, list):
        return [nulls(each) for each in value]
    return None if value == "NULL" else copy.deepcopy(value)


def resource_id(type: str, name: str) -> str:
    namespace, *parts = type.split("/")
    names = [*(f"{name}-{part.lower()}" for part in parts[:-1]), name]
    path = "/".join(f"{part}/{each}" for part, each in zip(parts, names, strict=True))
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-example/providers/{namespace}/{path}"


def bundle(case: Case) -> Bundle:
    """The bundle that a collection of the case's resource would have made."""
    name = case.body.get("name", "example")
    id = resource_id(case.type, name)
    made = Bundle(root_of(id))
    top = {"id": id, "name": name, "type": case.type, "location": "norwayeast", **case.body}
    made.add(Resource(top, api="", by=case.by, bundle=made))  # type: ignore[arg-type]
    for path, body in sorted(case.children.items()):
        child = {"id": f"{id}/{path}", "name": path.rsplit("/", 1)[-1], **body}
        by = "import" if case.by == "import" else "get"
        made.add(Resource(child, api="", by=by, bundle=made))  # type: ignore[arg-type]
    _reads(case, made, id)
    return made


def _reads(case: Case, made: Bundle, id: str) -> None:
    for path in case.gaps:
        url = f"{id}/{path}"
        made.gaps[url.lower()] = Gap(url, 403, "AuthorizationFailed", "an/action")
    for path in case.none:
        made.reads[f"{id}/{path}".lower()] = 0
    for kind in kinds_of(case.type) if case.read else ():
        for child in kind.children:
            for parent in _parents_of(child, made, id):
                url = f"{parent}/{child.path}".lower()
                present = url in made.resources if child.one else child.needed(made.resources[parent.lower()])
                if present and url not in made.gaps:
                    made.reads.setdefault(url, len(made.below.get(url, ())))


def _parents_of(child: Read, made: Bundle, id: str) -> list[str]:
    if isinstance(child.parent, ResourceType):
        return [id]
    found = []
    for grand in _parents_of(child.parent, made, id):
        url = f"{grand}/{child.parent.path}".lower()
        found += [url] if child.parent.one else [each.id for each in made.below.get(url, ())]
    return found


def judge(case: Case) -> tuple[dict[str, str], dict[str, Exposure]]:
    """The worst status of each rule, and the exposures by endpoint."""
    made = bundle(case)
    run = evaluation(case)
    out = run.evaluate(made)
    statuses: dict[str, str] = {}
    for row in out.findings:
        _worse(statuses, row.rule, row.status)
    for passed in out.passed.values():
        for rule in passed:
            _worse(statuses, rule, "pass")
    for reasons in out.not_applicable.values():
        for rule in reasons:
            _worse(statuses, rule, "not-applicable")
    exposures: dict[str, Exposure] = {}
    for kind in kinds_of(case.type):
        assert made.top is not None
        found, problem = run.exposures(kind, made.top)
        if problem is not None:
            raise problem
        exposures |= {each.endpoint: each for each in found}
    return statuses, exposures


def evaluation(case: Case) -> Evaluation:
    networks = union(parse(each) for each in case.networks) if case.networks else NO_ADDRESSES
    index = Index(subscriptions={SUBSCRIPTION: TENANT, OTHER: TENANT}, networks=networks, live=case.live)
    index.missing = {type.lower(): Unread(type, "not collected") for type in case.missing}
    for body in case.also:
        index.add(Resource(nulls(body), by="get"))
    snapshot = Snapshot(Header(taken="2026-11-25T00:00:00Z"))
    return Evaluation(snapshot, rules(), Policy(networks=networks), index=index)


def _worse(statuses: dict[str, str], rule: str, status: str) -> None:
    known = statuses.get(rule)
    if known is None or ORDER.index(status) < ORDER.index(known):
        statuses[rule] = status


def shown(exposure: Exposure) -> str:
    """An exposure as the cases spell it."""
    auth, reach, severity = exposure.proven_authentication, exposure.proven_reach, exposure.severity
    text = f"{auth.name if auth else 'unknown'} {'unknown' if reach is None else reach.name}"
    text += f" {'-' if severity is None else severity.name}"
    auth, reach = exposure.possible_authentication, exposure.possible_reach
    if auth is None and reach is None:
        return text
    worst = exposure.worst_severity
    return (
        f"{text} may {auth.name if auth else '-'} {'-' if reach is None else reach.name}"
        f" {'-' if worst is None else worst.name}"
    )


def all_rules() -> list[Rule]:
    return list(rules().rules.values())
