"""The edited networks: they say what the published ones say, and take less."""

from __future__ import annotations

from collections import Counter
from typing import Any

import cv2
import numpy as np
import pytest
from vramwise.ocr.engines import openvino_graphs as graphs
from vramwise.ocr.engines.kept_memory import resident, trim
from vramwise.ocr.engines.rapid import BUILTIN_DET, builtin_models
from vramwise.units import MIB

openvino = pytest.importorskip(
    "openvino", reason="this Python reads by ONNX Runtime, which has no such graphs"
)


def _read() -> Any:
    return openvino.Core().read_model(builtin_models() / BUILTIN_DET)


def _compiled(model: Any) -> Any:
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def _page(height: int, width: int) -> np.ndarray:
    page = np.random.default_rng(7).integers(120, 255, (height, width, 3), dtype=np.uint8)
    for line in range(3):
        at = 20, 60 + 70 * line
        cv2.putText(page, "Words 123 of a page", at, cv2.FONT_HERSHEY_SIMPLEX, 0.8 + line / 2, (20, 9, 40), 2)
    return page


def _layers(model: Any) -> Counter[str]:
    return Counter(layer.get_type_name() for layer in model.get_ops())


def test_each_pixel_has_the_chance_that_the_published_network_gives_it() -> None:
    published, edited = _compiled(_read()), _compiled(graphs.detector_graph(_read()))
    for size in ((256, 416), (320, 320), (480, 288)):
        page = _page(*size)
        scaled = (page.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
        wanted, found = published([scaled])[0], edited([page[None]])[0]
        assert found.shape == wanted.shape
        assert wanted.max() > 0.9  # there is text
        assert np.abs(found - wanted).max() < 1e-4


def test_nothing_is_laid_together_or_enlarged_for_one_layer() -> None:
    before, after = _layers(_read()), _layers(graphs.detector_graph(_read()))
    assert before["ConvolutionBackpropData"] == 2
    assert after["ConvolutionBackpropData"] == 0
    assert before["Concat"] - after["Concat"] >= 2
    assert after["DepthToSpace"] == 1


def test_a_look_takes_two_thirds_of_the_memory() -> None:
    """Of the published network 289 bytes a pixel, of the edited one 182 (OpenVINO 2026.2, AVX2)."""

    def taken(model: Any, dtype: type) -> int:
        request = _compiled(model).create_infer_request()
        planes = dtype is np.float32
        for side in (64, 640):
            shape = (1, 3, side, side) if planes else (1, side, side, 3)
            picture = np.zeros(shape, dtype)
            trim()
            before = resident()
            request.infer([picture])
        return resident() - before

    edited = taken(graphs.detector_graph(_read()), np.uint8)
    published = taken(_read(), np.float32)
    assert 16 * MIB < edited < 0.75 * published


def _of_another_make(**changed: Any) -> Any:
    """A network that ends in two enlargements and a Sigmoid, changed in one thing."""
    from openvino import Model, PartialShape, Type
    from openvino import opset13 as ops

    how = {"size": 2, "step": 2, "made": 1, "last": "Sigmoid", **changed}
    given = ops.parameter(PartialShape([1, 4, -1, -1]), Type.f32)
    draw = np.random.default_rng(3)

    def enlarged(x: Any, maps: int, made: int, size: int, step: int) -> Any:
        weights = ops.constant(draw.standard_normal((maps, made, size, size)).astype(np.float32))
        pads = [0, 0]
        larger = ops.convolution_backprop_data(x, weights, [step, step], None, pads, pads)
        return ops.add(larger, ops.constant(draw.standard_normal((1, made, 1, 1)).astype(np.float32)))

    hidden = ops.relu(enlarged(given, 4, 6, how["size"], how["step"]))
    last = enlarged(hidden, 6, how["made"], 2, 2)
    ended = ops.sigmoid(last) if how["last"] == "Sigmoid" else ops.tanh(last)
    return Model([ended.output(0)], [given], "another make")


@pytest.mark.parametrize("changed", [{}, {"size": 3}, {"step": 1}, {"made": 2}, {"last": "Tanh"}])
def test_what_a_network_of_another_make_has_not_stays(changed: dict[str, Any]) -> None:
    """Kernels that overlap, several maps out or another end are left; all are right."""
    model = _of_another_make(**changed)
    edited = graphs._enlarge_last(model)
    assert (edited is model) == bool(changed)
    given = np.random.default_rng(5).standard_normal((1, 4, 6, 10)).astype(np.float32)
    wanted = _compiled(_of_another_make(**changed))([given])[0]
    assert _compiled(edited)([given])[0] == pytest.approx(wanted, abs=1e-5)


def test_a_gate_that_is_not_added_to_its_own_map_stays() -> None:
    from openvino import Model, PartialShape, Type
    from openvino import opset13 as ops

    def gated(own: bool) -> Any:
        x = ops.parameter(PartialShape([1, 4, -1, -1]), Type.f32)
        half = ops.constant(np.float32(0.5))
        gate = ops.hard_sigmoid(ops.reduce_mean(x, ops.constant(np.array([2, 3])), True), half, half)
        kept = x if own else ops.relu(x)
        return Model([ops.add(kept, ops.multiply(x, gate)).output(0)], [x], "gated")

    given = np.random.default_rng(5).standard_normal((1, 4, 6, 10)).astype(np.float32)
    for own in (True, False):
        wanted = _compiled(gated(own))([given])[0]
        edited = gated(own)
        graphs._gate_once(edited)
        last = edited.get_results()[0].input_value(0).get_node().get_type_name()
        assert last == ("Multiply" if own else "Add")
        assert _compiled(edited)([given])[0] == pytest.approx(wanted, abs=1e-6)
