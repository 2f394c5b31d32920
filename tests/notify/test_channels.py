"""Each kind's own form: within what its service takes, whatever stands in it; and no name can be more than a name."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

import html5lib  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model.severity import Severity
from scanner.notify.channels import ci_log as commands
from scanner.notify.channels import mail, slack, teams, webhook
from scanner.notify.compose import trial
from scanner.notify.notice import Notice
from scanner.notify.wording import item_sentence, words_of
from tests.notify.sample import ENDS, GAP, GROUP, MAILBOX, change, news, target

Json = dict[str, Any]
HOSTILE = (
    "x\r\n::error::owned",
    "x\n##vso[task.setvariable variable=PATH]/tmp",
    "##vso[task.complete result=Succeeded;]done",
    "##[add-path]/tmp",
    "%0A::set-output name=a::b",
    "%0D%0A##vso[task.uploadfile]/etc/passwd",
    "::add-mask::",
    "<!channel> <@U123> <https://evil.example|click>",
    "[click](https://evil.example) **bold** <at>kari</at>",
    "https://evil.example/x",
    "@channel @here @everyone",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "Bcc: x@evil.example\r\n\r\nbody",
    "\u202egnp.exe \u2028 \u0000 \x1b[31m",
    "&lt;b&gt; &amp;",
    "a" * 5000,
    "a" + "\u0301" * 5000,
    "&\u0301" * 5000,
    "\U0001f512" * 300,
    "{{DATE(2026-11-25T02:00:00Z)}} @{triggerBody()}",
    "###vso[a.b]c ####[error]x",
)


def hostile(text: str) -> Notice:
    """A notice in which every text that is not ours is this one."""
    resource = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{text.replace('/', '-')}"
    changes = [
        change("new", resource, text, title=text, address=text),
        change("worse", f"{resource}/blobServices/default/containers/{text}", rule="x", title=text, why=text),
    ]
    ends = [type(ENDS[0])(text, text, ENDS[0].expires, text, 1)]
    gap = msgspec.structs.replace(GAP, url=text, code=text, action=text)
    return news(
        changes, owners={resource.lower(): text}, expiring=ends, gaps=[gap], notes=[text], files=[text], lost=[text]
    )


def many(count: int, resources: int = 1000, size: int = 60) -> Notice:
    names = [f"st{position:05}" + "&" * size for position in range(resources)]
    changes = [
        change(
            "new",
            f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{names[position % resources]}",
            f"blob/{position:05}",
            title="<&>" * size,
        )
        for position in range(count)
    ]
    owners = {each.item.resource.lower(): f"team {position % 7}" for position, each in enumerate(changes)}
    return news(changes, owners=owners, expiring=[ENDS[0]] * 50, gaps=[GAP] * 50)


# Webhook


def test_the_json_is_what_its_schema_says() -> None:
    import jsonschema

    schema = msgspec.json.schema(webhook.WebhookBody)
    for made in (news(), trial(target(), "twolocks 0.1.0"), many(600), *map(hostile, HOSTILE)):
        jsonschema.validate(json.loads(webhook.body(made)), schema)


def test_the_json_holds_five_hundred_items_and_at_most_a_megabyte() -> None:
    document = json.loads(webhook.body(many(2345)))
    assert (len(document["items"]), document["more"]) == (500, 1845)
    large = webhook.body(many(2345, size=1500))
    assert len(large) <= 1 << 20
    document = json.loads(large)
    assert len(document["items"]) + document["more"] == 2345
    assert len(document["items"]) > 50


def test_the_json_holds_names_as_azure_has_them() -> None:
    document = json.loads(webhook.body(hostile(HOSTILE[0])))
    assert document["items"][0]["endpoint"] == HOSTILE[0]


# Teams


def card(made: Notice) -> Json:
    body = teams.body(made)
    assert len(body) <= 28 * 1024
    message = json.loads(body)
    assert message["type"] == "message"
    assert [each["contentType"] for each in message["attachments"]] == ["application/vnd.microsoft.card.adaptive"]
    result: Json = message["attachments"][0]["content"]
    return result


def runs(document: Json) -> list[str]:
    return [run["text"] for block in document["body"] for run in block["inlines"]]


def test_a_card_holds_text_runs_alone_in_which_no_markdown_counts() -> None:
    for made in (news(), *map(hostile, HOSTILE)):
        document = card(made)
        assert document["version"] == "1.4"
        assert {block["type"] for block in document["body"]} == {"RichTextBlock"}
        assert {run["type"] for block in document["body"] for run in block["inlines"]} == {"TextRun"}
        assert {key for block in document["body"] for run in block["inlines"] for key in run} <= {
            "type", "text", "weight", "size", "color", "isSubtle",
        }  # fmt: skip
        assert "entities" not in document["msteams"]


@pytest.mark.parametrize(("count", "size"), [(3, 20), (40, 20), (400, 20), (400, 130), (5000, 400)])
def test_a_card_stays_below_the_limit_and_says_how_many_more(count: int, size: int) -> None:
    reported = runs(card(many(count, size=size)))
    shown = sum(text.startswith("new: blob/") for text in reported)
    more = [text for text in reported if text.endswith("all are in the report")]
    assert shown >= 3
    assert (f"and {count - shown:,} more; all are in the report" in more) == (shown < count)


@pytest.mark.parametrize("mark", ["\U0001f512", "a\u0301\u0301\u0301", "&", '"\\'])
def test_the_heaviest_texts_leave_room_for_entries(mark: str) -> None:
    text = mark * 3000
    ids = [f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{position}{text}" for position in range(60)]
    changes = [change("new", location, f"blob/{text}", title=text, why=text) for location in ids]
    ends = [type(ENDS[0])(text, text, ENDS[0].expires, text, 1)] * 50
    gap = msgspec.structs.replace(GAP, url=text, code=text, action=text)
    made = news(changes, owners={}, expiring=ends, gaps=[gap] * 50, notes=[text] * 3)
    assert sum(run.startswith("new: blob/") for run in runs(card(made))) >= 3
    assert sum("*critical* new: blob/" in str(each) for each in blocks(made)) >= 3


# Slack


def blocks(made: Notice) -> list[Json]:
    body = json.loads(slack.body(made))
    result: list[Json] = body["blocks"]
    assert 1 <= len(result) <= 50
    for block in result:
        for text in (block.get("text"), *block.get("elements", [])):
            if text is not None:
                assert 0 < len(text["text"]) <= (150 if block["type"] == "header" else 3000)
                assert text["type"] == ("plain_text" if block["type"] == "header" else "mrkdwn")
                assert text["type"] == "plain_text" or text["verbatim"] is True
    assert (body["unfurl_links"], body["unfurl_media"]) == (False, False)
    return result


def test_slack_is_given_no_link_no_mention_and_no_channel() -> None:
    for made in (news(), *map(hostile, HOSTILE)):
        for text in re.findall(r'"text":"((?:[^"\\]|\\.)*)"', slack.body(made).decode()):
            assert "<" not in text.replace("\\u003c", "<")
            assert ">" not in text
            assert not re.search(r"&(?!amp;|lt;|gt;)", text)
        blocks(made)


@pytest.mark.parametrize(("count", "resources"), [(3, 1000), (60, 1000), (60, 1), (5000, 5000), (5000, 2)])
def test_slack_stays_within_its_blocks_and_says_how_many_more(count: int, resources: int) -> None:
    matches = blocks(many(count, resources, 30))
    text = "\n".join(each["text"]["text"] for each in matches if each["type"] == "section")
    shown = len(re.findall(r"\*critical\* new: blob/", text))
    more = [each["elements"][0]["text"] for each in matches if each["type"] == "context"]
    assert shown >= 3
    assert (f"and {count - shown:,} more; all are in the report" in more) == (shown < count)


# Mail


def headers(made: Notice) -> dict[str, str]:
    raw = mail.message(made, MAILBOX, "ops").as_bytes()
    head, _, _ = raw.partition(b"\r\n\r\n")
    head.decode("ascii")
    unfolded = re.sub(rb"\r\n[ \t]", b" ", head).decode()
    return dict(line.split(": ", 1) for line in unfolded.split("\r\n"))


def test_no_name_is_in_a_header_of_a_mail() -> None:
    for text in HOSTILE:
        result = headers(hostile(text))
        assert set(result) == {
            "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
            "X-Twolocks-Notification", "MIME-Version", "Content-Type",
        }  # fmt: skip
        assert (
            result["Subject"] == "[Twolocks] 1 new, 1 raised; highest severity: critical; 1 waiver is about to expire"
        )
        assert result["To"] == "ops@agency.example, vakt@agency.example"


def test_a_mails_html_has_no_element_but_ours() -> None:
    for made in (news(), many(50, size=5), *map(hostile, HOSTILE)):
        body = mail.message(made, MAILBOX, "ops").get_body(("html",))
        assert body is not None
        tree = html5lib.parse(body.get_content(), namespaceHTMLElements=False)
        assert {each.tag for each in tree.iter()} <= {
            "html", "head", "meta", "title", "body", "h1", "h2", "p", "b", "ul", "li",
        }  # fmt: skip
        assert {key for each in tree.iter() for key in each.attrib} <= {"lang", "charset", "style"}


def test_a_mails_text_has_a_line_for_each_and_says_how_many_more() -> None:
    body = mail.message(many(345, size=5), MAILBOX, "ops").get_body(("plain",))
    assert body is not None
    lines = body.get_content().splitlines()
    assert sum("new: blob/" in line for line in lines) == 200
    assert "and 145 more; all are in the report" in lines


# Log commands


def github_reads(line: str) -> tuple[str, dict[str, str], str] | None:
    """What the runner of GitHub Actions takes a line for: `::name a=b,c=d::text`, at the start of a line."""
    match = re.fullmatch(r"\s*::([\w-]+)(?: ([^:]*))?::(.*)", line, re.DOTALL)
    if match is None:
        return None
    named = dict(pair.split("=", 1) for pair in (match[2] or "").split(",") if "=" in pair)

    def plain(text: str) -> str:
        return (
            text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
        )

    return match[1], {name: plain(text) for name, text in named.items()}, plain(match[3])


def azure_reads(line: str) -> tuple[str, str] | None:
    """What the agent of Azure Pipelines takes a line for: the first `##vso[...]` anywhere in it, and the rest."""
    start = line.find("##vso[")
    if start < 0 or "]" not in line[start:]:
        return None
    command, _, text = line[start + 6 :].partition("]")
    for mark, char in (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%")):
        text = text.replace(mark, char)
    return command, text


def printed(lines: Callable[[Notice], Any], made: Notice) -> list[str]:
    return "".join(f"{line}\n" for line in lines(made)).splitlines()


def check_commands(made: Notice) -> None:
    for line in printed(commands.github_lines, made):
        read = github_reads(line)
        assert read is not None
        assert read[0] in ("error", "warning")
        assert set(read[1]) == {"title"}
        assert read[1]["title"].startswith("Twolocks")
        assert "##[" not in line
        assert "\n" not in read[2]
    for line in printed(commands.azure_devops_lines, made):
        matches = azure_reads(line)
        assert matches is not None
        assert matches[0] in ("task.logissue type=error", "task.logissue type=warning")
        assert line.startswith("##vso[")
        assert "##" not in line[2:]
        assert not re.search(r"[\r\n]|##", matches[1])


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_can_forge_a_log_command(text: str) -> None:
    check_commands(hostile(text))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("#[]:;,=%0A25DvsoZP\r\n\u2028\x85\x1e x"), max_size=40))
def test_no_text_at_all_can(text: str) -> None:
    check_commands(hostile(f"##vso[{text}"))


def test_what_was_said_is_what_is_read() -> None:
    made = news([change("new", f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st100%", "blob/a;b]c,d:e")])
    github, azure = (
        github_reads(printed(commands.github_lines, made)[0]),
        azure_reads(printed(commands.azure_devops_lines, made)[0]),
    )
    assert github is not None
    assert azure is not None
    assert github[2] == "st100%: new: blob/a;b]c,d:e. Anybody can list and read this container"
    assert azure[1] == f"Twolocks, critical: {github[2]}"
    assert github[1] == {"title": "Twolocks, critical"}


@pytest.mark.parametrize("lines", [commands.github_lines, commands.azure_devops_lines])
def test_ten_errors_are_the_most_that_is_shown(lines: Callable[[Notice], Any]) -> None:
    matches = printed(lines, many(500))
    errors = [line for line in matches if "error" in line[:30]]
    assert len(errors) == 10
    assert errors[-1].endswith("and 491 more; all are in the report")
    assert len(matches) - len(errors) <= 10


def test_marks_are_written_as_the_programs_unwrite_them() -> None:
    assert commands.property_of("a:b,c%\r\n") == "a%3Ab%2Cc%25%0D%0A"
    assert commands.data_of("a:b,c%\r\n") == "a:b,c%25%0D%0A"
    assert commands.issue_of("a;b]%\r\n##vso[") == "a;b]%AZP25%0D%0A<U+0023>#vso["


def test_lesser_ones_are_warnings() -> None:
    made = news([change("new", GROUP, "x", "medium")], whom=target(least=Severity.info))
    assert printed(commands.github_lines, made)[0].startswith("::warning title=Twolocks%2C medium::")


# All


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_shows_as_something_else(text: str) -> None:
    for entry in hostile(text).items:
        message = item_sentence(entry, words_of("en"))
        assert len(message) <= 600
        assert message.isprintable() or "\U0001f512" in message
        assert "\u202e" not in message


def test_a_test_is_marked_as_one_in_every_form() -> None:
    made = trial(target(), "twolocks 0.1.0")
    text = "This is a test of the notification ops; nothing was scanned"
    assert text in runs(card(made))
    assert text in json.loads(slack.body(made))["text"]
    assert json.loads(webhook.body(made))["kind"] == "test"
    assert headers(made)["Subject"] == f"[Twolocks] {text}"
    assert printed(commands.github_lines, made)[0] == f"::warning title=Twolocks::{text}"
    assert html.escape(text) in str(mail.message(made, MAILBOX, "ops"))
