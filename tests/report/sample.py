"""Findings documents for the report's tests: an invented Norwegian agency, any size, the same every time.

`document(size)` holds `size` findings (failed, undecided, waived, error) and about as many passed checks.
"""

import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from scanner.document.schema import Document, ExposureRow
from scanner.rulebook.loader import load

SUBSCRIPTIONS = {
    "5f1c0f9a-1111-4c1e-9a52-0d2f4b7c1a01": "prod-innbygger",
    "5f1c0f9a-2222-4c1e-9a52-0d2f4b7c1a02": "test-innbygger",
    "5f1c0f9a-3333-4c1e-9a52-0d2f4b7c1a03": "felles-plattform",
}
GROUPS = ("rg-skjema", "rg-eksport", "rg-arkiv", "rg-fagsystem", "rg-felles", "rg-integrasjon", "rg-kart", "rg-sak")
REGIONS = ("norwayeast", "norwayeast", "norwayeast", "norwaywest", "westeurope", "northeurope")
WORDS = ("skjema", "vedlegg", "eksport", "arkiv", "journal", "sak", "kart", "melding", "post", "logg", "innsyn", "vakt")
HOSTILE = (
    "faktura\u202efdp.exe",
    "x\u200bskjult",
    "</script><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(2)>'",
    "tab\tny\nlinje\x07",
    "overlang" * 30,
    "{{ 7 * 7 }} ${7*7} <!--",
    "العربية-مخزن",
    "a b;rm -rf $HOME `id`",
    "javascript:alert(3)",
)
TABLE = {
    ("data", "anonymous"): ("critical", "critical", "critical", "high", "medium"),
    ("data", "shared"): ("high", "high", "high", "medium", "low"),
    ("data", "identity"): ("medium", "medium", "medium", None, None),
    ("app", "anonymous"): ("medium", "medium", "medium", "low", None),
    ("app", "shared"): ("low", "low", "low", None, None),
    ("app", "identity"): (None, None, None, None, None),
}
REACHES = ("internet", "azure", "wide", "selected", "private")
PLANTED = (("st", "blob"), ("cr", "registry"), ("redis", "redis"))
RANKS = ("critical", "high", "medium", "low", "info")
LOCKS = {"anonymous-access": "anonymous", "authentication": "shared", "network": None}


@dataclass(frozen=True)
class Service:
    short: str
    type: str
    endpoints: tuple[tuple[str, str], ...]
    key: str
    off: str
    path: str = "properties.publicNetworkAccess"


