"""The one command of the README, as it is, on all 25,000 reviews. Takes some minutes."""

import json

from test_end_to_end import ORDER, pipeline


def test_the_whole_run_on_the_real_reviews_reaches_the_accuracy_it_promises(tmp_path):
    home = tmp_path / "state"
    result = pipeline(home, "--local", "--json", module="pipeline.run")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["status"] == "Succeeded"
    assert [step["name"] for step in answer["steps"] if step["status"] == "Succeeded"] == ORDER
    assert answer["accuracy"] >= 0.88
    assert 2400 <= answer["test_size"] <= 2500  # a tenth of the reviews, duplicates dropped
    report = json.loads(next((home / "s3").rglob("data_report.json")).read_text())
    assert report["input"]["reviews"] == 25_000
    for review, label in (
        ("A wonderful film. The acting is superb, the story moving, and I loved every minute.", "positive"),
        ("A terrible film. The acting is awful, the story boring, and I hated every minute.", "negative"),
    ):
        asked = pipeline(home, "invoke", "--json", review)
        assert json.loads(asked.stdout)["label"] == label
