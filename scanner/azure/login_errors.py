"""The errors of logins: why none works, and what Microsoft Entra ID refused, each in one sentence with its fix."""

import logging
import re
from collections.abc import Sequence

from scanner.azure.cli_profile import profile_user
from scanner.azure.errors import ExpiredLogin, LoginRefused, NoCredential, WrongTenant
from scanner.azure.logins import REQUIRED_VARIABLES
from scanner.azure.transport import explain_failure
from scanner.errors import AccessError

# Errors are reported once, in our words, because the SDKs log texts that a server answered.
for _logger in ("azure", "msal"):
    logging.getLogger(_logger).addHandler(logging.NullHandler())

ENTRA_CODE = re.compile(r"AADSTS\d+")
_USER = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_EXPIRED = frozenset(
    {
        "AADSTS700082",
        "AADSTS50173",
        "AADSTS70043",
        "AADSTS50078",
        "AADSTS700084",
        "AADSTS70008",
        "AADSTS7000222",
        "AADSTS50132",
    }
)
_WRONG_TENANT = frozenset({"AADSTS90002", "AADSTS50020", "AADSTS90072", "AADSTS50194", "AADSTS700016", "AADSTS500011"})

NAMES = {
    "environment": "environment",
    "workload-identity": "workload identity",
    "cli": "Azure CLI",
    "managed-identity": "managed identity",
    "github": "GitHub",
    "azure-pipelines": "Azure Pipelines",
    "device-code": "device code",
    "browser": "browser",
}
_HINTS = {
    "environment": f"set {', '.join(REQUIRED_VARIABLES['environment'])}",
    "workload-identity": f"set {', '.join(REQUIRED_VARIABLES['workload-identity'])}",
    "github": "give the job `permissions: id-token: write`, and set AZURE_TENANT_ID and AZURE_CLIENT_ID",
    "azure-pipelines": "run in an AzureCLI@2 task with a service connection, and map SYSTEM_ACCESSTOKEN",
    "device-code": "run again, and enter the code within 15 minutes",
    "browser": "run again, or use --auth device-code where no browser is available",
}


def no_login(reasons: Sequence[str], kind: str) -> NoCredential:
    """Return the error for when no login worked. `kind`: the last kind that was tried."""
    return NoCredential("no login was found", at="; ".join(reasons), do=_hint(kind))


def unavailable(kind: str, text: str) -> str:
    """Return why a kind of login is not available, from the text of its error."""
    if kind == "managed-identity":
        why = "none here"
    elif kind == "cli":
        why = "not installed" if "not found" in text.lower() else "not signed in"
    else:
        why = _first_line(text)
    return f"{NAMES[kind]}: {why}"


async def login_error(kind: str, error: Exception, tenant: str, authority: str) -> AccessError:
    """Return the error for a login that failed. `tenant`: the one of `--tenant`, or ""."""
    text = str(error)
    match = ENTRA_CODE.search(text)
    if match:
        return _refused_by_entra(kind, match[0], text, tenant)
    explained = await explain_failure(error, authority)
    if explained is not None:
        return explained
    return LoginRefused(f"the login was refused ({NAMES[kind]})", at=_first_line(text), do=_hint(kind))


def _refused_by_entra(kind: str, code: str, text: str, tenant: str) -> AccessError:
    match = _USER.search(text)
    user = match[0] if match else profile_user() if kind == "cli" else ""
    login = f"{NAMES[kind]} login{f' of {user}' if user else ''}"
    login_tenant = tenant or (user.partition("@")[2] if code in _EXPIRED else "")
    sign_in = f"az login{f' --tenant {login_tenant}' if login_tenant else ''}" if kind == "cli" else _hint(kind)
    if code in _EXPIRED:
        return ExpiredLogin(f"the {login} has expired ({code})", do=sign_in)
    if code in _WRONG_TENANT:
        wanted = f"tenant {tenant}" if tenant else "this tenant"
        return WrongTenant(f"the {login} does not belong to {wanted} ({code})", do=f"check --tenant; then: {sign_in}")
    return LoginRefused(f"Entra ID refused the {login} ({code})", at=_first_line(text), do=sign_in)


def _hint(kind: str) -> str:
    return _HINTS.get(kind, "az login")


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0][:300]
