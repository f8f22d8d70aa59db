"""Reading and writing of pictures of every type and format."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from clearvision.errors import ImageShapeError, PictureWriteError, UsageError
from clearvision.imaging import io, tiff, writing
from clearvision.imaging.io import (
    check_writable,
    picture_from_array,
    picture_from_pil,
    picture_to_array,
    picture_to_pil,
    read_picture,
    write_picture,
)
from clearvision.imaging.vips import from_array, libvips
from clearvision.types import Picture

LEVELS = {"uint8": 255, "uint16": 65535, "float32": 1}


def noise(channels: int, dtype: str = "uint8", height: int = 23, width: int = 31) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(channels).random((height, width, channels))
    return values.astype("float32") if dtype == "float32" else np.floor(values * (LEVELS[dtype] + 1)).astype(dtype)


# ---- types -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("suffix", "dtype"), [(".png", "uint8"), (".png", "uint16"), (".tif", "uint8"), (".tif", "uint16"), (".tiff", "float32")]
)
def test_lossless_formats_return_what_was_written(tmp_path: Path, suffix: str, dtype: str, channels: int) -> None:
    array = noise(channels, dtype)
    path = tmp_path / f"a{suffix}"
    write_picture(picture_from_array(array), path)
    picture = read_picture(path)
    assert picture.pixels.dtype == dtype
    assert picture.pixels.shape == (23, 31, 1 if channels < 3 else 3)
    assert (picture.alpha is None) == (channels % 2 == 1)
    np.testing.assert_array_equal(np.atleast_3d(picture_to_array(picture)), array)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_all_there_even_when_dark(tmp_path: Path, suffix: str) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    write_picture(picture_from_array(ramp), tmp_path / f"ramp{suffix}")
    assert len(np.unique(read_picture(tmp_path / f"ramp{suffix}").pixels)) == 65536
    dark = ramp % 100  # every value would fit in 8 bits: the type of the file decides, not its values
    write_picture(picture_from_array(dark), tmp_path / f"dark{suffix}")
    np.testing.assert_array_equal(read_picture(tmp_path / f"dark{suffix}").pixels[:, :, 0], dark)


def test_float_tiff_keeps_values_outside_0_to_1(tmp_path: Path) -> None:
    array = np.linspace(-3, 7, 7 * 5 * 3, dtype=np.float32).reshape(7, 5, 3)
    write_picture(picture_from_array(array), tmp_path / "hdr.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "hdr.tif").pixels, array)


def test_decoded_pixels_are_writable_contiguous_and_own_no_second_copy(tmp_path: Path) -> None:
    write_picture(picture_from_array(noise(3)), tmp_path / "a.png")
    pixels = read_picture(tmp_path / "a.png").pixels
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous


def test_palette_with_transparency_is_rgb_and_alpha(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 50, 1, 2, 3])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "p.png", transparency=bytes([255, 0, 128]))
    picture = read_picture(tmp_path / "p.png")
    np.testing.assert_array_equal(picture.pixels, [[[10, 20, 30], [200, 100, 50], [1, 2, 3]]])
    np.testing.assert_array_equal(picture.alpha, [[255, 0, 128]])
    np.testing.assert_array_equal(picture_to_array(picture_from_pil(Image.open(tmp_path / "p.png"))), picture_to_array(picture))


@pytest.mark.parametrize("name", ["bits.png", "bits.tif", "fax.tif", "bits.bmp"])
def test_one_bit_is_black_and_white(tmp_path: Path, name: str) -> None:
    bits = np.eye(9, dtype=bool)
    Image.fromarray(bits).save(tmp_path / name, **({"compression": "group4"} if name == "fax.tif" else {}))
    np.testing.assert_array_equal(read_picture(tmp_path / name).pixels[:, :, 0], bits * np.uint8(255))


@pytest.mark.parametrize("name", ["ink.tif", "ink.jpg"])
def test_cmyk_becomes_srgb_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    inks = np.zeros((16, 64, 4), np.uint8)  # bare paper, cyan, yellow, black
    inks[:, 16:32, 0] = inks[:, 32:48, 2] = inks[:, 48:, 3] = 255
    Image.frombytes("CMYK", (64, 16), inks.tobytes()).save(tmp_path / name, quality=100)
    for picture in (read_picture(tmp_path / name), picture_from_pil(Image.open(tmp_path / name))):
        paper, cyan, yellow, black = (picture.pixels[8, x].astype(int) for x in (8, 24, 40, 56))
        assert paper.min() > 250
        assert cyan[2] > 200 > 100 > cyan[0]
        assert yellow[0] > 220 > 100 > yellow[2]
        assert black.max() < 70
        assert picture.icc is None  # the pixels are sRGB now
        assert picture.pixels.dtype == np.uint8
    assert caplog.text.count("CMYK converted to sRGB") == 2


def test_lab_becomes_srgb_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lab = np.array([[[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]]], np.float32)  # white, black, the red of sRGB (D65)
    from_array(lab).copy(interpretation="lab").tiffsave(str(tmp_path / "lab.tif"))
    pixels = read_picture(tmp_path / "lab.tif").pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_allclose(pixels[0] / 257, [[255, 255, 255], [0, 0, 0], [255, 0, 0]], atol=1.5)
    assert "LAB colours converted to sRGB" in caplog.text


def test_premultiplied_tiff_is_read_straight(tmp_path: Path) -> None:
    rgba = np.full((4, 4, 4), (200, 100, 50, 128), np.uint8)
    from_array(rgba).tiffsave(str(tmp_path / "pre.tif"), premultiply=True)
    np.testing.assert_allclose(read_picture(tmp_path / "pre.tif").pixels[0, 0], [200, 100, 50], atol=1)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".tif"])
def test_first_of_several_pages_is_read_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str) -> None:
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / f"m{suffix}", save_all=True, append_images=pages[1:])
    np.testing.assert_allclose(read_picture(tmp_path / f"m{suffix}").pixels[4, 4], [255, 0, 0], atol=3)
    assert "2 pages or frames; the first is read" in caplog.text


# ---- formats -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".bmp", ".jp2", ".tga", ".ppm", ".png", ".tif"])
def test_formats_without_loss(tmp_path: Path, suffix: str) -> None:
    array = noise(3)
    write_picture(picture_from_array(array), tmp_path / f"a{suffix}")
    picture = read_picture(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(picture.pixels, array)
    assert io.WRITABLE_FORMATS[picture.format] == suffix
    assert set(os.listdir(tmp_path)) == {f"a{suffix}"}


@pytest.mark.parametrize(("name", "worst"), [("jpeg", 6), ("webp", 14), ("avif", 12)])
def test_formats_with_loss_stay_close(tmp_path: Path, name: str, worst: int) -> None:
    y, x = np.mgrid[0:64, 0:64]
    array = np.stack([x * 4, y * 4, 255 - x * 2 - y * 2], axis=2).astype(np.uint8)
    path = tmp_path / ("a" + io.WRITABLE_FORMATS[name])
    write_picture(picture_from_array(array), path)
    picture = read_picture(path)
    assert picture.format == name
    assert np.abs(picture.pixels.astype(int) - array).max() <= worst


def test_every_writable_format_is_readable() -> None:
    assert set(io.WRITABLE_FORMATS.values()) <= io.READABLE_SUFFIXES
    assert {".jpg", ".jpeg", ".png", ".tif", ".webp", ".avif", ".gif", ".bmp", ".jp2"} <= io.READABLE_SUFFIXES


def test_format_is_told_by_content_not_by_suffix(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), "red").save(tmp_path / "really.jpg")
    (tmp_path / "really.jpg").rename(tmp_path / "claims.png")
    assert read_picture(tmp_path / "claims.png").format == "jpeg"


def test_jpeg_has_full_chroma_and_obeys_quality(tmp_path: Path) -> None:
    picture = picture_from_array(noise(3, height=64, width=64))
    for quality in (30, 95, None):
        write_picture(picture, tmp_path / f"{quality}.jpg", quality=quality)
    for path in tmp_path.iterdir():
        assert libvips().Image.jpegload(str(path)).get("jpeg-chroma-subsample") == "4:4:4"
    sizes = {path.stem: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes["30"] < sizes["95"] / 2
    assert sizes["None"] == sizes["95"]


def test_webp_of_quality_100_is_lossless(tmp_path: Path) -> None:
    array = noise(4)
    array[:5, :5, 3] = 0
    write_picture(picture_from_array(array), tmp_path / "a.webp", quality=100)
    np.testing.assert_array_equal(picture_to_array(read_picture(tmp_path / "a.webp")), array)


def test_avif_of_16_bit_keeps_12(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 65535, 2048).astype(np.uint16)[None, :, None], 16, axis=0).repeat(3, axis=2)
    write_picture(picture_from_array(ramp), tmp_path / "a.avif", quality=100)
    back = read_picture(tmp_path / "a.avif").pixels
    assert back.dtype == np.uint16
    assert len(np.unique(back)) > 1000


def test_quality_without_effect_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_picture(picture_from_array(noise(3)), tmp_path / "a.png", quality=50)
    assert "quality has no effect on png" in caplog.text


# ---- what a format cannot hold -----------------------------------------------------------------------------------------------


def test_alpha_is_laid_over_white_for_jpeg(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    array = np.zeros((16, 48, 4), np.uint8)
    array[:, 16:32, 3], array[:, 32:, 3] = 128, 255  # black: invisible, half, solid
    write_picture(picture_from_array(array), tmp_path / "a.jpg")
    np.testing.assert_allclose(read_picture(tmp_path / "a.jpg").pixels[8, [4, 24, 44], 0], [255, 127, 0], atol=2)
    assert "transparency is laid over white; jpeg holds none" in caplog.text


def test_solid_alpha_goes_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    array = noise(4)
    array[:, :, 3] = 255
    write_picture(picture_from_array(array), tmp_path / "a.bmp")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.bmp").pixels, array[:, :, :3])
    assert caplog.text == ""


def test_sixteen_bits_are_rounded_to_eight(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    array = np.array([[0, 128, 129, 257, 32767, 65407, 65535]], np.uint16)
    write_picture(picture_from_array(array), tmp_path / "a.bmp")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.bmp").pixels[0, :, 0], [0, 0, 1, 1, 127, 255, 255])
    assert "uint16 samples are rounded to uint8; bmp holds no more" in caplog.text


def test_float_is_clipped_and_rounded_to_16_bits_for_png(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    array = np.array([[-1, 0, 0.25, 0.5, 1, 1.5]], np.float32)
    write_picture(picture_from_array(np.repeat(array[:, :, None], 4, axis=2)), tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels[0, :, 0], [0, 0, 16384, 32768, 65535, 65535])
    np.testing.assert_array_equal(picture.alpha, picture.pixels[:, :, 0])
    assert "float32 samples are rounded to uint16" in caplog.text


def test_writing_leaves_the_picture_alone(tmp_path: Path) -> None:
    array = noise(4, "uint16")
    picture = picture_from_array(array.copy())
    write_picture(picture, tmp_path / "a.jpg")
    np.testing.assert_array_equal(picture_to_array(picture), array)


# ---- files appear whole or not at all ----------------------------------------------------------------------------------------


def test_folders_are_made_names_are_taken_literally_and_files_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "ä[page=1] %s.png"
    write_picture(picture_from_array(np.zeros((2, 2), np.uint8)), path)
    write_picture(picture_from_array(np.ones((3, 3), np.uint8)), path)
    assert read_picture(path).width == 3
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9/\xe9.tif"))
    write_picture(picture_from_array(noise(3)), path)
    assert read_picture(path).width == 31


def test_new_files_have_ordinary_permissions_and_links_are_written_through(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_picture(picture_from_array(noise(3)), tmp_path / "a.png")
    finally:
        os.umask(umask)
    if os.name == "posix":
        assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o640
        (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
        write_picture(picture_from_array(noise(1, height=5)), tmp_path / "link.png")
        assert (tmp_path / "link.png").is_symlink()
        assert read_picture(tmp_path / "a.png").height == 5


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device"), MemoryError])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException | type[BaseException]
) -> None:
    path = tmp_path / "a.tif"
    write_picture(picture_from_array(noise(3)), path)
    before = path.read_bytes()

    def fail(file: BinaryIO, *_: object) -> None:
        assert file.tell() > 100  # most of the file is there already
        raise fault

    monkeypatch.setattr(tiff, "_write_directories", fail)
    with pytest.raises(KeyboardInterrupt if fault is KeyboardInterrupt else PictureWriteError):
        write_picture(picture_from_array(noise(1)), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.tif"]


@pytest.mark.skipif(sys.platform == "win32", reason="waiting for a thread is not interrupted there")
def test_ctrl_c_during_libvips_work_is_not_lost() -> None:
    code = """
