"""The frame and the looks of a report: light and dark, on screen and on paper."""

from __future__ import annotations

import html
from typing import Any

CSS = """
:root { color-scheme: light dark; --paper:#fff; --card:#f6f7f9; --ink:#1c2330; --soft:#6b7585;
  --line:#e1e5ea; --data:#2f4b7c; --second:#8a5a00; --fit:#c8372d; --good:#1a7f4b; --warn:#9a6200;
  --bad:#b3261e; --accent:#2f5fb3; }
@media (prefers-color-scheme: dark) { :root { --paper:#12161d; --card:#1b212b; --ink:#e6eaf0;
  --soft:#98a3b3; --line:#2c3440; --data:#8fb4ff; --second:#f0bd62; --fit:#ff7a6b; --good:#5fd39a;
  --warn:#f0b74d; --bad:#ff8a80; --accent:#8fb4ff; } }
* { box-sizing: border-box; }
body { margin:0; background:var(--paper); color:var(--ink); line-height:1.5;
  font:16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width:58rem; margin:0 auto; padding:2rem 1.25rem 4rem; }
h1 { font-size:1.7rem; line-height:1.2; margin:0 0 .25rem; text-wrap:balance; }
h2 { font-size:1.05rem; margin:2.4rem 0 .7rem; padding-bottom:.3rem;
  border-bottom:1px solid var(--line); }
p { margin:.4rem 0; } .soft { color:var(--soft); } .small { font-size:.86rem; }
code, pre, td.number { font-family:ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
code { font-size:.92em; overflow-wrap:anywhere; }
.formula { font-size:1.02rem; margin:.2rem 0 1.1rem; color:var(--soft); overflow-wrap:anywhere; }
.verdict { display:flex; gap:.8rem; align-items:flex-start; margin:1rem 0 1.4rem;
  padding:.85rem 1rem; border-radius:.5rem; background:var(--card);
  border-left:5px solid var(--good); }
.verdict b { font-weight:650; } .verdict .sign { font-size:1.3rem; line-height:1.25; }
.verdict.good .sign { color:var(--good); }
.verdict.warn { border-color:var(--warn); } .verdict.warn .sign { color:var(--warn); }
.verdict.bad { border-color:var(--bad); } .verdict.bad .sign { color:var(--bad); }
ul.warnings { margin:.6rem 0 0; padding-left:1.1rem; } ul.warnings li { margin:.25rem 0; }
.scroll { overflow-x:auto; }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; }
th { font-weight:600; color:var(--soft); font-size:.82rem; text-align:left; }
th, td { padding:.42rem .7rem; border-bottom:1px solid var(--line); white-space:nowrap; }
tbody tr:last-child > * { border-bottom:0; }
td.fact { white-space:normal; } td.fact b { font-weight:550; }
td.number, th.number { text-align:right; } td.name, th.name { font-weight:600; color:var(--ink); }
.tag { font-size:.76rem; padding:.1rem .5rem; border-radius:1rem; border:1px solid currentColor; }
.tag.undetermined { color:var(--bad); } .tag.at-bound { color:var(--warn); }
.tag.fixed { color:var(--soft); }
.cards { display:grid; grid-template-columns:repeat(auto-fill, minmax(9.4rem, 1fr)); gap:.6rem; }
.card { background:var(--card); border-radius:.45rem; padding:.55rem .8rem; }
.card span { display:block; color:var(--soft); font-size:.8rem; }
.card b { font-weight:600; font-variant-numeric:tabular-nums; }
table.correlation { width:auto; } table.correlation td { text-align:center; min-width:3.6rem;
  border:2px solid var(--paper); border-radius:.4rem; font-size:.86rem; }
table.correlation th { border:0; } dl { display:grid; gap:.35rem 1.2rem; margin:0;
  grid-template-columns:minmax(7rem, max-content) 1fr; }
dt { color:var(--soft); } dd { margin:0; overflow-wrap:anywhere; }
svg.figure { width:100%; height:auto; display:block; }
svg.figure text { font-family:system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
details { margin:.6rem 0; } summary { cursor:pointer; color:var(--accent); }
pre { background:var(--card); padding:.8rem 1rem; border-radius:.45rem; overflow-x:auto;
  font-size:.82rem; line-height:1.45; }
footer { margin-top:3rem; color:var(--soft); font-size:.84rem; }
@media (max-width:40rem) { main { padding:1.2rem .9rem 3rem; }
  dl { grid-template-columns:1fr; } dt { margin-top:.4rem; } }
@media print { :root { --paper:#fff; --card:#f4f5f7; --ink:#000; --soft:#555; --line:#ccc;
  --data:#2f4b7c; --second:#8a5a00; --fit:#c8372d; --good:#1a7f4b; --warn:#9a6200; --bad:#b3261e;
  --accent:#000; }
  body { font-size:10.5pt; } main { max-width:none; padding:0; } h2 { break-after:avoid; }
  figure, table, .verdict, .card { break-inside:avoid; }
  * { -webkit-print-color-adjust:exact; print-color-adjust:exact; } @page { margin:16mm; } }
"""


def page(title: str, body: str) -> str:
    """A page that loads nothing and runs nothing; body: HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escaped(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def verdict(kind: str, sign: str, text: str, rest: str) -> str:
    """The box at the top of a page; kind: 'good', 'warn' or 'bad', rest: HTML."""
    return (
        f'<section class="verdict {kind}" role="status"><div class="sign" aria-hidden="true">{sign}'
        f"</div><div><b>{escaped(text)}</b> {rest}</div></section>"
    )


def escaped(value: Any) -> str:
    """Any text as HTML."""
    # control characters are no HTML, whatever a file may have called its columns
    text = "".join(c if c.isprintable() or c in "\n\t" else " " for c in str(value))
    return html.escape(text)
