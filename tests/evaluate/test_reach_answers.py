"""The answers of reach queries agree with the exposures of the same snapshot."""

import json
from pathlib import Path

from scanner.evaluate.reach_answers import answers
from scanner.evaluate.reach_targets import ReachQuestion
from scanner.evaluate.run import Evaluation
from scanner.model.json_paths import same
from scanner.model.message import NOTHING
from scanner.model.resource_type import NoPort
from scanner.reach.questions.port_query import port_of_endpoint
from scanner.rulebook.loader import load
from scanner.snapshot import files as snapshots


def test_the_internet_s_answers_agree_with_the_findings(demo_folder: Path) -> None:
    """For one resource of each type and reach: yes exactly where the exposure's reach is `internet`.

    No is not known where rules inside the service may allow more.
    """
    rows = json.loads((demo_folder / "findings.json").read_bytes())["exposures"]
    taken = snapshots.read(demo_folder / "snapshot.jsonl")
    evaluation, bundles = Evaluation(taken, load(packages=False)), list(taken.bundles())
    seen: set[tuple[str, str]] = set()
    wrong = []
    for row in rows:
        kind = (row["resource"].split("/")[7].lower(), row["reach"])
        if kind in seen or row["endpoint"] == "*/*" or "-" in row["endpoint"].partition("/")[2]:
            continue
        seen.add(kind)
        question = ReachQuestion(row["resource"], "internet", row["endpoint"])
        reach_answers = answers(question, evaluation, bundles)
        may = (row["may"] or {}).get("reach")
        want = "yes" if row["reach"] == "internet" else "not known" if may == "internet" else "no"
        if want == "no" and any("sys.database_firewall_rules" in each.sentence for each in reach_answers):
            want = "not known"
        verdicts = {each.verdict for each in reach_answers}
        if want not in verdicts:
            wrong.append((row["resource"], row["endpoint"], row["reach"], [each.sentence for each in reach_answers]))
    assert len(seen) > 20
    assert wrong == []


def test_every_endpoint_is_found_at_its_port(demo_folder: Path) -> None:
    """For each endpoint of each type of the sample: asking for its port answers about it."""
    taken = snapshots.read(demo_folder / "snapshot.jsonl")
    evaluation, bundles = Evaluation(taken, load(packages=False)), list(taken.bundles())
    seen: set[tuple[str, str]] = set()
    for row in json.loads((demo_folder / "findings.json").read_bytes())["exposures"]:
        name, type = row["endpoint"], row["resource"].split("/")[6:8]
        kind = next(each for each in evaluation.kinds["/".join(type).lower()] if each.endpoint_function is not None)
        exposure = next(
            (
                each
                for top in bundles
                if top.top is not None and same(top.top.id, row["resource"])
                for each in evaluation.exposures(kind, top.top)[0]
                if each.endpoint == name
            ),
            None,
        )
        ports = kind.ports_of(exposure) if exposure is not None else NoPort(NOTHING)
        endpoint = (kind.type, name.partition("/")[0])
        if isinstance(ports, NoPort) or endpoint in seen or kind.path_function is not None:
            continue
        seen.add(endpoint)
        port = port_of_endpoint(ports[0])
        assert port is not None
        question = ReachQuestion(row["resource"], "internet", f"{port.protocol}/{port.number}")
        reach_answers = answers(question, evaluation, bundles)
        assert any(each.endpoint == name for each in reach_answers), (row["resource"], name, ports)
    assert len(seen) > 60
