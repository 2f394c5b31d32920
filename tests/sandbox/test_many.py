"""An estate several times over."""

from scanner.sandbox.copies import copies
from scanner.sandbox.estate import load_estate
from scanner.sandbox.world import World


def test_three_copies_hold_three_times_as_much_and_stay_connected() -> None:
    estate = load_estate()
    many = copies(estate, 3)
    world = World(many.resources, many.subscriptions, grants=many.grants, refusals=many.refusals, quirks=many.quirks)
    assert len(world.nodes) == 3 * len({str(one["id"]).lower() for one in estate.resources})
    assert world.dropped == 0
    assert len(world.subscriptions) == len(estate.subscriptions)
    assert len(world.refusals) == 3 * len(estate.refusals)
    endpoint = next(n for n in world.nodes.values() if n.type.endswith("/privateendpoints") and "-2/" in n.id)
    properties = endpoint.json["properties"]
    link = (properties.get("privateLinkServiceConnections") or properties["manualPrivateLinkServiceConnections"])[0]
    assert link["properties"]["privateLinkServiceId"].lower() in world.nodes
    assert "-2/" in link["properties"]["privateLinkServiceId"]
