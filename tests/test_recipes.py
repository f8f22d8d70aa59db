"""Every shipped recipe: whole, honest at its head, and run for two steps on pictures made here, each stage, GANs and all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from clearvision.archs import ARCHS, DISCRIMINATORS
from clearvision.archs import vgg as vgg_module
from clearvision.archs.span import SPAN
from clearvision.recipe import Recipe, check_discriminator, check_network, load_recipe, stage_recipes
from clearvision.training.run import train
from clearvision.zoo.build import build_network, network_weights
from clearvision.zoo.checkpoint import ModelInfo, read_checkpoint, write_checkpoint

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.yaml"))
SIDE = 40  # of the pictures, in pixels of ground truth


@pytest.fixture(autouse=True)
def one_thread() -> Any:  # noqa: ANN401
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # nets this small only wait for each other
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in all the layouts that recipes ask for."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for index in range(3):
        small = Image.fromarray(rng.integers(0, 255, (10, 10, 3), dtype=np.uint8))
        picture = small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        for folder in ("hr", "pairs/train/high_res", "pairs/val/high_res", "unpaired/trainA", "unpaired/trainB"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            picture.save(root / folder / f"{index}.png")
        for folder in ("pairs/train/low_res", "pairs/val/low_res"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            picture.resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC).save(root / folder / f"{index}.png")
    return root


@pytest.fixture
def vgg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a VGG19 of a few channels with random weights."""
    monkeypatch.setattr(vgg_module, "_CHANNELS", (4, 4, 4, 4, 4))
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, index in vgg_module.vgg_index("vgg19").items():
        if name.startswith("conv"):
            width_in = 3 if name == "conv1_1" else 4
            weights[f"features.{index}.weight"] = torch.randn(4, width_in, 3, 3, generator=generator) * 0.3
            weights[f"features.{index}.bias"] = torch.zeros(4)
    path = tmp_path / "vgg19.safetensors"
    save_file(weights, path)
    return path


