"""The numbers that each output shows, parsed from the output itself, and a table of those of the demo.

`python -m tests.report.numbers [FINDINGS]` scans the demo's estate with every output, a history and a web hook, or
reads a findings file. It prints each number, where it shows, and its value, and ends with 1 where two places disagree.
"""

import csv
import json
import re
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import unescape
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from scanner.document.schema import Document, decode_document
from scanner.document.states import STATES, state_word
from scanner.model.severity import SEVERITIES
from scanner.report.code_scanning.junit import write_junit
from scanner.report.code_scanning.sarif import write_sarif
from scanner.report.html.rendering import render
from scanner.report.language.words import Words
from scanner.report.markdown import write_markdown
from scanner.report.ocsf import write_ocsf
from scanner.report.sheets.csv import write_csv
from scanner.report.sheets.parquet import write_parquet
from scanner.report.sheets.xlsx import write_xlsx
from tests.report.parquet_file import parquet_rows

Numbers = dict[str, int]
UNTRUSTED = ("internet", "azure", "wide")
WORDS = {state_word(state): state for state in STATES}

# What is to be shown, counted from the rows alone


def counted(document: Mapping[str, Any]) -> Numbers:
    """Count the rows of a JSON document, without the code of the product."""
    result: Counter[str] = Counter()
    refused = {gap["url"].lower() for gap in document["gaps"] if gap["action"] and gap["status"] in (401, 403)}
    for row in document["exposures"]:
        result["endpoints"] += 1
        result[f"endpoints {row['state']}"] += 1
        locks, app = (row["authentication"], row["reach"]), row["kind"] == "app"
        result[f"cell {_row(row)} {row['reach']}"] += 1
        in_part = row["state"] in ("open", "waived", "intended") and _rank(row["worst"]) < _rank(row["severity"])
        result["in part"] += in_part
        if row["state"] == "unknown" or in_part:
            result["not fully assessed"] += 1
            result[f"not fully assessed: {_reason(row['gaps'], refused)}"] += 1
        if row["state"] == "open":
            result[f"open {row['severity']}"] += 1
            result[f"items {row['severity']}"] += 1
            result["public apps" if app else "public"] += locks == ("anonymous", "internet")
            result["nearly public"] += not app and locks[0] == "anonymous" and locks[1] in ("azure", "wide")
            result["shared key only"] += not app and locks[0] == "shared" and locks[1] in UNTRUSTED
    for row in document["findings"]:
        result[f"checks {row['status']}"] += 1
        of_lock = row["category"] in ("anonymous-access", "authentication", "network")
        if row["status"] == "fail" and not (of_lock and row["endpoints"]):
            result[f"other {row['severity']}"] += 1
            result[f"items {row['severity']}"] += 1
        if row["status"] == "unknown":
            result["accepted checks"] += row.get("waiver") is not None
            result[f"inconclusive: {_reason(row['gaps'], refused)}"] += 1
    for each in document["passed"].values():
        result["checks pass"] += len(each)
    for each in document["not_applicable"].values():
        result["checks not-applicable"] += len(each)
    result["reads failed"] = len(document["gaps"])
    result["accepted gaps"] = sum(gap.get("accepted", False) for gap in document["gaps"])
    return Counter(result)


def _row(row: Mapping[str, Any]) -> str:
    if row["kind"] == "app" and row["authentication"] != "unknown":
        return "app_open" if row["authentication"] == "anonymous" else "app_guarded"
    return str(row["authentication"])


def _rank(severity: str | None) -> int:
    return SEVERITIES.index(severity) if severity else len(SEVERITIES)


def _reason(gaps: Iterable[str], refused: Iterable[str]) -> str:
    urls = {each.lower() for each in gaps}
    return "missing permission" if urls & set(refused) else "failed read" if urls else "no value"


# What each output shows


