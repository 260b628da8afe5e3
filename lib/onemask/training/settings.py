"""Settings of a generator's training, one visible dataclass; the study's `generator_training` section fills it."""

from __future__ import annotations

from dataclasses import dataclass

from onemask.training.augment import TRANSFORMS


@dataclass(frozen=True)
class TrainingSettings:
    """Networks, optimiser, regularisers and budget. Defaults are the demo's; lengths are in thousands of images."""

    resolution: int = 64
    z_dim: int = 64
    w_dim: int = 64
    channel_base: int = 1024
    channel_max: int = 64
    mapping_layers: int = 8
    unshuffle: int = 2  # the discriminator sees R / unshuffle pixels a side
    kimg: float = 200.0
    batch: int = 16  # over all processes
    loss: str = "logistic"  # or wasserstein
    adversarial_weight: float = 1.0
    gradient_penalty: float = 0.0  # its weight, at every step of D
    ppl_weight: float = 0.0  # path length regularisation
    ppl_interval: int = 4
    ppl_decay: float = 0.01
    ppl_batch_shrink: int = 2
    learning_rate: float = 0.0025
    beta2: float = 0.99
    r1_gamma: float = 0.1
    r1_interval: int = 16
    ema_kimg: float = 10.0
    ema_rampup: float = 0.05
    style_mixing: float = 0.9
    mirror: bool = True
    ada_target: float = 0.6
    ada_interval: int = 4
    ada_kimg: float = 500.0
    augmentations: tuple[str, ...] = TRANSFORMS
    precision: str = "float32"  # of the convolutions: float32 or bfloat16
    snapshot_kimg: float = 10.0
    milestone_kimg: float = 0.0  # the averaged generator is kept every so often, for a curve of scores; 0: never
