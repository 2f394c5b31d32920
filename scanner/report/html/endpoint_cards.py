"""The endpoints that one card of the list shows: those of one resource that differ in their ports or names alone.

They have the same locks, the same severity and state, and the same fix answers them.
"""

from collections.abc import Iterable

from scanner.document.schema import ExposureRow
from scanner.report.views.summary import rating

MOST_ROWS = 500
"""The number of endpoints of one resource that are looked at for the first cards."""


def first_cards(exposures: Iterable[ExposureRow], most: int) -> tuple[list[list[ExposureRow]], int]:
    """Return the endpoints of the first cards, and the number of rows from the start that decide them.

    `exposures` are in the order of the page, where those of one resource and rating follow each other. As `cardsOf` in
    `endpoints.js`.
    """
    cards: list[list[ExposureRow]] = []
    run: tuple[str, str] | None = None
    of_run: dict[tuple[object, ...], list[ExposureRow]] = {}
    walked = start = 0
    for row in exposures:
        this = (row.resource, rating(row))
        if this != run:
            if len(cards) >= most:
                break
            run, of_run, start = this, {}, walked
        elif len(cards) >= most and walked - start >= MOST_ROWS:
            break
        walked += 1
        key = _key(row)
        if key not in of_run:
            of_run[key] = []
            cards.append(of_run[key])
        of_run[key].append(row)
    return cards[:most], walked


def _key(row: ExposureRow) -> tuple[object, ...]:
    may, fix = row.may, row.fix
    change = fix and (tuple(fix.commands), tuple(fix.steps), tuple(field.name for field in fix.fields))
    return (
        row.kind, row.reach, row.authentication, may and (may.reach, may.authentication), row.worst, row.reason,
        bool(row.new), row.since, change,
    )  # fmt: skip
