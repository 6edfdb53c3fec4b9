"""What Sample Data offers under CardiacTwins; with Slicer's own module where a checkout is named."""

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ICON = ROOT / "InfarctSynth" / "Resources" / "Icons" / "InfarctPhantoms.png"


@pytest.fixture
def offered(host):
    """`offered()`: name -> source of what is registered now; before the test there is nothing.

    After it there is again what modules that other tests have loaded had registered.
    """
    from SampleData import SampleDataLogic

    host.loadModule(ROOT / "InfarctSynth" / "InfarctSynth.py")
    sources = SampleDataLogic.sampleDataSourcesByCategory()
    registered = sources.pop("CardiacTwins", None)
    yield lambda: {source.sampleName: source for source in sources.get("CardiacTwins", [])}
    sources.pop("CardiacTwins", None)
    if registered is not None:
        sources["CardiacTwins"] = registered


@pytest.fixture
def logic(host):
    """Sample Data's logic, with a cache of its own folder."""
    from SampleData import SampleDataLogic

    return SampleDataLogic()


@pytest.fixture
def released(host, tmp_path):
    """`released(sha256=None)`: a list with one scene of two phantoms, below the address of a folder."""
    from cardiactwins.mrml.saving import save_scene
    from cardiactwins.panel.infarct.sample_data import addPhantoms

    cache = host.scene.GetCacheManager()
    folder = cache.GetRemoteCacheDirectory()
    cache.SetRemoteCacheDirectory(str(tmp_path / "cache"))
    addPhantoms(2)
    scene = save_scene(tmp_path / "v9" / "phantoms.mrb")
    host.scene.Clear(False)

    def write(sha256=None, **changes):
        digest = hashlib.sha256(Path(scene).read_bytes()).hexdigest()
        file = {"name": "Two phantoms", "release": "v9", "file": "phantoms.mrb", "sha256": sha256 or digest}
        listed = {"address": tmp_path.as_uri(), "files": [file | changes]}
        path = tmp_path / "downloads.json"
        path.write_text(json.dumps(listed), encoding="utf-8")
        return path

    yield write
    cache.SetRemoteCacheDirectory(folder)


def segmentations():
    import slicer

    return {node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")}


def test_the_module_offers_phantoms_when_the_application_has_started(host, offered):
    host.loadModule(ROOT / "InfarctSynth" / "InfarctSynth.py")
    import InfarctSynth

    InfarctSynth.registerSampleData()
    source = offered()["InfarctPhantoms"]
    assert Path(source.thumbnailFileName) == ICON and ICON.exists()


def test_phantoms_are_made_by_a_click_offline_and_are_alike_each_time(host, offered):
    from cardiactwins.mrml.segmentations import segment_array
    from cardiactwins.panel.infarct.sample_data import PHANTOMS, addPhantoms, register

    assert register(ICON)
    nodes = offered()["InfarctPhantoms"].customDownloader(offered()["InfarctPhantoms"])
    assert len(nodes) == PHANTOMS and segmentations() == {f"Phantom {n:02d}" for n in range(1, PHANTOMS + 1)}
    again = addPhantoms(1)
    assert (segment_array(nodes[0], "infarct") == segment_array(again[0], "infarct")).all()


def test_phantoms_that_are_asked_for_twice_lie_in_folders_of_different_names(host):
    from cardiactwins.panel.infarct.sample_data import addPhantoms

    hierarchy = host.scene.GetSubjectHierarchyNode()
    folders = [hierarchy.GetItemParent(hierarchy.GetItemByDataNode(addPhantoms(1)[0])) for _ in range(2)]
    first, second = map(hierarchy.GetItemName, folders)
    assert first == "Phantom patients" and second.startswith(first) and second != first


def test_registering_again_replaces_what_was_registered(host, offered, released):
    from cardiactwins.panel.infarct.sample_data import register

    for sha256 in ("0" * 64, "1" * 64):
        assert register(downloads=released(sha256))
    assert set(offered()) == {"InfarctPhantoms", "Two phantoms"}
    assert offered()["Two phantoms"].checksums == [f"SHA256:{'1' * 64}"]


def test_a_released_file_is_downloaded_verified_and_loaded(host, offered, logic, released, tmp_path):
    from cardiactwins.panel.infarct.sample_data import register

    register(downloads=released())
    files = logic.downloadFromSource(offered()["Two phantoms"])
    assert [Path(file) for file in files] == [tmp_path / "cache" / "phantoms.mrb"]
    assert segmentations() == {"Phantom 01", "Phantom 02"}


def test_a_file_of_another_checksum_is_not_loaded(host, offered, logic, released, tmp_path):
    from cardiactwins.panel.infarct.sample_data import register

    register(downloads=released("0" * 64))
    assert logic.downloadFromSource(offered()["Two phantoms"]) == []
    assert segmentations() == set() and not (tmp_path / "cache" / "phantoms.mrb").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"sha256": "unknown"}, "64 hexadecimal digits"), ({"file": "phantoms.zip"}, "is no scene")],
)
def test_files_without_a_checksum_or_of_another_kind_are_refused(host, released, changes, said):
    from cardiactwins.panel.infarct.sample_data import downloadsOf

    with pytest.raises(ValueError, match=said):
        downloadsOf(released(**changes))


def test_the_list_that_is_shipped_names_releases_of_this_extension(host):
    from cardiactwins.panel.infarct.sample_data import DOWNLOADS, downloadsOf

    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    homepage = re.search(r'EXTENSION_HOMEPAGE "(.+)"', text)[1]
    assert json.loads(DOWNLOADS.read_text(encoding="utf-8"))["address"].startswith(f"{homepage}/releases/")
    assert all(source["uris"].startswith(homepage) for source in downloadsOf(DOWNLOADS))
