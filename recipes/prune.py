"""Cut silent blocks off the end of a SPAN model: the same pictures for less work.

Command: ``python recipes/prune.py clean-x4 --blocks 1 --name clean-x4-fast --out OUT.safetensors``
What the blocks that go had added to the result hardly depends on the picture; it moves into the bias that it was added to. The
mean and the largest difference that this makes on the pictures of ``examples/`` are printed; nothing is written where the mean is
above ``--most`` grey levels. docs/LOG.md tells how silent blocks come about.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from clearvision.archs.span import SPAN
from clearvision.imaging.io import read_picture
from clearvision.zoo.build import build_network, network_weights
from clearvision.zoo.catalogue import find_model
from clearvision.zoo.checkpoint import read_checkpoint, write_checkpoint

EXAMPLES = Path(__file__).parent.parent / "examples"
PICTURES = ("cat.png", "coffee.jpg", "drawing.png")


@torch.no_grad()
def pruned(net: SPAN, hyper: dict, pictures: list[Tensor]) -> SPAN:
    """Return a copy of a network with as many blocks as ``hyper`` says, all others' mean contribution in the bias."""
    kept = SPAN(**hyper)
    state = net.state_dict()
    kept.load_state_dict({name: state[name] for name in kept.state_dict()})
    means: list[Tensor] = []
    last = net.get_submodule(f"block_{net.num_block}")
    hooks = [
        net.conv_2.register_forward_hook(lambda _, __, out: means.append(out.mean((0, 2, 3)))),
        last.register_forward_hook(lambda _, __, out: means.append(out[1].mean((0, 2, 3)))),
    ]
    for picture in pictures:
        net(picture)
    for hook in hooks:
        hook.remove()
    width = net.conv_2.eval_conv.out_channels
    weight, bias = kept.conv_cat.weight, kept.conv_cat.bias
    assert bias is not None
    for columns, mean in (
        (slice(3 * width, None), torch.stack(means[0::2]).mean(0)),  # a block ends before the convolution behind it
        (slice(width, 2 * width), torch.stack(means[1::2]).mean(0)),
    ):
        bias += weight[:, columns, 0, 0] @ mean
        weight[:, columns] = 0
    return kept


def main() -> None:
    """Cut, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a SPAN model's name or file")
    parser.add_argument("--blocks", type=int, required=True, help="how many stay")
    parser.add_argument("--name", help="of the new model; the old one's by default")
    parser.add_argument("--description", help="for its card; the old one's by default")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=float, default=0.01, help="grey levels of mean difference that are borne")
    options = parser.parse_args()

    checkpoint = read_checkpoint(find_model(options.model))
    info = checkpoint.info
    hyper = {**info.hyper, "num_block": options.blocks}
    net = build_network(checkpoint)
    if info.arch != "span" or not 1 <= options.blocks < info.hyper["num_block"]:
        parser.error(f"{info.name} is {info.arch} of {info.hyper.get('num_block')} blocks; give a SPAN of more than --blocks")
    pictures = [torch.from_numpy(read_picture(EXAMPLES / name).pixels).permute(2, 0, 1)[None] / 255.0 for name in PICTURES]
    small = pruned(net, hyper, pictures)  # type: ignore[arg-type]
    with torch.no_grad():
        differences = torch.cat([(small(picture) - net(picture)).abs().flatten() * 255 for picture in pictures])
    print(f"difference in grey levels: mean {differences.mean():.4f}, largest {differences.max():.3f}")
    if differences.mean() > options.most:
        parser.error(f"that is more than {options.most}; the blocks are not silent")
    training = {**info.training, "pruned": f"{info.hyper['num_block'] - options.blocks} silent blocks of {info.name} cut off"}
    facts = small.facts()
    said = {"name": options.name or info.name, "description": options.description or info.description}
    info = dataclasses.replace(info, **said, hyper=hyper, training=training, receptive_radius=facts.receptive_radius)
    write_checkpoint(options.out, info, network_weights(small), checkpoint.recipe, half=True)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
