"""Endpoints, resources and failed findings by service, which is a top-level resource type with all below it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct, field

from scanner.document.schema import Document, ExposureRow, FindingRow
from scanner.model.ids import root_of, type_of
from scanner.model.severity import SEVERITIES
from scanner.model.type_names import type_name
from scanner.report.language.messages import exactly
from scanner.report.language.naming import product_names
from scanner.report.language.words import Words
from scanner.text.invisible import plain

SHOWN: Final = 12
"""The services in the table of the page; one line has the others."""


class Service(Struct):
    """A service. `type`: as first written; `types`: those of its rows, in lower case. `resources`: top-level ones.

    `endpoints`, and those of them that are `open`. `failed`: failed findings by severity.
    """

    type: str
    resources: int = 0
    endpoints: int = 0
    open: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    types: set[str] = field(default_factory=set)

    @property
    def order(self) -> tuple[list[int], int, str]:
        """What sorts services: the most severe first."""
        return [-self.failed[each] for each in SEVERITIES], -self.open, self.type.lower()

    def add(self, other: "Service") -> None:
        """Add the numbers of another one."""
        self.resources += other.resources
        self.endpoints += other.endpoints
        self.open += other.open
        self.failed.update(other.failed)


class Services:
    """Counts what a document has by service. Feed each endpoint and finding once."""

    def __init__(self, document: Document) -> None:
        self._services: dict[str, Service] = {}
        self._products = product_names(document.coverage)
        self._roots: set[int] = set()
        """The hashes of the top-level resources that have an endpoint."""
        for row in document.coverage.types:
            self._of(row.type).resources += row.resources

    def _of(self, type: str) -> Service:
        family = "/".join(type.split("/")[:2])
        return self._services.setdefault(family.lower(), Service(family))

    def _at(self, resource: str) -> Service:
        type = type_of(resource)
        service = self._of(type)
        service.types.add(type.lower())
        return service

    def exposure(self, row: ExposureRow) -> None:
        """Count an endpoint."""
        service = self._at(row.resource)
        service.endpoints += 1
        service.open += row.state == "open"
        self._roots.add(hash(root_of(row.resource) or row.resource.lower()))

    def finding(self, row: FindingRow) -> None:
        """Count a finding."""
        if row.status == "fail" and row.severity:
            self._at(row.resource).failed[row.severity] += 1

    @property
    def with_endpoint(self) -> int:
        """Return the number of top-level resources that have an endpoint."""
        return len(self._roots)

    def rows(self) -> list[Service]:
        """Return the services that have an endpoint or a failed finding, the most severe first."""
        known = [each for each in self._services.values() if each.endpoints or each.failed]
        return sorted(known, key=lambda each: each.order)

    def named(self, t: Words) -> list[tuple[str, Service]]:
        """Return the services with their names, in the order of `rows`."""
        return [(service_name(each, self._products, t), each) for each in self.rows()]

    def view(self, t: Words) -> dict[str, Any]:
        """Return the table of the page."""
        rows = self.named(t)
        shown, rest = (rows, []) if len(rows) <= SHOWN + 1 else (rows[:SHOWN], rows[SHOWN:])
        others = Service("")
        for _, each in rest:
            others.add(each)
        lines = [_line(each, name, self._query(each)) for name, each in shown]
        lines += [_line(others, t("services.others", len(rest)), "")] if rest else []
        return {"rows": lines, "severities": SEVERITIES, "count": t("services.count", len(rows))}

    def _query(self, service: Service) -> str:
        """Return the filter of a service. It lists the types only where its own is the beginning of another's."""
        own = service.type.lower()
        others = (type for key, each in self._services.items() if key != own for type in each.types)
        return ",".join(f"={each}" for each in sorted(service.types)) if any(own in each for each in others) else own


def service_name(service: Service, products: Mapping[str, str], t: Words) -> str:
    """Return what people call a service; that of rows without a type is the subscription."""
    return plain(exactly(type_name(service.type, products), t)) if service.type else t("services.subscription")


def _line(service: Service, name: str, types: str) -> dict[str, Any]:
    def href(view: str, query: str) -> str:
        return f"#{view}?q={quote(f'{query} type:{types}', safe=':,/').replace('%20', '+')}" if types else ""

    return {
        "name": name,
        "resources": service.resources,
        "endpoints": service.endpoints,
        "open": service.open,
        "open_href": href("endpoints", "status:open") if service.open else "",
        "href": href("findings", "status:fail") if service.failed else "",
        "failed": [service.failed[each] for each in SEVERITIES],
        "look": next((each for each in SEVERITIES if service.failed[each]), ""),
    }