SERVICES = (
    Service(
        "st",
        "Microsoft.Storage/storageAccounts",
        (("blob", "data"), ("file", "data"), ("queue", "data")),
        "properties.allowSharedKeyAccess",
        "az storage account update --ids {id} --allow-shared-key-access false",
    ),
    Service("kv", "Microsoft.KeyVault/vaults", (("vault", "data"),), "", ""),
    Service(
        "sql",
        "Microsoft.Sql/servers",
        (("tds", "data"),),
        "properties.administrators.azureADOnlyAuthentication",
        "az sql server ad-only-auth enable --ids {id}",
    ),
    Service(
        "app",
        "Microsoft.Web/sites",
        (("app", "app"), ("scm", "admin"), ("ftp", "admin")),
        "properties.basicPublishingCredentials",
        "az resource update --ids {id}/basicPublishingCredentialsPolicies/scm --set properties.allow=false",
    ),
    Service(
        "cosmos",
        "Microsoft.DocumentDB/databaseAccounts",
        (("cosmos", "data"),),
        "properties.disableLocalAuth",
        "az resource update --ids {id} --set properties.disableLocalAuth=true",
    ),
    Service(
        "cr",
        "Microsoft.ContainerRegistry/registries",
        (("registry", "data"),),
        "properties.adminUserEnabled",
        "az acr update --ids {id} --admin-enabled false",
    ),
    Service(
        "aks",
        "Microsoft.ContainerService/managedClusters",
        (("api-server", "admin"),),
        "properties.disableLocalAccounts",
        "az aks update --ids {id} --disable-local-accounts",
    ),
    Service(
        "evhns",
        "Microsoft.EventHub/namespaces",
        (("events", "data"),),
        "properties.disableLocalAuth",
        "az eventhubs namespace update --ids {id} --disable-local-auth true",
    ),
    Service(
        "redis",
        "Microsoft.Cache/Redis",
        (("redis", "data"),),
        "properties.disableAccessKeyAuthentication",
        "az resource update --ids {id} --set properties.disableAccessKeyAuthentication=true",
    ),
    Service(
        "srch",
        "Microsoft.Search/searchServices",
        (("search", "data"),),
        "properties.disableLocalAuth",
        "az search service update --ids {id} --disable-local-auth true",
    ),
)
SETTINGS = (
    (
        "old-tls",
        "{what} accepts TLS 1.0 and 1.1",
        "transport",
        "high",
        "properties.minimumTlsVersion",
        "TLS1_0",
        "TLS1_2",
    ),
    (
        "plain-http",
        "{what} answers plain HTTP",
        "transport",
        "high",
        "properties.supportsHttpsTrafficOnly",
        False,
        True,
    ),
    (
        "no-soft-delete",
        "{what} forgets what is deleted at once",
        "recovery",
        "medium",
        "properties.deleteRetentionPolicy.enabled",
        False,
        True,
    ),
    (
        "no-purge-protection",
        "{what} can be emptied for good by one administrator",
        "recovery",
        "medium",
        "properties.enablePurgeProtection",
        None,
        True,
    ),
    (
        "platform-key",
        "{what} is encrypted with a key that Microsoft holds",
        "encryption",
        "low",
        "properties.encryption.keySource",
        "Microsoft.Storage",
        "Microsoft.Keyvault",
    ),
    (
        "no-diagnostics",
        "{what} sends its logs nowhere",
        "logging",
        "low",
        "diagnosticSettings",
        "absent",
        "one that sends audit logs",
    ),
    (
        "outside-norway",
        "{what} keeps a copy outside Norway",
        "residency",
        "medium",
        "location",
        "westeurope",
        "norwayeast",
    ),
    ("no-owner", "{what} has no owner tag", "governance", "info", "tags.owner", "absent", "a person or team"),
    ("no-lock", "{what} can be deleted by a slip", "governance", "low", "locks", "absent", "CanNotDelete"),
)


@dataclass
class Estate:
    """A document in the making."""

    random: random.Random
    rules: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)
    exposures: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    passed: dict[str, list[str]] = field(default_factory=dict)
    not_applicable: dict[str, dict[str, str]] = field(default_factory=dict)
    gaps: dict[str, dict[str, Any]] = field(default_factory=dict)
    planted: int = 0


def fingerprint(*values: str) -> str:
    return hashlib.sha256("\n".join(("1", *values)).lower().encode("utf-8", "surrogatepass")).hexdigest()[:16]


def quoted(text: str) -> str:
    return (
        "'" + text.replace("'", "'\"'\"'") + "'"
        if set(text) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")
        else text
    )


def rule(estate: Estate, name: str, title: str, category: str, severity: str | None, az: str = "") -> str:
    estate.rules.setdefault(
        name,
        {
            "title": title,
            "category": category,
            "severity": severity,
            "why": "Both locks should hold on their own: where one is open, the other is all that stands between the "
            "data and whoever tries. A copied key leaves no name in the log, and it does not expire when its "
            "holder leaves.",
            "remediation": {
                "az": az,
                "bicep": "properties: {\n  publicNetworkAccess: 'Disabled'\n}",
                "terraform": 'resource "azurerm_storage_account" "example" {\n  # ...\n  '
                "shared_access_key_enabled = false\n}",
                "portal": "Networking > Public access > Disabled",
                "breaks": "Clients that hold a key, or come from outside the virtual network, are refused at once.",
                "first_step": "",
            },
            "controls": {
                "CIS": [f"{1 + len(estate.rules) % 9}.{1 + len(estate.rules) % 23}"],
                "NIST 800-53": ["AC-3"],
                "NSM": ["2.6.1"],
            },
            "references": ["https://learn.microsoft.com/azure/security/fundamentals/network-best-practices"],
        },
    )
    return name


def resource(estate: Estate, service: Service, name: str) -> str:
    pick = estate.random
    subscription = pick.choices(list(SUBSCRIPTIONS), (5, 2, 2))[0]
    group = pick.choice(GROUPS)
    identity = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{service.type}/{name}"
    estate.resources[identity] = {
        "type": service.type,
        "name": name,
        "location": pick.choice(REGIONS),
        "subscription": subscription,
        "resource_group": group,
        "tags": {"eier": "plattform"},
        "parent": None,
    }
    return identity