def in_numbers(row: Mapping[str, Any]) -> Numbers:
    """The section `numbers` of JSON, and the property of the same name in SARIF."""
    document = {"endpoints": row["endpoints"], "public": row["public"], "public apps": row["public_apps"]}
    document |= {"nearly public": row["nearly_public"], "shared key only": row["shared_key_only"]}
    document |= {f"endpoints {state}": number for state, number in row["states"].items()}
    document |= {f"open {name}": number for name, number in row["severities"].items()}
    document |= {f"other {name}": number for name, number in row["other_findings"].items()}
    document |= {f"items {name}": row["severities"][name] + row["other_findings"][name] for name in SEVERITIES}
    document |= {f"checks {name}": number for name, number in row["checks"].items()}
    document |= {"in part": row["in_part"], "not fully assessed": row["not_fully_assessed"]["total"]}
    for name, key in (("not fully assessed", "not_fully_assessed"), ("inconclusive", "inconclusive")):
        reasons = row[key]
        document |= {f"{name}: {why.replace('_', ' ')}": n for why, n in reasons.items() if why != "total"}
    document |= {"checks unknown": row["inconclusive"]["total"], "accepted checks": row["accepted_inconclusive"]}
    return document | {"reads failed": row["gaps"], "accepted gaps": row["accepted_gaps"]}


SENTENCES = {
    "not fully assessed": r"Not fully assessed(?:, and accepted)?: ([\d,]+) endpoints?",
    "public": r"([\d,]+) endpoints? (?:is|are) publicly accessible without authentication",
    "public apps": r"(?:and ([\d,]+) apps? without|([\d,]+) apps? (?:is|are) publicly accessible without) platform",
    "nearly public": r"([\d,]+) (?:more|endpoints? (?:is|are) accessible without authentication) from any Azure",
    "shared key only": r"([\d,]+) (?:more|endpoints?) (?:is|are) protected only by a shared key",
    "checks unknown": r"([\d,]+) checks? (?:is|are) inconclusive",
    "accepted checks": r"inconclusive, ([\d,]+) of them accepted",
    "reads failed": r"; ([\d,]+) reads? failed",
}
REASONS = {
    "missing permission": r"([\d,]+) for a missing permission",
    "failed read": r"([\d,]+) because a read failed",
    "no value": r"([\d,]+) because Azure returned no value",
}


def in_sentences(text: str) -> Numbers:
    """The numbers of the headline, and of the sentences about what was not assessed, in any output."""
    result = {name: _number(next(filter(None, hit.groups()))) for name, hit in _hits(SENTENCES, text)}
    patterns = {
        "not fully assessed": r"(?:Not fully assessed[^;]*? endpoints? \(|not fully assessed: )(.*?)(?:\)|\.|$)",
        "inconclusive": r"inconclusive(?:, [\d,]+ of them accepted)?:? \(?(.*?)(?:[;).]|$)",
    }
    for name, hit in _hits(patterns, text):
        result |= {f"{name}: {why}": _number(hit[1]) for why, hit in _hits(REASONS, hit[1])}
    return result


def _hits(patterns: Mapping[str, str], text: str) -> Iterator[tuple[str, re.Match[str]]]:
    return ((name, hit) for name, pattern in patterns.items() if (hit := re.search(pattern, text)))


def in_log(value: str) -> Numbers:
    """The line `value` of a log: endpoints by severity and state, then the other findings."""
    first, *rest = value.split("; ")
    seen = _listed(first, {**{name: f"open {name}" for name in SEVERITIES}, **_states()})
    for segment in rest:
        if segment.startswith("other findings: "):
            seen |= _listed(segment.removeprefix("other findings: "), {name: f"other {name}" for name in SEVERITIES})
        elif hit := re.match(r"([\d,]+) open or accepted may be more severe", segment):
            seen["in part"] = _number(hit[1])
        elif hit := re.match(r"([\d,]+) gaps? accepted", segment):
            seen["accepted gaps"] = _number(hit[1])
        elif hit := re.match(r"([\d,]+) inconclusive checks? accepted", segment):
            seen["accepted checks"] = _number(hit[1])
    return seen


def _states() -> dict[str, str]:
    return {word: f"endpoints {state}" for word, state in WORDS.items()}


def _listed(text: str, names: Mapping[str, str]) -> Numbers:
    """The numbers of `5 critical, 12 not assessed`."""
    return {names[word]: _number(number) for number, word in re.findall(r"([\d,]+) ([a-z ]+)", text) if word in names}


