"""The command line ``vramwise VERB ...``: one module a group of verbs.

Exit codes: 0 done, 1 it failed (the sentence is on standard error), 2 wrong usage or an unknown name, 3 some
of the files failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..errors import UnknownName, VramwiseError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except VramwiseError as error:
        print(f"vramwise: {error}", file=sys.stderr)
        return 2 if isinstance(error, UnknownName) else 1
    except KeyboardInterrupt:
        print("vramwise: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0


def _parser() -> argparse.ArgumentParser:
    from .. import __version__
    from . import advice, fetching, machine, plans, reading

    parser = argparse.ArgumentParser(
        prog="vramwise", description="Read text from pictures; know what fits your GPU."
    )
    parser.add_argument("--version", action="version", version=f"vramwise {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for group in (reading, fetching, machine, plans, advice):
        group.add_verbs(verbs)
    return parser
