"""Blur kernels by their formulae, and filtering a batch in which every sample has its own.

Papers: Wang et al., "Real-ESRGAN", ICCVW 2021, section 3.1 (Gaussian, generalised Gaussian and plateau-shaped kernels) and
3.3 (sinc); Liu et al., "Estimating Generalized Gaussian Blur Kernels for Out-of-Focus Image Deblurring", IEEE TCSVT 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clearvision.degradations.draw import Operation

DIRECT_UP_TO, DIRECT_UP_TO_ON_GPU = 17, 7  # kernels of more pixels a side are faster by Fourier transform
BANDS = 5  # oneDNN filters sixteen channels at once: five bands of a picture's three fill them
NEGLIGIBLE = 1e-6  # of a kernel's sum: less than a thousandth of a grey level
UNSHARP_RADIUS, UNSHARP_SIGMA = 25, 8.0


def gaussian_kernel(size: int, sigma: Sequence[float], *, angle: float = 0.0, beta: float = 1.0, plateau: bool = False) -> Tensor:
    """Return a kernel of the Gaussian family.

    With q the squared distance in standard deviations, it is exp(-q**beta / 2), or 1 / (1 + q**beta) if ``plateau``.

    Args:
        size: side, odd.
        sigma: standard deviations along the two axes, in pixels.
        angle: direction of the first axis in degrees, from x towards y.
        beta: 1 gives the Gaussian, more a flatter top.
        plateau: the other formula.

    Returns:
        (size, size), float64, summing to 1.
    """
    y, x = _grid(size)
    turn = math.radians(angle)
    along, across = math.cos(turn) * x + math.sin(turn) * y, math.cos(turn) * y - math.sin(turn) * x
    distance = ((along / sigma[0]) ** 2 + (across / sigma[1]) ** 2) ** beta
    return _normalised(1 / (1 + distance) if plateau else torch.exp(-distance / 2))


def sinc_kernel(size: int, cutoff: float) -> Tensor:
    """Return the circular low-pass J1(w r) w / (2 pi r) with w = pi * cutoff, (size, size), float64, summing to 1."""
    y, x = _grid(size)
    radius, w = torch.hypot(x, y), math.pi * cutoff
    kernel = w * torch.special.bessel_j1(w * radius) / (2 * math.pi * radius.clamp(min=1e-12))
    kernel[size // 2, size // 2] = w * w / (4 * math.pi)  # the limit at r = 0
    return _normalised(kernel)


def motion_kernel(length: float, angle: float) -> Tensor:
    """Return a line of ``length`` pixels at ``angle`` degrees, one pixel wide with soft ends, float64, summing to 1."""
    half = max(length - 1, 0) / 2
    y, x = _grid(2 * math.ceil(half) + 3)
    turn = math.radians(angle)
    along, across = math.cos(turn) * x + math.sin(turn) * y, math.cos(turn) * y - math.sin(turn) * x
    return _normalised((1 - torch.hypot((along.abs() - half).clamp(min=0), across)).clamp(min=0))


def defocus_kernel(radius: float) -> Tensor:
    """Return a disc of ``radius`` pixels with a soft edge, float64, summing to 1."""
    y, x = _grid(2 * math.ceil(radius) + 1)
    return _normalised((radius + 0.5 - torch.hypot(x, y)).clamp(0, 1))


def kernel_of(operation: Operation) -> Tensor:
    """Return the kernel of an operation ``blur``, ``sinc``, ``motion``, ``defocus`` or ``box``."""
    step = operation["step"]
    if step == "sinc":
        return sinc_kernel(operation["size"], operation["cutoff"])
    if step == "motion":
        return motion_kernel(operation["length"], operation["angle"])
    if step == "defocus":
        return defocus_kernel(operation["radius"])
    if step == "box":
        return torch.full((operation["size"],) * 2, 1 / operation["size"] ** 2, dtype=torch.float64)
    return gaussian_kernel(
        operation["size"],
        operation["sigma"],
        angle=operation["angle"],
        beta=operation.get("beta", 1.0),
        plateau=operation["kind"].startswith("plateau"),
    )


def stack_kernels(kernels: Sequence[Tensor]) -> Tensor:
    """Return kernels of any odd sizes as one (B, K, K), the smaller ones with zeros around."""
    size = max(kernel.shape[0] for kernel in kernels)
    return torch.stack([F.pad(kernel, [(size - kernel.shape[0]) // 2] * 4) for kernel in kernels])


def trimmed(kernel: Tensor) -> Tensor:
    """Return a kernel without the outer rings that hold next to nothing: wide frames around narrow blurs cost time."""
    half = kernel.shape[0] // 2
    y, x = _grid(kernel.shape[0])
    ring = torch.maximum(y.abs(), x.abs()).long().flatten()
    mass = kernel.new_zeros(half + 1).index_add(0, ring, kernel.abs().flatten())
    beyond = mass.flip(0).cumsum(0).flip(0)  # of each ring and those around it
    radius = max(1, int((beyond >= NEGLIGIBLE).sum()) - 1)
    return kernel[half - radius : half + radius + 1, half - radius : half + radius + 1] if radius < half else kernel


def filter_images(images: Tensor, kernels: Tensor) -> Tensor:
    """Correlate every sample with its own kernel; beyond the border the picture is mirrored, without repeating its edge.

    Args:
        images: (B, C, H, W), float.
        kernels: (B, K, K), K odd.

    Returns:
        (B, C, H, W), of the images' type.
    """
    height, width = images.shape[2:]
    size = kernels.shape[-1]
    kernels = kernels.to(images)
    padded = _mirrored(images, size // 2)
    on_cpu = images.device.type == "cpu"
    if size <= (DIRECT_UP_TO if on_cpu else DIRECT_UP_TO_ON_GPU):
        return _directly(padded, kernels, BANDS if on_cpu else 1)
    shape = [_quick_length(side) for side in padded.shape[2:]]
    spectrum = torch.fft.rfft2(padded, s=shape) * torch.fft.rfft2(kernels.flip(1, 2), s=shape)[:, None]
    return torch.fft.irfft2(spectrum, s=shape)[..., size - 1 : size - 1 + height, size - 1 : size - 1 + width]


def unsharp(images: Tensor, *, weight: float = 0.5, threshold: float = 10.0) -> Tensor:
    """Sharpen edges that stand out, as Real-ESRGAN does to its ground truth.

    What differs from a wide blur (51 pixels, sigma 8) by more than ``threshold`` grey levels is moved away from it by ``weight``
    of the difference; between there and elsewhere the change fades.

    Args:
        images: (B, C, H, W), float in [0, 1].
        weight: how strongly.
        threshold: in grey levels of 255.

    Returns:
        (B, C, H, W), float in [0, 1].
    """
    kernel = gaussian_kernel(2 * UNSHARP_RADIUS + 1, (UNSHARP_SIGMA, UNSHARP_SIGMA)).to(images).expand(len(images), -1, -1)
    residual = images - filter_images(images, kernel)
    mask = filter_images((residual.abs() * 255 > threshold).to(images), kernel)
    return (images + mask * ((images + weight * residual).clamp(0, 1) - images)).clamp(0, 1)


def _directly(padded: Tensor, kernels: Tensor, bands: int) -> Tensor:
    """Correlate (B, C, H + K - 1, W + K - 1) with (B, K, K), each picture cut into bands that count as channels."""
    batch, channels, rows, width = padded.shape
    size = kernels.shape[-1]
    rows -= size - 1
    band = math.ceil(rows / bands)
    windows = F.pad(padded, (0, 0, 0, band * bands - rows)).unfold(2, band + size - 1, band).transpose(3, 4)
    weight = kernels[:, None].repeat_interleave(channels * bands, dim=0)
    done = F.conv2d(windows.reshape(1, -1, band + size - 1, width), weight, groups=len(weight))
    return done.reshape(batch, channels, band * bands, -1)[:, :, :rows]


def _grid(size: int) -> tuple[Tensor, Tensor]:
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    return axis[:, None].expand(size, size), axis[None, :].expand(size, size)


def _normalised(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum()


def _mirrored(images: Tensor, margin: int) -> Tensor:
    while margin > 0:
        part = min(margin, min(images.shape[2:]) - 1)
        if part < 1:  # one pixel across has no other to mirror
            return F.pad(images, [margin] * 4, mode="replicate")
        images = F.pad(images, [part] * 4, mode="reflect")
        margin -= part
    return images


def _quick_length(length: int) -> int:
    """Return the least length from here on whose only prime factors are 2, 3 and 5."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
