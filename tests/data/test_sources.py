"""What a source promises: pure batches, the same from every kind of storage, aligned crops, and damage that is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clearvision.data.decode import Shrink, read_size
from clearvision.data.options import DataOptions
from clearvision.data.sources import Source, open_source
from clearvision.degradations.pipeline import degrade_picture
from clearvision.errors import DataError
from clearvision.imaging.resize import resize, resize_scale


def noise(path: Path, height: int, width: int, seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(8):
        noise(tmp_path / "set" / f"{number}.png", 40 + 4 * number, 50 - number, number)
    return tmp_path / "set"


def opened(root: Path, scale: int = 2, gt_sizes: tuple[int, ...] = (16,), **options: object) -> Source:
    return open_source(DataOptions(**{"val_count": 2, **options}), scale=scale, seed=5, root=root, gt_sizes=gt_sizes)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("options", [{}, {"flat_below": 20, "sampling": "detail"}, {"short_side": 36}])
def test_every_storage_gives_the_same_batches(folder: Path, scale: int, options: dict[str, object]) -> None:
    degradation = "bicubic" if scale > 1 else "clearvision"
    sources = [opened(folder, scale, degradation=degradation, storage=kind, **options) for kind in ("ram", "device", "stream")]
    for step in (3, 4, 0):
        ram, *others = [source.batch(step, gt_size=16, batch_size=3) for source in sources]
        assert ram.gt.shape == (3, 3, 16, 16)
        for other in others:
            assert torch.equal(ram.gt, other.gt)
            assert (ram.lq is None and other.lq is None) or torch.equal(ram.lq, other.lq)  # type: ignore[arg-type]
    for source in sources:
        source.close()


def test_two_processes_together_see_what_one_sees(folder: Path) -> None:
    source = opened(folder)
    whole = source.batch(7, gt_size=16, batch_size=6)
    halves = [source.batch(7, gt_size=16, batch_size=3, rank=rank, world=2) for rank in range(2)]
    assert torch.equal(whole.gt, torch.cat([half.gt for half in halves]))
    assert torch.equal(whole.lq, torch.cat([half.lq for half in halves]))  # type: ignore[arg-type, misc]
    assert not torch.equal(whole.gt, source.batch(8, gt_size=16, batch_size=6).gt)
    assert torch.equal(whole.gt, opened(folder).batch(7, gt_size=16, batch_size=6).gt)


def test_held_out_pairs_are_shrunk_whole_and_then_cut(folder: Path) -> None:
    source = opened(folder, 4, val_size=32)
    assert len(source.held_out) == 2
    assert not {pair.path for pair in source.held_out} & set(source.train)
    for pair in source.held_out:
        pixels = np.asarray(Image.open(pair.path))
        height, width = (side // 4 * 4 for side in pixels.shape[:2])
        lq = resize_scale(pixels[:height, :width], 1 / 4)
        y, x = ((side - 8) // 2 for side in lq.shape[:2])
        np.testing.assert_array_equal(pair.lq, lq[y : y + 8, x : x + 8])
        np.testing.assert_array_equal(pair.gt, pixels[4 * y : 4 * y + 32, 4 * x : 4 * x + 32])


def test_another_degradation_is_left_to_the_loop_and_made_once_for_validation(folder: Path) -> None:
    source = opened(folder, degradation=[{"step": "noise", "sigma": 20}], val_size=32)
    assert source.preset is not None
    assert source.batch(0, gt_size=16, batch_size=2).lq is None
    first, again = source.held_out, opened(folder, degradation=[{"step": "noise", "sigma": 20}], val_size=32).held_out
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.lq, other.lq)
        assert np.abs(one.lq.astype(int) - degrade_picture(one.gt, "bicubic", scale=2, seed=0)).mean() > 5


def test_ground_truth_is_shrunk_by_an_antialiased_factor_first(tmp_path: Path) -> None:
    for name in "abc":
        pixels = noise(tmp_path / f"{name}.png", 64, 48)
    source = opened(tmp_path, 4, (32,), shrink_gt=1.5, val_count=1, val_size=32, augment={"flips": False, "turns": False})
    small = resize(pixels, 43, 32)
    batch = source.batch(0, gt_size=32, batch_size=1)
    got = (batch.gt[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    assert any(np.array_equal(got, small[y : y + 32, :32]) for y in range(0, 12, 4))
    assert Shrink(short_side=24).size(64, 48) == (32, 24)
    assert Shrink(short_side=64).size(64, 48) == (64, 48)


def test_a_corrupt_picture_is_skipped_counted_and_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    train = opened(folder).train
    victim = train[2]
    data = victim.read_bytes()
    whole = opened(folder, storage="stream", most_unreadable=0.2)
    victim.write_bytes(data[: len(data) // 2])  # the header is fine
    for storage in ("ram", "stream"):
        caplog.clear()
        source = opened(folder, storage=storage, most_unreadable=0.2)
        batches = [source.batch(step, gt_size=16, batch_size=4) for step in range(8)]
        assert list(source.unreadable) == [victim]
        assert sum(victim.name in record.message for record in caplog.records) == 1
        source.close()
        if storage == "stream":
            again = opened(folder, storage="stream", most_unreadable=0.2)
            assert torch.equal(again.batch(7, gt_size=16, batch_size=4).gt, batches[7].gt)
            again.close()
        with pytest.raises(DataError, match=r"1 of 6 pictures cannot be used, more than data\.most_unreadable allows; the first"):
            opened(folder, storage=storage, most_unreadable=0.1).batch(7, gt_size=16, batch_size=30)
    whole.close()


def test_a_header_that_is_damaged_is_found_at_the_start(folder: Path) -> None:
    victim = opened(folder).train[0]
    victim.write_bytes(b"no picture")
    for storage in ("ram", "stream"):
        source = opened(folder, storage=storage, most_unreadable=0.2)
        assert list(source.unreadable) == [victim]
        assert victim not in source.train
        source.close()


def test_pictures_smaller_than_the_crop_are_named_and_refused_when_none_is_left(folder: Path) -> None:
    noise(folder / "small.png", 8, 80)
    noise(folder / "dot.png", 1, 1)
    source = (
        opened(folder, gt_sizes=(8, 24), val_list="../val.txt") if (folder.parent / "val.txt").write_text("0\n1.png\n") else None
    )
    assert source is not None
    assert any(note == "1 pictures are smaller than crops of 24 pixels and left out of those: small.png" for note in source.notes)
    assert any("smaller than the scale, 2, and left out: dot.png" in note for note in source.notes)
    assert {pair.path.name for pair in source.held_out} == {"0.png", "1.png"}
    with pytest.raises(
        DataError, match=r"no training picture is 500 pixels or more on both sides \(the largest: 4\d\); lower gt_size"
    ):
        opened(folder, gt_sizes=(500,))


def test_pairs_come_by_name_and_are_cut_alike(tmp_path: Path) -> None:
    for number in range(5):
        gt = noise(tmp_path / "DIV2K_train_HR" / f"000{number}.png", 40 + number % 2, 48, number)
        noise(tmp_path / "DIV2K_train_LR_unknown" / "X2" / f"000{number}x2.png", 5, 5)
        (tmp_path / "DIV2K_train_LR_bicubic" / "X2").mkdir(parents=True, exist_ok=True)
        Image.fromarray(gt[:40:2, ::2]).save(tmp_path / "DIV2K_train_LR_bicubic" / "X2" / f"000{number}x2.png")
    for storage in ("ram", "stream"):
        source = opened(tmp_path, layout="pairs", storage=storage)
        batch = source.batch(0, gt_size=16, batch_size=4)
        assert batch.lq is not None
        matched = [any(torch.equal(batch.lq[i], batch.gt[i, :, y::2, x::2]) for y in (0, 1) for x in (0, 1)) for i in range(4)]
        assert all(matched)
        source.close()
    with pytest.raises(DataError, match=r"5 of 5 pairs do not fit|3 of 3 pairs do not fit: '.*0001\.png' \(48x41\).*\(5x5\)"):
        opened(tmp_path, layout="pairs", folders=("DIV2K_train_HR",), lq_folders=("DIV2K_train_LR_unknown/X2",))


def test_unpaired_domains_are_drawn_apart(tmp_path: Path) -> None:
    for number in range(4):
        noise(tmp_path / "trainA" / f"a{number}.png", 30, 30, number)
        noise(tmp_path / "trainB" / f"b{number}.jpg", 50, 60, 9 + number)
    source = opened(tmp_path, 1, layout="unpaired", val_count=1)
    batch = source.batch(0, gt_size=16, batch_size=2)
    assert batch.lq is not None
    assert batch.lq.shape == batch.gt.shape == (2, 3, 16, 16)
    assert len(source.held_out) == 1
    assert source.held_out[0].path.parent.name == "trainB"
    assert source.held_out[0].lq.shape == (30, 30, 3)
    larger = opened(tmp_path, 2, layout="unpaired", val_count=1).batch(0, gt_size=32, batch_size=2)
    assert larger.lq is not None
    assert (larger.lq.shape[-1], larger.gt.shape[-1]) == (16, 32)
    with pytest.raises(DataError, match="holds no two domains: it needs the folders trainA and trainB, or A and B"):
        opened(tmp_path / "trainA", layout="unpaired")


def test_orientation_options_are_obeyed(tmp_path: Path) -> None:
    for name in "abc":
        y, x = np.mgrid[0:32, 0:32]
        Image.fromarray(np.stack([y * 8, x * 8, y], axis=2).astype(np.uint8)).save(tmp_path / f"{name}.png")

    def seen(**augment: object) -> int:
        source = opened(tmp_path, val_count=1, augment=augment)
        batches = torch.cat([source.batch(step, gt_size=16, batch_size=8).gt for step in range(8)])
        slopes = [(*(g[:2, 1, 0] - g[:2, 0, 0]), *(g[:2, 0, 1] - g[:2, 0, 0])) for g in batches]
        return len({tuple(round(float(v), 2) for v in each) for each in slopes})

    assert (seen(), seen(turns=False), seen(flips=False), seen(flips=False, turns=False)) == (8, 2, 4, 1)


def test_mixup_blends_lq_and_gt_alike_and_cutblur_exchanges_a_rectangle(folder: Path) -> None:
    source = opened(folder, augment={"mixup": 1.0})
    lq, gt = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 8, 8)
    lq[0], gt[0] = 1, 1
    mixed_lq, mixed_gt = source.mix(lq, gt, step=3)
    assert 0 < float(mixed_lq[0, 0, 0, 0]) < 1
    assert torch.equal(mixed_lq, mixed_gt[:, :, ::2, ::2])
    assert float(lq[0].min()) == 1
    again = source.mix(lq, gt, step=3)
    assert torch.equal(again[0], mixed_lq)
    cut = opened(folder, 1, degradation="clearvision", augment={"cutblur": 1.0})
    lq, gt = torch.zeros(8, 3, 10, 10), torch.ones(8, 3, 10, 10)
    mixed_lq, mixed_gt = cut.mix(lq, gt, step=0)
    assert torch.equal(mixed_gt, gt)
    assert {round(float(each.mean()), 2) for each in mixed_lq} <= {0.36, 0.49, 0.51, 0.64}
    assert len({round(float(each.mean()), 2) for each in mixed_lq}) > 1
    with pytest.raises(DataError, match="cutblur needs lq and gt of one size, scale 1, not 2"):
        opened(folder, augment={"cutblur": 0.5})


def test_faults_of_the_options_are_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"gt_size \(15\) must be divisible by scale \(2\)"):
        opened(folder, gt_sizes=(15,))
    with pytest.raises(DataError, match=r"at scale 1 data\.degradation 'bicubic' changes nothing"):
        opened(folder, 1)
    with pytest.raises(DataError, match=r"the pictures need .* GB decoded, and data\.memory_gb allows 1e-06"):
        opened(folder, storage="ram", memory_gb=1e-6)
    assert opened(folder, memory_gb=1e-5).storage == "stream"
    for options, message in (
        ({"degradation": "rain"}, "unknown preset 'rain'"),
        ({"val_share": 0.2, "val_list": "a"}, "data.val_share and data.val_list exclude each other"),
        ({"lq_folders": ("a", "b"), "layout": "pairs"}, "data.lq_folders has 2 entries and data.folders 1"),
        ({"layout": "pairs", "shrink_gt": 2}, "would part gt from the lq of its pair"),
    ):
        with pytest.raises(ValueError, match=message):
            DataOptions(**options)  # type: ignore[arg-type]


def test_low_quality_folders_among_ground_truth_are_pointed_out(folder: Path) -> None:
    shutil.copytree(folder, folder / "LR_bicubic")
    assert any("LR_bicubic, which by name are low-quality copies" in note for note in opened(folder).notes)


def test_sizes_come_upright_from_the_header(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((20, 30, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.save(tmp_path / "plain.bmp")
    assert read_size(tmp_path / "turned.jpg") == (30, 20)
    assert read_size(tmp_path / "plain.bmp") == (20, 30)
