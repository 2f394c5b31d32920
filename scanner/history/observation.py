"""What one scan saw (`Observation`), and what it evaluated (`ScanCoverage`). Pure."""

from collections.abc import Iterable, Mapping, Set
from typing import Protocol

import msgspec
from msgspec import Struct

from scanner.document.message_data import stored, stored_data
from scanner.document.schema import Document, ExposureRow, FindingRow, finding_fingerprint
from scanner.history.items import Item, ItemKey, level, lineage, rank, top_of
from scanner.history.uncertain import Uncertain, is_uncertain_exposure
from scanner.model.exposure import Auth, Reach
from scanner.model.ids import root_of, subscription_of, type_of


def same_id(rule: str, resource: str = "", fingerprint: str = "") -> str:
    """Return a rule's id as its first id, for documents alone, because no aliases are known there."""
    return rule


class FirstId(Protocol):
    """What findings of a rule are known by; see `first_ids.FirstIds`."""

    def __call__(self, rule: str, resource: str = "", fingerprint: str = "", /) -> str: ...


class ObservationFragment(msgspec.Struct, array_like=True):
    """What a part of a scan saw; see `Observation`."""

    items: list[Item]
    closed: list[tuple[ItemKey, bool]]
    inconclusive: list[ItemKey]
    resources: dict[str, list[str]]
    uncertain: list[str]
    tops: list[str]
    lists: list[tuple[str, str]]
    present: list[str]
    carried: list[tuple[str, str]] = []


class Observation:
    """What a scan saw, collected row by row. Of passed rules only those of known items are kept."""

    def __init__(self, known: Mapping[ItemKey, Item], taken: str, first_id: FirstId = same_id) -> None:
        self.taken = taken
        self.first_id = first_id
        self.items: dict[ItemKey, Item] = {}
        self.closed: dict[ItemKey, bool] = {}
        """Closed exposures, and passed or not applicable findings; true where an unread part may open it."""
        self.inconclusive: set[ItemKey] = set()
        self._inconclusive_resources: dict[str, set[str]] = {}
        """Resources (lower case) by the first id of the rule that is inconclusive there."""
        self._carried: set[tuple[str, str]] = set()
        """Bundles, each with the first id of a rule whose verdicts there need a read of an earlier scan."""
        self._uncertain = Uncertain()
        self._known_resources = {item.resource.lower() for item in known.values()}
        self._known_roots = {bundle_of(id) for id in self._known_resources}
        self._present: set[str] = set()
        self.templates: Mapping[str, str] = {}
        """Of a document that was read: the templates of its texts."""

    # Parts of a scan

    def fork(self) -> "Observation":
        """Return an observation of a part of the scan."""
        made = Observation({}, self.taken, self.first_id)
        made._known_resources, made._known_roots = self._known_resources, self._known_roots
        return made

    def fragment(self) -> ObservationFragment:
        """Return what was seen in a part."""
        return ObservationFragment(
            items=list(self.items.values()),
            closed=list(self.closed.items()),
            inconclusive=list(self.inconclusive),
            resources={rule: list(matches) for rule, matches in self._inconclusive_resources.items()},
            uncertain=list(self._uncertain.resources),
            tops=list(self._uncertain.tops),
            lists=list(self._uncertain.lists),
            present=list(self._present),
            carried=list(self._carried),
        )

    def join(self, fragment: ObservationFragment) -> None:
        """Add what was seen in another part."""
        for item in fragment.items:
            self._keep(item)
        for key, may_be_open in fragment.closed:
            self.closed[key] = may_be_open or self.closed.get(key, False)
        self.inconclusive.update(fragment.inconclusive)
        for rule, matches in fragment.resources.items():
            self._inconclusive_resources.setdefault(rule, set()).update(matches)
        self._uncertain.resources.update(fragment.uncertain)
        self._uncertain.tops.update(fragment.tops)
        self._uncertain.lists.update(fragment.lists)
        self._present.update(fragment.present)
        self._carried.update(fragment.carried)

    # Rows

    def exposure(self, row: ExposureRow) -> None:
        """Add an exposure of the document."""
        key: ItemKey = ("exposure", row.fingerprint)
        uncertain = is_uncertain_exposure(row)
        self._uncertain.exposure(row)
        if row.severity is None or row.state in ("closed", "unknown"):
            self.closed[key] = uncertain or self.closed.get(key, False)
            return
        self._keep(
            Item(
                kind="exposure",
                fingerprint=row.fingerprint,
                resource=row.resource,
                endpoint=row.endpoint,
                address=row.address,
                title=row.title,
                title_data=self._title_data(row),
                severity=row.severity,
                reach=row.reach,
                authentication=row.authentication,
                state="open" if row.state == "open" else "accepted",
                since=self.taken,
                seen=self.taken,
            )
        )

    def finding(self, row: FindingRow) -> None:
        """Add a finding of the document: failed, waived, inconclusive, or of a rule that crashed."""
        if row.read_at is not msgspec.UNSET:
            self.carry(row.resource, row.rule)
        if row.status in ("unknown", "error"):
            self.inconclusive.add(("finding", row.fingerprint))
            resources = self._inconclusive_resources.setdefault(
                self.first_id(row.rule, row.resource, row.fingerprint), set()
            )
            resources.add(row.resource.lower().rstrip("/"))
            self._uncertain.finding(row)
            return
        self._keep(
            Item(
                kind="finding",
                fingerprint=row.fingerprint,
                resource=row.resource,
                endpoint="" if row.is_counted else ", ".join(row.endpoints),
                rule=row.rule,
                category=row.category,
                title=row.title,
                title_data=self._title_data(row),
                severity=row.severity or "",
                state="accepted" if row.status == "waived" else "open",
                since=self.taken,
                seen=self.taken,
            )
        )

    def _title_data(self, row: ExposureRow | FindingRow) -> str:
        """Return what the title of a row is made of, to be stored."""
        data = row.texts.get("title") if row.texts else None
        return stored(row.title) if data is None else stored_data(data, self.templates)

    def passed(self, id: str, rules: Iterable[str]) -> None:
        """Add the rules that passed, or are not applicable, on a resource."""
        if id.lower() in self._known_resources:
            for rule in rules:
                self.closed.setdefault(("finding", finding_fingerprint(self.first_id(rule, id), id)), False)

    def carry(self, id: str, rule: str) -> None:
        """Add a rule whose verdicts on a bundle need a read of an earlier scan: it adds no item and fixes none."""
        self._carried.add((bundle_of(id), self.first_id(rule, id)))

    def resource(self, id: str) -> None:
        """Add a resource that exists."""
        root = bundle_of(id)
        if root in self._known_roots:
            self._present.add(root)

    def _keep(self, item: Item) -> None:
        """Keep the worse of two rows with one fingerprint (names that differ in case), whichever comes first."""
        known = self.items.get(item.key)
        if known is None or _weight(item) > _weight(known):
            self.items[item.key] = item

    # Questions

    def is_present(self, id: str) -> bool:
        """Return whether the scan saw the resource that an id's bundle starts with, or anything in the bundle.

        A slot is a bundle of its own, apart from its site.
        """
        return bundle_of(id) in self._present

    def is_carried(self, item: Item | None) -> bool:
        """Return whether what the scan says of an item needs a read of an earlier scan."""
        if not self._carried or item is None or item.kind != "finding":
            return False
        rule = self.first_id(item.rule, item.resource, item.fingerprint)
        return (bundle_of(item.resource), rule) in self._carried

    def is_uncertain(self, item: Item) -> bool:
        """Return whether something that was not read may hide that the item is still open."""
        if item.kind == "finding":
            inconclusive = self._inconclusive_resources.get(self.first_id(item.rule, item.resource), set())
            return bool(inconclusive & lineage(item.resource))
        return self._uncertain.hides(item.resource)


