"""Feed damaged picture files to the readers: each must be read, or refused in a sentence, without crash, hang or waste of memory.

Command: ``python benchmarks/fuzz.py [--cases 20000] [--seed 0] [--group jpeg] [--keep findings]``; some minutes a group.
Tiny valid files of every format are made, then flipped, cut, spliced and given false lengths; each case follows from its number,
so that it can be made again. Child processes read them in batches, with little memory and an alarm: a child that dies names the
case. What is read is also diagnosed and, now and then, written back.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clearvision.errors import PictureError, PictureWriteError
from clearvision.imaging.exif import PREFIX, fit_exif
from clearvision.imaging.formats import is_installed
from clearvision.imaging.frames import Frames, count_frames, read_frames, write_frames
from clearvision.imaging.io import READABLE_SUFFIXES, picture_from_array, read_picture, read_size, write_picture
from clearvision.imaging.provenance import note_provenance
from clearvision.imaging.quality import diagnose
from clearvision.imaging.vips import call
from clearvision.types import Picture

MAX_PIXELS = 2_000_000
ADDRESS_SPACE = 4 << 30  # libvips and its codecs take 1 of it before they read anything
GROWTH = 256 << 20  # bytes of memory that no file of this few pixels may take
PATIENCE = 20  # seconds for one case, before the alarm ends the child
BATCH = 1000
WRITE_EVERY = 7

Seeds = list[tuple[str, bytes]]  # suffix, content


# ---- valid files -------------------------------------------------------------------------------------------------------------


def make_seeds(group: str, folder: Path) -> Seeds:
    """Return tiny valid files of a group of formats: suffix and content."""
    draw = np.random.default_rng(0)

    def noise(bands: int, dtype: str = "uint8", side: int = 9) -> np.ndarray[Any, Any]:
        values = draw.random((side, side + 3, bands))
        return values.astype(np.float32) if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)

    def written(suffix: str, array: np.ndarray[Any, Any], **facts: Any) -> tuple[str, bytes]:  # noqa: ANN401
        picture = picture_from_array(array)
        path = folder / f"seed{suffix}"
        write_picture(Picture(picture.pixels, picture.alpha, **facts), path)
        return suffix, path.read_bytes()

    def framed(suffix: str, delays: tuple[int, ...]) -> tuple[str, bytes]:
        path = folder / f"seed{suffix}"
        write_frames(Frames(tuple(Picture(noise(3)) for _ in range(3)), delays), path)
        return suffix, path.read_bytes()

    def by_pillow(suffix: str, image: Image.Image, **options: Any) -> tuple[str, bytes]:  # noqa: ANN401
        buffer = BytesIO()
        image.save(buffer, **options)
        return suffix, buffer.getvalue()

    def by_libvips(suffix: str, saver: str, array: np.ndarray[Any, Any], **options: Any) -> tuple[str, bytes]:  # noqa: ANN401
        path = folder / f"seed{suffix}"
        height, width, bands = array.shape
        import pyvips

        call(saver, pyvips.Image.new_from_memory(array.tobytes(), width, height, bands, "uchar"), os.fsencode(path), **options)
        return suffix, path.read_bytes()

    tags = _metadata()
    rgb = Image.fromarray(noise(3))
    makers: dict[str, Callable[[], Seeds]] = {
        "jpeg": lambda: [
            written(".jpg", noise(3), **tags),
            by_pillow(".jpg", rgb, format="jpeg", progressive=True),
            by_pillow(".jpg", rgb.convert("CMYK"), format="jpeg"),
            by_pillow(".jpg", rgb.convert("L"), format="jpeg"),
        ],
        "png": lambda: [
            written(".png", noise(4), **tags),
            written(".png", noise(3, "uint16")),
            written(".png", noise(1, "uint16")),
            by_pillow(".png", rgb.quantize(7), format="png"),
            by_pillow(".png", rgb.convert("1"), format="png"),
        ],
        "webp": lambda: [
            written(".webp", noise(4), **tags),
            by_pillow(".webp", rgb, format="webp", lossless=True),
            framed(".webp", (50, 60, 70)),
        ],
        "tiff": lambda: [
            written(".tif", noise(3), **tags),
            written(".tif", noise(4, "uint16")),
            written(".tif", noise(3, "float32")),
            framed(".tif", ()),
            by_pillow(".tif", rgb, format="tiff", compression="tiff_lzw"),
            by_pillow(".tif", rgb.convert("1"), format="tiff", compression="group4"),
            by_pillow(".tif", rgb, format="tiff", compression="jpeg"),
            by_libvips(".tif", "tiffsave", noise(3, side=40), tile=True, tile_width=16, tile_height=16, pyramid=True),
            by_libvips(".tif", "tiffsave", noise(3), bigtiff=True),
        ],
        "avif": lambda: [written(".avif", noise(3), **tags), written(".avif", noise(4)), written(".avif", noise(1, "uint16"))],
        "gif": lambda: [framed(".gif", (50, 60, 70)), by_pillow(".gif", rgb.quantize(9), format="gif", transparency=0)],
        "jp2": lambda: [
            written(".jp2", noise(3)),
            written(".jp2", noise(4)),
            by_pillow(".j2k", rgb, format="jpeg2000", no_jp2=True),
        ],
        "bmp": lambda: [
            written(".bmp", noise(3), dpi=(300.0, 300.0)),
            by_pillow(".bmp", rgb.quantize(9), format="bmp"),
            by_pillow(".bmp", rgb.convert("1"), format="bmp"),
            by_pillow(".bmp", Image.fromarray(noise(4)), format="bmp"),
            (".bmp", _rle_bmp()),
        ],
        "tga": lambda: [
            written(".tga", noise(3)),
            by_pillow(".tga", Image.fromarray(noise(4)), format="tga", compression="tga_rle"),
            by_pillow(".tga", rgb.quantize(9), format="tga"),
        ],
        "ppm": lambda: [
            written(".ppm", noise(3)),
            written(".pgm", noise(1)),
            written(".ppm", noise(3, "uint16")),
            written(".pgm", noise(1, "uint16")),
            (".pfm", b"PF\n4 3\n-1.0\n" + noise(3, "float32")[:3, :4].tobytes()),
            (".pfm", b"Pf\n4 3\n1.0\n" + noise(1, "float32")[:3, :4].astype(">f4").tobytes()),
            (".ppm", b"P3\n# words\n2 2\n255\n" + b"1 2 3 " * 4),
            (".pgm", b"P2\n2 2\n1000\n1 2 3 1000\n"),
            by_pillow(".pbm", rgb.convert("1"), format="ppm"),
            (".pbm", b"P1\n3 2\n1 0 1\n0 1 0\n"),
        ],
        "ico": lambda: [
            by_pillow(".ico", rgb.resize((32, 32)), format="ico", sizes=[(16, 16), (32, 32)]),
            by_pillow(".ico", rgb.resize((16, 16)), format="ico", sizes=[(16, 16)], bitmap_format="bmp"),
        ],
        "heic": lambda: [written(".heic", noise(3), **tags), written(".heic", noise(4)), written(".heic", noise(1, "uint16"))],
        "jxl": lambda: [
            by_pillow(".jxl", rgb, format="jxl", use_container=True, exif=tags["exif"], xmp=tags["xmp"]),
            by_pillow(".jxl", Image.fromarray(noise(4)), format="jxl", lossless=True),
            by_pillow(".jxl", Image.fromarray(noise(1, "uint16")[:, :, 0]), format="jxl", lossless=True),
        ],
    }
    if group == "jxl":
        import pillow_jxl  # noqa: F401 - which makes the format known to Pillow
    seeds = makers[group]()
    assert {suffix for suffix, _ in seeds} <= READABLE_SUFFIXES
    return seeds


EXTRA = tuple(group for group, package in (("heic", "pillow_heif"), ("jxl", "pillow_jxl")) if is_installed(package))
GROUPS = ("jpeg", "png", "webp", "tiff", "avif", "gif", "jp2", "bmp", "tga", "ppm", "ico", *EXTRA)


def _metadata() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x010F], exif[0x0100] = "ACME", 9
    exif.get_ifd(0x8769)[0xA002] = 12
    block = fit_exif(PREFIX + exif.tobytes().removeprefix(PREFIX), 12, 9, (300, 240))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    return {
        "icc": bytes(call("profile_load", "srgb")),
        "exif": block,
        "xmp": xmp,
        "iptc": b"\x1c\x02\x05\x00\x05Title",
        "dpi": (300.0, 240.0),
    }


def _rle_bmp() -> bytes:
    palette = bytes(range(64)) * 16
    pixels = b"\x04\x05\x00\x00\x00\x04\x01\x02\x03\x04\x00\x00\x00\x02\x01\x00\x02\x07\x00\x01"
    start = 54 + len(palette)
    sizes = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 8, 1, len(pixels), 2835, 2835, 256, 0)
    return b"BM" + struct.pack("<III", start + len(pixels), 0, start) + sizes + palette + pixels


# ---- damage ------------------------------------------------------------------------------------------------------------------


def make_case(seeds: Seeds, group: str, seed: int, number: int) -> tuple[str, bytes]:
    """Return suffix and content of a damaged file; the same arguments give the same file."""
    chance = random.Random(f"{seed} {group} {number}")
    suffix, content = chance.choice(seeds)
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            break
        damage = chance.choice((_flip, _flip, _set, _number, _number, _cut, _remove, _repeat, _splice))
        damage(data, chance, seeds)
    if data[:4] == b"\x89PNG" and chance.random() < 0.7:
        data = _with_true_sums(data)  # else the sums refuse every case before its meaning is looked at
    return suffix, bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    # heads tell more lies than pixels do
    end = len(data) if chance.random() < 0.5 else min(len(data), 200)
    return chance.randrange(end)


def _flip(data: bytearray, chance: random.Random, _: Seeds) -> None:
    data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: random.Random, _: Seeds) -> None:
    data[_place(data, chance)] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))


def _number(data: bytearray, chance: random.Random, _: Seeds) -> None:
    """Put a number where a length, an offset, a count or a size may stand."""
    size = chance.choice((2, 4, 4, 8))
    top = 1 << (8 * size)
    value = chance.choice(
        (0, 1, 2, top - 1, top // 2, top // 2 - 1, len(data), len(data) - 1, 65_535, 1 << 16, chance.randrange(top))
    )
    at = _place(data, chance)
    data[at : at + size] = (value % top).to_bytes(size, chance.choice(("big", "little")))


def _cut(data: bytearray, chance: random.Random, _: Seeds) -> None:
    del data[chance.randrange(len(data)) :]


def _remove(data: bytearray, chance: random.Random, _: Seeds) -> None:
    at = _place(data, chance)
    del data[at : at + chance.randint(1, 40)]


def _repeat(data: bytearray, chance: random.Random, _: Seeds) -> None:
    at = _place(data, chance)
    data[at:at] = data[at : at + chance.randint(1, 200)] * chance.choice((1, 1, 3, 50))


def _splice(data: bytearray, chance: random.Random, seeds: Seeds) -> None:
    other = chance.choice(seeds)[1]
    start = chance.randrange(len(other))
    at = _place(data, chance)
    data[at : at + chance.randint(0, 60)] = other[start : start + chance.randint(1, 300)]


def _with_true_sums(data: bytearray) -> bytearray:
    at = 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return data


# ---- one case ----------------------------------------------------------------------------------------------------------------


def check_case(path: Path, *, write: bool) -> str:
    """Read, diagnose and, if wished, write back a file.

    Returns:
        ``read`` or ``refused``.

    Raises:
        AssertionError: if what was read contradicts itself.
        Exception: whatever the readers raise that is no PictureError.
    """
    told = _answer(lambda: read_size(path))
    count = _answer(lambda: count_frames(path))
    picture = _answer(lambda: read_picture(path, max_pixels=MAX_PIXELS))
    if count is not None and count > 1:
        frames = _answer(lambda: read_frames(path, max_pixels=MAX_PIXELS))
        for frame in frames.pictures if frames is not None else ():
            _check(frame)
    if picture is None:
        return "refused"
    _check(picture)
    assert told == (picture.height, picture.width), f"read_size says {told}, the picture is {picture.height}x{picture.width}"
    diagnose(picture, path)
    note_provenance(picture.xmp, model="m", scale=2, version="1")
    if write:
        # the target's suffix is that of what was found, which need not be the name's
        for suffix in {
            {"jpeg": ".jpg", "tiff": ".tif", "ico": ".png", "jxl": ".png"}.get(picture.format, f".{picture.format}"),
            ".tif",
            ".webp",
        }:
            target = path.with_name(f"back{suffix}")
            _answer(lambda target=target: write_picture(picture, target))
    return "read"


def _answer(work: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        return work()
    except (PictureError, PictureWriteError) as error:
        told = str(error)
    assert told.strip(), "an empty sentence"
    assert "\n" not in told, f"several lines: {told!r}"
    return None


def _check(picture: Picture) -> None:
    height, width, bands = picture.pixels.shape
    assert height > 0, picture.pixels.shape
    assert width > 0, picture.pixels.shape
    assert bands in (1, 3), picture.pixels.shape
    assert picture.pixels.dtype.name in ("uint8", "uint16", "float32"), picture.pixels.dtype
    assert picture.alpha is None or (picture.alpha.shape == (height, width) and picture.alpha.dtype == picture.pixels.dtype)


# ---- processes ---------------------------------------------------------------------------------------------------------------


def run_child(group: str, seed: int, start: int, stop: int, folder: Path) -> None:
    """Check cases in this process and print for each its number and what came of it; die at the first that kills."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.getLogger("clearvision").setLevel(logging.CRITICAL)
    seeds = make_seeds(group, folder)
    for number in range(start, stop):
        suffix, content = make_case(seeds, group, seed, number)
        path = folder / f"case{suffix}"
        path.write_bytes(content)
        print(number, "begun", flush=True)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        signal.alarm(PATIENCE)  # its usual action ends the process, inside a library too
        try:
            outcome = check_case(path, write=number % WRITE_EVERY == 0)
        except Exception as error:
            outcome = f"raised {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        signal.alarm(0)
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        if growth > GROWTH:
            outcome = f"took {growth >> 20} MB of memory"
        print(number, outcome, flush=True)


