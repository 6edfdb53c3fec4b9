"""The widgets around a run, which tests of its controls work."""


class Panel:
    """The widgets around a run, and what its callbacks were told."""

    def __init__(self, worker, onApply=None):
        import qt

        from cardiactwins.panel.run_controls import RunControls

        self.button, self.bar, self.label = qt.QPushButton("Personalize"), qt.QProgressBar(), qt.QLabel()
        self.button.toolTip = "Find the parameters of the model (minutes)"
        self.controls = RunControls(self.button, self.bar, self.label, worker, onApply)
        self.events, self.results, self.failures, self.cancelled = [], [], [], 0

    def start(self, job, **more):
        callbacks = {
            "onDone": self.results.append,
            "onProgress": self.events.append,
            "onFailed": self.failures.append,
            "onCancelled": self._onCancelled,
        }
        self.controls.start(job, **(callbacks | more))

    def _onCancelled(self):
        self.cancelled += 1

    @property
    def idle(self):
        return not self.controls.running