def in_csv(data: bytes) -> Numbers:
    rows = list(csv.DictReader(StringIO(data.decode("utf-8-sig"))))
    result: Counter[str] = Counter()
    for row in rows:
        match row["record"]:
            case "exposure":
                result["endpoints"] += 1
                result[f"endpoints {row['status']}"] += 1
                result[f"cell {_row(row)} {row['reach']}"] += 1
                result[f"open {row['severity']}"] += row["status"] == "open"
            case "finding":
                result[f"checks {row['status']}"] += 1
                of_endpoints = row["category"] in ("anonymous-access", "authentication", "network") and row["endpoint"]
                result[f"other {row['severity']}"] += row["status"] == "fail" and not of_endpoints
            case _:
                result["reads failed"] += 1
                result["accepted gaps"] += row["status"] == "accepted"
    return result


def in_markdown(text: str) -> Numbers:
    text = re.sub(r"\\(.)", r"\1", text)
    result = in_sentences(text.partition("## ")[0].replace("\n\n", "\n"))
    result |= {
        name: number
        for severity, opened, others in re.findall(r"^\| (\w+) \| ([\d,]+) \| ([\d,]+) \|$", text, re.MULTILINE)
        for name, number in ((f"open {severity}", _number(opened)), (f"other {severity}", _number(others)))
    }
    patterns = {
        "checks unknown": r"([\d,]+) checks? inconclusive; none",
        "checks error": r"([\d,]+) checks? crashed",
        "endpoints": r"([\d,]+) endpoints: ",
        "endpoints unknown": r"^([\d,]+) endpoints? may be publicly accessible",
        "in part": r"^([\d,]+) endpoints? may be more exposed",
    }
    result |= {name: _number(hit[1]) for name, pattern in patterns.items() if (hit := re.search(pattern, text, re.M))}
    if states := re.search(r"[\d,]+ endpoints: (.*?)(?:; |\.\n)", text):
        result |= _listed(states[1], _states())
    if lines := re.search(r"^([\d,]+ checks? (?:is|are) inconclusive.*)$", text, re.MULTILINE):
        result |= in_sentences(lines[1])
    return result


def in_html(page: str) -> Numbers:
    """The first screen and its chips, the matrix, the states, and the heading of what was not assessed."""
    body = unescape(re.sub(r"<script.*?</script>", "", page, flags=re.S))
    title = re.search(r"<h1.*?</h1>(?:\s*<p class=\"lead\">.*?</p>)?", body, re.S)
    result = in_sentences(_plain(title[0])) if title else {}
    chips = re.findall(r'href="#findings\?q=status:([\w-]+)">(?:(?!</a>).)*?<b>([\d,]+)</b>', body)
    result |= {f"checks {status}": _number(number) for status, number in chips}
    states = re.findall(r'href="#endpoints\?q=status:(\w+)"><b>([\d,]+)</b>', body)
    result |= {f"endpoints {state}": _number(number) for state, number in states}
    rows = {
        "kind:data,admin+auth:anonymous": "anonymous", "kind:data,admin+auth:shared": "shared",
        "kind:data,admin+auth:identity": "identity", "kind:app+auth:anonymous": "app_open",
        "kind:app+auth:shared,identity": "app_guarded", "auth:unknown": "unknown",
    }  # fmt: skip
    cells = re.findall(r'class="cell \w+" href="#endpoints\?q=([^"]*?)\+reach:(\w+)".*?<b[^>]*>([\d,]+)</b>', body)
    result |= {f"cell {rows[query]} {column}": _number(number) for query, column, number in cells}
    bar = re.search(r'class="severity-bar".*?</ul>', body, re.S)
    bars = re.findall(r'<li class="(\w+)">.*?<b>([\d,]+)</b>', bar[0]) if bar else []
    result |= {f"items {name}": _number(number) for name, number in bars}
    if hit := re.search(r'id="h-matrix">.*?<small>([\d,]+) endpoint', body, re.S):
        result["endpoints"] = _number(hit[1])
    if hit := re.search(r'href="#not-assessed">Not assessed <b class="count violet">([\d,]+)</b></a>', body):
        result["endpoints unknown"] = _number(hit[1])
    if hit := re.search(r"<h1>([\d,]+) checks? (?:is|are) inconclusive: ([\d,]+) reads? failed</h1>", body):
        result |= {"checks unknown": _number(hit[1]), "reads failed": _number(hit[2])}
    if lead := re.search(r'<section id="not-assessed".*?<p class="lead">(.*?)</p>', body, re.S):
        result |= in_sentences(_plain(lead[1]))
        if hit := re.match(r"([\d,]+) endpoints? (?:was|were) not assessed, ([\d,]+) in part\.", lead[1]):
            result |= {"endpoints unknown": _number(hit[1]), "in part": _number(hit[2])}
    return result


