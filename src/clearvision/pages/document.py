"""The frame of a page: one HTML file, no scripts, nothing fetched, light and dark by the reader's own setting."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from clearvision.pages.svg import DARK, LIGHT, STYLE

_STYLE = f"""
:root {{ color-scheme: light dark; --ink: #1c1f23; --quiet: #5c636c; --line: #dde1e6; --ground: #ffffff; --raised: #f5f6f8;
  --good: #1a7f4b; --bad: #b42318; {LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e8eaed; --quiet: #9aa0a8; --line: #33383f; --ground: #15181c;
  --raised: #1e2228; --good: #4cc38a; --bad: #ff8a7a; {DARK} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 24px; max-width: 1240px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 26px; margin: 0 0 4px; }}
h2 {{ font-size: 19px; margin: 36px 0 8px; }} h3 {{ font-size: 15px; margin: 16px 0 6px; }}
p {{ margin: 4px 0; max-width: 95ch; }} .quiet {{ color: var(--quiet); font-size: 13px; }}
.check {{ border-left: 4px solid var(--good); padding: 6px 12px; background: var(--raised); margin: 12px 0; max-width: none; }}
.check.bad {{ border-color: var(--bad); }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; margin: 8px 0; font-size: 14px; }}
th, td {{ padding: 5px 12px; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }}
th {{ color: var(--quiet); font-weight: 600; font-size: 12px; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.charts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(430px, 100%), 1fr)); gap: 8px 40px; }}
.charts figure {{ margin: 0; }}
.charts figcaption {{ font-weight: 600; font-size: 14px; margin: 8px 0 4px; }}
{STYLE}"""


def document(title: str, body: Sequence[str], style: str = "") -> str:
    """Return a whole page.

    Args:
        title: of the window, plain text.
        body: HTML, part by part.
        style: rules of this page alone, after those that all pages share.
    """
    head = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}{style}</style></head><body>",
    ]
    return "\n".join([*head, *body, "</body></html>", ""])


def chart_figure(caption: str, chart: str) -> str:
    """Return a chart under its caption, for a grid of the class ``charts``."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{chart}</figure>"
