"""RapidOCR's small net that tells whether a line hangs upside down, on OpenVINO at less cost.

RapidOCR compiles it anew for each of its objects and runs it on all cores, which wait for each other longer
than it takes one of them (0.54 ms a line on two cores, 0.37 on one). Here it is compiled once, for the one
size of line that it is shown, and kept on disk as the other networks are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compiled_models import compiled

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

LINE = (1, 3, 48, 192)  # lines at once, channels, height and width of what it is shown
LABELS = ("0", "180")
TURNED = 0.9  # RapidOCR's own chance from which it turns a line, which nobody here looks at


class HalfTurnSession:
    """In the place of the session that RapidOCR's ``TextClassifier`` makes."""

    def __init__(self, weights: Path) -> None:
        properties = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
        model, _ = compiled(weights, _for_one_line, "one line", properties)
        self._request = model.create_infer_request()

    def __call__(self, line: NDArray[float32]) -> NDArray[float32]:
        """``line``: (1, 3, 48, 192). (1, 2): the chances to stand and to hang. Until the next call."""
        self._request.infer([line])
        chances: NDArray[float32] = self._request.get_output_tensor().data
        return chances


def half_turn_classifier(weights: Path) -> Any:
    """RapidOCR's ``TextClassifier`` with that session."""
    from rapidocr.ch_ppocr_cls import TextClassifier
    from rapidocr.ch_ppocr_cls.utils import ClsPostProcess

    made = TextClassifier.__new__(TextClassifier)  # its own start compiles the net for itself
    made.cls_image_shape = list(LINE[1:])
    made.cls_batch_num = LINE[0]
    made.cls_thresh = TURNED
    made.postprocess_op = ClsPostProcess(list(LABELS))
    made.session = HalfTurnSession(weights)
    return made


def _for_one_line(model: Any) -> Any:
    model.reshape(list(LINE))
    return model
