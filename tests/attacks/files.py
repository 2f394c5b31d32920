"""What a file holds, and what it claims."""

import html
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

from scanner.sandbox.faults import Fault
from scanner.sandbox.server import Sandbox, running
from scanner.snapshot.format import Chain
from tests.attacks.lab import GROUP, OPEN, SUBSCRIPTION, Ended, Lab, Outcome, attack, result
from tests.terminals import account, closed

Json = dict[str, Any]
WHOLE = "snapshot/test_whole.py::"
CHANGED = f"{WHOLE}test_a_changed_snapshot_is_refused_naming_the_line"
WRITE = "Microsoft.Authorization/roleAssignments/write"


def _resource(type: str, name: str, **properties: Any) -> Json:
    id = f"{GROUP}/providers/{type}/{name}"
    return {"id": id, "name": name, "type": type, "location": "norwayeast", "properties": properties}


@attack(2, "secrets of resources in a snapshot", "estate/test_canaries.py::test_no_canary_in_any_output")
def canaries(lab: Lab) -> Outcome:
    env = [{"name": "DB", "value": "canary-env"}]
    seeded = [
        _resource("Microsoft.App/containerApps", "app", template={"containers": [{"name": "a", "env": env}]}),
        _resource("Microsoft.Sql/servers", "sql", administratorLoginPassword="canary-password"),
        _resource("Microsoft.Cache/redis", "cache", accessKeys={"primaryKey": "canary-key"}),
        {**account("sttags"), "tags": {"note": "canary-tag"}},
    ]
    folder = lab.folder("canaries")
    ended = lab.scan(folder, seeded, "--snapshot", "night.jsonl", "--out", "findings.json")
    kept = {each for file in folder.iterdir() for each in re.findall(rb"canary-\w+", file.read_bytes())}
    return result(ended, bool(kept), f"{len(kept)} of 4 secrets in the files", "0 of 4 secrets in the files")


# A snapshot that somebody changed


def _changed(lab: Lab, name: str, how: Callable[[list[Json]], object], *, sealed: bool = True) -> tuple[Ended, Path]:
    """Scan a snapshot whose lines were changed. `sealed`: with the chain of the new lines, where there was one."""
    folder = lab.folder(f"changed-{name}")
    file = lab.taken(folder)
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    how(lines)
    texts, chain = [], Chain()
    for line in lines:
        target = line.get("end", line)
        if sealed and "chain" in target:
            target["chain"] = chain.text
        texts.append(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode())
        chain.add(texts[-1])
    file.write_bytes(b"".join(text + b"\n" for text in texts))
    return lab.run(folder, "scan", "--from", file.name), file


def _hides(lab: Lab, name: str, how: Callable[[list[Json]], object], *, sealed: bool = True) -> Outcome:
    ended, _ = _changed(lab, name, how, sealed=sealed)
    return result(ended, ended.code not in (1, 2), "the open account did not count", "refused")


def _body(lines: list[Json]) -> Json:
    """Return the record of the open account."""
    document: Json
    (document,) = [each["resource"] for each in lines if each.get("resource", {}).get("id") == OPEN["id"]]
    return document


def _without(lines: list[Json]) -> None:
    lines[:] = [each for each in lines if each.get("resource", {}).get("id") != OPEN["id"]]


def _without_any_trace(lines: list[Json]) -> None:
    """Leave out the account, what was read below it, and count less at the end."""
    before = len([each for each in lines if "resource" in each]), len([each for each in lines if "read" in each])
    lines[:] = [each for each in lines if OPEN["id"].lower() not in json.dumps(each).lower()]
    end = lines[-1]["end"]
    end["resources"] -= before[0] - len([each for each in lines if "resource" in each])
    end["reads"] -= before[1] - len([each for each in lines if "read" in each])
    end["gaps"] = len([each for each in lines if "gap" in each])


def _twice(lines: list[Json]) -> None:
    """Put a closed account with the same id behind the open one."""
    position = next(number for number, each in enumerate(lines) if "resource" in each)
    record = _body(lines)
    harmless = closed("stopen")["properties"]
    lines.insert(position + 1, {"resource": {**record, "body": {**record.get("body", {}), "properties": harmless}}})
    if "body" not in record:
        lines[position + 1] = {"resource": {**record, "properties": harmless}}
    lines[-1]["end"]["resources"] += 1


@attack(2, "line of the open account cut out of a snapshot", CHANGED)
def cut_line(lab: Lab) -> Outcome:
    return _hides(lab, "cut", _without, sealed=False)


@attack(2, "account cut out of a snapshot, counts of the end corrected", CHANGED)
def cut_with_counts(lab: Lab) -> Outcome:
    return _hides(lab, "counts", _without_any_trace)


@attack(2, "value changed in a snapshot", f"{WHOLE}test_every_changed_byte_and_line_is_told_by_the_chain")
def changed_value(lab: Lab) -> Outcome:
    def change(lines: list[Json]) -> None:
        record = _body(lines)
        record.get("body", record)["properties"] = closed("stopen")["properties"]

    return _hides(lab, "value", change, sealed=False)


