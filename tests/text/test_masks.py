"""What looks like a secret is masked, and nothing else."""

import pytest

from scanner.model.masked_values import masked_value
from scanner.text.masks import masked, patterns

KEY = "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYm=="
SECRETS = {
    "https://st.blob.core.windows.net/c?sv=2022-11-02&sig=4b1Qz0%2FcanaryCANARY1234%3D&se=2026": "canaryCANARY1234",
    f"DefaultEndpointsProtocol=https;AccountName=st;AccountKey={KEY};EndpointSuffix=core.windows.net": KEY,
    "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=canary-12": "canary-12",
    "Server=tcp:sql.database.windows.net;User ID=sa;Password=canary!1;Encrypt=true": "canary!1",
    "Server=sql;Uid=sa;Pwd=canary!1": "canary!1",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIcanary\n-----END RSA PRIVATE KEY-----": "MIIcanary",
    "Authorization: Bearer abcdefghijklmnopqrstuvwxyz012345": "abcdefghijklmnopqrstuvwxyz012345",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl": "eyJzdWIiOiJjYW5hcnkifQ",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789": "abcdefghijklmnopqrstuvwxyz",
    "xoxb-123456789012-canarycanary": "canarycanary",
    "https://deploy:canary-1@app.scm.azurewebsites.net/app.git": "canary-1",
    "https://hooks.slack.com/services/T000/B000/canarycanary": "canarycanary",
    "https://org.webhook.office.com/webhookb2/canary@tenant/IncomingWebhook/x": "canary",
    "host=db user=two password='canary one' dbname=x": "canary one",
    "https://canarycanary1234canary@github.com/org/app.git": "canary",
    "https://f.azurewebsites.net/api/f?code=canarycanary==&x=1": "canarycanary",
    "https://x.example/?x-functions-key=canary123": "canary123",
    "https://x.example/cb?client_secret=canary123#": "canary123",
    "https://x.example/#access_token=canary123": "canary123",
    "https://hooks.slack-gov.com/services/T000/B000/canarycanary": "canarycanary",
    "https://outlook.office.com/webhook/canary@tenant/IncomingWebhook/x": "canary",
    "https://discord.com/api/webhooks/1/canary": "canary",
    "https://events.pagerduty.com/integration/canary/enqueue": "canary",
    KEY: KEY,
    "abc8Q~canarycanarycanarycanarycanary1234": "canary1234",
}
PLAIN = (
    "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv",
    "https://kv.vault.azure.net/keys/disk/5f1f0c2d3e4b4a5c9d8e7f6a5b4c3d2e",
    "Microsoft.Storage/storageAccounts/listkeys/action",
    "properties.disableKeyBasedMetadataWriteAccess",
    "amqps://ns.servicebus.windows.net:5671",
    "tcp:sql.database.windows.net,1433",
    "password authentication is off",
    "https://st.blob.core.windows.net/?restype=service&comp=properties",
    "https://management.azure.com/x?api-version=2024-01-01&$skiptoken=eyJuZXh0abcdefgh",
    "https://org@dev.azure.com/org/project/_git/app",
    "https://x.example/?key=short&tokenVersion=20240101&codec=abcdefghij",
)


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_masked(text: str) -> None:
    assert SECRETS[text] not in masked(text)
    assert "***" in masked(text)
    assert SECRETS[text] not in str(masked_value({"a": [{"b": text}]}))


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text) == text


def test_each_pattern_has_an_example() -> None:
    assert [name for name, each in patterns().items() if not any(each.search(text) for text in SECRETS)] == []
