from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clearvision.data.pool import Pair, PatchPool, find_pictures, load_pairs, split_pictures
from clearvision.errors import DataError
from clearvision.imaging.resize import resize_scale


def coordinates(height: int, width: int) -> np.ndarray:
    """A picture whose every pixel says where it is."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([y, x, y ^ x], axis=2).astype(np.uint8)


def pool(**options: float) -> PatchPool:
    pairs = []
    for height, width in ((40, 64), (30, 30), (8, 8)):
        lq = coordinates(height, width)
        pairs.append(Pair(Path(f"{height}.png"), lq, lq.repeat(2, axis=0).repeat(2, axis=1)))
    return PatchPool(pairs, scale=2, seed=5, **options)  # type: ignore[arg-type]


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    first, again = pool(), pool()
    first.batch(0, gt_size=16, batch_size=3)  # drawing other batches first changes nothing
    for a, b in zip(first.batch(7, gt_size=16, batch_size=3), again.batch(7, gt_size=16, batch_size=3), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.batch(7, gt_size=16, batch_size=3)[0], first.batch(8, gt_size=16, batch_size=3)[0])
    assert not torch.equal(first.batch(7, gt_size=16, batch_size=3)[0], first.batch(7, gt_size=16, batch_size=3, rank=1)[0])


def test_crops_are_aligned_in_every_orientation() -> None:
    seen = set()
    for step in range(60):
        lq, gt = pool().batch(step, gt_size=24, batch_size=2)
        assert lq.shape == (2, 3, 12, 12)
        assert gt.shape == (2, 3, 24, 24)
        assert lq.dtype == gt.dtype == torch.float32
        assert torch.equal(gt[:, :, ::2, ::2], lq)
        y, x = lq[0, 0] * 255, lq[0, 1] * 255
        seen.add(tuple(round(float(v)) for v in (y[1, 0] - y[0, 0], y[0, 1] - y[0, 0], x[1, 0] - x[0, 0], x[0, 1] - x[0, 0])))
    assert len(seen) == 8


def test_pictures_smaller_than_the_crop_are_never_drawn() -> None:
    for step in range(20):
        lq, _ = pool().batch(step, gt_size=60, batch_size=1)
        assert lq.shape[-1] == 30
    with pytest.raises(DataError, match="no training picture is 500 pixels"):
        pool().batch(0, gt_size=500, batch_size=1)


def test_flat_crops_are_drawn_again() -> None:
    flat = np.zeros((64, 640, 3), np.uint8)
    flat[:, 320:] = np.random.default_rng(0).integers(0, 255, (64, 320, 3))
    pair = Pair(Path("half.png"), flat, flat)

    def share_of_flat(flat_below: float) -> float:
        chooser = PatchPool([pair], scale=1, seed=0, flat_below=flat_below)
        return float(np.mean([chooser.batch(step, gt_size=16, batch_size=1)[0].std() < 0.01 for step in range(200)]))

    assert share_of_flat(0) > 0.4
    assert share_of_flat(10) < 0.15


def test_the_split_survives_added_pictures() -> None:
    paths = [Path(f"a/{i:03}.png") for i in range(50)]
    train, val = split_pictures(paths, 5)
    assert len(val) == 5
    assert not set(train) & set(val)
    more_val = split_pictures([*paths, Path("b/new.png")], 5)[1]
    assert len(set(val) & set(more_val)) >= 4
    with pytest.raises(DataError, match=r"val_count \(50\) must be below the number of pictures \(50\)"):
        split_pictures(paths, 50)


def test_pairs_are_mod_cropped_and_shrunk_by_the_bicubic(tmp_path: Path) -> None:
    image = coordinates(33, 47)
    Image.fromarray(image).save(tmp_path / "colour.png")
    Image.fromarray(image[:, :, 0]).save(tmp_path / "grey.png")
    colour, grey = load_pairs(find_pictures([tmp_path]), 4)
    np.testing.assert_array_equal(colour.gt, image[:32, :44])
    np.testing.assert_array_equal(colour.lq, resize_scale(image[:32, :44], 1 / 4))
    assert grey.gt.shape == (32, 44, 3)


def test_faults_name_the_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no pictures below .*--data"):
        find_pictures([tmp_path])
    with pytest.raises(DataError, match="does not exist"):
        find_pictures([tmp_path / "absent"])
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.png.*remove or replace it"):
        load_pairs(find_pictures([tmp_path]), 4)
