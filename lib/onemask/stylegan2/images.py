"""Images of networks, in [-1, 1], and as pixels."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def from_pixels(pixels: Tensor) -> Tensor:
    """Pixels 0 to 255 -> float in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def to_pixels(images: Tensor, size: int) -> np.ndarray:
    """Images [N, 3, H, W] in [-1, 1] -> uint8 [N, size, size, 3]; smaller ones are means over the pixels they cover."""
    pixels = (F.adaptive_avg_pool2d(images, size) * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).cpu().numpy()
