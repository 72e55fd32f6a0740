"""Real pictures of public test sets: character errors and CPU time, beside bare RapidOCR and Tesseract.

The pictures are not part of the project: they lie in ../shared/pictures (or where --pictures names) with
their texts in truth.jsonl. Engines take turns picture by picture, who comes first changes each time. Each has
a process of its own, as a user's has: in one, the threads of one runtime wait at the cost of the other, whose
memory ours takes for its own. Time is the processor time of that process, so that a busy machine leaves the
ratios as they are. Every picture is seen once: the kernels that a new size needs are part of its cost, as
they are for a user; models are loaded by a page of the project before.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import statistics
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vramwise import ReadOptions, load_picture, ocr_handle
from vramwise.catalog import language as catalog_language
from vramwise.ocr.engines.tesseract import find_traineddata
from vramwise.settings import load_settings

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "pictures"
WARM = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "pages" / "en_clean_1.png"
ENGINES = ("vramwise", "rapidocr", "tesseract")
SPACELESS = ("zh", "ja", "zh-Hant")
CJK = r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff]"
_WORD = re.compile(rf"{CJK}|[^\s\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_EDGES = ".,;:!?\"'()[]{}<>-~|*/\\\u3001\u3002\u300c\u300d\u3010\u3011\u30fb\uff0c"
_SAME = str.maketrans(
    {
        **dict.fromkeys("\u2019\u2018", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u301d\u301f", '"'),
        **dict.fromkeys("\u2013\u2014\u2212\u2015", "-"),
        "\u301c": "~",
        "\u00b7": ".",
        "\u2022": ".",
    }
)


@dataclass(frozen=True)
class Reading:
    """What an engine made of a picture. ``cer`` is capped at 1; a refusal counts as nothing read."""

    cer: float
    f1: float
    refused: bool
    cpu_seconds: float


def normalised(text: str) -> str:
    """NFKC, case folded, one kind of quotes and dashes, no leaders or rules, white space single."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(_SAME).replace("\u2026", "...")
    return " ".join(re.sub(r"_+", " ", re.sub(r"(\s*\.){4,}", " ", text)).split())


def character_error_rate(read: str, truth: str, spaceless: bool) -> float:
    """Edit distance over the truth's length after ``normalised``; ``spaceless``: without any white space."""
    from rapidfuzz.distance import Levenshtein

    read, truth = normalised(read), normalised(truth)
    if spaceless:
        read, truth = read.replace(" ", ""), truth.replace(" ", "")
    return Levenshtein.distance(read, truth) / max(1, len(truth))


def word_f1(read: str, truth: str) -> float:
    """F1 over words (single characters of CJK), blind to their order."""
    a, b = _words(read), _words(truth)
    return 2 * sum((a & b).values()) / max(1, sum(a.values()) + sum(b.values())) if a or b else 1.0


def _words(text: str) -> Counter[str]:
    found = (word.strip(_EDGES) for part in normalised(text).split() for word in _WORD.findall(part))
    return Counter(word for word in found if word)


def rows(folder: Path = FOLDER, kind: str | None = None) -> list[dict[str, Any]]:
    """The pictures of truth.jsonl: file, kind, language, text. Empty where the folder is not."""
    truth = folder / "truth.jsonl"
    if not truth.is_file():
        return []
    found = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    return [row for row in found if kind in (None, row["kind"])]


def vramwise_reader() -> Callable[[Path, str], str]:
    handle = ocr_handle("rapid")

    def read(path: Path, _language: str) -> str:
        (page,) = handle.read([load_picture(str(path))], ReadOptions())
        return page.text

    return read


def rapidocr_reader() -> Callable[[Path, str], str]:
    from rapidocr import RapidOCR

    bare = RapidOCR(params={"Global.log_level": "critical"})
    return lambda path, _language: "\n".join(bare(str(path)).txts or ())


def tesseract_reader() -> Callable[[Path, str], str | None]:
    """Reads with the picture's own language; None where its data is not there."""
    import tesserocr

    settings = load_settings()

    def read(path: Path, language: str) -> str | None:
        code = "eng" if language in ("", "mixed", None) else catalog_language(language).tesseract
        folder = find_traineddata([code], settings)
        if folder is None:
            return None
        with tesserocr.PyTessBaseAPI(path=str(folder), lang=code, psm=tesserocr.PSM.AUTO) as api:
            api.SetImageFile(str(path))
            return str(api.GetUTF8Text())

    return read


MAKERS: dict[str, Callable[[], Callable[[Path, str], str | None]]] = {
    "vramwise": vramwise_reader,
    "rapidocr": rapidocr_reader,
    "tesseract": tesseract_reader,
}


