"""argparse in the language that is spoken: help, usage and complaints, each a sentence with what helps."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from ..catalog.words import Said, in_language, said
from ..errors import UnknownName, VramwiseError, nearest_name, shown
from ..shell import as_called_template
from .language import spoken
from .terminal import say_failure

_NEGATIVE = re.compile(r"-(?:[.,]?\d|inf|nan)", re.IGNORECASE)
WIDEST = 110  # columns of help on a wide terminal
# What argparse says, and the key of our sentence for it.
_COMPLAINTS = tuple(
    (re.compile(pattern, re.DOTALL), key)
    for pattern, key in (
        (r"the following arguments are required: (?P<names>.+)", "error_argument_missing"),
        (r"argument (?P<option>[^:]+): expected .+", "error_argument_empty"),
        (r"argument (?P<option>[^:]+): not allowed with argument (?P<other>.+)", "error_arguments_both"),
        (r"argument (?P<option>[^:]+): ignored explicit argument (?P<value>.+)", "error_argument_bare"),
        (r"ambiguous option: (?P<option>.+?) could match (?P<matches>.+)", "error_option_ambiguous"),
    )
)


class UsageError(VramwiseError):
    """What was typed is no command."""


def refuse_empty(given: str | None, sentence: str) -> None:
    """Raise UsageError with ``sentence`` where an option was given and nothing in it, as where a variable of
    the shell is not set.
    """
    if given is not None and not given.strip():
        raise UsageError(sentence)


class Formatter(argparse.HelpFormatter):
    """Help in the language that is spoken, no wider than the terminal."""

    def __init__(self, prog: str, **more: Any) -> None:
        import shutil

        more["width"] = min(shutil.get_terminal_size().columns - 2, WIDEST)
        super().__init__(prog, max_help_position=28, **more)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if not action.help:
            return action.help
        return in_language(as_called_template(action.help, "%"), spoken())

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        begins = in_language("usage: ", spoken()) if prefix is None else prefix
        super().add_usage(usage, actions, groups, begins)

    def start_section(self, heading: str | None) -> None:
        super().start_section(in_language(heading, spoken()) if heading else heading)

    def add_text(self, text: str | None) -> None:
        super().add_text(in_language(text, spoken()) if text else text)


class Parser(argparse.ArgumentParser):
    """Its complaints repeat what was typed, and a script may have typed a foreign file's name."""

    def __init__(self, **more: Any) -> None:
        more.setdefault("formatter_class", Formatter)
        super().__init__(**more)
        # "-0,5", "-12GB" and "-inf" are numbers too, to be refused as numbers, and not options
        self._negative_number_matcher = _NEGATIVE
        self._typed: list[str] = []

    def error(self, message: str) -> NoReturn:
        refused = sys.exc_info()[1]  # argparse's own, of an option whose value was refused
        reason = next(iter(getattr(getattr(refused, "__context__", None), "args", ())), "")
        if isinstance(reason, Said):
            option = getattr(refused, "argument_name", None)
            raise UsageError(
                f"{message.rstrip('.')}. `{self.prog} --help` says more.",
                "error_argument",
                option=option,
                reason=reason,
                program=self.prog,
            )
        self._look_for_unknown_options()
        for pattern, key in _COMPLAINTS:
            found = pattern.fullmatch(message)
            if found is not None:
                raise UsageError(said(key, **found.groupdict(), program=self.prog))
        raise UsageError(f"{message.rstrip('.')}. `{self.prog} --help` says more.")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._typed = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def _look_for_unknown_options(self) -> None:
        """A misspelt option is what is wrong, where what stands behind it is missing too."""
        known = self.options()
        for word in self._typed[: self._typed.index("--") if "--" in self._typed else None]:
            name = word.partition("=")[0]
            if name.startswith("--") and not any(option.startswith(name) for option in known):
                raise self._no_option(name, self)
            if _is_a_file(word):
                raise self._no_option(word, self)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, extra = self.parse_known_args(args, namespace)
        if extra:
            raise self._unknown(extra, str(getattr(known, "verb", "")))
        self._say_twice(str(getattr(known, "verb", "")))
        return known

    def _say_twice(self, verb: str) -> None:
        """Of an option that was given twice the last counts, and that is said."""
        typed = self._typed[: self._typed.index("--") if "--" in self._typed else None]
        names = [word.partition("=")[0] for word in typed if word.startswith("--")]
        known = self._of(verb)._option_string_actions
        for name in dict.fromkeys(names):
            if names.count(name) > 1 and type(known.get(name)) is argparse._StoreAction:
                say_failure(said("note_option_twice", option=name))

    def _of(self, verb: str) -> Parser:
        """The parser of ``verb``, or this one."""
        found = (
            its.choices[verb] for its in self._actions if isinstance(its, _Verbs) and verb in its.choices
        )
        return next(found, self)

    def _unknown(self, extra: Sequence[str], verb: str) -> VramwiseError:
        """Of what nothing can be made: an option that is none, with the nearest, or one word too many."""
        option = next((word.partition("=")[0] for word in extra if word.startswith("-")), "")
        of_verb = self._of(verb)
        if option:
            return self._no_option(option, of_verb)
        return UsageError(said("error_word_too_many", text=extra[0], program=of_verb.prog))

    def _no_option(self, name: str, of: Any) -> UnknownName:
        if _is_a_file(name):
            return UnknownName(said("error_dash_name", text=name))
        near = nearest_name(name, of.options())
        helps = said("error_near", near=near) if near else ""
        return UnknownName(said("error_option", text=name, near=helps, program=of.prog))

    def options(self) -> list[str]:
        """The long options."""
        return [name for name in self._option_string_actions if name.startswith("--")]

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(shown(message), file)


def _is_a_file(word: str) -> bool:
    """Whether it reads as an option, and a file or folder here is called so."""
    return word.startswith("-") and word != "-" and os.path.exists(word)


_Verbs = argparse._SubParsersAction


def one_of(option: str, known: Iterable[str], more: str = "") -> Callable[[str], str]:
    """Takes one of the words ``known``, as argparse's ``type``. A misspelt one raises UnknownName with the
    nearest; where none is near with all of them, or with ``more``, a sentence that says where they stand."""
    values = tuple(known)

    def read(text: str) -> str:
        if text in values:
            return text
        raise unknown_word(option, text, values, more)

    return read


def unknown_word(option: str, text: str, known: Sequence[str], more: str = "") -> UnknownName:
    """That ``option`` cannot be ``text``, with the nearest of ``known``."""
    near = nearest_name(text, known)
    if near:
        helps: object = said("error_near", near=near)
    else:
        helps = f" {more}" if more else said("error_one_of", known=", ".join(known))
    return UnknownName(said("error_choice", option=option, text=text, helps=helps))
