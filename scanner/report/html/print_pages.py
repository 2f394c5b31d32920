"""The parts of the page that only paper shows: the title of the first page, and the most severe endpoints."""

from collections.abc import Sequence
from typing import Any

from scanner.document.schema import Document, ExposureRow
from scanner.report.html.endpoint_cards import first_cards
from scanner.report.language.words import Words
from scanner.report.views.cards import ResourceNames, and_more, rating_word
from scanner.report.views.gaps import scope_names
from scanner.report.views.headline import left_out
from scanner.report.views.owners import ResourceOwners
from scanner.report.views.summary import rating

_WORST, _NAMED_SCOPES = 5, 12
_SETTLED = ("waived", "intended", "closed")


def print_pages(document: Document, exposures: Sequence[ExposureRow], names: ResourceNames, t: Words) -> dict[str, Any]:
    """Return the variables of `print_first.html.j2`; `exposures` are in the order of `ordered_exposures`."""
    scan = document.scan
    scopes = sorted(scope_names(document).values())
    more = [t("more_named", len(scopes) - _NAMED_SCOPES)] if len(scopes) > _NAMED_SCOPES else []
    owners = ResourceOwners(document)
    worst, _ = first_cards((each for each in exposures if rating(each) not in _SETTLED), _WORST)
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
                    "more": and_more(card, t),
                    "name": names.of(each.resource)["path"],
                    "place": names.group_path(each.resource),
                    "owner": owners.of(each.resource) or t("print.no_owner"),
                }
                for card in worst
                for each in card[:1]
            ],
        }
    }
