"""Clouds, and ARM endpoints that say for themselves who signs in."""

from typing import Any

import pytest

from scanner.azure.clients import AzureReader
from scanner.azure.clouds import CLOUDS, cloud, described, endpoint, origin
from scanner.errors import AccessError, InputError
from scanner.sandbox.faults import Fault
from tests.azure.requests import S1, box, reading

LOGIN = {"loginEndpoint": "https://login.stack.example/adfs", "audiences": ["https://management.stack.example/guid"]}
STACK = "https://management.stack.example/guid"


@pytest.fixture(autouse=True)
def _no_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)


def test_the_clouds_are_those_of_the_sdk() -> None:
    from azure.core import AzureClouds
    from azure.identity import AzureAuthorityHosts
    from azure.mgmt.core.tools import get_arm_endpoints

    known = {
        "public": (AzureClouds.AZURE_PUBLIC_CLOUD, AzureAuthorityHosts.AZURE_PUBLIC_CLOUD),
        "us-government": (AzureClouds.AZURE_US_GOVERNMENT, AzureAuthorityHosts.AZURE_GOVERNMENT),
        "china": (AzureClouds.AZURE_CHINA_CLOUD, AzureAuthorityHosts.AZURE_CHINA),
    }
    assert set(known) == set(CLOUDS)
    for name, (theirs, authority) in known.items():
        ends = get_arm_endpoints(theirs)
        ours = CLOUDS[name]
        assert f"{ours.arm}/" == ends["resource_manager"]
        assert [ours.scope] == ends["credential_scopes"]
        assert ours.authority == f"https://{authority}"


def test_an_unknown_cloud_names_the_nearest() -> None:
    with pytest.raises(InputError) as raised:
        cloud("us-goverment")
    assert raised.value.do == "nearest: us-government; known: public, us-government, china"


def test_the_authority_of_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "login.own.example/")
    assert cloud("public").authority == "https://login.own.example"
    assert described("https://arm.example", {"authentication": LOGIN}, STACK).authority == "https://login.own.example"


@pytest.mark.parametrize(
    "metadata",
    [
        {"authentication": LOGIN},
        [
            {"resourceManager": "https://other.example/", "authentication": {**LOGIN, "audiences": ["https://no"]}},
            {"resourceManager": "https://ARM.example:443/", "authentication": LOGIN},
        ],
        [{"authentication": LOGIN}],
    ],
    ids=["object", "list", "list of one"],
)
def test_an_endpoint_says_how_to_sign_in_and_the_user_repeats_it(
    metadata: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="names a login authority of its own") as raised:
        described("https://arm.example", metadata, STACK)
    assert raised.value.do == "if it is yours: AZURE_AUTHORITY_HOST=https://login.stack.example"
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://login.stack.example")
    with pytest.raises(InputError, match="asks for tokens of another host") as raised:
        described("https://arm.example", metadata)
    assert raised.value.do == f"if it is yours: --arm-audience {STACK}"
    result = described("https://arm.example", metadata, STACK)
    assert (result.authority, result.scope) == (
        "https://login.stack.example",
        "https://management.stack.example/guid/.default",
    )
    assert not result.known


@pytest.mark.parametrize(
    "metadata",
    [None, [], "x", {}, {"authentication": {}}, {"authentication": {**LOGIN, "loginEndpoint": "http://login.example"}}],
)
def test_an_endpoint_that_does_not_say(metadata: Any) -> None:
    with pytest.raises(InputError, match="does not name its login authority"):
        described("https://arm.example", metadata)


@pytest.mark.parametrize(
    "url", ["http://arm.example", "https://user@arm.example", "https://arm.example/path", "https://", "ftp://x"]
)
def test_what_is_no_endpoint(url: str) -> None:
    with pytest.raises(InputError, match="an ARM endpoint is https:// and a host"):
        endpoint(url)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://Management.Azure.com:443/x", "management.azure.com"),
        ("https://127.0.0.1:8443", "127.0.0.1:8443"),
        ("https://[::1]:8443/", "[::1]:8443"),
        ("https://host:port", ""),
        ("/subscriptions", ""),
    ],
)
def test_origins_compare(url: str, same: str) -> None:
    assert origin(url) == same


def test_any_arm_endpoint_by_its_metadata() -> None:
    async def read(reader: AzureReader) -> tuple[str, list[str]]:
        return reader.cloud, [each.name for each in await reader.subscriptions()]

    running = box()
    cloud_name, names = reading(running, read)
    assert cloud_name == f"127.0.0.1:{running.port}"
    assert names == ["prod", "test"]
    assert running.requests[0].path == "/metadata/endpoints"
    assert S1 in running.estate.subscriptions


def test_an_endpoint_that_does_not_answer_as_arm_does() -> None:
    for fault in (Fault("status", "/metadata/*", status=404), Fault("html", "/metadata/*", status=200)):
        with pytest.raises(AccessError, match=r"127\.0\.0\.1 is not an ARM endpoint"):
            reading(box(faults=[fault]), AzureReader.subscriptions)