def hops(service: Service, name: str, endpoint: str, reach: str, asks: str, long: bool) -> list[dict[str, Any]]:
    public = {"internet": "Enabled", "azure": "Enabled", "wide": "Enabled", "selected": "Enabled"}.get(
        reach, "Disabled"
    )
    firewall = {
        "internet": "defaultAction = Allow",
        "azure": "0.0.0.0: every Azure tenant",
        "wide": "ranges of 131,072 addresses",
        "selected": "3 named addresses",
    }.get(reach, "private endpoint only")
    lets: bool | None = reach in REACHES[:3]
    if reach == "unknown":
        public, firewall, lets = "not read", "not read", None
    expected = {
        "anonymous": "nothing is asked",
        "shared": "it accepts a shared key or password",
        "identity": "Entra ID is demanded",
    }.get(asks, "not read")
    middle = (
        [
            {
                "kind": "firewall",
                "name": f"Firewall {n}",
                "detail": f"rule {n * 100} allows 443",
                "resource": "",
                "lets": True,
            }
            for n in range(1, 12)
        ]
        if long
        else []
    )
    return [
        {"kind": "source", "name": "Internet", "detail": "any address", "resource": "", "lets": True},
        {
            "kind": "switch",
            "name": "Public access",
            "detail": f"publicNetworkAccess = {public}",
            "resource": "",
            "lets": None if lets is None else public == "Enabled",
        },
        *middle,
        {"kind": "firewall", "name": "Service firewall", "detail": firewall, "resource": "", "lets": lets},
        {
            "kind": "authentication",
            "name": "Authentication",
            "detail": expected,
            "resource": "",
            "lets": {"anonymous": True, "shared": True, "identity": False}.get(asks),
        },
        {"kind": "endpoint", "name": name, "detail": endpoint, "resource": "", "lets": True},
    ]


def severity_of(kind: str, asks: str, reach: str) -> str | None:
    if reach not in REACHES:
        return None
    return TABLE["app" if kind == "app" else "data", asks][REACHES.index(reach)]


def exposure(estate: Estate, service: Service, identity: str, endpoint: str, kind: str) -> dict[str, Any]:
    pick, name = estate.random, estate.resources[identity]["name"]
    reach = pick.choices((*REACHES, "none"), (16, 3, 3, 20, 46, 12))[0]
    asks = pick.choices(("anonymous", "shared", "identity"), (3 if kind != "app" else 10, 9, 24))[0]
    planted = ("internet", "internet", "azure", "internet", "wide")[estate.planted :]
    if planted and (service.short, endpoint) in PLANTED and name not in HOSTILE:
        reach, asks = planted[0], "anonymous"
        estate.planted += 1
    may = None
    chance = pick.random()
    if chance < 0.03:
        may, asks = {"reach": reach, "authentication": "anonymous"}, "unknown"
    elif chance < 0.05:
        may, reach = {"reach": "internet", "authentication": asks}, "unknown"
    sure_asks = "identity" if asks == "unknown" else asks
    severity = severity_of(kind, sure_asks, reach)
    worst = severity_of(kind, may["authentication"], may["reach"]) if may else severity
    state = "open" if severity else "unknown" if may and worst else "closed"
    if severity and pick.random() < 0.04:
        state = pick.choice(("waived", "intended"))
    command = (service.off or "az resource update --ids {id} --set properties.publicNetworkAccess=Disabled").replace(
        "{id}", quoted(identity)
    )
    fix: dict[str, Any] = {"commands": [command]} if command.startswith("az ") else {"steps": [command]}
    fix["of_rule"] = True
    if service.short == "evhns" and severity:
        move = f"az eventhubs namespace update --ids {quoted(identity)} --sku Premium"
        fix = {"commands": [move], "steps": ["Cannot be closed on Basic. Move to Premium."]}
    expected = {
        "anonymous": "it allows anonymous access",
        "shared": "it accepts a shared key or password",
        "identity": "it requires Microsoft Entra ID authentication",
        "unknown": "authentication could not be assessed",
    }[asks]
    who = {
        "internet": "the internet",
        "azure": "any Azure tenant",
        "wide": "broad ranges",
        "selected": "allow-listed networks",
        "private": "private networks only",
        "none": "no network",
        "unknown": "unknown networks",
    }[reach]
    return {
        "resource": identity,
        "endpoint": endpoint,
        "kind": kind,
        "address": f"{name}.{endpoint}.example.net",
        "reach": reach,
        "authentication": asks,
        "may": may,
        "severity": severity,
        "worst": worst,
        "state": state,
        "reason": "Open data for everybody, decided by the board" if state == "intended" else "",
        "title": f"The {endpoint} of {name} is reachable from {who}; {expected}",
        "evidence": [{"path": service.path, "value": "Enabled", "expected": "Disabled"}],
        "hops": hops(service, name, endpoint, reach, asks, pick.random() < 0.02),
        "admits": ["Trusted Microsoft services, each with its own identity"] if pick.random() < 0.2 else [],
        "fix": fix if severity else None,
        "breaks": "Clients that hold a key are refused at once." if severity else None,
        "fingerprint": fingerprint(identity, endpoint),
    }


