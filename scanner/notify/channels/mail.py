"""A notice as a mail, plain and HTML, with the report attached where one was written; and how it is sent."""

import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from html import escape
from pathlib import Path

from scanner.config.notifications import Mailbox
from scanner.notify import notice as words
from scanner.notify.notice import Notice
from scanner.notify.retry import Failed, explained

ITEMS = 200
ATTACHED = 5 << 20
"""Larger reports are named only."""
SUBJECT = 150
LATER = (421, 450, 451, 452, 454)
COLOURS = {"critical": "#b00020", "high": "#b00020", "medium": "#8a5a00"}


def message(notice: Notice, box: Mailbox, name: str) -> EmailMessage:
    """The mail. Names stand in its body only, so that none can be a header."""
    made = EmailMessage(policy=SMTP)
    # Our own words and numbers, and a name of letters and digits: nothing in a header comes from Azure.
    made["Subject"] = words.line(f"[Twolocks] {notice.title}", SUBJECT).encode("ascii", "replace").decode()
    made["From"] = box.sender
    made["To"] = ", ".join(box.to)
    made["Date"] = formatdate()
    made["Message-ID"] = make_msgid(domain=box.sender.rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made["X-Twolocks-Notification"] = name
    attached, note = _report(notice.files)
    made.set_content("\n".join([*_plain(notice), *([note] if note else [])]) + "\n", cte="quoted-printable")
    made.add_alternative(_html(notice, note), subtype="html", cte="quoted-printable")
    if attached is not None:
        words_in = {"charset": "utf-8"}
        made.add_attachment(attached, "text", "html", filename="twolocks-report.html", params=words_in)
    return made


def _report(files: Sequence[str]) -> tuple[bytes | None, str]:
    """The first HTML report on this machine; and what to say where it is not attached."""
    for name in files:
        if not name.endswith(".html") or name.startswith("az://"):
            continue
        try:
            if Path(name).stat().st_size > ATTACHED:
                return None, f"The report is larger than {ATTACHED >> 20} MB and not attached."
            return Path(name).read_bytes(), "The report is attached."
        except OSError as error:
            return None, f"The report could not be attached: {error.strerror}."
    return None, ""


# What it says


def _plain(notice: Notice) -> Iterator[str]:
    yield notice.title
    yield from (f"Note: {words.line(remark)}" for remark in notice.remarks)
    shown = notice.items[:ITEMS]
    for group in words.grouped(shown):
        if head := words.heading(group, owned=words.owned(shown)):
            yield from ("", head)
        for place in group.places:
            yield from ("", f"{place.name}  ({place.about})")
            yield from (f"  {each.severity:<8}  {words.sentence(each)}" for each in place.entries)
    if more := words.and_more(len(notice.items), len(shown)):
        yield from ("", more)
    for head, lines in _rest(notice):
        yield from ("", head)
        yield from (f"  {line}" for line in lines)
    yield ""
    if notice.scan is not None:
        yield words.scan_sentence(notice.scan)
    if notice.files:
        yield words.files_sentence(notice.files)


def _rest(notice: Notice) -> Iterator[tuple[str, list[str]]]:
    if notice.waivers:
        more = words.and_more(len(notice.waivers), ITEMS)
        shown = [words.ends_sentence(each) for each in notice.waivers[:ITEMS]]
        yield "About to expire", [*shown, *([more] if more else [])]
    if notice.gaps:
        yield "Not read", [words.hole_sentence(each) for each in notice.gaps]


def _html(notice: Notice, note: str) -> str:
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Twolocks</title></head>',
            '<body style="font-family: sans-serif; font-size: 14px; line-height: 1.5">',
            *_rows(notice),
            *([_p(note)] if note else []),
            "</body></html>",
        ]
    )


def _rows(notice: Notice) -> Iterator[str]:
    yield f"<h1 style='font-size: 18px'>{escape(notice.title)}</h1>"
    yield from (_p(f"Note: {words.line(remark)}") for remark in notice.remarks)
    shown = notice.items[:ITEMS]
    for group in words.grouped(shown):
        if head := words.heading(group, owned=words.owned(shown)):
            yield f"<h2 style='font-size: 16px'>{escape(head)}</h2>"
        for place in group.places:
            yield f"<p><b>{escape(place.name)}</b> {escape(place.about)}</p><ul>"
            yield from (_li(words.sentence(each), each.severity) for each in place.entries)
            yield "</ul>"
    if more := words.and_more(len(notice.items), len(shown)):
        yield _p(more)
    for head, lines in _rest(notice):
        yield f"<h2 style='font-size: 16px'>{escape(head)}</h2><ul>"
        yield from (_li(line) for line in lines)
        yield "</ul>"
    if notice.scan is not None:
        yield _p(words.scan_sentence(notice.scan))
    if notice.files:
        yield _p(words.files_sentence(notice.files))


def _p(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _li(text: str, severity: str = "") -> str:
    colour = COLOURS.get(severity, "#333333")
    head = f'<b style="color: {colour}">{escape(severity)}</b> ' if severity else ""
    return f"<li>{head}{escape(text)}</li>"


# How it is sent


def send(made: EmailMessage, box: Mailbox, *, trust: Callable[[], ssl.SSLContext], seconds: float) -> None:
    """Hand the mail over. Raises Failed. `seconds`: the longest silence."""
    try:
        with _session(box, trust, seconds) as session:
            if box.user:
                session.login(box.user, box.password)
            refused = session.send_message(made, from_addr=box.sender, to_addrs=list(box.to))
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(box, error.recipients) from None
    except smtplib.SMTPAuthenticationError as error:
        raise Failed(f"{box.host} refused the login ({error.smtp_code})") from None
    except smtplib.SMTPResponseException as error:
        raise Failed(f"{box.host} answered {error.smtp_code}", again=error.smtp_code in LATER) from None
    except smtplib.SMTPNotSupportedError:
        raise Failed(f"{box.host} offers no {'STARTTLS' if box.tls == 'starttls' else 'login'}") from None
    except smtplib.SMTPException:
        raise Failed(f"{box.host} ended the connection", again=True) from None
    except OSError as error:
        raise explained(error, box.host) from None
    if refused:
        raise _refused(box, refused)


def _session(box: Mailbox, trust: Callable[[], ssl.SSLContext], seconds: float) -> smtplib.SMTP:
    if box.tls == "implicit":
        return smtplib.SMTP_SSL(box.host, box.port, timeout=seconds, context=trust())
    session = smtplib.SMTP(box.host, box.port, timeout=seconds)
    if box.tls == "starttls":
        try:
            session.starttls(context=trust())
        except BaseException:
            session.close()
            raise
    return session


def _refused(box: Mailbox, found: dict[str, tuple[int, bytes]]) -> Failed:
    codes = {code for code, _ in found.values()}
    whom = ", ".join(sorted(found))
    return Failed(f"{box.host} refused {whom} ({', '.join(map(str, sorted(codes)))})", again=codes <= set(LATER))
