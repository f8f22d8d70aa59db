"""The U-Net discriminator of Real-ESRGAN: judges every pixel, with spectral normalisation.

Papers: Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW 2021,
        https://arxiv.org/abs/2107.10833 -- section 3.4; the design is that of Schonfeld, Schiele and Khoreva, "A U-Net Based
        Discriminator for Generative Adversarial Networks", CVPR 2020.
Reference: xinntao/Real-ESRGAN, realesrgan/archs/discriminator_arch.py (BSD-3-Clause). Parameter and buffer names follow it, so
           the official checkpoints load with ``strict=True``. Sides that are not multiples of 8, which it refuses, are taken.

| variant                 | num_feat | parameters |
| Real-ESRGAN             |       64 |  4,376,897 |

Shapes: B batch, F = num_feat, H W of the picture; the levels are floor(H / 2), floor(H / 4), floor(H / 8).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.spectral import SpectralConv2d
from clearvision.errors import ImageShapeError

SMALLEST = 8  # pixels on each side: three halvings must leave one


class UNetDiscriminatorSN(nn.Module):
    """U-Net with spectral normalisation on all but the first and the last convolution.

    Convolutions keep PyTorch's initialisation, as in the reference.

    Args:
        num_in_ch: channels of the picture.
        num_feat: width F of the first level.
        skip_connection: add the way down to the way up.
    """

    def __init__(self, *, num_in_ch: int = 3, num_feat: int = 64, skip_connection: bool = True) -> None:
        super().__init__()
        self.skip_connection = skip_connection
        self.conv0 = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        self.conv1 = SpectralConv2d(num_feat, num_feat * 2, 4, stride=2, padding=1, bias=False)
        self.conv2 = SpectralConv2d(num_feat * 2, num_feat * 4, 4, stride=2, padding=1, bias=False)
        self.conv3 = SpectralConv2d(num_feat * 4, num_feat * 8, 4, stride=2, padding=1, bias=False)
        self.conv4 = SpectralConv2d(num_feat * 8, num_feat * 4, 3, padding=1, bias=False)
        self.conv5 = SpectralConv2d(num_feat * 4, num_feat * 2, 3, padding=1, bias=False)
        self.conv6 = SpectralConv2d(num_feat * 2, num_feat, 3, padding=1, bias=False)
        self.conv7 = SpectralConv2d(num_feat, num_feat, 3, padding=1, bias=False)
        self.conv8 = SpectralConv2d(num_feat, num_feat, 3, padding=1, bias=False)
        self.conv9 = nn.Conv2d(num_feat, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Map image (B, num_in_ch, H, W), RGB in [0, 1], to one logit a pixel (B, 1, H, W); above 0 means real.

        Raises:
            ImageShapeError: if a side is shorter than 8.
        """
        height, width = image.shape[-2:]
        if min(height, width) < SMALLEST:
            raise ImageShapeError(
                f"the U-Net discriminator needs {SMALLEST} pixels on each side, the picture has {width}x{height}"
            )
        down0 = _lrelu(self.conv0(image))
        down1 = _lrelu(self.conv1(down0))
        down2 = _lrelu(self.conv2(down1))
        up3 = _lrelu(self.conv3(down2))  # (B, 8F, H/8, W/8)
        up2 = self._up(self.conv4, up3, down2)
        up1 = self._up(self.conv5, up2, down1)
        up0 = self._up(self.conv6, up1, down0)  # (B, F, H, W)
        return self.conv9(_lrelu(self.conv8(_lrelu(self.conv7(up0)))))

    def _up(self, conv: nn.Module, feat: Tensor, skip: Tensor) -> Tensor:
        feat = F.interpolate(feat, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        feat = _lrelu(conv(feat))
        return feat + skip if self.skip_connection else feat


def _lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)
