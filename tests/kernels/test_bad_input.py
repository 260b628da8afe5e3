"""Every kernel's edges: what is odd but right is right, what is wrong is a ValueError that names the argument."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from onemask.kernels import reference
from onemask.kernels.modulated_conv import modulated_conv2d
from onemask.kernels.nt_xent import nt_xent
from onemask.kernels.projection import concatenate_features, gather_pixels, project_features, project_pixels
from onemask.kernels.sinkhorn import sinkhorn
from onemask.kernels.swapped_prediction import swapped_prediction_loss
from onemask.kernels.winograd import convolve_tiles, to_tiles

from .fresh import fresh


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=fresh(sum(shape)))


def codes(count: int, prototypes: int) -> Tensor:
    return random(count, prototypes).softmax(1)


# name -> (arguments by name, the kernel as a function of them)
KERNELS: dict[str, tuple[dict[str, Tensor], Callable[..., Tensor]]] = {
    "concatenate": ({"features": random(2, 3, 4, 4)}, lambda features: concatenate_features([features], 8)),
    "project": (
        {"features": random(2, 3, 4, 4), "weight": random(5, 3)},
        lambda features, weight: project_features([features], weight, 8),
    ),
    "gather": (
        {"features": random(2, 3, 4, 4)},
        lambda features: gather_pixels([features], torch.arange(8).expand(len(features), 8), 8),
    ),
    "project pixels": (
        {"features": random(2, 3, 4, 4), "weight": random(5, 3)},
        lambda features, weight: project_pixels([features], weight, torch.arange(56, 64).expand(len(features), 8), 8),
    ),
    "sinkhorn": ({"scores": random(6, 4)}, lambda scores: sinkhorn(scores, 0.1, 3)),
    "swapped": (
        {"scores_s": random(6, 4), "scores_t": random(6, 4) + 1, "codes_s": codes(6, 4), "codes_t": codes(6, 4)},
        lambda **given: swapped_prediction_loss(**given, temperature=0.1),
    ),
    "nt_xent": ({"z_a": random(6, 4), "z_b": random(6, 4) + 1}, lambda **given: nt_xent(**given, temperature=0.1)),
    "tiles": ({"maps": random(2, 3, 6, 6)}, lambda maps: to_tiles(maps).values),
}
ARGUMENTS = [(kernel, name) for kernel, (given, _) in KERNELS.items() for name in given]


def call(kernel: str, **changed: Tensor) -> Tensor:
    given, function = KERNELS[kernel]
    return function(**given | changed)


@pytest.mark.parametrize(("kernel", "name"), ARGUMENTS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_names_its_argument(kernel, name, value):
    spoilt = KERNELS[kernel][0][name].clone()
    spoilt.view(-1)[-1] = value
    with pytest.raises(ValueError, match=rf"^{name}: expected finite numbers"):
        call(kernel, **{name: spoilt})


def test_a_number_that_no_pixel_takes_counts_where_the_weight_s_gradient_would_meet_it():
    features = random(1, 3, 4, 4)
    features[..., -1] = torch.nan
    for pixels in (torch.zeros(1, 8), torch.zeros(1, 16)):  # the map is picked before it is projected, or after
        weight = random(5, 3).requires_grad_()
        if pixels.shape[1] < 16:
            z = project_pixels([features], weight, pixels.long(), 8)
            assert torch.autograd.grad(z.sum(), weight)[0].isfinite().all()
        else:
            with pytest.raises(ValueError, match="^features: expected finite numbers"):
                project_pixels([features], weight, pixels.long(), 8)


@pytest.mark.parametrize(("kernel", "name"), ARGUMENTS)
def test_whole_numbers_and_empty_tensors_name_their_argument(kernel, name):
    given = KERNELS[kernel][0][name]
    with pytest.raises(ValueError, match=name):
        call(kernel, **{name: given.long()})
    with pytest.raises(ValueError, match=name):
        call(kernel, **{name: given[:0]})


@pytest.mark.parametrize(
    ("kernel", "name"),
    [(k, n) for k, n in ARGUMENTS if len(KERNELS[k][0]) > 1 and n not in ("features", "scores_s", "z_a")],
)
def test_another_type_than_the_first_argument_s_is_named(kernel, name):
    with pytest.raises(ValueError, match=rf"^{name}: torch.float64 on cpu, expected torch.float32"):
        call(kernel, **{name: KERNELS[kernel][0][name].double()})


@pytest.mark.parametrize("kernel", KERNELS)
def test_memory_that_is_not_contiguous_gives_the_same(kernel):
    given = KERNELS[kernel][0]
    strided = {name: torch.stack([x, x + 1], dim=-1)[..., 0] for name, x in given.items()}
    assert not any(x.is_contiguous() for x in strided.values())
    torch.testing.assert_close(call(kernel, **strided), call(kernel), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_double_precision_stays_double_and_close(kernel):
    double = call(kernel, **{name: x.double() for name, x in KERNELS[kernel][0].items()})
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), call(kernel), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("count", "prototypes"), [(1, 4), (4, 1), (1, 1), (3, 50)])
def test_one_pixel_one_prototype_and_more_prototypes_than_pixels(count, prototypes):
    scores = random(count, prototypes).tanh()
    exact = reference.sinkhorn_log_domain(scores, 0.05, 10)
    torch.testing.assert_close(sinkhorn(scores, 0.05, 10).double(), exact, atol=1e-5, rtol=0)
    given = (scores, scores.roll(1, 0), codes(count, prototypes), codes(count, prototypes))
    expected = reference.swapped_prediction_loss(*given, 0.1)
    torch.testing.assert_close(swapped_prediction_loss(*given, 0.1), expected)


def test_convolutions_name_what_does_not_fit():
    x, weight, styles = random(2, 3, 4, 4), random(5, 3, 3, 3), random(2, 3)
    for name, changed in (("x", {"x": x[:, :2]}), ("styles", {"styles": styles[:1]}), ("up", {"up": 3})):
        with pytest.raises(ValueError, match=f"^{name}: "):
            modulated_conv2d(**{"x": x, "weight": weight, "styles": styles} | changed)
    fits = {"x": x, "weight": weight, "styles": styles}
    for name, changed in (
        ("x", {"x": x.long()}),
        ("weight", {"weight": random(5, 3, 5, 5)}),
        ("weight", {"weight": random(5, 3, 1, 1), "up": 2}),
        ("resample_filter", {"up": 2}),
        ("offset", {"offset": random(2, 5, 4, 4)}),
        ("offset", {"offset": random(1, 1, 1, 4)}),
        ("resample_filter", {"up": 2, "resample_filter": random(3, 3)}),
    ):
        with pytest.raises(ValueError, match=f"^{name}: "):
            modulated_conv2d(**fits | changed)
    for name, given in (
        ("weight", {"weight": random(5, 4, 3, 3)}),
        ("weight", {"weight": random(5, 3, 3, 3)[:0]}),
        ("bias", {"weight": weight, "bias": random(1)}),
        ("bias", {"weight": weight, "bias": random(5).double()}),
    ):
        with pytest.raises(ValueError, match=f"^{name}: "):
            convolve_tiles(to_tiles(x), **given)
    with pytest.raises(ValueError, match="^maps: "):
        to_tiles(x[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    given = (2000 * [random(1, 300)], 2000 * [random(1, 300) + 0.5], 2000 * [codes(1, 300)], 2000 * [codes(1, 300)])
    s, t, q, p = (torch.cat(rows) for rows in given)
    half = [x.to(dtype).requires_grad_(i < 2) for i, x in enumerate((s, t, q, p))]
    single = [x.detach().float().requires_grad_(i < 2) for i, x in enumerate(half)]
    results = []
    for arguments in (half, single):
        loss = swapped_prediction_loss(*arguments, 0.1)
        results.append((loss.detach(), torch.autograd.grad(loss, arguments[0])[0]))
    torch.testing.assert_close(results[0][0].float(), results[1][0], rtol=0.01, atol=0)
    torch.testing.assert_close(results[0][1].float(), results[1][1], rtol=0.02, atol=1e-7)


def test_a_temperature_at_which_numbers_overflow_is_named():
    given = (random(6, 4), random(6, 4) + 1, codes(6, 4), codes(6, 4))
    with pytest.raises(ValueError, match="^temperature: 1e-38 is too small"):
        swapped_prediction_loss(*given, 1e-38)
    with pytest.raises(ValueError, match="^temperature: 1e-38 is too small"):
        nt_xent(given[0], given[1], 1e-38)


def test_an_empty_target_size_is_named():
    with pytest.raises(ValueError, match="^size: 0 x 8"):
        project_features([random(1, 3, 4, 4)], random(5, 3), (0, 8))
