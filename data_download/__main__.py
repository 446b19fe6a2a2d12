"""`python -m data_download NAME|list|all`: download public data sets from the command line."""

from __future__ import annotations

import argparse
import sys

from bfs_tutorial.errors import InputError
from data_download.download import fetch, is_available
from data_download.registry import REGISTRY

HELP = """\
examples:
  python -m data_download list
  python -m data_download mouse_embryo_fluorescence
  python -m data_download all --to data

environment variables:
  BFS_TUTORIAL_DATA    folder that keeps the data sets (default: the user's cache folder)
  BFS_TUTORIAL_MIRROR  folder or http(s) URL to use instead of the public homes; laid out as the
                       folder that --to fills: MIRROR/<data set>/<file>
"""


def list_data_sets(to: str | None) -> str:
    """Return a table, one line for each data set; "offline" says whether it can be had without a network."""
    rows = [("name", "size", "offline", "licence", "title")]
    for name, data_set in REGISTRY.items():
        size, offline = f"{data_set.bytes / 1e6:.0f} MB", "yes" if is_available(name, to) else "no"
        rows.append((name, size, offline, data_set.licence.split(" (")[0], data_set.title))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(row).rstrip() for row in cells)


def download(names: list[str], to: str | None) -> int:
    """Fetch each data set, one line of output for each; return 2 when one of them failed, else 0."""
    status = 0
    for name in names:
        try:
            print(f"{name}: {fetch(name, to)}")
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2
    return status


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; exit code 0: done, 2: failed, one line on stderr says why, 130: interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m data_download", description="Download the public data sets of the tutorial.",
        epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", metavar="NAME|list|all", help=f"a data set ({', '.join(REGISTRY)}), or list, or all of them"
    )
    parser.add_argument("--to", metavar="DIR", help="folder to keep them in, each in a folder of its name")
    options = parser.parse_args(arguments)
    try:
        if options.name == "list":
            print(list_data_sets(options.to))
            return 0
        return download(list(REGISTRY) if options.name == "all" else [options.name], options.to)
    except KeyboardInterrupt:
        print("interrupted: no half file was kept; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
