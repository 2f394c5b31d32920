"""Makes the logins of a machine: environment variables, a token file, a program `az`."""

import json
import os
import time
from datetime import datetime
from pathlib import Path

from scanner.sandbox.entra import ISSUER_SECRET, SandboxEntra, jwt

CONNECTION = "55555555-5555-5555-5555-555555555555"

AZ = """#!/bin/sh
# Answers as the Azure CLI does to somebody who is signed in; writes down what it was asked.
echo "$*" >> "$(dirname "$0")/az.log"
case "$*" in
  *get-access-token*) cat "$(dirname "$0")/token.json" ;;
  *version*) echo '{"azure-cli": "2.80.0"}' ;;
  *) echo "ERROR: the sandbox's az only gives tokens" >&2; exit 1 ;;
esac
"""


def variables(auth: str, base: str, folder: Path, entra: SandboxEntra) -> dict[str, str]:
    """Return the environment variables of a kind of login. `base`: the address of the sandbox.

    Files go into `folder`. A kind that needs no variables gets none.
    """
    tenant = entra.estate.tenant
    ids = {"AZURE_TENANT_ID": tenant, "AZURE_CLIENT_ID": entra.client}
    match auth:
        case "environment":
            return {**ids, "AZURE_CLIENT_SECRET": entra.secret}
        case "workload-identity":
            return {**ids, "AZURE_FEDERATED_TOKEN_FILE": str(token_file(folder))}
        case "github":
            return {**ids, **github(base)}
        case "azure-pipelines":
            return pipelines(base, tenant, entra.client)
        case "managed-identity":
            return {"IDENTITY_ENDPOINT": f"{base}/identity", "IDENTITY_HEADER": ISSUER_SECRET}
        case "cli":
            return azure_cli(folder, entra.token(tenant, base), tenant)
    return {}


def token_file(folder: Path) -> Path:
    """Write a federated token, as Kubernetes does for a pod. Return its path."""
    path = folder / "federated-token"
    path.write_text(jwt({"iss": "https://oidc.example.org", "sub": "system:serviceaccount:default:twolocks"}), "utf-8")
    return path


def github(base: str) -> dict[str, str]:
    """Return the variables of a GitHub Actions job that may request an id token."""
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{base}/oidc/github?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ISSUER_SECRET,
    }


def pipelines(base: str, tenant: str, client: str) -> dict[str, str]:
    """Return the variables of an Azure Pipelines task with a service connection."""
    return {
        "AZURESUBSCRIPTION_TENANT_ID": tenant,
        "AZURESUBSCRIPTION_CLIENT_ID": client,
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": CONNECTION,
        "SYSTEM_OIDCREQUESTURI": f"{base}/oidc/pipelines",
        "SYSTEM_ACCESSTOKEN": ISSUER_SECRET,
    }


def azure_cli(folder: Path, token: str, tenant: str) -> dict[str, str]:
    """Write a program `az`, which logs its calls to `az.log` beside it. Return a PATH that finds it first."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    expires = int(time.time()) + 3600
    answer = {
        "accessToken": token,
        "expiresOn": datetime.fromtimestamp(expires).strftime("%Y-%m-%d %H:%M:%S.000000"),  # noqa: DTZ006
        "expires_on": expires,
        "tenant": tenant,
        "tokenType": "Bearer",
    }
    (programs / "token.json").write_text(json.dumps(answer), "utf-8")
    program = programs / "az"
    program.write_text(AZ, "utf-8")
    program.chmod(0o755)
    return {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
