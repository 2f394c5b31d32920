"""Commands with several ranges in place of one have the form of the Azure CLI."""

import pytest

from scanner.fix.joins import join_of
from scanner.model.fix import RANGE

TWO = ("20.31.7.9/32", "20.31.8.0/28")
FORMS = {
    "az network nsg rule update --ids a --source-address-prefixes <YOUR_RANGE>": "{0} {1}",
    "az aks update --name a --api-server-authorized-ip-ranges <YOUR_RANGE>": "{0},{1}",
    "az acr network-rule add --ip-address <YOUR_RANGE>": "{0}\naz acr network-rule add --ip-address {1}",
    "az x ip-rule add --ip-rule ip-address=<YOUR_RANGE> action=Allow --name a": (
        "ip-address={0} action=Allow --ip-rule ip-address={1} action=Allow --name a"
    ),
    """az x --set a='[{"ipMask": "<YOUR_RANGE>", "action": "Allow"}]'""": (
        """'[{"ipMask": "{0}", "action": "Allow"}, {"ipMask": "{1}", "action": "Allow"}]'"""
    ),
}


@pytest.mark.parametrize("command", FORMS)
def test_several_ranges_stand_as_the_cli_takes_them(command: str) -> None:
    text = command.replace(RANGE, join_of([command]).join(TWO))
    assert text.endswith(FORMS[command].replace("{0}", TWO[0]).replace("{1}", TWO[1]))


def test_commands_that_take_ranges_in_different_forms_take_one() -> None:
    assert join_of(list(FORMS)[:2]) == ""
    assert join_of(["az x --one <YOUR_RANGE>"]) == join_of(["az x"]) == ""
