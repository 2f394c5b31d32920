"""Splits a findings document into one document an owner: by a tag, by subscription or by resource group. Pure.

Endpoints, findings, resources and passed checks are in exactly one part, so their numbers add up to those of the whole.
What was not read is in every part that it may concern, so no part says more than the scan knows.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Literal, TypeVar, get_args

import msgspec
from msgspec import Struct, field

from scanner.document.capacity_rows import CapacityRow
from scanner.document.key_rows import KeyRow, KeyStoreRow
from scanner.document.schema import (
    CHANGE_LISTS,
    ChangesRow,
    Coverage,
    DataPlaceRow,
    Document,
    FindingRow,
    GapRow,
    ScopeRow,
    TrendRow,
    TypeRow,
    rules_of,
    with_texts_of,
)
from scanner.document.views import chosen, rows_of
from scanner.errors import InputError, nearest
from scanner.evaluate.counts import Counts, count
from scanner.evaluate.frameworks import of_owner, tally_of
from scanner.model.ids import group_of, is_subscription, subscription_of, type_of
from scanner.output.owner_capacity import is_unlisted, owned_by, planes, spreads

Kind = Literal["tag", "subscription", "resource-group"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_Row = TypeVar("_Row")
_TAG = "tag:"


class SplitBy(Struct, frozen=True):
    """What a document is split by. `tag`: the name of the tag, where `kind` is `tag`."""

    kind: Kind
    tag: str = ""

    def __str__(self) -> str:
        return f"{_TAG}{self.tag}" if self.tag else self.kind

    @property
    def rest(self) -> str:
        """Return the label of the part with what belongs to no owner."""
        return f"without {self.tag or self.kind.replace('-', ' ')}"


def parse_split(text: str, at: str) -> SplitBy | None:
    """Return what `--split` names, None for "". Raises InputError."""
    if not text:
        return None
    if text[: len(_TAG)].lower() == _TAG and (tag := text[len(_TAG) :].strip()):
        return SplitBy("tag", tag)
    for kind in KINDS:
        if kind == text.lower() != "tag":
            return SplitBy(kind)
    near = nearest(text, KINDS[1:], 1)
    hint = f"nearest: {near[0]}; " if near else ""
    raise InputError(
        f'"{text}" is nothing to split by; nothing was read',
        at=at,
        do=f"{hint}known: tag:NAME, subscription, resource-group",
    )


class OwnerDocument(Struct, frozen=True):
    """The document of one owner. `key` is equal for equal owners, "" for what belongs to none; `label` is shown.

    `mark`: what names of files are made of in place of `key`, where that must not be found out.
    """

    key: str
    label: str
    document: Document
    mark: str = ""


class Owners:
    """Finds the owner of each resource id of a document."""

    def __init__(self, document: Document, by: SplitBy) -> None:
        self._by = by
        self._names = {each.subscription.lower(): each.name for each in document.coverage.scopes}
        self._rows = dict(self._tags_of(document)) if by.kind == "tag" else {}
        self._owners: dict[str, str | None] = {}
        self.labels: dict[str, str] = {}

    def _tags_of(self, document: Document) -> Iterator[tuple[str, tuple[str, str]]]:
        """Yield the id of each resource with its value of the tag and its parent ("" for none), ids in lower case."""
        for id, row in document.resources.items():
            yield id.lower(), (_tag(row.tags, self._by.tag), (row.parent or "").lower())

    def of(self, id: str) -> str | None:
        """Return the key of the owner of a resource, "" for none, None where its tags are not known."""
        if self._by.kind == "subscription":
            return self._labelled(subscription_of(id))
        if self._by.kind == "resource-group":
            return self._group(id)
        lower = id.lower().rstrip("/")
        if lower not in self._owners:
            self._owners[lower] = self._tagged(lower)
        return self._owners[lower]

    def _labelled(self, subscription: str) -> str:
        if subscription:
            self.labels[subscription] = self._names.get(subscription) or subscription
        return subscription

    def _group(self, id: str) -> str:
        subscription, group = subscription_of(id), group_of(id)
        if not group:
            return ""
        key = f"{subscription}/{group.lower()}"
        self.labels.setdefault(key, f"{self._names.get(subscription) or subscription}/{group}")
        return key

    def _tagged(self, id: str) -> str | None:
        """Return the value of the tag of a resource, else of the resource that it lies below. A subscription is none:
        Azure does not pass its tags on.
        """
        known, asked = False, id
        while id:
            row = self._rows.get(id) if id == asked or not is_subscription(id) else None
            parent = ""
            if row is not None:
                known = True
                value, parent = row
                if value:
                    key = value.casefold()
                    self.labels[key] = min(self.labels.get(key, value), value)
                    return key
            id = parent if parent and len(parent) < len(id) else id.rpartition("/")[0]
        return "" if known else None


def _tag(tags: Mapping[str, str], name: str) -> str:
    """Return the value of a tag, "" without one. Azure compares the names of tags without case."""
    value = tags.get(name)
    if value is None:
        value = next((value for key, value in tags.items() if key.casefold() == name.casefold()), "")
    return value.strip()


class _Rows(Struct):
    """The rows of one owner: the ids of its resources, and the places of its endpoints and findings."""

    resources: list[str] = field(default_factory=list)
    exposures: "array[int]" = field(default_factory=lambda: array("i"))
    findings: "array[int]" = field(default_factory=lambda: array("i"))
    places: list[DataPlaceRow] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)
    capacity: list[CapacityRow] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    not_applicable: list[str] = field(default_factory=list)
    gaps: set[str] = field(default_factory=set)
    subscriptions: set[str] = field(default_factory=set)


def split(document: Document, by: SplitBy) -> list[OwnerDocument]:
    """Return a part for each owner, by label, and last the part of what belongs to no owner, which always exists."""
    return _Splitter(document, by).documents()


class _Splitter:
    """One document that is being split."""

    def __init__(self, document: Document, by: SplitBy) -> None:
        self.whole, self.by = document, by
        self.owners = Owners(document, by)
        self.rows: dict[str, _Rows] = defaultdict(_Rows)
        self._shared: list[GapRow] = []
        """The gaps that may concern several owners."""
        self._of_scope: set[str] = set()
        """The subscriptions (lower case) with an inconclusive check of a whole list."""
        self._unlisted: list[CapacityRow] = []
        """The rows that say of which subscriptions the reservations are not known."""
        self._counted: list[CapacityRow] = []
        """The rows on capacity that each part counts again."""
        self._checks_of_scopes: list[FindingRow] = []
        self._broken = bool(document.coverage.rules_broken) or (
            not document.scan.complete and not _explains(document, document.findings)
        )

    def documents(self) -> list[OwnerDocument]:
        self._distribute()
        labels = self.owners.labels
        keys = sorted((key for key in self.rows if key), key=lambda key: (labels[key].casefold(), key))
        made = {key: self._document(self.rows[key]) for key in keys}
        rest = self._rest(self._document(self.rows[""], is_rest=True), list(made.values()))
        for each in (*made.values(), rest):
            # After the rest has the types that no other part has.
            each.capacity = [*each.capacity, *planes(self._counted, each.coverage.types)]
            each.numbers = count(each).numbers()
        return [*(OwnerDocument(key, labels[key], made[key]) for key in keys), OwnerDocument("", self.by.rest, rest)]

    def _distribute(self) -> None:
        whole = self.whole
        for id in whole.resources:
            self._at(id).resources.append(id)
        for position, exposure in enumerate(whole.exposures):
            self._at(exposure.resource).exposures.append(position)
        for position, finding in enumerate(whole.findings):
            rows = self._at(finding.resource)
            rows.findings.append(position)
            rows.gaps.update(url.lower() for url in finding.gaps)
            if not type_of(finding.resource) and finding.resource not in whole.resources:
                self._of_scope.add(subscription_of(finding.resource))
                self._checks_of_scopes.append(finding)
        for id in whole.passed:
            self._at(id).passed.append(id)
        for id in whole.not_applicable:
            self._at(id).not_applicable.append(id)
        for gap in whole.gaps:
            self._gap(gap)
        self._distribute_views()

    def _distribute_views(self) -> None:
        """Give places, keys and capacity to their owners. Counts belong to none: each part counts again."""
        whole = self.whole
        for row in whole.places:
            self._at(row.resource).places.append(row)
        for key in whole.keys:
            self._key(key)
        for each in whole.capacity:
            if id := owned_by(each):
                self._capacity(id, each)
            else:
                self._counted.append(each)

    def _at(self, id: str) -> _Rows:
        rows = self.rows[self.owners.of(id) or ""]
        rows.subscriptions.add(subscription_of(id))
        return rows

    def _capacity(self, id: str, row: CapacityRow) -> None:
        """Give a row to its owner. Reservations that are not known may be those of several owners."""
        if is_unlisted(row) and not self.owners.of(id):
            self._unlisted.append(row)
        else:
            self._at(id).capacity.append(row)

    def _key(self, key: KeyRow) -> None:
        """Give a key to each owner of a resource that it encrypts, with the resources of this owner alone."""
        owned: dict[str, list[KeyStoreRow]] = defaultdict(list)
        for store in key.stores:
            owned[self.owners.of(store.resource) or ""].append(store)
        for owner, stores in owned.items():
            self.rows[owner].keys.append(msgspec.structs.replace(key, stores=stores))

    def _gap(self, gap: GapRow) -> None:
        """Give a gap to its owner; what may concern several, or an owner that is not known, to all of these."""
        owner = self.owners.of(gap.url)
        # A list of a subscription has a provider and no name.
        if owner:
            self.rows[owner].gaps.add(gap.url.lower())
            self.rows[owner].subscriptions.add(subscription_of(gap.url))
        elif owner == "" and self.by.kind == "tag":
            self.rows[""].gaps.add(gap.url.lower())
        else:
            self._shared.append(gap)

    def _concerns(self, subscription: str, rows: _Rows, *, is_rest: bool) -> bool:
        """Return whether what is not known of a subscription may concern an owner.

        Whose resources were not read is not known by tags; a resource group lies in one subscription.
        """
        is_open = self.by.kind == "tag" or (self.by.kind == "resource-group" and is_rest)
        return is_open or not subscription or subscription in rows.subscriptions

    def _document(self, rows: _Rows, *, is_rest: bool = False) -> Document:
        whole = self.whole
        shared = {
            gap.url.lower() for gap in self._shared if self._concerns(subscription_of(gap.url), rows, is_rest=is_rest)
        }
        gaps = [gap for gap in whole.gaps if gap.url.lower() in shared or gap.url.lower() in rows.gaps]
        scopes = list(self._scopes(rows, shared, is_rest=is_rest))
        seen = {each.subscription.lower() for each in scopes}
        of_scope = bool(self._of_scope & seen)
        made = Document(
            schema=whole.schema,
            scan=whole.scan,
            rules=whole.rules,
            resources=chosen(whole.resources, rows.resources),
            exposures=rows_of(whole.exposures, _same, rows.exposures),
            findings=rows_of(whole.findings, _same, rows.findings),
            passed=chosen(whole.passed, rows.passed),
            not_applicable=chosen(whole.not_applicable, rows.not_applicable),
            reasons=chosen(whole.reasons, (id for id in rows.not_applicable if id in whole.reasons)),
            templates=whole.templates,
            places=rows.places,
            keys=rows.keys,
            capacity=[*rows.capacity, *self._unlisted_of(rows, is_rest=is_rest)],
            gaps=gaps,
            coverage=msgspec.structs.replace(whole.coverage, scopes=scopes),
        )
        made.coverage = self._coverage(made, of_scope=of_scope)
        made.scan = msgspec.structs.replace(
            whole.scan,
            scopes=[each for each in whole.scan.scopes if each.lower() in seen],
            resources=len(rows.resources),
            complete=whole.scan.complete or not self._is_incomplete(made, seen),
        )
        made.changes = self._changes(made)
        tally = tally_of(made)
        named = {*tally.checks, *(rule for gap in gaps for rule in gap.rules)}
        named.update(rule for reasons in made.not_applicable.values() for rule in reasons)
        # What is gone, and of no owner any more, is added to the rest later.
        made.rules = with_texts_of(whole.rules, named | rules_of(whole.changes if is_rest else made.changes))
        if whole.frameworks or self._counted:
            # A list that was not read may hold resources of this owner.
            tally.unread |= {each.rule for each in self._checks_of(seen) if each.status == "unknown"}
            made.frameworks = of_owner(whole.frameworks, made, tally) if whole.frameworks else msgspec.UNSET
            made.capacity = [*made.capacity, *spreads(self._counted, tally)]
        return made

    def _unlisted_of(self, rows: _Rows, *, is_rest: bool) -> Iterator[CapacityRow]:
        for each in self._unlisted:
            if self._concerns(subscription_of(owned_by(each)), rows, is_rest=is_rest):
                yield each

    def _is_incomplete(self, owned: Document, seen: set[str]) -> bool:
        return self._broken or _explains(owned, chain(owned.findings, self._checks_of(seen)))

    def _checks_of(self, seen: set[str]) -> Iterator[FindingRow]:
        """Yield the inconclusive checks of whole lists of these subscriptions (lower case)."""
        return (each for each in self._checks_of_scopes if subscription_of(each.resource) in seen)

    def _scopes(self, rows: _Rows, shared: Iterable[str], *, is_rest: bool) -> Iterator[ScopeRow]:
        """Yield the subscriptions of a part: those with rows, and those of which something was not read."""
        named = rows.subscriptions | {subscription_of(url) for url in shared}
        for each in self.whole.coverage.scopes:
            subscription = each.subscription.lower()
            is_unread = each.view != "full" or subscription in self._of_scope
            if subscription in named or (is_unread and self._concerns(subscription, rows, is_rest=is_rest)):
                yield each

    def _coverage(self, owned: Document, *, of_scope: bool) -> Coverage:
        """Return the coverage of a part, with its types."""
        result = Counter(row.type.lower() for row in owned.resources.values())
        known = {id.lower() for id in owned.resources}
        unread = {type_of(gap.url).lower() for gap in owned.gaps}
        unread |= {type_of(each.resource).lower() for each in owned.findings if each.resource.lower() not in known}
        is_partial = of_scope or any(each.view != "full" for each in owned.coverage.scopes)
        explained = {type_of(gap.url).lower() for gap in self.whole.gaps}

        def types() -> Iterator[TypeRow]:
            for row in self.whole.coverage.types:
                type = row.type.lower()
                is_whole = row.complete or not (is_partial or type in unread or type not in explained)
                if result[type] or not is_whole:
                    yield msgspec.structs.replace(row, resources=result[type], complete=is_whole)

        return msgspec.structs.replace(owned.coverage, types=list(types()))

    def _changes(self, owned: Document) -> ChangesRow | None:
        whole = self.whole.changes
        if whole is None:
            return None
        fingerprints = {row.fingerprint for row in owned.exposures} | {row.fingerprint for row in owned.findings}
        ids = {id.lower() for id in owned.resources}
        lists = {
            name: [
                row for row in getattr(whole, name) if row.fingerprint in fingerprints or row.resource.lower() in ids
            ]
            for name in CHANGE_LISTS
        }
        counts = count(owned)
        new = sum(bool(row.new) for row in owned.exposures)
        new += sum(bool(row.new) and row.is_counted for row in owned.findings)
        numbers = {name: len(rows) for name, rows in lists.items()}
        numbers |= {"new": new, "open": sum(counts.by_severity.values())}
        return msgspec.structs.replace(
            whole,
            counts={name: numbers.get(name, 0) for name in whole.counts},
            trend=[_trend(self.whole, counts)] if whole.trend else [],
            **lists,
        )

    def _rest(self, rest: Document, others: list[Document]) -> Document:
        """Add what cannot be told by the document to the part of no owner: other resources, and what is gone."""
        whole = self.whole
        resources = whole.scan.resources - sum(each.scan.resources for each in others)
        rest.scan = msgspec.structs.replace(rest.scan, resources=max(resources, len(rest.resources)))
        taken = Counter[str]()
        for each in others:
            taken.update({row.type.lower(): row.resources for row in each.coverage.types})
        incomplete = {row.type.lower() for row in rest.coverage.types if not row.complete}
        types = []
        for row in whole.coverage.types:
            left, complete = max(row.resources - taken[row.type.lower()], 0), row.type.lower() not in incomplete
            if left or not complete:
                types.append(msgspec.structs.replace(row, resources=left, complete=complete))
        rest.coverage = msgspec.structs.replace(rest.coverage, types=types)
        if whole.changes is not None and rest.changes is not None:
            rest.changes = _rest_of_changes(whole.changes, rest.changes, [each.changes for each in others])
        return rest


def _rest_of_changes(whole: ChangesRow, rest: ChangesRow, others: list[ChangesRow | None]) -> ChangesRow:
    """Return the changes that no other part has: the tags of what is gone are not known."""
    known = [each for each in others if each is not None]
    lists = {}
    for name in CHANGE_LISTS:
        taken = {(row.kind, row.fingerprint) for each in known for row in getattr(each, name)}
        lists[name] = [row for row in getattr(whole, name) if (row.kind, row.fingerprint) not in taken]
    counts = {name: max(value - sum(each.counts[name] for each in known), 0) for name, value in whole.counts.items()}
    return msgspec.structs.replace(rest, counts=counts, **lists)


def _same(row: _Row) -> _Row:
    return row


def _explains(document: Document, findings: Iterable[FindingRow]) -> bool:
    """Return whether a document shows that something was not assessed, and that no waiver accepts it."""
    accepted = {gap.url.lower() for gap in document.gaps if gap.accepted}
    return (
        any(not gap.accepted for gap in document.gaps)
        or any(
            scope.view != "full" and f"/subscriptions/{scope.subscription.lower()}" not in accepted
            for scope in document.coverage.scopes
        )
        or any(row.status == "unknown" and row.waiver is None for row in findings)
        or any(row.state == "unknown" or row.may is not None for row in document.exposures)
    )


def _trend(whole: Document, counts: Counts) -> TrendRow:
    return TrendRow(
        taken=whole.scan.taken,
        undecided=counts.statuses["unknown"],
        unknown=counts.not_assessed,
        **counts.by_severity,
    )