import signal, threading
from clearvision.imaging.vips import interruptible, libvips
image, finished = libvips().Image.gaussnoise(6_000, 6_000), []
timer = threading.Timer(0.02, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
timer.start()
try:
    interruptible(lambda: finished.append(image.avg()))
except KeyboardInterrupt:
    print("interrupted", len(finished))
"""
    # in a process of its own: what other libraries do with signals in this one is not the point
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["interrupted", "1"], done.stderr


def test_a_failure_inside_libvips_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        libvips().Image.black(1, 1).pngsave(str(tmp_path / "missing" / "x.png"))

    monkeypatch.setattr(writing, "call", gone)
    with pytest.raises(PictureWriteError, match=r"^cannot write .*a\.png: No such file or directory$"):
        write_picture(picture_from_array(noise(3)), tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("free", "cause"), [(4096, "No space left on device"), (1 << 30, "unable to write")])
def test_a_full_disk_is_named_where_libvips_does_not(
    tmp_path: Path, free: int, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    error = libvips().Error("vips2png", "unable to write")
    with pytest.raises(PictureWriteError, match=rf"cannot write .*a\.png: {cause}$"), writing.replacing(tmp_path / "a.png"):
        raise error


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    for value in (1, 2):
        write_picture(picture_from_array(np.full((4, 4), value, np.uint8)), tmp_path / "a.tif")
        assert read_picture(tmp_path / "a.tif").pixels[0, 0, 0] == value


# ---- what cannot be written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.xyz", "suffix '.xyz', which names no format"), ("a", "no suffix"), ("a.ico", "suffix '.ico', which is only read")],
)
def test_unknown_suffix(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        write_picture(picture_from_array(noise(1)), tmp_path / name)


def test_format_option(tmp_path: Path) -> None:
    write_picture(picture_from_array(noise(3)), tmp_path / "a", format="JPG")
    assert read_picture(tmp_path / "a").format == "jpeg"
    with pytest.raises(UsageError, match="cannot write the format 'psd'; known: jpeg, png, webp, tiff, avif"):
        write_picture(picture_from_array(noise(3)), tmp_path / "a.png", format="psd")


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_out_of_range(tmp_path: Path, quality: int) -> None:
    with pytest.raises(UsageError, match=f"quality must lie between 1 and 100, not {quality}"):
        write_picture(picture_from_array(noise(3)), tmp_path / "a.jpg", quality=quality)


def test_unwritable_places(tmp_path: Path) -> None:
    picture = picture_from_array(noise(1))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PictureWriteError, match="it is a folder"):
        write_picture(picture, tmp_path / "folder.png")
    (tmp_path / "file").write_text("x")
    with pytest.raises(PictureWriteError, match="file is not a folder"):
        write_picture(picture, tmp_path / "file" / "a.png")
    with pytest.raises(PictureWriteError, match="File name too long"):
        write_picture(picture, tmp_path / ("a" * 300 + ".png"))
    write_picture(picture, tmp_path / ("a" * 250 + ".png"))  # the hidden name beside it is shorter
    if os.name == "posix" and os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(PictureWriteError, match="no permission to write in"):
            write_picture(picture, tmp_path / "locked" / "a.png")


def test_too_large_for_the_format_is_known_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(PictureWriteError, match="webp holds at most 16383 pixels a side and the picture has 20000x100"):
        check_writable(tmp_path / "a.webp", height=100, width=20000)
    assert check_writable(tmp_path / "a.png", height=100, width=20000).name == "png"
    assert os.listdir(tmp_path) == []


# ---- arrays and Pillow -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 2), (4, 5, 3), (4, 5, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_arrays_come_back_in_the_same_layout(shape: tuple[int, ...], dtype: str) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    picture = picture_from_array(array)
    assert picture.pixels.shape == (4, 5, 3 if shape[2:] in ((3,), (4,)) else 1)
    back = picture_to_array(picture)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array)


def test_one_channel_with_its_axis_is_grey() -> None:
    assert picture_to_array(picture_from_array(noise(1))).shape == (23, 31)


def test_foreign_byte_order_is_turned() -> None:
    picture = picture_from_array(np.array([[1, 256]], ">u2"))
    assert picture.pixels.dtype.isnative
    np.testing.assert_array_equal(picture.pixels[0, :, 0], [1, 256])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), np.float64), "samples of type float64; allowed: uint8, uint16, float32"),
        (np.zeros((4, 4), bool), "samples of type bool"),
        (np.zeros((4, 4, 5), np.uint8), r"shape \(4, 4, 5\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"shape \(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        ([[1, 2]], "not list"),
    ],
)
def test_arrays_that_are_no_picture(array: object, message: str) -> None:
    with pytest.raises(ImageShapeError, match=message):
        picture_from_array(array)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "PA", "F", "I;16", "YCbCr", "HSV", "La", "RGBa"])
def test_pillow_modes(mode: str) -> None:
    rgba = Image.fromarray(noise(4))
    if mode == "I;16":
        image = Image.fromarray(noise(1, "uint16")[:, :, 0])
    elif mode == "F":
        image = Image.fromarray(noise(1, "float32")[:, :, 0])
    else:
        image = rgba.convert({"PA": "LA", "La": "LA"}.get(mode, mode if mode in ("RGBA", "RGBa", "LA") else "RGB")).convert(mode)
    assert image.mode == mode
    out = picture_to_pil(picture_from_pil(image))
    kept = {"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "YCbCr": "RGB", "HSV": "RGB"}.get(mode, mode)
    assert out.mode == kept
    np.testing.assert_array_equal(np.asarray(out), np.asarray(image if mode == kept else image.convert(kept)))


def test_pillow_mode_i_is_16_bit() -> None:
    image = Image.fromarray(np.array([[0, 300, 65535]], np.int32))
    np.testing.assert_array_equal(picture_from_pil(image).pixels[0, :, 0], np.array([0, 300, 65535], np.uint16))
    with pytest.raises(ImageShapeError, match="0 to 65536"):
        picture_from_pil(Image.fromarray(np.array([[0, 65536]], np.int32)))


def test_pillow_mode_without_meaning() -> None:
    with pytest.raises(ImageShapeError, match=r"mode 'LAB' cannot be taken; convert it: image.convert\('RGB'\)"):
        picture_from_pil(Image.new("LAB", (2, 2)))


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (7, 8, 9))])
def test_pillow_colour_key_becomes_alpha(mode: str, key: int | tuple[int, ...]) -> None:
    image = Image.new(mode, (2, 1), key)
    image.putpixel((1, 0), 255 if mode == "L" else (255, 255, 255))
    image.info["transparency"] = key
    np.testing.assert_array_equal(picture_from_pil(image).alpha, [[0, 255]])


def test_pillow_rounds_what_it_cannot_hold(caplog: pytest.LogCaptureFixture) -> None:
    image = picture_to_pil(picture_from_array(np.full((1, 1, 3), 0x8180, np.uint16)))
    assert image.getpixel((0, 0)) == (129, 129, 129)
    assert "rounded to 8 bits" in caplog.text


# ---- orientation -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_pixels_come_out_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    blocks = np.kron(noise(4, height=2, width=3), np.ones((16, 16, 1), np.uint8))  # flat blocks survive JPEG
    # Pillow 13.0 turns a TIFF of RGBA twice, so it could not be the reference there
    image = Image.fromarray(blocks[:, :, :3] if suffix in (".jpg", ".tif") else blocks)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {".webp": {"lossless": True, "exact": True}, ".jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {})
    path = tmp_path / f"a{suffix}"
    image.save(path, exif=exif, dpi=(100, 200), **options)
    image.getexif().load(exif.tobytes())
    expected = np.asarray(ImageOps.exif_transpose(image))
    for picture in (read_picture(path), picture_from_pil(Image.open(path))):
        array = picture_to_array(picture)
        assert array.flags.c_contiguous
        assert np.abs(array.astype(int) - expected).max() <= (3 if suffix == ".jpg" else 0)
    write_picture(read_picture(path), path)
    again = read_picture(path)
    assert again.pixels.shape == picture.pixels.shape  # not turned twice
    if suffix != ".webp":
        assert again.dpi == ((200, 100) if orientation >= 5 else (100, 200))


# ---- cost of import ----------------------------------------------------------------------------------------------------------


def test_importing_io_imports_neither_libvips_nor_pillow() -> None:
    code = "import sys, clearvision.imaging.io; print(sorted({'pyvips', 'PIL', 'torch'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_nothing_is_said_without_need(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    write_picture(Picture(noise(3), dpi=(300, 300)), tmp_path / "a.jpg")
    read_picture(tmp_path / "a.jpg")
    assert caplog.text == ""
