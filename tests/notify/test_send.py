"""Notices on real sockets: what arrives, what is tried again, what is given up; and that no secret is ever told."""

import hashlib
import hmac
import logging
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from scanner.config.channels import CHANNELS
from scanner.config.notifications import Mailbox, Target
from scanner.notify.delivery import LONGEST_PAUSE as LONGEST
from scanner.notify.send import DeliveryLimits, not_delivered, send_all
from scanner.sandbox import certificates
from tests.notify.receivers import Answer, mail, proxy, refused, until, web
from tests.notify.sample import news, target

SECRET = "0123456789abcdef0123456789abcdef"
PATH = "/workflows/7f3a?sig=c2VjcmV0"
TOOL = "twolocks 0.1.0"


class Clock:
    """Pauses that are noted and not waited for."""

    def __init__(self) -> None:
        self.paused: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.paused.append(seconds)


def send(whom: Target, *, seconds: float = 5, clock: Clock | None = None) -> str:
    """Why the sample did not arrive; "" where it did."""
    limits = DeliveryLimits(seconds, sleep=(clock or Clock()).sleep)
    failed = send_all({whom: news(whom=whom)}, TOOL, limits)
    shown = f"{failed} {[not_delivered(each, why, 'x').what for each, why in failed.items()]}"
    assert "c2VjcmV0" not in shown
    assert SECRET not in shown
    assert "geheim" not in shown
    return next(iter(failed.values()), "")


def hook(url: str, kind: str = "webhook", path: str = PATH) -> Target:
    return target(kind, url=url + path, secret=SECRET if kind == "webhook" else "")


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with certificates that are trusted here."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.make(tmp_path)))
    return tmp_path


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with certificates that nobody knows."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    certificates.make(tmp_path)
    return tmp_path


# Web hooks


@pytest.mark.parametrize("kind", ["teams", "slack", "webhook"])
@pytest.mark.parametrize("status", [200, 202, 204])
def test_it_arrives_once(kind: str, status: int) -> None:
    with web(Answer(status)) as server:
        assert send(hook(server.url, kind)) == ""
    assert [each.path for each in server.received] == [PATH]
    assert server.received[0].headers["Content-Type"] == "application/json"
    assert server.received[0].headers["User-Agent"] == "twolocks/0.1.0"
    assert server.received[0].json


