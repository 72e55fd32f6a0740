"""Questions about pictures: the options of ``vramwise ocr`` for them, and one question about several."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic_files import NotWritten, write_whole
from ..errors import VramwiseError, in_words
from ..option_values import MOST_TEMPERATURE, TALKING_TASKS
from .numbers import number, whole
from .usage import UsageError, refuse_empty

if TYPE_CHECKING:
    from ..ocr.engines.protocol import ReadOptions
    from ..ocr.results.result import OCRResult


def add_options(ocr: Any) -> None:
    """Add them to the parser of ``ocr``."""
    ocr.add_argument(
        "--together", action="store_true", help="one question about all pictures, as to compare them"
    )
    ocr.add_argument(
        "--history",
        metavar="FILE",
        help="the conversation so far, for custom and json; the question and its answer are added to it",
    )
    ocr.add_argument(
        "--json-schema",
        metavar="FILE",
        help="what the answer of task json must match, a file or the schema itself",
    )
    ocr.add_argument(
        "--temperature",
        type=number(0, MOST_TEMPERATURE, "temperature", "error_more_temperature"),
        default=0.0,
        help="for task custom: how freely words are drawn; 0: not at all",
    )
    ocr.add_argument(
        "--seed",
        type=whole(0, 2**63 - 1, "seed"),
        default=0,
        help="for task custom with a temperature: the same seed draws the same words",
    )


def asked(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of ReadOptions that are about questions. Raises VramwiseError."""
    if arguments.together and arguments.out:
        raise UsageError(
            "--together asks one question, whose answer is printed: leave out --out, or --together."
        )
    refuse_empty(arguments.history, "--history names no file: it is empty.")
    if arguments.history and arguments.out:
        raise UsageError(
            "--history keeps one question with its answer, which is printed: leave out --out, or --history."
        )
    refuse_empty(arguments.json_schema, "--json-schema names no file and no schema: it is empty.")
    if arguments.json_schema and arguments.task != "json":
        raise UsageError(
            "--json-schema is what an answer of the task json must match: add --task json, or leave it out."
        )
    return {
        "together": arguments.together,
        "history": _history(arguments.history),
        "json_schema": _schema(arguments.json_schema),
        "temperature": float(arguments.temperature),
        "seed": arguments.seed,
    }


def check_reader(arguments: argparse.Namespace, reader: Any) -> None:
    """Raise UsageError for options of one question where ``reader`` answers none."""
    for option, given in (("--json-schema", arguments.json_schema), ("--together", arguments.together)):
        if given and not reader.answers_questions:
            raise UsageError(
                f"{option} is about a question, and what reads here answers none. Name a vision-language "
                f"model with --model or a server with --endpoint, without --hybrid, or leave out {option}."
            )


def _history(name: str | None) -> str:
    """What the file says; a new conversation where there is none yet."""
    return _read(Path(name), "history") if name and Path(name).exists() else ""


def _schema(given: str | None) -> str:
    if not given:
        return ""
    if given.lstrip().startswith(("{", "[")):
        return given
    if not Path(given).is_file():
        raise VramwiseError(
            f"There is no file {given} with a JSON schema. Name one, or write the schema itself, from its "
            "first brace to the last."
        )
    return _read(Path(given), "schema")


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise VramwiseError(
            f"The {what} in {path} cannot be read: {in_words(error)}. It must be a text."
        ) from error


def keep_history(name: str | None, reader: Any, options: ReadOptions, results: list[OCRResult]) -> None:
    """Write the conversation with the answer of ``reader`` into the file ``name``. Raises VramwiseError for
    several answers, since a conversation has one, and for none.
    """
    if not name or not results:
        return
    if options.task not in TALKING_TASKS or not reader.answers_questions:
        raise VramwiseError(
            f"The history {name} was left as it is: no question was answered. Choose a vision-language model "
            "and the task custom or json."
        )
    if len(results) > 1 and not options.together:
        raise VramwiseError(
            f"The history {name} was left as it is: {len(results)} pictures were asked about one by one. "
            "Give one picture, or --together."
        )
    from ..ocr.vlm.chat_history import continued

    text = continued(options.history, options.prompt or options.task, results[0].text)
    try:
        write_whole(Path(name), f"{text}\n".encode())
    except NotWritten as error:
        raise VramwiseError(f"The history cannot be kept: {error}") from error