def in_panel(page: str) -> Numbers:
    """The heading of the panel of what was not assessed, on the first screen; nothing where everything was."""
    panel = r'id="h-not-assessed">.*?<small>([\d,]+) endpoints?, ([\d,]+) checks?, ([\d,]+) reads? failed<'
    hit = re.search(panel, page, re.S)
    names = ("endpoints unknown", "checks unknown", "reads failed")
    return {name: _number(number) for name, number in zip(names, hit.groups(), strict=True)} if hit else {}


def _plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def in_sarif(data: bytes) -> dict[str, Numbers]:
    """The property `numbers`, and the results themselves."""
    run = json.loads(data)["runs"][0]
    results = Counter(f"checks {each['properties']['status']}" for each in run["results"])
    states = {f"endpoints {state}": number for state, number in run["properties"]["endpoints"].items()}
    return {"SARIF numbers": in_numbers(run["properties"]["numbers"]), "SARIF results": {**results, **states}}


def in_junit(data: bytes) -> Numbers:
    result: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for suite in ET.fromstring(data).iter("testsuite"):
        for each in suite.iter("property"):
            if each.attrib["name"].startswith("endpoints."):
                result[f"endpoints {each.attrib['name'].removeprefix('endpoints.')}"] += int(each.attrib["value"])
        for case in suite.iter("testcase"):
            is_read = case.attrib["name"].startswith("everything-was-read")
            outcome = next((each.tag for each in case), "pass")
            kind = next((each.attrib.get("type", "") for each in case), "")
            outcomes[f"read {outcome}" if is_read else f"{outcome} {kind}".strip()] += 1
    failures = {name: number for name, number in outcomes.items() if name.startswith("failure")}
    result["checks fail"] = sum(failures.values())
    result["checks pass"] = outcomes["pass"]
    result["checks error"] = outcomes["error rule crashed"]
    result["reads failed"] = outcomes["read error"] + outcomes["read skipped"]
    result["accepted gaps"] = outcomes["read skipped"]
    result["skipped or inconclusive"] = outcomes["error inconclusive"] + outcomes["skipped"]
    return result


SUMMARY = {
    "All endpoints": "endpoints",
    "Publicly accessible without authentication": "public",
    "Apps without platform sign-in, publicly accessible": "public apps",
    "Accessible without authentication from any Azure tenant or broad ranges": "nearly public",
    "Protected only by a shared key or password": "shared key only",
    "Not fully assessed": "not fully assessed",
    "Not fully assessed: missing permission": "not fully assessed: missing permission",
    "Not fully assessed: a read failed": "not fully assessed: failed read",
    "Not fully assessed: Azure returned no value": "not fully assessed: no value",
    "Failed reads": "reads failed",
}
"""The lines of the first sheet of a workbook, besides those of states, severities and statuses."""


def in_xlsx(data: bytes) -> Numbers:
    """A workbook: the lines of its summary, and the rows of its sheets."""
    book = load_workbook(BytesIO(data), read_only=True)
    result: Counter[str] = Counter()
    head = ""
    for name, value, *_ in book["Summary"].iter_rows(values_only=True):
        head = name if value is None and name else head
        if not isinstance(value, int):
            continue
        kind, _, word = str(name).partition(": ")
        if name in SUMMARY:
            result[SUMMARY[name]] = value
        elif kind in ("State", "Status"):
            result[f"{'endpoints' if kind == 'State' else 'checks'} {word}"] = value
        elif name == "Inconclusive":
            result["checks unknown"] = value
        elif head.endswith("by severity"):
            result[f"{'open' if 'endpoints' in head else 'other'} {str(name).lower()}"] = value
    for page in book.worksheets[2:5]:
        _, *rows = page.iter_rows(values_only=True)
        key = {"Endpoints": "endpoints", "Findings": "findings", "Not assessed": "reads failed"}[page.title]
        assert result.setdefault(key, len(rows)) == len(rows), (key, result[key], len(rows))
    del result["findings"]
    return result


