"""`twolocks rules new`: writes a rule into a rules folder."""

import re
import sys
from pathlib import Path
from typing import Any

from scanner.cli.common import allow_python, write_line
from scanner.config.settings import DEFAULT, Settings
from scanner.content import content
from scanner.errors import InputError
from scanner.model.rule import CATEGORIES
from scanner.model.severity import SEVERITIES
from scanner.rulebook import loader, new_rule
from scanner.rulebook.loader import RuleSet
from scanner.rulebook.new_rule import Files, RuleTarget
from scanner.store.locks import edit_lock

EXAMPLES = {
    "type": "Microsoft.Storage/storageAccounts",
    "path": "properties.supportsHttpsTrafficOnly",
    "good": "true",
    "bad": "TLS1_0",
    "source": '"REST specification: the default is true"',
    "title": '"Storage account accepts plain HTTP"',
    "pass-title": '"Only HTTPS is accepted"',
    "category": "transport",
    "severity": "high",
    "why": '"Data and keys cross the network in plain text."',
    "fix-az": '"az storage account update --ids {id} --https-only true"',
    "fix-impact": '"Clients that use plain HTTP."',
}
ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
ARM_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9.]*(/[A-Za-z0-9]+)+")
PATH = re.compile(r"([A-Za-z0-9/]+ )?[A-Za-z0-9]+(\.[A-Za-z0-9]+)*")
"""A property of the resource, or of a single child, named before it."""
API = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")


def run(settings: Settings, id: str) -> int:
    """Write the rule, print file and line of what was written, and return the exit code. Raises InputError."""
    _check(settings, id)
    folder, built_in = _folder(settings["into"])
    if not built_in:
        allow_python(folder, run_code=settings["run-code"])
    files = Files(folder)
    with edit_lock(folder):
        path = _write(settings, id, files, built_in=built_in)
    for each, line in [(path, new_rule.line(path, id)), *_code_lines(files)]:
        sys.stdout.write(f"{_shown(each)}:{line}\n")
    code = " --run-code" if not built_in and loader.python_files(folder) else ""
    write_line(f"Next: twolocks rules test {_shown(folder)} --only {id}{code}")
    return 0


def _write(settings: Settings, id: str, files: Files, *, built_in: bool) -> Path:
    """Write the rule and return the path of its row. The folder is locked, so that no other rule is lost."""
    rules = new_rule.loaded(files.folder, built_in=built_in)
    _new_id(id, rules)
    target = _target(settings, id, files, rules)
    path = new_rule.add_row(files, target, id, _row(settings, id, files, target, rules))
    new_rule.check_loaded(files, id, built_in=built_in)
    return path


def _check(settings: Settings, id: str) -> None:
    """Raise InputError for options that are missing or bad."""
    missing = [name for name in EXAMPLES if not settings[name] and _required(name, settings)]
    if missing:
        words = [f"--{name}" for name in missing]
        text = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
        do = " ".join(f"--{name} {EXAMPLES[name]}" for name in missing)
        raise InputError(f"rules new needs {text}", do=do)
    if not ID.fullmatch(id):
        raise InputError(f'"{id}" is no rule id', do="write service-fault, such as storage-plain-http")
    if not ARM_TYPE.fullmatch(settings["type"]):
        raise InputError(f'"{settings["type"]}" is no resource type', do=f"--type {EXAMPLES['type']}")
    if settings["category"] not in CATEGORIES:
        raise InputError(f'there is no category "{settings["category"]}"', do=f"known: {', '.join(CATEGORIES)}")
    if settings["severity"] not in SEVERITIES:
        raise InputError(f'no severity is called "{settings["severity"]}"', do=f"known: {', '.join(SEVERITIES)}")
    if settings["api"] and not API.fullmatch(settings["api"]):
        raise InputError(f'"{settings["api"]}" is no api-version', do="--api 2026-05-01")
    for name, example in EXAMPLES.items():
        values = settings[name] if name in ("good", "bad") else (settings[name],)
        if not all(each.isprintable() for each in values):
            raise InputError(f"--{name} is one line of text", do=f"--{name} {example}")