def observe(document: Document, known: Mapping[ItemKey, Item], first_id: FirstId = same_id) -> Observation:
    """Return what a whole document says."""
    observation = Observation(known, document.scan.taken, first_id)
    observation.templates = document.templates or {}
    for exposure in document.exposures:
        observation.exposure(exposure)
    for finding in document.findings:
        observation.finding(finding)
    for id, rules in document.passed.items():
        observation.passed(id, rules)
    for id, why in document.not_applicable.items():
        observation.passed(id, why)
    for id in document.resources:
        observation.resource(id)
    return observation


class ScanCoverage(Struct, frozen=True):
    """What a scan evaluated. Subscriptions, types and scopes in lower case, rules by their first ids."""

    subscriptions: Set[str]
    rules: Set[str]
    types: Set[str]
    """Types whose endpoints were read because one of their lock rules is enabled."""
    unfiltered: bool = True
    """No resource was left out by `--resource`, `--resource-group` or `--tag`."""
    previous_subscriptions: Set[str] = frozenset()
    """What the last scan of the same selection saw; one that is missing now is no longer visible."""
    whole_scopes: Set[str] = frozenset()
    """In a filtered scan, the ids of resource groups and resources that it evaluated with everything below."""
    excluded: Set[str] = frozenset()
    """The subscriptions and resource groups that were left out: nothing in them changes."""

    def includes(self, item: Item, observation: Observation) -> bool:
        """Return whether the scan would have seen the item, so that its absence means something."""
        subscription = subscription_of(item.resource)
        if self.excluded & lineage(item.resource):
            return False
        if subscription not in self.subscriptions and not (
            self.unfiltered and subscription in self.previous_subscriptions
        ):
            return False
        present = self.unfiltered or observation.is_present(item.resource)
        if not present and not self.whole_scopes & lineage(item.resource):
            return False
        if item.kind == "finding":
            return observation.first_id(item.rule, item.resource) in self.rules
        return type_of(item.resource).lower() in self.types


def _weight(item: Item) -> tuple[object, ...]:
    rating = (rank(item.severity), level(Reach, item.reach), level(Auth, item.authentication))
    return (item.state == "open", *rating, item.resource, item.endpoint, item.address, item.title)


def bundle_of(id: str) -> str:
    """Return the id (lower case) of the bundle that an id belongs to. A slot is one of its own, apart from its site."""
    return root_of(id) or top_of(id)
