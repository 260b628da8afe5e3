"""The comparisons: each kernel, what it replaces, and the goals for their ratio.

Shapes are those of a 256-px config-f generator (`PAPER`), or small ones that show in seconds that all of it runs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

import onemask.stylegan2.generator as generator_module
from benchmarks.measure import tf32
from benchmarks.methods import ENSEMBLE, THREE, UPSAMPLING, labelled, segmenters
from benchmarks.shapes import PAPER, Shapes
from onemask.kernels import projection, reference
from onemask.kernels.backend import uses_triton
from onemask.kernels.projection import concatenate_features, project_features, project_pixels, row_strips
from onemask.kernels.sinkhorn import sinkhorn
from onemask.kernels.swapped_prediction import swapped_prediction_loss
from onemask.segmenters.head_segmenter import STRIP
from onemask.stylegan2.generator import Generator

GPU_FLOOR = 0.4
AT_ONCE = {"cpu": 1, "cuda": 8}  # images: of one alone a GPU's launches take longer than its work
SINKHORN_PASSES = 13  # of ten iterations: scores read, E written, read nine times, read and written


@dataclass(frozen=True)
class Case:
    """`ours` against `theirs`; `error` is how far their results are apart and must stay below `tolerance`.

    Without an `error` the peer is another method.

    `ratio` is the goal for their seconds over ours, `memory` for their peak bytes over ours. `flops` and `bytes` are
    what ours cannot do without, `floor` the goal for the share of our seconds that these take on the machine (on a GPU
    GPU_FLOOR for all), whose products are of `precision`. `extra`: at most so many bytes beside the result's own,
    `result`.
    """

    kernel: str
    peer: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    error: Callable[[], float] | None
    tolerance: float
    ratio: float | None = None
    memory: float | None = None
    flops: float = 0.0
    bytes: float = 0.0
    floor: float | None = None
    extra: float | None = None
    result: float = 0.0
    precision: str = "float32"


def cases(shapes: Shapes, device: str) -> Iterator[Case]:
    """All of them, one after the other, so that no two hold their arrays at a time."""
    yield from projection_cases(shapes, device)
    if shapes == PAPER:
        yield projection_case(replace(shapes, resolution=512), device, "nearest", 18, 15, max(1, AT_ONCE[device] // 2))
    yield strips_case(shapes, device)
    yield from gather_cases(shapes, device)
    yield from sinkhorn_cases(shapes, device)
    yield swapped_case(shapes, device)
    yield from generator_cases(replace(shapes, images=max(shapes.images, AT_ONCE[device])), device)


def feature_maps(shapes: Shapes, device: str, images: int = 1) -> list[Tensor]:
    """Random maps of the channels, sizes and order in memory of a generator's."""
    random = torch.Generator().manual_seed(0)
    maps, size = [], 4
    while size <= shapes.resolution:
        channels = min(shapes.channel_base // size, shapes.channel_max)
        shape = (images, channels, size, size)
        for _ in range(1 if size == 4 else 2):
            made = torch.randn(shape, generator=random).to(device)
            maps.append(made.contiguous(memory_format=torch.channels_last))
        size *= 2
    return maps


def projection_cases(shapes: Shapes, device: str) -> Iterator[Case]:
    for mode, ratio, memory in (("nearest", 9, 15), ("bilinear", 4, 10)):
        yield projection_case(shapes, device, mode, ratio, memory, AT_ONCE[device])


def projection_case(shapes: Shapes, device: str, mode: str, ratio: float, memory: float, images: int = 1) -> Case:
    features = feature_maps(shapes, device, images)
    channels = sum(feature.shape[1] for feature in features)
    weight = torch.randn(shapes.dim, channels, generator=torch.Generator().manual_seed(1)).to(device) / channels**0.5
    arguments = (features, weight, shapes.resolution, mode)
    native = sum(feature.numel() for feature in features)

    def theirs() -> Tensor:
        return projected_whole(features, weight, shapes.resolution, mode)

    return Case(
        f"projection, {mode}, {shapes.resolution} px{several(images)}",
        "concatenated at full size, then projected",
        lambda: project_features(*arguments),
        theirs,
        lambda: difference(project_features(*arguments), theirs()),
        1e-4,
        ratio,
        memory,
        flops=2 * native * shapes.dim,
        bytes=4 * (native + images * shapes.dim * shapes.resolution**2),
    )


def several(images: int) -> str:
    return f", {images} images" if images > 1 else ""


def projected_whole(features: list[Tensor], weight: Tensor, size: int, mode: str = "nearest") -> Tensor:
    """Concatenated, then projected as a matrix product (torch's 1x1 convolution copies the map first), unchecked."""
    with mock.patch.object(projection, "check_finite", lambda **_: None):
        full = concatenate_features(features, size, mode)
    return torch.matmul(weight, full.flatten(2)).unflatten(2, full.shape[2:])


def strips_case(shapes: Shapes, device: str) -> Case:
    """What a head that reads pixels one by one needs: z is made strip by strip and never whole."""
    features = feature_maps(shapes, device, AT_ONCE[device])
    channels = sum(feature.shape[1] for feature in features)
    random = torch.Generator().manual_seed(1)
    weight = torch.randn(shapes.dim, channels, generator=random).to(device) / channels**0.5
    head = torch.randn(shapes.labels, shapes.dim, generator=random).to(device)

    def labels_of(z: Tensor) -> Tensor:
        return torch.einsum("ld,ndhw->nlhw", head, F.leaky_relu(z, 0.2)).argmax(1)

    def ours() -> Tensor:
        strips = row_strips(features, shapes.resolution, STRIP[device])
        return torch.cat([labels_of(project_features(maps, weight, size)) for maps, size in strips], dim=1)

    def theirs() -> Tensor:
        return labels_of(projected_whole(features, weight, shapes.resolution))

    return Case(
        f"projection and a layer, strip by strip, {shapes.resolution} px{several(AT_ONCE[device])}",
        "concatenated at full size, then projected",
        ours,
        theirs,
        lambda: float((ours() != theirs()).float().mean()),
        1e-4,
        9,
        40,
        flops=2 * sum(feature.numel() for feature in features) * shapes.dim,
        bytes=4 * sum(feature.numel() for feature in features),
    )


def gather_cases(shapes: Shapes, device: str) -> Iterator[Case]:
    """A training step's projection of one image's pixels, forward and back to the weight."""
    features = feature_maps(shapes, device)
    channels = sum(feature.shape[1] for feature in features)
    random = torch.Generator().manual_seed(2)
    weight = (torch.randn(shapes.dim, channels, generator=random) / channels**0.5).to(device).requires_grad_()
    pixels = torch.randint(0, shapes.resolution**2, (1, shapes.pixels), generator=random).to(device)
    cotangent = torch.randn(shapes.pixels, shapes.dim, generator=random).to(device)
    numbers = sum(feature.shape[1] * min(feature[0, 0].numel(), shapes.pixels) for feature in features)

    def picked() -> Tensor:
        return project_pixels(features, weight, pixels, shapes.resolution)[0]

    def sliced() -> Tensor:
        return F.linear(reference.gather_pixels(features, pixels, shapes.resolution)[0], weight)

    def projected() -> Tensor:
        full = projected_whole(features, weight, shapes.resolution)
        return full[0].permute(1, 2, 0).flatten(0, 1)[pixels[0]]

    def gradient(z: Tensor) -> Tensor:
        return torch.autograd.grad(z, weight, cotangent)[0]

    def apart(peer: Callable[[], Tensor]) -> float:
        ours, theirs = picked(), peer()
        return max(difference(ours, theirs), difference(gradient(ours), gradient(theirs)))

    for name, peer in (("full map, sliced, projected", sliced), ("full map, projected, sliced", projected)):
        yield Case(
            f"projected pixels, {shapes.pixels}, forward and back",
            name,
            lambda: gradient(picked()),
            lambda peer=peer: gradient(peer()),
            partial(apart, peer),
            1e-4,
            8,
            12,
            flops=4 * numbers * shapes.dim,
            bytes=4 * 2 * numbers,
        )


def sinkhorn_cases(shapes: Shapes, device: str) -> Iterator[Case]:
    random, triton = torch.Generator().manual_seed(3), uses_triton(torch.empty(0, device=device))
    scores = cosines_of(shapes, random).to(device)
    ours = partial(sinkhorn, triton=triton)
    peers = {"SwAV's loop as printed": reference.sinkhorn, "lightly's sinkhorn": lightly_sinkhorn()}
    # The demo's epsilon, and the paper's 20 / K (Section 9.2).
    for epsilon in (0.05, 20 / shapes.prototypes):
        for name, peer in peers.items():
            if peer is not None:
                yield Case(
                    f"Sinkhorn, 10 iterations, epsilon {epsilon:g}{', in Triton' if triton else ''}",
                    name,
                    lambda e=epsilon: ours(scores, e, 10),
                    lambda e=epsilon, peer=peer: peer(scores, e, 10),
                    lambda e=epsilon, peer=peer: difference(ours(scores, e, 10), peer(scores, e, 10)),
                    1e-3,
                    2.3,
                    flops=4 * 10 * scores.numel(),
                    bytes=4 * SINKHORN_PASSES * scores.numel(),
                    extra=scores.nbytes,
                    result=scores.nbytes,
                )
    cosines = (torch.rand(2000, min(512, shapes.prototypes), generator=random) * 1.99 - 0.995).to(device)
    exact = reference.sinkhorn_log_domain(cosines, 0.003, 10)
    yield Case(
        f"Sinkhorn, cosines to 0.995 at epsilon 0.003{', in Triton' if triton else ''}",
        "the log domain in float64",
        lambda: ours(cosines, 0.003, 10),
        lambda: reference.sinkhorn_log_domain(cosines, 0.003, 10),
        lambda: float((ours(cosines, 0.003, 10).double() - exact).abs().max()),
        1e-5,
    )


def cosines_of(shapes: Shapes, random: torch.Generator) -> Tensor:
    """Of random directions: [pixels, prototypes]."""
    z, c = (torch.randn(count, shapes.dim, generator=random) for count in (shapes.pixels, shapes.prototypes))
    return F.normalize(z, dim=1) @ F.normalize(c, dim=1).T


def lightly_sinkhorn() -> Callable[[Tensor, float, int], Tensor] | None:
    """lightly's function (PyPI) where it is installed, from its file alone: the package imports much that is not."""
    package = importlib.util.find_spec("lightly")
    if package is None:
        return None
    path = Path(package.submodule_search_locations[0]) / "loss/swav_loss.py"
    spec = importlib.util.spec_from_file_location("swav_loss", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda scores, epsilon, iterations: module.sinkhorn(scores, iterations=iterations, epsilon=epsilon)


def swapped_case(shapes: Shapes, device: str) -> Case:
    random, triton = torch.Generator().manual_seed(4), uses_triton(torch.empty(0, device=device))
    shape = (shapes.pixels, shapes.prototypes)
    scores = [(torch.rand(shape, generator=random) * 2 - 1).to(device).requires_grad_() for _ in range(2)]
    codes = [torch.softmax(3 * torch.randn(shape, generator=random), 1).to(device) for _ in range(2)]

    def gradient(loss: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        return torch.autograd.grad(loss(*scores, *codes, 0.1), scores)

    def apart() -> float:
        values = [loss(*scores, *codes, 0.1) for loss in (ours, theirs)]
        pairs = zip(gradient(ours), gradient(theirs), strict=True)
        return max(difference(*values), *(difference(*pair) for pair in pairs))

    ours, theirs = partial(swapped_prediction_loss, triton=triton), reference.swapped_prediction_loss
    return Case(
        f"swapped prediction, forward and back{', in Triton' if triton else ''}",
        "log_softmax, autograd",
        lambda: gradient(ours),
        lambda: gradient(theirs),
        apart,
        1e-4,
        6,
        flops=2 * 8 * scores[0].numel(),
        bytes=2 * 4 * 3 * scores[0].numel(),
        extra=0.1 * scores[0].nbytes,
        result=2 * scores[0].nbytes,
    )


def generator_cases(shapes: Shapes, device: str) -> Iterator[Case]:
    """The generator alone, then image and mask by several ways."""
    torch.manual_seed(5)
    base = (shapes.resolution, shapes.channel_base, shapes.channel_max)
    generator = Generator(shapes.latent, shapes.latent, *base).to(device).eval().requires_grad_(False)
    ws = generator.sample_ws(range(shapes.images), 0.7)

    def grouped(ws: Tensor) -> Tensor:
        with mock.patch.object(generator_module, "modulated_conv2d", reference.modulated_conv2d):
            return generator.synthesize(ws)

    exact = Case(
        f"generator, {shapes.images} images",
        "a grouped convolution per sample",
        lambda: generator.synthesize(ws),
        lambda: grouped(ws),
        lambda: difference(generator.synthesize(ws), grouped(ws)),
        1e-4,
        1.35,
        flops=generator_flops(generator) * shapes.images,
        floor=0.75,
    )
    yield from gpu_generator_cases(generator, grouped, ws) if device == "cuda" else [exact]
    one, methods = ws[:1], segmenters(generator, shapes, device)
    leaky = methods[THREE]

    def apart() -> float:
        found, expected = (labelled(generator, leaky, one, whole)[1] for whole in (None, "nearest"))
        return float((found != expected).float().mean())

    for name, key, goal in (("the same", THREE, 4), ("DatasetGAN's ten networks", ENSEMBLE, 10)):
        yield Case(
            "image and mask, MLP-3",
            f"{name} on the concatenated map",
            lambda: labelled(generator, leaky, one),
            lambda key=key: labelled(generator, methods[key], one, UPSAMPLING.get(key, "nearest")),
            apart if key == THREE else None,
            1e-4,
            goal,
        )


def gpu_generator_cases(generator: Generator, grouped: Callable[[Tensor], Tensor], ws: Tensor) -> Iterator[Case]:
    """The generator as the workflow's jobs run it, convolutions in TF32, and in bfloat16."""

    def in_precision(synthesise: Callable[[Tensor], Tensor], precision: str) -> Tensor:
        generator.synthesis.compute_dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        try:
            return synthesise(ws)
        finally:
            generator.synthesis.compute_dtype = torch.float32

    def error(ours: Callable[[], Tensor]) -> float:
        with tf32(False):
            exact = generator.synthesize(ws)
        return difference(ours(), exact)

    for precision, tolerance in (("tf32", 3e-3), ("bfloat16", 5e-2)):
        ours, theirs = (partial(in_precision, run, precision) for run in (generator.synthesize, grouped))
        yield Case(
            f"generator, {len(ws)} images, {precision}",
            "a grouped convolution per sample",
            ours,
            theirs,
            partial(error, ours),
            tolerance,
            flops=generator_flops(generator) * len(ws),
            bytes=generator_bytes(generator, 2 if precision == "bfloat16" else 4) * len(ws),
            precision=precision,
        )


def generator_bytes(generator: Generator, width: int) -> float:
    """Of one image's maps, each written and read once."""
    sizes = [generator.synthesis.resolutions[block] for block in generator.feature_blocks]
    numbers = sum(channels * size**2 for channels, size in zip(generator.feature_channels, sizes, strict=True))
    return 2.0 * width * numbers


def generator_flops(generator: Generator) -> float:
    """Of the 3x3 convolutions of one image, two per multiplication; an up-convolution works on its input's pixels."""
    channels, sizes = generator.synthesis.channels, generator.synthesis.resolutions
    total = 0
    for number, (width, size) in enumerate(zip(channels, sizes, strict=True)):
        total += 2 * 9 * width * width * size**2
        if number:
            total += 2 * 9 * channels[number - 1] * width * sizes[number - 1] ** 2
    return float(total)


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference, as a share of the largest value."""
    return float(((ours - theirs).abs().max() / theirs.abs().max()).detach())
