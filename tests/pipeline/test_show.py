"""The pipeline as text and as a diagram."""

from pipeline.cli import show


def test_the_diagram_has_every_step_and_says_which_branch_is_which() -> None:
    lines = list(show.mermaid())
    assert lines[0] == "flowchart TD"
    assert '    AccuracyGate{"Accurate enough?<br/><small>AccuracyGate, Condition</small>"}' in lines
    assert "    AccuracyGate -- yes --> Register" in lines
    assert "    AccuracyGate -- no --> AccuracyTooLow" in lines
    assert "    Preprocess --> Train" in lines


def test_the_text_has_the_steps_in_order_with_their_descriptions_and_every_parameter() -> None:
    text = "\n".join(show.text())
    places = [
        text.index(f"{name}  [") for name in ("Preprocess", "Train", "Predict", "Evaluate", "AccuracyGate")
    ]
    assert places == sorted(places)
    assert "AccuracyTooLow  [Fail]  after AccuracyGate, Evaluate, if no" in text
    assert "AccuracyThreshold" in text
    assert "0.88" in text
