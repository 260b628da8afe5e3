"""Named weights of MobileStyleGAN from the OpenVINO graphs of the package `random-face`; nothing of it is executed.

A graph is an XML list of nodes and edges, beside a flat file of numbers in which each constant has an offset and a
size. Only the modulations, biases and depthwise weights carry names; the others (pointwise weights, noise, gains)
are found by walking from a named constant along the single path of its consumers.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from onemask.errors import OnemaskError

ELEMENT_TYPES = {"f32": np.dtype("<f4"), "i64": np.dtype("<i8"), "i32": np.dtype("<i4")}
NETWORKS = ("MappingNetwork", "SynthesisNetwork")
SLOPE = 0.2


@dataclass
class Node:
    """One operation; `value` is set for constants alone. Inputs and consumers are other nodes' ids."""

    kind: str
    name: str
    value: np.ndarray | None
    inputs: list[str] = field(default_factory=list)
    consumers: list[str] = field(default_factory=list)


Graph = dict[str, Node]


def read_wheel(path: str | Path) -> tuple[Graph, Graph]:
    """The mapping and the synthesis graph inside the wheel, read in place; OnemaskError names what is missing."""
    try:
        with zipfile.ZipFile(path) as wheel:
            parts = [wheel.read(f"random_face/data/{name}.{kind}") for name in NETWORKS for kind in ("xml", "bin")]
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise OnemaskError(f"{path}: not the wheel of random-face ({error}); fetch it again") from None
    return read_graph(*parts[:2], NETWORKS[0]), read_graph(*parts[2:], NETWORKS[1])


def read_graph(xml: bytes, numbers: bytes, name: str) -> Graph:
    """Nodes by id, in the file's order; OnemaskError (with `name`) when the XML is malformed or a constant missing."""
    try:
        root = ET.fromstring(xml)
        graph = {layer.attrib["id"]: _node(layer, numbers) for layer in root.iterfind("layers/layer")}
        edges = sorted(root.iterfind("edges/edge"), key=lambda edge: int(edge.attrib["to-port"]))
        for edge in edges:
            source, target = edge.attrib["from-layer"], edge.attrib["to-layer"]
            graph[target].inputs.append(source)
            graph[source].consumers.append(target)
    except (ET.ParseError, KeyError, ValueError) as error:
        raise OnemaskError(f"{name}: not a readable OpenVINO graph ({error}); fetch the wheel again") from None
    return graph


def _node(layer: ET.Element, numbers: bytes) -> Node:
    kind, name = layer.attrib["type"], layer.attrib["name"]
    return Node(kind, name, _constant(layer.find("data").attrib, numbers) if kind == "Const" else None)


def _constant(data: dict[str, str], numbers: bytes) -> np.ndarray:
    dtype = ELEMENT_TYPES[data["element_type"]]
    shape = [int(extent) for extent in data["shape"].split(",") if extent.strip()]
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(numbers, dtype, count, int(data["offset"])).reshape(shape)


def mapping_tensors(graph: Graph) -> dict[str, np.ndarray]:
    """`mapping.{i}.{weight,bias}` of the mapping network.

    Each layer ends with a positive gain, lrelu(W x + b) * g; it is folded in: lrelu(g W x + g b).
    """
    tensors = {}
    for number, node in enumerate(node for node in graph.values() if node.kind == "MatMul"):
        weight, bias, slope, gain = _constants(graph, node, ("MatMul", "Add", "PReLU", "Multiply"))
        _expect(slope.item() == np.float32(SLOPE) and gain.item() > 0, node, "an unexpected activation")
        tensors[f"mapping.{number}.weight"] = weight * gain.item()
        tensors[f"mapping.{number}.bias"] = bias * gain.item()
    return tensors


