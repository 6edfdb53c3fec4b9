from types import SimpleNamespace

from cardiactwins.cli_progress import progress_bar


def test_without_a_terminal_a_long_run_prints_a_line_every_half_minute(capsys, monkeypatch):
    clock = iter([0, 10, 29, 30, 59, 61])
    monkeypatch.setattr("cardiactwins.cli_progress.time", SimpleNamespace(monotonic=lambda: next(clock)))
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with progress_bar("personalize") as progress:
        progress(1, 34, "after 10 s")
        progress(2, 34, "after 29 s")
        progress(3, 34, "after 30 s", {"loss": 0.1})
        progress(4, 34, "after 59 s")
        progress(5, 34, "after 61 s")
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["personalize 3/34: after 30 s", "personalize 5/34: after 61 s"]
    assert captured.out == ""


def test_a_terminal_sees_a_bar_with_step_and_message(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with progress_bar("personalize [2D]") as progress:
        progress(17, 34, "loss 0.1 [elliptical]")
    shown = capsys.readouterr().err
    assert "17/34" in shown
    assert "personalize [2D]" in shown
    assert "loss 0.1 [elliptical]" in shown
