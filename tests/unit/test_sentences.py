"""The English sentences of the code in the other languages: each is still said, and all languages have it."""

from __future__ import annotations

import argparse
import ast
import errno
import functools
import inspect
import os
import re
import sys
import warnings
from pathlib import Path

import pytest
import vramwise
from vramwise.atomic_files import NotWritten
from vramwise.catalog.sentences import OF_THE_SYSTEM, sentences, translated
from vramwise.catalog.words import LANGUAGES, in_language, words
from vramwise.errors import VramwiseError
from vramwise.typesetting.text_assignment import assigned

CORE = Path(vramwise.__file__).resolve().parent
SOURCES = [path for room in (CORE, CORE.parent / "nodes") for path in sorted(room.rglob("*.py"))]
OTHERS = [lang for lang in LANGUAGES if lang != "en"]
# A sentence that has changed is told in English until its key is changed too: a warning, up to so many.
MOST_STALE = 5
FIELD = re.compile(r"\{\w+\}")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def said_in_the_code() -> tuple[set[str], str]:
    """Every text that stands in the core's code and data, and in argparse: one by one, and all together."""
    trees = [*map(tree_of, SOURCES), ast.parse(inspect.getsource(argparse))]
    texts = [
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    names = ("saved*.csv", "ocr_models.csv", "licences.csv", "diffusion*.csv", "file_names.csv")
    paths = [path for name in names for path in CORE.rglob(name)]
    tables = [path.read_text("utf-8") for path in paths]
    families = [path.read_text("utf-8").replace('\\"', '"') for path in CORE.glob("families/*.json")]
    return {text.strip() for text in texts}, "\0".join(dict.fromkeys([*texts, *tables, *families]))


def test_every_sentence_is_still_said() -> None:
    one_by_one, said = said_in_the_code()
    gone = [
        (english, part)
        for english in sentences("ru")
        for part in FIELD.split(english)
        if part.strip() not in one_by_one and part.strip() not in said
    ]
    for english, part in gone:
        warnings.warn(f"{part!r} is not said any more: change the key {english!r}", stacklevel=1)
    assert len(gone) <= MOST_STALE, f"changed in the code; change the keys too, in all languages: {gone}"


def test_all_languages_have_the_same_sentences_with_the_same_fields() -> None:
    first, *more = (sentences(lang) for lang in OTHERS)
    assert all(other.keys() == first.keys() for other in more)
    for known in (first, *more):
        for english, said in known.items():
            assert sorted(set(FIELD.findall(english))) == sorted(set(FIELD.findall(said))), english


def test_no_sentence_stays_english() -> None:
    for lang, letters in (("ru", r"[\u0400-\u04ff]"), ("zh", r"[\u4e00-\u9fff]")):
        assert [said for said in sentences(lang).values() if not re.search(letters, said)] == []


@pytest.mark.parametrize("lang", OTHERS)
def test_what_fills_a_sentence_in_is_translated_too(lang: str) -> None:
    error = VramwiseError("a.txt cannot be read as a picture: it is a text file. Give a picture or a PDF.")
    told = in_language(error, lang)
    assert told.startswith("a.txt") and "text" not in told.replace("a.txt", "") and "Give" not in told


WITHIN = (
    "The certificate of x:443 cannot be checked: it is for another name (Hostname mismatch). Check the "
    "address, and what stands in between.",
    "The proxy p:1 (HTTPS_PROXY) cannot be reached (no answer). Correct or unset HTTPS_PROXY, or put x:443 "
    "into NO_PROXY if no proxy is needed.",
    "it answered 500. Try again later.",
)


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("inner", WITHIN)
def test_a_sentence_within_a_sentence_is_told_whole(inner: str, lang: str) -> None:
    bare = inner.rstrip(".")
    for outer in (
        f"The files of a/b could not be listed at http://x: {inner}",
        f"f.bin could not be fetched from http://x: {bare}. What has arrived is kept and the next try goes "
        "on from there. Try again later, or another mirror.",
    ):
        assert not ENGLISH.search(in_language(outer, lang)), in_language(outer, lang)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Other systems have other words.")
@pytest.mark.parametrize("lang", OTHERS)
def test_what_the_system_says_of_a_file_is_told_too(lang: str) -> None:
    often = (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EISDIR, errno.EDQUOT, errno.EIO)
    for number in often:
        why = os.strerror(number)
        assert why in OF_THE_SYSTEM
        told = in_language(NotWritten(Path("a.txt"), OSError(number, why)), lang)
        assert why not in told


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize(
    "why",
    [
        "[Errno -2] Name or service not known",
        "[Errno 11001] getaddrinfo failed",
        "[Errno 8] nodename nor servname provided, or not known",
        "[Errno 111] Connection refused",
    ],
)
def test_what_the_system_says_of_a_connection_is_told_too(why: str, lang: str) -> None:
    said = (
        "The files of a/b could not be listed at https://x: x cannot be reached (" + why + "). Check the "
        "network, or name a mirror in the environment variable HF_ENDPOINT."
    )
    told = in_language(said, lang)
    assert not re.search(r"Errno|known|failed|refused|nor", told) and re.search(r"\d+", why).group() in told


def test_what_is_not_known_stays_as_it_is() -> None:
    for text in ("", " ", "nobody says this", "x" * 9000, "a\nb", "{name}", "\\"):
        assert in_language(text, "ru") == text
    assert (
        translated(' Did you mean "{x}"?', "ru")
        == " \u041c\u043e\u0436\u0435\u0442 \u0431\u044b\u0442\u044c, \u00ab{x}\u00bb?"
    )


# Exceptions whose text a person reads, beside those that end in Error.
SAID_BY = (
    "UnknownName",
    "_ConnectionLost",
    "AddressRefused",
    "Unreached",
    "Failure",
    "DownloadStopped",
    "refuse_empty",
)
OF_PYTHON = ("TypeError", "ValueError", "KeyError", "AttributeError", "ArgumentTypeError")
ENGLISH = re.compile(r"(?:\b[a-z]{2,}:?,? ){4}")
QUOTED = re.compile('`[^`]*`|\u00ab[^\u00bb]*\u00bb|\u201c[^\u201d]*\u201d|"[^"]*"')


@functools.cache
def sentences_of(path: Path) -> list[str]:
    """Every sentence, its fields filled in, with which ``path`` refuses something; without those that have a
    key of the reports."""
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    told = [
        part
        for call in calls
        if (name := getattr(call.func, "id", "")) in SAID_BY
        or (name.endswith("Error") and name not in OF_PYTHON)
        if not any(key.arg == "key" for key in call.keywords) and not has_key(call.args)
        for part in call.args
    ]
    return [
        "".join(str(part.value) if isinstance(part, ast.Constant) else "X9" for part in its)
        for one in told
        for its in [one.values if isinstance(one, ast.JoinedStr) else [one]]
        if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in its)
    ]


