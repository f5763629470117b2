"""Arguments from Python of another kind than their flag takes: one sentence, before any work.

The tests check types of arguments themselves, so these run as a user's program does.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import vog
import world
from command_line import TESTS
from vog.errors import ModelError

PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np
import vog, world

cases = {
    "memory": {"memory": 1.5},
    "scores": {"scores": 3},
    "weights": {"weights": 3},
    "read": {"read": {}},
    "target": {"target": 4},
    "head": {"head": 3},
    "device": {"device": 0},
    "a part of a row": {"limit": 2.5},
    "no row": {"limit": 0},
    "a part of a batch": {"batch_size": 2.5},
    "a word": {"batch_size": "big"},
    "a flag": {"batch_size": True},
    "no batch": {"batch_size": None},
    "too many": {"workers": 10**10},
    "a text": {"checkpoints_per_stage": "2"},
    "a state dict": {"model": world.build().state_dict()},
    "a path": {"model": Path("net.py")},
    "none": {"model": None},
    "numpy": {"limit": np.int32(6), "batch_size": np.int64(4)},
}
found = {}
for name, given in cases.items():
    asked = {"model": world.build, "checkpoints": sys.argv[1], "out": sys.argv[2]} | given
    try:
        run = vog.score(data=world.inputs_and_labels(9), **asked)
        found[name] = f"{run.rows} rows, {run.question['batch_size']} together"
    except vog.errors.VogError as error:
        found[name] = str(error)
print(json.dumps(found))
"""
SAID = {
    "memory": "memory=1.5: expected a size such as 4GB, or a number of bytes.",
    "scores": "scores=3: expected names of scores.",
    "weights": "weights=3: expected a key of the checkpoint, or keys joined by dots.",
    "read": "read is a dict: expected a function, or 'file.py:function'.",
    "target": "target=4: expected logit, probability, loss, predicted, or a function.",
    "head": "head=3: expected the name of a linear layer of the model.",
    "device": "device=0: expected auto, cpu, cuda or cuda:i.",
    "a part of a row": "limit=2.5: expected a whole number.",
    "no row": "limit=0: expected at least 1.",
    "a part of a batch": "batch_size=2.5: expected a whole number or 'auto'.",
    "a word": "batch_size='big': expected a whole number or 'auto'.",
    "a flag": "batch_size=True: expected a whole number or 'auto'.",
    "no batch": "batch_size=None: expected a whole number or 'auto'.",
    "too many": "workers=10000000000: expected at most 1000000000.",
    "a text": "checkpoints_per_stage='2': expected a whole number.",
    "a state dict": "model is an OrderedDict: weights alone do not say how to compute with them. "
    "Expected a module, a function that builds one, or 'file.py:function'.",
    "a path": "model=PosixPath('net.py'): expected a module, a function that builds one, or "
    "'file.py:function'.",
    "numpy": "6 rows, 4 together",
    "none": "model is missing, and {checkpoint} does not say which model it is of. Give "
    "model='file.py:function', a function that builds the model. (Only folders that transformers "
    "wrote, with config.json, say it.)",
}


@pytest.mark.process
@pytest.mark.slow
def test_of_another_kind(checkpoints: Path, tmp_path: Path) -> None:
    program = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n{PROGRAM}"
    words = [sys.executable, "-c", program, str(checkpoints), str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first = min(checkpoints.iterdir(), key=lambda path: int(path.stem.partition("-")[2]))
    expected = SAID | {"none": SAID["none"].format(checkpoint=first)}
    assert json.loads(done.stdout) == expected


def test_arguments_of_a_module_that_is_made_already(checkpoints: Path, tmp_path: Path) -> None:
    data = world.inputs_and_labels(9)
    with pytest.raises(
        ModelError, match="model_args classes: the model is a module, which is built"
    ):
        vog.score(world.build(), checkpoints, data, tmp_path / "run", model_args={"classes": 4})


def test_numbers_of_bytes(checkpoints: Path, tmp_path: Path) -> None:
    data = world.inputs_and_labels(9)
    run = vog.score(world.build, checkpoints, data, tmp_path / "run", memory=10**9)
    assert run.rows == 9
