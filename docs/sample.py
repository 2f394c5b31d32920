"""Write docs/sample/report.html, the report of the demo at a fixed time: `make docs`.

`python -m docs.sample` runs from the root of a working copy. It writes the report if its inputs have changed since, of
which the last line of the report has the digest. With `--check` it writes nothing, and ends with 1 if they have.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPORT = Path("docs/sample/report.html")
INPUTS = ("rules/**/*.toml", "rules/**/*.py", "templates/**/*", "scanner/report/**/*.py", "scanner/sandbox/sample/**/*")
"""What decides what a report shows, and how. Changes elsewhere in the code are shown with the next of these."""
FIXED = {
    "id": "0123456789abcdef",
    "started": "2026-11-27T02:14:00Z",
    "taken": "2026-11-27T02:14:00Z",
    "finished": "2026-11-27T02:15:00Z",
    "cloud": "127.0.0.1:443",
}
"""The fields of the scan that differ from run to run."""


def digest(root: Path) -> str:
    """Return the digest of the names and contents of all inputs."""
    hash = hashlib.sha256()
    for path in sorted({path for pattern in INPUTS for path in root.glob(pattern)}):
        if path.is_file() and "__pycache__" not in path.parts:
            hash.update(f"{path.relative_to(root).as_posix()}\0".encode())
            hash.update(hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).digest())
    return hash.hexdigest()


def is_stale(root: Path) -> bool:
    """Return whether the report is missing, or its inputs have changed."""
    report = root / REPORT
    return not report.is_file() or not report.read_bytes().endswith(end(root))


def end(root: Path) -> bytes:
    """Return the last line of a report that was made from the present inputs."""
    return f"<!-- {digest(root)} -->\n".encode()


def made(root: Path) -> bytes:
    """Return the report of the demo at the fixed time. The same inputs give the same bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _twolocks("demo", "--quiet", "--dir", name)
        findings = folder / "findings.json"
        findings.write_text(at_fixed_time(findings.read_text("utf-8")), "utf-8")
        _twolocks("report", str(findings), "--out", str(folder / "sample.html"))
        return (folder / "sample.html").read_bytes().rstrip(b"\n") + b"\n" + end(root)


def at_fixed_time(findings: str) -> str:
    """Return a findings document with the fixed values in its scan, which is one line."""
    head, scan, rest = re.split(r"^(\"scan\": .*\n)", findings, maxsplit=1, flags=re.MULTILINE)
    for field, value in FIXED.items():
        scan, count = re.subn(rf'"{field}": ?"[^"]*"', f'"{field}":"{value}"', scan, count=1)
        assert count == 1, field
    return head + scan + rest


def _twolocks(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "scanner", *words], check=True, capture_output=True)  # noqa: S603


def main(arguments: list[str], root: Path = Path()) -> int:
    if not is_stale(root):
        return 0
    if "--check" in arguments:
        print(f"{REPORT}: old; run `make docs`", file=sys.stderr)
        return 1
    (root / REPORT).parent.mkdir(parents=True, exist_ok=True)
    (root / REPORT).write_bytes(made(root))
    print(f"{REPORT}: new")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
