"""The look of the audit report: light and dark, on paper and on a phone. No font or picture from elsewhere."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1b; --soft: #5b5b56; --paper: #ffffff; --line: #d9d8d2;
  --card: #f7f6f3; --link: #1c4587; --good: #1d6b3a; --goodbg: #e8f4ec; --warn: #7a4f00; --warnbg: #fdf1dc; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececea; --soft: #b0afa8; --paper: #191918; --line: #3d3c38;
  --card: #232321; --link: #9dbff5; --good: #8fd6a8; --goodbg: #16281c; --warn: #f1c77a; --warnbg: #2d2414; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
footer { padding-top: 1rem; padding-bottom: 3rem; color: var(--soft); font-size: .875rem; }
p, li { max-width: 44rem; }
.kind { margin: 0; color: var(--soft); font-size: .8125rem; font-weight: 600; letter-spacing: .08em;
  text-transform: uppercase; }
h1 { margin: .1rem 0 .3rem; font-size: 2.1rem; line-height: 1.15; overflow-wrap: anywhere; }
.message { margin: 0 0 1.2rem; color: var(--soft); font-size: 1.15rem; overflow-wrap: anywhere; }
.lead { font-size: 1.15rem; overflow-wrap: anywhere; }
h2 { margin: 2.6rem 0 .8rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.4rem;
  line-height: 1.25; }
h3 { margin: 1.9rem 0 .5rem; font-size: 1.1rem; overflow-wrap: anywhere; }
a { color: var(--link); }
code, pre { font: .875em/1.5 ui-monospace, "Cascadia Mono", "Liberation Mono", "DejaVu Sans Mono", monospace; }
code { overflow-wrap: anywhere; }
pre, .picture { overflow-x: auto; margin: .8rem 0; padding: .9rem 1rem; border: 1px solid var(--line);
  border-radius: 8px; background: var(--card); }
.picture { background: var(--paper); }
.picture svg { display: block; height: auto; margin: 0 auto; }
.note { margin: 1rem 0; padding: .8rem 1.1rem; border-left: 5px solid; border-radius: 4px; }
.note p, .note ul { margin: .3rem 0; }
.note li { margin: .35rem 0; overflow-wrap: anywhere; }
.good { border-color: var(--good); background: var(--goodbg); }
.warn { border-color: var(--warn); background: var(--warnbg); }
.note strong { color: var(--good); }
.warn strong { color: var(--warn); }
dl { margin: .8rem 0; border-top: 1px solid var(--line); }
dl > div { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 0 1rem; padding: .45rem 0;
  border-bottom: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; margin: 1rem 0 1.4rem; border-collapse: collapse; font-size: .9375rem; }
caption { padding-bottom: .4rem; text-align: left; font-weight: 600; overflow-wrap: anywhere; }
th, td { padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
thead th { color: var(--soft); font-size: .8125rem; font-weight: 600; white-space: nowrap; }
tbody th { min-width: 7rem; font-weight: 400; }
.fingerprint { color: var(--soft); font-size: .8125rem; }
@media (max-width: 40rem) {
  header { padding-top: 1.5rem; }
  h1 { font-size: 1.6rem; }
  dl > div { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, tbody th, td, caption { display: block; }
  tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  tbody th, td { padding: .1rem 0; border: 0; }
  td[data-column]::before { content: attr(data-column) ": "; color: var(--soft); }
}
@media screen and (prefers-color-scheme: dark) { .picture svg { filter: invert(.9) hue-rotate(180deg); } }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; --card: #fff; --link: #000;
    --good: #000; --goodbg: #fff; --warn: #000; --warnbg: #fff; }
  body { font-size: 10.5pt; }
  header { padding-top: 0; }
  h2, h3, caption { break-after: avoid; }
  tr, dl > div, .note { break-inside: avoid; }
  thead { display: table-header-group; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  pre, .picture { overflow: visible; }
  .picture svg { max-width: 100%; max-height: 22cm; }
}
"""


def policy() -> str:
    """The content security policy: this style sheet and nothing else, no script, no request."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
