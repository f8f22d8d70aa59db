"""Files that would harm: nothing in them may run, and each is refused in one sentence."""

from __future__ import annotations

import collections
import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clearvision.errors import MissingExtraError, ModelError
from clearvision.zoo.checkpoint import read_checkpoint, read_info
from clearvision.zoo.files import file_kind, read_tree


class Bomb:
    """Calls a function with arguments when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def system(canary: Path) -> Bomb:
    return Bomb(os.system, f"touch {canary}")


def evaluated(canary: Path) -> Bomb:
    return Bomb(eval, f"__import__('pathlib').Path({str(canary)!r}).touch()")


def executed(canary: Path) -> Bomb:
    return Bomb(exec, f"__import__('pathlib').Path({str(canary)!r}).touch()")


def opened(canary: Path) -> Bomb:
    return Bomb(open, str(canary), "w")


def plain_pickle(bomb: Bomb, path: Path) -> None:
    path.write_bytes(pickle.dumps({"params": bomb}, protocol=2))


def newest_pickle(bomb: Bomb, path: Path) -> None:
    path.write_bytes(pickle.dumps([np.zeros(2), bomb], protocol=5))


def torch_zip(bomb: Bomb, path: Path) -> None:
    torch.save(bomb, path)


def beside_weights(bomb: Bomb, path: Path) -> None:
    torch.save({"params": {"conv_first.weight": torch.zeros(4, 3, 3, 3)}, "args": {"note": [bomb]}}, path)


def before_1_6(bomb: Bomb, path: Path) -> None:
    torch.save({"params": bomb}, path, _use_new_zipfile_serialization=False)


def in_ordered_dict(bomb: Bomb, path: Path) -> None:
    torch.save(collections.OrderedDict(w=torch.zeros(1), x=bomb), path)


def pickle_in_zip(bomb: Bomb, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(bomb))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")


def compressed_zip(bomb: Bomb, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(bomb))
        archive.writestr("archive/version", "3\n")


def weights_inside_zip(bomb: Bomb, path: Path) -> None:
    inner = io.BytesIO()
    torch.save(bomb, inner)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.pth", inner.getvalue())


def first_tar(bomb: Bomb, path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            content = pickle.dumps(bomb)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def object_array(bomb: Bomb, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([bomb], dtype=object), allow_pickle=True)


def npz(bomb: Bomb, path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, w=np.array([bomb], dtype=object))


def gzipped(bomb: Bomb, path: Path) -> None:
    path.write_bytes(gzip.compress(pickle.dumps(bomb)))


def by_hand(bomb: Bomb, path: Path) -> None:
    """A text pickle, which begins with no sign of its own."""
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(bomb.call[1][0]).encode() + b"'\ntR.")


FORMS = (
    plain_pickle,
    newest_pickle,
    torch_zip,
    beside_weights,
    before_1_6,
    in_ordered_dict,
    pickle_in_zip,
    compressed_zip,
    weights_inside_zip,
    first_tar,
    object_array,
    npz,
    gzipped,
    by_hand,
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("payload", [system, evaluated, executed, opened], ids=lambda payload: payload.__name__)
def test_nothing_in_a_file_is_executed(
    payload: Callable[[Path], Bomb], form: Callable[[Bomb, Path], None], tmp_path: Path
) -> None:
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    form(payload(canary), path)
    for read in (read_checkpoint, read_info):
        with pytest.raises(ModelError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not canary.exists()


def test_the_bombs_are_live(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    for number, payload in enumerate((system, evaluated, executed, opened)):
        canary = tmp_path / f"canary{number}"
        plain_pickle(payload(canary), tmp_path / "weights.pth")
        loaded = pickle.loads((tmp_path / "weights.pth").read_bytes())
        if payload is opened:
            loaded["params"].close()
        assert canary.exists()


def test_the_sentence_names_what_was_refused(tmp_path: Path) -> None:
    beside_weights(system(tmp_path / "canary"), tmp_path / "bad.pth")
    with pytest.raises(ModelError, match=r"holds more than weights \('\w+\.system'\).*save net\.state_dict\(\) instead"):
        read_checkpoint(tmp_path / "bad.pth")


def test_a_whole_network_object_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(torch.nn.Conv2d(3, 3, 3), tmp_path / "model.pkl")
    with pytest.raises(ModelError, match=r"\('torch\.nn\.modules\.conv\.Conv2d'\).*save net\.state_dict\(\) instead"):
        read_checkpoint(tmp_path / "model.pkl")


def test_programs_are_not_weights(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:  # as torch.jit.save lays it out
        for name in ("net/data.pkl", "net/code/__torch__.py", "net/constants.pkl", "net/version"):
            archive.writestr(name, "")
    with pytest.raises(ModelError, match="is a TorchScript program, which runs code; give the state dict"):
        read_checkpoint(tmp_path / "script.pt")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_files_cut_short(tmp_path: Path, share: float, legacy: bool) -> None:
    path = tmp_path / "cut.pth"
    torch.save({"params": {"w": torch.zeros(64, 64)}}, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match=r"cut\.pth' .*(damaged|no weights|cut short)"):
        read_checkpoint(path)


def test_a_cut_safetensors_file(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[64],"data_offsets":[0,256]}}'
    path = tmp_path / "cut.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(100))
    with pytest.raises(ModelError, match="is not a readable safetensors file"):
        read_checkpoint(path)


def test_a_zip_that_unpacks_to_more_than_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(4 << 20))
    with pytest.raises(ModelError, match=r"would unpack to 4,\d+,\d+; PyTorch never compresses"):
        read_checkpoint(tmp_path / "bomb.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404", "is a web page or XML.*download probably failed"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "is a pointer of Git LFS.*git lfs pull"),
        (b"\x89PNG\r\n", "is a picture"),
        (b"7767517\n75 83\n", "is an ncnn graph"),
        (b"hello, world", "is of no kind that is known"),
    ],
)
def test_what_is_no_weights_at_all(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        file_kind(tmp_path / "model.pth")


def test_other_peoples_files_need_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"w": torch.zeros(1)}, tmp_path / "model.pth")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"needs PyTorch.*pip install 'clearvision\[torch\]', or convert it"):
        read_tree(tmp_path / "model.pth")


def test_an_old_pytorch_is_not_let_near_a_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"w": torch.zeros(1)}, tmp_path / "model.pth")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(ModelError, match=r"PyTorch 2\.9\.1\+cpu cannot open safely \(CVE-2026-24747\); update to 2\.10"):
        read_tree(tmp_path / "model.pth")


def test_a_container_that_holds_itself_ends(tmp_path: Path) -> None:
    endless: dict[str, Any] = {}
    endless["state_dict"] = endless
    torch.save(endless, tmp_path / "endless.pth")
    with pytest.raises(ModelError, match="it holds no weights"):
        read_checkpoint(tmp_path / "endless.pth")
