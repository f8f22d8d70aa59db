"""InceptionV3 up to its last pooling, whose 2048 features the Frechet distance compares. Needs the ``torch`` extra.

Papers: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR 2016 --
        section 6, table 1; Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
        Equilibrium", NeurIPS 2017.
Reference: mseitzer/pytorch-fid (Apache-2.0), whose conversion of TensorFlow's network of 2015 is the file meant here. It keeps
           torchvision's state-dict names; unlike torchvision's network, averages leave out the padding, and the last block
           pools by maximum. 21,785,568 parameters without the classifier.

Shapes: B batch; 299x299 in, 35x35 after the stem, 17x17 and 8x8 after the two reductions, 2048 features out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import MissingExtraError
from clearvision.metrics.backbones import find_backbone

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(f"FID needs PyTorch, which cannot be imported ({error}); pip install 'clearvision[torch]'") from error

from clearvision.archs.pretrained import load_weights
from clearvision.metrics.perceptual import picture_to_tensor

_SIDE = 299  # the network's input; pictures are resampled to it without antialiasing, as the reference does

Size = int | tuple[int, int]
Conv = tuple[str, int, Size]  # name, channels out, kernel
Step = Literal["average", "maximum"] | tuple[Conv, ...]  # a pooling, or convolutions side by side
Branch = tuple[Step, ...]  # steps one after the other


class InceptionFeatures:
    """Computes the features of one picture that :func:`clearvision.metrics.frechet.frechet_distance` compares over two sets.

    Args:
        weights: the file of pytorch-fid, ``.pth`` or ``.safetensors``; None takes the official one in the user's cache.
        device: PyTorch's name of the device.

    Raises:
        ModelError: if the file is missing, unreadable or of another network.
    """

    def __init__(self, *, weights: str | Path | None = None, device: str = "cpu") -> None:
        self._device = device
        with torch.device("meta"):  # no memory and no random numbers for values that a file replaces
            self._net = InceptionV3()
        load_weights(self._net, find_backbone("inception", weights), "inception")
        self._net.to(device)

    @torch.inference_mode()
    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the 2048 features of a picture of any size, (H, W) or (H, W, 1 or 3), uint8, RGB; grey is shown as RGB.

        Raises:
            ImageShapeError: if it is anything else.
        """
        batch = picture_to_tensor(image).to(self._device)
        batch = F.interpolate(batch, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False)
        return self._net(batch * 2 - 1)[0].double().cpu().numpy()


class InceptionV3(nn.Module):
    """The network; attribute names follow torchvision's."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvBlock(3, 32, 3, stride=2, padding=0)
        self.Conv2d_2a_3x3 = ConvBlock(32, 32, 3, padding=0)
        self.Conv2d_2b_3x3 = ConvBlock(32, 64, 3)
        self.Conv2d_3b_1x1 = ConvBlock(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvBlock(80, 192, 3, padding=0)
        self.Mixed_5b = Mixed(192, _wide(32))
        self.Mixed_5c = Mixed(256, _wide(64))
        self.Mixed_5d = Mixed(288, _wide(64))
        self.Mixed_6a = Mixed(288, _REDUCE_TO_17, reduce=True)
        self.Mixed_6b = Mixed(768, _factorised(128))
        self.Mixed_6c = Mixed(768, _factorised(160))
        self.Mixed_6d = Mixed(768, _factorised(160))
        self.Mixed_6e = Mixed(768, _factorised(192))
        self.Mixed_7a = Mixed(768, _REDUCE_TO_8, reduce=True)
        self.Mixed_7b = Mixed(1280, _expanded("average"))
        self.Mixed_7c = Mixed(2048, _expanded("maximum"))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, 3, 299, 299), RGB in [-1, 1], to features (B, 2048)."""
        for name, layer in self.named_children():
            x = layer(x)
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                x = F.max_pool2d(x, 3, stride=2)
        return x.mean((2, 3))


