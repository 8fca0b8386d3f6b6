"""The page that explains what each picture shows: `index.html` beside the pictures.

It works offline: the pictures are files in the same folder, the styles are in the page.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mrcnn.system.files import write_text

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2937; background: #f8fafc; margin: 0 auto;
  max-width: 1280px; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 0 0 .4rem; }
nav a { margin-right: 1rem; } a { color: #1d4ed8; }
section { background: #fff; border: 1px solid #e2e8f0; border-radius: 8px; padding: 1rem 1.2rem;
  margin: 1.2rem 0; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
figcaption { color: #475569; font-size: .9rem; max-width: 60rem; }
.finding { border-left: 4px solid #3b82f6; background: #eff6ff; padding: .4rem .8rem; }
.scroll { overflow: auto; max-height: 32rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .15rem .7rem; border-bottom: 1px solid #e2e8f0; }
th:first-child, td:first-child { text-align: left; }
th { position: sticky; top: 0; background: #fff; }
tr.alarm td { background: #fee2e2; } pre { overflow: auto; font-size: .85rem; }
"""


@dataclass
class Section:
    """One part of an inspection.

    Attributes:
        name: short, for links and JSON.
        title: its heading.
        about: what it shows and what to look for.
        findings: sentences that are highlighted.
        pictures: (file name beside the page, caption).
        tables: (caption, rows of cells, header first); a row whose last cell starts with "***" is
            marked.
        texts: shown verbatim.
        figures: the numbers, as plain values, for JSON.
    """

    name: str
    title: str
    about: str = ""
    findings: list[str] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)
    tables: list[tuple[str, list[list[str]]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def write_page(path: Path, title: str, subtitle: str, sections: Sequence[Section]) -> None:
    """Write the page, completely or not at all. Raises UserError if that fails."""
    links = "".join(f'<a href="#{_text(s.name)}">{_text(s.title)}</a>' for s in sections)
    page = (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head><body>\n"
        f"<h1>{_text(title)}</h1><p>{_text(subtitle)}</p><nav>{links}</nav>\n"
        + "\n".join(_section(section) for section in sections)
        + "\n</body></html>\n"
    )
    write_text(path, page)


def _section(section: Section) -> str:
    parts = [f'<section id="{_text(section.name)}"><h2>{_text(section.title)}</h2>']
    if section.about:
        parts.append(f"<p>{_text(section.about)}</p>")
    parts += [f'<p class="finding">{_text(sentence)}</p>' for sentence in section.findings]
    parts += [f"<pre>{_text(text)}</pre>" for text in section.texts]
    for file, caption in section.pictures:
        parts.append(
            f'<figure><a href="{_link(file)}"><img src="{_link(file)}" alt="{_text(caption)}" '
            f'loading="lazy"></a><figcaption>{_text(caption)}</figcaption></figure>'
        )
    parts += [_table(caption, rows) for caption, rows in section.tables]
    return "\n".join([*parts, "</section>"])


def _table(caption: str, rows: list[list[str]]) -> str:
    head, *body = rows
    lines = ["<tr>" + "".join(f"<th>{_text(cell)}</th>" for cell in head) + "</tr>"]
    for row in body:
        mark = ' class="alarm"' if row and row[-1].startswith("***") else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>")
    return (
        f"<details{' open' * (len(rows) < 40)}><summary>{_text(caption)}</summary>"
        f'<div class="scroll"><table>{"".join(lines)}</table></div></details>'
    )


def _link(file: str) -> str:
    """The URL of a file beside the page."""
    return _text(quote(file))


def _text(value: Any) -> str:
    return html.escape(str(value))
