from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from clearvision.errors import PictureError, PictureWriteError, UsageError
from clearvision.imaging.frames import Frames, count_frames, read_frames, write_frames
from clearvision.imaging.io import read_picture, write_picture
from clearvision.types import Picture


def bars(count: int = 4, dtype: type[np.generic] = np.uint8) -> tuple[Picture, ...]:
    """Frames of few colours, which a palette holds exactly."""
    full = {np.uint8: 1.0, np.uint16: 257.0, np.float32: 1 / 255}[dtype]
    frames = []
    for index in range(count):
        pixels = np.zeros((20, 30, 3))
        pixels[:, index * 5 : index * 5 + 5] = (250, index * 40, 20)
        frames.append(Picture((pixels * full).astype(dtype)))
    return tuple(frames)


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_an_animation_comes_back_with_its_times(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_frames(Frames(bars(), (50, 70, 120, 40), loop=3), path, quality=100 if name == "a.webp" else None)
    found = read_frames(path)
    assert (found.delays, found.loop, count_frames(path)) == ((50, 70, 120, 40), 3, 4)
    for frame, expected in zip(found.pictures, bars(), strict=True):
        np.testing.assert_array_equal(frame.pixels, expected.pixels)
        assert frame.alpha is None


def test_pillow_sees_the_same_animation(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    write_frames(Frames(bars(), (50, 70, 120, 40)), path, quality=100)
    with Image.open(path) as image:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    np.testing.assert_array_equal(np.stack(frames), np.stack([picture.pixels for picture in bars()]))


def test_transparent_frames_stay_so(tmp_path: Path) -> None:
    alpha: NDArray[np.uint8] = np.zeros((20, 30), np.uint8)
    alpha[5:15] = 255
    first, *others = bars(3)
    path = tmp_path / "a.webp"
    write_frames(Frames((Picture(first.pixels, alpha), *others), (10, 10, 10)), path, quality=100)
    found = read_frames(path)
    assert found.pictures[0].alpha is not None
    np.testing.assert_array_equal(found.pictures[0].alpha, alpha)
    assert found.pictures[1].alpha is not None
    assert found.pictures[1].alpha.min() == 255  # opaque beside a transparent one


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff_pages_come_back_with_their_depth_and_the_first_ones_metadata(tmp_path: Path, dtype: type[np.generic]) -> None:
    first, *others = bars(3, dtype)
    path = tmp_path / "pages.tif"
    write_frames(Frames((Picture(first.pixels, dpi=(300.0, 300.0), iptc=b"\x1c\x02x\0\x03abc"), *others)), path)
    found = read_frames(path)
    assert found.delays == ()
    assert (found.pictures[0].dpi, found.pictures[0].iptc) == ((300.0, 300.0), b"\x1c\x02x\0\x03abc")
    for page, expected in zip(found.pictures, bars(3, dtype), strict=True):
        np.testing.assert_array_equal(page.pixels, expected.pixels)
    if dtype is np.float32:  # which Pillow does not read in colour
        return
    with Image.open(path) as image:
        assert (image.n_frames, image.size) == (3, (30, 20))  # type: ignore[attr-defined]


def test_pages_of_several_sizes_stay_each_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    pages = [Image.new("RGB", size, "red") for size in ((8, 5), (3, 9))]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    found = read_frames(path)
    assert [(page.width, page.height) for page in found.pictures] == [(8, 5), (3, 9)]
    write_frames(found, tmp_path / "out.tif")
    assert [(page.width, page.height) for page in read_frames(tmp_path / "out.tif").pictures] == [(8, 5), (3, 9)]


def test_frames_of_several_sizes_are_refused(tmp_path: Path) -> None:
    pictures = tuple(Picture(np.zeros((*size, 3), np.uint8)) for size in ((5, 8), (9, 3)))
    with pytest.raises(PictureWriteError, match=r"several kinds \(8x5x3, 3x9x3\); write them to files of their own"):
        write_frames(Frames(pictures, (10, 10)), tmp_path / "out.webp")
    assert not (tmp_path / "out.webp").exists()


def test_the_smaller_copies_of_a_pyramid_are_no_pages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_picture(Picture(np.zeros((300, 600, 3), np.uint8)), tmp_path / "a.tif", pyramid=True)
    with Image.open(tmp_path / "a.tif") as image:
        assert getattr(image, "n_frames", 1) == 3
    assert count_frames(tmp_path / "a.tif") == 1
    read_picture(tmp_path / "a.tif")
    assert caplog.messages == []


def test_one_picture_is_no_sequence(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        write_picture(bars(1)[0], tmp_path / name)
        assert count_frames(tmp_path / name) == 1
        with pytest.raises(PictureError, match="holds one picture"):
            read_frames(tmp_path / name)
    with pytest.raises(UsageError, match="pages are read from TIFF files only"):
        read_picture(tmp_path / "a.png", page=1)


def test_the_length_of_an_animation_counts_against_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    write_frames(Frames(bars(), (10,) * 4), path)
    with pytest.raises(PictureError, match="30x80"):
        read_frames(path, max_pixels=30 * 80 - 1)
    pages = tmp_path / "pages.tif"
    write_frames(Frames(bars()), pages)
    with pytest.raises(PictureError, match="30x20"):
        read_frames(pages, max_pixels=30 * 80 - 1)


def test_a_format_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="png does not hold an animation; write gif or webp"):
        write_frames(Frames(bars(), (10,) * 4), tmp_path / "a.png")
    with pytest.raises(UsageError, match="webp does not hold several pages; write tiff"):
        write_frames(Frames(bars()), tmp_path / "a.webp")


def test_a_cut_animation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    write_frames(Frames(bars(), (10,) * 4), path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(PictureError, match="damaged, cut short"):
        read_frames(path)


@pytest.mark.parametrize("name", ["a.webp", "a.tif"])
def test_frames_beyond_memory_lie_on_disk(tmp_path: Path, name: str) -> None:
    frames = Frames(bars(6), (50,) * 6 if name == "a.webp" else ())
    write_frames(frames, tmp_path / name, quality=100 if name == "a.webp" else None)
    found = read_frames(tmp_path / name, in_memory=2000)
    assert all(isinstance(frame.pixels, np.memmap) for frame in found.pictures[1:])
    write_frames(found, tmp_path / f"again_{name}", quality=100 if name == "a.webp" else None)
    for frame, expected in zip(read_frames(tmp_path / f"again_{name}").pictures, bars(6), strict=True):
        np.testing.assert_array_equal(frame.pixels, expected.pixels)
