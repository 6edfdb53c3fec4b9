"""InfarctSynth's jobs, held in their middle: from there on they only listen for being cancelled or killed."""

import time
from importlib import import_module

HELD_AT_GENERATION = 2


def __getattr__(name):
    job = getattr(import_module("cardiactwins.infarct.jobs"), name)

    def held(*, folder, progress, **arguments):
        generations = 0

        def listen(step, total, message="", values=None):
            nonlocal generations
            progress(step, total, message, values)
            generations += "parameters" in (values or {})
            if total and (name != "personalize_job" or generations >= HELD_AT_GENERATION):
                while True:
                    time.sleep(0.02)
                    progress(step, total, message)

        return job(folder=folder, progress=listen, **arguments)

    return held
