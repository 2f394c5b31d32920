"""One script for Bash of the fixes of several findings: the command line writes it, and the report copies it.

Each finding has a piece (`piece_of`), which names no other finding. `script` orders pieces, joins those with the same
commands and puts the header before them. The report has the pieces and the header, and joins them in the same way
(`templates/report/script.js`).

Steps come in the order of a careful change: logs that show who calls, identities and roles, what opens a path or adds
an exception, what closes the network, what closes the other lock, everything else, what deletes or cannot be undone
(only with `--delete`), delete locks. Delete locks come last, because they refuse the deletions. A piece with an empty
variable stops the script, because a later one may close what this one was to keep open.
"""

import hashlib
import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from scanner.document.schema import Document, FieldRow, FindingRow, FixRow
from scanner.fix.checked import check_of, unchecked
from scanner.model.exposure import LOCKS
from scanner.model.ids import path_of
from scanner.terminal.streams import without_commands
from scanner.text.invisible import INVISIBLE, plain


class Order(IntEnum):
    """When a piece runs."""

    log = 0
    role = 1
    allow = 2
    network = 3
    authentication = 4
    rest = 5
    delete = 6
    lock = 7


class Piece(NamedTuple):
    """The part of a script for one finding."""

    order: Order
    finding: str
    """Its fingerprint, which `heading` has as `FINDING`."""
    label: str
    """What the script prints when it runs, quoted."""
    heading: str
    """Comments."""
    start: str
    """The variables, up to the label."""
    end: str
    """What follows the label. Findings with the same commands have the same start and end."""


_LOGS: Final = re.compile(r"az (monitor diagnostic-settings (subscription )?create|network watcher flow-log create) ")
_ROLES: Final = re.compile(r"az (role assignment create|keyvault set-policy) ")
_ALLOWS: Final = re.compile(
    r"az [a-z -]*(network-rule|ip-rule|virtual-network-rule|firewall-rule|access-restriction) (add|create) "
    r"|az network private-endpoint (create|dns-zone-group create) |az resource update .*--add "
)
_LOCKS: Final = re.compile(r"az lock create ")
_DELETES: Final = re.compile(
    r"az ([a-z][a-z0-9-]* )+(delete|purge|reset|revoke-access) |az rest --method delete "
    r"|--remove properties\.(locations|geoDataReplication\.locations|locations\.regions"
    r"|publishingProfile\.targetRegions) "
)
"""Commands that delete a resource, a rule or a copy of data, or end access that was granted."""
FINDING: Final = "@FINDING@"
"""In a heading: the fingerprint of the finding, so that headings that differ in nothing else are stored once."""
CHANGES, LEFT = "@CHANGES@", "@DELETIONS@"
"""In the header: the number of changes, and of those that only `--delete` runs."""
SCRIPT_IN_ENGLISH: Final = "# Rapporten er på norsk; skriptet er på engelsk.\n"


def script(document: Document, rows: Iterable[FindingRow]) -> str:
    """Return the script of the findings that have commands, "" where none has any."""
    return joined(header(document), [made for row in rows if (made := piece_of(row)) is not None])


def joined(head: str, pieces: Sequence[Piece]) -> str:
    """Return the script of pieces; those with the same commands are one, below the headings of all."""
    groups: dict[tuple[str, str], list[Piece]] = {}
    for each in sorted(pieces, key=lambda each: each.order):
        groups.setdefault((each.start, each.end), []).append(each)
    if not groups:
        return ""
    deletions = sum(several[0].order == Order.delete for several in groups.values())
    head = head.replace(CHANGES, str(len(groups))).replace(LEFT, str(deletions))
    return head + "".join(_numbered(number, len(groups), each) for number, each in enumerate(groups.values(), 1)) + END


def _numbered(number: int, total: int, pieces: Sequence[Piece]) -> str:
    first, headings = pieces[0], "".join(each.heading.replace(FINDING, each.finding) for each in pieces)
    return f"\n# ---- {number} of {total} ----\n{headings}{first.start}{first.label}{first.end}"


# A piece


def _plain(text: str) -> str:
    """Return a text for one line of comments or of output: nothing hidden, and nothing that a CI system runs."""
    return without_commands(plain(text))


