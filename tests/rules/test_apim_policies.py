"""Policies of API Management: what is kept of them, and what they demand."""

import pytest
from rules.apim_policies import Demands, Policies, reduced

from scanner.model.resource import Resource

ID = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.ApiManagement/service/a"
FULL = """
<policies>
  <inbound>
    <base />
    <set-header name="x-functions-key" exists-action="override"><value>s3cret-key</value></set-header>
    <authentication-basic username="user" password="s3cret-password" />
    <ip-filter action="allow"><address>198.51.100.7</address><address-range from="10.0.0.1" to="10.0.0.9" /></ip-filter>
    <validate-jwt header-name="Authorization" require-scheme="s3cret">
      <openid-config url="https://login.microsoftonline.com/own.example/v2.0?code=s3cret" />
      <issuer-signing-keys><key>s3cret-signing</key></issuer-signing-keys>
      <required-claims><claim name="scp"><value>s3cret-claim</value></claim></required-claims>
    </validate-jwt>
    <validate-client-certificate>
      <identities><identity thumbprint="s3cret-thumbprint" /></identities>
    </validate-client-certificate>
    <choose>
      <when condition="@(context.Request.Headers[&quot;k&quot;] == &quot;s3cret&quot;)"><return-response /></when>
    </choose>
    <validate-azure-ad-token tenant-id="@(&quot;s3cret&quot;)" />
  </inbound>
  <outbound><set-body>s3cret-body</set-body></outbound>
</policies>
"""


def policy(value: object, name: str = "policies/policy") -> Resource:
    return Resource({"id": f"{ID}/{name}", "properties": {"value": value}})


def demands(inbound: str, *fragments: Resource) -> Demands:
    return Policies(fragments, None).of(policy(f"<policies><inbound>{inbound}</inbound></policies>"), "p")


def test_nothing_of_a_policy_is_kept_that_may_be_a_secret() -> None:
    body = {"id": ID, "properties": {"format": "xml", "value": FULL}}
    once = reduced(body)
    text = once["properties"]["value"]
    assert "s3cret" not in str(once)
    assert reduced(once) == once
    for each in ("ip-filter", "198.51.100.7", "validate-jwt", "key", "return-response", "/own.example/v2.0"):
        assert each in text


@pytest.mark.parametrize("value", ["<policies>", "<a/><b/>", "no xml s3cret", "<x>" * 100, 7, None, ["s3cret"]])
def test_what_is_no_policy_is_not_kept(value: object) -> None:
    assert "s3cret" not in str(reduced({"id": ID, "properties": {"value": value}}))


def test_entities_of_a_document_type_are_refused() -> None:
    text = '<!DOCTYPE policies [<!ENTITY a "s3cret">]><policies><inbound><base>&a;</base></inbound></policies>'
    assert reduced({"id": ID, "properties": {"value": text}})["properties"] == {"value": "<unparsed/>"}


def test_the_reduced_policy_demands_the_same() -> None:
    body = {"id": f"{ID}/policies/policy", "properties": {"value": FULL}}
    whole, kept = (Policies((), None).of(Resource(each), "p") for each in (body, reduced(body)))
    assert (whole.base, whole.filters) == (kept.base, kept.filters)
    assert [each.why for each in whole.unclear] == [each.why for each in kept.unclear]
    assert len(whole.tokens) == len(kept.tokens) == 1
    assert len(whole.signatures) == len(kept.signatures) == 1


CERTIFICATE = "<validate-client-certificate {}><identities><identity {} /></identities></validate-client-certificate>"
OWN = "<openid-config url='https://login.microsoftonline.com/own.example/v2.0' />"
AUDIENCE = "<audiences><audience>a</audience></audiences>"
TOKEN = f"<validate-jwt>{OWN}{AUDIENCE}</validate-jwt>"
EVERY = "<openid-config url='https://login.microsoftonline.com/common/v2.0' />"
OTHER = "<openid-config url='https://accounts.google.com/.well-known/openid-configuration' />"
NAMED = "<openid-config url='https://login.microsoftonline.com/{{tenant}}/v2.0' />"
CLAIM = "<required-claims><claim name='{}' /></required-claims>"


