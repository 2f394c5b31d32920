"""Where a token of Microsoft Entra ID may be sent as the password of a database."""

import re
from collections.abc import Collection, Mapping

from sqlalchemy import URL

from scanner.azure.claims import claims_of
from scanner.azure.clouds import POSTGRES, azure_cloud
from scanner.errors import InputError

SCOPE_VARIABLE = "TWOLOCKS_POSTGRES_SCOPE"
"""The variable with the scope of the token in PGPASSWORD. `with-postgres-token` sets it."""
OPTION = "--postgres-token-host"
VERIFIED = "verify-full"
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_DRIVER_OPTIONS = ("autocommit", "prepare_threshold", "context", "row_factory", "cursor_factory")
"""The arguments of `psycopg.connect` that libpq does not know."""


def check_hosts(url: URL, environ: Mapping[str, str], named: Collection[str], at: str = "") -> None:
    """Raise InputError where the password for a database is a token, and one of its hosts may not get it.

    It may go to the PostgreSQL servers of the cloud that its audience belongs to, over verified TLS, and to the hosts
    that the user `named`. `at` says how the URL was given.
    """
    result = _parameters(url)
    password = result.get("password") or environ.get("PGPASSWORD", "")
    scope = environ.get(SCOPE_VARIABLE, "") if password else ""
    claims = claims_of(password)
    if "aud" not in claims and not scope:
        return
    audience = str(claims.get("aud", ""))
    # An audience may be the id of an application. Then the issuer has the cloud.
    cloud = azure_cloud(audience if "://" in audience else str(claims.get("iss", ""))) or azure_cloud(scope)
    domains = POSTGRES.get(cloud, ())
    allowed = {each.lower().rstrip(".") for each in named}
    if result.get("service") or environ.get("PGSERVICE"):
        raise InputError(
            "a service of PostgreSQL chooses the host that gets the token", at=at, do="write the host into the URL"
        )
    for host in _hosts(result, environ):
        plain = host.lower().rstrip(".")
        if plain in allowed:
            continue
        if not _HOST.fullmatch(plain) or not plain.endswith(domains):
            raise _refused(host, domains, at)
        if (result.get("sslmode") or environ.get("PGSSLMODE")) != VERIFIED:
            raise InputError(
                f"a token goes only to a server whose certificate is checked, and that of {host} is not",
                at=at,
                do=f"add ?sslmode={VERIFIED}&sslrootcert=system to the URL",
            )


def _parameters(url: URL) -> dict[str, str]:
    """Return what libpq gets of a URL. Raise InputError for what it does not know."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    words, given = url.get_dialect()().create_connect_args(url)
    known = {name: value for name, value in given.items() if name not in _DRIVER_OPTIONS}
    try:
        result = conninfo_to_dict(*words, **known)
    except ProgrammingError as error:
        raise InputError("not a database URL", do="write postgresql+psycopg://host/database") from error
    return {name: str(value) for name, value in result.items()}


def _hosts(result: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Return every host and address that libpq may connect to; "" where it chooses one itself."""
    hosts = result.get("host") or environ.get("PGHOST", "")
    addresses = result.get("hostaddr") or environ.get("PGHOSTADDR", "")
    return [*hosts.split(","), *(addresses.split(",") if addresses else ())]


def _refused(host: str, domains: Collection[str], at: str) -> InputError:
    """Return the error for a host that may not get the token."""
    azure = f", which is none of *{' or *'.join(domains)}" if domains else ", because its cloud is not known"
    shown = host if host.isprintable() else ascii(host)
    if not host:
        return InputError("a token is sent only to a host that the URL names", at=at, do="write the host into the URL")
    what = f"the password is a token of Microsoft Entra ID, which is not sent to {shown}{azure}"
    return InputError(what, at=at, do=f"if {shown} is yours: {OPTION} {shown}")
