"""A report that people look at: one HTML file with its pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from cardiactwins.compute.files import write_text_atomic

__all__ = ["PageSection", "write_page"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 60rem; margin: 2rem auto }
h1 { font-size: 1.8rem; margin-bottom: .2rem }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; border-top: 1px solid #d7dde4; padding-top: 1rem }
figure { margin: 1rem 0 }
img { max-width: 100%; height: auto }
figcaption { color: #566372; font-size: .9rem }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; border-bottom: 1px solid #e5e9ee }
td.n { text-align: right; font-variant-numeric: tabular-nums }
"""


@dataclass(frozen=True)
class PageSection:
    """Heading, paragraphs of plain text, a table of rows with the same keys, and pictures by caption."""

    heading: str
    text: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    pictures: Mapping[str, Path] | None = None


def write_page(path: str | Path, title: str, sections: Sequence[PageSection]) -> Path:
    """Write the page, whole or not at all; pictures (.png) are inside, so that the file can be sent alone."""
    body = "\n".join(_section(section) for section in sections)
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )
    return write_text_atomic(path, text)


def _section(section: PageSection) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    parts += [f"<p>{escape(paragraph)}</p>" for paragraph in section.text]
    if section.rows:
        parts.append(_table(section.rows))
    for caption, picture in (section.pictures or {}).items():
        data = base64.b64encode(Path(picture).read_bytes()).decode("ascii")
        parts.append(
            f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    return "\n".join(parts)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{escape(str(key))}</th>" for key in rows[0])
    body = "".join("<tr>" + "".join(_cell(value) for value in row.values()) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f'<td class="n">{value:.4g}</td>'
    if isinstance(value, int):
        return f'<td class="n">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"
