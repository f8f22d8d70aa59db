"""What enlarging one picture takes: its size, the passes of the network, the windows, the memory. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clearvision.errors import UsageError
from clearvision.imaging.canvas import LARGEST_IN_MEMORY
from clearvision.imaging.tiling import Tile, plan_tiles, window_side
from clearvision.types import ModelInfo

MAX_SCALE = 16
MIN_TILE = 16
TILE_MEMORY = 768 << 20  # bytes that the activations of one window may take unless a tile is asked for
PROGRAM_MEMORY = 300_000_000  # bytes that libraries, weights and buffers take beside pictures and windows
LEAST_MEMORY = 500_000_000
EXACT_HALO = 128  # the largest receptive radius that is honoured in full: beyond it most of the work would be halo
SHORT_HALO = 64  # the halo of networks that look further, or everywhere; their tiles are not exact
WINDOW_HALO = 32  # the same for networks with attention in windows, which take far more memory; their authors overlap tiles by it
WINDOWED = ("drct", "hat", "swinir")
WIDTH_STEP = 16  # oneDNN's AMX convolutions take 2 to 3.5 times as long for some odd widths, such as 263, 359 and 543
PASS_EXCESS = 1.05  # enlargement beyond the network's scale that is left to resampling rather than to a second pass


@dataclass(frozen=True)
class Budget:
    """How much memory may be taken.

    Attributes:
        tile_memory: bytes that the activations of one window may take.
        in_memory: bytes of one picture beyond which it lies on disk, where it takes next to no memory.
    """

    tile_memory: int = TILE_MEMORY
    in_memory: int = LARGEST_IN_MEMORY

    @classmethod
    def of(cls, memory: int) -> Budget:
        """Return the budget that keeps the whole program within so many bytes.

        Raises:
            UsageError: if that is less than the program needs.
        """
        if memory < LEAST_MEMORY:
            raise UsageError(f"memory ({memory / 1e6:.0f} MB) must be at least {LEAST_MEMORY / 1e6:.0f} MB")
        room = memory - PROGRAM_MEMORY
        return cls(min(TILE_MEMORY, room // 2), min(LARGEST_IN_MEMORY, room // 8))


USUAL = Budget()


@dataclass(frozen=True)
class Plan:
    """What one picture will take.

    Attributes:
        height: rows of the result.
        width: columns of the result.
        passes: how often the network runs over the picture: 0 when it is only made smaller, 2 beyond the network's scale.
        tile: longest side of a window without its halo, in pixels of what the network is given; 0 without a pass.
        tiles: windows of all passes together.
        exact: whether the halo covers all that the network looks at, so that no cut can show.
        memory: estimated peak in bytes of pictures and activations, beside the about 0.2 GB of the program.
    """

    height: int
    width: int
    passes: int
    tile: int
    tiles: int
    exact: bool
    memory: int


def target_size(
    height: int,
    width: int,
    *,
    native: int,
    scale: float | None = None,
    to_width: int | None = None,
    to_height: int | None = None,
    megapixels: float | None = None,
) -> tuple[int, int]:
    """Return (height, width) of the result for at most one wish; without any, ``native`` is the factor.

    Raises:
        UsageError: if there are several wishes, or the factor is not above 0 and at most 16.
    """
    wishes = {"scale": scale, "width": to_width, "height": to_height, "megapixels": megapixels}
    given = [name for name, value in wishes.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"give only one of scale, width, height and megapixels, not {' and '.join(given)}")
    name = given[0] if given else "scale"
    value = wishes[name] if given else native
    if value is None or not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} ({value}) must be above 0{f' and at most {MAX_SCALE}' if name == 'scale' else ''}")
    if name == "megapixels":
        factor = math.sqrt(value * 1e6 / (height * width))
    else:
        factor = value / {"scale": 1, "width": width, "height": height}[name]
    if factor > MAX_SCALE and name == "scale":
        raise UsageError(f"scale ({value:g}) must be above 0 and at most {MAX_SCALE}")
    if factor > MAX_SCALE:
        raise UsageError(
            f"{name} ({value:g}) would enlarge the picture of {width}x{height} pixels {factor:.1f} times; "
            f"at most {MAX_SCALE} times"
        )
    rows, columns = (max(1, math.floor(side * factor + 0.5)) for side in (height, width))
    return (to_height or rows), (to_width or columns)


def count_passes(native: int, factor: float) -> int:
    """Return how often a network of scale ``native`` runs for a factor; what remains is resampled."""
    if native == 1:
        return 1
    if factor < 1:
        return 0
    return 1 if factor <= native * PASS_EXCESS else 2


def halo_for(info: ModelInfo) -> tuple[int, bool]:
    """Return the halo of a network's windows and whether it makes them exact."""
    radius = info.receptive_radius
    if radius is None or radius > EXACT_HALO:
        return (WINDOW_HALO if info.arch in WINDOWED else SHORT_HALO), False
    return radius, True


