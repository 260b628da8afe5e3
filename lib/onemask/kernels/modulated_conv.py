"""Modulated convolution of StyleGAN2 (Karras et al. 2020, Section 2.2) in the form that scales activations.

Scaling the weights per sample (w'_ijk = s_i w_ijk, w'' = w' / sqrt(sum_ik w'^2 + eps)) needs one convolution per
sample, a grouped convolution that CPUs run slowly. Scaling the input by s and the output by the demodulation
factor is the same linear map with one ordinary convolution for the whole batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.kernels.backend import uses_triton
from onemask.kernels.checks import check_floating


def resample_kernel() -> Tensor:
    """The separable low-pass filter [4, 4] with unit sum that StyleGAN2 uses to resample."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(line, line) / line.sum().square()


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """d [N, O] = 1 / sqrt(sum_ikl (s_i w_oikl)^2 + 1e-8) for weight [O, I, k, k] and styles [N, I]."""
    # Summed in memory's order, several times faster than across it.
    if weight.stride(0) == 1:
        energy = weight.transpose(0, 1).square().sum(dim=(2, 3))
    else:
        energy = weight.square().sum(dim=(2, 3)).T
    return (styles.square() @ energy + 1e-8).rsqrt()


def in_reading_order(weight: Tensor, up: int) -> Tensor:
    """A weight [O, I, k, k] in the memory order that torch's convolution reads; any other is copied in each call."""
    if up == 1:
        return weight.contiguous(memory_format=torch.channels_last)
    return weight.transpose(0, 1).contiguous(memory_format=torch.channels_last).transpose(0, 1)


def filter_maps(x: Tensor, kernel: Tensor, gain: float = 1.0, stride: int = 1, padding: int = 1) -> Tensor:
    """Low-pass every channel of x [N, C, H, W] with `kernel` [T, T] (symmetric), then keep every `stride`-th value."""
    taps = (kernel * gain).to(x.dtype).expand(x.shape[1], 1, *kernel.shape)
    return F.conv2d(x, taps, padding=padding, stride=stride, groups=x.shape[1])


def upsample_maps(x: Tensor, kernel: Tensor) -> Tensor:
    """Zero-stuff x [N, C, H, W] to [N, C, 2H, 2W] and low-pass: one depthwise transposed convolution."""
    taps = (kernel * 4.0).to(x.dtype).expand(x.shape[1], 1, *kernel.shape)
    return F.conv_transpose2d(x, taps, stride=2, padding=kernel.shape[0] // 2 - 1, groups=x.shape[1])


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    demodulate: bool = True,
    up: int = 1,
    resample_filter: Tensor | None = None,
    offset: Tensor | None = None,
    gain: float = 1.0,
    bias: Tensor | None = None,
    slope: float = 1.0,
) -> Tensor:
    """Modulated convolution: x [N, I, H, W], weight [O, I, k, k], styles [N, I] -> [N, O, up*H, up*W].

    `up=2` runs a stride-2 transposed convolution followed by `resample_filter`, as NVIDIA's weights expect.
    `offset` (noise, [N or 1, 1, H, W]) is added after demodulation; `gain` scales the convolution's output only, in the
    same pass; `bias` [O] and a leaky ReLU of `slope` follow. Where no gradient is wanted and a GPU has Triton, all that
    follows the convolution is one pass (onemask.kernels.fused_convolution). ValueError names an argument that does not
    fit x or weight; in training a number that is not finite shows in the losses, which the loop checks.
    """
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1] or x.numel() == 0:
        raise ValueError(f"x: shape {tuple(x.shape)}, expected [N, I, H, W] for a weight of {tuple(weight.shape)}")
    check_floating(x=x)
    if weight.shape[2:] not in ((1, 1), (3, 3)) or (up == 2 and weight.shape[2] != 3):
        raise ValueError(f"weight: shape {tuple(weight.shape)}, expected a kernel of 1 x 1 or, always with up=2, 3 x 3")
    if tuple(styles.shape) != tuple(x.shape[:2]):
        raise ValueError(f"styles: shape {tuple(styles.shape)}, expected {tuple(x.shape[:2])} as of x")
    if up not in (1, 2):
        raise ValueError(f"up: {up} is not 1 or 2")
    noise = (1, up * x.shape[2], up * x.shape[3])
    if offset is not None and (offset.shape[1:] != noise or len(offset) not in (1, len(x))):
        raise ValueError(f"offset: shape {tuple(offset.shape)}, expected {(len(x), *noise)} or {(1, *noise)}")
    if up == 2 and (resample_filter is None or tuple(resample_filter.shape) != (4, 4)):
        raise ValueError("resample_filter: up=2 needs one of 4 x 4 taps")
    if x.is_cuda and not demodulate and weight.shape[2] == 1 and offset is None and bias is None and slope == 1:
        return per_sample_product(x, weight * gain, styles)
    x = _scaled(x, styles)
    kernel = weight.to(x.dtype)
    if up == 2:
        x = F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2)
    else:
        x = F.conv2d(x, kernel, padding=weight.shape[-1] // 2)
    scale = demodulation(weight, styles) * gain if demodulate else weight.new_full((1, 1), gain)
    return _finished(x, scale, offset, bias, slope, resample_filter if up == 2 else None)


def per_sample_product(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    """A 1 x 1 convolution with weights scaled per sample: of few outputs, it reads x once and writes no copy of it."""
    scaled = (weight.flatten(1) * styles[:, None]).to(x.dtype)
    rows = torch.bmm(x.flatten(2).transpose(1, 2), scaled.transpose(1, 2))
    return rows.transpose(1, 2).unflatten(2, x.shape[2:])


def _wanted(*tensors: Tensor | None) -> bool:
    """Whether a gradient is."""
    return any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _fused(x: Tensor, *tensors: Tensor | None) -> bool:
    """Whether what is computed of these goes by onemask.kernels.fused_convolution."""
    return uses_triton(x) and x.dtype != torch.float64 and not _wanted(x, *tensors)


def _scaled(x: Tensor, styles: Tensor) -> Tensor:
    if _fused(x, styles):
        from onemask.kernels import fused_convolution

        return fused_convolution.scaled(x, styles)
    return x * styles.to(x.dtype)[:, :, None, None]


def _finished(
    x: Tensor, scale: Tensor, offset: Tensor | None, bias: Tensor | None, slope: float, resample_filter: Tensor | None
) -> Tensor:
    """What follows a convolution: the low-pass filter of an up-convolution, scale, noise, bias, leaky ReLU."""
    if _fused(x, scale, offset, bias):
        from onemask.kernels import fused_convolution

        return fused_convolution.finish(x, scale, offset, bias, slope, resample_filter)
    if resample_filter is not None:
        x = filter_maps(x, resample_filter, gain=4.0)
    scale = scale.to(x.dtype)[:, :, None, None]
    in_place = None if _wanted(x, scale, offset, bias) else x
    y = x * scale if offset is None else torch.addcmul(offset.to(x.dtype), x, scale, out=in_place)
    if bias is not None:
        y.add_(bias.to(y.dtype)[:, None, None])
    return y if slope == 1 else F.leaky_relu(y, slope, inplace=True)