def finding(estate: Estate, name: str, identity: str, status: str, **more: Any) -> None:
    about = estate.rules[name]
    estate.findings.append(
        {
            "rule": name,
            "title": about["title"],
            "category": about["category"],
            "status": status,
            "severity": about["severity"],
            "resource": identity,
            "endpoints": [],
            "message": "",
            "evidence": [],
            "fix": None,
            "gaps": [],
            "fingerprint": fingerprint(name, identity),
        }
        | more
    )


def gap(estate: Estate, identity: str, status: int, name: str) -> str:
    code, child = {
        403: ("AuthorizationFailed", "firewallRules"),
        504: ("Timeout", "databases"),
        500: ("InternalServerError", "keys"),
    }[status]
    about = estate.resources[identity]
    url = f"{identity}/{child}"
    entry = estate.gaps.setdefault(
        url, {"url": url, "status": status, "code": code, "action": f"{about['type']}/{child}/read", "rules": []}
    )
    if name not in entry["rules"]:
        entry["rules"].append(name)
    return url


WAIVER = {
    "reason": "Moved behind the gateway in January",
    "owner": "plattform@example.no",
    "expires": "2026-12-12",
    "ticket": "SIK-214",
}


def lock_findings(estate: Estate, service: Service, identity: str, exposures: list[dict[str, Any]]) -> None:
    for category in LOCKS:
        name = rule(
            estate,
            f"{service.short}-{category.replace('anonymous-access', 'anonymous')}",
            {
                "anonymous-access": f"{service.type.split('/')[1]} answers anybody",
                "authentication": f"{service.type.split('/')[1]} opens to a copied key",
                "network": f"{service.type.split('/')[1]} is reachable from the internet",
            }[category],
            category,
            None,
            service.off,
        )
        hit = [d for d in exposures if d["severity"] and fails(category, d)]
        possible = [d for d in exposures if d["may"] and d not in hit]
        if hit:
            worst = min((d["severity"] for d in hit), key=RANKS.index)
            status = "waived" if all(d["state"] in ("waived", "intended") for d in hit) else "fail"
            finding(
                estate,
                name,
                identity,
                status,
                severity=worst,
                endpoints=[d["endpoint"] for d in hit],
                message=hit[0]["title"],
                fix=hit[0]["fix"],
                evidence=[
                    {"path": service.path, "value": "Enabled", "expected": "Disabled"},
                    {"path": service.key or "properties.enableRbacAuthorization", "value": True, "expected": False},
                    {"path": "networkAcls.defaultAction", "value": "Allow", "expected": None},
                ],
                **({"waiver": WAIVER} if status == "waived" else {}),
            )
        elif possible and category != "network":
            url = gap(estate, identity, estate.random.choices((403, 504, 500), (14, 1, 1))[0], name)
            finding(
                estate,
                name,
                identity,
                "unknown",
                severity=possible[0]["worst"],
                endpoints=[possible[0]["endpoint"]],
                message="firewallRules: the read was refused",
                gaps=[url],
                evidence=[{"path": "firewallRules", "value": "not read", "expected": None}],
            )
        else:
            estate.passed.setdefault(identity, []).append(name)


