"""Azure regions: geography, place, pair, and whether a geography is in the EEA.

The table is that of Microsoft's lists of regions, with their availability zones, and of region pairs
(MicrosoftDocs/azure-docs, reliability/regions-list, 2025-03, and regions-paired, 2025-01). ARM's own list of a scan
replaces it row by row. A region in neither is unknown, never inside.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from scanner.model.json_paths import get_path, member, text_at
from scanner.model.unread import Unread

Area = Literal["eea", "adequacy", "third", "worldwide", "unknown"]
"""Where a place is in law: in the EEA; in Switzerland or the United Kingdom (third countries with an adequacy
decision); in another country; in any region; not known.
"""

EEA: Final = frozenset(
    {
        *("austria", "belgium", "bulgaria", "croatia", "cyprus", "czechia", "denmark", "estonia", "finland", "france"),
        *("germany", "greece", "hungary", "iceland", "ireland", "italy", "latvia", "liechtenstein", "lithuania"),
        *("luxembourg", "malta", "netherlands", "norway", "poland", "portugal", "romania", "slovakia", "slovenia"),
        *("spain", "sweden"),
        "europe",
    }
)
"""The geographies (lower case) that lie in the EEA. Azure's "Europe" is Ireland and the Netherlands."""

ADEQUACY: Final = frozenset({"switzerland", "united kingdom"})
"""Geographies of third countries with an adequacy decision of the European Commission. Others are not listed."""


PUBLIC_AUTHORITY: Final = "https://login.microsoftonline.com"
"""The origin that signs in to Azure's public cloud."""
_AUTHORITIES: Final = {
    "usgov": "https://login.microsoftonline.us",
    "usdod": "https://login.microsoftonline.us",
    "china": "https://login.chinacloudapi.cn",
}
"""The same of other clouds, by what the names of their regions begin with."""


class Region(NamedTuple):
    """A region by its ARM name."""

    name: str
    geography: str
    physical_location: str
    pair: str = ""
    """The region that geo-redundant copies go to; "" where there is none."""
    longitude: float | None = None
    latitude: float | None = None
    source: str = "Microsoft's list of regions"
    """Where its geography and pair are from."""
    is_pair_known: bool = True
    """False where Azure returned no list of pairs."""
    lacks_zones: bool = False
    """Whether it is known to have no availability zones."""

    @property
    def area(self) -> Area:
        """Return where the geography is in law."""
        return area_of(self.geography)


def area_of(geography: str) -> Area:
    """Return where a geography is in law; "unknown" for ""."""
    folded = geography.lower()
    if not folded:
        return "unknown"
    return "eea" if folded in EEA else "adequacy" if folded in ADEQUACY else "third"


def region_name(text: object) -> str:
    """Return a region as ARM names it (`norwayeast` for "Norway East"); "" for what is no text."""
    return "".join(text.lower().split()) if isinstance(text, str) else ""


_ROWS = """
norwayeast|Norway|Norway|norwaywest|10.8|59.9
norwaywest|Norway|Norway|norwayeast|5.7|58.9
swedencentral|Sweden|Gävle|swedensouth|17.1|60.7
swedensouth|Sweden|Sweden|swedencentral|13.0|55.6
northeurope|Europe|Ireland|westeurope|-6.3|53.3
westeurope|Europe|Netherlands|northeurope|4.9|52.4
francecentral|France|Paris|francesouth|2.4|48.9
francesouth|France|Marseille|francecentral|5.4|43.3
germanywestcentral|Germany|Frankfurt|germanynorth|8.7|50.1
germanynorth|Germany|Berlin|germanywestcentral|13.4|52.5
italynorth|Italy|Milan||9.2|45.5
polandcentral|Poland|Warsaw||21.0|52.2
spaincentral|Spain|Madrid||-3.7|40.4
austriaeast|Austria|Austria||16.4|48.2
switzerlandnorth|Switzerland|Zurich|switzerlandwest|8.5|47.4
switzerlandwest|Switzerland|Geneva|switzerlandnorth|6.1|46.2
uksouth|United Kingdom|London|ukwest|-0.1|51.5
ukwest|United Kingdom|Cardiff|uksouth|-3.2|51.5
australiacentral|Australia|Canberra|australiacentral2
australiacentral2|Australia|Canberra|australiacentral
australiaeast|Australia|New South Wales|australiasoutheast
australiasoutheast|Australia|Victoria|australiaeast
brazilsouth|Brazil|Sao Paulo State|southcentralus
brazilsoutheast|Brazil|Rio|brazilsouth
canadacentral|Canada|Toronto|canadaeast
canadaeast|Canada|Quebec|canadacentral
centralindia|India|Pune|southindia
southindia|India|Chennai|centralindia
westindia|India|Mumbai|southindia
eastasia|Asia Pacific|Hong Kong|southeastasia
southeastasia|Asia Pacific|Singapore|eastasia
indonesiacentral|Indonesia|Indonesia
israelcentral|Israel|Israel
japaneast|Japan|Tokyo, Saitama|japanwest
japanwest|Japan|Osaka|japaneast
koreacentral|Korea|Seoul|koreasouth
koreasouth|Korea|Busan|koreacentral
malaysiawest|Malaysia|Malaysia
mexicocentral|Mexico|Querétaro State
newzealandnorth|New Zealand|Auckland
qatarcentral|Qatar|Doha
southafricanorth|South Africa|Johannesburg|southafricawest
southafricawest|South Africa|Cape Town|southafricanorth
uaecentral|UAE|Abu Dhabi|uaenorth
uaenorth|UAE|Dubai|uaecentral
centralus|United States|Iowa|eastus2
eastus|United States|Virginia|westus
eastus2|United States|Virginia|centralus
northcentralus|United States|Illinois|southcentralus
southcentralus|United States|Texas|northcentralus
westcentralus|United States|Wyoming|westus2
westus|United States|California|eastus
westus2|United States|Washington|westcentralus
westus3|United States|Phoenix|eastus
"""


