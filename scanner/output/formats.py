"""The formats of output files, one row per format. All code that lists, writes or describes formats uses these rows."""

from collections.abc import Callable, Iterable
from importlib import import_module

from msgspec import Struct


class Format(Struct, frozen=True):
    """A format of output files, known by the suffix of their names.

    `writer` is `module:function` below `scanner.report`; the function takes the document and a binary file. It is
    imported when a file is written. It is "" for JSON of a scan, because the findings document itself is that file.
    `has_role`: the function also takes `own_actions`, because the format shows a role to copy. `has_language`: it takes
    `language`; every other format is for programs, and in English.
    `package`: what the writer imports of the extra `extra`, which need not be installed.
    `purpose` and `contents` are the cells of the format in `docs/formats.md`, in Markdown.
    """

    suffix: str
    media_type: str
    writer: str
    purpose: str
    contents: str
    has_role: bool = False
    has_language: bool = False
    package: str = ""
    extra: str = ""


FORMATS = (
    Format(
        ".html",
        "text/html; charset=utf-8",
        "html.rendering:write_html",
        "people who decide and who fix",
        "everything, in one self-contained file",
        has_role=True,
        has_language=True,
    ),
    Format(
        ".json",
        "application/json",
        "",
        "programs; all other formats are made of it",
        "everything, by [its schema](findings.schema.json), one row a line",
    ),
    Format(
        ".csv",
        "text/csv; charset=utf-8",
        "sheets.csv:write_csv",
        "a spreadsheet",
        "every exposure, finding and failed read, one row each",
    ),
    Format(
        ".xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "sheets.xlsx:write_xlsx",
        "a workbook to sort, filter and hand on",
        "summary, what to do first, endpoints, findings, failed reads, frameworks, places, services, keys (a row for "
        "each key and resource) and capacity, a sheet each",
    ),
    Format(
        ".ocsf.jsonl",
        "application/x-ndjson",
        "ocsf:write_ocsf",
        "a SIEM or a security data lake that takes OCSF",
        "every finding except those that passed, every failed read, and what was not scanned: an event a line",
    ),
    Format(
        ".md",
        "text/markdown; charset=utf-8",
        "markdown:write_markdown",
        "the summary of a job (`$GITHUB_STEP_SUMMARY`, Azure DevOps), a comment",
        "counts, the worst endpoints with the command that fixes them, changes, what was not assessed, services, "
        "owners, responsibility, places and frameworks; at most 900 kB",
        has_language=True,
    ),
    Format(
        ".sarif",
        "application/sarif+json",
        "code_scanning.sarif:write_sarif",
        "code scanning (GitHub), SARIF viewers",
        "every finding except those that passed",
    ),
    Format(
        ".junit.xml",
        "application/xml",
        "code_scanning.junit:write_junit",
        "the test results of a CI system",
        "every rule on every resource as a test",
    ),
    Format(
        ".parquet",
        "application/vnd.apache.parquet",
        "sheets.parquet:write_parquet",
        "[queries over many scans](queries.md), with DuckDB, Spark or a data lake",
        "every exposure, finding, resource with the rules that passed, failed read and scope, one typed row each",
        package="duckdb",
        extra="parquet",
    ),
)
"""The formats of `twolocks scan --out` and `twolocks report --out`."""

LOG_ROWS = Format(
    "loganalytics:",
    "application/x-ndjson",
    "sheets.log_rows:write_log_rows",
    "a table of Log Analytics",
    "",
    package="azure.monitor.ingestion",
    extra="log-analytics",
)
"""What `--out loganalytics://...` sends. Its suffix is that of no file."""

DIFF_FORMATS = (
    Format(
        ".html",
        "text/html; charset=utf-8",
        "html.diff:write_html",
        "people",
        "every list, at most 1,000 rows each",
        has_language=True,
    ),
    Format(".json", "application/json", "html.diff:write_json", "programs", "everything"),
    Format(
        ".md",
        "text/markdown; charset=utf-8",
        "html.diff:write_markdown",
        "a job summary",
        "at most 200 rows per list",
        has_language=True,
    ),
)
"""The formats of `twolocks diff --out`. Their writers take a `scanner.history.documents.DiffDocument`."""

_SNAPSHOTS = {".jsonl": "application/x-ndjson", ".gz": "application/gzip", ".zst": "application/zstd"}


def format_of(name: str, formats: Iterable[Format] = FORMATS) -> Format | None:
    """Return the format of the suffix of a name, None for an unknown suffix."""
    return next((each for each in formats if name.lower().endswith(each.suffix)), None)


def media_type(name: str) -> str:
    """Return the media type of an output or a snapshot, by the suffix of its name."""
    if format := format_of(name, (*FORMATS, *DIFF_FORMATS)):
        return format.media_type
    suffixes = (suffix for suffix in _SNAPSHOTS if name.lower().endswith(suffix))
    return _SNAPSHOTS.get(next(suffixes, ""), "application/octet-stream")


def writer(format: Format) -> Callable[..., None]:
    """Return the function that writes files of a format. The format must name one."""
    module, _, name = format.writer.partition(":")
    result: Callable[..., None] = getattr(import_module(f"scanner.report.{module}"), name)
    return result
