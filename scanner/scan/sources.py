"""What a scan uses besides Twolocks itself: its settings file, rules folders and installed rule packages."""

from scanner.config.settings import Settings
from scanner.rulebook.loader import installed
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen


def show(settings: Settings, screen: Screen) -> None:
    """Print the settings file and the sources of rules, before any of them runs."""
    file, rules = str(settings.place or "none"), rule_sources(settings)
    screen.write([Line(file, "Settings", whole=True)] if settings.place else [], "settings", file)
    screen.write([Line(rules, "Rules", whole=True)] if ";" in rules else [], "rules", rules)


def rule_sources(settings: Settings) -> str:
    """Return where rules come from, and which installed packages are left out."""
    found = [str(each) for each in installed()]
    packages = [f"package {each}" for each in found]
    python = [*settings["rules-code"], *(() if settings["no-rule-packages"] else packages)]
    parts = ["built-in"]
    parts += [f"rows from {', '.join(settings['rules'])}"] if settings["rules"] else []
    parts += [f"Python from {', '.join(python)}"] if python else []
    parts += [f"not used: {', '.join(packages)}"] if packages and settings["no-rule-packages"] else []
    return "; ".join(parts)
