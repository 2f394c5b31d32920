"""A path is in the models of an SDK, or it is not: both generators of SDKs, lists, maps and what is flattened."""

import pytest
from azure.mgmt.search.models import SearchService
from azure.mgmt.storage.models import StorageAccount

from tests.azure.models import has

PATHS = {
    StorageAccount: ("sku.name", "properties.networkAcls.ipRules[].value", "properties.networkAcls.*", "tags.*"),
    SearchService: ("sku.name", "properties.networkRuleSet.ipRules[].value", "properties.disableLocalAuth", "tags.*"),
}
NONE = ("sku.nam", "properties.networkAcls.ipRules.value", "networkAcls", "properties.disableLocalAuth.x", "tags.a")


@pytest.mark.parametrize(("model", "path"), [(model, path) for model, paths in PATHS.items() for path in paths])
def test_a_path_of_the_model(model: type, path: str) -> None:
    assert has(model, path)
    assert not has(model, f"{path}x")


@pytest.mark.parametrize("model", PATHS)
@pytest.mark.parametrize("path", NONE)
def test_no_path_of_the_model(model: type, path: str) -> None:
    assert not has(model, path)
