"""Each kind of notice, as a real server receives it. With TWOLOCKS_RENEW=1 what is kept is written: read it then."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.config.notifications import Mailbox, Target
from scanner.notify.compose import notice, trial
from scanner.notify.notice import Notice
from scanner.notify.send import DeliveryLimits, send_all
from scanner.sandbox import certificates
from tests.notify.receivers import mail, web
from tests.notify.sample import ENDS, GAP, TODAY, facts, reported, target

SECRET = "0123456789abcdef0123456789abcdef"
TOOL = "twolocks 0.1.0"
CHANGING = re.compile(
    r"(X-Twolocks-Timestamp|X-Twolocks-Signature|Date|Message-ID|Host): .*|={15}\d+==|127\.0\.0\.1:\d+"
)


KEPT = Path(__file__).parent / "received"


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Return what is kept for this test."""
    path = KEPT / f"{request.node.name.removeprefix('test_')}.txt"

    def text(now: str) -> str:
        if os.environ.get("TWOLOCKS_RENEW"):
            path.write_text(now, "utf-8")
        return path.read_text("utf-8")

    return text


def made(what: str, whom: Target) -> Notice:
    scan_result = facts(
        complete=False, gaps=[GAP], expiring=ENDS, notes=["judged from a file: nothing was looked at again"]
    )
    if what == "baseline":
        scan_result = facts([], baseline=True, complete=False, gaps=[GAP])
    news = trial(whom, TOOL) if what == "test" else notice(whom, scan_result, reported(TODAY))
    if what == "news":
        news = notice(whom, scan_result, reported(TODAY.replace(day=24)))
    assert news is not None
    return news


def steady(text: str) -> str:
    """A message without what differs each time."""
    return CHANGING.sub(lambda match: f"{match[1]}: ..." if match[1] else "...", text)


@pytest.mark.parametrize("what", ["news", "baseline", "test"])
@pytest.mark.parametrize("kind", ["teams", "slack", "webhook"])
def test_a_web_hook(kind: str, what: str, kept: Callable[[str], str]) -> None:
    with web() as server:
        whom = target(kind, url=f"{server.url}/hook", secret=SECRET)
        assert send_all({whom: made(what, whom)}, TOOL, DeliveryLimits(5)) == {}
    got = server.received[0]
    head = [
        f"POST {got.path}",
        *(f"{name}: {value}" for name, value in got.headers.items() if name != "Content-Length"),
    ]
    body = json.dumps(got.json, indent=2, ensure_ascii=False)
    text = steady("\n".join([*head, "", body, ""]))
    assert text == kept(text)


@pytest.mark.parametrize("what", ["news", "baseline", "test"])
def test_a_mail(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Callable[[str], str]) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.make(tmp_path)))
    monkeypatch.chdir(tmp_path)
    Path("report.html").write_text("<!doctype html><title>report</title>")
    with mail(tmp_path) as server:
        box = Mailbox("127.0.0.1", server.port, "starttls", "twolocks@agency.example", ("ops@agency.example",))
        whom = target("mail", mail=box)
        assert send_all({whom: made(what, whom)}, TOOL, DeliveryLimits(5)) == {}
    content = server.envelopes[0].content
    assert isinstance(content, bytes)
    text = steady(content.decode("ascii").replace("\r\n", "\n"))
    assert text == kept(text)


@pytest.mark.parametrize("what", ["news", "baseline", "test"])
@pytest.mark.parametrize("kind", ["github", "azure-devops"])
def test_log_commands(kind: str, what: str, kept: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    whom = target(kind)
    assert send_all({whom: made(what, whom)}, TOOL) == {}
    text = capsys.readouterr().out
    assert text == kept(text)
