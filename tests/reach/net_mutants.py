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
NSG, CHAIN, SENDERS, PACKETS_FILE, TOPOLOGY = (
    f"scanner/reach/{name}.py" for name in ("nsg", "filtering", "source_sets", "port_ranges", "topology")
)


class Mutant(NamedTuple):
    """A text of a file, and what stands there instead."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant("priorities in reverse", NSG, "certain.sort(key=lambda rule: (rule.priority,", "certain.sort(key=lambda rule: (-rule.priority,"),
    Mutant("priorities as they come", NSG, "    certain.sort(key=lambda rule: (rule.priority, rule.allow))\n", ""),
    Mutant("an Allow wins over a Deny before it", NSG, "left = addresses - state.decided", "left = addresses"),
    Mutant("a Deny before it does not hold a tag", NSG, "rest = universe - state.decided", "rest = universe"),
    Mutant("a denied tag is forgotten", NSG, "state.without.union(tags) if tags else state.without", "state.without"),
    Mutant("the subnet's group is not asked", CHAIN, 'named.insert(0, ("subnet-nsg", subnet.group))', "pass"),
    Mutant("the interface's group is not asked", CHAIN, '("nic-nsg", fabric.key(target.group))', '("nic-nsg", "")'),
    Mutant("one group is enough", CHAIN, "who = interned(one.sources & two.sources)", "who = interned(one.sources | two.sources)"),
    Mutant("default rules only where the body has them", NSG, "usual = [rule.priority for rule in DEFAULT_RULES if rule.priority not in there]", "usual: list[int] = []"),
    Mutant("plural fields are not read", NSG, "(one, *(many if isinstance(many, list) else (many,)))", "(one,)"),
    Mutant("singular fields are not read", NSG, "and one:\n        return (one,), False", "and one:\n        return (), False"),
    Mutant("of several ranges of ports the last one counts", NSG, "found += ports(text)", "found = list(ports(text))"),
    Mutant("of several prefixes the last one counts", NSG, "addresses = union(sets)", "addresses = union(sets[-1:])"),
    Mutant("overlapping ranges are cut short", PACKETS_FILE, "max(last, out[-1][1])", "last"),
    Mutant("a range ends one port early", PACKETS_FILE, "    return low, high\n", "    return low, max(low, high - 1)\n"),
    Mutant("names of fields compare with case", NSG, "name if name in keys else folded.get(name.lower())", "name if name in keys else None"),
    Mutant("words compare with case", NSG, "words.get(value.strip().lower())", "words.get(value.strip().replace('I', 'i').replace('A', 'a').replace('D', 'd').replace('O', 'o'))"),
    Mutant("tags compare with case", SENDERS, "key = service_tag(text).name.lower()", "key = service_tag(text).name"),
    Mutant("ids of application groups compare with case", NSG, 'return tuple("/" + "/".join(segments(each)) for each', "return tuple(each for each"),
    Mutant("protocols compare with case", PACKETS_FILE, "name = text.strip().lower()\n    if name in", "name = text.strip()\n    if name in"),
    Mutant("outbound rules count", NSG, '    if inbound is False:\n        return None\n    name = member(body, "name")\n    numbers, broken = _texts(values[4], values[5])\n    own, broken_own = _texts(values[6], values[7])\n    sources, broken_sources = _texts(', '    name = member(body, "name")\n    numbers, broken = _texts(values[4], values[5])\n    own, broken_own = _texts(values[6], values[7])\n    sources, broken_sources = _texts('),
    Mutant("destinations are not compared", NSG, "        if not fits:\n", "        if False:\n"),
    Mutant("destination groups are not compared", NSG, "if self.groups and self.groups & receiver.application_groups:", "if self.groups:"),
    Mutant("an unknown address fits", NSG, "return None if self.tags or self.addresses else False", "return True"),
    Mutant("a narrow source port locks an Allow", NSG, "locked = not allow and own[wide] != ALL_PORTS", "locked = own[wide] != ALL_PORTS"),
    Mutant("a Deny of some source ports denies", NSG, "locked = not allow and own[wide] != ALL_PORTS", "locked = False"),
    Mutant("the tag of a region is another tag", SENDERS, 'return tag == other or tag.startswith(f"{other}.")', "return tag == other"),
    Mutant("the tag VirtualNetwork is the internet", NSG, 'outside = PUBLIC_ADDRESSES if "internet" in', 'outside = PUBLIC_ADDRESSES if "vnet" in reaches.values() or "internet" in'),
    Mutant("the tag Internet holds only what is named", NSG, 'outside = PUBLIC_ADDRESSES if "internet" in reaches.values() else _cut(addresses)', "outside = _cut(addresses)"),
    Mutant("source groups count as addresses", NSG, "inside = ALL_ADDRESSES if", "inside = ALL_ADDRESSES if groups or"),
    Mutant("without a group a Standard address is open", CHAIN, 'if entry == "standard":', 'if entry == "basic":'),
    Mutant("admin rules come after the groups", CHAIN, 'levels.append(_level("admin-rules", admin.passed,', 'levels.append(_level("admin-rules", admin.always,'),
    Mutant("AlwaysAllow goes on to the groups", CHAIN, "now = list(_added(now, past)) if past else now", "pass"),
    Mutant("an admin Allow delivers", NSG, "rule if rule.always or not rule.allow else replace(rule, allow=False)", "rule"),
    Mutant("what no admin rule names is dropped", NSG, 'rest = [_allow_everything("no security admin rule", AFTER_CUSTOM_RULES)]', "rest: list[SecurityRule] = []"),
    Mutant("the port outside is the one behind", CHAIN, "return replace(self, first=first, last=first + self.last - self.first,", "return replace(self, first=self.first, last=self.last,"),
    Mutant("IPv6 is judged as IPv4", CHAIN, "    version = target.version\n", "    version: Version = 4\n"),
    Mutant("TCP stands for every protocol", PACKETS_FILE, "return (*WITH_PORTS, *WITHOUT_PORTS)", 'return ("tcp",)'),
    Mutant("protocols without ports ask for them", PACKETS_FILE, "if allow or numbers == ALL_PORTS:", "if numbers == ALL_PORTS:"),
    Mutant("a Deny of one port denies ICMP", PACKETS_FILE, "if allow or numbers == ALL_PORTS:", "if True:"),
    Mutant("machines share answers whatever their addresses", CHAIN, "where, group_key, aims, alone)", "where, group_key, alone)"),
    Mutant("answers are shared over IP versions", CHAIN, "key = (entry, target.version, where,", "key = (entry, where,"),
    Mutant("answers are shared over sides", NSG, "key = (apart, self.skipped(receiver)[wide], side, version)", 'key = (apart, self.skipped(receiver)[wide], "outside", version)'),
    Mutant("a known port that is closed is bridged", CHAIN, "                    and out[-1].certain & piece.certain == out[-1].certain\n                    and out[-1].possible & piece.possible == out[-1].possible\n", "                    or True\n"),
    Mutant("TCP's range stands for UDP's", CHAIN, "if other is not None and (other.certain, other.possible) == (piece.certain, piece.possible):", "if other is not None:"),
    Mutant("neighbours are told as one", CHAIN, "return adjacent and (last.certain, last.possible) == (piece.certain, piece.possible)", "return adjacent"),
    Mutant("a gap between rules is bridged", NSG, "        if not let:\n            previous = None\n        elif let is previous:", "        if not let:\n            pass\n        elif let is previous:"),
    Mutant("an unknown priority comes last", NSG, "AFTER_CUSTOM_RULES, BEFORE_ALL_RULES),", "AFTER_CUSTOM_RULES, AFTER_CUSTOM_RULES),"),
    Mutant("an unknown Deny does not deny", NSG, "if says.allow is True else _rule_effect(says, ends, False, wide=True)", "if says.allow is True else _rule_effect(says, ends, False, wide=False)"),
    Mutant("an unknown Allow does not allow", NSG, "else _rule_effect(says, ends, True, wide=True)", "else _rule_effect(says, ends, True, wide=False)"),
    Mutant("what may be is not asked", CHAIN, "possible = certain if exact else self._met(wide=True)", "possible = certain"),
    Mutant("a rule's port behind is the one outside", TOPOLOGY, "first if back is None or (floating and not back) else back)", "first)"),
    Mutant("a NAT range's ports behind differ, too", TOPOLOGY, "last = port.backend if port.single_backend else port.backend + port.last - port.first\n        passed", "last = port.backend + port.last - port.first\n        passed"),
    Mutant("NAT pools are not followed", TOPOLOGY, "yield from self.by_nat_pool.get(pool, ())", "yield from ()"),
    Mutant("an instance is in the pools that it names", TOPOLOGY, "dict.fromkeys((*map(key_of, pools), *named))", "dict.fromkeys(map(key_of, pools))"),
    Mutant("a load balancer over regions leads nowhere", TOPOLOGY, "for regional in self._regional(pool):", "for regional in ():"),
    Mutant("the port over regions is the one behind", TOPOLOGY, "return PortMapping(protocol, start, start + end - first, back, inner.single_backend)", "return PortMapping(protocol, first, end, back, inner.single_backend)"),
    Mutant("behind two load balancers a packet bears what was dialled", TOPOLOGY, 'self._own.get(regional, "")', "front.address"),
    Mutant("what keeps an address over regions is known", TOPOLOGY, "own if rule.floating and not front.floating else", "own if rule.floating or front.floating else"),
    Mutant("a kept address is forgotten", TOPOLOGY, "if self.front_end.floating", "if False"),
    Mutant("a gateway load balancer ends the path", TOPOLOGY, 'hops += (Hop("gateway-load-balancer",', 'continue\n                hops += (Hop("gateway-load-balancer",'),
    Mutant("a gateway load balancer lets in by itself", TOPOLOGY, "            if not id:\n                continue\n            public = self.public_address(id)", '            id = id or self._all("publicIPAddresses")[0].id\n            public = self.public_address(id)'),
    Mutant("HA ports are one port", TOPOLOGY, "    if not first and not back:\n        return EVERY_PORT\n", ""),
)  # fmt: skip


def survives(mutant: Mutant, folder: Path) -> str:
    """What the oracle says of it; "" where it finds nothing."""
    path = folder / mutant.file
    whole = (ROOT / mutant.file).read_text("utf-8")
    if whole.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.name}: its text stands {whole.count(mutant.old)} times in {mutant.file}")
    path.write_text(whole.replace(mutant.old, mutant.new), "utf-8")
    code = f"from tests.reach.oracle import first; print(first({PACKETS}) or '')"
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    path.write_text(whole, "utf-8")
    return done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]


def main(names: list[str]) -> int:
    chosen = [each for each in MUTANTS if not names or each.name in names]
    left = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(ROOT / "scanner", folder / "scanner", ignore=shutil.ignore_patterns("__pycache__", "sandbox"))
        shutil.copytree(
            ROOT / "tests" / "reach", folder / "tests" / "reach", ignore=shutil.ignore_patterns("__pycache__")
        )
        for mutant in chosen:
            said = survives(mutant, folder)
            print(f"{'found   ' if said else 'SURVIVES'}  {mutant.name}: {said[:110]}", flush=True)
            left += [] if said else [mutant.name]
    print(f"{len(chosen) - len(left)} of {len(chosen)} found")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
