"""Where a resource's data may be: the places that its properties name, and whether each is allowed.

Everything is read from the configuration. What Microsoft does beside it (support, its own processing) is not in ARM.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct, field

from scanner.model.countries import country
from scanner.model.diagnostic_settings import LogDestination, categories, destinations
from scanner.model.fix import REMOVE, Cause, Edit
from scanner.model.ids import type_of
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, is_absent, is_list_of_texts, is_one, member, spelled
from scanner.model.message import NOTHING, Message, joined, listed, name
from scanner.model.regions import GEOGRAPHIES, Area, Region, region_name
from scanner.model.residency import EEA_WORD, Allowed, PlaceException
from scanner.model.resource import Resource
from scanner.model.severity import Severity
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    malformed,
    not_returned,
    unknown,
)

PlaceKind = Literal["region", "pair", "listed", "target", "processing"]
PlaceVerdict = Literal["stays", "may-leave", "unknown"]

WORLDWIDE: Final = "global"
ZONE: Final = Message("data zone")
AREAS: Final[dict[Area, str]] = {
    "eea": Message("in the EEA"),
    "adequacy": Message("a third country with an adequacy decision, outside the EEA"),
    "third": Message("a third country, outside the EEA"),
    "worldwide": Message("any region"),
    "unknown": Message("not known"),
}

_NO_REGIONS: Final = {WORLDWIDE: Message("any region"), ZONE: Message("the regions of Microsoft's data zone")}

PARTNERS: Final = frozenset({"microsoft.eventgrid/partnerdestinations"})
"""Types (lower case) that stand for the service of a partner: their own region says nothing of its place."""
PARTNER_STORES: Final = Message("a partner stores the data, and Azure does not show where")

SEVERITIES: Final[dict[Area, Severity]] = {
    "eea": Severity.low,
    "adequacy": Severity.low,
    "third": Severity.medium,
    "worldwide": Severity.medium,
    "unknown": Severity.medium,
}
"""The severity of a place that is not allowed, by where it is; never more than that of the rule."""


class Place(NamedTuple):
    """A place that a resource names."""

    region: str
    """Its ARM name, `global`, `data zone`, or "" where it is not known."""
    evidence: Evidence
    missing: Unread | None = None
    """Why it is not known."""
    cause: Cause | None = None
    """The entry of a list that names it, where removing it closes the place."""


class JudgedPlace(NamedTuple):
    """A place with its verdict."""

    place: Place
    verdict: PlaceVerdict
    region: Region | None
    area: Area
    allowed: Allowed | None
    """None where it is not known what is allowed."""
    missing: Unread | None = None
    exception: PlaceException | None = None
    """Who accepts it."""

    @property
    def is_accepted(self) -> bool:
        """Return whether an exception that has not expired accepts it."""
        return self.exception is not None and not self.exception.expired

    @property
    def severity(self) -> Severity:
        """Return the severity of a place that may leave."""
        return SEVERITIES[self.area]

    @property
    def words(self) -> Message:
        """Return the place in words: `swedencentral (Gävle, Sweden; in the EEA)`."""
        if self.region is None:
            return (
                _NO_REGIONS.get(self.place.region) or name(self.place.region) or Message("a region that is not known")
            )
        names = (self.region.physical_location, self.region.geography)
        where = dict.fromkeys(country(each) for each in names if each)
        return Message(
            "{region} ({place}; {area})",
            region=self.region.name,
            place=joined(", ", list(where)),
            area=AREAS[self.area],
        )


class NamedPlaces(NamedTuple):
    """The places of one mechanism."""

    places: tuple[Place, ...] = ()
    none: Message = NOTHING
    """Why there is none."""
    seen: tuple[Evidence, ...] = ()
    """What was read where that is good."""


TAKES_WRITES = Message(
    "{value} of {path} takes the writes: fail over to another region, scan again, then remove it.",
)
NOT_LAST = Message(
    "{value} of {path} is not the last in the order of failover: move it to the end of the order, scan again, then "
    "remove it.",
)


_ORDERS: Final = {"properties.locations": "failoverPriority", "properties.geoDataReplication.locations": "roleType"}
"""What says of an entry of a list of regions which of them takes the writes."""


def _order(entry: Any, path: str) -> Any:
    """Return what says which place an entry has among the regions; MISSING where nothing does, or it was not kept."""
    try:
        return member(entry, _ORDERS[path]) if path in _ORDERS else MISSING
    except Unread:  # a snapshot of an earlier version: the verdict does not depend on it
        return MISSING


def _removal(resource: Resource, path: str, entry: Any, position: int) -> Cause:
    """Return an entry that is removed; in words where Azure refuses that: a write region, or a gap in the order."""
    cause = Cause(resource.id, path, entry, position=position)
    order = _order(entry, path)
    others = [_order(each, path) for each in resource.items(path)]
    if order == "Primary" or (order == 0 and order is not False):
        template = TAKES_WRITES
    elif isinstance(order, int) and any(isinstance(each, int) and each > order for each in others):
        template = NOT_LAST
    else:
        return cause
    region = next((text for key in ("locationName", "name") if (text := member(entry, key))), str(position + 1))
    words = Message(template, value=region, path=path)
    return cause._replace(words=(words,), effect=(Edit(resource.id, path, REMOVE, entry),))


class PlaceFinder(Struct, frozen=True, kw_only=True, eq=False):
    """What a row says of one mechanism of one type."""

    kind: PlaceKind
    """How the place follows. `region`: the region of the resource. `pair`: the paired region, where a value at `path`
    is one of `on` (always without a path). `listed`: the regions at `path` (LIST[].PROPERTY), or the geography that a
    service names there. `target`: the region of the resource whose id is at `path`. `processing`: values of `path` that
    process in any region (`on`), in a data zone (`zones`), or where the resource is (`off`).
    """
    what: Message
    """The place in words."""
    path: str = ""
    also: tuple[str, ...] = ()
    """Further paths, of a region, target or list that has several properties; of a pair, further switches, of which an
    absent one says nothing.
    """
    off: tuple[Any, ...] = ()
    on: tuple[Any, ...] = ()
    zones: tuple[Any, ...] = ()
    absent: Any = MISSING
    """The value that an absent property stands for."""
    none: bool = False
    """It means that there is no such place."""
    copy: str = ""
    """The path of the region of the copy, where Azure names it."""
    unpaired: tuple[str, ...] = ()
    """Regions whose pair gets no copy of this service."""
    logs: bool = False
    """The resource is a diagnostic setting: its destinations count that exist, where it sends logs."""
    flows: str = ""
    """LIST[].NAMES. An entry of a target's lists whose `name` none of these has gets nothing."""
    exists: str = ""
    """A path whose value says that there is such a place, so that one without its region is not known."""
    switches: Mapping[str, str] = field(default_factory=dict)
    """By the path of a value, the path of its switch. A value whose switch is off (false) counts as absent."""
    removed: bool = False
    """The fix removes the entry of the list."""
    instead: Mapping[str, str] = field(default_factory=dict)
    """The value that the fix sets, by the value of the path."""
    most: Severity = Severity.medium
    """The highest severity."""

    def find(self, resource: Resource, index: Index) -> NamedPlaces:
        """Return the places that a resource names by this mechanism. Raises Unread for what was not read."""
        if self.logs:
            return self._of_logs(resource, index)
        if self.kind == "region":
            return self._of_region(resource)
        if self.kind == "pair":
            return self._of_pair(resource, index)
        if self.kind == "processing":
            return self._of_processing(resource)
        return self._of_values(resource, index)

    # Kinds

    def _of_region(self, resource: Resource) -> NamedPlaces:
        region = _location(resource)
        seen = Evidence("location", region or ABSENT)
        location = Place(region, seen, None if region else not_returned("location", Message("its region")))
        more = ((path, resource.text(path)) for path in self.also)
        others = [Place(name, Evidence(path, text)) for path, text in more if (name := region_name(text))]
        return NamedPlaces((location, *(each for each in others if each.region != region)))

    def _of_pair(self, resource: Resource, index: Index) -> NamedPlaces:
        if not self.path:
            return self._copied(resource, index, Evidence("location", _location(resource) or ABSENT), None)
        switches = self._switches(resource)
        strange = [(value, seen) for value, seen in switches if not is_one(value, (*self.off, *self.on))]
        unread = tuple(Place("", seen, _strange(seen.path, value)) for value, seen in strange)
        value, seen = next(((value, seen) for value, seen in switches if is_one(value, self.on)), (MISSING, None))
        if seen is not None:
            matches = self._copied(resource, index, seen, self._cause(resource, value))
            return matches._replace(places=(*matches.places, *unread))
        return (
            NamedPlaces(unread)
            if unread
            else NamedPlaces(none=Message("no {what}", what=self.what), seen=tuple(seen for _, seen in switches))
        )

    def _switches(self, resource: Resource) -> list[tuple[Any, Evidence]]:
        """Return the values of the paths that say whether there is a copy. Raises Unread where the first has none."""
        if "[]" in self.path:
            listed = [value for value, _ in self._values(self.path, resource)]
            matches = [(value, Evidence(self.path, ABSENT if value is MISSING else value)) for value in listed]
            if not matches:
                raise Unread(self.path, resource.why_absent_is_unknown or Message("Azure did not return it"))
        else:
            matches = [self._value(resource)]
        more = ((resource.get(path), resource.evidence(path)) for path in self.also)
        return [*matches, *((value, seen) for value, seen in more if not is_absent(value))]

    def _copied(self, resource: Resource, index: Index, seen: Evidence, cause: Cause | None) -> NamedPlaces:
        """Return the place of the copy: where Azure names it, else in the paired region."""
        named = resource.get(self.copy) if self.copy else MISSING
        if is_absent(named):
            return self._pair(resource, index, seen, cause)
        region = region_name(named)
        missing = None if region else Unread(self.copy, Message("unrecognized value"))
        return NamedPlaces((Place(region, Evidence(self.copy, named), missing, cause),))

    def _cause(self, resource: Resource, value: Any) -> Cause | None:
        """Return the value that the fix changes, where it depends on the value."""
        better = next((new for old, new in self.instead.items() if is_one(value, (old,))), None)
        return None if better is None else Cause(resource.id, self.path, None, better, text=better)

    def _pair(self, resource: Resource, index: Index, seen: Evidence, cause: Cause | None) -> NamedPlaces:
        region = _location(resource)
        if not region:
            return NamedPlaces((Place("", seen, not_returned("location", Message("its region"))),))
        if region in self.unpaired:
            return NamedPlaces(
                none=Message("the service keeps no copy of {own} in another region", own=region), seen=(seen,)
            )
        known = index.residency.regions.get(region)
        if known is None:
            return NamedPlaces(
                (
                    Place(
                        "",
                        seen,
                        Unread(
                            "location", Message("unknown region {own}, so its pair is unknown", own=repr(region)[:60])
                        ),
                    ),
                )
            )
        if not known.is_pair_known:
            return NamedPlaces(
                (
                    Place(
                        "",
                        seen,
                        Unread("location", Message("Azure did not return the pair of {own}", own=region)),
                        cause,
                    ),
                )
            )
        if not known.pair and not self.path:
            return NamedPlaces(none=Message("{own} has no paired region", own=region), seen=(seen,))
        missing = (
            None
            if known.pair
            else Unread(seen.path, Message("{own} has no paired region, so the place is unknown", own=region))
        )
        return NamedPlaces(
            (Place(known.pair, Evidence(seen.path, _shown(seen.value, region, known.pair)), missing, cause),)
        )

    def _of_processing(self, resource: Resource) -> NamedPlaces:
        if not self.path:
            return NamedPlaces((Place(WORLDWIDE, Evidence("location", _location(resource) or ABSENT)),))
        value, seen = self._value(resource)
        if is_one(value, self.off):
            return NamedPlaces(none=Message("{what}: where the resource is", what=self.what), seen=(seen,))
        place = WORLDWIDE if is_one(value, self.on) else ZONE if is_one(value, self.zones) else ""
        return NamedPlaces((Place(place, seen, None if place else _strange(self.path, value)),))

    def _of_values(self, resource: Resource, index: Index) -> NamedPlaces:
        json_paths = [
            self._place(path, value, cause, index)
            for path in (self.path, *self.also)
            if path not in self.switches or not is_one(resource.get(self.switches[path]), (False,))
            for value, cause in self._values(path, resource)
        ]
        if not json_paths:
            if self.flows and resource.has(self.flows.partition("[]")[0]):
                return NamedPlaces(none=Message("no flow has a {what}", what=self.what))
            exists = bool(self.exists) and resource.get(self.exists) not in (None, MISSING, {})
            if self.none and not exists and not resource.why_absent_is_unknown:
                return NamedPlaces(
                    none=Message("no {what}", what=self.what), seen=(Evidence(self.path.partition("[]")[0], ABSENT),)
                )
            raise Unread(self.path, resource.why_absent_is_unknown or Message("Azure did not return it"))
        return NamedPlaces(tuple(json_paths))

    def _values(self, path: str, resource: Resource) -> Iterator[tuple[Any, Cause | None]]:
        listed, is_list, inner = path.partition("[]")
        if not is_list:
            value = _location(resource) if path == "location" else resource.get(path)
            yield from () if is_absent(value) or value == "" else ((value, None),)
            return
        used = self._flows(resource)
        for position, entry in enumerate(resource.items(listed)):
            if used is not None and not _is_used(entry, used):
                continue
            value = get_path(entry, inner.lstrip(".")) if inner else entry
            yield value, _removal(resource, listed, entry, position) if self.removed else None

    def _flows(self, resource: Resource) -> set[str] | None:
        """Return the names of the destinations that a flow names, in lower case; None where all count."""
        listed, _, inner = self.flows.partition("[].")
        if not listed or is_absent(resource.get(listed)):
            return None
        names = [get_path(each, inner) for each in resource.objects(listed)]
        if not all(is_absent(each) or is_list_of_texts(each) for each in names):
            raise malformed(self.flows)
        return {str(name).lower() for each in names if isinstance(each, list) for name in each}

    def _place(self, path: str, value: Any, cause: Cause | None, index: Index) -> Place:
        seen = Evidence(path, ABSENT if value is MISSING else value)
        if not isinstance(value, str) or not value:
            return Place("", seen, Unread(path, Message("Azure did not return it, or returned an unrecognized value")))
        if self.kind == "listed":
            return Place(region_name(value), seen, None, cause)
        if type_of(value).lower() in PARTNERS:
            return Place("", seen, Unread(value, PARTNER_STORES))
        region = index.residency.region_of(value)
        missing = None if region else index.why_not_located(value)
        return Place(
            region,
            Evidence(path, Message("{value}, in {region}", value=value, region=region) if region else value),
            missing,
            cause,
        )

    def _of_logs(self, setting: Resource, index: Index) -> NamedPlaces:
        """Return where a diagnostic setting stores logs. A switch of an unknown value counts as on."""
        unclear: list[Unread] = []
        if not list(categories(setting, unclear)) and not unclear:
            return NamedPlaces(none=Message("no {what}", what=self.what))
        ends = list(destinations(setting, index))
        if not ends:
            if setting.why_absent_is_unknown:
                raise Unread(self.path, setting.why_absent_is_unknown)
            return NamedPlaces(none=Message("no {what}", what=self.what), seen=(Evidence(self.path, ABSENT),))
        places = tuple(self._of_destination(each, index) for each in ends if not each.is_gone)
        return NamedPlaces(places, none=Message("the {what} no longer exists", what=self.what))

    def _of_destination(self, each: LogDestination, index: Index) -> Place:
        if not each.id:
            return Place("", Evidence(each.path, Message("not an id of a resource")), each.missing)
        if each.path.endswith("marketplacePartnerId"):
            return Place("", Evidence(each.path, each.id), Unread(each.id, PARTNER_STORES))
        return self._place(each.path, each.id, None, index)

    def _value(self, resource: Resource) -> tuple[Any, Evidence]:
        value = resource.get(self.path)
        seen = resource.evidence(self.path)
        if not is_absent(value):
            return value, seen
        if self.absent is MISSING or resource.why_absent_is_unknown:
            raise Unread(self.path, resource.why_absent_is_unknown or Message("Azure did not return it"))
        return self.absent, seen

    # Verdicts

    def judge(self, resource: Resource, index: Index) -> tuple[NamedPlaces, list[JudgedPlace]]:
        """Return the places of a resource, and each with its verdict. Raises Unread for what was not read."""
        memo = resource.bundle.memo
        if memo is None:
            return self._judge(resource, index)
        key = self, resource.key
        judged: tuple[NamedPlaces, list[JudgedPlace]] | None = memo.get(key)
        if judged is None:
            judged = memo[key] = self._judge(resource, index)
        return judged

    def _judge(self, resource: Resource, index: Index) -> tuple[NamedPlaces, list[JudgedPlace]]:
        matches = self.find(resource, index)
        allowed, unread = _allowed(resource, index) if matches.places else (None, None)
        return matches, [_judged(each, allowed, unread, resource, index) for each in matches.places]

    def check(self, resource: Resource, index: Index) -> Verdict:
        """Fail where a place is not allowed, or is any region."""
        matches, judged = self.judge(resource, index)
        if not judged:
            return Pass(matches.seen) if self.path and matches.seen else NotApplicable(matches.none)
        seen = tuple(_evidence(each) for each in judged)
        leaving = [each for each in judged if each.verdict == "may-leave"]
        missing = [each.missing for each in judged if each.missing is not None]
        # What is accepted must not hide what is not known.
        if leaving and not (missing and all(each.is_accepted for each in leaving)):
            return self._fail(leaving, seen, is_all=len(leaving) == len(judged))
        return unknown(*missing, evidence=seen) if missing else Pass(seen)

    def _fail(self, leaving: list[JudgedPlace], seen: tuple[Evidence, ...], *, is_all: bool) -> Fail:
        exceptions = [each.exception for each in leaving]
        live = [each.exception.accepted for each in leaving if each.exception is not None and each.is_accepted]
        lapsed = next((each.accepted for each in exceptions if each is not None and each.expired), None)
        causes = [each.place.cause for each in leaving if each.place.cause is not None]
        severity = min(self.most, max(each.severity for each in leaving))
        return Fail(
            tuple(each for each in seen if each.expected is not None),
            self._message(leaving),
            severity,
            causes=() if self.removed and is_all else tuple(causes),
            accepted=live[0] if len(live) == len(leaving) else None,
            lapsed=lapsed,
        )

    def _message(self, leaving: list[JudgedPlace]) -> Message:
        where = listed(list(dict.fromkeys(each.words for each in leaving)))
        allowed = leaving[0].allowed
        messages = [Message("{what!c}: {where}, by configuration", what=self.what, where=where)]
        if allowed is not None:
            messages.append(Message("Allowed: {allowed} ({source})", allowed=allowed, source=allowed.source))
        return Message("{list}.", list=joined(". ", messages))


