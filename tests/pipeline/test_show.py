"""The pipeline as text and as a diagram."""

import pytest

from pipeline import settings
from pipeline.cli import show
from pipeline.dag import Definition

CONFIG = settings.load("local", variables={})


@pytest.fixture(scope="module")
def graph() -> Definition:
    return Definition.parse(show.definition_of(CONFIG))


def test_the_diagram_has_every_step_and_says_which_branch_is_which(graph: Definition) -> None:
    lines = list(show.mermaid(graph))
    assert lines[0] == "flowchart TD"
    assert '    AccuracyGate{"Accurate enough?<br/><small>AccuracyGate, Condition</small>"}' in lines
    assert "    AccuracyGate -- yes --> Register" in lines
    assert "    AccuracyGate -- no --> AccuracyTooLow" in lines
    assert "    Preprocess --> Train" in lines


def test_the_text_has_the_steps_in_order_with_their_descriptions_and_every_parameter(
    graph: Definition,
) -> None:
    text = "\n".join(show.text(graph, CONFIG))
    places = [
        text.index(f"{name}  [") for name in ("Preprocess", "Train", "Predict", "Evaluate", "AccuracyGate")
    ]
    assert places == sorted(places)
    assert "AccuracyTooLow  [Fail]  after AccuracyGate, Evaluate, if no" in text
    assert "AccuracyThreshold" in text
    assert "0.88" in text