def piece_of(row: FindingRow) -> Piece | None:
    """Return the piece of a finding; None without a failure or a command, or where one has hidden characters."""
    fix = row.fix
    if row.status != "fail" or fix is None or not fix.commands or _is_hidden(fix):
        return None
    order = order_of(row, fix)
    label = shlex.quote(f"{_plain(row.title)}: {_plain(path_of(row.resource))}")
    names = [each for each in fix.fields if any(f"<{each.name}>" in text for text in _commands(fix))]
    variables = "".join(f"{each.name}=''  # {_plain(each.what)}\n" for each in names)
    tests = "".join(f' && field {each.name} "${each.name}"' for each in names)
    lines = "".join(f"  {_line(each, names)}\n" for each in (*_saving(fix), *fix.commands))
    word = "deletion" if order == Order.delete else "change"
    start, end = f"{variables}if {word} ", f"{tests}; then\n{lines}  ran\nfi\n"
    return Piece(order, row.fingerprint[:16], label, _heading(row, fix), start, end)


def order_of(row: FindingRow, fix: FixRow) -> Order:
    """Return when the fix of a finding runs."""
    commands = [f"{unchecked(each)} " for each in fix.commands]
    if (fix.undo is not None and fix.undo.cannot) or any(map(_DELETES.search, commands)):
        return Order.delete
    for order, pattern in ((Order.log, _LOGS), (Order.role, _ROLES), (Order.allow, _ALLOWS), (Order.lock, _LOCKS)):
        if all(map(pattern.match, commands)):
            return order
    if row.category not in LOCKS:
        return Order.rest
    return Order.network if row.category == "network" else Order.authentication


def _is_hidden(fix: FixRow) -> bool:
    """Return whether a command has a character that is not seen, or a text that a CI system would run in a log."""
    return any(INVISIBLE.search(each) or without_commands(each) != each for each in _commands(fix))


def _commands(fix: FixRow) -> tuple[str, ...]:
    """Return what runs: what keeps the state before the fix in files, then the commands."""
    return (*(fix.undo.save if fix.undo is not None else ()), *fix.commands)


def _saving(fix: FixRow) -> list[str]:
    """Return the commands that keep the state before a fix, in a folder that no other change writes to."""
    if fix.undo is None or not fix.undo.save:
        return []
    folder = _folder(fix)
    return [f"mkdir -p {folder}", *(_FILE.sub(rf"> {folder}/\1", each) for each in fix.undo.save)]


def _folder(fix: FixRow) -> str:
    return f"before-{hashlib.sha256(fix.key.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


_FILE: Final = re.compile(r"> ([\w.-]+)$", re.ASCII)


def _heading(row: FindingRow, fix: FixRow) -> str:
    """Return the comments of a piece: what fails where, what the fix closes and breaks, where the undo stands."""
    lines = [
        f"{row.title} ({row.severity or 'unknown'})",
        f"resource: {row.resource}",
        f"finding:  {FINDING}, rule {row.rule}",
        *([f"closes:   {', '.join(fix.closes)}"] if fix.closes else []),
        *([f"closes:   {fix.others} other endpoints too"] if fix.others else []),
        *([f"leaves:   {', '.join(fix.leaves)} (open by something else, or not tried)"] if fix.leaves else []),
        f"impact:   {fix.impact or 'none is known'}",
        *([f"check:    {fix.check_first}"] if fix.check_first else []),
        *(f"by hand:  {each}" for each in fix.steps),
        _undo(fix),
    ]
    return "".join(f"# {_plain(each)}\n" for each in lines)


def _undo(fix: FixRow) -> str:
    undo = fix.undo
    if undo is None:
        return "undo:     none is known"
    if undo.cannot:
        return f"undo:     cannot be undone: {undo.cannot}"
    saved = f"; run it in the folder {_folder(fix)}, which has the former state" if undo.save else ""
    return f"undo:     stands in the report, on the card of finding {FINDING}{saved}"


def _line(command: str, fields: Iterable[FieldRow]) -> str:
    """Return a command as the script has it: variables in place of fields; it ends the script where it fails."""
    command = with_variables(command, {each.name for each in fields})
    if check_of(command):
        return f"{{ {command} >/dev/null; }} || exit 1"
    return command if command.startswith("mkdir ") or " > before-" in command else f"{command} >/dev/null"


def with_variables(command: str, names: Collection[str]) -> str:
    """Return a command with variables of the shell in place of its fields, whatever quotes they stand in."""
    result: list[str] = []
    quote, at = "", 0
    while at < len(command):
        hit = _FIELD.match(command, at)
        if hit is not None and hit[1] in names:
            result.append(_VARIABLE[quote].format(hit[1]))
            at = hit.end()
            continue
        length = 2 if command[at] == "\\" and quote != "'" else 1
        if command[at] in "'\"" and quote in ("", command[at]):
            quote = "" if quote else command[at]
        result.append(command[at : at + length])
        at += length
    return "".join(result)


_FIELD: Final = re.compile(r"<([A-Z][A-Z0-9_]*)>")
_VARIABLE: Final = {"": '"${{{}}}"', "'": "'\"${{{}}}\"'", '"': "${{{}}}"}
"""How a variable is written outside of quotes and in each of them."""