def _required(name: str, settings: Settings) -> bool:
    if name in ("path", "good"):
        return not settings["code"]
    if name == "bad":
        return not settings["code"] and not all(isinstance(_value(each), bool) for each in settings["good"])
    return _gives_absent(settings) if name == "source" else True


def _gives_absent(settings: Settings) -> bool:
    """Return whether `--absent` is given: an empty text is a value, too."""
    return settings.options["absent"].source != DEFAULT


def _folder(into: str) -> tuple[Path, bool]:
    """Return the rules folder, and whether it is the built-in one."""
    built_in = content("rules")
    if not into:
        if not (built_in.parent / "pyproject.toml").is_file():
            raise InputError("rules new needs --into: this is no working copy of Twolocks", do="--into my-rules")
        return built_in, True
    folder = Path(into).resolve()
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", at=f"--into {into}", do=f"mkdir -p {into}")
    return folder, folder == built_in


def _new_id(id: str, rules: RuleSet) -> None:
    aliases = {old: rule.id for rule in rules.rules.values() for old in rule.old_ids}
    if known := next((rule for rule in rules.rules.values() if rule.id == id), None):
        raise InputError(f"the rule {id} exists", at=rules.files[known.key], do="choose another id")
    if now := aliases.get(id):
        raise InputError(f"the id {id} is taken: it was an id of {now}", do="ids are never reused; choose another one")


def _target(settings: Settings, id: str, files: Files, rules: RuleSet) -> RuleTarget:
    """Return what the rule reads; a type that no rule file names gets its Python file."""
    type, api = settings["type"], settings["api"]
    target = new_rule.find(type, rules)
    if target is None:
        if not api:
            raise new_rule.unknown_type(type, rules)
        return new_rule.add_type(files, rules, id, type, api)
    if api and api != target.of.api:
        raise InputError(f"{type} is read at {target.of.api}, not {api}", at=str(target.file), do="leave out --api")
    return target


def _row(settings: Settings, id: str, files: Files, target: RuleTarget, rules: RuleSet) -> dict[str, Any]:
    of = new_rule.named_in(files, target, rules)
    check: dict[str, Any] = {"of": of} if of else {}
    if settings["code"]:
        check["function"] = new_rule.add_function(files, target, id)
    else:
        check |= {"path": settings["path"], "good": [_value(each) for each in settings["good"]]}
        check |= {"bad": [_value(each) for each in settings["bad"]]} if settings["bad"] else {}
        check |= {"absent": _value(settings["absent"])} if _gives_absent(settings) else {}
    row: dict[str, Any] = {name.replace("-", "_"): settings[name] for name in ("title", "pass-title", "category")}
    row |= {"severity": settings["severity"], "check": check, "source": settings["source"], "why": settings["why"]}
    row |= {name: _one(settings[name]) for name in ("controls", "learn")}
    fix: dict[str, Any] = {name: settings[f"fix-{name}"] for name in ("az", "impact", "terraform", "portal")}
    return {**row, "fix": {**fix, "change": dict(map(_change, settings["fix-change"]))}}


def _change(text: str) -> tuple[str, Any]:
    """Return path and value of a change, `properties.isSftpEnabled=false`. Raise InputError."""
    path, separator, value = text.partition("=")
    if not PATH.fullmatch(path) or not separator or not value.isprintable():
        example = "--fix-change properties.isSftpEnabled=false"
        raise InputError(f'"{text}" is no change', do=f"write a path, = and the new value: {example}")
    return path, _value(value)


def _one(values: tuple[str, ...]) -> str | tuple[str, ...]:
    return values[0] if len(values) == 1 else values


def _value(text: str) -> bool | int | str:
    """Return a value as TOML has it: true, false, a number, else a text; quotes make a text of any of them."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _code_lines(files: Files) -> list[tuple[Path, int]]:
    """Return each Python file that was written, with the line of what was added last."""
    result = []
    for path, text in files.after.items():
        if path.suffix == ".py":
            lines = text.split("\n")
            last = [number for number, line in enumerate(lines, 1) if re.match(r"def |[A-Z_]+ = ", line)]
            result.append((path, last[-1]))
    return result


def _shown(path: Path) -> str:
    """Return a path from the working folder where it lies below it."""
    here = Path().resolve()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
