"""Writes a new rule into a rules folder: its row, and where it needs code its function or resource type."""

import ast
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from scanner.errors import InputError, nearest
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.rulebook.loader import RuleSet, forget, load
from scanner.rulebook.pinned_paths import path_below
from scanner.rulebook.row_files import line_of_rule, types_of
from scanner.store.temporary import AtomicFile

WIDTH = 120
STUB = '''

def {name}(resource: Resource, index: Index) -> Verdict:
    """Return Fail with evidence, Pass, Unknown or NotApplicable with the reason."""
    return Unknown("{name} is not written yet")
'''
IMPORTS = (
    ("scanner.model.index", ("Index",)),
    ("scanner.model.resource", ("Resource",)),
    ("scanner.model.verdict", ("Unknown", "Verdict")),
)
TYPE = '''"""{type}."""

from scanner.model.resource_type import ResourceType

{variable} = ResourceType("{type}", api="{api}")
'''


class RuleTarget(Struct, frozen=True):
    """What a rule reads: the Python variable `name` of `module` (`storage`), whose file is `file`."""

    of: ResourceType | Read
    module: str
    name: str
    file: Path


class Files(Struct):
    """The texts of a folder's files that are about to be written, and what they were before."""

    folder: Path
    after: dict[Path, str] = field(default_factory=dict)
    before: dict[Path, str | None] = field(default_factory=dict)

    def text(self, path: Path) -> str:
        """Return the text of a file with what was added, "" for a new one. Raise InputError."""
        if path not in self.after:
            self.before[path] = _text(path)
        return self.after.get(path, self.before[path] or "")

    def write(self) -> None:
        """Write each file beside its path, then rename it."""
        _write(self.after)

    def restore(self) -> None:
        """Put back what was there before."""
        _write({path: text for path, text in self.before.items() if text is not None})
        for path, text in self.before.items():
            if text is None:
                path.unlink(missing_ok=True)


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", at=str(path)) from None


