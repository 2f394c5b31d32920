"""docs/notices.md says what is so: its settings are taken, and its way to verify a signature does."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from scanner.config.channels import CHANNELS
from scanner.config.settings import resolve
from scanner.notify.channels.webhook import WebhookBody, headers
from scanner.notify.compose import WARNING_DAYS
from scanner.notify.notice import NoticeItem

PAGE = (Path(__file__).parents[2] / "docs" / "notices.md").read_text("utf-8")
SETTINGS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", SETTINGS, ids=lambda text: text.split("kind = ")[1].split()[0].strip('"'))
def test_its_settings_are_taken(text: str, tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text(text)
    assert resolve("scan", {}, {}, config=tmp_path / "twolocks.toml").notify


def test_every_kind_is_on_it() -> None:
    for kind in CHANNELS:
        assert f'"{kind}"' in PAGE
        for key in CHANNELS[kind].keys:
            assert re.search(rf"`{key.name}`|^{key.name} =|{key.name.rsplit('-', 1)[0]}-env", PAGE, re.MULTILINE), key


def test_its_code_verifies_and_refuses() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    space: dict[str, Any] = {}
    exec(code[1], space)
    secret, body, now = "0123456789abcdef", b'{"schema":"twolocks-notice/1"}', int(time.time())
    made = headers(secret, str(now), body)
    assert space["is_ours"](secret.encode(), made, body)
    assert not space["is_ours"](secret.encode(), made, body + b" ")
    assert not space["is_ours"](b"another secret...", made, body)
    assert not space["is_ours"](secret.encode(), {**made, "X-Twolocks-Timestamp": str(now + 1)}, body)
    assert not space["is_ours"](secret.encode(), headers(secret, str(now - 301), body), body)


def test_every_key_of_the_body_is_on_it() -> None:
    for name in (*WebhookBody.__struct_fields__, *NoticeItem.__struct_fields__):
        assert f"`{name}`" in PAGE


def test_its_days_are_the_ones_that_count() -> None:
    assert f"{WARNING_DAYS[0]} days before its last day, and {WARNING_DAYS[1]} days before" in PAGE
