"""`python -m devtools.fuzzing KIND [--only N | --count N --first N]`: what becomes of a case, or of many."""

from __future__ import annotations

import argparse
from pathlib import Path

from devtools.fuzzing.campaign import try_kind
from devtools.fuzzing.kinds import case, kind, names


def main() -> None:
    parser = argparse.ArgumentParser(prog="devtools.fuzzing", description=__doc__)
    parser.add_argument("kinds", nargs="+", choices=names(), metavar="KIND", help=", ".join(names()))
    parser.add_argument("--only", type=int, metavar="N", help="this case alone")
    parser.add_argument("--first", type=int, default=0, metavar="N")
    parser.add_argument("--count", type=int, default=100, metavar="N")
    parser.add_argument("--write", type=Path, metavar="FILE", help="with --only: keep its bytes in FILE")
    given = parser.parse_args()
    for name in given.kinds:
        first, count = (given.first, given.count) if given.only is None else (given.only, 1)
        if given.write is not None:
            found = kind(name)
            given.write.write_bytes(case(name, first, found.samples(), found.spoil)[1])
        tally = try_kind(name, count, first)
        for number, said in tally.faults:
            print(f"\n--- {name} {number}\n{said}")
        print(tally.row(), f"{tally.most_bytes / 1024**2:.0f} MiB")


if __name__ == "__main__":
    main()
