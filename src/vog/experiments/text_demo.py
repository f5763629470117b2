"""The demo of texts: a small transformer on real sentences, 5 % of its labels flipped, scored.

vog demo --kind text --out demo

trains on sentences of the documentation of NumPy, SciPy, scikit-learn and PyTorch, labelled with
their topic, and scores them under a checkpoint of every epoch, by the gradient with respect to the
embedding of each word. The report shows which words the gradient varies at.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

import vog
from vog.experiments import flipped_labels
from vog.experiments.flipped_labels import BY, Demo
from vog.experiments.sentences import TOPICS, sentences_by_topic
from vog.files.writing import make_folder, refuse_foreign_files, write_text
from vog.inspection.inspector import inspector
from vog.result import Run

EPOCHS = 8
_SEED, _OF_EACH_TOPIC, _HELD_OUT, _BATCH = 0, 600, 500, 64
_WORDS, _LONGEST = 2500, 48  # words that are known, and tokens of a sentence that are read
_PADDING, _UNKNOWN = 0, 1
_DATA, _VOCABULARY, _TOKENIZER = "sentences.csv", "words.json", "tokenizer.py"
_TOKENIZER_CODE = '''"""From a sentence to the numbers of its words, as the network takes them."""

import json
from pathlib import Path

from vog.experiments.text_demo import Words

words = Words(json.loads(Path(__file__).with_name("words.json").read_text("utf-8")))


def tokenize(sentence):
    """Return the numbers of the words and signs of a sentence."""
    return {"input_ids": words.numbers(sentence)}
'''


@dataclass(frozen=True)
class Words:
    """The words that have a number of their own.

    Attributes:
        known: the words; the number of the first is 2, after padding and an unknown word.
    """

    known: Sequence[str]

    def __post_init__(self) -> None:
        numbers = {word: number for number, word in enumerate(self.known, start=_UNKNOWN + 1)}
        object.__setattr__(self, "_numbers", numbers)

    def numbers(self, sentence: str) -> Int[np.ndarray, "tokens"]:
        """Return the numbers of the words and signs of a sentence, up to a length."""
        numbers: dict[str, int] = self._numbers  # type: ignore[attr-defined]  # set above
        found = [numbers.get(word, _UNKNOWN) for word in split_words(sentence)]
        return np.array(found[:_LONGEST], np.int64)

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the words of numbers, for pages that show a sentence word by word."""
        return ["unknown" if i <= _UNKNOWN else self.known[i - _UNKNOWN - 1] for i in ids]


def split_words(sentence: str) -> list[str]:
    """Return the words, digits and signs of a sentence in small letters."""
    return re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]", sentence.lower())


@dataclass(frozen=True)
class Sentences:
    """Sentences, their true topics as numbers, and the topics that are trained on."""

    texts: Sequence[str]
    truth: Int[np.ndarray, "n"]
    labels: Int[np.ndarray, "n"]