def _is_used(entry: Any, used: set[str]) -> bool:
    """Return whether a flow names a destination. One without a name counts."""
    name = get_path(entry, "name")
    return not isinstance(name, str) or name.lower() in used


def _location(resource: Resource) -> str:
    """Return the region of a resource, or of the one that it belongs to; "" also where its own is no text."""
    region = member(resource.body, "location")
    if not is_absent(region) and not isinstance(region, str):
        return ""
    top = resource.bundle.top
    return resource.location or (top.location if top is not None else "")


def _strange(path: str, value: Any) -> Unread:
    return Unread(
        path,
        Message("unrecognized value {value}", value=f"{repr(value) if isinstance(value, str) else spelled(value):.60}"),
    )


def _shown(value: object, region: str, pair: str) -> object:
    return (
        Message("{value}: {own} is paired with {pair}", value=spelled(value), own=region, pair=pair)
        if pair and value != region
        else Message("{region}, paired with {pair}", region=region, pair=pair or Message("none"))
    )


def _allowed(resource: Resource, index: Index) -> tuple[Allowed | None, Unread | None]:
    """Return the places that are allowed for a resource, or why they are not known."""
    return resource.once("allowed places", None, lambda: _read_allowed(resource, index))


def _read_allowed(resource: Resource, index: Index) -> tuple[Allowed | None, Unread | None]:
    try:
        return index.residency.allowed(resource), None
    except Unread as missing:
        return None, missing.with_traceback(None)


