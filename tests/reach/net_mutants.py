# ruff: noqa: E501
"""Faults put into the evaluator on purpose: the packet oracle must find every one.

python -m tests.reach.net_mutants [NAME...]       prints the list; ends with 1 where one survives
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKETS = 30_000
NSG, OPEN_SPANS, PORT_RANGES, RULES, EVALUATION, FIELDS, PARSING, SOURCE_SETS, ADMIN = (
    f"scanner/reach/rules/{name}.py"
    for name in (
        *("nsg", "open_spans", "port_ranges", "security_rules", "rule_evaluation", "rule_fields", "rule_parsing"),
        *("source_sets", "security_admin"),
    )
)
CLOSING, NARROWING = "scanner/reach/paths/closing.py", "scanner/reach/paths/narrowing.py"
CLOSES, GROUPS, TOPOLOGY = (f"tests/reach/test_{name}.py" for name in ("closing", "nsg", "topology"))
SENDERS = "scanner/reach/questions/senders.py"
FILTERING, ROUTES, NETWORKS, PEERINGS = (
    f"scanner/reach/networks/{name}.py" for name in ("filtering", "routes", "fabric", "peerings")
)
PATHS, BALANCERS, BALANCER_RULES, SCALE_SETS, FIREWALL = (
    f"scanner/reach/paths/{name}.py"
    for name in ("network_paths", "load_balancers", "load_balancer_rules", "scale_sets", "azure_firewall")
)


class Mutant(NamedTuple):
    """A text of a file, and what stands there instead."""

    name: str
    file: str
    old: str
    new: str
    test: str = ""
    """The file of tests that finds it; "": the oracle."""


MUTANTS = (
    Mutant("priorities in reverse", NSG, "certain.sort(key=lambda rule: (rule.priority,", "certain.sort(key=lambda rule: (-rule.priority,"),
    Mutant("priorities as they come", NSG, "    certain.sort(key=lambda rule: (rule.priority, rule.allow))\n", ""),
    Mutant("an Allow wins over a Deny before it", EVALUATION, "left = addresses - state.decided", "left = addresses"),
    Mutant("a Deny before it does not hold a tag", EVALUATION, "rest = universe - state.decided", "rest = universe"),
    Mutant("a denied tag is forgotten", EVALUATION, "state.without.union(tags) if tags else state.without", "state.without"),
    Mutant("the subnet's group is not asked", FILTERING, 'named.insert(0, ("subnet-nsg", subnet.group))', "pass"),
    Mutant("the interface's group is not asked", FILTERING, '("nic-nsg", fabric.key(target.group))', '("nic-nsg", "")'),
    Mutant("one group is enough", OPEN_SPANS, "sources = interned(one.sources & two.sources)", "sources = interned(one.sources | two.sources)"),
    Mutant("default rules only where the body has them", NSG, "usual = [rule.priority for rule in DEFAULT_RULES if rule.priority not in there]", "usual: list[int] = []"),
    Mutant("plural fields are not read", FIELDS, "(one, *(many if isinstance(many, list) else (many,)))", "(one,)"),
    Mutant("singular fields are not read", FIELDS, "and one:\n        return (one,), False", "and one:\n        return (), False"),
    Mutant("of several ranges of ports the last one counts", PARSING, "matches += ports(text)", "matches = list(ports(text))"),
    Mutant("of several prefixes the last one counts", PARSING, "addresses = union(sets)", "addresses = union(sets[-1:])"),
    Mutant("overlapping ranges are cut short", PORT_RANGES, "max(last, out[-1][1])", "last"),
    Mutant("a range ends one port early", PORT_RANGES, "    return low, high\n", "    return low, max(low, high - 1)\n"),
    Mutant("names of fields compare with case", FIELDS, "name if name in keys else folded.get(name.lower())", "name if name in keys else None"),
    Mutant("words compare with case", FIELDS, "words.get(value.strip().lower())", "words.get(value.strip().replace('I', 'i').replace('A', 'a').replace('D', 'd').replace('O', 'o'))"),
    Mutant("tags compare with case", SOURCE_SETS, "key = service_tag(text).name.lower()", "key = service_tag(text).name"),
    Mutant("ids of application groups compare with case", FIELDS, 'return tuple("/" + "/".join(segments(each)) for each', "return tuple(each for each"),
    Mutant("protocols compare with case", PORT_RANGES, "name = text.strip().lower()\n    if name in", "name = text.strip()\n    if name in"),
    Mutant("outbound rules count", FIELDS, '    if inbound is False:\n        return None\n    name = member(body, "name")\n', '    name = member(body, "name")\n'),
    Mutant("destinations are not compared", NSG, "        if not fits:\n", "        if False:\n"),
    Mutant("destination groups are not compared", RULES, "if self.groups and self.groups & target.application_groups:", "if self.groups:"),
    Mutant("an unknown address fits", RULES, "return None if self.tags or self.addresses else False", "return True"),
    Mutant("a narrow source port locks an Allow", PARSING, "locked = not allow and sources_of[wide] != ALL_PORTS", "locked = sources_of[wide] != ALL_PORTS"),
    Mutant("a Deny of some source ports denies", PARSING, "locked = not allow and sources_of[wide] != ALL_PORTS", "locked = False"),
    Mutant("the tag of a region is another tag", SOURCE_SETS, 'return tag == other or tag.startswith(f"{other}.")', "return tag == other"),
    Mutant("the tag VirtualNetwork is the internet", PARSING, 'outside = PUBLIC_ADDRESSES if "internet" in', 'outside = PUBLIC_ADDRESSES if "vnet" in reaches.values() or "internet" in'),
    Mutant("the tag Internet holds only what is named", PARSING, 'outside = PUBLIC_ADDRESSES if "internet" in reaches.values() else _public_addresses(addresses)', "outside = _public_addresses(addresses)"),
    Mutant("source groups count as addresses", PARSING, "inside = ALL_ADDRESSES if", "inside = ALL_ADDRESSES if groups or"),
    Mutant("without a group a Standard address is open", FILTERING, 'if entry == "standard":', 'if entry == "basic":'),
    Mutant("admin rules come after the groups", FILTERING, 'levels.append(_level("admin-rules", admin.passed,', 'levels.append(_level("admin-rules", admin.always,'),
    Mutant("AlwaysAllow goes on to the groups", FILTERING, "now = list(added(now, past)) if past else now", "pass"),
    Mutant("an admin Allow delivers", FIELDS, '_ALWAYS_ACCESS: Final = {"allow": False,', '_ALWAYS_ACCESS: Final = {"allow": True,'),
    Mutant("the priority counts before the manager's scope", NSG, "matches.append(((each.rank, rule.priority if each.ordered else 0), rule))", "matches.append(((rule.priority, each.rank), rule))"),
    Mutant("the lower scope comes first", ADMIN, "return {each: (level or 0, shared.count(level) == 1)", "return {each: (-(level or 0), shared.count(level) == 1)"),
    Mutant("every rule of a configuration counts as deployed", ADMIN, "chosen = [each for each in known if ids is None or each in ids]", "chosen = list(known)"),
    Mutant("every rule collection applies", ADMIN, "return bool(next(iter(groups.values())) & memberships)", "return True"),
    Mutant("rules apply to networks with intent policies", ADMIN, 'if has_intent_policies else "all"', 'if False else "all"'),
    Mutant("allow rules alone include Deny", ADMIN, 'same(_access(known[id]), "Deny")', 'same(_access(known[id]), "none")'),
    Mutant("rules apply to subnets of gateways", NETWORKS, "is_exempt(name_of(identity), body),", "False,"),
    Mutant("NAT rules of a parent policy are inherited", FIREWALL, 'cached(index, "groups of policies", _groups_of_policies).get(policy, ())', '(each for key, rows in cached(index, "groups of policies", _groups_of_policies).items() if key.startswith(policy) for each in rows)'),
    Mutant("a peering without access on both sides carries traffic", PEERINGS, "if len(closed) == 2 and all(closed):", "if False:"),
    Mutant("one side without access closes a peering", PEERINGS, "if len(closed) == 2 and all(closed):", "if any(closed):"),
    Mutant("a subnet peering connects whole networks", PEERINGS, 'if not same(get_path(peering, "properties.peerCompleteVnets"), False):', "if True:"),
    Mutant("the subnet of the sender is not compared", PEERINGS, "if link.local_subnets is None or subnet in link.local_subnets:", "if True:"),
    Mutant("the subnet of the target is not compared", PATHS, "elif subnet in subnets:", "else:"),
    Mutant("a peering that is not connected carries traffic", PEERINGS, "if is_connected(each)}", "}"),
    Mutant("one side of a peering is enough", PEERINGS, "if (peer, network) in live or (peer, network) not in every", "if True"),
    Mutant("the firewall of a hub leads everywhere", PEERINGS, "return [(connected, None)] if others.is_empty() else [(connected, None), (others, uncertain)]", "return [(None, None)]"),
    Mutant("a default route to None closes the port", FILTERING, "    levels: list[FilterLevel] = []\n    admin = ", '    gone = subnet is not None and subnet.table and fabric.tables[subnet.table].default == "none"\n    levels: list[FilterLevel] = [FilterLevel("route", "", (), ())] if gone else []\n    admin = '),
    Mutant("VirtualNetwork holds the public address that floating IP keeps", RULES, "return None if target.public and", "return None if False and", TOPOLOGY),
    Mutant("a failed deployment counts", ADMIN, 'if applied.state not in ("", "succeeded")', 'if applied.state in ("never",)'),
    Mutant("what no admin rule names is dropped", NSG, 'rest = [_allow_everything(Message("no security admin rule"), AFTER_CUSTOM_RULES)]', "rest: list[SecurityRule] = []"),
    Mutant("the port outside is the one behind", PATHS, "first = self.first + opened.first - self.backend", "first = opened.first"),
    Mutant("IPv6 is judged as IPv4", FILTERING, "    version = target.version\n", "    version: Version = 4\n"),
    Mutant("TCP stands for every protocol", PORT_RANGES, "return (*WITH_PORTS, *WITHOUT_PORTS)", 'return ("tcp",)'),
    Mutant("protocols without ports ask for them", PORT_RANGES, "if allow or numbers == ALL_PORTS:", "if numbers == ALL_PORTS:"),
    Mutant("a Deny of one port denies ICMP", PORT_RANGES, "if allow or numbers == ALL_PORTS:", "if True:"),
    Mutant("machines share answers whatever their addresses", FILTERING, "where, group_key, aims, alone)", "where, group_key, alone)"),
    Mutant("answers are shared over IP versions", FILTERING, "key = (entry, target.version, where,", "key = (entry, where,"),
    Mutant("answers are shared over sides", NSG, "key = (apart, self.skipped(target)[wide], side, version)", 'key = (apart, self.skipped(target)[wide], "outside", version)'),
    Mutant("a known port that is closed is bridged", OPEN_SPANS, "                    and out[-1].certain & piece.certain == out[-1].certain\n                    and out[-1].possible & piece.possible == out[-1].possible\n", "                    or True\n"),
    Mutant("TCP's range stands for UDP's", OPEN_SPANS, "if other is not None and (other.certain, other.possible) == (piece.certain, piece.possible):", "if other is not None:"),
    Mutant("neighbours are told as one", OPEN_SPANS, "return adjacent and (last.certain, last.possible) == (piece.certain, piece.possible)", "return adjacent"),
    Mutant("a gap between rules is bridged", EVALUATION, "        if not allowed.terms:\n            previous = None\n        elif allowed is previous:", "        if not allowed.terms:\n            pass\n        elif allowed is previous:"),
    Mutant("an unknown priority comes last", PARSING, "AFTER_CUSTOM_RULES, BEFORE_ALL_RULES),\n        _rule(row, effects.possible, BEFORE_ALL_RULES, AFTER_CUSTOM_RULES),", "AFTER_CUSTOM_RULES, AFTER_CUSTOM_RULES),\n        _rule(row, effects.possible, AFTER_CUSTOM_RULES, AFTER_CUSTOM_RULES),", GROUPS),
    Mutant("an unknown Deny does not deny", PARSING, "if fields.allow is True\n        else _rule_effect(fields, values, False, wide=True)", "if fields.allow is True\n        else _rule_effect(fields, values, False, wide=False)"),
    Mutant("an unknown Allow does not allow", PARSING, "else _rule_effect(fields, values, True, wide=True)", "else _rule_effect(fields, values, True, wide=False)"),
    Mutant("what may be is not asked", FILTERING, "possible = certain if exact else self._met(wide=True)", "possible = certain"),
    Mutant("a rule's port behind is the one outside", BALANCER_RULES, "first if back is None or (floating and not back) else back)", "first)"),
    Mutant("a NAT range's ports behind differ, too", PATHS, "last = port.backend if port.single_backend else port.backend + port.last - port.first\n        chain", "last = port.backend + port.last - port.first\n        chain"),
    Mutant("NAT pools are not followed", SCALE_SETS, "yield from topology.front_ends.by_nat_pool.get(pool, ())", "yield from ()"),
    Mutant("an instance is in the pools that it names", SCALE_SETS, "dict.fromkeys((*map(id_or_empty, pools), *named))", "dict.fromkeys(map(id_or_empty, pools))"),
    Mutant("a load balancer over regions leads nowhere", BALANCERS, "for regional in self._regional.get(pool, ()) if depth == 0 else ():", "for regional in ():"),
    Mutant("the port over regions is the one behind", PATHS, "return PortMapping(protocol, start, start + end - first, backend, inner.single_backend)", "return PortMapping(protocol, first, end, backend, inner.single_backend)"),
    Mutant("behind two load balancers a packet bears what was dialled", BALANCERS, 'self._addresses.get(regional, "")', "front.address", TOPOLOGY),
    Mutant("what keeps an address over regions is known", BALANCERS, "address if rule.floating and not front.floating else", "address if rule.floating or front.floating else"),
    Mutant("a kept address is forgotten", PATHS, "if not front.floating:\n            return self.destination", "if True:\n            return self.destination"),
    Mutant("a gateway load balancer ends the path", BALANCERS, "                hops += (gateway_hop(gateway),)\n", "                continue\n"),
    Mutant("a gateway load balancer lets in by itself", BALANCERS, "            if not id:\n                continue\n            public = public_address(self.index, id)", '            id = id or self.index.of_type("Microsoft.Network/publicIPAddresses")[0][0].id\n            public = public_address(self.index, id)'),
    Mutant("one address of a firewall is enough", PATHS, "certain = possible and opened.certain.addresses.covers(shown)", "certain = possible and bool(opened.certain.addresses & shown)", "tests/reach/test_topology.py"),
    Mutant("a firewall is in every application group", PATHS, "possible = bool(opened.possible.addresses & shown)", "possible = any(term.addresses & shown for term in opened.possible.terms)"),
    Mutant("the addresses of a virtual hub are not read", FIREWALL, "    return [prefix] if prefix else []\n", "    return []\n"),
    Mutant("of several rules one goes", CLOSING, "            if not candidates:\n                return False\n", "            if not candidates or self._gone:\n                return bool(candidates)\n", CLOSES),
    Mutant("one place of a range is closed", CLOSING, "for at in self._positions(span, is_known)]", "for at in self._positions(span, is_known)][:1]", CLOSES),
    Mutant("a range is not cut where rules start", CLOSING, "for at in (start, end + 1) if first < at <= last)", "for at in (start, end + 1) if at < 0)", CLOSES),
    Mutant("what no rule closes needs no steps", CLOSING, "steps = () if all(is_closed) else (NO_RULE,)", "steps = ()", CLOSES),
    Mutant("AlwaysAllow is not changed", CLOSING, "        if self._reaches(delivered):\n            return delivered, always\n", "        if self._reaches(delivered):\n            return NO_SOURCES, always\n", CLOSES),
    Mutant("broad ranges stay", CLOSING, "any(each.level >= self._limit for", "any(each.level > self._limit for", CLOSES),
    Mutant("a DNAT rule stays", CLOSING, "    if front.allowed_sources is not None:\n", "    if False:\n", CLOSES),
    Mutant("the plural field of a rule stays", NARROWING, "if get_path(narrowed, path) is not MISSING:", "if False:", CLOSES),
    Mutant("the singular field of a rule stays", NARROWING, 'narrowed = changed(each, Edit(rule, "properties.sourceAddressPrefix", RANGE))', "narrowed = each", CLOSES),
    Mutant("removing a rule narrows it", NARROWING, "            if remove:\n                yield Edit(group, RULES, REMOVE, each)\n                continue\n", "", CLOSES),
    Mutant("the rules of a cluster are changed", NARROWING, "    if any(group_of(each).lower().startswith(CLUSTER_GROUP)", "    if any(group_of(each).startswith(CLUSTER_GROUP)", CLOSES),
    Mutant("an AlwaysAllow that goes is narrowed", NARROWING, '"properties.access", "Allow") if remove else', '"properties.access", "Allow") if False else', CLOSES),
    Mutant("a DNAT rule that goes is narrowed", NARROWING, "REMOVE if remove else narrowed, rule.body)", "narrowed, rule.body)", CLOSES),
    Mutant("the IP groups of a DNAT rule stay", NARROWING, '        narrowed["sourceIpGroups"] = []\n', "        pass\n", CLOSES),
    Mutant("the command names the rule as its collection", NARROWING, "--collection-name {word(rule.collection)}", "--collection-name {word(rule.name)}", CLOSES),
    Mutant("what causes an open port lacks the security rules", NARROWING, "        *map(Cause, closing.rules),\n", "", CLOSES),
    Mutant("outbound admin rules are not asked", SENDERS, "governed = _by_admin(fabric, subnet, sender, target, at)", "governed = NOT_GOVERNED"),
    Mutant("outbound AlwaysAllow does not pass the groups", SENDERS, "if governed.delivers or governed.passes.allows is False:", "if governed.passes.allows is False:"),
    Mutant("what outbound AlwaysAllow may deliver is denied", SENDERS, "return denied if governed.delivers is False else governed.unclear", "return denied"),
    Mutant("inbound admin rules filter what leaves", NETWORKS, "self.security_admin.outbound_rules_of(", "self.security_admin.rules_of("),
    Mutant("inbound rules of a group filter what leaves", SENDERS, "known[key] = security_rules_of(Resource(mirrored(group.body)))", "known[key] = security_rules_of(group)"),
    Mutant("a rule whose direction is not read filters nothing that leaves", SENDERS, 'if same(direction, "Inbound") or _is_outbound(rule):', "if True:"),
    Mutant("the application groups of the target are not read", SENDERS, "reached_addresses(allowed, self.addresses, self.groups)[0]", "reached_addresses(allowed, self.addresses, frozenset())[0]"),
    Mutant("a default route comes before the network's own", SENDERS, "else system_length(index, id_or_empty(subnet.id), target.addresses)", "else 0"),
    Mutant("the first route wins", ROUTES, "max(whole, key=lambda each: each[2], default=None)", "next(iter(whole), None)"),
    Mutant("an AlwaysAllow that becomes Allow lets a Deny after it decide", CLOSING, "gone = {} if is_admin and self._limit == Reach.selected else self._gone", "gone = self._gone", CLOSES),
    Mutant("HA ports are one port", BALANCER_RULES, "    if not first and not back:\n        return EVERY_PORT\n", ""),
)  # fmt: skip


def survives(mutant: Mutant, folder: Path) -> str:
    """What the oracle says of it; "" where it finds nothing."""
    path = folder / mutant.file
    whole = path.read_text("utf-8")
    if whole.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.name}: its text stands {whole.count(mutant.old)} times in {mutant.file}")
    path.write_text(whole.replace(mutant.old, mutant.new), "utf-8")
    code = f"from tests.reach.oracle import first; print(first({PACKETS}) or '')"
    tests = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", "addopts=", mutant.test)
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *(tests if mutant.test else ("-c", code))],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    path.write_text(whole, "utf-8")
    if mutant.test:
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return failed[0] if done.returncode and failed else ""
    return done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]


def main(names: list[str]) -> int:
    chosen = [each for each in MUTANTS if not names or each.name in names]
    left = []
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        shutil.copytree(ROOT / "scanner", folder / "scanner", ignore=shutil.ignore_patterns("__pycache__", "sandbox"))
        shutil.copytree(
            ROOT / "tests" / "reach", folder / "tests" / "reach", ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in ("tests/rules", "rules"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for mutant in chosen:
            text = survives(mutant, folder)
            print(f"{'found   ' if text else 'SURVIVES'}  {mutant.name}: {text[:110]}", flush=True)
            left += [] if text else [mutant.name]
    print(f"{len(chosen) - len(left)} of {len(chosen)} found")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
