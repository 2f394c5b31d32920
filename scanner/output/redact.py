"""Makes a findings document that may leave the organisation: names become pseudonyms, what is not known is left out.

Nothing is searched for in texts, because a name that is missed is a name that leaks. A redacted document is built of
what is known to be harmless: the words of the built-in rules, numbers, times, and pseudonyms. Severities, states and
statuses stay, so its numbers are those of the whole document.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

import msgspec
from msgspec.structs import replace

from scanner.config.settings import Settings
from scanner.document.framework_rows import FrameworkRow
from scanner.document.numbers import NumbersRow
from scanner.document.reader import open_document
from scanner.document.schema import (
    CHANGE_LISTS,
    CellRow,
    ChangeRow,
    ChangesRow,
    Coverage,
    DataPlaceRow,
    Document,
    EvidenceRow,
    ExposureRow,
    FindingRow,
    GapRow,
    HopRow,
    May,
    ResourceRow,
    RuleRow,
    ScanRow,
    ScopeRow,
    TypeRow,
    WaiverRow,
)
from scanner.document.scopes import ExcludedRow, LimitRow
from scanner.document.views import mapping_of, rows_of
from scanner.document.writer import write_document
from scanner.errors import InputError
from scanner.evaluate.frameworks import framework_row
from scanner.model.ids import name_of
from scanner.model.levels import Auth, Reach
from scanner.model.rule import CATEGORIES
from scanner.output.capacity_pseudonyms import redacted_capacity
from scanner.output.key_pseudonyms import redacted_key
from scanner.output.owner_documents import OwnerDocument, SplitBy
from scanner.output.pseudonyms import WITHHELD, Pseudonyms, one_of
from scanner.output.vocabulary import Vocabulary, vocabulary

NOTE = "This report is redacted: names are pseudonyms, and texts of Azure and of the organisation are left out"
VARIABLE = "TWOLOCKS_SECRET_REDACT"
_Row = TypeVar("_Row")
_LEAST_KEY = 16
_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?")
_TOOL = re.compile(r"twolocks \d{1,4}(\.\d{1,4}){1,3}")
_REACHES = frozenset({*Reach.__members__, "unknown"})
_AUTHS = frozenset({*Auth.__members__, "unknown"})
_VIEWS = frozenset({"full", "partial", "none"})
_CLOUDS = frozenset({"AzureCloud", "AzureUSGovernment", "AzureChinaCloud", "public", "us-government", "china"})
_HOPS = frozenset(
    [
        "admin-rules",
        "api-management",
        "application-gateway",
        "authentication",
        "cdn",
        "endpoint",
        "environment",
        "firewall",
        "front-door",
        "gateway-load-balancer",
        "load-balancer",
        "network-interface",
        "nfs",
        "nic-nsg",
        "no-nsg",
        "perimeter",
        "private-cluster",
        "private-endpoint",
        "public-ip",
        "source",
        "subnet",
        "subnet-nsg",
        "switch",
        "traffic-manager",
    ]
)


def redact(document: Document, key: bytes) -> Document:
    """Return the redacted document. The same key gives the same pseudonyms."""
    return _Redactor(document, key, vocabulary()).document()


@contextmanager
def redacted(
    document: Document, key: bytes, numbers: NumbersRow | msgspec.UnsetType = msgspec.UNSET
) -> Iterator[tuple[IO[bytes], Document]]:
    """Give the redacted document as a findings file and as rows. Those of a large one are in a temporary file.

    `numbers`: those that were counted; what a document says of itself is not taken over.
    """
    made = redact(document, key)
    made.numbers = numbers
    with BytesIO() if isinstance(made.findings, list) else TemporaryFile() as file:
        write_document(made, file)
        file.flush()
        yield file, (made if isinstance(file, BytesIO) else open_document(file)) or made


def with_pseudonyms(owned_documents: Iterable[OwnerDocument], by: SplitBy, key: bytes) -> list[OwnerDocument]:
    """Return the parts with pseudonyms of their owners, in their order; that of no owner is the last."""
    names = Pseudonyms(key, vocabulary())

    def label(owned: OwnerDocument) -> str:
        if by.kind == "tag":
            return names.word("owner", owned.key)
        if by.kind == "subscription":
            return names.word("subscription", owned.key)
        subscription, _, group = owned.key.partition("/")
        id = names.id(f"/subscriptions/{subscription}/resourceGroups/{group}")
        return f"{names.word('subscription', subscription)}/{name_of(id)}"

    owner_documents = [
        replace(owned, label=(plain := label(owned)), mark=plain) for owned in owned_documents if owned.key
    ]
    rest = [replace(owned, label=rest_label(by)) for owned in owned_documents if not owned.key]
    return [*sorted(owner_documents, key=lambda owned: owned.label), *rest]


def rest_label(by: SplitBy) -> str:
    """Return the label of the part of no owner, without the tag, which may be named after something of an estate."""
    return "without owner" if by.kind == "tag" else by.rest


class _Redactor:
    """One document that is being redacted."""

    def __init__(self, document: Document, key: bytes, known: Vocabulary) -> None:
        self.whole, self.known = document, known
        self.names = Pseudonyms(key, known)

    def document(self) -> Document:
        whole = self.whole
        return Document(
            schema=whole.schema,
            scan=self._scan(whole.scan),
            rules=dict(map(self._rule_row, whole.rules, whole.rules.values())),
            resources=self._mapping(whole.resources, self._last_resource),
            exposures=rows_of(whole.exposures, self._exposure),
            findings=rows_of(whole.findings, self._finding),
            passed=self._mapping(whole.passed, self._passed),
            not_applicable=self._mapping(whole.not_applicable, self._reasons),
            places=[_place(self, row) for row in whole.places],
            keys=[redacted_key(row, self.names, self._rule, self._evidence) for row in whole.keys],
            capacity=list(redacted_capacity(whole.capacity, self.names, self._rule, self._title)),
            gaps=list(map(self._gap, whole.gaps)),
            coverage=self._coverage(whole.coverage),
            changes=self._changes(whole.changes) if whole.changes is not None else None,
            frameworks=list(_frameworks(self.known, whole.frameworks)) if whole.frameworks else msgspec.UNSET,
        )

    def _mapping(self, rows: Mapping[str, Any], make: Callable[[list[str]], _Row]) -> Mapping[str, _Row]:
        """Return a redacted mapping; several ids may have one pseudonym, because ids are compared without case."""
        return mapping_of(rows, ((self.names.id(id), id) for id in rows), make)

    def _last_resource(self, ids: list[str]) -> ResourceRow:
        return self._resource(ids[-1], self.whole.resources[ids[-1]])

    def _passed(self, ids: list[str]) -> list[str]:
        return [self._rule(rule) for id in ids for rule in self.whole.passed[id]]

    def _reasons(self, ids: list[str]) -> dict[str, str]:
        return {self._rule(rule): WITHHELD for id in ids for rule in self.whole.not_applicable[id]}

    # Words

    def _rule(self, id: str) -> str:
        rule, colon, type = id.partition(":")
        if rule in self.known.rules and (
            not colon or all(each in self.known.types for each in type.lower().split("/"))
        ):
            return id
        return self.names.word("own-rule", id)

    def _rule_row(self, id: str, row: RuleRow) -> tuple[str, RuleRow]:
        """Return a rule: a built-in one with its own texts, whatever the document says; another one without texts."""
        known = self.known.rules.get(id)
        if known is not None:
            texts = known if row.has_texts else known.without_texts
            return id, msgspec.structs.replace(texts, severity=row.severity)
        plain = self._rule(id)
        category = one_of(CATEGORIES, row.category)
        return plain, RuleRow(title=plain, category=category, severity=row.severity, controls={})

    def _title(self, rule: str) -> str:
        known = self.known.rules.get(rule)
        return known.title if known is not None else self._rule(rule)

    def _endpoint(self, endpoint: str, resource: str) -> str:
        """Return an endpoint: its kind as the rules name it, and a pseudonym for what Azure calls it."""
        if not endpoint or endpoint in self.known.endpoints or self.known.is_port(endpoint):
            return endpoint
        head, _, name = endpoint.partition("/")
        if head in self.known.endpoints and name:
            rest = name if name == "*" or name.isdecimal() else self.names.word("name", f"{resource}/{name}")
            return f"{head}/{rest}"
        return self.names.word("endpoint", f"{resource}/{endpoint}")

    def _fingerprint(self, fingerprint: str) -> str:
        return self.names.digest("fingerprint", fingerprint)[:16] if fingerprint else ""

    def _waiver(self, waiver: WaiverRow) -> WaiverRow:
        return WaiverRow(
            reason=WITHHELD,
            owner=self.names.word("owner", waiver.owner),
            expires=_time(waiver.expires),
            ticket=self.names.word("ticket", waiver.ticket),
        )

    def _evidence(self, row: EvidenceRow) -> EvidenceRow:
        # A path may follow the name of a child or of the resource that decides.
        path = row.path.rpartition(" ")[2]
        path = path if path.lower() in self.known.paths else WITHHELD
        return EvidenceRow(path=path, value=self._value(row.value), expected=self._value(row.expected))

    def _value(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            count = len(value)
            return list(value) if all(map(self.known.is_value, value)) else f"{count:,} withheld"
        return value if self.known.is_value(value) else WITHHELD

    # Rows

    def _scan(self, row: ScanRow) -> ScanRow:
        return msgspec.structs.replace(
            row,
            id=self._fingerprint(row.id),
            started=_time(row.started),
            finished=_time(row.finished),
            taken=_time(row.taken),
            tool=row.tool if _TOOL.fullmatch(row.tool) else "twolocks",
            cloud=row.cloud if row.cloud in _CLOUDS else self.names.word("cloud", row.cloud),
            principal=self.names.word("principal", row.principal),
            scopes=[self.names.uuid("subscription", each) for each in row.scopes],
            owner_tag=msgspec.UNSET,
            tenants=_tenants(self.names, row.tenants),
            excluded=list(map(self._excluded, row.excluded or [])) or msgspec.UNSET,
            limited=_limit(self.names, row.limited, row.scopes) if row.limited else msgspec.UNSET,
        )

    def _excluded(self, row: ExcludedRow) -> ExcludedRow:
        return ExcludedRow(scope=self.names.id(row.scope), name=name_of(self.names.id(row.scope)))

    def _resource(self, id: str, row: ResourceRow) -> ResourceRow:
        plain = self.names.id(id)
        segments = plain.split("/")
        has_group = len(segments) > 4 and segments[3] == "resourceGroups"
        return ResourceRow(
            type=self.names.type(row.type),
            name=name_of(plain),
            location=self.names.word("region", row.location),
            subscription=self.names.uuid("subscription", row.subscription),
            resource_group=segments[4] if has_group else self.names.word("rg", row.resource_group),
            tags={},
            parent=self.names.id(row.parent) if row.parent else row.parent,
        )

    def _exposure(self, row: ExposureRow) -> ExposureRow:
        reach, auth = one_of(_REACHES, row.reach), one_of(_AUTHS, row.authentication)
        may = row.may
        return ExposureRow(
            resource=self.names.id(row.resource),
            endpoint=self._endpoint(row.endpoint, row.resource),
            kind=one_of(("data", "admin", "app"), row.kind),
            address=self.names.word("address", row.address),
            reach=reach,
            authentication=auth,
            may=may
            and May(
                may.reach and one_of(_REACHES, may.reach), may.authentication and one_of(_AUTHS, may.authentication)
            ),
            severity=row.severity,
            worst=row.worst,
            state=row.state,
            reason=WITHHELD if row.reason else "",
            title=f"Reach: {reach}; authentication: {auth}",
            evidence=list(map(self._evidence, row.evidence)),
            hops=[self._hop(hop) for hop in row.hops],
            admits=[WITHHELD for _ in row.admits],
            fix=None,
            breaks=None,
            fingerprint=self._fingerprint(row.fingerprint),
            gaps=list(map(self.names.id, row.gaps)) if isinstance(row.gaps, list) else msgspec.UNSET,
            waiver=self._waiver(row.waiver) if isinstance(row.waiver, WaiverRow) else msgspec.UNSET,
            new=row.new,
            since=_time(row.since) if isinstance(row.since, str) else msgspec.UNSET,
            hosts=[self.names.word("address", each) for each in row.hosts or ()] or msgspec.UNSET,
            publishers=[list(map(self._hop, chain)) for chain in row.publishers or ()] or msgspec.UNSET,
        )

    def _hop(self, hop: HopRow) -> HopRow:
        kind = one_of(_HOPS, hop.kind)
        resource = self.names.id(hop.resource)
        return HopRow(
            kind=kind, name=name_of(resource) if resource else kind, detail="", resource=resource, lets=hop.lets
        )

    def _finding(self, row: FindingRow) -> FindingRow:
        title = self._title(row.rule)
        return FindingRow(
            rule=self._rule(row.rule),
            title=title,
            category=one_of(CATEGORIES, row.category),
            status=row.status,
            severity=row.severity,
            resource=self.names.id(row.resource),
            endpoints=[self._endpoint(each, row.resource) for each in row.endpoints],
            message=f"{title}.",
            evidence=list(map(self._evidence, row.evidence)),
            fix=None,
            gaps=list(map(self.names.id, row.gaps)),
            fingerprint=self._fingerprint(row.fingerprint),
            waiver=self._waiver(row.waiver) if row.waiver is not None else None,
            lapsed=self._waiver(row.lapsed) if isinstance(row.lapsed, WaiverRow) else msgspec.UNSET,
            new=row.new,
            since=_time(row.since) if isinstance(row.since, str) else msgspec.UNSET,
            read_at=_time(row.read_at) if isinstance(row.read_at, str) else msgspec.UNSET,
        )

    def _gap(self, row: GapRow) -> GapRow:
        return GapRow(
            url=self.names.id(row.url),
            status=row.status,
            code=self.known.code(row.code) if row.code else "",
            action=row.action if row.action.lower() in self.known.actions else self.names.word("action", row.action),
            rules=list(map(self._rule, row.rules)),
            accepted=row.accepted,
            waiver=self._waiver(row.waiver) if isinstance(row.waiver, WaiverRow) else msgspec.UNSET,
            resources=row.resources,
        )

    def _coverage(self, row: Coverage) -> Coverage:
        names = self.names
        broken = row.rules_broken
        return Coverage(
            scopes=[
                ScopeRow(
                    subscription=names.uuid("subscription", each.subscription),
                    name=names.word("subscription", each.subscription),
                    tenant=names.uuid("tenant", each.tenant),
                    view=one_of(_VIEWS, each.view, "none"),
                )
                for each in row.scopes
            ],
            types=[self._type(each) for each in row.types],
            rules_off=list(map(self._rule, row.rules_off)),
            notes=[NOTE],
            rules_broken=list(map(partial(names.word, "file"), broken)) if isinstance(broken, list) else msgspec.UNSET,
        )

    def _type(self, row: TypeRow) -> TypeRow:
        named = set(map(str.lower, row.names or ()))
        names = {type: name for type, name in self.known.products.items() if type.lower() in named}
        return msgspec.structs.replace(row, type=self.names.type(row.type), names=names or msgspec.UNSET)

    def _changes(self, row: ChangesRow) -> ChangesRow:
        lists: dict[str, Any] = {name: list(map(self._change, getattr(row, name))) for name in CHANGE_LISTS}
        return ChangesRow(
            since=_time(row.since) if row.since is not None else None,
            baseline=row.baseline,
            confirmed=row.confirmed,
            notes=[],
            counts={name: count for name, count in row.counts.items() if name.isascii() and name in _COUNTS},
            trend=[msgspec.structs.replace(each, taken=_time(each.taken)) for each in row.trend],
            **lists,
        )

    def _change(self, row: ChangeRow) -> ChangeRow:
        return ChangeRow(
            kind=one_of(("exposure", "finding"), row.kind),
            fingerprint=self._fingerprint(row.fingerprint),
            resource=self.names.id(row.resource),
            endpoint=self._endpoint(row.endpoint, row.resource),
            address=self.names.word("address", row.address),
            rule=self._rule(row.rule) if row.rule else "",
            title=self._title(row.rule) if row.rule else f"Reach: {one_of(_REACHES, row.reach)}",
            severity=one_of(_SEVERITIES, row.severity, ""),
            reach=one_of(_REACHES, row.reach, ""),
            authentication=one_of(_AUTHS, row.authentication, ""),
            since=_time(row.since),
            last_seen=_time(row.last_seen),
            why=WITHHELD if row.why else "",
            was=row.was and _cell(row.was),
        )


def _cell(row: CellRow) -> CellRow:
    return CellRow(
        severity=one_of(_SEVERITIES, row.severity, ""),
        reach=one_of(_REACHES, row.reach, ""),
        authentication=one_of(_AUTHS, row.authentication, ""),
    )


def _limit(names: Pseudonyms, row: LimitRow, scopes: Sequence[str]) -> LimitRow:
    """Return a limit; in one subscription its groups have the pseudonyms that they have in ids."""
    above = f"/subscriptions/{scopes[0]}/resourceGroups/" if len(scopes) == 1 else ""
    groups = [name_of(names.id(above + each)) if above else names.word("rg", each) for each in row.groups]
    tags = [names.word("tag", each) for each in row.tags]
    return LimitRow(resources=list(map(names.id, row.resources)), groups=groups, tags=tags)


def _tenants(names: Pseudonyms, tenants: dict[str, str] | msgspec.UnsetType) -> dict[str, str] | msgspec.UnsetType:
    if tenants is msgspec.UNSET:
        return tenants
    return {names.uuid("tenant", id): names.word("tenant", id) for id in tenants}


def _frameworks(known: Vocabulary, rows: Iterable[FrameworkRow]) -> Iterator[FrameworkRow]:
    """Yield the built-in frameworks with their own texts, whatever the document says."""
    for row in rows:
        framework = known.frameworks.get(row.id)
        if framework is not None and framework.controls.keys() >= row.tested.keys():
            yield framework_row(framework, row.tested)


def _place(redactor: _Redactor, row: DataPlaceRow) -> DataPlaceRow:
    """Return a place with pseudonyms for the resource and the region; what is allowed, and why, is withheld."""
    region = row.region if row.region in ("", "global", "data zone") else redactor.names.word("region", row.region)
    seen = redactor._evidence(EvidenceRow(row.path, row.value))
    return DataPlaceRow(
        resource=redactor.names.id(row.resource),
        rule=redactor._rule(row.rule),
        kind=one_of(_PLACE_KINDS, row.kind),
        what=one_of(_PLACE_KINDS, row.kind),
        region=region,
        area=one_of(_AREAS, row.area),
        verdict=one_of(_PLACE_VERDICTS, row.verdict),
        path=seen.path,
        value=seen.value,
        why=WITHHELD if row.why else "",
        waiver=redactor._waiver(row.waiver) if row.waiver is not None else None,
    )


_PLACE_KINDS = ("region", "pair", "listed", "target", "processing")
_PLACE_VERDICTS = ("stays", "may-leave", "unknown")
_AREAS = ("eea", "adequacy", "third", "worldwide", "unknown")
_COUNTS = frozenset({*CHANGE_LISTS, "new", "first_looked", "open", "accepted", "again"})
_SEVERITIES = ("critical", "high", "medium", "low", "info")


def _time(text: str) -> str:
    return text if _TIME.fullmatch(text) else ""


def is_redacted(document: Document) -> bool:
    """Return whether a document is redacted."""
    return NOTE in document.coverage.notes


def key_of(environ: Mapping[str, str]) -> tuple[bytes, bool]:
    """Return the key of the pseudonyms, and whether it is one for this run alone. Raises InputError."""
    text, file = environ.get(VARIABLE, "").strip(), environ.get(f"{VARIABLE}_FILE", "").strip()
    if text and file:
        raise InputError(f"{VARIABLE} and {VARIABLE}_FILE exclude each other; nothing was read", do="unset one of them")
    if file:
        try:
            text = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise InputError(f"{file} cannot be read: {why}; nothing was read", at=f"{VARIABLE}_FILE") from None
    elif not text:
        return secrets.token_bytes(32), True
    if len(text) < _LEAST_KEY:
        what = f"{VARIABLE} has fewer than {_LEAST_KEY} characters; nothing was read"
        raise InputError(what, at="the environment", do="openssl rand -hex 32")
    return text.encode(), False


def key_for(settings: Settings, environ: Mapping[str, str]) -> tuple[bytes | None, str]:
    """Return the key where `--redact` is set, and what to print about it. Raises InputError."""
    if not settings["redact"]:
        return None, ""
    key, is_random = key_of(environ)
    return key, f"the pseudonyms are for this run alone; {VARIABLE} makes them stable" if is_random else ""