def padded_size(info: ModelInfo, height: int, width: int) -> tuple[int, int]:
    """Return the size that a network is given: the next multiple that it takes, not below its minimum."""
    multiple, minimum = info.size.multiple, info.size.minimum
    rows, columns = (-(-max(side, minimum) // multiple) * multiple for side in (height, width))
    return rows, columns


def plan_pass(
    info: ModelInfo, precision: str, height: int, width: int, tile: int | None, tile_memory: int = TILE_MEMORY
) -> tuple[Tile, ...]:
    """Return the windows of one pass over a picture, planned at its padded size.

    Args:
        info: the network's card.
        precision: arithmetic, for the memory.
        height: rows of what the network is given.
        width: columns likewise.
        tile: longest side of a window without its halo; None for the least work that fits in ``tile_memory``.
        tile_memory: bytes that the activations of one window may take.

    Raises:
        UsageError: if the tile is below 16.
    """
    if tile is not None and tile < MIN_TILE:
        raise UsageError(f"tile ({tile}) must be at least {MIN_TILE}")
    halo, _ = halo_for(info)
    rows, columns = padded_size(info, height, width)
    room = tile_memory // bytes_per_pixel(info, precision)
    sides = (tile, tile) if tile is not None else _least_work(rows, columns, halo, info.size.multiple, room)
    return tuple(plan_tiles(rows, columns, tile=sides, halo=halo, multiple=info.size.multiple, width_step=WIDTH_STEP))


def plan_picture(
    info: ModelInfo,
    precision: str,
    *,
    height: int,
    width: int,
    sample_bytes: int,
    target: tuple[int, int],
    tile: int | None,
    budget: Budget = USUAL,
) -> Plan:
    """Return the plan for a picture of three channels; see :class:`Plan`.

    Args:
        info: the network's card.
        precision: arithmetic of the engine.
        height: rows of the picture.
        width: columns of the picture.
        sample_bytes: bytes of one sample: 1, 2 or 4.
        target: (height, width) of the result.
        tile: as in :func:`plan_pass`.
        budget: how much memory windows and pictures may take.

    Raises:
        UsageError: if the tile is below 16.
    """

    def held(pixels: int) -> int:
        size = 3 * sample_bytes * pixels
        return size if size <= budget.in_memory else 0

    passes = count_passes(info.scale, max(target[0] / height, target[1] / width))
    size, windows, memory, longest = (height, width), 0, 0, 0
    pictures = [height * width]
    for _ in range(passes):
        tiles = plan_pass(info, precision, *size, tile, budget.tile_memory)
        size = (size[0] * info.scale, size[1] * info.scale)
        windows += len(tiles)
        longest = max(longest, longest_side(tiles))
        pictures.append(size[0] * size[1])
        window = (tiles[0].y1 - tiles[0].y0) * (tiles[0].x1 - tiles[0].x0)
        memory = max(memory, window * bytes_per_pixel(info, precision) + sum(map(held, pictures[-2:])))
    if size != target:
        memory = max(memory, held(pictures[-1]) + held(target[0] * target[1]))
    return Plan(*target, passes, longest, windows, halo_for(info)[1], memory)


def longest_side(tiles: tuple[Tile, ...]) -> int:
    """Return the longest side of a core."""
    return max(max(tile.core_y1 - tile.core_y0, tile.core_x1 - tile.core_x0) for tile in tiles)


def bytes_per_pixel(info: ModelInfo, precision: str) -> int:
    """Estimate the activations alive at once, in bytes a pixel of the window; within a tenth of what OpenVINO takes."""
    size = 4 if precision == "f32" else 2
    result = 2 * 4 * info.num_out_ch * info.scale**2  # float32, of two windows: one runs while the other is read
    if info.arch == "rrdbnet":  # the two widest tensors of the tail, at the result's size, or of a trunk that works on all of lq
        width = info.hyper.get("num_feat", 64)
        trunk = 0 if info.hyper.get("unshuffle", True) else width + 4 * info.hyper.get("num_grow_ch", 32)
        return 2 * max(width * info.scale**2, trunk) * size + result
    if info.arch in WINDOWED:
        return _attention_bytes(info) + result
    if info.arch == "srflow":  # in float32: the widest conditions, their copies beside the flow's channels
        width = (len(info.hyper.get("stacked", "four")) + 1) * info.hyper.get("num_feat", 64)
        return 18 * width * (info.scale // 2) ** 2 + result
    if info.arch == "srvgg":
        return 3 * info.hyper.get("num_feat", 64) * size + result
    return 8 * info.hyper.get("feature_channels", 48) * size // info.hyper.get("unshuffle", 1) ** 2 + result


def _attention_bytes(info: ModelInfo) -> int:
    """Three tensors of logits, in float32 whatever the precision, and ten of features; within a sixth of what PyTorch takes."""
    window = info.hyper.get("window_size", 8 if info.arch == "swinir" else 16)
    keys = window + int(window * info.hyper.get("overlap_ratio", 0.5)) if info.arch == "hat" else window
    width = info.hyper.get("embed_dim", 180) + (4 * info.hyper.get("num_grow_ch", 32) if info.arch == "drct" else 0)
    return 4 * (3 * max(info.hyper.get("num_heads", (6,))) * keys**2 + 10 * width)


def _least_work(height: int, width: int, halo: int, multiple: int, room: int) -> tuple[int, int]:
    """Return the (rows, columns) of a tile for which the windows, none above ``room`` pixels, add up to the fewest pixels."""
    halo = -(-halo // multiple) * multiple
    best = (math.inf, MIN_TILE, MIN_TILE)  # where not even the halo fits
    for columns in range(1, width // MIN_TILE + 2):
        window_width = window_side(width, columns, halo, math.lcm(multiple, WIDTH_STEP))
        window_height = min(height, room // window_width // multiple * multiple)
        tall = window_height - 2 * halo
        rows = 1 if window_height == height else math.ceil((height - 2 * halo) / tall) if tall >= MIN_TILE else 0
        if rows:
            work = rows * columns * window_side(height, rows, halo, multiple) * window_width
            wide = width if columns == 1 else math.ceil((width - 2 * halo) / columns)
            best = min(best, (work, height if rows == 1 else tall, wide))
        if window_width <= 2 * halo + MIN_TILE:
            break
    return int(best[1]), int(best[2])
