"""What closes an open port, proven on random networks: its changes as overlays close the port, or it says why not."""

import pytest

from scanner.model.exposure import Reach
from scanner.model.index import build
from scanner.model.remedy import Edit
from scanner.model.resource import Resource
from scanner.reach.closing import closing_of
from scanner.reach.filtering import OpenRange
from scanner.reach.narrowing import narrowing
from scanner.reach.networks import destination_of
from scanner.reach.open_ports import OpenPorts, open_range_lock
from scanner.reach.paths import FrontEnd, NetworkPath
from scanner.reach.source_grants import grants_from_sources
from scanner.reach.topology import Topology, topology
from tests.reach.estates import Maker
from tests.rules.simulate import overlaid_body

FRONT = FrontEnd("", "standard")


def paths(found: Topology) -> dict[tuple[str, str], NetworkPath]:
    nics = found.fabric.nics.values()
    return {
        (nic.id, each.name): NetworkPath(FRONT, destination_of(nic, each))
        for nic in nics
        for each in nic.configurations
    }


def wide_places(found: Topology, key: tuple[str, str]) -> list[tuple[OpenRange, tuple[int, int]]]:
    """The places of a network interface's configuration that broad ranges reach."""
    opened = paths(found)[key].open_ranges(found.fabric)
    wide = [
        each for each in opened if any(g.level >= Reach.wide for g in grants_from_sources(each.certain, found.index))
    ]
    return [(each, span) for each in wide for span in each.spans]


@pytest.mark.parametrize("seed", range(40))
def test_the_fix_of_an_open_port_closes_it_or_says_why_not(seed: int) -> None:
    bodies = Maker(seed).estate().resources
    before = topology(build(map(Resource, bodies)))
    for key, path in paths(before).items():
        for opened in path.open_ranges(before.fabric)[:4]:
            lock = open_range_lock(opened, before.index)
            closing = closing_of(opened, FRONT, before.index, Reach.wide)
            ports = OpenPorts("", opened.label, opened.known_port, False, lock, closing)
            remedy = narrowing(ports, before.index)
            if all(each.level < Reach.wide for each in lock.grants):
                assert not remedy.commands
                continue
            assert remedy.changes or remedy.steps
            if not remedy.changes:
                continue
            edits = [each for each in remedy.changes if isinstance(each, Edit)]
            after = topology(build(Resource(overlaid_body(each, each["id"], edits)) for each in bodies))
            left = [one for one, span in wide_places(after, key) if span in opened.spans and one.label == opened.label]
            assert left == [], (opened.label, remedy)
