"""A convolution whose weight is divided by its largest singular value, which bounds how fast its output can change.

Paper: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018,
       https://arxiv.org/abs/1802.05957 -- section 2.1 and algorithm 1.
Reference: ``torch.nn.utils.spectral_norm``, whose state-dict names (``weight_orig``, ``weight_u``, ``weight_v``) published
           discriminators have. Unlike it, this is a plain module: it can be copied, and keeps float32 under autocast.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPS = 1e-12


class SpectralConv2d(nn.Module):
    """Convolution with spectral normalisation of its weight, seen as a (num_out, num_in * kernel^2) matrix.

    In training mode each call improves the estimate of the singular vectors by one power iteration. Initialised as
    ``nn.Conv2d``; the vectors start random.
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, num_in: int, num_out: int, kernel: int, *, stride: int = 1, padding: int = 0, bias: bool = True) -> None:
        super().__init__()
        plain = nn.Conv2d(num_in, num_out, kernel, stride, padding, bias=bias)
        self.stride, self.padding = stride, padding
        self.weight_orig = plain.weight
        self.bias = plain.bias
        self.register_buffer("weight_u", F.normalize(torch.randn(num_out), dim=0, eps=_EPS))
        self.register_buffer("weight_v", F.normalize(torch.randn(num_in * kernel**2), dim=0, eps=_EPS))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, num_in, h, w) to (B, num_out, h', w')."""
        return F.conv2d(x, self.normalised_weight(), self.bias, self.stride, self.padding)

    def normalised_weight(self) -> Tensor:
        """Return the weight over the estimate of its largest singular value; in training mode the estimate improves."""
        matrix = self.weight_orig.flatten(1)
        with torch.autocast(matrix.device.type, enabled=False):
            if self.training:
                with torch.no_grad():
                    self.weight_v.copy_(F.normalize(matrix.t().mv(self.weight_u), dim=0, eps=_EPS))
                    self.weight_u.copy_(F.normalize(matrix.mv(self.weight_v), dim=0, eps=_EPS))
            # Copies, because the next call changes the buffers while the backward pass of this one may still be due.
            u, v = self.weight_u.clone(), self.weight_v.clone()
            return self.weight_orig / u.dot(matrix.mv(v))
