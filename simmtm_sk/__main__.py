"""``python -m simmtm_sk``: describe files of one's own, or see a demonstration."""

import argparse
import sys
from pathlib import Path

from .command_line.columns import KINDS
from .command_line.describe import describe


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 if it went well, 2 if a file could not be read."""
    parser = argparse.ArgumentParser(prog="python -m simmtm_sk", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    reading = commands.add_parser("describe", help="how a CSV file would be read, with the code")
    reading.add_argument("path", type=Path, help="a CSV file, or a folder with one for each series")
    reading.add_argument(
        "--as",
        dest="kind",
        choices=KINDS,
        help="read it as one series (log), a series a row (table), or a row for every series and "
        "time point (long), whatever it looks like",
    )
    given = parser.parse_args(arguments)
    try:
        print(describe(given.path, given.kind))
    except (OSError, ValueError, TypeError) as error:
        print(f"{given.path}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