def _judged(
    place: Place, allowed: Allowed | None, unread: Unread | None, resource: Resource, index: Index
) -> JudgedPlace:
    if place.missing is not None:
        return JudgedPlace(place, "unknown", None, "unknown", allowed, place.missing)
    if place.region == WORLDWIDE:
        return JudgedPlace(place, "may-leave", None, "worldwide", allowed)
    if place.region == ZONE:
        return _of_zone(place, allowed, unread, index.residency.regions.get(_location(resource)))
    known = index.residency.regions.get(place.region) or GEOGRAPHIES.get(place.region)
    if known is None:
        missing = Unread(place.evidence.path, Message("unknown region {region}", region=repr(place.region)[:60]))
        return JudgedPlace(place, "unknown", None, "unknown", allowed, missing)
    if allowed is None:
        return JudgedPlace(place, "unknown", known, known.area, None, unread)
    if allowed.has(known):
        return JudgedPlace(place, "stays", known, known.area, allowed)
    return JudgedPlace(
        place, "may-leave", known, known.area, allowed, exception=index.residency.exception(resource, known)
    )


_OUTSIDE_THE_UNION: Final = frozenset({"iceland", "liechtenstein", "norway"})
"""Geographies (lower case) of the EEA that are no member states of the European Union."""
_STATES: Final = Message("united states")


