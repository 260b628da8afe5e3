"""Latents of W+."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def in_every_layer(ws: np.ndarray, num_ws: int) -> Tensor:
    """ws float32 [n, num_ws, w_dim]: a latent of W, [n, w_dim], is the same in every layer."""
    tensor = torch.from_numpy(np.ascontiguousarray(ws, dtype=np.float32))
    return tensor if tensor.ndim == 3 else tensor[:, None].expand(-1, num_ws, -1)