def fails(category: str, exposure: dict[str, Any]) -> bool:
    wanted = LOCKS[category]
    return exposure["authentication"] == wanted if wanted else exposure["reach"] in ("internet", "azure", "wide")


def setting_findings(estate: Estate, service: Service, identity: str) -> None:
    pick = estate.random
    for short, title, category, severity, path, bad, good in SETTINGS:
        if short == "plain-http" and service.short in ("sql", "aks", "evhns"):
            continue
        name = rule(
            estate, f"{service.short}-{short}", title.replace("{what}", service.type.split("/")[1]), category, severity
        )
        chance = pick.random()
        if chance < 0.2:
            evidence = [{"path": path, "value": bad, "expected": good}]
            finding(
                estate,
                name,
                identity,
                "waived" if chance < 0.006 else "fail",
                evidence=evidence,
                fix={
                    "commands": [f"az resource update --ids {quoted(identity)} --set {path}=x"],
                    "of_rule": True,
                    "undo": {"commands": [f"az resource update --ids {quoted(identity)} --remove {path}"]},
                },
                **({"waiver": WAIVER} if chance < 0.006 else {}),
            )
        elif chance < 0.205:
            finding(
                estate,
                name,
                identity,
                "unknown",
                message=f"{path}: Azure did not return it",
                evidence=[{"path": path, "value": "not read", "expected": good}],
            )
        elif chance < 0.25:
            estate.not_applicable.setdefault(identity, {})[name] = "This SKU does not have the feature"
        else:
            estate.passed.setdefault(identity, []).append(name)


def typed(made: dict[str, Any]) -> Document:
    """Return a made document as reports take it."""
    return msgspec.convert(made, Document)


def row(made: dict[str, Any]) -> ExposureRow:
    """Return an exposure as reports take it; what is not given is empty."""
    empty: dict[str, Any] = {
        "address": "",
        "may": None,
        "reason": "",
        "title": "",
        "evidence": [],
        "hops": [],
        "admits": [],
    }
    return msgspec.convert({**empty, "fix": None, "breaks": None, "fingerprint": "", **made}, ExposureRow)


def document(size: int = 200, hostile: bool = True) -> dict[str, Any]:
    """A findings document with at least `size` findings. `hostile` gives some resources names that attack the page."""
    estate = Estate(random.Random(20261125))
    names = list(HOSTILE) if hostile else []
    count = 0
    while len(estate.findings) < size:
        service = SERVICES[count % len(SERVICES)]
        name = names.pop(0) if names and count % 7 == 3 else f"{service.short}{estate.random.choice(WORDS)}{count:03d}"
        count += 1
        identity = resource(estate, service, name)
        exposures = [exposure(estate, service, identity, endpoint, kind) for endpoint, kind in service.endpoints]
        estate.exposures += exposures
        lock_findings(estate, service, identity, exposures)
        setting_findings(estate, service, identity)
    if estate.findings:
        crashed = estate.findings[-1]
        finding(
            estate,
            crashed["rule"],
            crashed["resource"],
            "error",
            message="KeyError: 'properties'",
            fingerprint=fingerprint("crash"),
        )
    return wrap(estate)


def with_places(made: dict[str, Any]) -> dict[str, Any]:
    """The document, with places of its resources: inside, outside, anywhere, unknown, accepted."""
    kinds = (
        ("norwayeast", "eea", "stays", "Norway", "Oslo"),
        ("westeurope", "eea", "may-leave", "Europe", "Netherlands"),
        ("ukwest", "adequacy", "may-leave", "United Kingdom", "Cardiff"),
        ("eastus", "third", "may-leave", "United States", "Virginia"),
        ("global", "worldwide", "may-leave", "", ""),
        ("data zone", "unknown", "may-leave", "", ""),
        ("", "unknown", "unknown", "", ""),
        ("<b>nowhere\u202e", "unknown", "unknown", "", ""),
    )
    rule, rows = next(iter(made["rules"])), []
    for at, id in enumerate(sorted(made["resources"])):
        region, area, verdict, geography, physical_location = kinds[at % len(kinds)]
        row = {"resource": id, "rule": rule, "kind": "region", "what": "region", "region": region, "area": area}
        row |= {
            "verdict": verdict,
            "path": "location",
            "value": region,
            "geography": geography,
            "place": physical_location,
        }
        row |= {"allowed": ["norway"], "source": "the setting residency.scope of <i>prod"}
        if at % 16 == 1:
            row["waiver"] = {"reason": "moved", "owner": "drift", "expires": "2027-01-01"}
        rows.append(row)
    return {**made, "places": rows}


