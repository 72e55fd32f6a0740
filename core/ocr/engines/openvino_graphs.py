"""PP-OCR's networks as OpenVINO graphs that cost less and say the same.

Each edit leaves every value as it was, but for rounding: a picture goes in as bytes; of the recogniser's
18,710 chances a step only the best comes out; the detector makes no tensors that are copied or enlarged for
one layer's sake. What a network of another make has not stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

MOST_PARTS = 16  # of a step's chances, among which the best is looked for
TWICE = (2, 2)  # the step and the size of the kernels that enlarge a map to two times its size


def detector_graph(model: Any) -> Any:
    """uint8 (1, height, width, 3) in, scaled to -1 ... 1 within, as RapidOCR scales it; the chance of each
    pixel to be text out, (1, 1, height, width).

    Three edits take an eighth of its time and two fifths of its memory: see each.
    """
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    _sum_in_the_place_of_concat(model)
    _gate_once(model)
    prepared = PrePostProcessor(_enlarge_last(model))
    prepared.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    prepared.input().model().set_layout(Layout("NCHW"))
    steps = prepared.input().preprocess()
    steps.convert_element_type(Type.f32).mean(127.5).scale(127.5)
    return prepared.build()


def recogniser_graph(model: Any) -> Any:
    """Two outputs (1, steps, 1) in the place of every character's chance: the best one's number, its chance.

    The chance is what softmax gives: exp(best) over the sum of exp(each), which is 1 over the sum of
    exp(each - best). Raises ValueError for a network that ends in something else.
    """
    import numpy as np
    from openvino import Model
    from openvino import opset13 as ops

    last = _maker(model.get_results()[0], 0)
    if last.get_type_name() != "Softmax":
        raise ValueError(f"the network ends in {last.get_type_name()}, not in Softmax")
    logits = last.input_value(0)
    best, number = best_of(logits)
    others = ops.exp(ops.subtract(logits, best))
    total = ops.reduce_sum(others, ops.constant(np.array([2], np.int32)), True)
    chance = ops.divide(ops.constant(np.float32(1)), total)
    return Model([number.output(0), chance.output(0)], model.get_parameters(), "best character")


def best_of(logits: Any) -> tuple[Any, Any]:
    """The largest of (1, steps, classes), and its number, (1, steps, 1) each. Looked for in two steps: the
    best of each place in some equal parts, then of these. One step through thousands of classes cannot be
    done many at once and takes twice the time, a tenth of the whole network's.
    """
    import numpy as np
    from openvino import opset13 as ops

    classes = logits.get_partial_shape()[2].get_length()
    parts = max(count for count in range(1, MOST_PARTS + 1) if classes % count == 0)
    places = classes // parts
    parted = ops.reshape(logits, ops.constant(np.array([0, -1, parts, places], np.int64)), True)
    one, how = ops.constant(np.int32(1)), {"mode": "max", "sort": "none", "index_element_type": "i32"}
    first = ops.topk(parted, one, 2, **how)
    second = ops.topk(first.output(0), one, 3, **how)
    part = ops.gather_elements(first.output(1), second.output(1), 3)
    number = ops.add(ops.multiply(part, ops.constant(np.int32(places))), second.output(1))
    aside = ops.constant(np.int64(3))
    return ops.squeeze(second.output(0), aside), ops.squeeze(number, aside)


def _sum_in_the_place_of_concat(model: Any) -> None:
    """A convolution of maps laid together is the sum of one of each map: nothing is copied to be laid."""
    import numpy as np
    from openvino import opset13 as ops

    for layer in _layers(model, "Convolution"):
        together, weights = _maker(layer, 0), _values(_maker(layer, 1))
        if together.get_type_name() != "Concat" or weights is None or together.get_axis() not in (1, -3):
            continue
        each = [together.input_value(at) for at in range(together.get_input_size())]
        if any(one.get_partial_shape()[1].is_dynamic for one in each):
            continue
        ends = np.cumsum([one.get_partial_shape()[1].get_length() for one in each])[:-1]
        where = layer.get_strides(), layer.get_pads_begin(), layer.get_pads_end(), layer.get_dilations()
        total: Any = None
        for one, part in zip(each, np.split(weights, ends, axis=1), strict=True):
            seen = ops.convolution(one, _constant(part), *where, layer.get_auto_pad())
            total = seen if total is None else ops.add(total, seen)
        _replace(layer, total)


def _gate_once(model: Any) -> None:
    """x + x * gate is x * (1 + gate): one pass over a map instead of two, since gates are small."""
    import numpy as np
    from openvino import opset13 as ops

    for layer in _layers(model, "Add"):
        for x, scaled in ((0, 1), (1, 0)):
            product, kept = _maker(layer, scaled), _maker(layer, x)
            if product.get_type_name() != "Multiply":
                continue
            gates = [at for at in (0, 1) if _maker(product, at).get_type_name() == "HardSigmoid"]
            if len(gates) != 1 or not _same(_maker(product, 1 - gates[0]), kept):
                continue
            gate = ops.add(product.input_value(gates[0]), ops.constant(np.float32(1)))
            _replace(layer, ops.multiply(layer.input_value(x), gate))
            break


def _enlarge_last(model: Any) -> Any:
    """The map of chances is enlarged twice, by kernels that do not overlap: each of its points alone makes 2
    x 2, and each of these 2 x 2 again. So 16 chances are made of each point where the map is small, and laid
    out as 4 x 4 pixels at last.
    """
    import numpy as np
    from openvino import Model
    from openvino import opset13 as ops

    sigmoid = _maker(model.get_results()[0], 0)
    second = _enlarged(_maker(sigmoid, 0)) if sigmoid.get_type_name() == "Sigmoid" else None
    relu = _maker(second[0], 0) if second else None
    first = _enlarged(_maker(relu, 0)) if relu is not None and relu.get_type_name() == "Relu" else None
    if not first or not second or second[1].shape[1] != 1:
        return model
    (small, one, one_bias), (_, two, two_bias) = first, second
    maps, made = one.shape[:2]
    points = one.transpose(2, 3, 1, 0).reshape(4 * made, maps, 1, 1)  # (down, across, map), a 2 x 2 of maps
    pixels = np.zeros((2, 2, 2, 2, 2, 2, made), np.float32)  # a pixel's row and column, then as points
    for down in (0, 1):
        for across in (0, 1):
            pixels[down, :, across, :, down, across] = two[:, 0].transpose(1, 2, 0)
    each = ops.convolution(small.input_value(0), _constant(points), [1, 1], [0, 0], [0, 0], [1, 1])
    hidden = ops.relu(ops.add(each, _constant(np.tile(one_bias.reshape(-1), 4).reshape(1, -1, 1, 1))))
    last = _constant(pixels.reshape(16, 4 * made, 1, 1))
    logits = ops.convolution(hidden, last, [1, 1], [0, 0], [0, 0], [1, 1])
    chances = ops.sigmoid(ops.add(logits, _constant(two_bias.reshape(1, 1, 1, 1))))
    laid_out = ops.depth_to_space(chances, "blocks_first", 4)
    return Model([laid_out.output(0)], model.get_parameters(), "chances of text")


def _enlarged(added: Any) -> tuple[Any, NDArray[float32], NDArray[float32]] | None:
    """(the layer that makes a map twice as large, its weights (maps, made, 2, 2), what is added to each),
    where that is what happens and its kernels do not overlap.
    """
    if added.get_type_name() != "Add":
        return None
    layer, bias = _maker(added, 0), _values(_maker(added, 1))
    if layer.get_type_name() != "ConvolutionBackpropData" or bias is None:
        return None
    weights = _values(_maker(layer, 1))
    if weights is None or weights.shape[2:] != TWICE or bias.size != weights.shape[1]:
        return None
    plain = tuple(layer.get_strides()) == TWICE and not any(layer.get_output_padding())
    level = not any((*layer.get_pads_begin(), *layer.get_pads_end()))
    return (layer, weights, bias) if plain and level and layer.get_input_size() == 2 else None


def _layers(model: Any, kind: str) -> Iterator[Any]:
    """Those of a kind, each before what is made of it."""
    return (layer for layer in model.get_ordered_ops() if layer.get_type_name() == kind)


def _maker(layer: Any, at: int) -> Any:
    """The layer that makes an input of this one, past those that change nothing."""
    made = layer.input_value(at).get_node()
    while made.get_type_name() == "Identity":
        made = made.input_value(0).get_node()
    return made


def _values(layer: Any) -> NDArray[float32] | None:
    """A constant's numbers; None for what is computed."""
    if layer.get_type_name() != "Constant":
        return None
    values: NDArray[float32] = layer.data
    return values


def _constant(values: NDArray[Any]) -> Any:
    import numpy as np
    from openvino import opset13 as ops

    return ops.constant(np.ascontiguousarray(values, np.float32))


def _same(one: Any, other: Any) -> bool:
    return bool(one.get_friendly_name() == other.get_friendly_name())


def _replace(layer: Any, with_what: Any) -> None:
    """Whatever is made of one layer is made of another from now on."""
    for use in list(layer.output(0).get_target_inputs()):
        use.replace_source_output(with_what.output(0))
