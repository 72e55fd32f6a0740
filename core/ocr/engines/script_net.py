"""The small convolutional net that tells scripts by their shapes: its weights, and who does its sums.

OpenVINO where it is there, in the calling thread and in float32; else plain numpy, which gives the same to
the fifth digit, at ten times the processor time: its BLAS wakes a thread for each core, which wait in loops.
The weights, `script_net.npz`, are made by `training/script_net.py`.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ...hardware import capabilities
from .reader_pool import in_each_fork

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

LINE_HEIGHT = 24
"""Height in pixels to which the inked rows of a line are scaled; three halvings leave 3 rows."""
WINDOW = 160
"""Width in pixels of one window, about ten letters. A longer line is judged by two of them."""
LAYERS = 6
_STRIDES = (2, 2, 2, 1, 1, 1)
_PADDINGS = ((2, 2), (1, 1), (1, 1), (0, 1), (0, 1), (0, 0))

_one_at_a_time = threading.Lock()


def scores_of(windows: NDArray[float32]) -> tuple[NDArray[float32], NDArray[float32]]:
    """windows: (n, `LINE_HEIGHT`, `WINDOW`). Returns scores (n, steps, scripts) and attention (n, steps)."""
    request = _on_openvino()
    head = by_numpy(windows) if request is None else by_openvino(request, windows)
    return head[:, :, :-1], head[:, :, -1]


@lru_cache(maxsize=1)
def weights() -> tuple[NDArray[float32], ...]:
    """w0, b0, w1, b1 ... of `script_net.npz`; a convolution's weights are (kernel height, width, in, out)."""
    import numpy as np

    with (
        resources.files(__package__).joinpath("script_net.npz").open("rb") as file,
        np.load(file) as arrays,
    ):
        return tuple(arrays[f"{kind}{i}"].astype(np.float32) for i in range(LAYERS) for kind in "wb")


@lru_cache(maxsize=1)
def _on_openvino() -> Any:
    """A request of the compiled net, which takes one window, or None where OpenVINO does not run."""
    try:
        openvino = capabilities.import_openvino()
        how = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
        return openvino.Core().compile_model(_model(), "CPU", how).create_infer_request()
    except (ImportError, OSError, RuntimeError):
        return None


def _begin_anew() -> None:
    global _one_at_a_time
    if _on_openvino.cache_info().currsize:
        _left_behind.append(_on_openvino())
        _on_openvino.cache_clear()
    _one_at_a_time = threading.Lock()


_left_behind: list[Any] = []  # of the process that this one was forked off; never freed
in_each_fork(_begin_anew)


def by_openvino(request: Any, windows: NDArray[float32]) -> NDArray[float32]:
    """(n, steps, scripts and attention). One window at a time: each number of them would be compiled."""
    import numpy as np

    with _one_at_a_time:
        found = []
        for window in windows:
            request.infer([window[None]])
            found.append(request.get_output_tensor().data[0, :, 0].T.copy())
    return np.stack(found)


def _model() -> Any:
    """The net as OpenVINO builds it: (1, `LINE_HEIGHT`, `WINDOW`) in, (1, scripts and attention, 1, steps)
    out.
    """
    import numpy as np
    from openvino import Model
    from openvino import opset13 as ops

    seen = ops.parameter([1, LINE_HEIGHT, WINDOW], np.float32)
    x = ops.unsqueeze(seen, ops.constant(np.int64(1)))
    for layer, (stride, padding) in enumerate(zip(_STRIDES, _PADDINGS, strict=True)):
        weight, bias = weights()[2 * layer], weights()[2 * layer + 1]
        kernel = ops.constant(np.ascontiguousarray(weight.transpose(3, 2, 0, 1)))
        x = ops.convolution(x, kernel, [stride] * 2, list(padding), list(padding), [1, 1])
        x = ops.add(x, ops.constant(bias.reshape(1, -1, 1, 1)))
        if layer < LAYERS - 1:
            x = ops.relu(x)
    return Model([x.output(0)], [seen], "script net")


def by_numpy(windows: NDArray[float32]) -> NDArray[float32]:
    """(n, steps, scripts and attention)."""
    import numpy as np

    x = windows[:, :, :, None]
    for layer, (stride, padding) in enumerate(zip(_STRIDES, _PADDINGS, strict=True)):
        x = _convolve(x, weights()[2 * layer], stride, padding)
        x += weights()[2 * layer + 1]
        if layer < LAYERS - 1:
            np.maximum(x, 0, out=x)
    return x[:, 0]


def _convolve(
    x: NDArray[float32], weight: NDArray[float32], stride: int, padding: tuple[int, int]
) -> NDArray[float32]:
    """A convolution without bias: x (n, h, w, in), weight (kh, kw, in, out); one matrix product per call."""
    import numpy as np

    kernel_h, kernel_w, inputs, outputs = weight.shape
    pad_h, pad_w = padding
    n, height, width, _ = x.shape
    padded = np.zeros((n, height + 2 * pad_h, width + 2 * pad_w, inputs), np.float32)
    padded[:, pad_h : pad_h + height, pad_w : pad_w + width] = x
    rows = (padded.shape[1] - kernel_h) // stride + 1
    columns = (padded.shape[2] - kernel_w) // stride + 1
    # (kw, in) lie next to each other in memory, so one strided view serves a whole kernel row.
    step_n, step_h, step_w, step_c = padded.strides
    patches = np.lib.stride_tricks.as_strided(
        padded,
        (n, rows, columns, kernel_h, kernel_w * inputs),
        (step_n, step_h * stride, step_w * stride, step_h, step_c),
        writeable=False,
    )
    flat = patches.reshape(n * rows * columns, kernel_h * kernel_w * inputs)
    product: NDArray[float32] = flat @ weight.reshape(-1, outputs)
    return product.reshape(n, rows, columns, outputs)
