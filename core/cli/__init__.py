"""The command line ``vramwise VERB ...``: one module a group of verbs.

Exit codes: 0 done, 1 it failed (the sentence is on standard error), 2 wrong usage or an unknown name, 3 some
of the files failed, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence

from ..catalog.words import in_language, said, words
from ..errors import UnknownName, VramwiseError, nearest_name
from ..shell import program
from .language import language_asked, language_of, speak, spoken, without_leading_lang
from .streams import settle, spellable
from .terminal import Warnings, say, say_failure
from .usage import Parser, UsageError

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
JSON_VERBS = ("check-gpu", "doctor", "plan", "advise", "compare", "gpus", "models")
# Reports that are computed and printed at once.
BRIEF_VERBS = ("plan", "advise", "compare", "gpus", "models")
# What `vramwise` alone says one can do: a command, and the key of what it does.
_FIRST = (
    ("ocr page.png", "first_ocr"),
    ("advise", "first_advise"),
    ("plan qwen3_vl_8b", "first_plan"),
    ("download qwen3_vl_4b", "first_download"),
    ("doctor", "first_doctor"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    likeness = settle()
    warnings = Warnings()
    logging.getLogger("vramwise").addHandler(warnings)
    typed = without_leading_lang(sys.argv[1:] if argv is None else argv)
    before = spoken()
    speak(spellable(language_of(typed)))
    verb = typed[0] if typed else ""
    try:
        code = _run(verb, typed)
        sys.stdout.flush()
        if likeness.lost:
            say_failure(said("stream_lost", count=likeness.lost, encoding=sys.stdout.encoding))
        return code
    except UsageError as error:
        _say_error("usage", error, 2, typed)
        raise SystemExit(2) from None
    except VramwiseError as error:
        code = 2 if isinstance(error, UnknownName) else 1
        _say_error("unknown_name" if code == 2 else "failed", error, code, typed)
        return code
    except KeyboardInterrupt:
        _say_error("stopped", _how_to_go_on(typed), 130, typed)
        return 130
    except BrokenPipeError:
        _let_go_of_stdout()
        return 0
    except (MemoryError, RuntimeError) as error:
        from ..ocr.vlm.memory_errors import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        _say_error("failed", VramwiseError(said("error_ram_full")), 1, typed)
        return 1
    except OSError as error:
        why = error.strerror or error
        if error.filename:
            say_failure(f"{error.filename} cannot be used: {why}. See to the disk.")
        else:
            say_failure(f"What was to be said cannot be written: {why}. See to the disk.")
        _let_go_of_stdout()
        return 1
    finally:
        speak(before)
        logging.getLogger("vramwise").removeHandler(warnings)


def _run(verb: str, typed: Sequence[str]) -> int:
    if not typed or verb == "--lang":
        if typed[1:]:
            language_asked(typed[1])
        elif typed:
            raise UsageError(said("error_argument_empty", option="--lang", program=program()))
        _say_first()
        return 0
    _check_verb(verb)
    arguments = _parser(verb).parse_args(typed)
    with _nothing_collected() if verb in BRIEF_VERBS else contextlib.nullcontext():
        return int(arguments.run(arguments))


@contextlib.contextmanager
def _nothing_collected() -> Iterator[None]:
    """Without a search for garbage: a report keeps nearly all that it makes, and then the process ends."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def _say_first() -> None:
    """Five lines of what one can do."""
    spoken_words = words(spoken())
    for command, key in _FIRST:
        say(f"{program()} {command:<22}{spoken_words[key]}")


def _say_error(code: str, error: object, exit_code: int, typed: Sequence[str]) -> None:
    """The sentence on standard error; where JSON was asked for as JSON on standard output too."""
    sentence = in_language(error, spoken())
    say_failure(sentence)
    if "--json" in typed and typed[0] in JSON_VERBS:
        from .json_answers import say_error

        say_error(code, sentence, exit_code)


def _how_to_go_on(typed: Sequence[str]) -> str:
    """What to say of a command that was stopped by Ctrl-C."""
    told = [part for word in typed for part in word.split("=", 1)]
    if typed[:1] == ["ocr"] and "--out" in told[:-1]:
        return said("stopped_job", out=told[told.index("--out") + 1])
    return said("stopped_download" if typed[:1] == ["download"] else "stopped")


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
        near = nearest_name(word, verbs)
        helps = said("error_near", near=near) if near else said("error_one_of", known=", ".join(verbs))
        from ..option_values import ADVICE_TASKS

        tasks = {task.lower().replace(" ", "-") for task in ADVICE_TASKS} - {"all", "ocr"}
        if word.lower() in tasks:  # somebody takes a task of `advise` for a verb
            helps = said("error_verb_task", program=f"{program()} advise --task {word.lower()}")
        raise UnknownName(said("error_verb", text=word, helps=helps))


def _parser(verb: str) -> argparse.ArgumentParser:
    """The parser with every verb, or with the group of ``verb`` alone where it is one."""
    from .. import __version__

    parser = Parser(prog=program(), description="Read text from pictures; know what fits your GPU.")
    parser.add_argument("--version", action="version", version=f"vramwise {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for group in [name for name, its in GROUPS.items() if verb in its] or GROUPS:
        importlib.import_module(f".{group}", __name__).add_verbs(verbs)
    return parser