def in_ocsf(data: bytes) -> Numbers:
    """Events: the findings that failed, and the failed reads."""
    result: Counter[str] = Counter()
    for event in map(json.loads, data.splitlines()):
        is_read = event["compliance"]["control"] == "everything-was-read"
        result["reads failed"] += is_read
        result["accepted gaps"] += is_read and event["status"] == "Suppressed"
        if not is_read and event["compliance"]["status"] == "Fail":
            result[f"checks {'waived' if event['status'] == 'Suppressed' else 'fail'}"] += 1
    return result


def in_parquet(data: bytes) -> Numbers:
    """A Parquet file: its rows by record, status and severity."""
    result: Counter[str] = Counter()
    for row in parquet_rows(data):
        if row["record"] == "exposure":
            result["endpoints"] += 1
            result[f"endpoints {row['status']}"] += 1
            if row["status"] == "open":
                result[f"open {row['severity']}"] += 1
        elif row["record"] == "finding":
            result[f"checks {row['status']}"] += 1
        elif row["record"] == "resource":
            result["checks pass"] += len(row["passed"])
            result["checks not-applicable"] += len(row["not_applicable"])
        elif row["record"] == "gap":
            result["reads failed"] += 1
            result["accepted gaps"] += row["status"] == "accepted"
    return result


def in_trend(row: Mapping[str, Any]) -> Numbers:
    """A row of the history or of the trend: open items by severity, inconclusive checks, endpoints not assessed."""
    document = {f"items {name}": row[name] for name in SEVERITIES}
    return document | {"checks unknown": row["undecided"], "endpoints unknown": row["unknown"]}


def in_notice(body: Mapping[str, Any]) -> Numbers:
    """The body of a web hook, and the sentence about an incomplete scan in it."""
    result = {f"items {name}": number for name, number in body["open"].items()}
    result |= {f"endpoints {state}": number for state, number in body["endpoints"].items()}
    for remark in body["remarks"]:
        if hit := re.search(r"([\d,]+) endpoints? (?:was|were) not fully assessed", remark):
            result["not fully assessed"] = _number(hit[1])
        if hit := re.search(r"[:,] ([\d,]+) reads? failed", remark):
            result["reads failed"] = _number(hit[1])
        result |= {name: n for name, n in in_sentences(remark).items() if name != "not fully assessed"}
    return result


def _number(text: str) -> int:
    return int(text.replace(",", ""))


# All of one document


def written(write: Callable[[Document, BytesIO], None], document: Document) -> bytes:
    out = BytesIO()
    write(document, out)
    return out.getvalue()


def of_document(document: Document) -> dict[str, Numbers]:
    """What each format of a document shows."""
    page = render(document, Words())
    return {
        "CSV": in_csv(written(write_csv, document)),
        "Markdown": in_markdown(written(write_markdown, document).decode()),
        "HTML": in_html(page),
        "HTML panel": in_panel(page),
        **in_sarif(written(write_sarif, document)),
        "JUnit": in_junit(written(write_junit, document)),
        "XLSX": in_xlsx(written(write_xlsx, document)),
        "OCSF": in_ocsf(written(write_ocsf, document)),
        "Parquet": in_parquet(written(write_parquet, document)),
    }


def expected(document: Mapping[str, Any]) -> Numbers:
    """The numbers of a JSON document, with the sum that JUnit alone shows: what it skips, and what is inconclusive."""
    result = Counter(counted(document))
    result["skipped or inconclusive"] = result["checks waived"] + result["checks unknown"]
    return result


def differences(right: Numbers, shown: Mapping[str, Numbers]) -> list[str]:
    """The places that show another number than the rows give."""
    return [
        f"{view}: {name} is {number}, the rows give {right.get(name, 0)}"
        for view, numbers in shown.items()
        for name, number in numbers.items()
        if right.get(name, 0) != number
    ]


# The demo


