"""Running things: progress and cancel, safe files, run reports, scheduling, devices."""
