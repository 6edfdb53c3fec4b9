"""The sections of the InfarctSynth panel."""
