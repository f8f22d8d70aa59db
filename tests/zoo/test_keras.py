"""Keras files, made here as Keras lays them out, against the network written down in NumPy with TensorFlow's conventions."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clearvision.errors import MissingExtraError, ModelError
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import read_checkpoint
from clearvision.zoo.foreign import inspect_foreign

Array = NDArray[Any]
FIRST, FEAT, GROWN, BLOCKS, LAYERS = 6, 8, 4, 3, 2


# --- TensorFlow's operations on (h, w, channels)


def conv(x: Array, kernel: Array, bias: Array) -> Array:
    """Conv2D, padding "same", kernel (kh, kw, in, out)."""
    reach = kernel.shape[0] // 2
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)))
    height, width = x.shape[:2]
    rows = range(kernel.shape[0])
    return bias + sum(padded[i : i + height, j : j + width] @ kernel[i, j] for i in rows for j in rows)


def transposed(x: Array, kernel: Array, bias: Array) -> Array:
    """Conv2DTranspose, strides 2, padding "same", kernel (3, 3, out, in): the adjoint of Conv2D from twice the size.

    That Conv2D needs one row and column of padding, which TensorFlow puts at the end.
    """
    height, width = x.shape[:2]
    out = np.zeros((2 * height + 1, 2 * width + 1, kernel.shape[2]))
    for i in range(height):
        for j in range(width):
            out[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += np.einsum("yxoc,c->yxo", kernel, x[i, j])
    return out[:-1, :-1] + bias


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


# --- the small RDN of concatenations


class Net:
    """Layers in the order of their making, with the graph that Keras would describe."""

    def __init__(self, *, full: bool = False, first_last: bool = True, relu_layers: bool = False, linear: bool = False) -> None:
        self.first_last, self.linear, self.relu_layers = first_last, linear, relu_layers
        self.sizes = (32, 64, 16, 4, 3) if full else (FIRST, FEAT, GROWN, BLOCKS, LAYERS)
        self.rng = np.random.default_rng(5)
        self.layers: list[tuple[str, str, dict[str, Any], list[str]]] = []
        self.kernels: dict[str, tuple[Array, Array]] = {}
        self.counts: dict[str, int] = {}
        self._build()

    def add(self, kind: str, inputs: list[str], **settings: Any) -> str:  # noqa: ANN401
        stem = {"Conv2D": "conv2d", "Conv2DTranspose": "conv2d_transpose"}.get(kind, kind.lower())
        number = self.counts.get(stem, 6)  # as in a notebook that made other networks before
        self.counts[stem] = number + 1
        name = f"{stem}_{number}"
        self.layers.append((name, kind, settings, inputs))
        return name

    def conv(self, before: str, into: int, out: int, side: int = 3, activation: str = "linear", kind: str = "Conv2D") -> str:
        apart = self.relu_layers and activation == "relu"
        settings = {"padding": "same", "activation": "linear" if apart else activation, "data_format": "channels_last"}
        settings |= {"strides": [2, 2] if kind == "Conv2DTranspose" else [1, 1], "dilation_rate": [1, 1]}
        name = self.add(kind, [before], **settings)
        shape = (side, side, out, into) if kind == "Conv2DTranspose" else (side, side, into, out)
        kernel = self.rng.normal(0, 1.5 / np.sqrt(into * side**2), shape).astype(np.float32)
        self.kernels[name] = kernel, self.rng.normal(0, 0.1, out).astype(np.float32)
        return self.add("ReLU", [name], max_value=None, negative_slope=0.0, threshold=0.0) if apart else name

    def _build(self) -> None:
        first, feat, grown, blocks, layers = self.sizes
        picture = self.add("InputLayer", [])
        shallow = x = self.conv(picture, 3, first)
        width, local = first, []
        for _ in range(blocks):
            stack = x
            for index in range(layers):
                new = self.conv(stack, width + index * grown, grown, activation="relu")
                stack = self.add("Concatenate", [stack, new], axis=-1)
            both = self.add("Concatenate", [x, stack], axis=-1)
            x = self.conv(both, 2 * width + layers * grown, feat, 1, "linear" if self.linear else "relu")
            width = feat
            local.append(x)
        fused = self.conv(self.add("Concatenate", local, axis=-1), feat * blocks, feat, 1)
        pair = [fused, shallow] if self.first_last else [shallow, fused]
        x = self.conv(self.add("Concatenate", pair, axis=-1), feat + first, feat)
        for _ in range(2):
            x = self.conv(x, feat, feat, activation="relu", kind="Conv2DTranspose")
        self.conv(x, feat, 3, activation="sigmoid")

    def __call__(self, picture: Array) -> Array:
        """Return what Keras would make of a picture (h, w, 3)."""
        blocks, layers = self.sizes[3:]
        weights = iter(self.kernels.values())
        shallow = x = conv(picture, *next(weights))
        local = []
        for _ in range(blocks):
            stack = x
            for _ in range(layers):
                stack = np.concatenate([stack, relu(conv(stack, *next(weights)))], -1)
            x = conv(np.concatenate([x, stack], -1), *next(weights))
            x = x if self.linear else relu(x)
            local.append(x)
        fused = conv(np.concatenate(local, -1), *next(weights))
        x = conv(np.concatenate([fused, shallow] if self.first_last else [shallow, fused], -1), *next(weights))
        for _ in range(2):
            x = relu(transposed(x, *next(weights)))
        return 1 / (1 + np.exp(-conv(x, *next(weights))))

    def config(self, keras: int) -> dict[str, Any]:
        def told(source: str) -> Any:  # noqa: ANN401
            if keras == 2:
                return [source, 0, 0, {}]
            return {"class_name": "__keras_tensor__", "config": {"shape": [None, 8, 8, 3], "keras_history": [source, 0, 0]}}

        layers = []
        for name, kind, settings, inputs in self.layers:
            nodes = [told(each) for each in inputs]
            inbound: list[Any] = (
                [nodes] if keras == 2 else [{"args": [nodes if len(nodes) > 1 else nodes[0] if nodes else []], "kwargs": {}}]
            )
            layers.append(
                {
                    "class_name": kind,
                    "config": {"name": name, **settings},
                    "inbound_nodes": inbound if inputs else [],
                    "name": name,
                }
            )
        ends = {"input_layers": [[self.layers[0][0], 0, 0]], "output_layers": [[self.layers[-1][0], 0, 0]]}
        return {"class_name": "Functional", "config": {"name": "rdn", "layers": layers, **ends}}

    def store(self, group: h5py.Group | h5py.File) -> None:
        """Write as Keras 3 does: by class and count, whatever the layers are called."""
        counts: dict[str, int] = {}
        for name, (kernel, bias) in self.kernels.items():
            stem = name.rpartition("_")[0]
            counts[stem] = counts.get(stem, -1) + 1
            inner = group.create_group(f"layers/{stem}_{counts[stem]}" if counts[stem] else f"layers/{stem}")
            inner["vars/0"], inner["vars/1"] = kernel, bias
        group["optimizer/vars/0"] = np.array(3)


def keras_archive(net: Net, path: Path, config: Any = None) -> Path:  # noqa: ANN401
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        net.store(file)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.4.1"}')
        archive.writestr("config.json", json.dumps(net.config(3) if config is None else config))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def keras_weights(net: Net, path: Path) -> Path:
    with h5py.File(path, "w") as file:
        net.store(file)
    return path


def keras_2(net: Net, path: Path, *, whole: bool = True) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        group.attrs["layer_names"] = [name.encode() for name, *_ in net.layers]
        for name, *_ in net.layers:
            group.create_group(name)
        for name, (kernel, bias) in net.kernels.items():
            group[f"{name}/{name}/kernel:0"], group[f"{name}/{name}/bias:0"] = kernel, bias
        if whole:
            file.attrs["model_config"] = json.dumps(net.config(2))
            file["optimizer_weights/Adam/m:0"] = np.zeros(7)
    return path


def keras_2_weights(net: Net, path: Path) -> Path:
    return keras_2(net, path, whole=False)


def computed(path: Path, picture: Array) -> Array:
    lq = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))
    with torch.inference_mode():
        return build_network(read_checkpoint(path))(lq)[0].numpy().transpose(1, 2, 0)


@pytest.fixture
def picture() -> Array:
    return np.random.default_rng(1).random((7, 5, 3))


@pytest.mark.parametrize("write", [keras_archive, keras_weights, keras_2, keras_2_weights], ids=lambda each: each.__name__)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_of_every_form_compute_what_keras_would(
    write: Callable[[Net, Path], Path], suffix: str, picture: Array, tmp_path: Path
) -> None:
    net = Net()
    path = write(net, tmp_path / f"rdn{suffix}")  # what a file is shows in its bytes, not in its name
    expected = net(picture)
    assert expected.std() > 0.02
    np.testing.assert_allclose(computed(path, picture), expected, rtol=0, atol=1e-5)
    told = inspect_foreign(path)
    assert (told.info.arch, told.info.scale, told.info.receptive_radius) == ("rdn_concat", 4, BLOCKS * LAYERS + 3)
    assert any("connected" in note for note in told.notes) == (write in (keras_weights, keras_2_weights))


@pytest.mark.parametrize("options", [{"first_last": False}, {"relu_layers": True}, {"linear": True}], ids=str)
@pytest.mark.parametrize("write", [keras_archive, keras_2], ids=lambda each: each.__name__)
def test_order_and_activations_are_read_from_the_description(
    write: Callable[[Net, Path], Path], options: dict[str, bool], picture: Array, tmp_path: Path
) -> None:
    net = Net(**options)
    np.testing.assert_allclose(computed(write(net, tmp_path / "rdn.keras"), picture), net(picture), rtol=0, atol=1e-5)


def test_the_projects_own_size(tmp_path: Path) -> None:
    info = inspect_foreign(keras_archive(Net(full=True), tmp_path / "rdn.keras")).info
    weights = read_checkpoint(tmp_path / "rdn.keras").weights
    assert sum(array.size for array in weights.values()) == 314_115
    assert info.hyper == {
        "num_in_ch": 3,
        "num_out_ch": 3,
        "num_first": 32,
        "num_feat": 64,
        "num_grow_ch": 16,
        "num_block": 4,
        "num_layer": 3,
        "upscale": 4,
        "relu_after": ["dense", "local", "up"],
    }


# --- idealo's RRDN


def test_rrdn_of_idealo(picture: Array, tmp_path: Path) -> None:
    """Weights only, by name, with TensorFlow's depth_to_space."""
    rng = np.random.default_rng(2)
    sizes = {"Pre_blocks_conv": (3, 8), "post_blocks_conv": (8, 8), "PreShuffle": (8, 12), "SR": (3, 3)}
    for t, d in ((1, 1), (1, 2), (2, 1), (2, 2)):
        sizes |= {f"F_{t}_{d}_{c}": (8 + 4 * (c - 1), 4) for c in (1, 2, 3)} | {f"LFF_{t}_{d}": (20, 8)}
    weights = {
        name: (rng.normal(0, 0.6 / into**0.5, (3, 3, into, out)).astype(np.float32), rng.normal(0, 0.1, out).astype(np.float32))
        for name, (into, out) in sizes.items()
    }
    with h5py.File(tmp_path / "rrdn.hdf5", "w") as file:
        for name, (kernel, bias) in weights.items():
            file[f"{name}/{name}/kernel:0"], file[f"{name}/{name}/bias:0"] = kernel, bias

    pre = x = conv(picture, *weights["Pre_blocks_conv"])
    for t in (1, 2):
        block = x
        for d in (1, 2):
            seen = block
            for c in (1, 2, 3):
                seen = np.concatenate([seen, relu(conv(seen, *weights[f"F_{t}_{d}_{c}"]))], -1)
            block = block + 0.2 * conv(seen, *weights[f"LFF_{t}_{d}"])
        x = x + 0.2 * block
    x = conv(conv(x, *weights["post_blocks_conv"]) + pre, *weights["PreShuffle"])
    height, width = picture.shape[:2]
    x = x.reshape(height, width, 2, 2, 3).transpose(0, 2, 1, 3, 4).reshape(2 * height, 2 * width, 3)
    expected = conv(x, *weights["SR"])
    found = computed(tmp_path / "rrdn.hdf5", picture)
    assert expected.std() > 0.05
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


