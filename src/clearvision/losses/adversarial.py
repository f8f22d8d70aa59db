"""Losses of generative adversarial training: each of two networks is rewarded for what the other one loses.

Papers: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014 (``vanilla``: the non-saturating form of section 3);
        Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN", ICLR 2019 (``ragan``,
        the relativistic average standard GAN, as ESRGAN, section 3.2, uses it);
        Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017 (``lsgan``, as CycleGAN uses it);
        Lim and Ye, "Geometric GAN", arXiv:1705.02894, 2017 (``hinge``);
        Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", ICML 2018 (R1, equation 9).

Where two terms belong together, the mean of the two is returned, for every kind: a discriminator that knows nothing (all
logits 0) then has log 2 = 0.693 in ``vanilla`` and ``ragan``, 0.5 in ``lsgan`` and 1 in ``hinge``.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from clearvision.errors import UsageError
from clearvision.losses.inputs import widened

GanKind = Literal["vanilla", "ragan", "lsgan", "hinge"]
GAN_KINDS: tuple[str, ...] = get_args(GanKind)


def generator_loss(kind: GanKind, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """Return what the generator minimises.

    Args:
        kind: ``vanilla``, ``ragan``, ``lsgan`` or ``hinge``.
        fake: the discriminator's logits of generated pictures, any shape.
        real: its logits of real pictures, for ``ragan`` alone, which compares the two with each other's mean over everything
            in this process's batch. Pass them detached: they do not depend on the generator.

    Raises:
        UsageError: if the kind is unknown, or ``ragan`` is not given the real pictures' logits.
    """
    _check_kind(kind)
    fake = widened(fake)
    if kind == "ragan":
        if real is None:
            raise UsageError("the generator's loss 'ragan' compares fake with real: give it the logits of the real pictures too")
        real = widened(real)
        return (_cross_entropy(fake - real.mean(), 1.0) + _cross_entropy(real - fake.mean(), 0.0)) / 2
    if kind == "vanilla":
        return _cross_entropy(fake, 1.0)
    if kind == "lsgan":
        return (fake - 1).square().mean()
    return -fake.mean()


def discriminator_loss(kind: GanKind, real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    """Return what the discriminator minimises.

    Args:
        kind: ``vanilla``, ``ragan``, ``lsgan`` or ``hinge``.
        real: its logits of real pictures, any shape.
        fake: its logits of generated pictures, which were detached from the generator.
        real_label: what real pictures should be told to be; below 1 it is the one-sided label smoothing of Salimans et al.,
            "Improved Techniques for Training GANs", NeurIPS 2016, section 3.4. ``hinge`` has no labels to smooth.

    Raises:
        UsageError: if the kind is unknown or the label is not above 0.5 and at most 1.
    """
    _check_kind(kind)
    if not 0.5 < real_label <= 1:
        raise UsageError(f"real_label ({real_label}) must lie above 0.5 and not above 1")
    real, fake = widened(real), widened(fake)
    if kind == "ragan":
        return (_cross_entropy(real - fake.mean(), real_label) + _cross_entropy(fake - real.mean(), 0.0)) / 2
    if kind == "vanilla":
        return (_cross_entropy(real, real_label) + _cross_entropy(fake, 0.0)) / 2
    if kind == "lsgan":
        return ((real - real_label).square().mean() + fake.square().mean()) / 2
    if real_label != 1:
        raise UsageError(f"real_label ({real_label}) must be 1 for 'hinge', which has a margin instead of labels")
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


def r1_penalty(logits: Tensor, image: Tensor) -> Tensor:
    """Return the squared length of the gradient of a picture's summed logits by its pixels, as mean over the batch.

    The paper's regulariser is ``gamma / 2`` times this.

    Args:
        logits: the discriminator's answer to ``image``, computed with gradients, (B, ...).
        image: (B, C, H, W), real pictures with ``requires_grad``.

    Raises:
        UsageError: if image does not require a gradient.
    """
    if not image.requires_grad:
        raise UsageError("r1_penalty needs the gradient by the picture: call image.requires_grad_() before the discriminator")
    (gradient,) = torch.autograd.grad(widened(logits).sum(), image, create_graph=True)
    return widened(gradient).square().flatten(1).sum(1).mean()


def _check_kind(kind: str) -> None:
    if kind not in GAN_KINDS:
        raise UsageError(f"unknown kind '{kind}' of adversarial loss; known: {', '.join(GAN_KINDS)}")


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
