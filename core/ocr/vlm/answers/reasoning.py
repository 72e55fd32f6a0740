"""What a model thought before it answered, kept apart from the answer.

Models write their thinking between marks of their own, and servers pass it on as it comes. Only what stands
at the beginning of an answer is thinking: the same marks further on are words of the page, and stay. The
forms are those of model cards and of the reasoning parsers of vLLM, SGLang and llama.cpp
(docs/sources.md#marks-of-thinking).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = r"(?:[a-z]{2,12}[:_])?think(?:ing)?|thoughts?|reason(?:ing)?|scratchpad|chain_of_thought|cot"
_FLAGS = re.IGNORECASE

# How thinking opens and closes; {0} is the name that it opened with.
_NAMED = (
    (rf"<[ \t]*({_NAMES})[ \t]*>", r"<[ \t]*/[ \t]*{0}[ \t]*>"),
    (r"\[(think(?:ing)?)\]", r"\[/{0}\]"),  # Mistral
    (r"<\|(think(?:ing)?|thoughts?)\|>", r"<\|/{0}\|>"),
    (r"<(details) type=\"reasoning\"[^<>]{0,200}>", r"</{0}>"),  # Open WebUI as a proxy
)
_FORMS = (
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),  # Kimi
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),  # OpenThinker
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),  # Cohere
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),  # Apertus
    (r"<\|channel>(?:thought[ \t]*\n)?", r"<channel\|>"),  # Gemma 4
    (r"<unused94>(?:thought[ \t]*\n)?", r"<unused95>"),  # MedGemma
    (r"\[unused16\]", r"\[unused17\]"),  # Pangu
)
_HARMONY = (  # gpt-oss
    r"(?:<\|start\|>assistant\s*)?<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>",
    r"<\|(?:end|call)\|>|(?=(?:<\|start\|>assistant\s*)?<\|channel\|>final)",
)
_UNMARKED = (r"analysis(?=\w)", r"assistantfinal")  # gpt-oss by a server that leaves its special tokens out
_ALL = (*_NAMED, *_FORMS, _HARMONY, _UNMARKED)
_OPENS = tuple(re.compile(rf"\s*{opens}", _FLAGS) for opens, _ in _ALL)
_OPEN = re.compile("|".join(opens for opens, _ in (*_NAMED, *_FORMS)), _FLAGS)
_CLOSE = re.compile(
    "|".join(
        (
            r"<[ \t]*/[ \t]*(?:[a-z]{2,12}[:_])?think(?:ing)?[ \t]*>|\[/think(?:ing)?\]",
            r"<\|/(?:think(?:ing)?|thoughts?)\|>",
            *(closes for _, closes in _FORMS),
        )
    ),
    _FLAGS,
)
_HARMONY_TOKEN = re.compile(r"<\|(?:channel|message|start)\|>")
_THINK_TAG = re.compile(r"\s*<[ \t]*(?:[a-z]{2,12}[:_])?think", _FLAGS)
_LONGEST_MARK = 64
_UNFINISHED = re.compile(  # what may become a mark with the next piece
    r"\s*(?:`{1,3}(?:[\w+-]{0,20}[ \t]*\n\s*)?)?"
    r"(?:|[<\[\u25c1][^>\]\u25b7\n]{0,40}|<unused94>(?:thought)?"
    r"|<\|start\|>[a-z]{0,9}\s*|<\|im_start\|>[a-z]{0,9}\s*(?:<[^>]{0,40})?"
    r"|(?:<\|start\|>assistant\s*)?<\|channel\|?>[^<]{0,40}(?:<[^>]{0,12})?)\Z"
)

_FENCE_LINE = re.compile(r"\s*```[\w+-]*[ \t]*\n")
_TURN_BEGINS = re.compile(
    r"\s*(?:<\|im_start\|>assistant|<\|start_header_id\|>assistant<\|end_header_id\|>|<start_of_turn>model)\s*"
)
_QUOTES = "`\"'\u201c\u201d\u00ab\u00bb"
_STRUCTURE = "[{<"

# What stands around the answer itself.
_HEADER = re.compile(
    r"\s*(?:(?:<\|start\|>assistant\s*)?<\|channel\|>final[^<]*<\|message\|>|<\|START_(?:RESPONSE|TEXT)\|>)"
)
_ANSWER = re.compile(
    r"\s*(?:<(answer|final_answer|response|solution|output)>|<\|begin_of_solution\|>)", _FLAGS
)
_BOXES = re.compile(r"<\|(?:begin|end)_of_box\|>")
_TURN_ENDS = re.compile(
    r"(?:\s*(?:<\|(?:im_end|endoftext|eot_id|eom_id|end|return|end_of_text|end_of_solution|END_RESPONSE"
    r"|END_TEXT|user|observation|endofassistant|END_OF_TURN_TOKEN)\|>|<end_of_turn>|<eos>|<turn\|>|</s>|<\uff5cend\u2581of\u2581sentence\uff5c>))+\s*\Z"
)
_TALKS_ON = re.compile(r"<\|im_end\|>\s*<\|im_start\|>")


@dataclass(frozen=True)
class Thought:
    """An answer taken apart. ``text`` is what was answered; ``unended``: the thinking never came to its end;
    ``guessed``: only a closing mark was there, so that nobody knows where the thinking began.
    """

    text: str
    reasoning: str = ""
    unended: bool = False
    guessed: bool = False


def is_mark(token: str) -> bool:
    """Whether ``token`` marks thinking: such a special token is not left out of a decoded answer."""
    return any(pattern.fullmatch(token.strip()) for pattern in (_OPEN, _CLOSE, _HARMONY_TOKEN))


def opens_thinking(prompt: str) -> bool:
    """Whether ``prompt``, as a chat template gave it, ends inside thinking that the model goes on with."""
    tail = prompt[-_LONGEST_MARK:].rstrip()
    return any(found.end() == len(tail) for found in _OPEN.finditer(tail))


def taken_apart(answer: str, cut: bool, opened: bool = False) -> Thought:
    """``answer`` without its thinking and without the marks around what was answered. ``cut``: the model did
    not come to its end; ``opened``: the prompt already opened the thinking.
    """
    at, guessed = _behind_fence(answer), False
    fence = answer[:at] if "```" in answer[:at] else ""
    thoughts: list[str] = []
    found = _opening(answer, at)
    if found is None:
        closed = _lone_close(answer, opened)
        if closed is not None:
            thoughts.append(answer[: closed.start()])
            guessed = not opened and bool(thoughts[0].strip())
            at = _behind_closes(answer, closed.end())
            found = _opening(answer, at)
        elif opened and cut:
            return Thought("", answer.strip(), unended=True)
    while found is not None:
        form, opening = found
        closing = _closing(form, opening, answer, opening.end())
        if closing is None:
            if _may_be_a_page(form, opening, cut):
                break
            thoughts.append(answer[opening.end() :])
            return Thought("", _joined(thoughts), unended=True)
        thoughts.append(answer[opening.end() : closing.start()])
        at = _behind_closes(answer, closing.end())
        found = _opening(answer, at)
    rest = _within(answer[at:]) if thoughts else answer[at:]
    return Thought(fence + _unmarked(rest), _joined(thoughts), guessed=guessed)


def visible(answer: str, opened: bool = False) -> str:
    """What a person who watches is shown of an answer that still grows."""
    if opened and _CLOSE.search(answer) is None:
        return ""
    if _may_become_a_mark(answer):
        return ""
    return taken_apart(answer, cut=True, opened=opened).text


class VisibleStream:
    """The same of an answer that comes in pieces, of which ``end`` keeps the last letters only."""

    def __init__(self, letters: int) -> None:
        self._letters = letters
        self._rest = ""
        self._inside: tuple[int, re.Match[str]] | None = None
        self._began = False
        self.end = ""

    def add(self, piece: str) -> None:
        self._rest += piece
        while not self._began:
            if self._inside is None:
                self._inside = _opening(self._rest, _behind_fence(self._rest))
                if self._inside is None:
                    self._began = not _may_become_a_mark(self._rest)
                    break
                self._rest = self._rest[self._inside[1].end() :]
            closing = _closing(*self._inside, self._rest, 0)
            if closing is None:
                self._rest = self._rest[-_LONGEST_MARK:]
                return
            self._rest, self._inside = self._rest[closing.end() :], None
        if self._began:
            shown = self.end + self._rest
            closed = _lone_close(shown, opened=False)
            self.end = (shown if closed is None else shown[closed.end() :])[-self._letters :]
            self._rest = ""


def _behind_fence(answer: str) -> int:
    """Where the first line of a fence, or a turn's, ends that stands before the thinking; 0 without one."""
    before = _FENCE_LINE.match(answer) or _TURN_BEGINS.match(answer)
    return before.end() if before and _opening(answer, before.end()) else 0


