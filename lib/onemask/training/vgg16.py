"""VGG-16's convolutions (Simonyan & Zisserman 2015, configuration D) as a perceptual distance's features.

The weights are those of a TorchScript file whose 3x3 convolutions are VGG-16's in their order, as NVIDIA's `vgg16.pt`
of StyleGAN2-ADA; they are read, and nothing of the file is run. That file is not at hand here: input is normalised by
ImageNet's mean and deviation, which torchvision's weights of that network expect.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.checkpoints.torchscript import read_torchscript
from onemask.errors import OnemaskError

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB in [0, 1]
LARGEST = 256  # px; larger images are halved first, as in Karras et al. 2020, Appendix D


class VGG16(nn.Module):
    """The thirteen convolutions, without the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stages, inputs = nn.ModuleList(), 3
        for widths in STAGES:
            pairs = zip((inputs, *widths[:-1]), widths, strict=True)
            self.stages.append(nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs))
            inputs = widths[-1]
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None], persistent=False)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Maps [N, C, h, w] at the end of each stage, each pixel of unit length (LPIPS, Zhang et al. 2018).

        Images [N, 3, H, W] in [-1, 1].
        """
        while images.shape[-1] > LARGEST:
            images = F.avg_pool2d(images, 2)
        x, found = ((images + 1) / 2 - self.mean) / self.deviation, []
        for number, stage in enumerate(self.stages):
            x = F.max_pool2d(x, 2) if number else x
            for convolution in stage:
                x = F.relu(convolution(x))
            found.append(F.normalize(x, dim=1))
        return found


def load_vgg16(path: str | Path, device: str | torch.device = "cpu") -> VGG16:
    """The network with the weights of a TorchScript file, without gradients; OnemaskError where they are others."""
    tensors, network = read_torchscript(path), VGG16()
    ours = [convolution for stage in network.stages for convolution in stage]
    names = [name for name, tensor in tensors.items() if tensor.ndim == 4 and tensor.shape[2:] == (3, 3)]
    shapes = [tuple(tensors[name].shape) for name in names]
    if shapes != [tuple(convolution.weight.shape) for convolution in ours]:
        found = f"found {len(shapes)}, the first {shapes[:2]}"
        raise OnemaskError(f"{path}: not VGG-16's thirteen 3x3 convolutions; {found}")
    for convolution, name in zip(ours, names, strict=True):
        bias = tensors.get(name.removesuffix("weight") + "bias")
        if bias is None or bias.shape != convolution.bias.shape:
            raise OnemaskError(f"{path}: {name} has no bias of its size beside it")
        convolution.weight.data, convolution.bias.data = tensors[name].float(), bias.float()
    return network.eval().requires_grad_(False).to(device)