# The header


def header(document: Document, language: str = "en") -> str:
    """Return what stands before the pieces, with `CHANGES` and `LEFT` in place of numbers.

    `language`: of the report; one that is not in English says that the script is.
    """
    ids = sorted({each.subscription.lower() for each in document.coverage.scopes if each.subscription})
    head = HEADER.format(taken=_plain(document.scan.taken), ids="".join(f"#   {_plain(each)}\n" for each in ids))
    first, _, rest = head.partition("\n")
    return f"{first}\n{SCRIPT_IN_ENGLISH}{rest}" if language == "nb" else head


HEADER: Final = """\
#!/usr/bin/env bash
# Changes that close findings of a Twolocks scan: for Bash and the Azure CLI, as in Azure Cloud Shell.
# Twolocks only reads. It changed nothing and did not run this: you run it, with your own identity (az login).
# Scanned: {taken}. Subscriptions:
{ids}# Changes: @CHANGES@. Of these, @DELETIONS@ delete something or cannot be undone: they run only with --delete.
#
# Save it as a file, read each change and its impact, fill in the empty variables, then run it:
#   bash FILE [--from N] [--skip-open] [--delete] [--yes]
# --from N     begin with change N
# --skip-open  leave out changes with an empty variable; without it, such a change stops the script, because a later
#              one may close what it was to keep open
# --delete     also run what deletes something or cannot be undone
# --yes        do not ask before the first change
# Order: logs, roles, what allows, what closes the network, what closes sign-ins by keys, the rest, what deletes,
# delete locks (last, because they refuse deletions). Files with a former state are never overwritten.
# shellcheck disable=SC2015,SC2016
set -euo pipefail
set -o noclobber
export AZURE_CORE_OUTPUT=json
TOTAL=@CHANGES@ FROM=1 NUMBER=0 RAN=0 EMPTY=0 DELETIONS=0 LABEL='' YES='' DELETE='' SKIP=''

usage() {{
  echo "Usage: bash $0 [--from N] [--skip-open] [--delete] [--yes]" >&2
  exit 2
}}
while (($#)); do
  case $1 in
    --yes) YES=1 ;;
    --delete) DELETE=1 ;;
    --skip-open) SKIP=1 ;;
    --from)
      [[ ${{2:-}} =~ ^[1-9][0-9]{{0,5}}$ ]] || usage
      FROM=$2
      shift
      ;;
    *) usage ;;
  esac
  shift
done

change() {{  # change LABEL: whether it runs
  NUMBER=$((NUMBER + 1)) LABEL=$1
  ((NUMBER >= FROM)) || return 1
  printf '== %s of %s: %s\\n' "$NUMBER" "$TOTAL" "$LABEL"
}}
deletion() {{  # deletion LABEL: whether it runs, which needs --delete
  change "$1" || return 1
  [[ -z $DELETE ]] || return 0
  DELETIONS=$((DELETIONS + 1))
  echo "   left out: it deletes something or cannot be undone (--delete)"
  return 1
}}
field() {{  # field NAME VALUE: whether it has a value
  [[ -z $2 ]] || return 0
  if [[ $SKIP ]]; then
    EMPTY=$((EMPTY + 1))
    echo "   left out: the variable $1 is empty"
    return 1
  fi
  echo "   The variable $1 is empty: put a value between its quotes, or leave the change out (--skip-open)." >&2
  exit 1
}}
ran() {{
  RAN=$((RAN + 1))
}}
ended() {{
  local code=$?
  if ((code && NUMBER)); then
    printf 'Stopped in change %s of %s: %s\\n' "$NUMBER" "$TOTAL" "$LABEL" >&2
    printf 'Run before it: %s changes. To go on with this one, with the same options: bash %q --from %s\\n' \\
      "$RAN" "$0" "$NUMBER" >&2
  fi
}}
trap ended EXIT

if [[ -z $YES ]]; then
  if [[ ! -t 0 ]]; then
    echo "Nothing was changed: there is no terminal to ask. To run it without a question: bash $0 --yes" >&2
    exit 2
  fi
  read -r -p "Make up to $TOTAL changes in Azure, from number $FROM on? [y/N] " ANSWER
  [[ $ANSWER == y || $ANSWER == Y ]] || {{
    echo "Nothing was changed." >&2
    exit 2
  }}
fi
"""
END: Final = """
NUMBER=0
printf 'Changes made: %s. Left out: %s that need --delete, %s with an empty variable.\\n' "$RAN" "$DELETIONS" "$EMPTY"
"""
