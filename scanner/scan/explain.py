"""Explains the reads of a scan (`--explain-reads`): what each cost, why it was made, and who uses it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from scanner.model.ids import OF_SUBSCRIPTION, SUBSCRIPTION, is_subscription, segments, type_of
from scanner.model.index import is_indexed
from scanner.model.resource_type import Read, ResourceType
from scanner.rulebook.loader import RuleSet, reads_of
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.text import many

NOT_NEEDED = "not needed"
ALONE = "no list above its parent"
"""The management SDKs have no operation that lists it over several parents, and no table of Resource Graph has it."""
OF_SUBSCRIPTION_ALONE = "one request a subscription"
FAILED = 400
_FIXED = {
    "microsoft.resourcegraph/resources": "finds what exists, and the networks that verdicts look up",
    "microsoft.authorization/permissions": "says what this identity may read",
    "microsoft.compute/locations/usages": "quotas of the allowed regions",
    "microsoft.network/locations/usages": "quotas of the allowed regions",
}
_SCOPE = "finds the cloud, tenants, subscriptions, regions and resource groups"


class ReadCost(Struct):
    """What the requests of one read cost: how many, how many of them failed, their time in ms, and how many were left
    out because a condition did not need them.
    """

    requests: int = 0
    failed: int = 0
    milliseconds: float = 0.0
    left_out: int = 0


class ReadUse(Struct):
    """Who uses a read: ids of rules, names of endpoints, and whether verdicts on other resources look it up."""

    rules: list[str] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    looked_up: bool = False


class ReadLog:
    """The requests of one scan by what they read. It is called with each request, and with the lines of the store."""

    def __init__(self, rules: RuleSet) -> None:
        self.costs: dict[str, ReadCost] = defaultdict(ReadCost)
        self._names = _names(rules)

    def note_response(self, path: str, status: int, milliseconds: float) -> None:
        """Count a request. `path`: with its query; `status`: 0 where there was no answer."""
        cost = self.costs[self.name(path)]
        cost.requests += 1
        cost.failed += not 0 < status < FAILED
        cost.milliseconds += milliseconds

    def add_skips(self, store: Store) -> None:
        """Count the reads that were not needed."""
        for line in store.decoded():
            if line.skip is not None and line.skip.why == NOT_NEEDED:
                self.costs[self.name(line.skip.url)].left_out += 1

    def name(self, path: str) -> str:
        """Return what a path reads: `Microsoft.Web/sites/config/web`; `Microsoft.KeyVault/vaults: Provider/type` for an
        extension; `/subscriptions/{id}/locations` without a provider.
        """
        path = path.split("?", 1)[0]
        above, _, below = path.rpartition("/providers/")
        type = type_of(path)
        if not type:
            pieces = segments(path)
            is_id = pieces[:1] == ("subscriptions",)
            return "/" + "/".join("{id}" if is_id and at == 1 else each for at, each in enumerate(pieces))
        parent = type_of(above) or (SUBSCRIPTION if is_subscription(above) and type.lower() in OF_SUBSCRIPTION else "")
        name = f"{parent}: {type}" if parent else type
        known = self._names.get(name.lower(), ())
        path = f"/{below}".lower() if not parent else path.lower()
        return next((each for tail, each in known if path.endswith(tail)), known[0][1] if known else name)


def _name_of(read: Read, type: str) -> str:
    """Return the name of a read below one of the types of its parent."""
    return f"{type}/{read.path.rsplit('/', 1)[1]}" if len(read.path.split("/")) % 2 == 0 else type


def _labels(read: Read) -> Iterator[tuple[str, str]]:
    """Yield the type of each URL of a read, and its name."""
    if read.key.startswith("/providers/"):
        for parent in read.parent.types:
            yield f"{parent}: {read.type}", f"{parent}: {read.type}"
        return
    for type in read.types:
        yield type, _name_of(read, type)


def _names(rules: RuleSet) -> dict[str, list[tuple[str, str]]]:
    """Return the ends of paths and names of reads by type in lower case."""
    result: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for read in _all_reads(rules):
        for type, name in _labels(read):
            result[type.lower()].append((read.key, name))
    for kind in rules.kinds:
        for type in kind.types:
            result[type.lower()].append(("", type))
    return result


def _all_reads(rules: RuleSet) -> Iterable[Read]:
    return [child for kind in rules.kinds for child in kind.children]


def instead(read: Read) -> str:
    """Return what stands for a read where it can be had; "" where nothing does."""
    if read.within is not None:
        return f"the list {read.within.path} below the same parent, which has it"
    if read.together is not None:
        query = "&".join(f"{name}={value}" for name, value in read.together.query)
        return f"one list of the parents with {query}"
    if read.graph is None:
        return ""
    table = f"rows of Resource Graph ({read.graph.table})"
    if read.graph.holds is None:
        return f"{table} say which parents have any"
    return f"{table}, where each holds what decides" if read.graph.holds else table


def why_alone(read: Read) -> str:
    """Return why a read is made below each parent, as far as nothing stands for it."""
    of_subscription = isinstance(read.parent, ResourceType) and read.parent.type == SUBSCRIPTION
    return read.alone or (OF_SUBSCRIPTION_ALONE if of_subscription else ALONE)


def reads_by_name(rules: RuleSet) -> dict[str, Read]:
    """Return each read below a resource by its name."""
    result: dict[str, Read] = {}
    for read in _all_reads(rules):
        for _, name in _labels(read):
            result.setdefault(name, read)
    return result


def uses(rules: RuleSet) -> dict[str, ReadUse]:
    """Return the users of each read by its name, among the enabled rules and the types that are read."""
    result: dict[str, ReadUse] = defaultdict(ReadUse)
    for rule in rules.enabled.values():
        for type in rule.resource_type.types:
            result[type].rules.append(rule.id)
        for name in {name for read in reads_of(rule) for _, name in _labels(read)}:
            result[name].rules.append(rule.id)
    evaluated = {rule.resource_type for rule in rules.enabled.values()}
    for kind in rules.read():
        _add_endpoints(result, kind)
        if kind not in evaluated:
            for type in kind.types:
                result[type].looked_up = True
    for read in rules.looked_up():
        for _, name in _labels(read):
            result[name].looked_up = True
    return result


def _add_endpoints(result: dict[str, ReadUse], kind: ResourceType) -> None:
    for type in kind.types:
        result[type].endpoints += kind.endpoint_names
    for read in kind.endpoint_reads:
        for _, name in _labels(read):
            result[name].endpoints += [each for each in kind.endpoint_names if each not in result[name].endpoints]


def explained(log: ReadLog, rules: RuleSet) -> Iterator[Line]:
    """Yield the lines of `--explain-reads`: the sum, then each read, the most requests first."""
    users, reads = uses(rules), reads_by_name(rules)
    total = Counter(requests=0, failed=0, left_out=0)
    for cost in log.costs.values():
        total.update(requests=cost.requests, failed=cost.failed, left_out=cost.left_out)
    spent = sum(cost.milliseconds for cost in log.costs.values()) / 1000
    yield Line()
    yield Line(
        f"{many(total['requests'], 'request')}, {total['failed']:,} failed, {total['left_out']:,} not needed; "
        f"Azure answered in {spent:,.1f} s in all (many at once)",
        "Reads",
        whole=True,
    )
    yield Line(f"{'requests':>8}  {'failed':>6}  {'not needed':>10}  {'ms each':>7}  read", column=0, whole=True)
    for name, cost in sorted(log.costs.items(), key=lambda each: (-each[1].requests, each[0].lower())):
        each = cost.milliseconds / cost.requests if cost.requests else 0
        yield Line(
            f"{cost.requests:>8,}  {cost.failed:>6,}  {cost.left_out:>10,}  {each:>7,.0f}  {name}", column=0, whole=True
        )
        for text in (*_why(name, users.get(name)), *_how(reads.get(name))):
            yield Line(f"{'':41}{text}", column=0, whole=True)


def _how(read: Read | None) -> Iterator[str]:
    """Yield what stands for a read below a resource, or why nothing does."""
    if read is None:
        return
    yield f"instead: {instead(read)}" if instead(read) else f"for each: {why_alone(read)}"


def _why(name: str, use: ReadUse | None) -> Iterator[str]:
    """Yield who uses a read, and why it is made."""
    if name.startswith("/"):
        yield f"why: {_SCOPE}"
    elif fixed := _FIXED.get(name.lower()):
        yield f"why: {fixed}"
    type = name.rsplit(": ", 1)[-1]
    if (use is not None and use.looked_up) or is_indexed(type):
        yield "why: verdicts on other resources look it up"
    if use is None:
        return
    if use.endpoints:
        yield f"endpoints: {', '.join(use.endpoints)}"
    if use.rules:
        yield f"{many(len(use.rules), 'rule')}: {', '.join(sorted(set(use.rules)))}"
