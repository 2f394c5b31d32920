"""Where the user's own settings file lies on each system. No system but this one is run."""

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from scanner.config.settings_location import user_folder, usual

ROAMING = r"C:\Users\Kari Nordmann\AppData\Roaming"


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"HOME": "/home/kari"}, "/home/kari/.config/twolocks"),
        ("linux", {"HOME": "/home/kari", "XDG_CONFIG_HOME": "/etc/kari"}, "/etc/kari/twolocks"),
        ("linux", {"HOME": "/home/kari", "XDG_CONFIG_HOME": ""}, "/home/kari/.config/twolocks"),
        ("linux", {"HOME": "/home/kari", "XDG_CONFIG_HOME": "here"}, "/home/kari/.config/twolocks"),
        ("linux", {"HOME": "/home/kari", "APPDATA": "/data"}, "/home/kari/.config/twolocks"),
        ("linux", {"HOME": ""}, None),
        ("linux", {"HOME": "."}, None),
        ("linux", {}, None),
        ("darwin", {"HOME": "/Users/kari"}, "/Users/kari/.config/twolocks"),
        ("darwin", {"HOME": "/Users/kari", "XDG_CONFIG_HOME": "/Users/kari/etc"}, "/Users/kari/etc/twolocks"),
        ("win32", {"APPDATA": ROAMING}, rf"{ROAMING}\twolocks"),
        ("win32", {"APPDATA": ROAMING, "HOME": "/home/kari", "XDG_CONFIG_HOME": r"C:\x"}, rf"{ROAMING}\twolocks"),
        ("win32", {"APPDATA": r"\\server\profiles\kari"}, r"\\server\profiles\kari\twolocks"),
        ("win32", {"USERPROFILE": r"C:\Users\kari"}, r"C:\Users\kari\AppData\Roaming\twolocks"),
        ("win32", {"APPDATA": "", "USERPROFILE": r"C:\Users\kari"}, r"C:\Users\kari\AppData\Roaming\twolocks"),
        ("win32", {"APPDATA": "C:here"}, None),
        ("win32", {"APPDATA": r"\here"}, None),
        ("win32", {"APPDATA": "here"}, None),
        ("win32", {"HOME": r"C:\Users\kari"}, None),
        ("win32", {}, None),
    ],
)
def test_the_folder_of_the_users_own_file(platform: str, environ: dict[str, str], expected: str | None) -> None:
    flavour = PureWindowsPath if platform == "win32" else PurePosixPath
    assert user_folder(environ, platform) == (None if expected is None else flavour(expected))


def test_a_relative_folder_is_never_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with a relative path would let the current folder give the file that may set everything."""
    monkeypatch.chdir(tmp_path)
    for name in ("etc", ".config"):
        (tmp_path / name / "twolocks").mkdir(parents=True)
        (tmp_path / name / "twolocks" / "twolocks.toml").write_text("")
    assert usual(tmp_path, {"HOME": ".", "XDG_CONFIG_HOME": "etc"}) is None