@pytest.mark.parametrize(
    "inbound",
    [
        "<base />",
        f"<choose><when condition='@(true)'>{TOKEN}</when></choose>",
        f"<validate-jwt require-signed-tokens='false'>{OWN}{AUDIENCE}</validate-jwt>",
        "<validate-jwt />",
        f"<validate-jwt>{OWN}</validate-jwt>",
        f"<validate-jwt>{EVERY}{AUDIENCE}</validate-jwt>",
        f"<validate-jwt>{EVERY}{CLAIM.format('aud')}</validate-jwt>",
        f"<validate-jwt>{OWN}{EVERY}{AUDIENCE}</validate-jwt>",
        f"<validate-jwt>{OTHER}{AUDIENCE}</validate-jwt>",
        f"<validate-jwt>{OTHER}{CLAIM.format('aud')}</validate-jwt>",
        f"<validate-jwt>{NAMED}{AUDIENCE}</validate-jwt>",
        "<validate-azure-ad-token tenant-id='organizations' />",
        "<validate-azure-ad-token tenant-id='own.example' />",
        f"<validate-azure-ad-token tenant-id='{{{{tenant}}}}'>{AUDIENCE}</validate-azure-ad-token>",
        "<validate-client-certificate />",
        CERTIFICATE.format("", ""),
        CERTIFICATE.format("ignore-error='true'", "subject='CN=a'"),
        CERTIFICATE.format("validate-trust='false'", "subject='CN=a'"),
        "<validate-client-certificate><identities><identity thumbprint='a' /><identity /></identities>"
        "</validate-client-certificate>",
        "<include-fragment fragment-id='gone' />",
        "<check-header name='X-Key' />",
    ],
)
def test_what_proves_no_credential(inbound: str) -> None:
    result = demands(inbound)
    assert (result.tokens, result.signatures) == ((), ())
    assert bool(result.unclear) != (inbound == "<base />")


@pytest.mark.parametrize(
    "inbound",
    [
        TOKEN,
        f"<validate-jwt>{OWN}{CLAIM.format('roles')}</validate-jwt>",
        f"<validate-jwt>{EVERY}{CLAIM.format('tid')}</validate-jwt>",
        f"<validate-jwt>{EVERY}{AUDIENCE}<issuers><issuer>https://sts.windows.net/own/</issuer></issuers></validate-jwt>",
        f"<validate-jwt>{OTHER}{CLAIM.format('hd')}</validate-jwt>",
        f"<validate-azure-ad-token tenant-id='own.example'>{AUDIENCE}</validate-azure-ad-token>",
        "<validate-azure-ad-token tenant-id='own.example'><client-application-ids><application-id>a</application-id>"
        "</client-application-ids></validate-azure-ad-token>",
        CERTIFICATE.format("", "subject='CN=a'"),
        CERTIFICATE.format("validate-trust='false'", "thumbprint='a'"),
    ],
)
def test_what_proves_a_credential(inbound: str) -> None:
    result = demands(inbound)
    assert len(result.tokens) == 1
    assert not result.unclear
    once = reduced({"id": ID, "properties": {"value": f"<policies><inbound>{inbound}</inbound></policies>"}})
    again = Policies((), None).of(Resource({"id": f"{ID}/policies/policy", **once}), "p")
    assert (len(again.tokens), again.unclear) == (1, ())


def test_the_policy_of_an_operation_without_base_leaves_out_that_of_its_api() -> None:
    api = demands(TOKEN)
    assert demands("<base />").inside(api).tokens
    assert not demands("<rate-limit calls='1' />").inside(api).tokens
    unclear = demands("<choose><when condition='@(true)'><base /></when></choose>").inside(api)
    assert not unclear.tokens


def test_a_fragment_that_includes_itself_ends() -> None:
    resource = Resource(
        {
            "id": f"{ID}/policyFragments/a",
            "properties": {"value": "<fragment><include-fragment fragment-id='A' /></fragment>"},
        }
    )
    assert demands("<include-fragment fragment-id='a' />", resource).unclear