def words_of(recipe: Recipe, vgg: Path) -> list[str]:
    """Return overrides that shrink a tiny recipe to two steps a stage on the pictures made here."""
    size = 32 - 32 % recipe.scale  # at least 32: VGG19 and discriminators halve four times, windows are 8 pixels of lq
    return [
        "train.total_steps=2",
        f"train.phases=[{{gt_size: {size}, batch_size: 2}}]",
        "train.log_every=1",
        "train.validate_every=2",
        "train.save_every=2",
        "train.precision=f32",
        "data.val_count=1",
        f"data.val_size={size}",
        *(["data.short_side=36"] if recipe.data.short_side else []),
        *([f"vgg={vgg}"] if "perceptual" in str(recipe.model_dump()) else []),
    ]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_whole_and_honest(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = text.partition("\nname:")[0]
    assert len(text.splitlines()) <= 60
    assert all(len(line) <= 150 for line in text.splitlines())
    assert f"clearvision train recipes/{path.name} " in head
    assert "# Hardware:" in head
    assert "# Expected:" in head or "# Result:" in head
    assert yaml.safe_load(text)["name"] == path.stem.replace("_", "-") or path.stem.startswith("span")
    for _, stage in stage_recipes(load_recipe(path)):
        check_network(stage, ARCHS)
        scale = stage.network.get("upscale", stage.network.get("scale", 1))
        assert scale == stage.scale
        if stage.objective.kind in ("adversarial", "cycle"):
            check_discriminator(stage.objective.discriminator, DISCRIMINATORS)
            assert ("docs/losses.md" in head) == stage.needs_vgg


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_trains(path: Path, pictures: Path, vgg: Path, tmp_path: Path) -> None:
    tiny = "tiny" in yaml.safe_load(path.read_text(encoding="utf-8"))
    words = words_of(load_recipe(path), vgg)
    recipe = load_recipe(path, words, tiny=tiny)
    data = pictures / {"hr": "hr", "pairs": "pairs", "unpaired": "unpaired"}[recipe.data.layout]
    outcome = train(recipe, data=data, out=tmp_path / "run", device="cpu")
    assert outcome.finished
    assert outcome.step == 2
    checkpoint = read_checkpoint(outcome.best)
    sr = build_network(checkpoint)(torch.rand(1, 3, 16, 16))
    assert sr.shape[-2:] == (16 * recipe.scale, 16 * recipe.scale)
    assert torch.isfinite(sr).all()
    assert (tmp_path / "run" / "report.html").is_file()


def test_the_page_on_recipes_knows_them_all_and_its_example_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    for path in RECIPES:
        assert f"`{path.stem}`" in text or path.stem.startswith("span")
    example, stages = (block.partition("```")[0] for block in text.split("```yaml\n")[1:])
    (tmp_path / "my.yaml").write_text(example + stages, encoding="utf-8")
    names = [name for name, _ in stage_recipes(load_recipe(tmp_path / "my.yaml"))]
    assert names == ["psnr", "gan"]


def small(tmp_path: Path, **hyper: Any) -> tuple[SPAN, Path]:  # noqa: ANN401
    """Return a small SPAN x2 with random weights, and its file."""
    hyper = {"feature_channels": 8, "num_block": 2, "upscale": 2, "img_range": 4.0, "skip": "bilinear"} | hyper
    torch.manual_seed(0)
    net = SPAN(**hyper).eval()
    info = ModelInfo(name="small", task="clean", scale=2, arch="span", hyper=hyper)
    write_checkpoint(tmp_path / "small.safetensors", info, network_weights(net))
    return net, tmp_path / "small.safetensors"


def run(script: str, *words: str | Path) -> None:
    subprocess.run([sys.executable, Path(__file__).parent.parent / "recipes" / script, *words], check=True)


def grown(tmp_path: Path, *words: str) -> tuple[SPAN, Path]:
    """Return a small SPAN with random weights, and what recipes/grow.py makes of it."""
    net, file = small(tmp_path)
    run("grow.py", file, *words, "--out", tmp_path / "grown.safetensors")
    return net, tmp_path / "grown.safetensors"


@torch.no_grad()
def test_a_widened_network_computes_the_same_with_copies_that_learn_apart(tmp_path: Path) -> None:
    net, out = grown(tmp_path, "--width", "24")
    wide = build_network(read_checkpoint(out)).eval()
    lq = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(wide(lq), net(lq), rtol=0, atol=1e-5)
    kernel = wide.get_parameter("block_1.c1_r.eval_conv.weight")
    assert kernel.shape == (24, 24, 3, 3)
    assert not torch.allclose(kernel[:8], kernel[8:16])


@torch.no_grad()
def test_a_folded_network_sees_the_mean_of_four_pixels_as_it_saw_one(tmp_path: Path) -> None:
    net, out = grown(tmp_path, "--unshuffle", "2")
    weights = {name: torch.from_numpy(value) for name, value in read_checkpoint(out).weights.items()}
    folded = SPAN(feature_channels=8, num_block=2, upscale=1, unshuffle=2, img_range=4.0, skip="bilinear").eval()
    lacking = folded.load_state_dict(weights, strict=False)
    assert lacking.missing_keys == ["upsampler.0.weight", "upsampler.0.bias"]
    small = torch.rand(1, 3, 8, 8)
    large = torch.nn.functional.interpolate(small, scale_factor=2.0, mode="nearest")
    large[..., ::2, ::2] += 0.1
    large[..., 1::2, 1::2] -= 0.1  # the mean stays
    head = folded.conv_1(torch.nn.functional.pixel_unshuffle(large, 2))
    torch.testing.assert_close(head, net.conv_1(small), rtol=0, atol=1e-5)


def test_shortened_weights_are_those_that_bf16_keeps(tmp_path: Path) -> None:
    _, file = small(tmp_path, num_block=1, skip="none")
    before = read_checkpoint(file).weights
    run("shorten.py", file)
    for name, value in read_checkpoint(file).weights.items():
        kept = torch.from_numpy(before[name]).bfloat16().half()
        assert np.array_equal(value, kept.numpy()), name