@attack(2, "two records with one id in a snapshot", CHANGED)
def twice(lab: Lab) -> Outcome:
    ended, _ = _changed(lab, "twice", _twice)
    return result(ended, ended.code != 2, "one of the two counted", "refused")


@attack(2, "taken of a snapshot in the year 2099",
        f"{WHOLE}test_a_time_ahead_of_the_clock_is_refused_after_ten_minutes")  # fmt: skip
def future(lab: Lab) -> Outcome:
    ended, _ = _changed(lab, "future", lambda lines: lines[0]["snapshot"].update(taken="2099-01-01T00:00:00Z"))
    return result(ended, ended.code != 2, "accepted as the newest scan", "refused")


@attack(2, "unknown view in a snapshot", CHANGED)
def unknown_view(lab: Lab) -> Outcome:
    def change(lines: list[Json]) -> None:
        for each in lines:
            if "scope" in each:
                each["scope"]["view"] = "most"

    ended, _ = _changed(lab, "view", change)
    return result(ended, ended.code != 2, "ended as a defect" if ended.code == 70 else "accepted", "refused")


@attack(
    2,
    "history whose newest scan is ten years old",
    "history/test_changing_estate.py::test_a_scan_far_after_the_previous_one_is_reported",
)
def old_scan(lab: Lab) -> Outcome:
    folder = lab.folder("old")
    _, old = _changed(lab, "years", lambda lines: lines[0]["snapshot"].update(taken="2016-11-27T00:00:00Z"))
    lab.run(folder, "scan", "--from", old, "--history", "h.db")
    ended = lab.run(folder, "scan", "--from", lab.taken(folder), "--history", "h.db")
    return result(ended, "check the clock" not in ended.err, "nothing said", "told")


# Files and roles


@attack(
    2, "findings that others on the machine can read", "store/test_modes.py::test_a_new_file_is_for_its_owner_alone"
)
def readable_by_all(lab: Lab) -> Outcome:
    folder = lab.folder("modes")
    ended = lab.run(
        folder, "scan", "--from", lab.taken(folder.parent), "--out", "f.json", "--history", "h.db", first="umask 022"
    )
    open_files = sorted(each.name for each in folder.iterdir() if stat.S_IMODE(each.stat().st_mode) & 0o077)
    return result(ended, bool(open_files), f"{', '.join(open_files)} for all", "mode 0600")


@attack(2, "link under the temporary name of an output",
        "store/test_temporary.py::test_a_link_under_the_temporary_name_is_not_followed")  # fmt: skip
def link_under_temporary_name(lab: Lab) -> Outcome:
    """The names are those of the next processes; in a container the number is 1 each time."""
    folder = lab.folder("links")
    victim = folder.parent / "victim"
    victim.write_text("kept")
    file = lab.taken(folder.parent)
    for number in range(os.getpid(), os.getpid() + 6000):
        (folder / f".f.json.{number}.part").symlink_to(victim)
    ended = lab.run(folder, "scan", "--from", file, "--out", "f.json")
    return result(ended, victim.read_text() != "kept", "the user's file was overwritten", "the user's file is whole")


@attack(
    2,
    "action of an answer in the role to copy",
    "report/test_gaps.py::test_a_role_holds_no_action_that_an_answer_made_up",
)
def injected_action(lab: Lab) -> Outcome:
    text = f"The client 'x' with object id 'x' does not have authorization to perform action '{WRITE}' over scope '/'."
    body = json.dumps({"error": {"code": "AuthorizationFailed", "message": text}})
    refused = Fault("status", "*/providers/Microsoft.KeyVault/vaults", status=403, body=body)
    folder = lab.folder("role")
    ended = lab.scan(folder, [OPEN], "--no-graph", "--out", "f.json", "--out", "f.html", faults=[refused])
    page = html.unescape((folder / "f.html").read_text("utf-8")).replace('\\"', '"')
    roles = re.findall(r'"Actions":\s*\[[^\]]*\]', page)
    return result(ended, any(WRITE in each for each in roles), "the role holds it", "the role does not hold it")


@attack(2, "script in a name", "report/test_html.py::test_hostile_names_are_text")
def script_in_a_name(lab: Lab) -> Outcome:
    script = "<script>alert(1)</script>"
    folder = lab.folder("script")
    id = OPEN["id"].replace("stopen", f"st{script}")
    ended = lab.scan(folder, [{**OPEN, "id": id, "name": f"st{script}"}], "--out", "f.html")
    return result(ended, script in (folder / "f.html").read_text("utf-8"), "it is an element", "it is text")


# Journals, findings and parts


