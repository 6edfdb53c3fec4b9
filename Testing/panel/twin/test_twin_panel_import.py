"""Hearts that are imported in the TwinEditor panel: sample data, tissues by hand, doubts, changes later."""

from pathlib import Path

from twin_steps import (
    NAME,
    finish,
    occupied,
    parameters,
    texts,
)


def test_the_phantom_heart_is_in_the_sample_data_module_too(host, editor):
    from SampleData import SampleDataLogic

    sources = SampleDataLogic.sampleDataSourcesByCategory("CardiacTwins")
    (source,) = [one for one in sources if one.sampleName == "WholeHeartPhantom"]
    assert Path(source.thumbnailFileName).is_file()
    (node,) = source.customDownloader(source)
    assert node.GetSegmentation().GetNumberOfSegments() == 6
    host.choose(editor.ui.segmentationSelector, NAME)
    assert editor.ui.importButton.enabled


def test_tissues_are_assigned_where_names_do_not_tell(host, editor, scan):
    from cardiactwins.anatomy.heart_tissues import Tissue
    from cardiactwins.mrml.twin_segmentation import SegmentStyle, new_heart_segmentation

    styles = {tissue: SegmentStyle(f"Part {int(tissue)}", (0.5, 0.5, 0.5), "") for tissue in Tissue}
    parameters(editor).segmentation = new_heart_segmentation("Unnamed", *scan, styles)
    ui = editor.ui
    finish(host, editor, ui.importButton)
    assert "Part 1" in host.dialogs.texts("error")[-1] and editor.panel.context.case() is None
    for tissue in Tissue:
        host.choose(getattr(ui, f"{tissue.name.lower()}RoleBox"), f"Part {int(tissue)}")
    host.dialogs.clear()
    finish(host, editor, ui.importButton)
    assert host.dialogs.texts("error") == []
    assert [row[1] for row in texts(ui.twinTable)] == [f"Part {n}" for n in range(1, 7)]


def test_what_is_wrong_with_a_heart_is_told_and_can_be_cleaned(host, editor, scan):
    from cardiactwins.mrml.twin_segmentation import new_heart_segmentation

    labels = scan[0].copy()
    labels[2:4, 2:4, 2:4] = 6
    parameters(editor).segmentation = new_heart_segmentation("Specks", labels, scan[1])
    finish(host, editor, editor.ui.importButton)
    assert "LA has specks: it lies in 2 pieces" in editor.ui.reviewLabel.text
    host.click(editor.ui.cleanButton)
    host.wait(lambda: not occupied(editor))
    assert "8 voxels of LA" in editor.ui.reviewLabel.text and "2 pieces" not in editor.ui.reviewLabel.text
    assert editor.ui.cleanBox.checked


def test_a_segmentation_that_is_painted_in_later_has_to_be_imported_again(heart):
    segment = parameters(heart).segmentation.GetSegmentation().GetSegment("LV")
    parameters(heart).segmentation.GetSegmentation().CreateRepresentation("Closed surface")
    heart.panel.update()
    assert "changed" not in heart.ui.reviewLabel.text
    segment.GetRepresentation("Binary labelmap").Modified()
    heart.panel.update()
    assert "was changed since it was imported" in heart.ui.reviewLabel.text


def test_a_segmentation_that_loses_a_segment_has_to_be_imported_again(heart):
    from cardiactwins.panel.twin.context import ImportedHeart, content_version

    node, context = parameters(heart).segmentation, heart.panel.context
    segmentation = node.GetSegmentation()
    segmentation.SeparateSegmentLabelmap("Ao")
    segmentation.GetSegment("LV").GetRepresentation("Binary labelmap").Modified()
    context.imported[node.GetID()] = ImportedHeart.of(context.case(), {}, content_version(node))
    heart.panel.update()
    assert "was changed" not in heart.ui.reviewLabel.text
    segmentation.RemoveSegment("Ao")
    heart.panel.update()
    assert "was changed since it was imported" in heart.ui.reviewLabel.text


def test_a_segmentation_that_is_painted_in_while_it_is_imported_has_to_be_imported_again(host, editor):
    host.click(editor.ui.sampleButton)
    host.click(editor.ui.importButton)
    host.wait(lambda: editor.panel.worker.busy)
    segment = parameters(editor).segmentation.GetSegmentation().GetSegment("LV")
    segment.GetRepresentation("Binary labelmap").Modified()
    host.wait(lambda: not occupied(editor))
    assert "was changed since it was imported" in editor.ui.reviewLabel.text
    finish(host, editor, editor.ui.importButton)
    assert "was changed" not in editor.ui.reviewLabel.text
