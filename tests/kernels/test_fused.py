"""Triton's kernels against torch's, in Triton's interpreter where there is no GPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
import torch

from onemask.kernels import modulated_conv
from onemask.kernels import sinkhorn as sinkhorn_module
from onemask.kernels.modulated_conv import resample_kernel
from onemask.kernels.sinkhorn import sinkhorn
from onemask.kernels.swapped_prediction import swapped_prediction_loss
from onemask.stylegan2.generator import Generator

from .fresh import fresh

if importlib.util.find_spec("triton") is None:
    pytest.skip("needs the extra triton", allow_module_level=True)
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read where triton is imported

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SHAPES = [(1, 1), (1, 5), (7, 1), (3, 64), (29, 37), (50, 8)]  # more rows than programs, and fewer


def randoms(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(shape, generator=fresh(seed), dtype=dtype).to(DEVICE)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_iteration_is_torch_s(shape, dtype):
    from onemask.kernels import fused

    matrix, v, r = (randoms(n, *size, dtype=dtype) for n, size in enumerate((shape, shape[1:], shape[:1])))
    found, expected = ([torch.empty_like(r), torch.empty_like(r)] for _ in range(2))
    columns = fused.iterate(matrix, v, r, *found)
    torch.testing.assert_close(columns, sinkhorn_module.iterate(matrix, v, r, *expected))
    torch.testing.assert_close(found, expected)
    other = matrix.clone()
    fused.finish(matrix, v, found[0])
    sinkhorn_module.finish(other, v, expected[0])
    torch.testing.assert_close(matrix, other)


@pytest.mark.parametrize("epsilon", [0.05, 0.01, 0.003])  # one maximum; column and row maxima; float64
def test_codes_are_torch_s(epsilon):
    scores, marginal = randoms(3, 41, 23) * 1.9 - 0.95, randoms(4, 41)
    torch.testing.assert_close(
        sinkhorn(scores, epsilon, 10, marginal, triton=True), sinkhorn(scores, epsilon, 10, marginal)
    )


def test_underflow_still_leads_to_the_log_domain():
    scores = torch.tensor([[1.0, 0.0], [0.0, 0.9], [0.0, 0.8], [0.0, 0.85]], dtype=torch.float64, device=DEVICE)
    r, c = (torch.tensor(shares, dtype=torch.float64, device=DEVICE) for shares in ([0.0, 1, 1, 1], [0.5, 0.5]))
    assert sinkhorn_module._scaling(scores, 1e-5, 10, r / 3, c, 0.0, 1.0, True) is None
    torch.testing.assert_close(sinkhorn(scores, 1e-5, 10, r, c, triton=True), sinkhorn(scores, 1e-5, 10, r, c))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_loss_and_gradient_are_torch_s(shape, dtype):
    scores = [(randoms(n, *shape) * 2 - 1).to(dtype).requires_grad_() for n in (5, 6)]
    codes = [torch.softmax(3 * randoms(n, *shape), 1).to(dtype) for n in (7, 8)]
    ours, theirs = (swapped_prediction_loss(*scores, *codes, 0.1, triton=triton) for triton in (True, False))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, scores), torch.autograd.grad(theirs, scores))


def test_scores_that_are_not_contiguous_or_finite():
    scores = [(randoms(n, 9, 12) * 2 - 1).T.requires_grad_() for n in (1, 2)]
    codes = [torch.softmax(randoms(n, 12, 9), 1) for n in (3, 4)]
    ours, theirs = (swapped_prediction_loss(*scores, *codes, 0.1, triton=triton) for triton in (True, False))
    torch.testing.assert_close(torch.autograd.grad(ours, scores), torch.autograd.grad(theirs, scores))
    with pytest.raises(ValueError, match="scores_t"):
        swapped_prediction_loss(scores[0], scores[1] * torch.nan, *codes, 0.1, triton=True)


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("images", "channels", "size"), [(1, 3, (4, 4)), (2, 70, (4, 6)), (3, 16, (9, 5)), (1, 2, (11, 20))]
)
def test_what_follows_a_convolution_is_torch_s(up, dtype, images, channels, size):
    from onemask.kernels import fused_convolution

    height, width = (up * length for length in size)
    shape = (images, channels, 2 * size[0] + 1, 2 * size[1] + 1) if up == 2 else (images, channels, *size)
    x = (randoms(1, *shape) - 0.5).to(dtype).contiguous(memory_format=torch.channels_last)
    scale, bias = randoms(2, images, channels) + 0.5, randoms(3, channels) - 0.5
    kernel = resample_kernel().to(DEVICE) if up == 2 else None
    for offset in (None, randoms(4, 1, 1, height, width), randoms(5, images, 1, height, width)):
        found = fused_convolution.finish(x, scale, offset, bias, 0.2, kernel)
        wide = [None if tensor is None else tensor.double() for tensor in (x, scale, offset, bias, kernel)]
        expected = modulated_conv._finished(*wide[:4], 0.2, wide[4])  # torch's, in double precision
        assert found.is_contiguous(memory_format=torch.channels_last) and found.dtype == dtype
        torch.testing.assert_close(found, expected.to(dtype))
    torch.testing.assert_close(fused_convolution.scaled(x, scale), (x * scale.double()[:, :, None, None]).to(dtype))
    plain = fused_convolution.finish(x, scale[:1, :1], None, None, 1.0, kernel)
    expected = modulated_conv._finished(x.double(), wide[1][:1, :1], None, None, 1.0, wide[4])
    torch.testing.assert_close(plain, expected.to(dtype))


def test_a_generator_goes_by_the_kernel_where_no_gradient_is_wanted(monkeypatch):
    from onemask.kernels import fused_convolution

    torch.manual_seed(0)
    generator = Generator(8, 8, 16, channel_base=64, channel_max=6, mapping_layers=1).to(DEVICE).eval()
    ws, calls = generator.sample_ws(range(2), 0.7).detach(), []
    plain = fused_convolution.finish
    monkeypatch.setattr(fused_convolution, "finish", lambda *given: calls.append(given) or plain(*given))
    monkeypatch.setattr(modulated_conv, "uses_triton", lambda tensor: False)
    image, maps = generator.features(ws)
    assert not calls
    monkeypatch.setattr(modulated_conv, "uses_triton", lambda tensor: True)
    generator.features(ws)  # its weights want gradients
    assert not calls
    fused_image, fused_maps = generator.requires_grad_(False).features(ws)
    assert len(calls) == 2 * len(maps) + (0 if DEVICE == "cuda" else 6)  # ToRGB's products are one call on a GPU
    torch.testing.assert_close([fused_image, *fused_maps], [image, *maps], atol=1e-5, rtol=1e-4)


def test_too_many_prototypes_for_a_program_are_refused(monkeypatch):
    from onemask.kernels import fused

    monkeypatch.setattr(fused, "WIDEST", 8)
    with pytest.raises(ValueError, match="triton: 9 prototypes, expected at most 8"):
        sinkhorn(randoms(0, 3, 9), 0.05, 3, triton=True)


def test_without_a_gpu_the_place_of_the_matrix_is_named(monkeypatch):
    from onemask.kernels import fused

    monkeypatch.setattr(fused, "INTERPRETED", False)
    with pytest.raises(ValueError, match="triton: the matrix is on cpu, expected a GPU"):
        sinkhorn(torch.rand(3, 4), 0.05, 3, triton=True)


COMPILE = """
import triton, triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from onemask.kernels import fused, fused_convolution

