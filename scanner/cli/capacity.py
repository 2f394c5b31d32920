"""`twolocks show capacity`: quotas, reservations, single zones and global control planes of a scan."""

from pathlib import Path

from scanner.cli.show import show
from scanner.config.settings import Settings
from scanner.config.waiver_proposal import read_findings
from scanner.document.capacity_rows import CapacityRow, ControlPlaneRow, QuotaRow, ReservationRow, SpreadRow
from scanner.report.views.capacity import STATES, Capacity, is_tight, reservation_name, sentence

HEADS = ("state", "what", "name", "where", "used", "of", "left", "note")


def run(settings: Settings, file: str) -> int:
    """Print the capacity of a findings file, and return the exit code. Raises InputError."""
    document = read_findings(Path(file), file)
    rows = [row for row in Capacity.of(document.capacity).rows if not settings["tight"] or is_tight(row)]
    names = {each.subscription.lower(): each.name for each in document.coverage.scopes}
    return show(document, rows, lambda row: _cells(row, names), HEADS, sentence(document), settings, name=2)


def _cells(row: CapacityRow, names: dict[str, str]) -> tuple[str, ...]:
    match row:
        case QuotaRow():
            name, subscription = row.name or row.provider or "all", names.get(row.subscription, row.subscription)
            where = ", ".join(filter(None, (row.region, subscription)))
            share = "" if row.share is None else f"{row.share} % left"
            return STATES[row.state], "quota", name, where, *_numbers(row.used, row.limit, row.left), row.why or share
        case ReservationRow():
            where = ", ".join(filter(None, (row.region, " ".join(row.zones))))
            numbers = _numbers(row.used, row.reserved, row.left)
            return STATES[row.state], "reservation", reservation_name(row), where, *numbers, row.why or row.sku
        case SpreadRow():
            total = row.single + row.spread + row.unknown
            note = f"in one {row.over[:-1]}: {row.single:,}" + (f"; not known: {row.unknown:,}" if row.unknown else "")
            return "info", row.over, row.title, row.rule, "", f"{total:,}", "", note
        case ControlPlaneRow():
            count = "all" if row.resources is None else f"{row.resources:,}{'' if row.complete else ' or more'}"
            return "info", "control plane", row.service, "global", "", count, "", row.reason


def _numbers(used: int | None, most: int | None, left: int | None) -> tuple[str, str, str]:
    """Return what is used of how much, and what is left; "" for what is not known."""
    used_, most_, left_ = ("" if each is None else f"{each:,}" for each in (used, most, left))
    return used_, most_, left_