def test_the_receiver_can_verify_who_sent_it_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.notify.channels.webhook.time", SimpleNamespace(time=lambda: 1_800_000_000.9))
    with web() as server:
        assert send(hook(server.url)) == ""
    received = server.received[0]
    stamp = received.headers["X-Twolocks-Timestamp"]
    made = hmac.new(SECRET.encode(), f"{stamp}.".encode() + received.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(received.headers["X-Twolocks-Signature"], f"sha256={made}")
    assert stamp == "1800000000"
    assert received.headers["X-Twolocks-Delivery"] == "9b01c2d3e4f5a607/ops"


def test_over_tls_with_either_variable(strange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web(folder=strange) as server:
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as here:
                here.setenv(name, str(strange / "ca.pem"))
                assert send(hook(server.url)) == ""
    assert len(server.received) == 2


def test_a_certificate_that_is_not_trusted_gets_nothing(strange: Path) -> None:
    clock = Clock()
    with web(folder=strange) as server:
        text = send(hook(server.url), clock=clock)
    assert text.startswith("the certificate of 127.0.0.1 is not trusted: ")
    assert (server.received, clock.paused) == ([], [])


def test_a_certificate_of_another_host_gets_nothing(trusted: Path) -> None:
    with web(folder=trusted) as server:
        text = send(hook(server.url.replace("127.0.0.1", "127.0.0.2")))
    assert text.startswith(("the certificate of 127.0.0.2 is not trusted", "127.0.0.2 cannot be reached"))
    assert server.received == []


def test_no_tls_where_tls_is_expected(trusted: Path) -> None:
    with web() as server:
        text = send(hook(server.url.replace("http:", "https:")))
    assert text.startswith("TLS handshake with 127.0.0.1 failed")
    assert server.received == []


def test_trust_that_cannot_be_read_is_reported(strange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with web(folder=strange) as server:
        assert send(hook(server.url)) == "SSL_CERT_FILE is set to /nowhere/ca.pem: no such file"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_what_may_pass_is_tried_again(status: int) -> None:
    clock = Clock()
    with web(Answer(status), Answer(200)) as server:
        assert send(hook(server.url), clock=clock) == ""
    assert len(server.received) == 2
    assert clock.paused == [1.0]
    assert len({each.body for each in server.received}) == 1
    assert len({each.headers["X-Twolocks-Delivery"] for each in server.received}) == 1


def test_three_tries_are_enough() -> None:
    clock = Clock()
    with web(Answer(503)) as server:
        assert send(hook(server.url), clock=clock) == "127.0.0.1 responded 503, after 3 attempts"
    assert (len(server.received), clock.paused) == (3, [1.0, 3.0])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 501])
def test_what_will_not_pass_is_not(status: int) -> None:
    with web(Answer(status, body=b"<h1>/workflows/7f3a?sig=c2VjcmV0</h1>")) as server:
        assert send(hook(server.url)) == f"127.0.0.1 responded {status}"
    assert len(server.received) == 1


def test_slacks_word_is_reported() -> None:
    with web(Answer(400, body=b"invalid_blocks")) as server:
        assert send(hook(server.url, "slack")) == "127.0.0.1 responded 400 invalid_blocks"


def test_slack_that_is_busy_is_asked_again() -> None:
    clock = Clock()
    with web(Answer(429, {"Retry-After": "2"}, b"rate_limited"), Answer(200, body=b"ok")) as server:
        assert send(hook(server.url, "slack"), clock=clock) == ""
    assert clock.paused == [2.0]


@pytest.mark.parametrize(
    ("after", "pause"),
    [("7", 7.0), ("0", 1.0), ("86400", LONGEST), ("99999999999", LONGEST), ("soon", 1.0), ("", 1.0), ("-5", 1.0),
     ("Wed, 25 Nov 2020 02:00:00 GMT", 1.0), ("Wed, 25 Nov 2099 02:00:00 GMT", LONGEST), ("1" * 5000, LONGEST)],
)  # fmt: skip
def test_retry_after_is_heeded_up_to_a_limit(after: str, pause: float) -> None:
    clock = Clock()
    with web(Answer(429, {"Retry-After": after}), Answer(200)) as server:
        assert send(hook(server.url), clock=clock) == ""
    assert clock.paused == [pause]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with web() as elsewhere, web(Answer(status, {"Location": f"{elsewhere.url}/?sig=c2VjcmV0"})) as server:
        text = send(hook(server.url))
    assert text == f"127.0.0.1 responded {status}, a redirect, which is not followed"
    assert elsewhere.received == []
    assert len(server.received) == 1


def test_a_port_without_a_listener() -> None:
    clock = Clock()
    assert send(hook(refused()), clock=clock) == "127.0.0.1 cannot be reached: Connection refused, after 3 attempts"
    assert clock.paused == [1.0, 3.0]


def test_a_name_that_is_unknown() -> None:
    text = send(target(url=f"https://hooks.agency.invalid{PATH}", secret=SECRET), seconds=8)
    assert text.startswith("hooks.agency.invalid ")


@pytest.mark.parametrize("answer", [Answer(hang=True), Answer(drip=True)], ids=["silent", "a byte now and then"])
def test_a_server_that_hangs_is_given_up_in_time(answer: Answer) -> None:
    """The server goes on until the block ends: what waits for it is ended before."""
    clock = Clock()
    with web(answer) as server:
        assert send(hook(server.url), seconds=0.4, clock=clock) == "127.0.0.1 did not respond within 0.4 s"
        until(lambda: not [each for each in threading.enumerate() if each.name.startswith("notice to")])
    assert (len(server.received), clock.paused) == (1, [])


def test_the_limit_is_ten_seconds() -> None:
    assert {name: each.seconds for name, each in CHANNELS.items() if not each.on_stdout} == {
        "teams": 10, "slack": 10, "webhook": 10, "mail": 30,
    }  # fmt: skip


def test_what_is_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            for _ in range(3):
                taken, _ = listening.accept()
                with taken:
                    taken.recv(65536)
                    taken.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        text = send(hook(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        thread.join()
    assert text.startswith(("127.0.0.1 sent no valid HTTP response, after", "127.0.0.1 cannot be reached: Connection"))


def test_one_that_hangs_holds_up_no_other() -> None:
    with web(Answer(hang=True)) as slow, web() as quick:
        first, second = (
            target(name="slow", url=slow.url, secret=SECRET),
            target(name="quick", url=quick.url, secret=SECRET),
        )
        failed = send_all({first: news(), second: news()}, TOOL, DeliveryLimits(0.4))
        assert [each.name for each in failed] == ["slow"]
        assert len(quick.received) == 1


def test_through_the_proxy_of_the_environment(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy on this machine, for a host that only the proxy can reach."""
    with web(folder=trusted) as server, proxy(server.url) as way:
        monkeypatch.setenv("HTTPS_PROXY", f"http://kari:pa%20ss@127.0.0.1:{way.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        text = send(target(url=f"https://hooks.agency.invalid{PATH}", secret=SECRET))
    # The certificate is of 127.0.0.1, so that it is refused: the tunnel was there, and ended at the proxy's server.
    assert "the certificate of hooks.agency.invalid is not trusted" in text
    assert [each.rpartition(" ")[0] for each in way.asked] == ["CONNECT hooks.agency.invalid:443"]
    assert way.login == "Basic a2FyaTpwYSBzcw=="


def test_a_proxy_that_refuses_is_named_and_its_login_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with web() as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url.replace("//", "//kari:geheim@"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        text = send(target(url=f"https://hooks.agency.invalid{PATH}", secret=SECRET))
    assert text == "the proxy refused the connection to hooks.agency.invalid: 501"
    assert server.received == []


def test_an_error_names_the_place_and_what_helps() -> None:
    with web(Answer(404)) as server:
        whom = hook(server.url)
        failed = send_all({whom: news()}, TOOL, DeliveryLimits(5))
    error = not_delivered(whom, failed[whom], "twolocks notify test ops")
    assert (error.what, error.at, error.do) == (
        'notification "ops" was not delivered: 127.0.0.1 responded 404', "twolocks.toml:1", "twolocks notify test ops"
    )  # fmt: skip


def test_no_log_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), web(Answer(500)) as server:
        send(hook(server.url))
    assert "c2VjcmV0" not in caplog.text


# Mail


def box(port: int, tls: str = "starttls", **more: object) -> Target:
    words = {
        "user": "",
        "password": "",
        "to": ("ops@agency.example", "vakt@agency.example"),
        "host": "127.0.0.1",
        **more,
    }
    return target("mail", mail=Mailbox(port=port, tls=tls, sender="two@agency.example", **words))  # type: ignore[arg-type]


@pytest.mark.parametrize("tls", ["starttls", "implicit", "none"])
def test_mail_arrives_with_both_parts(tls: str, trusted: Path) -> None:
    with mail(trusted, tls) as server:
        assert send(box(server.port, tls)) == ""
    made = server.mails[0]
    assert server.envelopes[0].rcpt_tos == ["ops@agency.example", "vakt@agency.example"]
    assert server.secured == [tls != "none"]
    assert made["Subject"] == "[Twolocks] 2 new, 1 reopened, 1 raised; highest severity: critical"
    assert (made["From"], made["To"]) == ("two@agency.example", "ops@agency.example, vakt@agency.example")
    assert made["Auto-Submitted"] == "auto-generated"
    plain, html = (made.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert "new: blob/eksport. Anybody can list" in plain.get_content()
    assert html is not None
    assert "<li>" in html.get_content()


def test_mail_logs_in(trusted: Path) -> None:
    with mail(trusted, login=True) as server:
        assert send(box(server.port, user="two", password="geheim-passord")) == ""
    assert server.logins == [("two", "geheim-passord")]
    assert len(server.mails) == 1


def test_a_wrong_password_is_reported_and_not_shown(trusted: Path) -> None:
    with mail(trusted, login=True) as server:
        assert send(box(server.port, user="two", password="geheim-feil")) == "127.0.0.1 refused the login (535)"
    assert server.mails == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_mail_server_that_is_not_trusted_gets_nothing(tls: str, strange: Path) -> None:
    with mail(strange, tls, login=True) as server:
        text = send(box(server.port, tls, user="two", password="geheim-passord"))
    assert text.startswith("the certificate of 127.0.0.1 is not trusted")
    assert (server.mails, server.logins) == ([], [])


def test_mail_is_never_sent_in_the_open_where_tls_is_asked_for(trusted: Path) -> None:
    with mail(trusted, "none") as server:
        assert send(box(server.port, user="two", password="geheim-passord")) == "127.0.0.1 does not support STARTTLS"
    assert (server.mails, server.logins) == ([], [])


def test_a_recipient_that_is_refused_is_named(trusted: Path) -> None:
    with mail(trusted, refuses=("vakt@agency.example",)) as server:
        assert send(box(server.port)) == "127.0.0.1 refused vakt@agency.example (550)"
    assert server.envelopes[0].rcpt_tos == ["ops@agency.example"]
    with mail(trusted, refuses=("vakt@agency.example", "ops@agency.example")) as server:
        assert send(box(server.port)) == "127.0.0.1 refused ops@agency.example, vakt@agency.example (550)"


def test_a_busy_mail_server_is_tried_again(trusted: Path) -> None:
    clock = Clock()
    with mail(trusted, busy=2) as server:
        assert send(box(server.port), clock=clock) == ""
    assert (len(server.mails), clock.paused) == (1, [1.0, 3.0])
    with mail(trusted, busy=9) as server:
        assert send(box(server.port)) == "127.0.0.1 responded 451, after 3 attempts"


def test_a_mail_server_that_hangs(trusted: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text = send(box(silent.getsockname()[1]), seconds=0.3)
    assert text == "127.0.0.1 did not respond within 0.3 s"


def test_no_mail_server_there(trusted: Path) -> None:
    port = int(refused().rpartition(":")[2])
    assert send(box(port)) == "127.0.0.1 cannot be reached: Connection refused, after 3 attempts"


@pytest.mark.parametrize(
    ("size", "attached", "text"),
    [
        (1000, True, "The report is attached."),
        ((5 << 20) + 1, False, "is larger than 5 MB"),
        (-1, False, "No such file"),
    ],
)
def test_the_report_is_attached(size: int, attached: bool, text: str, trusted: Path) -> None:
    report = trusted / "report.html"
    if size >= 0:
        report.write_bytes(b"<!doctype html>" + b"x" * (size - 15))
    whom = None
    with mail(trusted) as server:
        whom = box(server.port)
        made = news(whom=whom, files=("az://c/report.html", "findings.json", str(report)))
        assert send_all({whom: made}, TOOL, DeliveryLimits(5)) == {}
    got = server.mails[0]
    assert [each.get_filename() for each in got.iter_attachments()] == (["twolocks-report.html"] if attached else [])
    if attached:
        assert next(iter(got.iter_attachments())).get_content().encode() == report.read_bytes()
    plain = got.get_body(("plain",))
    assert plain is not None
    assert text in plain.get_content()


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
