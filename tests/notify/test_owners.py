"""A notice an owner: to addresses of the settings alone, whatever a tag says; what an owner missed comes later."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest

from scanner.config.notifications import MOST_OWNERS, Mailbox
from scanner.history.items import Reported
from scanner.notify.after_scan import notify
from scanner.notify.notice import NoticeItem
from scanner.notify.send import DeliveryLimits
from scanner.terminal.screen import Screen
from tests.notify.receivers import Answer, mail, web
from tests.notify.sample import JOURNAL, SERVER, VAULT, facts, reported, target
from tests.notify.test_config import faults

LIMITS = DeliveryLimits(seconds=5, pauses=())
HOSTILE = (
    "evil@attacker.example", "a@agency.example.evil.example", "a@evil.agency.example",
    "a@agency.example, b@evil.example", "a@agency.example\r\nBcc: b@evil.example", "<a@evil.example>@agency.example",
    '"a@evil.example"@agency.example', "@agency.example", "a b@agency.example", "a@agency.example ",
    "\u202ea@agency.example",
)  # fmt: skip


@dataclass
class Log:
    """What is marked."""

    marked: list[tuple[str, bool, set[str]]] = field(default_factory=list)

    def reported(self, name: str) -> Reported:
        return reported()

    def mark_reported(self, name: str, items: Sequence[NoticeItem]) -> None:
        self.marked.append((name, True, {each.resource for each in items}))

    def mark_partial(self, name: str, items: Sequence[NoticeItem]) -> None:
        self.marked.append((name, False, {each.resource for each in items}))


def _text(message: EmailMessage) -> str:
    return "".join(
        str(message_part.get_content()) for message_part in message.walk() if not message_part.is_multipart()
    )


def test_each_owner_gets_his_own_items_and_his_own_report(tmp_path: Path) -> None:
    parts = {}
    for owner in ("whole", "kari", "team-a"):
        (tmp_path / f"{owner}.html").write_text(f"<p>report of {owner}")
        parts[owner] = [str(tmp_path / f"{owner}.html")]
    scan_result = msgspec.structs.replace(facts(files=parts.pop("whole")), owner_files=parts)
    with mail(tmp_path, "none") as post:
        box = Mailbox("127.0.0.1", post.port, "none", "t@agency.example", ("ops@agency.example",))
        whom = target("mail", mail=box)
        whom = replace(whom, owners=tuple((who, whom.of_owner(who, f"{who}@agency.example")) for who in parts))
        log = Log()
        assert notify([whom], scan_result, log, Screen(quiet=True), LIMITS) == []
        got = {str(each["To"]): _text(each) for each in post.mails}
    assert got.keys() == {"ops@agency.example", "kari@agency.example", "team-a@agency.example"}
    names = {"ops@agency.example": "kv-skjema", "kari@agency.example": "stjournal", "team-a@agency.example": "sqlfag"}
    for address, text in got.items():
        assert [name for name in names.values() if name in text] == [names[address]]
    assert "report of kari" in got["kari@agency.example"]
    assert "report of whole" in got["ops@agency.example"]
    assert log.marked == [("ops", True, {JOURNAL, SERVER, VAULT})]


def test_a_tag_chooses_no_recipient_outside_of_the_domains(tmp_path: Path) -> None:
    owners = {f"/{at}": text for at, text in enumerate((*HOSTILE, "Kari@Agency.example"))}
    with mail(tmp_path, "none") as post:
        box = Mailbox("127.0.0.1", post.port, "none", "t@agency.example", ("ops@agency.example",))
        whom = target("mail", mail=box, domains=("agency.example",))
        assert notify([whom], facts(owners=owners), Log(), Screen(quiet=True), LIMITS) == []
        assert {to for each in post.envelopes for to in each.rcpt_tos} == {"ops@agency.example"}
    assert [who for who, _ in whom.with_owners(owners.values()).owners] == ["kari@agency.example"]


def test_whoever_writes_tags_sends_no_flood() -> None:
    many = [f"a{at}@agency.example" for at in range(5_000)]
    box = Mailbox("127.0.0.1", 25, "none", "t@agency.example", ("ops@agency.example",))
    assert len(target("mail", mail=box, domains=("agency.example",)).with_owners(many).owners) == MOST_OWNERS


def test_what_an_owner_missed_is_not_marked() -> None:
    with web() as good, web(Answer(500)) as bad:
        whom = target(url=f"{good.url}/all", secret="")
        owners = (
            ("kari", whom.of_owner("kari", f"{bad.url}/kari")),
            ("team-a", whom.of_owner("team-a", f"{good.url}/a")),
        )
        log = Log()
        failed = notify([replace(whom, owners=owners)], facts(), log, Screen(quiet=True), LIMITS)
        assert len(failed) == 1
        assert {each.path for each in good.received} == {"/all", "/a"}
    assert log.marked == [("ops", False, {SERVER, VAULT})]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ('owners = { a = "x" }', '"x" is not a mail address'),
        ('owner-domains = ["x y"]', '"x y" is not a domain'),
        ('owner = "a"\nowners = { a = "a@agency.example" }', "owner and owners exclude each other"),
        ("owners = { a = 1 }", "notify.ops.owners must be a table of owners"),
    ],
)
def test_a_fault_in_the_owners_is_found(more: str, what: str, tmp_path: Path) -> None:
    text = f'kind = "mail"\nhost = "h"\nfrom = "a@b.example"\nto = ["a@b.example"]\n{more}\n'
    assert what in [matches[0] for matches in faults(tmp_path, text)]


def test_a_url_of_an_owner_is_never_in_the_settings(tmp_path: Path) -> None:
    url = "https://hooks.example/secret"
    text = f'kind = "slack"\nurl-env = "TWOLOCKS_SECRET_OPS"\nowners = {{ a = "{url}" }}\n'
    matches = faults(tmp_path, text)
    assert [each[0] for each in matches] == [
        "notify.ops.owners must name a variable TWOLOCKS_SECRET_... for each owner"
    ]
    assert url not in str(matches)
