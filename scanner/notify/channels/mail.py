"""A notice as an e-mail, in text and HTML, with the report attached if one was written."""

import smtplib
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from html import escape
from pathlib import Path

from scanner.config.notifications import Mailbox, Target
from scanner.notify import layout, wording
from scanner.notify.delivery import Attempt, DeliveryError, delivery_error, trust
from scanner.notify.notice import Notice
from scanner.report.language.words import Words

ITEMS = 200
LARGEST_ATTACHMENT = 5 << 20
"""Larger reports are not attached."""
SUBJECT = 150
RETRIED = (421, 450, 451, 452, 454)
COLOURS = {"critical": "#b00020", "high": "#b00020", "medium": "#8a5a00"}


def attempt(notice: Notice, target: Target, tool: str) -> Attempt:
    """Return an attempt that sends the mail to the target."""
    assert target.mail is not None
    box = target.mail
    mail = message(notice, box, target.name)
    return lambda seconds, on_open: send(mail, box, seconds=seconds)


def message(notice: Notice, box: Mailbox, name: str) -> EmailMessage:
    """Return the mail. Only the body contains names from Azure, so no name can become a header."""
    made = EmailMessage(policy=SMTP)
    # Headers have fixed words, numbers, and the name of the notification: nothing comes from Azure.
    made["Subject"] = wording.line(f"[Twolocks] {notice.title}", SUBJECT)
    made["From"] = box.sender
    made["To"] = ", ".join(box.to)
    made["Date"] = formatdate()
    made["Message-ID"] = make_msgid(domain=box.sender.rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made["X-Twolocks-Notification"] = name
    attached, note = _report(notice.files, wording.words_of(notice.language))
    made.set_content("\n".join([*_plain(notice), *([note] if note else [])]) + "\n", cte="quoted-printable")
    made.add_alternative(_html(notice, note), subtype="html", cte="quoted-printable")
    if attached is not None:
        charset = {"charset": "utf-8"}
        made.add_attachment(attached, "text", "html", filename="twolocks-report.html", params=charset)
    return made


def _report(files: Sequence[str], words: Words) -> tuple[bytes | None, str]:
    """Return the first HTML report on this machine, and a sentence about it, "" where there is none."""
    for name in files:
        if not name.endswith(".html") or name.startswith("az://"):
            continue
        try:
            if Path(name).stat().st_size > LARGEST_ATTACHMENT:
                return None, words("notice.too_large", LARGEST_ATTACHMENT >> 20)
            return Path(name).read_bytes(), words("notice.attached")
        except OSError as error:
            return None, words("notice.not_attached", why=error.strerror)
    return None, ""


# Text


def _plain(notice: Notice) -> Iterator[str]:
    words = wording.words_of(notice.language)
    yield notice.title
    yield from (f"{words('notice.note')}: {wording.line(remark)}" for remark in notice.remarks)
    for owner in layout.sections(notice.items[:ITEMS], notice.language):
        if owner.heading:
            yield from ("", owner.heading)
        for resource in owner.resources:
            yield from ("", f"{resource.name}  ({resource.about})")
            yield from (
                f"  {wording.severity(item.severity, words):<8}  {wording.item_sentence(item, words)}"
                for item in resource.items
            )
    if more := wording.and_more(len(notice.items), ITEMS, words):
        yield from ("", more)
    for heading, sentences, more in wording.lists(notice, ITEMS):
        yield from ("", heading)
        yield from (f"  {line}" for line in (*sentences, more) if line)
    yield ""
    yield from wording.endings(notice)


def _html(notice: Notice, note: str) -> str:
    return "\n".join(
        [
            f'<!doctype html><html lang="{notice.language}"><head><meta charset="utf-8"><title>Twolocks</title></head>',
            '<body style="font-family: sans-serif; font-size: 14px; line-height: 1.5">',
            *_elements(notice),
            *([_p(note)] if note else []),
            "</body></html>",
        ]
    )


def _elements(notice: Notice) -> Iterator[str]:
    words = wording.words_of(notice.language)
    yield f"<h1 style='font-size: 18px'>{escape(notice.title)}</h1>"
    yield from (_p(f"{words('notice.note')}: {wording.line(remark)}") for remark in notice.remarks)
    for owner in layout.sections(notice.items[:ITEMS], notice.language):
        if owner.heading:
            yield _h2(owner.heading)
        for resource in owner.resources:
            yield f"<p><b>{escape(resource.name)}</b> {escape(resource.about)}</p><ul>"
            yield from (_li(wording.item_sentence(item, words), item.severity, words) for item in resource.items)
            yield "</ul>"
    if more := wording.and_more(len(notice.items), ITEMS, words):
        yield _p(more)
    for heading, sentences, more in wording.lists(notice, ITEMS):
        yield f"{_h2(heading)}<ul>"
        yield from (_li(line) for line in (*sentences, more) if line)
        yield "</ul>"
    yield from map(_p, wording.endings(notice))


def _h2(text: str) -> str:
    return f"<h2 style='font-size: 16px'>{escape(text)}</h2>"


def _p(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _li(text: str, severity: str = "", words: Words | None = None) -> str:
    colour = COLOURS.get(severity, "#333333")
    head = f'<b style="color: {colour}">{escape(wording.severity(severity, words))}</b> ' if words else ""
    return f"<li>{head}{escape(text)}</li>"


# SMTP


def send(mail: EmailMessage, box: Mailbox, *, seconds: float) -> None:
    """Send a mail. Raises DeliveryError. `seconds`: the timeout of a response."""
    try:
        with _session(box, seconds) as session:
            if box.user:
                session.login(box.user, box.password)
            refused = session.send_message(mail, from_addr=box.sender, to_addrs=list(box.to))
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(box, error.recipients) from None
    except smtplib.SMTPAuthenticationError as error:
        raise DeliveryError(f"{box.host} refused the login ({error.smtp_code})") from None
    except smtplib.SMTPResponseException as error:
        raise DeliveryError(f"{box.host} responded {error.smtp_code}", can_retry=error.smtp_code in RETRIED) from None
    except smtplib.SMTPNotSupportedError:
        raise DeliveryError(f"{box.host} does not support {'STARTTLS' if box.tls == 'starttls' else 'login'}") from None
    except smtplib.SMTPException:
        raise DeliveryError(f"{box.host} ended the connection", can_retry=True) from None
    except OSError as error:
        raise delivery_error(error, box.host) from None
    if refused:
        raise _refused(box, refused)


def _session(box: Mailbox, seconds: float) -> smtplib.SMTP:
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


def _refused(box: Mailbox, result: dict[str, tuple[int, bytes]]) -> DeliveryError:
    codes = sorted({code for code, _ in result.values()})
    why = f"{box.host} refused {', '.join(sorted(result))} ({', '.join(map(str, codes))})"
    return DeliveryError(why, can_retry=set(codes) <= set(RETRIED))
