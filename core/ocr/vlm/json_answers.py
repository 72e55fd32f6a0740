"""The task json: an answer is checked against JSON and the person's schema, and asked for once more where it
does not hold.
"""

from __future__ import annotations

import functools
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...cancel import cancel_point
from ...errors import VramwiseError
from ...hardware.capabilities import required
from ..engines.protocol import PartProgress, ProgressCallback, ReadOptions
from ..results.outcomes import until_failure
from .answers.fences import unfenced
from .chat_history import Turn, conversation, history_of
from .prompts import asked_in_full, is_together

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..results.outcomes import Outcome
    from ..results.result import OCRResult

    Read = Callable[..., Generator[Outcome, None, None]]

MOST_SCHEMA_LETTERS = 100_000
_MOST_PROBLEMS, _MOST_OF_ONE = 5, 200  # of a sentence about an answer
_MOST_STEPS = 50_000  # of checking one answer: a schema may lead to itself in many ways
_MOST_PATTERN = 1_000  # letters that a pattern is tried on, and of a pattern
PATTERN_SECONDS = 0.2


class _TooMuch(Exception):
    """A check that took more steps than any honest schema does."""


@dataclass(frozen=True)
class Schema:
    """What an answer must match, None for any JSON."""

    rules: Any = None

    def problem(self, value: Any) -> str:
        """What of ``value`` does not match, as the end of a sentence; empty where all does."""
        if self.rules is None:
            return ""
        try:
            found = []
            for error in _validator(self.rules).iter_errors(value):
                place = "".join(f"[{part!r}]" for part in error.absolute_path) or "the answer"
                found.append(f"{place}: {_short(error.message)}")
                if len(found) == _MOST_PROBLEMS:
                    break
        except (_TooMuch, RecursionError):
            raise VramwiseError(
                "The json_schema leads to itself too often to be checked. Write it without such references."
            ) from None
        except _unresolvable() as error:
            raise VramwiseError(
                f"The json_schema refers to {_short(str(error))}, which is not in it. Nothing is fetched: "
                "put the definition into the schema itself, under $defs."
            ) from None
        return "; ".join(found)


def schema_of(text: str) -> Schema:
    """The schema that a person wrote, any JSON for an empty one. Raises VramwiseError for what is none, and
    where the package jsonschema is missing.
    """
    if not text.strip():
        return Schema()
    if len(text) > MOST_SCHEMA_LETTERS:
        raise VramwiseError(
            f"The json_schema has {len(text)} letters, more than {MOST_SCHEMA_LETTERS}: a model loses itself "
            "in one. Ask for less."
        )
    try:
        rules = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VramwiseError(
            f'The json_schema is no JSON: {error}. Write one such as {{"type": "object", "properties": '
            '{"total": {"type": "number"}}, "required": ["total"]}.'
        ) from None
    if not isinstance(rules, dict):
        raise VramwiseError(f"The json_schema is {_short(text)}, and a schema is an object in braces.")
    if _names(rules, "patternProperties"):
        raise VramwiseError(
            "The json_schema uses patternProperties, which are not looked at. Name the properties."
        )
    jsonschema = _jsonschema()
    try:
        jsonschema.validators.validator_for(rules, jsonschema.Draft202012Validator).check_schema(rules)
    except jsonschema.SchemaError as error:
        raise VramwiseError(f"The json_schema is no JSON schema: {_short(error.message)}") from None
    except RecursionError:
        raise VramwiseError("The json_schema is nested too deeply to be checked.") from None
    return Schema(rules)


def _names(rules: Any, keyword: str) -> bool:
    left = [rules]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if keyword in value:
                return True
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return False