WITHOUT_ZONES: Final = frozenset(
    {
        *(
            "australiacentral",
            "australiacentral2",
            "australiasoutheast",
            "brazilsoutheast",
            "canadaeast",
            "francesouth",
        ),
        *("germanynorth", "koreasouth", "northcentralus", "norwaywest", "southafricawest", "southindia"),
        *("switzerlandwest", "uaecentral", "ukwest", "westcentralus", "westindia", "westus"),
    }
)
"""The regions that Microsoft lists without availability zones. Where ARM names zones of one, it has got some since."""


def _row(line: str) -> Region:
    name, geography, physical_location, pair, *at = [*line.split("|"), ""]
    longitude, latitude = (float(at[0]), float(at[1])) if len(at) > len(("longitude", "latitude")) else (None, None)
    return Region(name, geography, physical_location, pair, longitude, latitude, lacks_zones=name in WITHOUT_ZONES)


TABLE: Final[Mapping[str, Region]] = {row.name: row for row in map(_row, filter(None, _ROWS.splitlines()))}
"""The regions by name."""

OTHER_GEOGRAPHIES: Final = ("Africa", "United Arab Emirates")
"""Geographies that only services name: communication-services/concepts/privacy."""
SHORT_GEOGRAPHIES: Final = {"uk": "United Kingdom", "usgov": "United States"}
"""Geographies that azurerm and ARM shorten."""

GEOGRAPHIES: Final[Mapping[str, Region]] = {
    region_name(short): Region(region_name(name), name, "")
    for short, name in (
        *((each, each) for each in (*(row.geography for row in TABLE.values()), *OTHER_GEOGRAPHIES)),
        *SHORT_GEOGRAPHIES.items(),
    )
}
"""The geographies that services name instead of a region (`dataLocation`), as places of their own, by name without
spaces: recorded answers say `UnitedStates` and `unitedstates`. A geography is allowed where all of it is: its name, or
`eea`. One of its regions alone does not allow it.
"""


def authority_of(location: object) -> str:
    """Return the origin that signs in to the cloud of a region; that of the public cloud for another name."""
    return _AUTHORITIES.get(region_name(location)[:5], PUBLIC_AUTHORITY)


ARM: Final = "ARM's list of regions"
ZONES: Final = "availabilityZoneMappings"


def of_arm(rows: Iterable[Mapping[str, Any]]) -> dict[str, Region]:
    """Return the regions of ARM's list of locations, by name. A row without a geography, or of another kind, is left
    out: then the table says what is known.
    """
    result: dict[str, Region] = {}
    for row in rows:
        region = _of_arm(row)
        if region is not None:
            result[region.name] = region
    return result


def _of_arm(row: Mapping[str, Any]) -> Region | None:
    name = region_name(member(row, "name"))
    geography = text_at(row, "metadata.geography")
    if not name or not geography or text_at(row, "metadata.regionType").lower() == "logical":
        return None
    pairs = get_path(row, "metadata.pairedRegion")
    first = pairs[0] if isinstance(pairs, list) and pairs else None
    known = TABLE.get(name)
    pair = region_name(member(first, "name")) if isinstance(first, dict) else ""
    # An empty list says that there is no pair. Without a list the table says it, else nothing does.
    is_returned = isinstance(pairs, list) and (not pairs or bool(pair))
    return Region(
        name,
        geography,
        text_at(row, "metadata.physicalLocation") or (known.physical_location if known else ""),
        pair if is_returned or known is None else known.pair,
        known.longitude if known else None,
        known.latitude if known else None,
        ARM,
        is_returned or known is not None,
        name in WITHOUT_ZONES and not _names_zones(row),
    )


def _names_zones(row: Mapping[str, Any]) -> bool:
    """Return whether a row names availability zones. A snapshot of an earlier version has not kept them."""
    try:
        return bool(get_path(row, ZONES))
    except Unread:
        return False
