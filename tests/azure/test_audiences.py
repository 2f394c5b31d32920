"""A token for Azure goes to Azure's own hosts only: random endpoints, metadata, audiences, authorities and clouds."""

from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.azure import blobs
from scanner.azure.clouds import AUTHORITIES, CLOUDS, Cloud, azure_cloud, cloud, described, endpoint, known_at, origin
from scanner.errors import InputError
from scanner.output.storage import endpoint as storage_endpoint

KNOWN = [urlsplit(each.arm).hostname or "" for each in CLOUDS.values()]
AZURE = [*KNOWN, "storage.azure.com", "vault.azure.net", "graph.microsoft.com", "management.core.windows.net"]
OTHER = ["evil.example", "127.0.0.1:8443", "[::1]:8443", "azure.com.evil.example", "evilazure.com", "xn--zure-6na.com"]
HOSTS = st.one_of(
    st.sampled_from([*AZURE, *OTHER]),
    st.builds(
        lambda host, end: f"{host}{end}", st.sampled_from(AZURE), st.sampled_from([".", ":444", ".evil.example"])
    ),
    st.builds(lambda start, host: f"{start}{host}", st.sampled_from(["a.", "a", "x@", "x:y@"]), st.sampled_from(AZURE)),
    st.sampled_from([each.upper() for each in AZURE]),
)
URLS = st.builds(
    lambda scheme, host, path: f"{scheme}{host}{path}",
    st.sampled_from(["https://", "https:\\\\", "http://", "", "api://", "https://\t"]),
    HOSTS,
    st.sampled_from(["", "/", "/guid", "?x", "#@evil.example", "\\@evil.example"]),
)
GUID = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
"""Azure Service Management: another name of the public cloud's audience."""


def same_cloud(audience: str, host: str) -> bool:
    """Whether a token of this audience may go to a host (with its port)."""
    return origin(audience) == host or not (mine := azure_cloud(audience)) or mine == azure_cloud(f"https://{host}")


def of_endpoint(arm: str, metadata: object, named: str) -> Cloud:
    """The cloud of --arm-endpoint, as `resolve_cloud` takes it."""
    value = endpoint(arm)
    return known_at(value) or described(value, metadata, named)


@settings(max_examples=1500, deadline=None)
@given(
    arm=URLS,
    audiences=st.lists(st.one_of(URLS, st.just(GUID)), max_size=3),
    login=URLS,
    named=st.one_of(st.just(""), URLS, st.just(GUID)),
    authority=st.sampled_from(["", "login.own.example"]),
)
def test_a_token_for_azure_goes_to_azure_only(
    arm: str, audiences: list[str], login: str, named: str, authority: str
) -> None:
    metadata = {"authentication": {"loginEndpoint": login, "audiences": audiences}}
    with pytest.MonkeyPatch.context() as patched, suppress(InputError):
        patched.setenv("AZURE_AUTHORITY_HOST", authority)
        result = of_endpoint(arm, metadata, named)
        audience = result.scope.removesuffix("/.default")
        assert audience.startswith("https://")
        assert same_cloud(audience, result.host)
        if audience in {each.scope.removesuffix("/.default") for each in CLOUDS.values()}:
            assert any(result.host == each or result.host.endswith(f".{each}") for each in KNOWN)
        assert origin(result.authority) in AUTHORITIES | {authority}


@pytest.mark.parametrize("host", [*KNOWN, *(f"westeurope.{each}" for each in KNOWN)])
def test_a_known_cloud_is_never_asked_how_to_sign_in(host: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("AZURE_AUTHORITY_HOST", raising=False)
        result = known_at(endpoint(host))
    assert result is not None
    assert (result.scope, result.authority) in {(each.scope, each.authority) for each in CLOUDS.values()}


ACCOUNTS = st.one_of(
    st.just(""),
    st.sampled_from(["stone", "st1"]),
    st.builds(
        lambda name, end: f"{name}.{end}",
        st.sampled_from(["stone", "a.z12"]),
        st.sampled_from([*blobs.SUFFIXES.values(), *blobs.OTHERS, "evil.example"]),
    ),
)


@settings(max_examples=500, deadline=None)
@given(account=ACCOUNTS, own=st.one_of(st.just(""), URLS), name=st.sampled_from([*CLOUDS, "stack.example"]))
def test_a_token_for_storage_goes_to_the_account_or_to_the_cloud_of_the_login(
    account: str, own: str, name: str
) -> None:
    environ = {"AZURE_STORAGE_ACCOUNT_NAME": "stone", "AZURE_STORAGE_SERVICE_ENDPOINT": own}
    with suppress(InputError):
        value = storage_endpoint(account, environ, name if name in CLOUDS else "public", "", "--out")
        audience, host = blobs.audience(value, name), origin(value)
        assert origin(audience) == host or (
            audience == blobs.EVERY_ACCOUNT
            and name in CLOUDS
            and host.endswith((blobs.SUFFIXES[name], *(blobs.OTHERS if name == "public" else ())))
        )


def test_the_clouds_themselves() -> None:
    for each in CLOUDS:
        result = cloud(each)
        assert azure_cloud(result.arm) == azure_cloud(result.scope) == each