class ConvBlock(nn.Module):
    """Convolution without bias, batch normalisation, ReLU; padded to keep the size unless told otherwise."""

    def __init__(self, num_in: int, num_out: int, kernel: Size, *, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        pad = (height // 2, width // 2) if padding is None else (padding, padding)
        self.conv = nn.Conv2d(num_in, num_out, (height, width), stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(num_out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, num_in, h, w) to (B, num_out, h', w')."""
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Branches side by side over one input, their outputs concatenated.

    Args:
        num_in: channels of the input.
        branches: the layout; convolutions become attributes under their names.
        reduce: the last step of every branch halves the size, without padding.
    """

    def __init__(self, num_in: int, branches: tuple[Branch, ...], *, reduce: bool = False) -> None:
        super().__init__()
        self._branches = branches
        self._reduce = reduce
        for branch in branches:
            channels = num_in
            for step in branch:
                if isinstance(step, str):
                    continue
                strided = {"stride": 2, "padding": 0} if reduce and step is branch[-1] else {}
                for name, num_out, kernel in step:
                    self.add_module(name, ConvBlock(channels, num_out, kernel, **strided))
                channels = sum(num_out for _, num_out, _ in step)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, num_in, h, w) to (B, sum of the branches' channels, h', w')."""
        return torch.cat([self._run(branch, x) for branch in self._branches], dim=1)

    def _run(self, branch: Branch, x: Tensor) -> Tensor:
        for step in branch:
            if step == "average":
                x = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
            elif step == "maximum":
                x = F.max_pool2d(x, 3, stride=2) if self._reduce else F.max_pool2d(x, 3, stride=1, padding=1)
            else:
                x = torch.cat([self.get_submodule(name)(x) for name, _, _ in step], dim=1)
        return x


def _chain(*convs: Conv) -> Branch:
    return tuple((conv,) for conv in convs)


def _wide(pooled: int) -> tuple[Branch, ...]:
    """Figure 5 of the paper, on 35x35; one of its two 3x3 branches has a 5x5 instead."""
    return (
        _chain(("branch1x1", 64, 1)),
        _chain(("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)),
        _chain(("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)),
        ("average", *_chain(("branch_pool", pooled, 1))),
    )


def _factorised(inner: int) -> tuple[Branch, ...]:
    """Figure 6, on 17x17: every 7x7 is a row and a column."""
    row, column = (1, 7), (7, 1)
    return (
        _chain(("branch1x1", 192, 1)),
        _chain(("branch7x7_1", inner, 1), ("branch7x7_2", inner, row), ("branch7x7_3", 192, column)),
        _chain(
            ("branch7x7dbl_1", inner, 1),
            *(("branch7x7dbl_2", inner, column), ("branch7x7dbl_3", inner, row)),
            *(("branch7x7dbl_4", inner, column), ("branch7x7dbl_5", 192, row)),
        ),
        ("average", *_chain(("branch_pool", 192, 1))),
    )


def _expanded(pooling: Literal["average", "maximum"]) -> tuple[Branch, ...]:
    """Figure 7, on 8x8: rows and columns side by side."""
    row, column = (1, 3), (3, 1)
    return (
        _chain(("branch1x1", 320, 1)),
        (*_chain(("branch3x3_1", 384, 1)), (("branch3x3_2a", 384, row), ("branch3x3_2b", 384, column))),
        (
            *_chain(("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3)),
            (("branch3x3dbl_3a", 384, row), ("branch3x3dbl_3b", 384, column)),
        ),
        (pooling, *_chain(("branch_pool", 192, 1))),
    )


_REDUCE_TO_17: tuple[Branch, ...] = (
    _chain(("branch3x3", 384, 3)),
    _chain(("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)),
    ("maximum",),
)
_REDUCE_TO_8: tuple[Branch, ...] = (
    _chain(("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3)),
    _chain(("branch7x7x3_1", 192, 1), ("branch7x7x3_2", 192, (1, 7)), ("branch7x7x3_3", 192, (7, 1)), ("branch7x7x3_4", 192, 3)),
    ("maximum",),
)
