"""The command line ``vramwise VERB ...``: one module a group of verbs.

Exit codes: 0 done, 1 it failed (the sentence is on standard error), 2 wrong usage or an unknown name, 3 some
of the files failed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import logging
import os
import sys
from collections.abc import Sequence

from ..errors import UnknownName, VramwiseError, nearest
from .terminal import Parser, UsageError, Warnings, say_failure

# Module: its verbs. Only the module of the verb that is called is imported.
GROUPS = {
    "reading": ("ocr",),
    "fetching": ("download", "cache"),
    "machine": ("check-gpu",),
    "doctor": ("doctor",),
    "plans": ("plan",),
    "advice": ("advise", "compare", "gpus", "models"),
}

# Those whose ``--json`` is an object; ``ocr --json`` is a list of pages.
JSON_VERBS = ("check-gpu", "plan", "advise", "compare", "gpus", "models")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    warnings = Warnings()
    logging.getLogger("vramwise").addHandler(warnings)
    words = sys.argv[1:] if argv is None else list(argv)
    verb = words[0] if words else ""
    try:
        _check_verb(verb)
        arguments = _parser(verb).parse_args(words)
        code = int(arguments.run(arguments))
        sys.stdout.flush()
        return code
    except UsageError as error:
        _say_error("usage", _in_language(error, words), 2, words)
        raise SystemExit(2) from None
    except VramwiseError as error:
        code = 2 if isinstance(error, UnknownName) else 1
        _say_error("unknown_name" if code == 2 else "failed", _in_language(error, words), code, words)
        return code
    except KeyboardInterrupt:
        _say_error("stopped", "stopped.", 130, words)
        return 130
    except BrokenPipeError:
        _let_go_of_stdout()
        return 0
    except OSError as error:
        what = (
            f"{error.filename} cannot be used" if error.filename else "What was to be said cannot be written"
        )
        say_failure(f"{what}: {error.strerror or error}. See to the disk.")
        _let_go_of_stdout()
        return 1
    finally:
        logging.getLogger("vramwise").removeHandler(warnings)


def _say_error(code: str, sentence: str, exit_code: int, typed: Sequence[str]) -> None:
    """The sentence on standard error; where JSON was asked for as JSON on standard output too."""
    say_failure(sentence)
    if "--json" in typed and typed[0] in JSON_VERBS:
        from .json_answers import say_error

        say_error(code, sentence, exit_code)


def _in_language(error: VramwiseError, typed: Sequence[str]) -> str:
    """What failed in the language of ``--lang``, where it is known and the sentence is in it."""
    from ..catalog.words import LANGUAGES, in_language

    told = [word for typed_word in typed for word in typed_word.split("=", 1)]
    lang = next((after for word, after in itertools.pairwise(told) if word == "--lang"), "en")
    return in_language(error, lang if lang in LANGUAGES else "en")


def _let_go_of_stdout() -> None:
    """What could not be written stays unwritten: Python would try once more at its end, and complain."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _check_verb(word: str) -> None:
    """Raise UnknownName where the first word is neither a verb nor an option."""
    verbs = [verb for its in GROUPS.values() for verb in its]
    if word and not word.startswith("-") and word not in verbs:
        raise UnknownName(f'There is no verb "{word}".{nearest(word, verbs)} Use one of: {", ".join(verbs)}.')


def _parser(verb: str) -> argparse.ArgumentParser:
    """The parser with every verb, or with the group of ``verb`` alone where it is one."""
    from .. import __version__

    parser = Parser(prog="vramwise", description="Read text from pictures; know what fits your GPU.")
    parser.add_argument("--version", action="version", version=f"vramwise {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for group in [name for name, its in GROUPS.items() if verb in its] or GROUPS:
        importlib.import_module(f".{group}", __name__).add_verbs(verbs)
    return parser