def with_owners(made: dict[str, Any]) -> dict[str, Any]:
    """The document, with owners of its resources, and waivers of two people that end soon on three days."""
    made["scan"]["owner_tag"] = "owner"
    names = ("kari", "Drift og <b>nett", "a-team-with-a-long-name@department.agency.example", "ola", "arkiv", "dba", "")
    for at, row in enumerate(made["resources"].values()):
        row["tags"] = {"Owner": names[at % len(names)]}
    waived = [row for row in made["findings"] if row["status"] == "waived"]
    for at, row in enumerate(waived):
        day = ("2026-12-01", "2026-12-15", "2026-12-15", "2026-12-24", "2027-11-01")[at % 5]
        row["waiver"] = {"reason": "r", "owner": ("kari", "<i>ola")[at % 2], "expires": day}
    return made


def with_keys(made: dict[str, Any]) -> dict[str, Any]:
    """The document, with keys of its resources: of customers in every state, unknown ones, and those of Microsoft, by
    setting and by tier.
    """
    rule, rows = next(iter(made["rules"])), []
    states = ("enabled", "disabled", "expired", "missing", "unknown")
    ids = sorted(made["resources"])
    for at, state in enumerate(states):
        key = f"https://kv-{at}.vault.azure.net/keys/<b>key{at}\u202e"
        stores = [
            {"resource": id, "rule": rule, "what": "account", "path": "properties.x", "value": "<i>"}
            for id in ids[at :: len(states) + 3]
        ]
        risks = [{"id": "identity", "severity": "unknown", "what": "role assignments are not read", "rule": ""}]
        if state in ("disabled", "expired", "missing"):
            risks.insert(0, {"id": state, "severity": "high", "what": "<b>bad", "rule": rule})
        row = {"holder": "customer", "key": key, "host": f"kv-{at}.vault.azure.net", "lives": "hsm", "state": state}
        vault = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv-{at}"
        rows.append({**row, "vault": "" if state == "unknown" else vault, "stores": stores, "risks": risks})
    for at, holder in ((5, "unknown"), (6, "platform"), (7, "another-tier")):
        why = {"why": "only <i>Premium</i> has keys"} if holder == "another-tier" else {}
        stores = [
            {"resource": id, "rule": rule, "what": "account", "path": "properties.x", "value": None, **why}
            for id in ids[at :: len(states) + 3]
        ]
        lives = "unknown" if holder == "unknown" else "microsoft"
        rows.append({"holder": holder, "type": "Microsoft.Storage/storageAccounts", "lives": lives, "stores": stores})
    return {**made, "keys": rows}


def with_capacity(made: dict[str, Any]) -> dict[str, Any]:
    """The document, with quotas in every state in two regions, reservations, rules on zones, and control planes."""
    subscription, hostile = next(iter(SUBSCRIPTIONS)), "<b>cores\u202e"
    quota = {"kind": "quota", "subscription": subscription, "provider": "Microsoft.Compute"}
    rows: list[dict[str, Any]] = []
    for at, (used, limit, state) in enumerate(((10, 10, "full"), (9, 10, "near"), (1, 10, "room"))):
        left: dict[str, Any] = {
            "used": used,
            "limit": limit,
            "left": limit - used,
            "share": 100 * (limit - used) // limit,
        }
        name = hostile if state == "full" else f"Family {at}"
        rows.append({**quota, "region": "norwayeast", "quota": f"q{at}", "name": name, "state": state, **left})
    rows.append({**quota, "region": "westeurope", "quota": "q4", "name": "No limit", "used": 3, "state": "unlimited"})
    rows.append({**quota, "region": "northeurope", "state": "unknown", "why": "403 <i>AuthorizationFailed</i>"})
    id = f"/subscriptions/{subscription}/resourceGroups/g/providers/Microsoft.Compute/capacityReservationGroups/crg"
    for name in ("one", "two"):
        left = {"why": "Azure returned no list"} if name == "two" else {"used": 2, "left": 2, "state": "room"}
        own = {"resource": f"{id}/capacityReservations/{name}", "sku": "Standard_<b>", "reserved": 4, "zones": ["1"]}
        rows.append({"kind": "reservation", "subscription": subscription, "region": "norwayeast", **own, **left})
    rule = next(iter(made["rules"]))
    counts = {"single": 3, "spread": 4, "unknown": 5}
    rows.append({"kind": "spread", "rule": rule, "title": "<b>In one zone", "over": "zones", **counts})
    plane = {"kind": "control-plane", "resources": None, "complete": True, "reason": "Changes go through it."}
    for id, source in (("resource-manager", "https://learn.microsoft.com/azure/x"), ("bad", "javascript:alert(1)")):
        rows.append({**plane, "id": id, "service": f"<b>{id}", "source": source})
    return {**made, "capacity": rows}


