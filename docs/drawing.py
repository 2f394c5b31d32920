"""The drawing of the architecture, as SVG: boxes on a grid and arrows between them, for light and dark mode."""

from html import escape
from typing import NamedTuple

COLUMN, ROW = 240, 104
BOX_WIDTH, BOX_HEIGHT = 168, 64
MARGIN = 24


class Box(NamedTuple):
    """A box in a column and a row; `kind`: step, part or outside."""

    name: str
    below: str
    column: float
    row: float
    kind: str


BOXES = {
    box.name: box
    for box in (
        Box("cli", "parses, prints, exits", 0, 0, "part"),
        Box("scan", "runs the four steps", 1.5, 0, "part"),
        Box("config", "settings and waivers", 3, 0, "part"),
        Box("1 collect", "collect, azure", 0, 1, "step"),
        Box("2 snapshot", "snapshot", 1, 1, "step"),
        Box("3 evaluate", "evaluate, fix", 2, 1, "step"),
        Box("4 write", "report, output", 3, 1, "step"),
        Box("Azure", "or the sandbox", 0, 2, "outside"),
        Box("files", "--snapshot, --from", 0.75, 2, "outside"),
        Box("rulebook", "loads rules/", 1.5, 2, "part"),
        Box("reach", "network paths", 2.25, 2, "part"),
        Box("history", "compares; notify sends", 3, 2, "part"),
    )
}
ARROWS = (
    ("cli", "scan", ""),
    ("config", "scan", ""),
    ("1 collect", "2 snapshot", "lines"),
    ("2 snapshot", "3 evaluate", "bundles"),
    ("3 evaluate", "4 write", "rows"),
    ("Azure", "1 collect", "reads"),
    ("files", "2 snapshot", ""),
    ("rulebook", "3 evaluate", "rules"),
    ("reach", "3 evaluate", ""),
    ("history", "4 write", ""),
)
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1b2733; text-anchor: middle }
.name { font-weight: 600; font-size: 15px }
rect { stroke: #5b6b7b; fill: #f4f6f8; rx: 8px }
.step rect { fill: #dcebfa; stroke: #1f6fb2 }
.outside rect { stroke-dasharray: 5 4; fill: none }
line { stroke: #5b6b7b; stroke-width: 1.5; marker-end: url(#end) }
marker path { fill: #5b6b7b }
.back { fill: #ffffff; stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  rect { stroke: #8b9bab; fill: #1d2630 }
  .step rect { fill: #12385a; stroke: #6cb2ee }
  line { stroke: #8b9bab }
  marker path { fill: #8b9bab }
  .back { fill: #0d1117 }
}
"""


def svg() -> str:
    """Return the drawing. The same table gives the same bytes."""
    width = round(MARGIN * 2 + COLUMN * 3 + BOX_WIDTH)
    height = MARGIN * 2 + ROW * 2 + BOX_HEIGHT
    elements = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
        '<title id="title">Azure is read to lines, sorted to a snapshot, evaluated to rows, written as reports</title>',
        f"<style>{STYLE}</style>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect class="back" width="{width}" height="{height}"/>',
        *(_arrow(*each) for each in ARROWS),
        *(_box(each) for each in BOXES.values()),
        "</svg>",
    ]
    return "\n".join(elements) + "\n"


def _corner(box: Box) -> tuple[float, float]:
    return MARGIN + box.column * COLUMN, MARGIN + box.row * ROW


def _box(box: Box) -> str:
    left, top = _corner(box)
    middle = left + BOX_WIDTH / 2
    return (
        f'<g class="{box.kind}"><rect x="{left:g}" y="{top:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}"/>'
        f'<text class="name" x="{middle:g}" y="{top + 28:g}">{escape(box.name)}</text>'
        f'<text x="{middle:g}" y="{top + 48:g}">{escape(box.below)}</text></g>'
    )


def _arrow(start: str, end: str, label: str) -> str:
    """Return the arrow from one box to another: from side to side in a row, else from top to bottom edge."""
    one, two = BOXES[start], BOXES[end]
    (left, top), (to_left, to_top) = _corner(one), _corner(two)
    if one.row == two.row:
        forward = one.column < two.column
        x1, x2 = (left + BOX_WIDTH, to_left) if forward else (left, to_left + BOX_WIDTH)
        y1 = y2 = top + BOX_HEIGHT / 2
    else:
        x1, x2 = left + BOX_WIDTH / 2, to_left + BOX_WIDTH / 2
        y1, y2 = (top, to_top + BOX_HEIGHT) if one.row > two.row else (top + BOX_HEIGHT, to_top)
        if one.column != two.column:
            x1 = x2 = min(max(x1, to_left + 24), to_left + BOX_WIDTH - 24)
    line = f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'
    shift = (0, -8) if one.row == two.row else (26, 4)
    text = f'<text x="{(x1 + x2) / 2 + shift[0]:g}" y="{(y1 + y2) / 2 + shift[1]:g}">{escape(label)}</text>'
    return line + (text if label else "")
