"""What a scan uses besides Twolocks itself: its settings file, rules folders, installed rule packages and logins."""

from collections.abc import Mapping, Sequence

from scanner.config.settings import Settings
from scanner.rulebook.loader import installed
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.text.masks import masked


def show(settings: Settings, screen: Screen, *, always: bool = True) -> None:
    """Print the settings file and the sources of rules, before any of them runs.

    `always`: also where only built-in rules are used; in a log then also that there is no settings file.
    """
    file, rules = str(settings.location or "none"), rule_sources(settings)
    if always or ";" in rules:
        screen.write([Line(file, "Settings", whole=True)] if settings.location else [], "settings", file)
        screen.write([Line(rules, "Rules", whole=True)] if ";" in rules else [], "rules", rules)


def rule_sources(settings: Settings) -> str:
    """Return where rules come from, and which installed packages are left out."""
    packages = [f"package {each}" for each in installed()]
    rows, code = folders(settings, "rules"), folders(settings, "rules-code")
    python = [*code, *(() if settings["no-rule-packages"] else packages)]
    texts = ["built-in"]
    texts += [f"rows from {', '.join(rows)}"] if rows else []
    texts += [f"Python from {', '.join(python)}"] if python else []
    texts += [f"not used: {', '.join(packages)}"] if packages and settings["no-rule-packages"] else []
    return "; ".join(texts)


def folders(settings: Settings, option: str) -> tuple[str, ...]:
    """Return the folders of `--rules` or `--rules-code`; none for a command without this option."""
    result: tuple[str, ...] = settings[option] if option in settings.options else ()
    return result


def show_logins(tenants: Mapping[str, str], notes: Sequence[str], screen: Screen) -> list[str]:
    """Print what must be known of the logins of several tenants. Return it without what looks like a secret.

    `tenants`: their names by id.
    """
    screen.tenants.update(tenants)
    result = [masked(each) for each in notes]
    for each in result:
        screen.write([Line(each, "Note")], "account", each)
    return result