def demo(taken: Path, folder: Path) -> tuple[dict[str, Any], dict[str, Numbers]]:
    """Evaluate the snapshot of the demo with every output, as a log and on a terminal. Return its JSON, and what each
    place shows.
    """
    from tests.notify.receivers import web
    from tests.terminals import twolocks

    outs = [
        str(folder / f"findings{suffix}")
        for suffix in (".json", ".csv", ".md", ".html", ".sarif", ".junit.xml", ".xlsx", ".ocsf.jsonl", ".parquet")
    ]
    asked = [word for out in outs for word in ("--out", out)]
    database, config = str(folder / "history.db"), folder / "twolocks.toml"
    named = "url-env = 'TWOLOCKS_SECRET_HOOK'\nsecret-env = 'TWOLOCKS_SECRET_KEY'"
    config.write_text(f"[notify.ops]\nkind = 'webhook'\n{named}\n")
    with web() as hook:
        secrets = {"TWOLOCKS_SECRET_HOOK": f"{hook.url}/hook", "TWOLOCKS_SECRET_KEY": "0123456789abcdef" * 2}
        asked += ["--history", database, "--notify", "ops"]
        log = twolocks("scan", "--from", taken, "--config", config, *asked, env=secrets)
        bodies = [each.json for each in hook.received]
    screen = twolocks("scan", "--from", taken, env={"COLUMNS": "1000"}, tty=True)
    if not Path(outs[0]).exists():
        raise SystemExit(log.err)
    document = json.loads(Path(outs[0]).read_bytes())
    trend = json.loads(twolocks("history", "trend", "--history", database, "--format", "json").out)
    listed = json.loads(twolocks("history", "list", "--history", database, "--format", "json").out)
    lines = [line.split(" ", 1)[1].strip() for line in log.err.splitlines() if " found " in line]
    standing = listed[0]["standing"] | {name: listed[0][name] for name in ("undecided", "unknown")}
    shown = {
        "log": {**in_log(lines[0].removeprefix("found").strip()), **in_sentences("; ".join(lines))},
        "terminal": in_sentences(_result(screen.err)),
        "JSON numbers": in_numbers(document["numbers"]),
        "CSV": in_csv(Path(outs[1]).read_bytes()),
        "Markdown": in_markdown(Path(outs[2]).read_text("utf-8")),
        "HTML": in_html(page := Path(outs[3]).read_text("utf-8")),
        "HTML panel": in_panel(page),
        **in_sarif(Path(outs[4]).read_bytes()),
        "JUnit": in_junit(Path(outs[5]).read_bytes()),
        "XLSX": in_xlsx(Path(outs[6]).read_bytes()),
        "OCSF": in_ocsf(Path(outs[7]).read_bytes()),
        "Parquet": in_parquet(Path(outs[8]).read_bytes()),
        "history trend": in_trend(trend[-1]),
        "history list": in_trend(standing),
        "web hook": in_notice(bodies[0]),
    }
    return document, shown


def _result(screen: str) -> str:
    """The lines of the result on the last screen, as one text."""
    lines = screen.splitlines()
    start = next(view for view, line in enumerate(lines) if line.startswith("Result"))
    end = next(view for view, line in enumerate(lines) if view > start and line[:1].strip())
    return " ".join(line.strip() for line in lines[start:end])


def table(shown: Mapping[str, Numbers]) -> Iterator[str]:
    """Yield a line for each number: its name, its value, and the places where it shows."""
    views: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for view, numbers in shown.items():
        for name, number in numbers.items():
            views[name][number].append(view)
    yield "| number | value | places |"
    yield "| --- | ---: | --- |"
    for name in sorted(views):
        for number, where in sorted(views[name].items()):
            yield f"| {name} | {number:,} | {', '.join(where)} |"


def main() -> int:
    if len(sys.argv) > 1:
        data = Path(sys.argv[1]).read_bytes()
        document, shown = json.loads(data), of_document(decode_document(data))
    else:
        from tests.terminals import twolocks

        with tempfile.TemporaryDirectory() as folder:
            twolocks("demo", "--dir", f"{folder}/demo", "--quiet")
            document, shown = demo(Path(folder, "demo", "snapshot.jsonl"), Path(folder))
    wrong = differences(expected(document), shown)
    sys.stdout.write("\n".join([*table({"rows of the JSON": expected(document), **shown}), *wrong, ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
