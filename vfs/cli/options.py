"""Options that several commands share, spelled once."""

from __future__ import annotations

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
message = click.option("-m", "--message", metavar="TEXT", default="", help="What the commit is about.")
author = click.option("--author", metavar="NAME", default=None, help="Author of the commit instead of the setting.")
