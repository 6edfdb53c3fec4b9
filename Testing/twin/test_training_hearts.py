import numpy as np
import pytest

from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.twin.training_hearts import HeartFolder, draw_phantoms


def test_phantoms_are_drawn_once_each_from_its_own_seed(tmp_path):
    hearts = draw_phantoms(tmp_path, 2, workers=1)
    assert len(hearts) == 2
    assert np.array_equal(hearts[1], whole_heart_phantom(np.random.default_rng([1, 1])).labels)
    written = hearts.paths[0].stat().st_mtime_ns
    hearts.paths[1].unlink()
    again = draw_phantoms(tmp_path, 2, workers=1)
    assert len(again) == 2 and again.paths[0].stat().st_mtime_ns == written
    assert again.fingerprint() == hearts.fingerprint()


def test_hearts_are_read_back_in_order(tmp_path):
    rng = np.random.default_rng(0)
    maps = [np.repeat(rng.integers(7, size=(1, 1, 128)), 128, axis=0).astype(np.uint8) for _ in range(3)]
    maps = [np.repeat(labels, 128, axis=1) for labels in maps]
    for number in (2, 0, 1):
        HeartFolder.write(tmp_path, number, maps[number])
    hearts = HeartFolder(tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(hearts, maps, strict=True))
    assert len(hearts[1:]) == 2 and np.array_equal(hearts[-1], maps[2])
    before = hearts.fingerprint()
    HeartFolder.write(tmp_path, 0, maps[1])
    assert HeartFolder(tmp_path).fingerprint() != before


def test_files_of_something_else_are_refused_with_their_name(tmp_path):
    HeartFolder.write(tmp_path, 0, np.zeros((4, 4, 4), dtype=np.uint8))
    (tmp_path / "heart-00001.npz").write_bytes(b"damaged")
    hearts = HeartFolder(tmp_path)
    with pytest.raises(ValueError, match=r"heart-00000.npz has shape \(4, 4, 4\)"):
        hearts[0]
    with pytest.raises(ValueError, match=r"heart-00001.npz is no label map"):
        hearts[1]
    with pytest.raises(FileNotFoundError, match="no folder"):
        HeartFolder(tmp_path / "missing")