def synthesis_tensors(graph: Graph, num_layers: int) -> dict[str, np.ndarray]:
    """Parameters of the synthesis network under the names of `onemask.stylegan2.mobile`."""
    named = {node.name: key for key, node in graph.items()}
    if "m.input.input" not in named:
        raise OnemaskError("SynthesisNetwork: holds no m.input.input; it is not MobileStyleGAN's graph")
    tensors = {"const": graph[named["m.input.input"]].value} | _convolution(graph, named, "m.conv1.conv.", "conv1")
    for k in range(num_layers):
        tensors |= _modulation(graph, named, f"m.layers.{k}.up.", f"layers.{k}.up")
        for name in ("conv1", "conv2"):
            tensors |= _convolution(graph, named, f"m.layers.{k}.{name}.conv.", f"layers.{k}.{name}")
    return tensors | _to_image(graph, named, f"m.layers.{num_layers - 1}.to_img.conv.")


def _modulation(graph: Graph, named: dict[str, str], source: str, target: str) -> dict[str, np.ndarray]:
    """Weight and bias of a style's affine map, the scalar gain behind it (none: 1) folded in."""
    weight, bias = (graph[named[f"{source}modulation.{part}"]].value for part in ("weight", "bias"))
    gain = next((value for kind, value in _path(graph, _first(graph, named, source)) if kind == "Multiply"), None)
    gain = 1.0 if gain is None or gain.size != 1 else gain.item()
    return {f"{target}.weight": weight * np.float32(gain), f"{target}.bias": bias.reshape(-1) * np.float32(gain)}


def _convolution(graph: Graph, named: dict[str, str], source: str, target: str) -> dict[str, np.ndarray]:
    tensors = _modulation(graph, named, source, f"{target}.modulation")
    path = [(kind, value) for kind, value in _path(graph, _first(graph, named, source)) if value is not None]
    kinds = [kind for kind, _ in path]
    _expect(kinds[-4:] == ["Convolution", "Add", "Add", "PReLU"], graph[named[f"{source}modulation.bias"]], str(kinds))
    (_, weight), (_, noise), (_, bias), _ = path[-4:]
    depthwise = [value for kind, value in path if kind == "GroupConvolution"]
    tensors |= {f"{target}.depthwise": value.reshape(-1, 1, 3, 3) for value in depthwise}
    return tensors | {f"{target}.weight": weight, f"{target}.noise": noise, f"{target}.bias": bias.reshape(-1)}


def _to_image(graph: Graph, named: dict[str, str], source: str) -> dict[str, np.ndarray]:
    path = [(kind, value) for kind, value in _path(graph, _first(graph, named, source)) if value is not None]
    (_, weight), (_, bias) = path[-2:]
    tensors = _modulation(graph, named, source, "to_image.modulation")
    return tensors | {"to_image.weight": weight, "to_image.bias": bias.reshape(-1)}


def _first(graph: Graph, named: dict[str, str], source: str) -> Node:
    """The operation that adds a modulation's bias: where the path of its convolution begins."""
    return graph[graph[named[f"{source}modulation.bias"]].consumers[0]]


def _path(graph: Graph, node: Node) -> Iterator[tuple[str, np.ndarray | None]]:
    """(kind, its constant) from the only consumer of `node` on, through PReLU or to where the path splits."""
    while node.kind != "PReLU":
        following = [graph[key] for key in node.consumers if graph[key].kind != "ShapeOf"]
        if len(following) != 1 or following[0].kind == "VariadicSplit":
            return
        node = following[0]
        yield node.kind, _operand(graph, node)


def _constants(graph: Graph, node: Node, kinds: tuple[str, ...]) -> list[np.ndarray]:
    """The constant operands of `node` and of the operations behind it, whose kinds must be `kinds`."""
    found = [_operand(graph, node)]
    for kind in kinds[1:]:
        node = next(graph[key] for key in node.consumers if graph[key].kind == kind)
        found.append(_operand(graph, node))
    return found


def _operand(graph: Graph, node: Node) -> np.ndarray | None:
    """The float constant among a node's inputs, also behind a reshape; None when both are computed."""
    for source in (graph[key] for key in node.inputs):
        if source.kind == "Reshape":
            source = graph[source.inputs[0]]
        if source.value is not None and source.value.dtype == ELEMENT_TYPES["f32"]:
            return source.value
    return None


def _expect(condition: bool, node: Node, found: str) -> None:
    if not condition:
        raise OnemaskError(f"{node.name}: the graph has {found} here; it is not the pinned MobileStyleGAN")
