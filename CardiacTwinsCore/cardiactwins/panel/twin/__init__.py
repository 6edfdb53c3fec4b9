"""The sections of the TwinEditor panel."""
