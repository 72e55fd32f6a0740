"""PP-OCR through RapidOCR, on OpenVINO where it is installed, else on ONNX Runtime.

The three stages (detect, turn upright, recognise) are a file each and asked as RapidOCR asks them; on
OpenVINO its detector and recogniser are those of openvino_stages.py. What is added: the page is scaled once
for detection while lines are cut from the full picture, lines the recogniser could not read are kept as
evidence instead of dropped, and a cancel is noticed between line batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import VramwiseError
from ...hardware import capabilities
from ...shell import pip_line
from ..results.line import Line
from .compiled_models import value_bytes
from .kept_memory import KeptMemory, trim
from .line_detection import detect, pixels_at_once
from .line_recognition import recognise
from .line_shapes.lost_spaces import with_lost_spaces
from .line_shapes.solid_shapes import taken_for_letters
from .line_shapes.word_places import words_on
from .line_turning import cut_lines, half_turns
from .openvino_stages import Detector, Recogniser, bytes_before, bytes_of_lines, half_turn_classifier
from .pictures.printed_greys import without_dots
from .protocol import ProgressCallback
from .script_judge import LineEvidence, foreign_lines
from .second_look.phrases import read_by_phrases
from .second_look.ruled_words import are_doubted, guessed_without_rules
from .second_look.upright_columns import longer_columns, look_again
from .way_up import Stand, WayUp

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

AUTO_PIXELS = 4_000_000  # what detection sees of a large picture: RapidOCR's own 2000 x 2000
CROWN = (0.4, 0.6)  # of a line on an arc, by which it is ordered
TEXT_SCORE = 0.5  # RapidOCR's own threshold under which a line is dropped

BUILTIN_DET = "PP-OCRv6_det_small.onnx"
BUILTIN_CLS = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
BUILTIN_REC = "PP-OCRv6_rec_small.onnx"


def builtin_models() -> Path:
    """The folder inside the rapidocr wheel that holds the built-in weights; VramwiseError when one is
    missing.
    """
    from importlib import resources

    folder = Path(str(resources.files("rapidocr").joinpath("models")))
    missing = [name for name in (BUILTIN_DET, BUILTIN_CLS, BUILTIN_REC) if not (folder / name).is_file()]
    if missing:
        raise VramwiseError(
            f"The installed rapidocr does not carry {', '.join(missing)} in {folder}. Install one that does: "
            f"{pip_line('--upgrade', 'rapidocr>=3.10')}"
        )
    return folder


class RapidReader:
    """A live PP-OCR. ``recogniser``: the file of another recogniser, or None for the one inside the wheel."""

    def __init__(self, recogniser: Path | None = None) -> None:
        self.runtime = capabilities.rapid_runtime()
        self._builtin = recogniser is None
        if self.runtime == "openvino":
            capabilities.import_openvino()
        capabilities.check_opencv()
        self._recogniser = recogniser
        self._half_turns: Any = None
        self._ocr: Any = self._made()
        self._kept = KeptMemory(self._free, self._renew)

    def _made(self) -> Any:
        """A RapidOCR; what is not put in its place here, it compiles at first use."""
        from rapidocr import EngineType, RapidOCR

        engine = EngineType.OPENVINO if self.runtime == "openvino" else EngineType.ONNXRUNTIME
        folder = builtin_models()
        ocr = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.return_word_box": True,
                "Global.use_preprocess_img": False,
                "Global.use_vertical_padding": False,
                "Det.engine_type": engine,
                "Cls.engine_type": engine,
                "Rec.engine_type": engine,
                "Det.model_path": str(folder / BUILTIN_DET),
                "Cls.model_path": str(folder / BUILTIN_CLS),
                "Rec.model_path": str(self._recogniser or folder / BUILTIN_REC),
            }
        )
        if self.runtime == "openvino":
            ocr.text_det = self._detector()
            self._half_turns = self._half_turns or half_turn_classifier(folder / BUILTIN_CLS)
            ocr.text_cls = self._half_turns  # of one size: nothing that has to be had anew
            with suppress(ValueError):  # a recogniser that is built otherwise: RapidOCR's own class reads it
                ocr.text_rec = Recogniser(self._recogniser or folder / BUILTIN_REC)
        return ocr

    def lines(
        self,
        image: NDArray[uint8],
        max_pixels: int | None,
        progress: ProgressCallback,
        unsure: bool = False,
        every: bool = False,
    ) -> list[Line]:
        """Detect and read the lines of one uint8 RGB image (height, width, 3).

        With the built-in recogniser, ``Line.foreign`` names the script of lines it cannot read. Lines under
        RapidOCR's own score threshold are left out, unless ``unsure``. Of a page that is plainly in one such
        script only some lines are read, unless ``every``.
        """
        seen = pixels_at_once(image.shape[0], image.shape[1], max_pixels or AUTO_PIXELS)
        if self._ocr is None:  # it could not be made anew the last time
            self._ocr = self._made()
        value = value_bytes() if self.runtime == "openvino" else 4
        with self._kept.page(bytes_before(seen, value)):
            return self._lines(image, max_pixels, progress, unsure, every)

    def _lines(
        self,
        image: NDArray[uint8],
        max_pixels: int | None,
        progress: ProgressCallback,
        unsure: bool,
        every: bool,
    ) -> list[Line]:
        import cv2
        import numpy as np

        bgr = without_dots(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8))
        boxes, bends = detect(self._ocr, bgr, max_pixels or AUTO_PIXELS)
        progress.check()
        cuts = cut_lines(self._ocr, bgr, boxes, bends)
        if not cuts:
            return []
        self._kept.room(bytes_of_lines(cut.aspect for cut in cuts))
        cuts = longer_columns(bgr, cuts)
        skip = _one_foreign_script if self._builtin and not every else None
        way_up = WayUp(
            lambda crops: recognise(self._ocr, crops, progress),
            lambda some: half_turns(self._ocr, some),
            skip,
        )
        stands = way_up.stands(cuts)
        wordless = not any(letter.isalnum() for one in stands for letter in one.reading[0])
        stands = [one for one in stands if not taken_for_letters(one.reading[0], one.cut.crop, wordless)]
        if self._builtin:
            stands = read_by_phrases(look_again(stands, way_up.recognise), way_up.recognise)
        foreign = foreign_lines([_evidence(stand) for stand in stands]) if self._builtin else {}
        if self._builtin and not foreign and are_doubted(stands):
            foreign = foreign_lines([_evidence(stand) for stand in guessed_without_rules(bgr, stands)])
        lines = []
        for index, stand in enumerate(stands):
            text, score, spans, confidences = stand.reading
            if not text.strip() and index not in foreign:
                continue
            if score < TEXT_SCORE and index not in foreign and not unsure:
                continue
            text = with_lost_spaces(text, spans, stand.cut.crop)
            words = words_on(text, spans, confidences, stand.cut.crop.shape[1], stand.cut.piece)
            line = Line(text, stand.cut.polygon, score, words, foreign.get(index), explained=stand.explained)
            lines.append(replace(line, crown=stand.cut.piece(*CROWN)) if stand.cut.bend else line)
        return lines

    def words(
        self, crops: Sequence[NDArray[uint8]], progress: ProgressCallback
    ) -> list[tuple[str, float, list[tuple[float, float]], list[float]]]:
        """What pictures of single words, uint8 BGR, say, as `recognise` has it."""
        if self._ocr is None:
            self._ocr = self._made()
        with self._kept.page(bytes_of_lines(crop.shape[1] / max(1, crop.shape[0]) for crop in crops)):
            return recognise(self._ocr, crops, progress)

    def release(self) -> None:
        """Drop the sessions; the object is not used afterwards."""
        del self._ocr, self._half_turns
        trim()

    def _free(self) -> None:
        """Give back the tensors of OpenVINO's compiled models, and the detector's kernels where they are of
        many sizes: the recogniser's are of few widths and needed again. ONNX Runtime has nothing like it.
        """
        if getattr(self._ocr.text_det, "overfull", False):
            self._ocr.text_det = self._detector()
        for stage in (self._ocr.text_det, self._ocr.text_rec):
            if hasattr(stage, "release_memory"):
                stage.release_memory()

    def _renew(self) -> None:
        """All of it anew, once what there was is gone: the two would stand beside each other."""
        self._ocr = None
        trim()
        self._ocr = self._made()

    def _detector(self) -> Detector:
        return Detector(builtin_models() / BUILTIN_DET, lambda coming: self._kept.room(coming))


def _evidence(stand: Stand) -> LineEvidence:
    return LineEvidence(stand.reading[0], stand.explained, stand.guess, stand.reading[1], stand.cut.aspect)


def _one_foreign_script(sample: Sequence[Stand]) -> str | None:
    """The script that all lines of a sample are in and the built-in recogniser cannot read, or None."""
    foreign = foreign_lines([_evidence(stand) for stand in sample])
    scripts = set(foreign.values())
    return scripts.pop() if len(sample) > 2 and len(foreign) == len(sample) and len(scripts) == 1 else None
