"""The StyleGAN2 generator (Karras et al. 2020) with skip ToRGB.

State-dict names and shapes are those of NVIDIA's PyTorch generator, so that their weights load without renaming
(`mapping.fc0.weight`, `synthesis.b8.conv0.affine.weight`, ...). The compute type of the convolutions is a
property of the run (`compute_dtype`), not of the weights, which stay float32.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from onemask.kernels.modulated_conv import in_reading_order, modulated_conv2d, resample_kernel, upsample_maps
from onemask.stylegan2.layers import GAIN, SLOPE, FullyConnected


class Mapping(nn.Module):
    """z [N, z_dim] -> ws [N, num_ws, w_dim]: pixel norm and fully connected layers with 0.01 of the learning rate."""

    def __init__(self, z_dim: int, w_dim: int, num_ws: int, num_layers: int):
        super().__init__()
        self.num_ws, self.num_layers = num_ws, num_layers
        for i in range(num_layers):
            layer = FullyConnected(w_dim if i else z_dim, w_dim, lr_multiplier=0.01, active=True)
            self.add_module(f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, truncation_psi: float = 1.0) -> Tensor:
        x = z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        for i in range(self.num_layers):
            x = getattr(self, f"fc{i}")(x)
        if truncation_psi != 1:
            x = self.w_avg.lerp(x, truncation_psi)
        return x.unsqueeze(1).repeat(1, self.num_ws, 1)


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias and leaky ReLU; `up=2` doubles the size."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, resolution: int, up: int = 1):
        super().__init__()
        self.up, self.weight_gain = up, 1 / math.sqrt(inputs * 9)
        self.affine = FullyConnected(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(in_reading_order(torch.randn(outputs, inputs, 3, 3), up))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", resample_kernel())

    def forward(self, x: Tensor, w: Tensor, random_noise: bool) -> Tensor:
        shape = (x.shape[0], 1, *self.noise_const.shape)
        noise = torch.randn(shape, device=x.device) if random_noise else self.noise_const[None, None]
        offset, bias = noise * (self.noise_strength * GAIN), self.bias * GAIN
        # Demodulation makes the output blind to the scale of the weight; the gain keeps its small epsilon relevant.
        styles = self.affine(w) * self.weight_gain
        convolution = (x, self.weight, styles, True, self.up, self.resample_filter)
        return modulated_conv2d(*convolution, offset, GAIN, bias, SLOPE)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to three channels, without demodulation; float32 out."""

    def __init__(self, inputs: int, w_dim: int):
        super().__init__()
        self.weight_gain = 1 / math.sqrt(inputs)
        self.affine = FullyConnected(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        styles = self.affine(w) * self.weight_gain
        return modulated_conv2d(x, self.weight, styles, demodulate=False).float() + self.bias[:, None, None]


class Block(nn.Module):
    """One resolution: an up-convolution (a learnt constant at 4 px), a convolution and the skip ToRGB."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, resolution: int):
        super().__init__()
        if inputs == 0:
            self.const = nn.Parameter(torch.randn(outputs, resolution, resolution))
        else:
            self.conv0 = StyledConv(inputs, outputs, w_dim, resolution, up=2)
        self.conv1 = StyledConv(outputs, outputs, w_dim, resolution)
        self.torgb = ToRGB(outputs, w_dim)
        self.register_buffer("resample_filter", resample_kernel())

    def forward(self, x: Tensor | None, image: Tensor | None, ws: list[Tensor], random_noise: bool, dtype: torch.dtype):
        """ws: the block's own w vectors (one at 4 px, two above) and the one that its ToRGB shares with the next."""
        maps = []
        if x is None:
            x = self.const.to(dtype).expand(len(ws[0]), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        else:
            maps.append(x := self.conv0(x, ws[0], random_noise))
        maps.append(x := self.conv1(x, ws[-2], random_noise))
        rgb = self.torgb(x, ws[-1])
        return x, rgb if image is None else upsample_maps(image, self.resample_filter) + rgb, maps


class Synthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> image [N, 3, R, R] and the output of every convolution."""

    def __init__(self, w_dim: int, resolution: int, channel_base: int, channel_max: int):
        super().__init__()
        self.compute_dtype = torch.float32
        self.resolutions = [2**i for i in range(2, resolution.bit_length())]
        self.channels = [min(channel_base // r, channel_max) for r in self.resolutions]
        for inputs, outputs, r in zip([0, *self.channels], self.channels, self.resolutions, strict=False):
            self.add_module(f"b{r}", Block(inputs, outputs, w_dim, r))

    def forward(self, ws: Tensor, random_noise: bool = False) -> tuple[Tensor, list[Tensor]]:
        w = ws.unbind(dim=1)
        x = image = None
        features: list[Tensor] = []
        for k, r in enumerate(self.resolutions):
            own = w[max(2 * k - 1, 0) : 2 * k + 2]
            block = getattr(self, f"b{r}")
            x, image, maps = block(x, image, own, random_noise, self.compute_dtype)
            features += maps
        return image, features


class Generator(nn.Module):
    """Mapping and synthesis; implements `protocol.FeatureGenerator`.

    Block r px has min(channel_base / r, channel_max) channels. `resolution` is a power of two, 8 or more.
    """

    def __init__(
        self,
        z_dim: int = 512,
        w_dim: int = 512,
        resolution: int = 256,
        channel_base: int = 32768,
        channel_max: int = 512,
        mapping_layers: int = 8,
    ):
        super().__init__()
        if resolution < 8 or resolution & (resolution - 1):
            raise ValueError(f"resolution: {resolution} is not a power of two of 8 or more")
        self.architecture = {
            "z_dim": z_dim,
            "w_dim": w_dim,
            "resolution": resolution,
            "channel_base": channel_base,
            "channel_max": channel_max,
            "mapping_layers": mapping_layers,
        }
        self.z_dim, self.w_dim, self.resolution = z_dim, w_dim, resolution
        self.synthesis = Synthesis(w_dim, resolution, channel_base, channel_max)
        blocks = len(self.synthesis.resolutions)
        self.num_ws = 2 * blocks
        self.mapping = Mapping(z_dim, w_dim, self.num_ws, mapping_layers)
        self.block_ws = [(0,)] + [(2 * k - 1, 2 * k) for k in range(1, blocks)]
        self.feature_blocks = [k for k, owned in enumerate(self.block_ws) for _ in owned]
        self.feature_channels = [self.synthesis.channels[k] for k in self.feature_blocks]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mapping.w_avg.device

    def forward(self, ws: Tensor, random_noise: bool = False) -> Tensor:
        """Images [N, 3, R, R]; training draws fresh noise, everything else uses the constant noise."""
        return self.synthesis(ws, random_noise)[0]

    def sample_ws(self, seeds: Sequence[int], truncation_psi: float) -> Tensor:
        """ws [N, num_ws, w_dim]; the latent of a seed does not depend on the batch it is drawn in."""
        z = torch.stack([torch.randn(self.z_dim, generator=torch.Generator().manual_seed(int(s))) for s in seeds])
        # Row by row: a batched product may round differently for another batch size.
        return torch.cat([self.mapping(row[None].to(self.device), truncation_psi) for row in z])

    def fingerprint(self) -> str:
        """Hex SHA-256 of the weights in float32: what an annotated set names the generator by that it was made on."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            if not name.endswith("resample_filter"):
                digest.update(f"{name}{list(tensor.shape)}".encode())
                digest.update(tensor.detach().float().cpu().numpy().tobytes())
        return digest.hexdigest()

    def synthesize(self, ws: Tensor) -> Tensor:
        """Images [N, 3, R, R] with constant noise."""
        return self(ws)

    def features(self, ws: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Images and the output of every convolution after its activation, at native size."""
        return self.synthesis(ws)
