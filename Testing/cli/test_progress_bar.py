from cardiactwins.cli_progress import progress_bar


def test_without_a_terminal_each_new_message_becomes_a_line(capsys):
    with progress_bar("personalize") as progress:
        progress(0, 34, "generation 1")
        progress(0, 34, "generation 1")
        progress(1, 34)
        progress(2, 34, "loss 0.1", {"loss": 0.1})
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["personalize 0/34: generation 1", "personalize 2/34: loss 0.1"]
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
