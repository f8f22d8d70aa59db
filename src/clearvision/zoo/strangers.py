"""Files that people take for a network that enlarges pictures, and what they are instead."""

from __future__ import annotations

import re

from clearvision.zoo.files import Arrays

# (a pattern that some name must match, what the file is); the first that fits is told
_STRANGERS = (
    (r"model\.diffusion_model\.|first_stage_model\.|cond_stage_model\.", "a latent-diffusion model (Stable Diffusion or alike)"),
    (r"double_blocks\.|single_blocks\.|transformer_blocks\.\d+\.attn", "a diffusion transformer"),
    (r"(down|up)_blocks\.\d+\.(resnets|attentions)\.", "a part of a diffusion model (U-Net or VAE)"),
    (r".*lora_(up|down|A|B)\b", "a LoRA, an addition to a diffusion or language model"),
    (r"control_model\.|controlnet_", "a ControlNet, an addition to a diffusion model"),
    (r"stylegan_decoder\.", "a face restorer with a StyleGAN decoder (GFPGAN)"),
    (r"quantize\.embedding\.|encoder\.blocks\.\d+\..*quant", "a face restorer with a codebook (CodeFormer, RestoreFormer)"),
    (r"Mixed_5b\.|Conv2d_1a_3x3\.", "an Inception network, which the metric FID uses"),
    (r"lin\d\.model\.1\.weight", "the heads of the metric LPIPS"),
    (r"text_model\.|visual\.transformer\.|model\.layers\.\d+\.self_attn", "a language or text-and-image model"),
    (r"layer1\.0\.(conv|bn)1\.|fc\.weight", "a ResNet that classifies pictures"),
    (r"flownet\.|block_tea\.|contextnet\.", "a network that makes frames between frames (RIFE)"),
    (r"spynet\.|backward_resblocks\.|backbone\.backward_", "a network for video, which needs several frames (BasicVSR)"),
)


def name_stranger(arrays: Arrays) -> str | None:
    """Return what a state dict is that is no generator, such as ``a discriminator of VGG style``, or None."""
    if kind := _discriminator(arrays):
        return kind
    if "features.0.weight" in arrays and any(name.startswith("features.28.") or name == "features.34.weight" for name in arrays):
        return "a VGG network, which perceptual losses and metrics use"
    if "features.0.weight" in arrays and arrays["features.0.weight"].shape[-1:] == (11,):
        return "an AlexNet, which metrics use"
    for pattern, what in _STRANGERS:
        if any(re.match(pattern, name) for name in arrays):
            return what
    return None


def _discriminator(arrays: Arrays) -> str | None:
    names = set(arrays)
    spectral = any(name.endswith(("weight_orig", "weight_u", "parametrizations.weight.original")) for name in names)
    if {"conv0.weight", "conv9.weight"} <= names and any(name.startswith("conv1.") for name in names):
        return "a discriminator of U-Net style (Real-ESRGAN's net_d)"
    if "conv0_0.weight" in names and any(name.startswith("linear") for name in names):
        return "a discriminator of VGG style (BasicSR's net_d)"
    heads = {"classifier.0.weight", "classifier.2.weight"} & names
    if heads and any(array.shape[0] == 1 for name, array in arrays.items() if name in heads):
        return "a discriminator of VGG style (ESRGAN's net_D)"
    chain = [array for name, array in arrays.items() if re.fullmatch(r"model\.\d+\.weight", name) and array.ndim == 4]
    if chain and chain[0].shape[-1] == 4 and chain[-1].shape[0] == 1:
        return "a discriminator of patches (PatchGAN)"
    last = next((array for name, array in reversed(arrays.items()) if name.endswith("weight")), None)
    if spectral or (last is not None and last.ndim == 2 and last.shape[0] == 1):
        return "a discriminator, which tells real pictures from made ones and makes none"
    return None
