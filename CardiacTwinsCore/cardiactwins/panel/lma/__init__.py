"""The sections of the LMAReconstruct panel."""