def wrap(estate: Estate) -> dict[str, Any]:
    scopes = [
        {"subscription": key, "name": name, "tenant": "t", "view": "partial" if name == "felles-plattform" else "full"}
        for key, name in SUBSCRIPTIONS.items()
    ]
    names = {each: name for kind in load(packages=False).kinds for each, name in kind.product_names().items()}
    types: list[dict[str, Any]] = [{"type": s.type, "resources": 12, "judged": True} for s in SERVICES]
    for each in types:
        own = f"{each['type']}/"
        each["names"] = {type: name for type, name in names.items() if f"{type}/".startswith(own)}
    types += [
        {"type": f"Microsoft.{name}", "resources": 8 + len(name), "judged": False}
        for name in (
            "Insights/components",
            "Logic/workflows",
            "Maps/accounts",
            "DataFactory/factories",
            "Compute/virtualMachines",
            "Network/loadBalancers",
        )
    ]
    return {
        "schema": "twolocks/2",
        "scan": {
            "id": "2026-11-25T14:12:03Z",
            "started": "2026-11-25T14:10:40Z",
            "finished": "2026-11-25T14:12:03Z",
            "taken": "2026-11-25T14:10:40Z",
            "tool": "twolocks 0.1.0",
            "cloud": "AzureCloud",
            "principal": "8c2b7f4e-0000-4000-8000-aaaaaaaaaaaa",
            "scopes": list(SUBSCRIPTIONS),
            "resources": len(estate.resources),
            "reads": 1308,
            "complete": not estate.gaps,
        },
        "rules": dict(sorted(estate.rules.items())),
        "resources": estate.resources,
        "exposures": sorted(estate.exposures, key=lambda e: (e["resource"].lower(), e["endpoint"])),
        "findings": sorted(estate.findings, key=lambda f: (f["resource"].lower(), f["rule"])),
        "passed": estate.passed,
        "not_applicable": estate.not_applicable,
        "gaps": sorted(estate.gaps.values(), key=lambda g: str(g["url"])),
        "coverage": {"scopes": scopes, "types": types, "rules_off": ["sql-database-user-passwords"]},
    }


SINCE = "2026-11-24T02:00:07Z"
FIRST = "2026-10-22T02:00:03Z"
CHANGE = (
    "fingerprint", "resource", "endpoint", "address", "rule", "title", "severity", "reach", "authentication",
)  # fmt: skip


