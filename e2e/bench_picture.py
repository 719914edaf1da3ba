# SPDX-License-Identifier: MPL-2.0
"""Figures as an SVG: for each scenario a bar of every server's ratio to the base, with its spread as a whisker; the line is the
base's 1. Each scenario has a scale of its own, for some are many times dearer than others.
"""

from xml.sax.saxutils import escape

LEFT, WIDTH, RIGHT, ROW = 190, 460, 250, 24
OURS, OTHERS = "#1f8a5b", "#9aa7b4"


def text(x, y, words, **style):
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(words)}</text>'


def bar(y, name, row, scale, figure, colour):
    low, middle, high = (LEFT + row[part] * scale for part in ("ratio_low", "ratio", "ratio_high"))
    whisker = f'<path d="M{low:.1f} {y + 8}H{high:.1f}M{low:.1f} {y + 4}v8M{high:.1f} {y + 4}v8" stroke="#333" fill="none"/>'
    return (text(LEFT - 8, y + 13, name, text_anchor="end")
            + f'<rect x="{LEFT}" y="{y}" width="{middle - LEFT:.1f}" height="16" fill="{colour}"/>{whisker}'
            + text(high + 8, y + 13, f'{row["ratio"]:.2f}  ({figure})'))


def panel(top, title, rows):
    """ROWS are (name, row with a ratio and its spread, its figure in words); gives the drawing and where it ends. Where names are
    numbers, all rows are ours.
    """
    scale = WIDTH / max([row["ratio_high"] for _, row, _ in rows] + [1])
    parts = [text(10, top + 16, title, font_weight="bold")]
    parts += [bar(top + 28 + i * ROW, name, row, scale, figure, OURS if name.startswith("fairvisor") or name[0].isdigit() else OTHERS)
              for i, (name, row, figure) in enumerate(rows)]
    bottom = top + 28 + len(rows) * ROW
    parts.append(f'<path d="M{LEFT + scale:.1f} {top + 24}V{bottom - 4}" stroke="#c0392b" stroke-dasharray="4 3"/>')
    return "".join(parts), bottom + 12


def panels_of(document):
    """(title, rows) of everything that has ratios to a base."""
    for name, result in document.get("cpu", {}).items():
        table, unit = result["medians"], result["unit"]
        yield (f"{name}: CPU time per {unit}, of {next(iter(table))}",
               [(server, row, f'{row["cpu_us"]:.1f} us') for server, row in table.items()])
    for name, result in document.get("latency", {}).items():
        table = result["medians"]
        for percentile in next(iter(table.values())):
            yield (f"{name}: latency {percentile.replace('p999', 'p99.9')}, of {next(iter(table))}",
                   [(server, row[percentile], f'{row[percentile]["us"]:.0f} us') for server, row in table.items()])
    for what, points in document.get("growth", {}).items():
        yield (f"CPU time of a decision over {what}, of nginx return 204 with as many",
               [(f"{point:,}", result["medians"]["fairvisor"], f'{result["medians"]["fairvisor"]["cpu_us"]:.1f} us')
                for point, result in points.items()])
    for what in ("keys", "policies", "rules"):
        points = document.get("instructions", {}).get(what, {})
        if points:
            yield (f"the engine's instructions of a decision over {what}, of one",
                   [(f"{point:,}", {"ratio_low": row["ratio"], "ratio_high": row["ratio"], **row}, f'{row["instructions"]:.0f}')
                    for point, row in points.items()])


def draw(document, path):
    top, parts = 44, []
    for title, rows in panels_of(document):
        drawn, top = panel(top, title, rows)
        parts.append(drawn)
    machine = document["machine"]
    about = (f'{machine["processor"]}, {machine["cores"]} cores, load {machine["load_before"][0]:.1f} before; medians of '
             f'{document["rounds"]} rounds, whiskers from the smallest to the largest')
    width = LEFT + WIDTH + RIGHT
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}" '
                   'font-family="sans-serif" font-size="12" fill="#222"><rect width="100%" height="100%" fill="#fff"/>'
                   + text(10, 22, about, fill="#555") + "".join(parts) + "</svg>\n")
