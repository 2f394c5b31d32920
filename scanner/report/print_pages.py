"""The parts of the page that only paper shows: the title of the first page, and the most severe endpoints."""

from collections.abc import Sequence
from typing import Any

from scanner.document.reader import without_case
from scanner.document.schema import Document, ExposureRow
from scanner.report.cards import ResourceNames, rating_word
from scanner.report.gaps import scope_names
from scanner.report.headline import left_out
from scanner.report.summary import rating
from scanner.report.words import Words

_WORST, _NAMED_SCOPES = 5, 12
_SETTLED = ("waived", "intended", "closed")


def print_pages(document: Document, exposures: Sequence[ExposureRow], names: ResourceNames, t: Words) -> dict[str, Any]:
    """Return the variables of `print_first.html.j2`; `exposures` are in the order of `ordered_exposures`."""
    scan = document.scan
    scopes = sorted(scope_names(document).values())
    more = [t("more_named", len(scopes) - _NAMED_SCOPES)] if len(scopes) > _NAMED_SCOPES else []
    owners = _Owners(document)
    open_ones = (each for each in exposures if rating(each) not in _SETTLED)
    return {
        "print_first": {
            "taken": t("print.taken", date=t.date_and_time(scan.taken)),
            "scopes": ", ".join(scopes[:_NAMED_SCOPES] + more),
            "left_out": left_out(scan, t),
            "counts": " · ".join([t("count.resources", scan.resources), t("count.rules", len(document.rules))]),
            "has_owners": owners.known,
            "worst": [
                {
                    "rating": rating(each),
                    "word": rating_word(t, rating(each)),
                    "title": each.title or each.endpoint,
                    "name": names.of(each.resource)["path"],
                    "place": names.group_path(each.resource),
                    "owner": owners.of(each.resource) or t("print.no_owner"),
                }
                for each, _ in zip(open_ones, range(_WORST), strict=False)
            ],
        }
    }


class _Owners:
    """The value of the owner tag of resources; of a resource without the tag that of its parent."""

    def __init__(self, document: Document) -> None:
        self._tag = (document.scan.owner_tag or "").lower()
        self._find = without_case(document.resources if self._tag else {})
        self.known = bool(self._tag) and any(self._tagged(row.tags) for row in document.resources.values())

    def _tagged(self, tags: dict[str, str]) -> str:
        return next((value for name, value in tags.items() if name.lower() == self._tag), "")

    def of(self, resource: str) -> str:
        """Return the owner of a resource, "" where none is known."""
        _, row = self._find(resource) or ("", None)
        if row is None:
            return ""
        _, above = self._find(row.parent or "") or ("", None)
        return self._tagged(row.tags) or (self._tagged(above.tags) if above else "")