# --- what is refused


def refused(path: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_programs_in_the_description_are_not_run(tmp_path: Path) -> None:
    net, canary = Net(), tmp_path / "canary"
    config = net.config(3)
    layers = config["config"]["layers"]
    program = {"class_name": "__lambda__", "config": {"code": f"open({str(canary)!r}, 'w')"}}
    source = layers[1]["config"]["name"]
    layers.insert(2, {"class_name": "Lambda", "config": {"name": "sly", "function": program}, "inbound_nodes": [[source, 0, 0]]})
    refused(keras_archive(net, tmp_path / "rdn.keras", config), "its layer 'sly' is a Lambda, a program inside the file, which")
    assert not canary.exists()


def test_connections_that_differ(tmp_path: Path) -> None:
    def changed(change: Callable[[list[dict[str, Any]]], None], match: str) -> None:
        net = Net()
        config = net.config(3)
        change(config["config"]["layers"])
        refused(keras_archive(net, tmp_path / "rdn.keras", config), match)

    def kind(layers: list[dict[str, Any]], old: str, new: str) -> None:
        next(each for each in layers if each["class_name"] == old)["class_name"] = new

    def setting(layers: list[dict[str, Any]], layer: int, **settings: Any) -> None:  # noqa: ANN401
        layers[layer]["config"].update(settings)

    changed(lambda layers: kind(layers, "Concatenate", "Add"), "kind Add has no counterpart")
    changed(lambda layers: setting(layers, -1, activation="tanh"), "its last layer ends in tanh, where a sigmoid is known")
    changed(lambda layers: setting(layers, 1, padding="valid"), "has padding valid, where same is known")
    changed(lambda layers: setting(layers, 2, activation="elu"), r"have the activations elu, relu")
    changed(lambda layers: layers.insert(0, layers.pop(3)), "takes what no layer before it gives")
    changed(lambda layers: layers[-1].update(inbound_nodes=layers[-3]["inbound_nodes"]), "RDN of concatenations, but '.*' takes")


def test_unknown_networks_of_keras(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["dense/dense/kernel:0"], file["dense/dense/bias:0"] = np.zeros((4, 4)), np.zeros(4)
    refused(tmp_path / "net.h5", "it is a Keras network that is unknown: 1 layers, named dense")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    refused(tmp_path / "empty.h5", "a Keras file without weights")


def external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.ones(3)
    file["layers/conv2d_99"] = h5py.ExternalLink(str(folder / "other.h5"), "/secret")


def external_root(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.ones(3)
    file["model_weights"] = h5py.ExternalLink(str(folder / "other.h5"), "/")


def soft_link(file: h5py.File, folder: Path) -> None:
    file["layers/again"] = h5py.SoftLink("/layers")


def external_bytes(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_bytes(bytes(range(64)))
    file.create_dataset("layers/raw", (16,), np.float32, external=[(str(folder / "secret"), 0, 64)])


def virtual(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.ones(3)
    layout = h5py.VirtualLayout((3,), np.float64)
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "secret", (3,))
    file.create_virtual_dataset("layers/virtual", layout)


def compressed(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/bomb", (1 << 24,), np.float32, compression="gzip")


def unwritten(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/vast", (1 << 40,), np.float32)


def texts(file: h5py.File, folder: Path) -> None:
    file["layers/text"] = "words"


def itself(file: h5py.File, folder: Path) -> None:
    file["layers/conv2d/loop"] = file["layers"]


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (external_link, "holds the link 'layers/conv2d_99', which Keras never writes"),
        (external_root, "holds the link 'model_weights'"),
        (soft_link, "holds the link 'layers/again'"),
        (external_bytes, "'layers/raw' as a pointer to another file"),
        (virtual, "'layers/virtual' as a pointer to another file"),
        (compressed, "'layers/bomb' compressed"),
        (unwritten, "'layers/vast' with 4,398,046,511,104 bytes, of which the file has 0"),
        (texts, "'layers/text' as object, which are no plain numbers"),
        (itself, "nests or repeats groups without end|claims more numbers than it has bytes"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_keras_never_writes(spoil: Callable[[h5py.File, Path], None], match: str, tmp_path: Path) -> None:
    path = keras_weights(Net(), tmp_path / "rdn.h5")
    with h5py.File(path, "r+") as file:
        spoil(file, tmp_path)
    refused(path, match)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("write", [keras_archive, keras_2], ids=lambda each: each.__name__)
def test_files_cut_short(write: Callable[[Net, Path], Path], share: float, tmp_path: Path) -> None:
    path = write(Net(), tmp_path / "rdn.keras")
    os.truncate(path, int(path.stat().st_size * share))
    refused(path, "damaged|cut")


def test_an_archive_that_unpacks_to_more_than_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rdn.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(4 << 20))
    refused(tmp_path / "rdn.keras", r"would unpack to 4,194,304; Keras never compresses")


def test_descriptions_that_are_no_description(picture: Array, tmp_path: Path) -> None:
    net = Net()
    for config in ([], {"class_name": "Functional", "config": 3}, {"class_name": "Sequential", "config": {"layers": []}}):
        path = keras_archive(net, tmp_path / "rdn.keras", config)
        assert "connected" in inspect_foreign(path).notes[0]
        np.testing.assert_allclose(computed(path, picture), net(picture), rtol=0, atol=1e-5)


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    net = Net()
    next(iter(net.kernels.values()))[0][0] = np.nan
    refused(keras_archive(net, tmp_path / "rdn.keras"), r"'conv_first\.weight' holds 54 of 162 values that are not finite")


def test_h5py_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keras_archive(Net(), tmp_path / "rdn.keras")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"rdn\.keras' needs h5py.*pip install 'clearvision\[keras\]'"):
        read_checkpoint(path)
