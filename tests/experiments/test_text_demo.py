"""The demo of texts from the first command to the report with its maps of tokens."""

import re
from pathlib import Path

import numpy as np
import pytest

import vog
from command_line import Cli
from vog.experiments import sentences
from vog.experiments.text_demo import Words, split_words


@pytest.mark.slow
def test_the_demo_of_texts(cli: Cli) -> None:
    code, out, _ = cli("demo", "--kind", "text", "--out", "demo", "--quiet")
    assert code == 0
    run = vog.open("demo/run")
    assert run.question["wrt"] == "words"
    assert set(run.label_names or ()) == set(sentences.TOPICS)
    found = {
        words[0]: float(words[1])
        for line in out.splitlines()
        if len(words := line.split()) == 5 and words[2].startswith("[")
    }
    assert found["aum"] > 0.8, "what finds flipped labels on this data"
    assert found["vog"] < 0.7, "what does not, and must not be sold for it"
    report = Path("demo/report.html").read_text("utf-8")
    assert len(re.findall('class="words tokens"', report)) > 50
    assert 'class="heat-10"' in report
    command = out.strip().splitlines()[-1].split()
    code, out, _ = cli(*command[1:])
    assert code == 0
    assert "rows were there already" in out, "the printed command is the same question"
    code, out, _ = cli("report", "demo/run", "--out", "plain.html", "--quiet")
    assert code == 0
    assert "words tokens" not in Path("plain.html").read_text("utf-8")


def test_sentences_of_a_file() -> None:
    code = '''
def public():
    """Return the sum of two numbers that differ.

    It is the first sentence of a second paragraph. Too short. The mean :math:`x` of a sample is
    not plain enough for it.

    Parameters
    ----------
    x : a sentence of the parameters that nobody wants.
    """

def _private():
    """Return the sum of two numbers that nobody calls."""
'''
    assert list(sentences.sentences_in(code)) == [
        "Return the sum of two numbers that differ.",
        "It is the first sentence of a second paragraph.",
    ]


def test_no_sentence_has_two_topics() -> None:
    topics = sentences.sentences_by_topic()
    every = [sentence for of_topic in topics.values() for sentence in of_topic]
    assert len(every) == len(set(every))
    assert all(len(of_topic) > 250 for of_topic in topics.values())


def test_numbers_of_words() -> None:
    words = Words(["the", "mean", "."])
    np.testing.assert_array_equal(words.numbers("The mean x."), [2, 3, 1, 4])
    assert words.convert_ids_to_tokens([2, 3, 1, 4]) == ["the", "mean", "unknown", "."]
    assert len(words.numbers("the " * 100)) == 48
    assert split_words("A `B`2.") == ["a", "`", "b", "`", "2", "."]
