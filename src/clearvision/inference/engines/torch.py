"""The PyTorch engine: CUDA, MPS and the networks for which there is no OpenVINO graph. Needs the ``torch`` extra."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import EngineError, ImageShapeError, MissingExtraError, UsageError
from clearvision.types import ModelInfo
from clearvision.zoo.checkpoint import Checkpoint

try:
    import torch
except ImportError as error:
    raise MissingExtraError(
        f"the torch engine needs PyTorch, which cannot be imported ({error}); pip install 'clearvision[torch]'"
    ) from error

from clearvision.zoo.build import build_network

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "bad_alloc")  # CUDA and MPS; PyTorch's CPU allocator; C++


class TorchEngine:
    """Runs a checkpoint's network in PyTorch, with channels-last memory and without gradients.

    Args:
        checkpoint: the model.
        device: ``auto`` takes CUDA, else MPS, else the CPU.
        precision: ``f32``, or ``bf16`` or ``f16`` for the convolutions (autocast); ``auto`` takes the fastest that the device
            computes natively and that the model's card calls safe.

    Attributes:
        name: ``torch``.
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: ``f32``, ``bf16`` or ``f16``.

    Raises:
        UsageError: if the device or the precision is unknown or not to be had here.
        ModelError: if the weights do not fit the network.
    """

    name = "torch"

    def __init__(self, checkpoint: Checkpoint, *, device: str = "auto", precision: str = "auto") -> None:
        self.device = _choose_device(device)
        self.precision = _choose_precision(precision, self.device, checkpoint.info)
        self._info = checkpoint.info
        self._net = build_network(checkpoint).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map lq (B, C, h, w), RGB in [0, 1], to sr (B, C, h * scale, w * scale), float32, not clamped, in any memory order.

        Raises:
            ImageShapeError: if the batch does not have the network's channels or size multiple.
            MemoryError: if the device has not enough memory for the batch; what it held is released.
            EngineError: if the accelerator fails.
        """
        self._check(batch)
        try:
            return self._forward(batch)
        except RuntimeError as error:
            if isinstance(error, getattr(torch, "AcceleratorError", ())):  # since PyTorch 2.8
                raise EngineError(f"the {self.device} device failed: {_first_line(error)}; try device 'cpu'") from error
            if not any(sign in str(error) for sign in OUT_OF_MEMORY):
                raise
            reason = _first_line(error)
        # Outside the handler: the error is gone and so are the activations that the frames of its traceback kept alive.
        if self.device != "cpu":
            getattr(torch, self.device).empty_cache()
        height, width = batch.shape[2:]
        raise MemoryError(f"not enough memory on device '{self.device}' for {len(batch)} x {height} x {width} pixels ({reason})")

    def _forward(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        source = np.require(batch, np.float32, "W")  # PyTorch warns of read-only arrays
        with torch.inference_mode(), self._arithmetic():
            lq = torch.from_numpy(source).to(self.device).contiguous(memory_format=torch.channels_last)
            return self._net(lq).float().cpu().numpy()

    def _arithmetic(self) -> AbstractContextManager[object]:
        if self.precision != "f32":
            return torch.autocast(self.device, dtype=DTYPES[self.precision])
        if self.device == "cuda":
            # cuDNN's default for float32 is TF32, whose 10-bit mantissa would make tiles differ from the whole
            cudnn = torch.backends.cudnn
            return cudnn.flags(
                enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
            )
        return nullcontext()

    def _check(self, batch: NDArray[np.float32]) -> None:
        channels, multiple = self._info.num_in_ch, self._info.size.multiple
        if batch.ndim != 4 or batch.shape[1] != channels or batch.shape[2] % multiple or batch.shape[3] % multiple:
            raise ImageShapeError(
                f"model '{self._info.name}' takes batches (B, {channels}, h, w) with h and w multiples of {multiple}, "
                f"not {tuple(batch.shape)}"
            )


def _choose_device(device: str) -> str:
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device not in DEVICES:
        raise UsageError(f"unknown device '{device}'; known: {', '.join(DEVICES)}")
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available[name])
    if not available[device]:
        usable = ", ".join(name for name, usable in available.items() if usable)
        raise UsageError(
            f"device '{device}' is not available to this PyTorch ({torch.__version__}); available: {usable}; "
            "to use a GPU, install its driver and the PyTorch build for it"
        )
    return device


def _choose_precision(precision: str, device: str, info: ModelInfo) -> str:
    if precision == "auto":
        return next((name for name in _native_precisions(device) if name in info.precisions), "f32")
    if precision not in DTYPES:
        raise UsageError(f"unknown precision '{precision}' for the torch engine; known: auto, {', '.join(DTYPES)}")
    if precision == "f16" and device == "cpu":
        raise UsageError("precision 'f16' is for GPUs; on the CPU use 'bf16', 'f32' or 'auto'")
    return precision


def _native_precisions(device: str) -> list[str]:
    """Return what the device computes in hardware faster than float32, best first."""
    if device == "cuda":
        return ["bf16", "f16"] if torch.cuda.is_bf16_supported(including_emulation=False) else ["f16"]
    if device == "cpu":
        # PyTorch below 2.10 does not tell; emulated bf16 is slower than float32, so those get float32
        capabilities = getattr(torch.cpu, "get_capabilities", dict)()
        return ["bf16"] if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else []
    return []  # MPS: half precision has given black pictures on some systems


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
