#!/usr/bin/env python3
"""The developer's one tool: `python dev.py demo | test | lint | bench | catalog | comfy | workflows |
screens | lock | floors | comfy-names | new-node`.

Each verb first prepares what it needs: a virtual environment in .venv, a ComfyUI in .comfy
(devtools/environment.py). Everything up to there is standard library only.

To add a verb: write a function that takes (args, rest) and returns an exit code, and add a line to VERBS.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 - said in words, before anything newer is used
    sys.exit(
        f"\ndev.py needs Python 3.10 or newer, and this is {platform.python_version()}. Run it with "
        "a newer one, for example: python3.12 dev.py demo"
    )

from devtools.beside_venv import comfy_environment, second_environment
from devtools.environment import LOCKED, NEWEST, prepare
from devtools.paths import COMFY, PYTHON, ROOT
from devtools.processes import INTERRUPTED, Stop, on_sigterm, run, say

ESLINT = "eslint@9.39.5"


def chosen_comfy(args: argparse.Namespace) -> Path | None:
    if args.comfy is None:
        return None
    folder = Path(args.comfy).expanduser().resolve()
    if not (folder / "main.py").is_file():
        raise Stop(
            f"There is no ComfyUI in {folder}: main.py is missing. "
            "Give the folder that holds it with --comfy DIR."
        )
    return folder


def serve(verb: str, args: argparse.Namespace, more: list) -> int:
    comfy = chosen_comfy(args)
    prepare(comfy=comfy is None)
    chosen = ["--comfy", comfy] if comfy else []
    return run([comfy_environment(comfy), "-m", "devtools.comfy.demo", verb, *chosen, *more])


def demo(args: argparse.Namespace, rest: list) -> int:
    """Read a picture in a real ComfyUI on the CPU, print the text, write the overlay and the mask."""
    image = ["--image", Path(args.image).expanduser().resolve()] if args.image else []
    if image and not image[1].is_file():
        raise Stop(f"There is no picture at {image[1]}. Give the path of an existing file with --image.")
    return serve("demo", args, [*image, "--out", Path(args.out).expanduser().resolve()])


def test(args: argparse.Namespace, rest: list) -> int:
    """All tests; with --quick, the unit tests; with --newest, all on the newest of everything; with
    --transformers, those of the models with that version. The rest goes to pytest.
    """
    from devtools import lock, suite

    comfy = chosen_comfy(args)
    place = NEWEST if args.newest else LOCKED
    prepare(comfy=comfy is None, frontend=not args.quick, place=place)
    env = {**os.environ, "VRAMWISE_COMFY_DIR": str(comfy)} if comfy else None
    if args.quick:
        return suite.run_quick(PYTHON, rest, env)
    if args.newest:
        env = {**(env or os.environ), "VRAMWISE_TEST_TOOLS": str(place.tools)}
        code = suite.run_tests(place.python, rest, env)
        if code != INTERRUPTED:
            lock.tell_differences(place)
        return code
    if args.transformers:
        return suite.run_tests(second_environment(args.transformers), suite.of_models(rest), env)
    return suite.run_tests(comfy_environment(comfy), rest, env)


def lock(args: argparse.Namespace, rest: list) -> int:
    """Write constraints/ anew: the newest versions that fit together, for each Python that is on PATH."""
    from devtools.lock import write_locks

    write_locks()
    return 0


def floors(args: argparse.Namespace, rest: list) -> int:
    """What a dependency can break, on the lowest declared versions (constraints/floors.txt), in an
    environment of its own. The rest goes to pytest.
    """
    from devtools.floors import run_floors

    return run_floors(rest)


def lint(args: argparse.Namespace, rest: list) -> int:
    """ruff, mypy, the floors of core/, what the registry checks of a published pack, eslint for web/."""
    prepare(comfy=False)
    shipped = [folder for folder in ("__init__.py", "core", "nodes", "scripts") if (ROOT / folder).exists()]
    code = 0
    for command in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["devtools.check_types"],
        ["devtools.layers"],
        ["ruff", "check", "--isolated", "--ignore-noqa", "--select", "S102,S307,E702", *shipped],
    ):
        say("$ " + " ".join(command))
        code = run([PYTHON, "-m", *command]) or code
    npx = shutil.which("npx")
    if npx is None:
        say("There is no npx here (it comes with Node.js): the scripts in web/ were not checked by eslint.")
        return code
    say(f"$ npx {ESLINT} web")
    return run([npx, "--yes", ESLINT, "web"]) or code


def bench(args: argparse.Namespace, rest: list) -> int:
    """The measurements in benchmarks/. Further arguments go to benchmarks/run.py."""
    comfy = chosen_comfy(args)
    prepare(comfy=comfy is None)
    env = {**os.environ, "VRAMWISE_COMFY_DIR": str(comfy)} if comfy else None
    return run([comfy_environment(comfy), ROOT / "benchmarks" / "run.py", *rest], env=env)


def comfy(args: argparse.Namespace, rest: list) -> int:
    """The same server left running for a person with a browser. Further arguments go to ComfyUI."""
    more = ["--base", COMFY / "base"]
    more += ["--port", args.port] if args.port else []
    more += ["--gpu"] if args.gpu else []
    return serve("comfy", args, [*more, *rest])


def catalog(args: argparse.Namespace, rest: list) -> int:
    """Write the template part of the catalog anew from the newest comfyui-workflow-templates, and print what
    changes. --check writes nothing; --installed and --from DIR take other packages than the newest.
    """
    prepare(comfy=False)
    return run([PYTHON, "-m", "devtools.catalog_update", *rest])


def workflows(args: argparse.Namespace, rest: list) -> int:
    """Write workflows/api/ from workflows/*.json by the real frontend; with --previews, the pictures too."""
    comfy = chosen_comfy(args)
    prepare(comfy=comfy is None)
    chosen = ["--comfy", comfy] if comfy else []
    return run([PYTHON, "-m", "devtools.workflows.export", *chosen, *rest])


def screens(args: argparse.Namespace, rest: list) -> int:
    """Pictures of what a person sees first, for a look: dev.py screens FOLDER [--lang ru]."""
    prepare(comfy=True)
    return run([PYTHON, "-m", "devtools.screens", *rest])


def comfy_names(args: argparse.Namespace, rest: list) -> int:
    """Which names of ComfyUI and its frontend the pack uses, and which of the given folders (checkouts and
    frontends; they are read, not run) have each.
    """
    prepare(comfy=False)
    return run([PYTHON, "-m", "devtools.comfy_names", *rest])


def new_node(args: argparse.Namespace, rest: list) -> int:
    """Begin a node: its file, its place in the list, its words and help in three languages, its test."""
    from devtools.new_node import write_node

    write_node(args.name, ROOT)
    return 0


def comfy_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--comfy",
        metavar="DIR",
        help="use a ComfyUI you already have; it is only read, and what .venv lacks for it goes elsewhere",
    )


def test_options(parser: argparse.ArgumentParser) -> None:
    comfy_option(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--quick",
        action="store_true",
        help="the unit tests that take no long time: under a minute on two idle cores",
    )
    which.add_argument(
        "--newest",
        action="store_true",
        help="run on the newest of everything, in an environment of its own, and list what the lock has not",
    )
    which.add_argument(
        "--transformers",
        metavar="VERSION",
        help="run the models' tests with this version, 4.57.6 say, in an environment of its own",
    )


def demo_options(parser: argparse.ArgumentParser) -> None:
    comfy_option(parser)
    parser.add_argument("--image", metavar="FILE", help="read your own picture instead of the sample")
    parser.add_argument(
        "--out", metavar="DIR", default=".", help="where the two pictures go (default: this folder)"
    )


def comfy_options(parser: argparse.ArgumentParser) -> None:
    comfy_option(parser)
    parser.add_argument("--port", type=int, help="the port to listen on (default: a free one)")
    parser.add_argument("--gpu", action="store_true", help="let ComfyUI choose its device instead of the CPU")


def new_node_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what it is called, in words: rotate_regions")


# verb: (function, its options or None, whether it takes arguments it does not know)
VERBS = {
    "demo": (demo, demo_options, False),
    "test": (test, test_options, True),
    "lint": (lint, None, False),
    "bench": (bench, comfy_option, True),
    "catalog": (catalog, None, True),
    "comfy": (comfy, comfy_options, True),
    "workflows": (workflows, comfy_option, True),
    "screens": (screens, None, True),
    "lock": (lock, None, False),
    "floors": (floors, None, True),
    "comfy-names": (comfy_names, None, True),
    "new-node": (new_node, new_node_options, False),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__.splitlines()[0], allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS))
    for name, (function, options, _) in VERBS.items():
        verb = verbs.add_parser(name, help=function.__doc__, description=function.__doc__, allow_abbrev=False)
        if options is not None:
            options(verb)
    args, rest = parser.parse_known_args()
    function, _, passes_on = VERBS[args.verb]
    if rest and not passes_on:
        parser.error(f"{args.verb} does not take {' '.join(rest)}")
    signal.signal(signal.SIGTERM, on_sigterm)
    return function(args, rest)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Stop as problem:
        print(f"\n{problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)