def _of_zone(place: Place, allowed: Allowed | None, unread: Unread | None, region: Region | None) -> JudgedPlace:
    """Return the verdict on a data zone, which is wider than a country.

    ai-services/openai/how-to/deployment-types: the zone is the member states of the European Union for a resource in
    one of them, the United States for a resource there. For other regions no page says which zone it is.
    """
    if allowed is None:
        return JudgedPlace(place, "unknown", None, "unknown", None, unread)
    geography = region.geography.lower() if region is not None else ""
    if region is not None and region.area == "eea" and geography not in _OUTSIDE_THE_UNION:
        return JudgedPlace(place, "stays" if EEA_WORD in allowed.words else "may-leave", None, "eea", allowed)
    if geography == _STATES:
        return JudgedPlace(place, "stays" if _STATES in allowed.words else "may-leave", None, "third", allowed)
    if EEA_WORD in allowed.words or _STATES in allowed.words:
        missing = Unread(place.evidence.path, Message("which data zone processes for this region is not documented"))
        return JudgedPlace(place, "unknown", None, "unknown", allowed, missing)
    return JudgedPlace(place, "may-leave", None, "unknown", allowed)


def _evidence(each: JudgedPlace) -> Evidence:
    """Return the evidence of a place, with what is allowed where it is not."""
    seen = each.place.evidence
    if each.verdict == "stays":
        return seen
    words = each.allowed
    expected = Message("a region of {words}", words=words) if words is not None else Message("an allowed region")
    return Evidence(seen.path, seen.value, expected)
