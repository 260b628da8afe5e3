"""The residual discriminator of StyleGAN2, optionally on pixel-unshuffled images (cheaper at full size)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.kernels.modulated_conv import resample_kernel
from onemask.stylegan2.layers import Conv, FullyConnected

STDDEV_GROUP = 4  # images


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the second halving the size, beside a 1x1 skip; both branches scaled by sqrt(1/2)."""

    def __init__(self, inputs: int, outputs: int, kernel: Tensor):
        super().__init__()
        self.conv0 = Conv(inputs, inputs, 3, kernel)
        self.conv1 = Conv(inputs, outputs, 3, kernel, down=2)
        self.skip = Conv(inputs, outputs, 1, kernel, down=2, active=False)

    def forward(self, x: Tensor) -> Tensor:
        half = math.sqrt(0.5)
        return self.conv1(self.conv0(x), gain=half) + self.skip(x, gain=half)


def minibatch_stddev(x: Tensor, group_size: int) -> Tensor:
    """Append one channel: the standard deviation over groups of `group_size` images, averaged over channels and pixels.

    The group is the largest divisor of the batch up to `group_size`.
    """
    n, c, h, w = x.shape
    group = next(g for g in range(min(group_size, n), 0, -1) if n % g == 0)
    y = x.float().reshape(group, n // group, c, h, w)
    y = (y.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return torch.cat([x, y.repeat(group).to(x.dtype)[:, None, None, None].expand(n, 1, h, w)], dim=1)


class Discriminator(nn.Module):
    """Images [N, 3, R, R] -> logits [N]. Channels follow the generator's rule at each (unshuffled) size."""

    def __init__(self, resolution: int, channel_base: int, channel_max: int, unshuffle: int = 1):
        super().__init__()
        kernel = resample_kernel()
        self.unshuffle = unshuffle
        self.compute_dtype = torch.float32
        sizes = [2**i for i in range((resolution // unshuffle).bit_length() - 1, 2, -1)]
        channels = [min(channel_base // size, channel_max) for size in [*sizes, 4]]
        self.fromrgb = Conv(3 * unshuffle**2, channels[0], 1, kernel)
        pairs = zip(channels, channels[1:], strict=False)
        self.blocks = nn.Sequential(*[ResidualBlock(inputs, outputs, kernel) for inputs, outputs in pairs])
        self.conv = Conv(channels[-1] + 1, channels[-1], 3, kernel)
        self.fc = FullyConnected(channels[-1] * 16, channels[-1], active=True)
        self.out = FullyConnected(channels[-1], 1)

    def forward(self, images: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        x = F.pixel_unshuffle(images, self.unshuffle).to(dtype or self.compute_dtype)
        x = self.fromrgb(x.contiguous(memory_format=torch.channels_last))
        x = minibatch_stddev(self.blocks(x), STDDEV_GROUP)
        x = self.conv(x).float()
        return self.out(self.fc(x.flatten(1))).squeeze(1)
