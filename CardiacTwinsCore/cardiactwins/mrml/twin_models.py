"""Meshes of a whole heart as models in the scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.twin_segmentation import SegmentStyle
from cardiactwins.mrml.twin_surfaces import HeartSurfaces, tissue_poly_data

__all__ = ["new_surface_models"]


def new_surface_models(
    name: str, surfaces: HeartSurfaces, styles: Mapping[Tissue, SegmentStyle] | None = None
) -> dict[Tissue, Any]:
    """Model nodes in the scene, one a tissue, named 'NAME: LV' and coloured as the tissue's segment."""
    scene = start().scene
    models = {}
    for tissue in Tissue:
        if tissue not in surfaces.mesh.labels:
            continue
        style = (styles or {}).get(tissue) or SegmentStyle.standard(tissue)
        node = scene.AddNewNodeByClass("vtkMRMLModelNode", f"{name}: {style.name}")
        node.SetAndObservePolyData(tissue_poly_data(surfaces.mesh, tissue))
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetColor(*style.color)
        node.GetDisplayNode().SetScalarVisibility(False)
        models[tissue] = node
    return models
