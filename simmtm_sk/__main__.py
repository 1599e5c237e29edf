"""``python -m simmtm_sk``: describe files of one's own, or see a demonstration."""

import argparse
import sys
from pathlib import Path

from .command_line.columns import KINDS
from .command_line.describe import describe


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 if it went well, 2 if a file could not be read."""
    given = _parser().parse_args(arguments)
    if given.command == "demo":
        try:
            from .command_line.demo import demo
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("matplotlib"):
                raise
            print("The demonstration draws: pip install 'simmtm_sk[plot]'.", file=sys.stderr)
            return 2
        demo(given.output)
        return 0
    try:
        print(describe(given.path, given.kind))
    except (OSError, ValueError, TypeError) as error:
        print(f"{given.path}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simmtm_sk", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    reading = commands.add_parser("describe", help="how a CSV file is read, and code that uses it")
    reading.add_argument("path", type=Path, help="a CSV file, or a folder with one for each series")
    reading.add_argument(
        "--as",
        dest="kind",
        choices=KINDS,
        help="read it as one series (log), a series a row (table), or a row for every series and "
        "time point (long), whatever it looks like",
    )
    showing = commands.add_parser("demo", help="three jobs on real series, in half a minute")
    showing.add_argument(
        "--output",
        type=Path,
        default=Path("demo_output"),
        help="folder for the pictures (default: demo_output)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