class Transformer(nn.Module):
    """One layer of a transformer over the words of a sentence, and the mean of what it returns."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.words = nn.Embedding(_WORDS + 2, width, padding_idx=_PADDING)
        self.positions = nn.Embedding(_LONGEST, width)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.3, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(0.3)
        self.head = nn.Linear(width, len(TOPICS))

    def forward(
        self, input_ids: Int[Tensor, "n tokens"], attention_mask: Int[Tensor, "n tokens"]
    ) -> Float[Tensor, "n topics"]:
        """Return the logits of the topics; a mask of 0 marks padding."""
        vectors = self.words(input_ids) + self.positions.weight[: input_ids.shape[1]]
        hidden = self.layers(vectors, src_key_padding_mask=attention_mask == 0)
        mask = attention_mask[..., None]
        mean = (self.norm(hidden) * mask).sum(dim=1) / mask.sum(dim=1)
        return self.head(self.dropout(mean))


def build() -> nn.Module:
    """Return the network of the demo."""
    return Transformer()


def run_demo(out: Path, quiet: bool = False, tell: Callable[[str], None] = lambda _: None) -> Demo:
    """Train, score and write the report; a second call with the same folder continues.

    Args:
        out: a folder for data, checkpoints, run and figures.
        quiet: no progress bar.
        tell: called with what is done next.

    Raises:
        ResultError: `out` holds files that are not of an earlier demo.
    """
    refuse_foreign_files(out, _DATA)
    tell("reading sentences in the documentation of installed packages")
    train, test = load_data()
    words = frequent_words(train.texts)
    _write_files(out, train, words)
    flipped = int((train.labels != train.truth).sum())
    tell(f"training on {len(train.texts):,} sentences, {flipped} of them with a wrong topic")
    accuracy = train_network(train, test, words, out / "checkpoints")
    tell("scoring them under every checkpoint")
    tokenizer = f"{out / _TOKENIZER}:tokenize"
    run = vog.score(
        "vog.experiments.text_demo:build",
        str(out / "checkpoints"),
        str(out / _DATA),
        out / "run",
        transform=tokenizer,
        scores="all",
        overwrite=True,
        quiet=quiet,
    )
    tell("comparing the scores with what was planted, and writing the report")
    judged = flipped_labels.judge(run, train.labels, train.truth, out)
    title = "Sentences: does the last checkpoint contradict the label?"
    chart = flipped_labels.save_error_chart(run, title, out / "error_by_decile.png")
    return Demo(
        noun="sentences",
        run=run,
        test_accuracy=accuracy,
        examples=len(train.texts),
        flipped=flipped,
        hardest=_hardest_sentences(run, train),
        planted=judged.planted,
        verification=judged.verification,
        suspects=judged.suspects,
        flipped_suspects=judged.flipped_suspects,
        flipped_at_top=judged.flipped_at_top,
        figures={"error by decile": chart, "which score": judged.chart},
        report=vog.report(run, out / "report.html", inspect=inspector(run), quiet=quiet),
        command=f"vog score --model vog.experiments.text_demo:build --checkpoints {out}/checkpoints"
        f" --data {out / _DATA} --transform {tokenizer} --scores all --out {out}/run",
    )


def load_data() -> tuple[Sentences, Sentences]:
    """Return training sentences, some with a wrong topic, and test sentences."""
    rng = np.random.default_rng(_SEED)
    texts: list[str] = []
    truth: list[int] = []
    for number, sentences in enumerate(sentences_by_topic().values()):
        order = rng.permutation(len(sentences))[:_OF_EACH_TOPIC].tolist()
        texts += [sentences[i] for i in order]
        truth += [number] * len(order)
    order = rng.permutation(len(texts))
    topics = np.array(truth, np.int64)[order]
    mixed = [texts[i] for i in order.tolist()]
    labels = flipped_labels.flip(topics[_HELD_OUT:], len(TOPICS), rng)
    test = Sentences(mixed[:_HELD_OUT], topics[:_HELD_OUT], topics[:_HELD_OUT])
    return Sentences(mixed[_HELD_OUT:], topics[_HELD_OUT:], labels), test


def frequent_words(texts: Sequence[str]) -> Words:
    """Return the words that stand in two sentences or more, the most frequent first."""
    counts = Counter(word for text in texts for word in set(split_words(text)))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Words([word for word, count in ordered if count > 1][:_WORDS])


def _write_files(out: Path, train: Sentences, words: Words) -> None:
    """Write the data as a table, the words, and the code that makes numbers of a sentence."""
    make_folder(out)
    make_folder(out / "checkpoints")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["text", "label"])
    topics = [TOPICS[label] for label in train.labels.tolist()]
    writer.writerows(zip(train.texts, topics, strict=True))
    write_text(out / _DATA, table.getvalue())
    write_text(out / _VOCABULARY, json.dumps(list(words.known), indent=0))
    write_text(out / _TOKENIZER, _TOKENIZER_CODE)


def train_network(train: Sentences, test: Sentences, words: Words, folder: Path) -> float:
    """Train, save a checkpoint every epoch, and return the accuracy on the test sentences."""
    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        model = build()
        numbers = [torch.from_numpy(words.numbers(text)) for text in train.texts]
        labels = torch.from_numpy(train.labels)
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 4e-3, total_steps=EPOCHS * -(-len(labels) // _BATCH)
        )
        for epoch in range(1, EPOCHS + 1):
            model.train()
            for batch in torch.randperm(len(labels)).split(_BATCH):
                logits = model(*_padded([numbers[i] for i in batch.tolist()]))
                loss = F.cross_entropy(logits, labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            torch.save(model.state_dict(), folder / f"epoch-{epoch:02d}.pt")
    model.eval()
    with torch.no_grad():
        inputs = _padded([torch.from_numpy(words.numbers(text)) for text in test.texts])
        right = model(*inputs).argmax(dim=1).numpy() == test.truth
    return float(right.mean())


def _padded(numbers: Sequence[Tensor]) -> tuple[Int[Tensor, "n tokens"], Int[Tensor, "n tokens"]]:
    """Return sentences of the same length, and which of their tokens are real."""
    ids = nn.utils.rnn.pad_sequence(list(numbers), batch_first=True, padding_value=_PADDING)
    return ids, (ids != _PADDING).long()


def _hardest_sentences(run: Run, train: Sentences) -> pa.Table:
    """Return the hardest rows of the run, with the true topic and the sentence."""
    top = run.top(10, by=BY)
    rows = [int(row_id) for row_id in top["id"].to_pylist()]
    table = top.append_column("topic", pa.array([TOPICS[train.truth[row]] for row in rows]))
    return table.append_column("text", pa.array([train.texts[row] for row in rows])).select(
        ["id", "label_name", "topic", BY, "text"]
    )
