"""PatchGAN, the discriminator of pix2pix and CycleGAN: judges overlapping 70x70 patches.

Papers: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
        https://arxiv.org/abs/1611.07004 -- section 3.2.2; Zhu et al., "Unpaired Image-to-Image Translation using
        Cycle-Consistent Adversarial Networks", ICCV 2017, https://arxiv.org/abs/1703.10593 -- section 4.
Reference: junyanz/pytorch-CycleGAN-and-pix2pix, models/networks.py (BSD-2-Clause). Parameter names follow it, so the official
           checkpoints load with ``strict=True``.

| variant                     | norm     | num_layer | patch | parameters |
| CycleGAN                    | instance |         3 | 70x70 |  2,764,737 |
| pix2pix, on one picture     | batch    |         3 | 70x70 |  2,765,633 |
| 34x34                       | instance |         2 | 34x34 |    662,977 |

Shapes: B batch, F = num_feat; H W of the picture, about H / 8 - 2 rows of logits with three layers.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, get_args

from torch import Tensor, nn

from clearvision.errors import ImageShapeError, UsageError

Norm = Literal["instance", "batch"]

INIT_DEVIATION = 0.02  # CycleGAN, section 7.1: weights drawn from N(0, 0.02)


class NLayerDiscriminator(nn.Module):
    """4x4 convolutions, the first num_layer of them with stride 2, then two with stride 1.

    Weight init, as in the reference: convolutions N(0, 0.02), batch normalisation N(1, 0.02), biases 0.

    Args:
        num_in_ch: channels of the picture.
        num_feat: width F after the first convolution; it doubles with each up to 8 F.
        num_layer: convolutions with stride 2; 3 makes the 70x70 patch.
        norm: ``instance``, without parameters, or ``batch``.

    Raises:
        UsageError: if num_layer is below 1 or norm is unknown.
    """

    def __init__(self, *, num_in_ch: int = 3, num_feat: int = 64, num_layer: int = 3, norm: Norm = "instance") -> None:
        super().__init__()
        if num_layer < 1:
            raise UsageError(f"num_layer ({num_layer}) of NLayerDiscriminator must be at least 1")
        if norm not in get_args(Norm):
            raise UsageError(f"unknown norm '{norm}' of NLayerDiscriminator; known: {', '.join(get_args(Norm))}")
        self.smallest = 3 << num_layer  # the two convolutions of stride 1 take one row each, and one must be left
        widths = [num_feat * min(1 << layer, 8) for layer in range(num_layer + 1)]
        layers: list[nn.Module] = [nn.Conv2d(num_in_ch, num_feat, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for index, (width_in, width) in enumerate(pairwise(widths), 1):
            stride = 2 if index < num_layer else 1
            # instance normalisation here has no shift of its own, so the convolution keeps its bias, as in the reference
            layers.append(nn.Conv2d(width_in, width, 4, stride=stride, padding=1, bias=norm == "instance"))
            layers.append(nn.InstanceNorm2d(width) if norm == "instance" else nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers.append(nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.model = nn.Sequential(*layers)
        self._init_weights()

    def _init_weights(self) -> None:
        for layer in self.model:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0.0, INIT_DEVIATION)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight, 1.0, INIT_DEVIATION)
                nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Map image (B, num_in_ch, H, W), RGB in [0, 1], to one logit a patch (B, 1, h, w); above 0.5 means real with LSGAN.

        Raises:
            ImageShapeError: if a side is shorter than three rows of the last stride.
        """
        if min(image.shape[-2:]) < self.smallest:
            raise ImageShapeError(
                f"this PatchGAN needs {self.smallest} pixels on each side, the picture has {image.shape[-1]}x{image.shape[-2]}"
            )
        return self.model(image * 2 - 1)  # published weights expect [-1, 1]
