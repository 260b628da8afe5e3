"""Latents of W and of W+."""

import numpy as np
import torch

from onemask.stylegan2.latents import in_every_layer


def test_a_latent_of_w_is_the_same_in_every_layer_and_those_of_w_plus_stay():
    layered = np.arange(2 * 3 * 17, dtype=np.float32).reshape(2, 3, 17)
    assert torch.equal(in_every_layer(layered, 3), torch.from_numpy(layered))
    assert torch.equal(in_every_layer(layered[:, 0], 3), torch.from_numpy(layered[:, :1].repeat(3, axis=1)))
    assert in_every_layer(layered.astype(np.float64)[:, 0], 4).dtype == torch.float32