class Engine:
    """An engine in a process of its own, its models loaded."""

    def __init__(self, name: str, on_leaving: ExitStack) -> None:
        spawned = multiprocessing.get_context("spawn")  # and not a copy of what is loaded here
        self._process = on_leaving.enter_context(ProcessPoolExecutor(1, spawned))
        self._process.submit(_load, name).result()

    def measured(self, path: Path, row: dict[str, Any]) -> Reading | None:
        """One picture; None: the engine has no data of its language here."""
        return self._process.submit(_measured, path, row).result()


_readers: list[Callable[[Path, str], str | None]] = []  # of an engine's process: its own


def _load(name: str) -> None:
    _readers.append(MAKERS[name]())
    _readers[0](WARM, "en")


def _measured(path: Path, row: dict[str, Any]) -> Reading | None:
    (read,) = _readers
    begun, refused = time.process_time(), False
    text: str | None
    try:
        text = read(path, row["language"])
    except Exception:
        text, refused = "", True
    spent = time.process_time() - begun
    if text is None:
        return None
    cer = character_error_rate(text, row["text"], row["language"] in SPACELESS)
    return Reading(min(1.0, cer), word_f1(text, row["text"]), refused, spent)


def run(arguments: Sequence[str] = ()) -> dict[str, Any]:
    asked = _asked(arguments)
    pictures = rows(asked.pictures, asked.kind)
    if not pictures:
        print(f"No pictures{f' of the kind {asked.kind}' if asked.kind else ''} in {asked.pictures}.")
        return {"pictures": 0}
    results: dict[str, dict[str, list[Reading]]] = {name: defaultdict(list) for name in asked.engines}
    ratios: dict[str, list[float]] = {name: [] for name in asked.engines if name != "vramwise"}
    with ExitStack() as on_leaving:
        engines = {name: Engine(name, on_leaving) for name in asked.engines}
        for number, row in enumerate(pictures):
            names = asked.engines if number % 2 else asked.engines[::-1]
            found = {name: engines[name].measured(asked.pictures / row["file"], row) for name in names}
            for name, reading in found.items():
                if reading is not None:
                    results[name][row["kind"]].append(reading)
            ours = found.get("vramwise")
            for name in ratios:
                other = found[name]
                if ours and other:
                    ratios[name].append(other.cpu_seconds / ours.cpu_seconds)
            if asked.show:
                _show(row, found)
    return {"pictures": len(pictures), **_table(results, ratios)}


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench real_pictures")
    parser.add_argument("--pictures", type=Path, default=FOLDER, help="a folder with truth.jsonl")
    parser.add_argument("--kind", help="only pictures of this kind")
    parser.add_argument("--engines", type=lambda text: text.split(","), default=list(ENGINES), help="a,b,c")
    parser.add_argument("--show", action="store_true", help="every picture")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.engines if name not in ENGINES]
    if unknown:
        parser.error(f"unknown engine {unknown[0]}; known: {', '.join(ENGINES)}")
    return asked


def _show(row: dict[str, Any], found: dict[str, Reading | None]) -> None:
    parts = [
        f"{name} CER {reading.cer:.3f} F1 {reading.f1:.2f} {reading.cpu_seconds:6.2f} s"
        for name, reading in sorted(found.items(), reverse=True)
        if reading
    ]
    print(f"{row['kind']:12} {row['file']:26} {'   '.join(parts)}", flush=True)


def _table(
    results: dict[str, dict[str, list[Reading]]], ratios: dict[str, list[float]]
) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    kinds = sorted({kind for found in results.values() for kind in found})
    print(
        f"{'kind':12}"
        + "".join(f"{name + ': n':>14} {'CER':>6} {'F1':>6} ref. {'CPU s':>7}" for name in results)
    )
    for kind in [*kinds, "all"]:
        line = f"{kind:12}"
        for name, found in results.items():
            some = found.get(kind, []) if kind != "all" else [one for many in found.values() for one in many]
            if not some:
                line += f"{'-':>14}" + " " * 27
                continue
            one = {
                "pictures": len(some),
                "cer": round(statistics.mean(r.cer for r in some), 3),
                "f1": round(statistics.mean(r.f1 for r in some), 3),
                "refused": sum(r.refused for r in some),
                "cpu_seconds": round(sum(r.cpu_seconds for r in some), 2),
            }
            figures.setdefault(name, {})[kind] = one
            line += (
                f"{one['pictures']:14} {one['cer']:6.3f} {one['f1']:6.3f} {one['refused']:4} "
                f"{one['cpu_seconds']:7.1f}"
            )
        print(line)
    for name, many in ratios.items():
        if len(many) > 1:
            low, middle, high = statistics.quantiles(many, n=4)
            total = figures[name]["all"]["cpu_seconds"] / figures["vramwise"]["all"]["cpu_seconds"]
            figures[name]["cpu_ratio"] = {"median": middle, "quartiles": [low, high], "of_sums": total}
            print(
                f"CPU time of {name} over ours, by picture: median {middle:.2f}, quartiles {low:.2f} to "
                f"{high:.2f}; of the sums {total:.2f}"
            )
    return figures
