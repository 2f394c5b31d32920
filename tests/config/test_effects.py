"""What a settings file that was not named may say: every setting has an effect, and the harmless ones are these."""

from scanner.config.commands import SCAN_SETTINGS
from scanner.config.keys import EFFECTS, TABLES
from scanner.config.options import Effect


def effects() -> dict[str, Effect | None]:
    """The effect of every setting of a file."""
    keys = {f"{table}.{key.name}": key.effect for table, matches in TABLES.items() for key in matches or ()}
    free = {table: EFFECTS.get(table) for table, matches in TABLES.items() if matches is None}
    return {f"scan.{option.name}": option.effect for option in SCAN_SETTINGS} | keys | free


def test_every_setting_has_an_effect() -> None:
    assert [name for name, effect in effects().items() if effect is None] == []


def test_what_is_harmless() -> None:
    harmless = {name for name, effect in effects().items() if effect is Effect.harmless}
    assert harmless == {
        *("scan.effective", "scan.no-journal", "scan.verbose"),
        *("report.tags", "report.owner-tag", "report.language"),
    }
