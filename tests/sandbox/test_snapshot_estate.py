"""A snapshot file served again."""

import json
from pathlib import Path

from scanner.sandbox.server import serve
from scanner.sandbox.snapshot_estate import load
from tests.sandbox.sample import ACCOUNTS, CONTAINERS, RESOURCES, S1, S2, SITE, VAULT
from tests.sandbox.test_server import API, STORAGE, VAULTS, ask


def written(path: Path) -> Path:
    action = "Microsoft.KeyVault/vaults/privateEndpointConnections/read"
    lines = [
        {"snapshot": {"version": 1, "taken": "2026-11-25T12:00:00Z", "cloud": "public", "scopes": [S1, S2]}},
        {"scope": {"subscription": S1, "name": "One", "tenant": "t1", "view": "full"}},
        {"scope": {"subscription": S2, "name": "Two", "tenant": "t1", "view": "partial"}},
        *({"resource": body, "api": "2025-06-01", "by": "get"} for body in [*ACCOUNTS, *CONTAINERS, VAULT]),
        {
            "gap": {
                "url": f"{VAULT['id']}/privateEndpointConnections",
                "status": 403,
                "code": "AuthorizationFailed",
                "action": action,
            }
        },
        {"gap": {"url": f"{ACCOUNTS[3]['id']}/localUsers", "status": 0, "code": "Timeout", "action": ""}},
        {"end": {"resources": 33, "reads": 0, "gaps": 2}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_views_and_gaps_come_back(tmp_path: Path) -> None:
    with serve(load(written(tmp_path / "snapshot.jsonl"), accept_version_1=True)) as box:
        assert box.tenant == "t1"
        names = [s["displayName"] for s in ask(box, f"/subscriptions{API}").json["value"]]
        assert names == ["One", "Two"]
        assert len(ask(box, STORAGE + API).json["value"]) == 25
        assert ask(box, VAULTS + API).status == 403
        assert ask(box, VAULT["id"] + API).json == VAULT
        refused = ask(box, f"{VAULT['id']}/privateEndpointConnections{API}")
        assert refused.status == 403
        assert "'Microsoft.KeyVault/vaults/privateEndpointConnections/read'" in refused.json["error"]["message"]
        assert ask(box, f"{ACCOUNTS[3]['id']}/localUsers{API}").status == 504
        assert ask(box, f"{ACCOUNTS[4]['id']}/localUsers{API}").json["value"] == []


def test_exported_resources_are_seen_whole(tmp_path: Path) -> None:
    path = tmp_path / "resources.json"
    path.write_text(json.dumps(RESOURCES), "utf-8")
    with serve(load(path)) as box:
        assert len(ask(box, STORAGE + API).json["value"]) == 25
        assert ask(box, SITE["id"] + API).status == 200
