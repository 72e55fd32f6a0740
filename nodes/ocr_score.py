"""OCR Score: which image of a batch says what it should, and where the others are wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..core.catalog.words import words
from ..core.errors import VramwiseError
from ..core.option_values import (
    CASE,
    EXPECTED_FOR,
    EXPECTED_FROM,
    METRICS,
    PUNCTUATION,
    SPACE,
    UNICODE,
    check_choice,
)
from ..core.units import figure
from .bridge.images import Frames, check_pages, first
from .bridge.left_graphs import follow
from .bridge.previews import previews, text_files, uncounted
from .bridge.progress import NodeProgress, interruptible
from .bridge.reader_language import of_the_reader
from .bridge.schema import OCRModel, Regions, field, io, schema, valid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.ocr.regions.error_rates import Rules, Score
    from ..core.ocr.regions.text_diff import Change
    from ..core.ocr.results.result import Region


MOST_ERRORS = 10.0


class OCRScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseOCRScore",
            display_name="OCR Score",
            category="VRAMwise",
            description="Score how well each image says the expected text, and pick the best one.",
            is_output_node=True,
            is_input_list=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Image.Input("image", tooltip="The images to compare, as a batch or a list."),
                io.String.Input(
                    "expected",
                    default="",
                    multiline=True,
                    tooltip="The text that should be on the images, or a prompt that quotes it.",
                ),
                _choice(
                    "expected_from", EXPECTED_FROM, "Of a prompt, take only what stands in quotation marks."
                ),
                _choice(
                    "expected_for", EXPECTED_FOR, "One text for all images, or one line for each in order."
                ),
                Regions.Input(
                    "regions", optional=True, tooltip="From OCR Inference. Unconnected: read here."
                ),
                io.String.Input(
                    "texts",
                    optional=True,
                    force_input=True,
                    tooltip="Texts read elsewhere, one an image. Without regions the masks stay empty.",
                ),
                OCRModel.Input(
                    "ocr_model",
                    optional=True,
                    tooltip="Reads where no regions and no texts come. Unconnected: the built-in engine.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.0,
                    min=0.0,
                    max=MOST_ERRORS,
                    step=0.01,
                    optional=True,
                    tooltip="The best image passes with at most this error rate. 0: no error.",
                ),
                _choice("metric", METRICS, "Errors by character (cer) or by word (wer) decide."),
                _choice("case", CASE, "Whether capitals count."),
                _choice("punctuation", PUNCTUATION, "Whether punctuation counts."),
                _choice("space", SPACE, "fold: line breaks and spaces are one space."),
                _choice("unicode", UNICODE, "NFKC: full-width letters and ligatures are plain letters."),
            ],
            outputs=[
                io.Image.Output(display_name="best_image", tooltip="The image with the fewest errors."),
                io.Int.Output(display_name="best_index", tooltip="Its place, from 0."),
                io.Boolean.Output(display_name="passed", tooltip="Whether the best is within threshold."),
                io.Float.Output(
                    display_name="cer", is_output_list=True, tooltip="Character error rate, one an image."
                ),
                io.Float.Output(
                    display_name="wer", is_output_list=True, tooltip="Word error rate, one an image."
                ),
                io.Boolean.Output(
                    display_name="exact", is_output_list=True, tooltip="No difference, one an image."
                ),
                io.String.Output(display_name="diff", tooltip="The differences of all images as markdown."),
                io.Mask.Output(display_name="wrong_mask", tooltip="What is misspelt, one mask an image."),
                io.Mask.Output(display_name="best_mask", tooltip="What is misspelt on the best image."),
                io.String.Output(display_name="scores", tooltip="Everything as JSON."),
                io.Float.Output(
                    display_name="best_score", tooltip="Error rate of the best image, by metric. 0: no error."
                ),
                io.Image.Output(
                    display_name="sorted",
                    is_output_list=True,
                    tooltip="All images, the best first: one batch, or one each where sizes differ.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        metric: Any = None,
        expected_from: Any = None,
        expected_for: Any = None,
        case: Any = None,
        punctuation: Any = None,
        space: Any = None,
        unicode: Any = None,
    ) -> bool | str:
        given = {
            "metric": (metric, METRICS),
            "expected_from": (expected_from, EXPECTED_FROM),
            "expected_for": (expected_for, EXPECTED_FOR),
            "case": (case, CASE),
            "punctuation": (punctuation, PUNCTUATION),
            "space": (space, SPACE),
            "unicode": (unicode, UNICODE),
        }

        def check() -> None:
            for name, (value, known) in given.items():
                check_choice(name, first(value) or known[0], known)

        return valid(check)

    @classmethod
    @interruptible
    def execute(
        cls,
        image: list[Any],
        expected: list[str],
        regions: list[Any] | None = None,
        texts: list[str] | None = None,
        ocr_model: list[Any] | None = None,
        threshold: Sequence[float] = (0.0,),
        metric: Sequence[str] = METRICS[:1],
        expected_from: Sequence[str] = EXPECTED_FROM[:1],
        expected_for: Sequence[str] = EXPECTED_FOR[:1],
        **rules: list[str],
    ) -> io.NodeOutput:
        from ..core.ocr.regions.error_rates import Rules, best_first, confidence, score, wrong_pieces
        from ..core.ocr.regions.text_diff import difference, pieces

        check_choice("metric", metric[0], METRICS)
        counts = Rules(**{name: value[0] for name, value in rules.items()})
        frames = Frames(image)
        wanted = _wanted(expected, expected_from[0], expected_for[0], len(frames))
        _check_expected(wanted, counts, threshold[0])
        read, lines = _readings(frames, regions, texts, ocr_model, cls.hidden.unique_id)
        scores = [score(ours, truth, counts) for ours, truth in zip(read, wanted, strict=True)]
        order = best_first(scores, [confidence(each) for each in lines], metric[0])
        best = order[0]
        passed = scores[best].value(metric[0]) <= threshold[0]
        wrong = [wrong_pieces(each, truth, counts) for each, truth in zip(lines, wanted, strict=True)]
        mask = _masks(frames, wrong)
        changes = [difference(ours, truth, counts) for ours, truth in zip(read, wanted, strict=True)]
        report = _report(scores, best, passed, changes)
        record = _record(scores, best, passed, metric[0], threshold[0])
        images = zip(record["images"], changes, strict=True)
        shown = {**record, "images": [{**image, "pieces": pieces(found, counts)} for image, found in images]}
        height, width = frames.size(best)
        return io.NodeOutput(
            frames.tensor(best),
            best,
            passed,
            [each.cer for each in scores],
            [each.wer for each in scores],
            [each.exact for each in scores],
            report,
            mask,
            mask[best : best + 1, :height, :width],
            json.dumps(record, ensure_ascii=False),
            scores[best].value(metric[0]),
            frames.in_order(order),
            ui={
                "text": [report],
                **text_files([report]),
                "score": uncounted([shown]),
                "pages": uncounted(previews(frames)),
            },
        )


def _choice(name: str, options: Sequence[str], tooltip: str) -> Any:
    return field(
        io.Combo.Input,
        name,
        options=list(options),
        default=options[0],
        optional=True,
        advanced=options in (CASE, PUNCTUATION, SPACE, UNICODE),
        tooltip=tooltip,
    )


def _wanted(expected: list[str], source: str, target: str, count: int) -> list[str]:
    """The expected text of each image."""
    from ..core.ocr.regions.error_rates import quoted_parts

    check_choice("expected_from", source, EXPECTED_FROM)
    check_choice("expected_for", target, EXPECTED_FOR)
    texts = list(expected)
    if target == "one line each":
        texts = [line for text in texts for line in text.splitlines() if line.strip()]
    if source == "quoted parts":
        texts = [" ".join(quoted_parts(text)) for text in texts]
        if not all(texts):
            raise VramwiseError(
                'The expected text has nothing in quotation marks. Write it as a sign that says "OPEN", '
                'or set expected_from to "the whole text".'
            )
    if len(texts) == 1 and target == "all images":
        texts *= count
    if len(texts) != count:
        raise VramwiseError(
            f"There are {count} images and {len(texts)} expected texts. Give one text for all images, "
            'or set expected_for to "one line each" and write a line for every image.'
        )
    return texts


def _check_expected(wanted: Sequence[str], rules: Rules, threshold: float) -> None:
    """Raise VramwiseError where nothing is expected of an image, for nothing read would then pass, and for a
    threshold that is no error rate.
    """
    if not 0 <= threshold <= MOST_ERRORS:  # JSON from Python may hold NaN, which passes the server's checks
        raise VramwiseError(
            f"threshold is {threshold!r}, which is no error rate from 0 to {MOST_ERRORS:g}. Give 0 for no "
            "error, or one such as 0.05."
        )
    for number, text in enumerate(wanted, start=1):
        if not rules.normal(text, "ignore"):
            left = f' Of "{text.strip()}" nothing is left by the rules.' if text.strip() else ""
            raise VramwiseError(
                f"Nothing is expected of image {number} of {len(wanted)}, so nothing could be judged: "
                f"expected is empty.{left} Write the text that should be on the image."
            )


def _readings(
    frames: Frames, regions: list[Any] | None, texts: list[str] | None, model: list[Any] | None, node: Any
) -> tuple[list[str], list[Sequence[Region]]]:
    """The text and the lines of each image: as linked, else read now."""
    from ..core.models.handle import OCRHandle

    if regions is not None:
        for batch in regions:
            check_pages(batch)
        results = [page for batch in regions for page in batch]
    elif texts is not None:
        _check_count("texts", len(texts), len(frames))
        return list(texts), [() for _ in texts]
    else:
        handle = model[0] if model and model[0] is not None else OCRHandle()
        follow(handle)
        results = list(handle.read(frames, None, NodeProgress(len(frames), node)))
    _check_count("regions", len(results), len(frames))
    return [page.text for page in results], [page.regions for page in results]


def _check_count(what: str, given: int, images: int) -> None:
    if given != images:
        raise VramwiseError(
            f"There are {images} images and {what} for {given}. "
            f"Link {what} to the node that read these images."
        )


def _masks(frames: Frames, wrong: Sequence[Any]) -> Any:
    """MASK (images, height, width); smaller images lie at the top left of the largest height and width."""
    import torch

    from ..core.ocr.regions.overlay import fill_mask

    sizes = [frames.size(at) for at in range(len(frames))]
    masks = torch.zeros((len(sizes), *map(max, zip(*sizes, strict=True))), dtype=torch.float32)
    for mask, pieces in zip(masks, wrong, strict=True):
        fill_mask(mask.numpy(), pieces)
    return masks


def _report(scores: Sequence[Score], best: int, passed: bool, changes: Sequence[Sequence[Change]]) -> str:
    """The best and every image's differences, in the language of who asked."""
    from ..core.ocr.regions.text_diff import as_markdown

    say = words(of_the_reader())
    verdict = say["score_passed" if passed else "score_not_passed"]
    rows = []
    for at, each in enumerate(scores):
        image, mark = say["score_image"].format(number=at + 1), "**" if at == best else ""
        rates = {"cer": figure(each.cer, ".1%"), "wer": figure(each.wer, ".1%")}
        diff = as_markdown(changes[at])
        rows.append(say["score_row"].format(image=f"{mark}{image}{mark}", diff=diff, **rates))
    return "\n".join([say["score_best"].format(best=best + 1, count=len(scores), verdict=verdict), "", *rows])


def _record(
    scores: Sequence[Score], best: int, passed: bool, metric: str, threshold: float
) -> dict[str, Any]:
    return {
        "version": 1,
        "best_index": best,
        "passed": passed,
        "metric": metric,
        "threshold": threshold,
        "images": [
            {
                "cer": each.cer,
                "wer": each.wer,
                "exact": each.exact,
                "read": each.read,
                "expected": each.expected,
            }
            for each in scores
        ],
    }
