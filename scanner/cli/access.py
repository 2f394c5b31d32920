"""`twolocks access`: the rules that the current identity can evaluate, and the least-privilege role for them."""

import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from scanner import version
from scanner.cli.common import print_json, show_broken, stopping
from scanner.config.settings import Settings
from scanner.exit_codes import FINE, INCOMPLETE
from scanner.reach.paths.effective_rules import ACTIONS as EFFECTIVE
from scanner.rulebook import permissions as access
from scanner.rulebook.loader import RuleSet
from scanner.rulebook.registered_actions import granted, unverified
from scanner.scan.job import chosen
from scanner.scan.permission_assessment import MissingAction, ScopeAccess, assess, for_view, missing
from scanner.scan.permission_reading import asked_permissions
from scanner.terminal.lines import Line
from scanner.terminal.screen import VIEWS, Screen
from scanner.terminal.signals import Stop
from scanner.terminal.tables import table
from scanner.terminal.text import clean, many

DENIED = "Azure's response does not include deny assignments; one may still block a read that a role allows"
SHOWN = 3
_UNVERIFIED = ": not verified; Azure refuses the whole role if it has not registered this action"


def check(settings: Settings) -> int:
    """Print which rules can be evaluated, and return the exit code. Raises InputError and errors of a collection."""
    screen = Screen()
    rules = chosen(settings, screen)
    with stopping(screen) as stop:
        code = _check(rules, settings, screen, stop)
    show_broken(rules.broken)
    return 2 if rules.broken else code


def role(settings: Settings) -> int:
    """Print the least-privilege role, and return the exit code. Raises InputError."""
    scopes = [access.scope(each, settings.at("scope", each)) for each in settings["scope"]]
    rules = chosen(settings, Screen())
    needed = access.actions(rules, settings["effective"])
    actions = [each for each in needed if access.is_safe(each)]
    sys.stdout.write(access.role(actions, scopes, settings["format"]) + "\n")
    show_broken(rules.broken)
    left_out = [each for each in needed if each not in actions]
    Screen().last([Line(f"{clean(each)}, because it does not read one type", "Left out") for each in left_out])
    Screen().last([Line(f"{clean(each)}{_UNVERIFIED}", "Note") for each in unverified(actions)])
    is_json = settings["format"] == "json"
    count = len(rules.enabled_questions())
    text = f"Role: {len(granted(actions))} read actions for {count} rules; no secrets, no writes."
    if not settings["scope"]:
        text += " Add your subscription to it, or use --scope /subscriptions/ID."
    command = Line("az role definition create --role-definition role.json", column=0, whole=True)
    Screen().last([Line(f"{text} Next:", column=0), command] if is_json else [Line(text, column=0)])
    return 2 if rules.broken else 0


def _check(rules: RuleSet, settings: Settings, screen: Screen, stop: Stop) -> int:
    asked = asked_permissions(rules, settings, screen, stop)
    scopes = assess(rules, asked.permissions, settings["effective"])
    lacks = [*missing(rules, scopes, settings["effective"]), *for_view(scopes, asked.refused)]
    count = len(rules.enabled_questions())
    code, why = end(scopes, lacks, count, asked.unread)
    if settings["format"] == "json":
        document = _document(scopes, lacks, count, code)
        print_json(document | ({"not-read": asked.unread} if asked.unread else {}))
    else:
        _text(scopes, lacks, count)
    screen.last([*_notes(scopes, lacks, settings), Line(why, f"Exit {code}")])
    return code


