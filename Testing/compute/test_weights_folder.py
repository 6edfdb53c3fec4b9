"""Weights files, told from their cards: without PyTorch, and whatever lies in the folders."""

import hashlib
import json

import pytest

from cardiactwins.compute.weights_folder import add_weights, delete_weights, listed_weights, used_weights

KINDS = ("toy", "other")


def weights(folder, name="a", kind="toy", content=b"numbers", **changes):
    """A file that looks like weights, and its card."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    path.write_bytes(content)
    card = {"format": "cardiactwins weights 1", "kind": kind, "file": path.name, "bytes": len(content)}
    card |= {"sha256": hashlib.sha256(content).hexdigest(), "licence": "CC0", "data": "drawn"} | changes
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return path


@pytest.fixture
def folders(tmp_path):
    """The library's folder, with one file, and the user's, which is not there yet."""
    weights(tmp_path / "library")
    return tmp_path / "library", tmp_path / "own"


def test_the_users_weights_are_used_before_the_librarys_and_replaced_by_newer_ones(folders, tmp_path):
    (library,) = listed_weights(*folders)
    assert listed_weights(folders[0], None) == [library]
    assert (library.kind, library.size, library.licence, library.own) == ("toy", 7, "CC0", False)
    assert used_weights([library], "toy") is library and used_weights([library], "other") is None
    add_weights(weights(tmp_path / "download", "b", content=b"better"), folders[1], KINDS)
    used = used_weights(listed_weights(*folders), "toy")
    assert used.own and used.path.read_bytes() == b"better" and used.check() == ""
    add_weights(weights(tmp_path / "download", "c", content=b"best"), folders[1], KINDS)
    assert [file.path.name for file in listed_weights(*folders)] == ["c.safetensors", "a.safetensors"]
    delete_weights(used_weights(listed_weights(*folders), "toy"))
    assert not list(folders[1].iterdir()) and used_weights(listed_weights(*folders), "toy") == library
    with pytest.raises(ValueError, match="came with the library"):
        delete_weights(library)
    assert library.path.exists()


def test_a_file_of_ones_own_folder_can_be_added_again(folders, tmp_path):
    path = weights(folders[1])
    assert add_weights(path, folders[1], KINDS).path == path and path.exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b"NUMBERS"), "SHA256 differs"),
        (lambda path: path.write_bytes(b"short"), "has 5 bytes, its card says 7"),
        (lambda path: path.with_suffix(".json").write_text("{"), "its card is damaged"),
        (lambda path: path.with_suffix(".json").write_text("[]"), "is no card of weights of this version"),
    ],
)
def test_what_is_damaged_is_told_and_not_added(folders, tmp_path, spoil, said):
    path = weights(tmp_path / "download")
    spoil(path)
    with pytest.raises(ValueError, match=said):
        add_weights(path, folders[1], KINDS)
    assert not folders[1].exists()
    weights(folders[1])
    spoil(folders[1] / "a.safetensors")
    assert said in listed_weights(*folders)[-1].check() or said in listed_weights(*folders)[0].check()


def test_what_is_not_there_or_of_another_kind_is_refused(folders, tmp_path):
    bare = weights(tmp_path / "download")
    bare.with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match="with its card"):
        add_weights(bare, folders[1], KINDS)
    with pytest.raises(ValueError, match="holds weights of 'elephant'; used here: toy, other"):
        add_weights(weights(tmp_path / "d", kind="elephant"), folders[1], KINDS)


def test_weights_of_several_files_are_one_and_move_together(tmp_path):
    folders = tmp_path / "library", tmp_path / "own"
    content = b"more numbers"
    part = {"file": "a.2.safetensors", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    path = weights(tmp_path / "download", parts=[part])
    with pytest.raises(ValueError, match=r"a\.2\.safetensors, which belongs to it, is missing"):
        add_weights(path, folders[1], KINDS)
    second = path.with_name(part["file"])
    second.write_bytes(content[::-1])
    with pytest.raises(ValueError, match=r"a\.2\.safetensors is not the file that its card describes"):
        add_weights(path, folders[1], KINDS)
    second.write_bytes(content)
    assert add_weights(path, folders[1], KINDS).size == len(b"numbers") + len(content)
    (listed,) = listed_weights(*folders)
    assert listed.check() == "" and (folders[1] / second.name).read_bytes() == content
    delete_weights(listed)
    assert not list(folders[1].iterdir())
