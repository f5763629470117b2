"""The processor beside the weights is the transform, unless the user gives another."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import TensorDataset

import pretrained
import vog
from vog.data.examples import UnreadableError
from vog.data.processors import folder_processor
from vog.data.transforms import image_transform, value_transform
from vog.errors import DataError, FunctionError
from vog.inspection.inspector import inspector
from vog.result import Run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for path in pretrained.save_checkpoints(tmp_path / "out", pretrained.model("ViT"), 2):
        pretrained.image_processor().save_pretrained(path)
    return tmp_path / "out"


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    return pretrained.save_image_folder(tmp_path / "data")


def scored(out: Path, data: Any, folder: Path, **options: Any) -> Run:
    settings = {"scores": "vog,aum", "workers": 0, "overwrite": True} | options
    return vog.score(None, out, data, folder, **settings)


def pictures(photographs: Path) -> list[tuple[Image.Image, int]]:
    names = sorted(path.name for path in photographs.iterdir())
    files = sorted(photographs.rglob("*.png"))
    return [(Image.open(path).convert("RGB"), names.index(path.parent.name)) for path in files]


def test_images_are_made_inputs_by_the_processor(
    out: Path, photographs: Path, tmp_path: Path
) -> None:
    """As by hand, with `from_pretrained` and the processor."""
    run = scored(out, photographs, tmp_path / "run", quiet=True)
    images, labels = zip(*pictures(photographs), strict=True)
    inputs = pretrained.image_processor()(images=list(images), return_tensors="np")["pixel_values"]
    by_hand = scored(out, (inputs, np.array(labels)), tmp_path / "by_hand", quiet=True)
    for column in ("vog@all", "aum@all"):
        expected = by_hand.table([column])[column].to_numpy()
        assert np.allclose(run.table([column])[column].to_numpy(), expected, rtol=1e-5)
    assert run.question["data"]["transform"].startswith("hf ViTImageProcessor")
    assert by_hand.question["data"]["transform"] == "none"


@pytest.mark.parametrize("workers", [0, 1])
def test_pictures_of_a_dataset(workers: int, out: Path, photographs: Path, tmp_path: Path) -> None:
    run = scored(out, pictures(photographs), tmp_path / "a", quiet=True, workers=workers)
    files = scored(out, photographs, tmp_path / "b", quiet=True)
    assert run.question["data"]["transform"] == files.question["data"]["transform"]
    assert np.array_equal(run.table(["vog@all"])["vog@all"], files.table(["vog@all"])["vog@all"])


def test_bytes_in_arrays_are_images(out: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 20, 20, 3), dtype=np.uint8)
    run = scored(out, (pixels, np.arange(8) % 4), tmp_path / "run", quiet=True)
    assert run.question["data"]["transform"].startswith("hf ViTImageProcessor")


@pytest.mark.parametrize("workers", [0, 1])
def test_inputs_that_are_made_already_stay_as_they_are(
    workers: int, out: Path, tmp_path: Path
) -> None:
    import torch

    inputs, labels = pretrained.images(8)
    dataset = TensorDataset(torch.from_numpy(inputs), torch.from_numpy(labels))
    for data in ((inputs, labels), dataset):
        run = scored(out, data, tmp_path / "run", quiet=True, workers=workers)
        assert run.question["data"]["transform"] == "none"


def test_the_plan_tells_a_transform_that_differs(
    out: Path, photographs: Path, tmp_path: Path
) -> None:
    from vog.sweep.prepare import prepare
    from vog.sweep.request import Request

    def darker(image: Image.Image) -> np.ndarray:
        resized = np.asarray(image.resize((16, 16)), np.float32) / 255
        return resized.transpose(2, 0, 1)

    def the_same(image: Image.Image) -> np.ndarray:
        return pretrained.image_processor()(images=image, return_tensors="np")["pixel_values"][0]

    def note(transform: Any) -> str | None:
        request = Request(None, out, photographs, tmp_path / "run", transform=transform, workers=0)
        return prepare(request).notes.get("transform")

    assert "values of the same example differ by up to" in str(note(darker))
    assert note(the_same) is None
    assert str(note(None)).startswith(f"the processor in {out}/checkpoint-20 (ViTImageProcessor")


def test_a_processor_by_name(out: Path, photographs: Path, tmp_path: Path) -> None:
    default = scored(out, photographs, tmp_path / "run", quiet=True)
    named = scored(
        out, photographs, tmp_path / "run", transform=f"hf:{out}", overwrite=False, quiet=True
    )
    assert default.question["data"] == named.question["data"]
    assert value_transform(f"hf:{out}") == image_transform(f"hf:{out}/checkpoint-20")


@pytest.mark.parametrize("options", [{}, {"transform": "named"}])
def test_one_example_is_inspected_with_it(
    options: dict[str, str], out: Path, photographs: Path, tmp_path: Path
) -> None:
    if options:
        options = {"transform": f"hf:{out}"}
    run = scored(out, photographs, tmp_path / "run", quiet=True, **options)
    inspection = inspector(run)(3)
    assert inspection.vog == pytest.approx(run.table(["vog@all"])["vog@all"][3].as_py(), rel=1e-5)
    assert not inspection.differs


def test_another_processor_is_another_question(
    out: Path, photographs: Path, tmp_path: Path
) -> None:
    scored(out, photographs, tmp_path / "run", quiet=True)
    settings = out / "checkpoint-20" / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace("0.5", "0.4"))
    with pytest.raises(vog.VogError, match="data.transform: was 'hf ViTImageProcessor"):
        scored(out, photographs, tmp_path / "run", quiet=True, overwrite=False)


def test_the_version_that_wrote_it_does_not_count(out: Path) -> None:
    before = folder_processor.processor_in(out / "checkpoint-20")
    settings = out / "checkpoint-20" / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace("{", '{"transformers_version": "4.1",', 1))
    assert folder_processor.processor_in(out / "checkpoint-20") == before


def test_it_is_sent_to_other_processes(out: Path) -> None:
    processor: Any = value_transform(f"hf:{out}")
    image = Image.new("RGB", (30, 20), (200, 100, 0))
    assert np.array_equal(pickle.loads(pickle.dumps(processor))(image), processor(image))


def test_an_image_of_sixteen_bits(out: Path) -> None:
    """A conversion to RGB would make all of it white."""
    processor: Any = value_transform(f"hf:{out}")
    deep = Image.fromarray(np.full((20, 20), 40_000, np.uint16))
    with pytest.raises(UnreadableError, match="more than eight bits a pixel"):
        processor(deep)


def test_values_that_it_does_not_take(out: Path) -> None:
    processor: Any = value_transform(f"hf:{out}")
    with pytest.raises(DataError, match="is for image, and an example is of type str"):
        processor("a text")


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "no folder nowhere"), (".", "has no processor")]
)
def test_a_folder_without_a_processor(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FunctionError, match=message):
        value_transform(f"hf:{name}")


def test_texts_become_tokens(tmp_path: Path) -> None:
    paths = pretrained.save_checkpoints(tmp_path / "out", pretrained.model("DistilBert"), 1)
    pretrained.tokenizer().save_pretrained(paths[0])
    processor: Any = value_transform(f"hf:{tmp_path / 'out'}")
    inputs = processor("a good film")
    assert inputs["input_ids"].tolist() == [2, 5, 6, 8, 3]
    assert inputs["attention_mask"].tolist() == [1] * 5
    assert len(processor("good " * 40)["input_ids"]) == 16  # what the model has positions for
    assert processor.takes("a text")
    assert not processor.takes(Image.new("RGB", (2, 2)))
    assert processor.summary.endswith("texts are cut at 16 tokens")


def test_positions_of_padding_are_not_for_words(tmp_path: Path) -> None:
    """RoBERTa numbers its first word after the position of padding."""
    paths = pretrained.save_checkpoints(tmp_path / "out", pretrained.model("Roberta"), 1)
    pretrained.tokenizer().save_pretrained(paths[0])
    processor = folder_processor.processor_in(paths[0])
    assert processor is not None
    assert processor.most_tokens == 14


def test_only_what_the_model_takes_is_passed(tmp_path: Path) -> None:
    """The tokenizer of BERT makes `token_type_ids`, which DistilBERT does not take."""
    from vog.models.load import model_of
    from vog.models.options import ModelOptions
    from vog.models.protocol import HasCompanions

    paths = pretrained.save_checkpoints(tmp_path / "out", pretrained.model("DistilBert"), 1)
    pretrained.tokenizer().save_pretrained(paths[0])
    model = model_of(f"hf:{paths[0]}", ModelOptions())
    assert isinstance(model, HasCompanions)
    transform = model.companions(paths[0]).transform
    assert transform is not None
    assert set(transform("a film")) == {"input_ids", "attention_mask"}


def test_sounds(tmp_path: Path) -> None:
    import transformers

    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(tmp_path)
    processor: Any = value_transform(f"hf:{tmp_path}")
    wave = np.sin(np.arange(800) / 7)
    inputs = processor({"array": wave, "sampling_rate": 8000})
    assert inputs.shape == (800,)
    assert abs(float(inputs.std()) - 1) < 1e-3
    with pytest.raises(DataError, match=r"has 16000 samples a second.* takes 8000"):
        processor({"array": wave, "sampling_rate": 16000})