def _resumed(lab: Lab, name: str, change: Callable[[Json], object]) -> Ended:
    """Change each line of the journal of a scan in which a read failed, and go on with it."""
    folder = lab.folder(f"journal-{name}")
    busy = Fault("status", "*/providers/Microsoft.KeyVault/vaults", status=503)
    with running(Sandbox([OPEN], [SUBSCRIPTION], faults=[busy])) as box:
        lab.run(folder, "scan", "--no-graph", env=box.environment())
        (journal,) = (folder.parent / "home").rglob("*.journal")
        lines = []
        for raw in journal.read_bytes().splitlines():
            line = json.loads(raw[9:])
            change(line)
            text = json.dumps(line, separators=(",", ":")).encode()
            lines.append(b"%08x %b\n" % (crc32(text), text))
        journal.write_bytes(b"".join(lines))
        return lab.run(folder, "scan", "--no-graph", "--resume", journal, env=box.environment())


@attack(2, "journal of the year 2099", "snapshot/test_journal.py::test_a_journal_of_a_time_that_cannot_be_is_refused")
def future_journal(lab: Lab) -> Outcome:
    ended = _resumed(lab, "future", lambda line: line.get("journal", {}).update(taken="2099-01-01T00:00:00Z"))
    return result(ended, ended.code != 2, "the scan is one of 2099", "refused")


@attack(2, "key of a journal that is no number", "snapshot/test_journal.py::test_a_key_that_is_no_digest_is_refused")
def odd_key(lab: Lab) -> Outcome:
    ended = _resumed(lab, "key", lambda line: line.get("answer", {}).update(key="x" * 32))
    return result(ended, ended.code != 2, "ended as a defect" if ended.code == 70 else "accepted", "refused")


@attack(2, "snapshot of version 1, in which the open account is closed",
        f"{WHOLE}test_version_1_is_read_where_it_is_accepted_and_has_a_note")  # fmt: skip
def version_1(lab: Lab) -> Outcome:
    def change(lines: list[Json]) -> None:
        lines[0]["snapshot"]["version"] = 1
        record = _body(lines)
        record.get("body", record)["properties"] = closed("stopen")["properties"]

    ended, _ = _changed(lab, "version", change, sealed=False)
    return result(ended, ended.code != 2, "the open account did not count", "refused")


def _reported(lab: Lab, name: str, suffix: str, change: Callable[[Json], object]) -> tuple[Ended, str]:
    """Change a findings file in which a read failed, and write a report of it."""
    folder = lab.folder(f"report-{name}")
    action = "Microsoft.KeyVault/vaults/read"
    text = f"The client 'x' with object id 'x' does not have authorization to perform action '{action}' over scope '/'."
    body = json.dumps({"error": {"code": "AuthorizationFailed", "message": text}})
    refused = Fault("status", "*/providers/Microsoft.KeyVault/vaults", status=403, body=body)
    lab.scan(folder, [OPEN], "--no-graph", "--out", "f.json", faults=[refused])
    document = json.loads((folder / "f.json").read_bytes())
    change(document)
    (folder / "f.json").write_text(json.dumps(document))
    made = folder / f"r{suffix}"
    ended = lab.run(folder, "report", "f.json", "--out", made.name)
    return ended, made.read_text("utf-8") if made.exists() else ""


@attack(2, "time of a findings file that is Markdown", "document/test_words.py::test_a_time_that_cannot_be_is_named")
def markdown_time(lab: Lab) -> Outcome:
    message = "[all is well](https://evil.example)"
    ended, text = _reported(lab, "markdown", ".md", lambda document: document["scan"].update(taken=message))
    return result(ended, message in text or ended.code != 2, "it is a link of the report", "refused")


@attack(
    2, "identity of a findings file in a command", "report/test_gaps.py::test_the_role_holds_just_the_missing_actions"
)
def named_principal(lab: Lab) -> Outcome:
    ended, text = _reported(lab, "principal", ".html", lambda document: document["scan"].update(principal="evil-app"))
    fell = re.search(r"--assignee\S* '?evil-app", html.unescape(re.sub(r"<[^>]+>", "", text))) is not None
    return result(ended, fell, "the command gives it the role", "only the user names who gets the role")


@attack(2, "risk of a key that a newer version has", "document/test_words.py::test_an_unknown_word_is_named")
def newer_risk(lab: Lab) -> Outcome:
    def change(document: Json) -> None:
        risk = {"id": "quantum", "severity": "low", "what": "x"}
        document["keys"] = [{"holder": "customer", "stores": [], "key": "https://v/keys/k", "risks": [risk]}]

    ended, _ = _reported(lab, "risk", ".html", change)
    return result(ended, ended.code != 2, "ended as a defect" if ended.code == 70 else "accepted", "refused")


@attack(
    2,
    "place of parts that others can write",
    "fleet/test_hostile_broker.py::test_a_place_that_others_can_write_is_refused",
)
def shared_fleet(lab: Lab) -> Outcome:
    folder = lab.folder("parts")
    (folder / "parts").mkdir()
    (folder / "parts").chmod(0o777)
    ended = lab.scan(folder, [OPEN], "--parts", "parts")
    return result(ended, ended.code != 2, "it is used", "refused")