def has_key(parts: list[ast.expr]) -> bool:
    return any(isinstance(part, ast.Constant) and str(part.value).startswith("error_") for part in parts[1:])


@pytest.mark.parametrize("lang", OTHERS)
def test_no_refusal_stays_as_it_is_however_short(lang: str) -> None:
    """Three English words in a row or fewer are no prose to the test below."""
    stays = [
        english
        for path in SOURCES
        for english in sentences_of(path)
        if re.search("[a-z]{3}", QUOTED.sub("", english).replace("X9", ""))
        and in_language(english, lang) == english
    ]
    assert stays == []


ROWS = (
    "localhost:8000 cannot be reached (Connection refused). Check that the server runs, and the address in "
    "config.yaml.",
    'x has the unknown key "b". Did you mean "c"? Give JSON as OCR Inference writes it '
    "(core/ocr/results/ocr_schema.json describes it).",
    "The pages 9 begin at 9, and there is 1 page. Give pages from 1 to 1.",
    "The pages 9 begin at 9, and there are 3 pages. Give pages from 1 to 3.",
    'The name "../x" has .. in it, so it is refused and nothing was read or written. Give a plain name '
    "inside ComfyUI's own folder.",
    "Give one of regions, boxes and json; there is none of them.",
)


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("english", ROWS)
def test_no_part_of_a_refusal_stays_english(english: str, lang: str) -> None:
    told = QUOTED.sub("", in_language(VramwiseError(english), lang))
    left = re.findall(r"\b(?:has|is|are|in|page|pages|none|them|cannot|the|and|it)\b", told)
    assert left == [], told
    assert lang != "zh" or "\u3002 " not in told


def test_no_chinese_template_has_a_space_between_sentences() -> None:
    end = re.compile(r"[\u3002\uff1f\uff01](?:\{\w+\})? +[\u3400-\u9fff\u201c{]")
    for known in (sentences("zh"), words("zh")):
        assert [said for said in known.values() if end.search(said)] == []


@pytest.mark.parametrize("lang", OTHERS)
def test_texts_for_regions_are_counted_in_the_readers_language(lang: str) -> None:
    for texts, regions in ((["a\nb"], [10]), (["a"], [3]), (["a", "b", "c"], [1, 4])):
        with pytest.raises(VramwiseError) as refused:
            assigned(texts, regions)
        told = in_language(refused.value, lang)
        assert not re.search(r"\b(?:texts?|regions?|pages?|lists?|on)\b", told), told


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("room", sorted({path.parent for path in SOURCES}), ids=lambda room: room.name)
def test_every_refusal_is_told_in_the_readers_language(room: Path, lang: str) -> None:
    told = {
        english: QUOTED.sub("", in_language(english, lang))
        for path in room.glob("*.py")
        for english in sentences_of(path)
    }
    assert [english for english, said in told.items() if ENGLISH.search(said)] == []


def test_hundreds_of_refusals_are_looked_at() -> None:
    assert sum(len(sentences_of(path)) for path in SOURCES) > 300