def _opening(text: str, start: int) -> tuple[int, re.Match[str]] | None:
    for form, pattern in enumerate(_OPENS):
        found = pattern.match(text, start)
        if found:
            return form, found
    return None


def _closing(form: int, opening: re.Match[str], text: str, start: int) -> re.Match[str] | None:
    closes = _ALL[form][1]
    if "{0}" in closes:
        closes = closes.replace("{0}", re.escape(opening[1]))
        if _THINK_TAG.match(opening[0]):
            closes = f"{closes}|{_CLOSE.pattern}"
    return re.compile(closes, _FLAGS).search(text, start)


def _may_be_a_page(form: int, opening: re.Match[str], cut: bool) -> bool:
    """Whether what opens and never closes may be the page's own first word."""
    if _ALL[form] is _UNMARKED:
        return True
    return form == 0 and not cut and not _THINK_TAG.match(opening[0])


def _may_become_a_mark(text: str) -> bool:
    if len(text) > 2 * _LONGEST_MARK:
        return False
    return "analysis".startswith(text.strip()) or _UNFINISHED.match(text) is not None


def _lone_close(text: str, opened: bool) -> re.Match[str] | None:
    """The mark that closes thinking which began in the prompt. Where nobody knows that it did, None for a
    word of the page: quoted, within a structure that ends without it, or after a mark that opens.
    """
    found = _CLOSE.search(text)
    if found is None or opened:
        return found
    before, after = text[: found.start()], text[found.end() :]
    if (before and before[-1] in _QUOTES) or (after and after[0] in _QUOTES):
        return None
    head, tail = before.lstrip()[:1], after.lstrip()[:1]
    if head and head in _STRUCTURE and not (tail and tail in _STRUCTURE + "`"):
        return None
    return None if _OPEN.search(before) else found


