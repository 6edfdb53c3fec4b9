"""Nodes to arrays and back; the only package that imports slicer."""