def end(
    scopes: Sequence[ScopeAccess], lacks: Sequence[MissingAction], count: int, unread: Sequence[str] = ()
) -> tuple[int, str]:
    """Return the exit code and its reason. `unread`: what of the scope could not be listed."""
    short = [each for each in scopes if each.inconclusive]
    partly = [each.name for each in scopes if each.rights.view == "partial"]
    texts = []
    if len(short) > SHOWN:
        most = max(each.inconclusive for each in short)
        texts.append(
            f"up to {many(most, 'rule')} in {len(short):,} of {len(scopes):,} subscriptions cannot be evaluated"
        )
    elif short:
        first, *others = [(each.inconclusive, each.name) for each in short]
        more = _and([f"{many(first[0], 'rule')} in {first[1]}", *(f"{number:,} in {name}" for number, name in others)])
        texts.append(f"{more} cannot be evaluated")
    if partly:
        texts.append(
            f"{_named(partly)} {'has' if len(partly) == 1 else 'have'} partial visibility; other resources may exist"
        )
    if unread:
        texts.append(f"{_and(unread)} could not be read")
    if any(each.action in EFFECTIVE for each in lacks):
        texts.append("scan --effective would be incomplete")
    if texts:
        return INCOMPLETE, "; ".join(texts)
    return (
        FINE,
        f"the roles of this identity allow all reads of {count:,} rules in {_named([each.name for each in scopes])}",
    )


def _named(names: Sequence[str]) -> str:
    return _and(names) if len(names) <= SHOWN else f"{len(names):,} subscriptions"


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _text(scopes: Sequence[ScopeAccess], lacks: Sequence[MissingAction], count: int) -> None:
    piped = not sys.stdout.isatty()
    rows = []
    for each in scopes:
        text = f"{count - each.inconclusive:,} of {many(count, 'rule')} can be evaluated"
        text += f", {len(each.unknown):,} unknown" if each.unknown else ""
        # A name of Azure never comes first, because a CI system may read the beginning of a line as a command.
        rows.append(["scope", each.name, text, VIEWS[each.rights.view], *([each.scope] if piped else [])])
    table(rows, sys.stdout, os.environ, 1)
    if piped:
        more = [["missing", _affected(row), row.action, ", ".join(row.names), ", ".join(row.rules)] for row in lacks]
        table(more, sys.stdout, os.environ)
        return
    wide = max((len(_affected(row)) for row in lacks), default=0)
    for row in lacks:
        sys.stdout.write(f"missing  {_affected(row):<{wide}}  {clean(row.action)}\n")


def _affected(row: MissingAction) -> str:
    if row.for_view:
        return "visibility"
    return "scan --effective" if row.action in EFFECTIVE else many(len(row.rules), "rule")


def _notes(scopes: Sequence[ScopeAccess], lacks: Sequence[MissingAction], settings: Settings) -> list[Line]:
    lines = []
    for scope in scopes:
        silent = [f"{name} ({why})" for name, why in scope.rights.reasons.items() if name != "*"]
        if "*" in scope.rights.reasons:
            lines.append(
                Line(f"the resource groups of {scope.name} could not be listed: {scope.rights.reasons['*']}", "Unknown")
            )
        if silent:
            more = f" and {len(silent) - SHOWN:,} more" if len(silent) > SHOWN else ""
            lines.append(Line(f"resource groups of {scope.name}: {', '.join(silent[:SHOWN])}{more}", "Unknown"))
    lines.append(Line(DENIED, "Note"))
    if lacks:
        command = ["twolocks", "access", "role", *(["--effective"] if settings["effective"] else [])]
        command += [
            word
            for name in ("only", "skip", "rules", "rules-code")
            for each in settings[name]
            for word in (f"--{name}", each)
        ]
        command += ["--no-rule-packages"] if settings["no-rule-packages"] else []
        lines += [
            Line("create a role that allows all of them:", "Next"),
            Line(f"{shlex.join(command)} > role.json", whole=True),
        ]
    return lines


def _document(scopes: Sequence[ScopeAccess], lacks: Sequence[MissingAction], count: int, code: int) -> dict[str, Any]:
    return {
        "tool": f"twolocks {version()}",
        "rules": count,
        "scopes": [
            {
                "scope": each.scope,
                "name": each.name,
                "view": each.rights.view,
                "decided": count - each.inconclusive,
                "undecided": sorted(each.lacking),
                "unknown": sorted(each.unknown),
                "not-asked": dict(sorted(each.rights.reasons.items())),
            }
            for each in scopes
        ],
        "missing": [{"action": each.action, "rules": each.rules, "scopes": each.scopes} for each in lacks],
        "exit": code,
    }