def _write(texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        try:
            with AtomicFile(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}", at=str(path)) from None


def loaded(folder: Path, *, built_in: bool) -> RuleSet:
    """Return the rules as they are on disk now, with their Python: the built-in ones, and those of a folder."""
    forget(built_in=built_in)
    return load(code=[] if built_in else [folder], packages=False)


def find(type: str, rules: RuleSet) -> RuleTarget | None:
    """Return the variable of a type or read (`Microsoft.Web/sites/config/web`), None for an unknown one."""
    named: dict[ResourceType | Read, None] = {}
    for kind in rules.kinds:
        each_of: list[ResourceType | Read] = [kind, *kind.children]
        for of in each_of:
            names = {each.lower() for each in of.types} | {f"{each}{path_below(of)}".lower() for each in kind.types}
            if type.lower() in names:
                named[of] = None
    if len(named) > 1:
        known = sorted(f"{kind.type}{path_below(of)}" for of in named for kind in [_type_of(of)])
        raise InputError(f"{type} is read in several ways", do=f"give the path: {', '.join(known)}")
    return next((_target(of, rules) for of in named), None)


def _type_of(of: ResourceType | Read) -> ResourceType:
    return of if isinstance(of, ResourceType) else of.resource_type


def _target(of: ResourceType | Read, rules: RuleSet) -> RuleTarget:
    for stem, module in rules.modules.items():
        file = Path(str(module.__file__))
        for name, value in vars(module).items():
            if value is of and re.search(rf"^{name}\b.*=", file.read_text("utf-8"), re.MULTILINE):
                return RuleTarget(of, stem, name, file)
    raise InputError(f"{of} is no variable of a rule file", do="write the row by hand")


def add_type(files: Files, rules: RuleSet, id: str, type: str, api: str) -> RuleTarget:
    """Add the Python file of a type that no rule file names. Raise InputError."""
    stem = id.partition("-")[0]
    path = files.folder / f"{stem}.py"
    if path.exists() or stem in rules.modules:
        raise InputError(
            f"{stem}.py is there, and has other types",
            at=str(path),
            do=f'add to it: {variable(type)} = ResourceType("{type}", api="{api}")',
        )
    files.text(path)
    files.after[path] = TYPE.format(type=type, variable=variable(type), api=api)
    return RuleTarget(ResourceType(type, api=api), stem, variable(type), path)


def variable(type: str) -> str:
    """Return the name of the variable of a type: `WORKSPACE` of `.../workspaces`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type.rpartition("/")[2]).upper()
    return re.sub(r"IES$", "Y", words) if words.endswith("IES") else words.removesuffix("S")


def add_function(files: Files, target: RuleTarget, id: str) -> str:
    """Add a function to the Python file of the service, and return its name as the row gives it."""
    name = id.partition("-")[2].replace("-", "_")
    is_same_folder = target.file.parent == files.folder
    path = target.file if is_same_folder else files.folder / f"{target.module}_checks.py"
    text = files.text(path) or f'"""Checks of {target.module} that a row cannot express."""\n'
    files.after[path] = _with_imports(text).rstrip("\n") + "\n" + STUB.format(name=name)
    return name if is_same_folder else f"{path.stem}.{name}"


def _with_imports(text: str) -> str:
    """Return Python with the imports that the function needs after its other ones, and before its first line else."""
    tree = ast.parse(text)
    known = {(each.module, name.name) for each in tree.body if isinstance(each, ast.ImportFrom) for name in each.names}
    missing = []
    for module, names in IMPORTS:
        lacking = [name for name in names if (module, name) not in known]
        missing += [f"from {module} import {', '.join(lacking)}"] if lacking else []
    imports = [each for each in tree.body if isinstance(each, ast.ImportFrom | ast.Import)]
    head = tree.body[:1] if tree.body and isinstance(tree.body[0], ast.Expr) else []
    at = max((each.end_lineno or 0 for each in (*imports, *head)), default=0)
    lines = text.split("\n")
    gap = [] if imports or not missing else [""]
    return "\n".join([*lines[:at], *gap, *missing, *lines[at:]])


def add_row(files: Files, target: RuleTarget, id: str, row: Mapping[str, Any]) -> Path:
    """Add the row to the TOML file of the service, and return its path. All that the file had stays as it was."""
    path = files.folder / f"{target.module}.toml"
    before = files.text(path)
    newline = "\r\n" if "\r\n" in before else "\n"
    gap = "" if not before.strip() else newline if before.endswith("\n") else newline * 2
    files.after[path] = before + gap + newline.join(row_text(id, row)) + newline
    return path


def named_in(files: Files, target: RuleTarget, rules: RuleSet) -> str:
    """Return the variable as a row of the folder names it, "" for the only type of the Python file beside."""
    if target.file.parent != files.folder:
        return f"{target.module}.{target.name}"
    module = rules.modules.get(target.module)
    only = module is None or types_of(module) == [target.of]
    return "" if only and isinstance(target.of, ResourceType) else target.name


# The text of a row


def row_text(id: str, row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a row, at most 120 columns where words allow it. Empty values are left out."""
    yield f"[{id}]"
    tables = {}
    for key, value in row.items():
        if not isinstance(value, dict):
            yield from _pair(key, value)
        elif key == "fix" or len(f"{key} = {_inline(value)}") > WIDTH:
            tables[key] = value
        else:
            yield f"{key} = {_inline(value)}"
    for key, table in tables.items():
        yield f"[{id}.{key}]"
        for name, value in table.items():
            yield from _pair(name, value)


def _pair(key: str, value: Any) -> Iterator[str]:
    if value in ("", (), [], {}):
        return
    if isinstance(value, str) and "\n" in value:
        yield from _lines(key, value)
        return
    line = f"{key} = {_value(value)}"
    if len(line) <= WIDTH or not isinstance(value, str):
        yield line
        return
    words = _value(value)[1:-1]
    lines = textwrap.wrap(words, WIDTH - 5, break_long_words=False, break_on_hyphens=False)
    yield f'{key} = """\\'
    yield from (f"  {each} \\" for each in lines[:-1])
    yield f'  {lines[-1]}"""'


def _lines(key: str, value: str) -> Iterator[str]:
    """Yield a text that keeps its line breaks."""
    if "'''" in value or value.endswith("'") or not value.replace("\n", "").replace("\t", "").isprintable():
        yield f"{key} = {_value(value)}"
        return
    yield f"{key} = '''"
    yield from f"{value.strip()}'''".split("\n")


def _inline(table: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{_key(key)} = {_value(value)}" for key, value in table.items()) + " }"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return _inline(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def line(path: Path, id: str) -> int:
    """Return the line of a rule in its file."""
    return line_of_rule(path.read_text("utf-8"), id)


def check_loaded(files: Files, id: str, *, built_in: bool) -> Rule:
    """Write the files, load them and return the new rule. Put back the old ones and raise InputError for a fault."""
    files.write()
    try:
        rules = loaded(files.folder, built_in=built_in)
        faults = [each for each in rules.broken if Path(each.file) in files.after]
        if id in rules.rules and not faults:
            return rules.rules[id]
    except BaseException:
        files.restore()
        raise
    files.restore()
    first = faults[0] if faults else None
    what = first.error if first else "the row was not loaded"
    raise InputError(f"{what}; nothing was written", at=f"{Path(first.file).name}:{first.line}" if first else "")


def unknown_type(type: str, rules: RuleSet) -> InputError:
    """Return the error for a type that no rule file names."""
    known = {each.lower(): each for kind in rules.kinds for each in kind.types}
    near = ", ".join(known[each] for each in nearest(type, known, 1))
    hint = f"nearest: {near}; " if near else ""
    return InputError(f"no rule file names the type {type}", do=f"{hint}a new type: --api VERSION, such as 2026-05-01")