def _within(text: str) -> str:
    """``text`` without the <answer> around all of it, as models write that were taught to think."""
    found = _ANSWER.match(text)
    if found is None:
        return text
    rest = text[found.end() :]
    closing = f"</{found[1]}>" if found[1] else "<|end_of_solution|>"
    end = rest.lower().rfind(closing.lower())
    if end < 0:
        return rest
    after = rest[end + len(closing) :]
    return text if _unmarked(after).strip() else rest[:end]


def _unmarked(text: str) -> str:
    """Without the header of a final channel, the box tokens of GLM, and end tokens passed on as text."""
    header = _HEADER.match(text)
    text = text[header.end() :] if header else text
    if text.lstrip().startswith("<|begin_of_box|>") or text.rstrip().endswith("<|end_of_box|>"):
        text = _BOXES.sub("", text)
    if "<|begin_of_box|>" in text and "<|end_of_box|>" in text:
        text = _BOXES.sub("", text)
    talks = _TALKS_ON.search(text)
    shown = text.find("<|im_start|>")
    if shown >= 0 and (talks is None or shown < talks.start()):
        return text  # a page that shows how a chat is written
    if talks:
        text = text[: talks.start()]
    tail = text[-400:]
    ends = _TURN_ENDS.search(tail)
    if ends is None or ("</s>" in ends[0] and re.search(r"<s\b", text)):
        return text
    return text[: len(text) - len(tail) + ends.start()]


def _behind_closes(text: str, at: int) -> int:
    """Where the closing marks end that are written twice."""
    while again := _CLOSE.match(text, _after_space(text, at)):
        at = again.end()
    return at


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _joined(thoughts: list[str]) -> str:
    return "\n\n".join(filter(None, (thought.strip() for thought in thoughts)))
