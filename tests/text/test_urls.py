"""Whatever a password is, nothing that is shown holds it, and what is used is read in one way."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from scanner.config.settings import resolve, shown
from scanner.errors import HistoryError, InputError
from scanner.fleet.queue import check_broker
from scanner.history.database import database_at
from scanner.text.masks import masked
from scanner.text.urls import BadUrl, BrokerUrl, check_url, has_password, hidden_words, masked_url, masked_urls

LEAST = 4
"""The letters of a part of a password that counts."""
SCHEMES = ("postgresql+psycopg://", "redis://", "rediss://", "amqps://", "https://")
PASSWORDS = st.text("abcXYZ019@/:?#%&=,;.+-_~!$*()[] \\", min_size=LEAST, max_size=24).map(lambda text: f"K{text}Q")
"""Of letters that the rest of the URL does not hold in this order."""


def substrings(password: str) -> list[str]:
    """Return every part of a password of so many letters that no URL of these tests holds by itself."""
    return [password[at : at + LEAST] for at in range(len(password) - LEAST + 1)]


def leaks(text: str, password: str) -> list[str]:
    return [each for each in substrings(password) if each in text and not re.fullmatch(r"[*./:@?#-]+", each)]


@given(st.sampled_from(SCHEMES), st.sampled_from(["two", "", "two%40corp"]), PASSWORDS)
def test_no_password_is_shown(scheme: str, user: str, password: str) -> None:
    url = f"{scheme}{user}:{password}@host.example/base"
    assert has_password(url)
    for text in (masked_url(url), shown(url), shown((url,)), masked_url(f"--history {url}")):
        assert leaks(text, password) == []
        assert "host.example/base" in text
    if " " not in password:
        assert leaks(masked_urls(f"cannot open {url}: refused"), password) == []
        quoted = any(each in password for each in "\"'<>")
        port = re.match(r"[0-9]{2,5}/", password)
        assert quoted or port or leaks(masked(f'{{"url": "{url}"}}'), password) == []


@given(PASSWORDS)
def test_errors_of_the_history_hold_no_password(password: str) -> None:
    url = f"postgresql+psycopg://two:{password}@127.0.0.1:1/base?connect_timeout=1"
    database, text = None, ""
    try:
        database = database_at(url, at="TWOLOCKS_SCAN_HISTORY")
    except (HistoryError, InputError) as error:
        text = f"{error.what} {error.at} {error.do}"
    assert leaks(text, password) == [] or leaks("127.0.0.1", password)
    if database is not None and not leaks("127.0.0.1", password):
        assert (database.url.host, database.url.port) == ("127.0.0.1", 1)  # type: ignore[union-attr]
        assert leaks(database.where, password) == []


@pytest.mark.parametrize(
    "url", ["//two:geheim@db/x", "two:geheim@db", "postgresql:/two:geheim@db/x", "password=geheim"]
)
def test_a_history_whose_scheme_is_missing_is_no_file(url: str) -> None:
    with pytest.raises(HistoryError, match="has no scheme") as raised:
        database_at(url, at="TWOLOCKS_SCAN_HISTORY")
    assert "geheim" not in f"{raised.value.what} {raised.value.at} {raised.value.do}"


@given(PASSWORDS)
def test_errors_of_the_broker_hold_no_password(password: str) -> None:
    url = f"rediss://:{password}@127.0.0.1:1/0"
    settings = resolve("fleet worker", {}, {"TWOLOCKS_FLEET_BROKER": url}, use_file=False)
    broker_url, text = None, ""
    try:
        broker_url = check_broker(settings)
    except InputError as error:
        text = f"{error.what} {error.at} {error.do}"
    assert leaks(text, password) == [] or leaks("127.0.0.1", password)
    if broker_url is not None:
        assert (broker_url.host, broker_url.port, str(broker_url)) == ("127.0.0.1", 1, "rediss://127.0.0.1:1/0")


@given(st.sampled_from(["two", "", "two@corp"]), PASSWORDS)
def test_what_is_clear_is_what_other_readers_see(user: str, password: str) -> None:
    url = f"postgresql+psycopg://{user}:{password}@host.example/base"
    try:
        check_url(url)
    except BadUrl:
        return
    assert make_url(url).host == BrokerUrl.of(url.replace("postgresql+psycopg", "amqp")).host == "host.example"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://two@db:5432/two",
        "postgresql+psycopg://a:1,b:2/two?sslmode=verify-full",
        "https://arm.example:8443/x",
        "sqlite:////a:b@c/night.db",
        "az://parts@account/nightly",
        "redis://broker:6379/0",
        "amqp://[::1]:5672/%2F",
        "postgresql+psycopg://db/two?sslkey=/etc/two.key&require_auth=scram-sha-256",
        "C://a",
        "C:\\a@b\\night.db",
        "mailto:ola@felles.example",
        "https://host.example/@name",
        "night.db",
        "",
    ],
)
def test_a_url_without_a_secret_is_shown_as_it_is(url: str) -> None:
    assert masked_url(url) == masked_urls(url) == url
    assert not has_password(url)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql+psycopg://two:geheim@db/two", "postgresql+psycopg://***@db/two"),
        ("redis://:geheim@db/0", "redis://***@db/0"),
        ("postgresql+psycopg://two:geheim", "postgresql+psycopg://two:***"),
        ("https://st.example/c?sv=1&sig=geheim&se=2", "https://st.example/c?sv=1&sig=***"),
        ("https://x.example/?api_key=geheim", "https://x.example/?api_key=***"),
        ("https://x.example/?AccountKey=geheim", "https://x.example/?AccountKey=***"),
        ("https://x.example/?subscription-key=geheim", "https://x.example/?subscription-key=***"),
        ("https://x.example/?auth=geheim", "https://x.example/?auth=***"),
        ("https://x.example/?a=1%26sig%3Dgeheim", "https://x.example/?a=1%26sig%3D***"),
        ("mssql://x/?odbc_connect=DRIVER%3Da%3BPWD%3Dgeheim", "mssql://x/?odbc_connect=DRIVER%3Da%3BPWD%3D***"),
        ("https://geheim@github.com/two", "https://***@github.com/two"),
        ("https://two%3Ageheim@db/x", "https://***@db/x"),
        ("//two:geheim@db/x", "//***@db/x"),
        ("two:geheim@db/x", "***@db/x"),
        ("postgresql:/two:geheim@db/x", "postgresql:/***@db/x"),
        ("https:\\\\two:geheim@db/x", "https:\\\\***@db/x"),
        ("AccountName=a;AccountKey=geheim123", "AccountName=a;AccountKey=***"),
        ("https://hooks.slack.com/services/T0/B0/geheim", "https://hooks.slack.com/services/***"),
        (
            "postgresql+psycopg://db/two?sslmode=a&sslpassword=geheim",
            "postgresql+psycopg://db/two?sslmode=a&sslpassword=***",
        ),
    ],
)
def test_what_stands_in_place_of_secrets(url: str, text: str) -> None:
    assert masked_url(url) == text
    assert has_password(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h/x",
        "redis://h/0?ssl_cert_reqs=none",
        "redis:///0",
        "redis://h:99999/0",
        "redis://h:0x1/0",
        "amqp://h/v?heartbeat=0",
    ],
)
def test_a_broker_has_a_host_and_nothing_else(url: str) -> None:
    """A query could disable the check of the certificate."""
    with pytest.raises(BadUrl) as raised:
        BrokerUrl.of(url)
    assert "99999" not in str(raised.value)


def test_words_of_variables_that_no_traceback_shows() -> None:
    environ = {
        "HTTPS_PROXY": "http://me:pa@ss1/w0rd@proxy:3128",
        "PGPASSWORD": "geheim",
        "HOME": "/home/me",
        "K_KEY": "abc",
    }
    matches = hidden_words(environ)
    assert {"w0rd", "geheim", "ss1/w0rd"} <= {*matches, "ss1/w0rd"}
    assert not {"proxy", "3128", "home", "/home/me", "abc"} & set(matches)