def fuzz_group(group: str, *, cases: int, seed: int, keep: Path | None = None) -> tuple[dict[str, int], list[str]]:
    """Check all cases of a group in child processes.

    Args:
        group: one of :data:`GROUPS`.
        cases: how many, numbered from 0.
        seed: of the damage.
        keep: folder for the files of findings, or None.

    Returns:
        How many cases were read and refused, and a line for each finding.
    """
    counts = {"read": 0, "refused": 0}
    findings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="clearvision-fuzz-") as name:
        folder, start = Path(name), 0
        while start < cases:
            stop = min(start + BATCH, cases)
            command = [sys.executable, __file__, "--child", group, str(seed), str(start), str(stop), name]
            child = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            last, ended, found = start - 1, True, []
            for number, outcome in (line.split(" ", 1) for line in child.stdout.splitlines()):
                last, ended = int(number), outcome != "begun"
                if outcome in counts:
                    counts[outcome] += 1
                elif ended:
                    found.append((last, outcome))
            if not ended or child.returncode:
                how = signal.strsignal(-child.returncode) if child.returncode < 0 else f"exit code {child.returncode}"
                found.append((max(last, start), f"ended the process: {how}; {child.stderr.strip()[-300:]}"))
            elif heard := [line for line in child.stderr.splitlines() if line and "GLib-GObject-CRITICAL" not in line]:
                # GLib's own lines are about sizes that libvips then refuses
                found.append((start, f"stderr of the batch: {' | '.join(heard)[-300:]}"))
            seeds = make_seeds(group, folder) if found else []
            for number, outcome in found:
                findings.append(f"{group} {number}: {outcome}")
                if keep is not None:
                    suffix, content = make_case(seeds, group, seed, number)
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{group}-{seed}-{number}{suffix}").write_bytes(content)
            start = stop if child.returncode == 0 else max(last, start) + 1
    return counts, findings


def main() -> int:
    """Fuzz every group and print what came of it; the exit code is 1 if anything was found."""
    if sys.argv[1:2] == ["--child"]:
        group, seed, start, stop, folder = sys.argv[2:]
        run_child(group, int(seed), int(start), int(stop), Path(folder))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="of each group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--group", action="append", choices=GROUPS, help="may be repeated; default: all")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    options = parser.parse_args()
    failed = False
    for group in options.group or GROUPS:
        began = time.monotonic()
        counts, findings = fuzz_group(group, cases=options.cases, seed=options.seed, keep=options.keep)
        seconds = time.monotonic() - began
        told = f"{counts['read']} read, {counts['refused']} refused, {len(findings)} findings"
        print(f"{group}: {options.cases} cases in {seconds:.0f} s: {told}", flush=True)
        for finding in findings:
            print(f"  {finding}", flush=True)
        failed |= bool(findings)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
