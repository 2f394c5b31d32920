"""An estate several times over."""

from scanner.sandbox.copies import copies
from scanner.sandbox.estate import load_estate
from scanner.sandbox.served_estate import ServedEstate


def test_three_copies_hold_three_times_as_much_and_stay_connected() -> None:
    estate = load_estate()
    many = copies(estate, 3)
    served = ServedEstate(
        many.resources, many.subscriptions, grants=many.grants, refusals=many.refusals, overrides=many.overrides
    )
    ids = {str(one["id"]).lower() for one in estate.resources}
    once = {each for each in ids if "/resourcegroups/" not in each}
    assert len(served.nodes) == 3 * len(ids - once) + len(once), "what is set on a subscription stands once"
    assert served.dropped == 0
    assert len(served.subscriptions) == len(estate.subscriptions)
    assert len(served.refusals) == 3 * len(estate.refusals)
    endpoint = next(n for n in served.nodes.values() if n.type.endswith("/privateendpoints") and "-2/" in n.id)
    properties = endpoint.json["properties"]
    link = (properties.get("privateLinkServiceConnections") or properties["manualPrivateLinkServiceConnections"])[0]
    assert link["properties"]["privateLinkServiceId"].lower() in served.nodes
    assert "-2/" in link["properties"]["privateLinkServiceId"]


def test_each_copy_has_a_virtual_wan_of_its_own() -> None:
    """Otherwise the firewall of each hub may lead to the networks of every copy, and paths grow with their square."""
    many = copies(load_estate(), 3)
    hubs = [one for one in many.resources if one["type"] == "Microsoft.Network/virtualHubs"]
    wans = {hub["properties"]["virtualWan"]["id"].lower() for hub in hubs}
    assert len(hubs) == len(wans) == 3


def test_each_copy_has_vaults_of_its_own() -> None:
    """Otherwise the vault of each copy would have the keys that the resources of every copy use."""
    many = copies(load_estate(), 3)
    vaults = [one for one in many.resources if one["type"] == "Microsoft.KeyVault/vaults"]
    addresses = {vault["properties"]["vaultUri"] for vault in vaults}
    assert len(addresses) == len(vaults) > 3
    account = next(one for one in many.resources if "-3/" in one["id"] and "keyvaultproperties" in f"{one}".lower())
    assert "-3.vault.azure.net" in f"{account}"