def compiled(kernel, kinds, constants, warps):
    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else kinds.get(name, "*fp32") for name in names}
    source = ASTSource(kernel, signature=signature, constexprs=constants)
    assert "cubin" in triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps}).asm

for kernel in (fused._iterate, fused._finish, fused._cross_entropy):
    names = kernel.arg_names
    for kind in ("fp32", "fp64", "bf16") if "EXACT" in names else ("fp32", "fp64"):
        exact = "fp64" if kind == "fp64" else "fp32"
        constants = {"BLOCK": 4096, "EXACT": tl.float64 if kind == "fp64" else tl.float32}
        kinds = dict.fromkeys(names, "*" + kind) | dict.fromkeys(("columns", "count", "each"), "i32")
        kinds |= dict.fromkeys(("losses", "temperature"), "*" + exact)
        compiled(kernel, kinds, {name: constants[name] for name in names if name in constants}, 8)
for kind in ("fp32", "bf16"):
    for up in (False, True):
        integers = ("channels", "height", "width", "across", "per_image")
        kinds = dict.fromkeys(integers, "i32") | {"x": "*" + kind, "y": "*" + kind, "slope": "fp32"}
        constants = {"COLUMNS": 16, "BLOCK": 64, "ROWS": 16, "UP": up, "OFFSET": True, "BIAS": True}
        compiled(fused_convolution._finish, kinds, constants, 4)
"""


def test_the_kernels_compile_for_a_gpu_that_is_not_there(tmp_path):
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    subprocess.run([sys.executable, "-c", COMPILE], env=environment, check=True, cwd=tmp_path)