def change(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A row of `changes` about an exposure or a finding."""
    kind = "finding" if "rule" in row else "exposure"
    fields = {name: row.get(name) or "" for name in CHANGE}
    return fields | {"kind": kind, "since": FIRST, "last_seen": SINCE, "why": "", "was": None} | more


def trend(scans: int) -> list[dict[str, Any]]:
    """Nightly scans up to the document's, with a pause of a week in the middle."""
    pick, last = random.Random(7), datetime(2026, 11, 25, 14, 10, 40, tzinfo=UTC)
    runs = [last - timedelta(days=back + (7 if back > scans // 2 else 0)) for back in reversed(range(scans))]
    return [
        {"taken": f"{scheduled_run:%Y-%m-%dT%H:%M:%SZ}", "info": 0}
        | {name: pick.randrange(most) for name, most in (("critical", 4), ("high", 20), ("medium", 60), ("low", 9))}
        | {"undecided": pick.randrange(5), "opened": at % 4, "closed": at * 3 % 7 if at % 3 else 0}
        for at, scheduled_run in enumerate(runs)
    ]


def with_history(size: int = 200, hostile: bool = True, scans: int = 40, changed: int = 4) -> dict[str, Any]:
    """A document of a scan that has a history, in which `changed` of each kind changed."""
    made = document(size, hostile)
    exposures = [row for row in made["exposures"] if row["severity"] and row["state"] == "open"]
    others = [row for row in made["findings"] if row["status"] == "fail" and row["category"] not in LOCKS]
    fresh = {row["fingerprint"] for row in (*exposures[:changed], *others[:changed])}
    for row in (*made["exposures"], *made["findings"]):
        if row.get("severity") and row.get("status", "fail") in ("fail", "waived"):
            row |= {"new": row["fingerprint"] in fresh}
            row |= {"since": made["scan"]["taken"] if row["new"] else FIRST}
    was = {"severity": "low", "reach": "private", "authentication": "shared"}
    rest = [*exposures[changed:], *exposures[:changed]]
    gone = [
        change(row, endpoint="blob/" + name, fingerprint=fingerprint("gone", name))
        for row, name in zip(rest, HOSTILE * changed, strict=False)
    ]
    lists = {
        "reopened": [change(row, why="it was fixed before") for row in rest[:changed]],
        "worse": [change(row, was=was, why="low -> high") for row in rest[changed : 2 * changed]],
        "better": [
            change(row, was={"severity": "critical", "reach": "", "authentication": ""})
            for row in others[changed : 2 * changed]
        ],
        "fixed": [row | {"why": "the resource no longer exists", "was": was} for row in gone[:changed]],
        "unseen": [row | {"why": "it is inconclusive"} for row in gone[changed : 2 * changed]],
    }
    counts = {name: len(rows) for name, rows in lists.items()}
    counts |= {"new": len(fresh), "first_looked": 3, "open": len(exposures) + len(others)}
    made["changes"] = {
        "since": SINCE,
        "baseline": False,
        "confirmed": True,
        "notes": [f"the previous scan was evaluated by {HOSTILE[2]}, this one by twolocks 0.1.0"],
        "counts": counts,
        **lists,
        "trend": trend(scans),
    }
    return made


def baseline(size: int = 60) -> dict[str, Any]:
    """The first scan of a history."""
    made = with_history(size, scans=1, changed=0)
    for row in (*made["exposures"], *made["findings"]):
        if "since" in row:
            row["since"] = made["scan"]["taken"]
    made["changes"] |= {"since": None, "baseline": True, "notes": []}
    return made


def empty() -> dict[str, Any]:
    """A scan that found nothing at all."""
    return wrap(Estate(random.Random(1))) | {"coverage": {"scopes": [], "types": [], "rules_off": []}}


def clean() -> dict[str, Any]:
    """A scan in which every endpoint is closed and everything was read."""
    estate = Estate(random.Random(2))
    service = SERVICES[1]
    identity = resource(estate, service, "kvtrygg")
    estate.exposures.append(
        exposure(estate, service, identity, "vault", "data")
        | {
            "reach": "private",
            "authentication": "identity",
            "may": None,
            "severity": None,
            "worst": None,
            "state": "closed",
            "fix": None,
            "breaks": None,
        }
    )
    estate.passed[identity] = [rule(estate, "kv-network", "vaults is reachable from the internet", "network", None)]
    done = wrap(estate)
    done["coverage"]["scopes"] = [scope | {"view": "full"} for scope in done["coverage"]["scopes"]]
    done["coverage"]["types"] = [each for each in done["coverage"]["types"] if each["judged"]]
    return done


def accepted() -> dict[str, Any]:
    """The same, where kari accepted the first gap, the checks on it alone, and those that no gap explains."""
    made = document(2000, hostile=False)
    waiver = {"reason": "A preview", "owner": "kari", "expires": "2026-12-31"}
    first = made["gaps"][0]
    first |= {"accepted": True, "waiver": waiver}
    for row in made["findings"]:
        if row["status"] == "unknown" and set(row["gaps"]) <= {first["url"]}:
            row["waiver"] = waiver
    return made


def agreed(made: dict[str, Any]) -> int:
    """How many undecided checks somebody accepted."""
    return sum(row["status"] == "unknown" and bool(row.get("waiver")) for row in made["findings"])
