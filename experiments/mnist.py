"""MNIST: the paper's recipe scaled to two processor cores, and three of its claims put to the test.

python experiments/mnist.py --data mnist10k.npz --out runs/mnist

reads `images` (uint8, 28 x 28) and `labels` from the file and splits them at random into 8,000
training and 2,000 test digits. For each of the seeds 0, 1 and 2 it makes, below `--out`:

    seed-0/recipe     20 checkpoints of a small residual network, trained with shifts of up to
                      two pixels, SGD 0.1, momentum 0.9, weight decay 5e-4, rate / 10 after 43 %
                      and 71 % of the epochs (the paper's 150 and 250 of 350); the test digits
                      scored by the logit of their label, and of the predicted class
    seed-0/shuffled   the same network, with the labels of 20 % of the training digits shuffled
                      among them, trained without shifts and weight decay until it fits; 20
                      checkpoints, the training digits scored
    seed-0/outside    the test digits and five kinds of images that are no MNIST digits, scored
                      by the logit of the predicted class

and in the end `results.json` and the figures. The intervals in the figures of the errors take the
digits of all seeds for different ones; they are the same 2,000, so they are too narrow. A second
call continues where the first was stopped. docs/reproduction.md has how long it takes.

Expected, written before the first run:

(a) Late in training the error on the test digits grows with the VoG percentile, by label and by
    prediction, more steeply by label: there a wrong digit has the gradient of a class it is not
    taken for. Early, the paper saw the reverse on CIFAR. MNIST is learned within one epoch, so
    our early stage is late already, and the error should grow there too.
(b) Shuffled labels have a higher VoG in the mean, and the difference is significant with so
    many digits, but VoG ranks them poorly: AUROC 0.5 to 0.7, as in the digits of the demo; the
    mean loss and AUM above 0.95.
(c) VoG by prediction is high on inverted digits and low on noise, whose logits are dominated by
    the first layers; nothing says that noise has *high* gradients. The softmax baselines find
    rotated digits better than VoG does.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import altair as alt
import numpy as np
import torch
import typer
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from scipy.stats import mannwhitneyu, rankdata
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

import vog
from vog.analysis.detection.out_of_distribution import ood_metrics
from vog.analysis.one_run.error_by_rank import error_by_rank
from vog.cli import run_command
from vog.errors import DataError
from vog.figures import charts
from vog.files.writing import as_json, make_folder, write_text

EPOCHS, CHECKPOINTS, BATCH = 20, 20, 128
SHUFFLED_EPOCHS, SHUFFLED = 60, 0.2
TEST = 2000
STAGES = ("early", "middle", "late", "all")

_KINDS = {
    "rotated": "rotated by 90 degrees",
    "inverted": "inverted",
    "uci": "UCI digits, enlarged",
    "uniform": "uniform noise",
    "gaussian": "Gaussian noise",
}

Scores = dict[str, Float[np.ndarray, "n"]]


@dataclass(frozen=True)
class Digits:
    """Images as the network takes them, and one class an image."""

    images: Float[np.ndarray, "n 1 28 28"]
    labels: Int[np.ndarray, "n"]


class Block(nn.Module):
    """Two 3 x 3 convolutions, the first with stride 2, and a 1 x 1 convolution as shortcut."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.within = nn.Sequential(
            *(nn.Conv2d(c_in, c_out, 3, 2, padding=1, bias=False), nn.BatchNorm2d(c_out)),
            *(nn.ReLU(), nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)),
            nn.BatchNorm2d(c_out),
        )
        self.around = nn.Sequential(nn.Conv2d(c_in, c_out, 1, 2, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of convolutions and shortcut."""
        return F.relu(self.within(x) + self.around(x))


def build() -> nn.Module:
    """Return a 3 x 3 stem and two residual blocks: 28 x 28 to ten logits, 72,000 parameters."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(Block(16, 32), Block(32, 64)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )


@dataclass(frozen=True)
class SeedResult:
    """The results of one seed.

    Attributes:
        recipe: accuracy on the training and on the test digits.
        by_label: the test digits, scored by the logit of their label.
        by_prediction: the same, by the logit of the class that the last checkpoint predicts.
        shuffled: accuracy of the network that was trained on shuffled labels.
        memorized: its training digits, scored.
        changed: which of these have another digit's label.
        outside: by kind of image, the test digits first, by score, the scores.
    """

    recipe: dict[str, float]
    by_label: vog.Run
    by_prediction: vog.Run
    shuffled: dict[str, float]
    memorized: vog.Run
    changed: Bool[np.ndarray, "n"]
    outside: dict[str, Scores]


def main(
    data: Annotated[Path, typer.Option(help="An .npz with `images` and `labels`.")],
    out: Annotated[Path, typer.Option(help="A folder for everything that is made.")],
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings of each kind.")] = 3,
) -> None:
    """Train, score and measure."""
    train, test = split(data)
    runs = [run_seed(seed, train, test, out / f"seed-{seed}") for seed in range(seeds)]
    stats = {
        "accuracy": {
            "recipe": [run.recipe for run in runs],
            "shuffled": [run.shuffled for run in runs],
        },
        "error by label": errors_by_vog([run.by_label for run in runs]),
        "error by prediction": errors_by_vog([run.by_prediction for run in runs]),
        "memorization": memorization(runs),
        "outside": {
            kind: {
                name: [
                    separation(run.outside["digits"][name], run.outside[kind][name]) for run in runs
                ]
                for name in runs[0].outside["digits"]
            }
            for kind in runs[0].outside
            if kind != "digits"
        },
    }
    write_text(out / "results.json", as_json(stats))
    typer.echo(out / "results.json")
    for name, chart in figures(runs, stats).items():
        typer.echo(charts.save_chart(chart, out / f"{name}.png"))


def split(path: Path) -> tuple[Digits, Digits]:
    """Return training and test digits, standardized; the split is the same for every seed."""
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"].astype(np.int64)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"--data {path} has no images and labels: {error}") from error
    order = np.random.default_rng(0).permutation(len(labels))
    test, train = order[:TEST], order[TEST:]
    return (
        Digits(scaled(images[train]), labels[train]),
        Digits(scaled(images[test]), labels[test]),
    )


def scaled(images: UInt8[np.ndarray, "n 28 28"]) -> Float[np.ndarray, "n 1 28 28"]:
    """Return pixels of 0 to 255, standardized for the network."""
    return ((images[:, None] / np.float32(255) - 0.1307) / 0.3081).astype(np.float32)


def run_seed(seed: int, train: Digits, test: Digits, folder: Path) -> SeedResult:
    """Train and score; a second call continues where the first one stopped."""
    typer.echo(f"seed {seed}: the recipe")
    base = folder / "recipe"
    recipe = train_net(base, train, test, seed, EPOCHS, shift=True, weight_decay=5e-4)
    by_label, by_prediction = (
        score_run(base, test, base / f"test-{target}", target) for target in ("logit", "predicted")
    )
    typer.echo(f"seed {seed}: a fifth of the labels shuffled")
    shuffled = with_shuffled_labels(train, seed)
    fitted = folder / "shuffled"
    fit = train_net(fitted, shuffled, test, seed, SHUFFLED_EPOCHS, shift=False, weight_decay=0.0)
    memorized = score_run(fitted, shuffled, fitted / "train", "logit")
    typer.echo(f"seed {seed}: images that are no MNIST digits")
    kinds = {"digits": test.images} | ood_images(test, seed)
    outside = {k: ood_scores(base, images, folder / "outside" / k) for k, images in kinds.items()}
    changed = shuffled.labels != train.labels
    return SeedResult(recipe, by_label, by_prediction, fit, memorized, changed, outside)


def train_net(
    folder: Path,
    train: Digits,
    test: Digits,
    seed: int,
    epochs: int,
    shift: bool,
    weight_decay: float,
    saves: int | None = None,
) -> dict[str, float]:
    """Train, save `saves` evenly spaced checkpoints, and return the final accuracies."""
    saves = CHECKPOINTS if saves is None else saves
    accuracy_file = folder / "training.json"
    if accuracy_file.exists():
        return json.loads(accuracy_file.read_text())
    make_folder(folder / "checkpoints")
    torch.manual_seed(seed)
    model = build()
    images, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=weight_decay)
    # Stepped once an epoch; the published scheduler was stepped once a batch.
    drops = [round(epochs * 150 / 350), round(epochs * 250 / 350)]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, drops)
    for epoch in range(1, epochs + 1):
        model.train()
        for batch in torch.randperm(len(labels)).split(BATCH):
            inputs = shift_images(images[batch]) if shift else images[batch]
            loss = F.cross_entropy(model(inputs), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        if epoch % (epochs // saves) == 0:
            torch.save(model.state_dict(), folder / "checkpoints" / f"epoch-{epoch:02d}.pt")
    accuracies = {"train": accuracy(model, train), "test": accuracy(model, test)}
    write_text(accuracy_file, as_json(accuracies))
    return accuracies


def shift_images(images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n 1 28 28"]:
    """Return images shifted by up to two pixels either way, as the crop of the CIFAR recipe.

    They are not mirrored: a mirrored digit is a different sign.
    """
    padded = F.pad(images, (2, 2, 2, 2), value=float(images.min()))
    down, right = torch.randint(0, 5, (2, len(images), 1, 1))
    rows, columns = torch.arange(28)[None, :, None] + down, torch.arange(28)[None, None] + right
    return padded[torch.arange(len(images))[:, None, None], 0, rows, columns][:, None]


@torch.no_grad()
def logits(model: nn.Module, images: Float[np.ndarray, "n 1 28 28"]) -> Float[Tensor, "n 10"]:
    """Return the logits of images in evaluation mode."""
    model.eval()
    return torch.cat([model(part) for part in torch.from_numpy(images).split(500)])


def accuracy(model: nn.Module, digits: Digits) -> float:
    """Return the share of the digits whose label the model predicts."""
    return float((logits(model, digits.images).argmax(1).numpy() == digits.labels).mean())


def score_run(training: Path, digits: Digits, out: Path, target: str) -> vog.Run:
    """Score digits under the checkpoints of a training; a second call continues."""
    return vog.score(
        build, training / "checkpoints", (digits.images, digits.labels), out, target=target
    )


def with_shuffled_labels(train: Digits, seed: int) -> Digits:
    """Return digits with a fifth of the labels permuted; by chance, one in ten of these is kept."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(train.labels), round(SHUFFLED * len(train.labels)), replace=False)
    labels = train.labels.copy()
    labels[rows] = labels[rng.permutation(rows)]
    return Digits(train.images, labels)


def errors_by_vog(runs: Sequence[vog.Run]) -> dict[str, Any]:
    """Return for each stage how its errors depend on VoG within the class."""
    by_stage: dict[str, Any] = {}
    for stage in STAGES:
        ranks, misread = zip(*(vog_ranks(run, stage) for run in runs), strict=True)
        by_stage[stage] = {
            "auroc": [float(roc_auc_score(w, r)) for r, w in zip(ranks, misread, strict=True)],
            "deciles": error_by_rank(np.concatenate(ranks), np.concatenate(misread)),
        }
    return by_stage


def vog_ranks(run: vog.Run, stage: str) -> tuple[Float[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Return each digit's rank in (0, 1] by VoG within its class, and whether it is misread."""
    columns = [f"vog@{stage}:class", f"prediction@{stage}", "label"]
    values, predicted, labels = (column.to_numpy() for column in run.table(columns).columns)
    return rankdata(values) / len(values), predicted != labels


def memorization(seeds: Sequence[SeedResult]) -> dict[str, Any]:
    """Return how VoG differs for digits with a wrong label, and which score finds them."""
    stats: dict[str, Any] = {"changed": [int(seed.changed.sum()) for seed in seeds]}
    for stage in STAGES:
        rows = []
        for seed in seeds:
            table = seed.memorized.table([f"vog@{stage}", f"vog@{stage}:class"])
            raw, within = (column.to_numpy() for column in table.columns)
            rows.append(
                {
                    "mean changed": float(raw[seed.changed].mean()),
                    "mean others": float(raw[~seed.changed].mean()),
                    "auroc": float(roc_auc_score(seed.changed, within)),
                    "p": float(mannwhitneyu(within[seed.changed], within[~seed.changed])[1]),
                }
            )
        stats[stage] = {name: [row[name] for row in rows] for name in rows[0]}
    by_seed = [auroc_by_score(seed) for seed in seeds]
    stats["auroc of all scores"] = {name: [seed[name] for seed in by_seed] for name in by_seed[0]}
    return stats


def auroc_by_score(seed: SeedResult) -> dict[str, float]:
    """Return for each score over all checkpoints the AUROC for changed labels, best first."""
    run = seed.memorized
    aurocs = {
        name.removesuffix("@all"): float(roc_auc_score(seed.changed, run.hardness(name)))
        for name in run.score_columns
        if name.endswith("@all")
    }
    return dict(sorted(aurocs.items(), key=lambda item: -item[1]))


def ood_images(test: Digits, seed: int) -> dict[str, Float[np.ndarray, "m 1 28 28"]]:
    """Return images that are no MNIST digits, scaled in the same way."""
    rng = np.random.default_rng(seed)
    pixels = ((test.images[:, 0] * 0.3081 + 0.1307) * 255).round().astype(np.uint8)
    uci = load_digits(return_X_y=True)[0].reshape(-1, 8, 8) / 16 * 255
    enlarged = [Image.fromarray(image.astype(np.uint8)).resize((28, 28)) for image in uci]
    normal = rng.normal(pixels.mean(), pixels.std(), pixels.shape).clip(0, 255)
    return {
        "rotated": scaled(np.rot90(pixels, axes=(1, 2))),
        "inverted": scaled(255 - pixels),
        "uci": scaled(np.stack([np.asarray(image) for image in enlarged])),
        "uniform": scaled(rng.integers(0, 256, pixels.shape, np.uint8)),
        "gaussian": scaled(normal.astype(np.uint8)),
    }


def ood_scores(training: Path, images: Float[np.ndarray, "n 1 28 28"], out: Path) -> Scores:
    """Return, by name, scores that are meant to be high for out-of-distribution images."""
    digits = Digits(images, np.zeros(len(images), np.int64))
    run = score_run(training, digits, out, "predicted")
    columns = [f"{name}@{stage}" for name in ("vog", "grad_norm") for stage in STAGES]
    table = run.table(columns)
    model = build()
    last = max((training / "checkpoints").glob("*.pt"))
    model.load_state_dict(torch.load(last, weights_only=True))
    class_logits = logits(model, images).double()  # else 1 - 0.99999999 is 0
    return {name: table[name].to_numpy().astype(np.float64) for name in columns} | {
        "1 - max softmax": 1 - class_logits.softmax(1).amax(1).numpy(),
        "entropy": torch.distributions.Categorical(logits=class_logits).entropy().numpy(),
        "energy": -class_logits.logsumexp(1).numpy(),
    }


def separation(inside: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    """Return AUROC, AUPR and false positive rate at 95 % recall; outside is positive."""
    metrics, truth = ood_metrics(outside, inside), np.repeat([0, 1], [len(inside), len(outside)])
    precision = average_precision_score(truth, np.concatenate([inside, outside]))
    return {"auroc": metrics.auroc, "aupr": float(precision), "fpr95": metrics.fpr95}


def figures(seeds: Sequence[SeedResult], stats: dict[str, Any]) -> dict[str, charts.Chart]:
    """Return the charts of the docs, by file name."""
    plots = {
        f"error_by_{target}": charts.error_by_decile(
            {stage: errors["deciles"] for stage, errors in stats[f"error by {target}"].items()},
            "vog:class",
            f"MNIST test digits misread, by VoG of the {what}; {len(seeds)} seeds together",
            higher_is_harder=True,
        )
        for target, what in (("label", "label"), ("prediction", "predicted class"))
    }
    return plots | {"memorization": memorization_chart(seeds), "outside": outside_chart(stats)}


def memorization_chart(seeds: Sequence[SeedResult]) -> charts.Chart:
    """Draw histograms of VoG within the class, for digits with and without a changed label."""
    edges = np.linspace(-3, 4, 36)
    rows: list[dict[str, Any]] = []
    for stage in STAGES:
        values = np.concatenate(
            [seed.memorized.table([f"vog@{stage}:class"]).column(0).to_numpy() for seed in seeds]
        )
        changed = np.concatenate([seed.changed for seed in seeds])
        for group, members in (("label shuffled", changed), ("label kept", ~changed)):
            share, _ = np.histogram(values[members].clip(-3, 4), edges)
            rows += [
                {"stage": stage, "digits": group, "vog": float(low), "share": float(n / n_all)}
                for low, n, n_all in zip(edges, share, [members.sum()] * len(share), strict=False)
            ]
    line = (
        alt.Chart(alt.Data(values=rows))
        .mark_area(interpolate="step-after", opacity=0.45, line=True)
        .encode(
            x=alt.X("vog:Q", title="VoG, standardised within the class"),
            y=alt.Y("share:Q", stack=None, title="share of the digits", axis=alt.Axis(format="%")),
            color=alt.Color("digits:N", title=None, scale=alt.Scale(range=["#2b5d9b", "#d0582f"])),
        )
        .properties(width=300, height=160)
        .facet(alt.Facet("stage:N", sort=list(STAGES), title=None), columns=2)
    )
    return charts.styled(
        line,
        "VoG of digits whose label was shuffled, and of the others",
        f"{len(seeds)} seeds together; each area is 100 %; the outermost bins hold all beyond",
    )


def outside_chart(stats: dict[str, Any]) -> charts.Chart:
    """Draw the AUROC of each score and kind of image, one dot per seed."""
    score_names = ["vog@late", "grad_norm@late", "1 - max softmax", "entropy", "energy"]
    rows = [
        {"kind": kind, "score": name, "auroc": metrics["auroc"]}
        for kind, scores in stats["outside"].items()
        for name in score_names
        for metrics in scores[name]
    ]
    dots = (
        alt.Chart(alt.Data(values=rows))
        .mark_point(filled=True, size=80, opacity=0.7)
        .encode(
            x=alt.X(
                "auroc:Q",
                title="AUROC",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2f"),
            ),
            y=alt.Y("score:N", sort=score_names, title=None),
            color=alt.Color("score:N", sort=score_names, legend=None),
        )
    )
    chance = alt.Chart(alt.Data(values=[{"x": 0.5}])).mark_rule(strokeDash=[4, 4]).encode(x="x:Q")
    panels = [
        alt.layer(chance, dots.transform_filter(f"datum.kind == '{kind}'")).properties(
            width=300, height=110, title=_KINDS[kind]
        )
        for kind in stats["outside"]
    ]
    return charts.styled(
        alt.concat(*panels, columns=2),
        "Told apart from MNIST test digits",
        "a dot a seed; high is taken for outside; dashed: chance",
    )


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