def read_checked(
    read: Read, images: Iterable[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
) -> Generator[Outcome, None, None]:
    """What ``read`` gives, in order, each answer of the task json checked and where it does not hold asked
    for once more. An answer that still does not hold stays as it came, with a note. Other tasks pass.
    """
    if options.task != "json":
        with closing(read(images, options, progress)) as outcomes:
            yield from outcomes
        return
    schema = schema_of(options.json_schema)
    together = is_together(options)
    if together:
        images = list(images)
    under_way: deque[NDArray[uint8]] = deque()  # of a stream: a sequence makes its pictures once more
    known = images if isinstance(images, Sequence) else None
    outcomes = read(_each(images, under_way) if known is None else known, options, progress)
    with closing(outcomes):
        for number, outcome in enumerate(outcomes):
            if (
                isinstance(outcome, VramwiseError)
                or outcome.finish_reason == "blank"
                or (together and number)
            ):
                yield outcome
            else:
                first = under_way[0] if known is None else known[number]
                shown = known if together and known is not None else [first]
                yield _held(read, shown, outcome, schema, options, progress)
            if under_way:
                under_way.popleft()


def checked_results(
    read: Callable[..., Any],
    images: Sequence[NDArray[uint8]],
    options: ReadOptions,
    progress: ProgressCallback,
) -> Iterator[OCRResult]:
    """The same of an engine whose pages raise."""
    if options.task != "json":
        results: Iterator[OCRResult] = read(images, options, progress)
        return results
    return until_failure(read_checked(read, images, options, progress))


def _each(images: Iterable[NDArray[uint8]], under_way: deque[NDArray[uint8]]) -> Iterator[NDArray[uint8]]:
    """``images``, each kept until its answer is there."""
    for image in images:
        under_way.append(image)
        yield image


def _held(
    read: Read,
    shown: Sequence[NDArray[uint8]],
    result: OCRResult,
    schema: Schema,
    options: ReadOptions,
    progress: ProgressCallback,
) -> OCRResult:
    """``result`` with its answer checked, after one more question where that was needed."""
    value, problem = _checked(result.text, schema)
    if not problem:
        return _written(result, value)
    if result.finish_reason == "length":
        why = "it was cut off. Raise max_new_tokens"
        return replace(result, notes=(*result.notes, _unheld(why)))
    try:
        with closing(read(shown, _repair(result.text, problem, options), PartProgress(progress))) as answers:
            again = next(answers)
    except VramwiseError as error:  # the first answer is not lost for it
        again = error
    if isinstance(again, VramwiseError):
        return replace(result, notes=(*result.notes, _unheld(f"{problem}. Asking again failed: {again}")))
    result = replace(result, seconds=result.seconds + again.seconds, tokens=_sum(result.tokens, again.tokens))
    mended, left = _checked(again.text, schema)
    if left:
        return replace(result, notes=(*result.notes, _unheld(f"{left}, also when asked again")))
    note = f"The first answer did not match ({problem}); the model was asked once more."
    return _written(replace(result, notes=(*result.notes, note)), mended)


def _unheld(why: str) -> str:
    return f"The answer is not the JSON that was asked for: {why.rstrip('.')}. Its words are the text."


def _checked(answer: str, schema: Schema) -> tuple[Any, str]:
    """(the value, "") or (None, what is wrong with the answer)."""
    value, problem = _value_in(answer)
    return (value, "") if not problem and not (problem := schema.problem(value)) else (None, problem)


def _value_in(answer: str) -> tuple[Any, str]:
    """The one JSON value of an answer, in a fence or among words."""
    text = unfenced(answer).strip()
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    starts = [0, *sorted(at for at in (text.find("{"), text.find("[")) if at > 0)]
    problem = ""
    for at in starts:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            problem = problem or f"it is no JSON ({_short(str(error))})"
            continue
        if at or isinstance(value, dict | list) or not text[end:].strip():
            return value, ""
    return None, problem or "it holds no JSON"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


def _written(result: OCRResult, value: Any) -> OCRResult:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return replace(result, text=text, markdown=f"```json\n{text}\n```")


def _repair(answer: str, problem: str, options: ReadOptions) -> ReadOptions:
    """The question that follows an answer which does not hold."""
    turns, _ = conversation(options.history, options.prompt)
    said = (*turns, Turn("user", asked_in_full(options)), Turn("assistant", answer))
    prompt = (
        f"That is not what was asked for: {problem}. Write the whole answer again, corrected, as one JSON "
        "value and nothing else."
    )
    return replace(options, task="custom", prompt=prompt, history=history_of(said), json_schema="")


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _short(text: str) -> str:
    return text if len(text) <= _MOST_OF_ONE else f"{text[:_MOST_OF_ONE]}..."


def _jsonschema() -> Any:
    return required("jsonschema", "An answer by a JSON schema", "jsonschema>=4.20")


def _unresolvable() -> type[Exception]:
    import referencing.exceptions

    found: type[Exception] = referencing.exceptions.Unresolvable
    return found


def _validator(rules: Any) -> Any:
    """jsonschema's validator, which fetches nothing, counts its steps and bounds patterns."""
    import referencing

    jsonschema = _jsonschema()
    base = jsonschema.validators.validator_for(rules, jsonschema.Draft202012Validator)
    left = [_MOST_STEPS]
    checks = {name: functools.partial(_counted, check, left) for name, check in base.VALIDATORS.items()}
    checks["pattern"] = functools.partial(_counted, _pattern, left)
    return jsonschema.validators.extend(base, checks)(rules, registry=referencing.Registry())


def _counted(
    check: Any, left: list[int], validator: Any, rule: Any, value: Any, schema: Any
) -> Iterator[Any]:
    left[0] -= 1
    if left[0] < 0:
        raise _TooMuch
    if left[0] % 256 == 0:
        cancel_point()
    yield from check(validator, rule, value, schema) or ()


def _pattern(validator: Any, rule: str, value: Any, schema: Any) -> Iterator[Any]:
    """A pattern, tried for a while and no longer: one of a workflow may go back and forth without end."""
    import regex

    if not isinstance(value, str):
        return
    try:
        held = regex.search(rule[:_MOST_PATTERN], value[:_MOST_PATTERN], timeout=PATTERN_SECONDS)
    except (TimeoutError, regex.error):
        raise VramwiseError(
            f"The pattern {_short(rule)} of the json_schema cannot be tried in a sensible time. Write it "
            "simpler."
        ) from None
    if not held:
        yield _jsonschema().ValidationError(f"{value!r} does not match {rule!r}")
