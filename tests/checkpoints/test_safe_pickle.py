"""Files with anything beside the weights give these, and nothing that a file names is executed."""

import pickle
import random
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import strange_files
from vog.checkpoints import read_weights, weights_digest
from vog.checkpoints.safe_pickle import Budget, Machine, Name, StandIn, Unreadable
from vog.errors import CheckpointError

STATE = strange_files.STATE
_PREFIXES = ("model.", "module.", "inner.")


def bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


@pytest.mark.slow
@pytest.mark.parametrize("kind", strange_files.kinds())
def test_weights_beside_anything_are_bit_equal(tmp_path: Path, kind: str) -> None:
    for writer in strange_files.WRITERS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, that it cannot keep the source of a class
            data = strange_files.written(kind, writer)
        path = tmp_path / f"{writer}.pt"
        path.write_bytes(data)
        with strange_files.watched() as events:
            found = {bare(name): value for name, value in read_weights(path).items()}
        assert found.keys() == STATE.keys(), writer
        for name, value in STATE.items():
            assert torch.equal(found[name], value.to(found[name].dtype)), (writer, name)
        assert events == []


def test_there_are_at_least_twenty_kinds() -> None:
    assert len(strange_files.kinds()) >= 20


def test_the_watch_sees_what_plain_pickle_does(tmp_path: Path) -> None:
    seen = 0
    for name in ("eval", "compile"):
        gadget = next(g for g in strange_files.gadgets(str(tmp_path / "mark")) if g[1] == name)
        data = strange_files.calls(*gadget)["REDUCE"]
        with strange_files.watched() as events:
            pickle.loads(data)
        seen += len(events) > 0
    assert seen == 2
    assert (tmp_path / "mark").exists()


@pytest.mark.slow
def test_no_gadget_runs_in_any_way_that_a_pickle_can_call_it(tmp_path: Path) -> None:
    mark, rng = tmp_path / "mark", random.Random(0)
    wrappers = (bytes, strange_files.as_zip, strange_files.as_legacy)
    tried = 0
    for gadget in strange_files.gadgets(str(mark)):
        forms = strange_files.calls(*gadget)
        for form in rng.sample(sorted(forms), 4):
            data = rng.choice(wrappers)(forms[form])
            _, events = strange_files.outcome(data, tmp_path / "a.pt")
            assert events == [], (gadget, form)
            tried += 1
    assert tried > 500
    assert not mark.exists()


def test_a_gadget_beside_weights_leaves_them_as_they_are(tmp_path: Path) -> None:
    gadgets = strange_files.gadgets(str(tmp_path / "mark"))
    for gadget in [one for one in gadgets if not one[0].startswith("torch")][::8]:
        evil = strange_files.calls(*gadget)["REDUCE"].removeprefix(b"\x80\x02").removesuffix(b".")
        archive = strange_files.written("beside a path", "zip")
        data = strange_files.with_pickle(
            archive,
            lambda old, evil=evil: (
                old[:2] + b"}(X\x04\0\0\0evil" + evil + b"X\x05\0\0\0model" + old[2:-1] + b"u."
            ),
        )
        (tmp_path / "a.pt").write_bytes(data)
        # The state dict is two levels down now; nothing else is one.
        with pytest.raises(CheckpointError, match=r"Choose weights from 'model.state_dict'"):
            read_weights(tmp_path / "a.pt")
    assert not (tmp_path / "mark").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(strange_files.bombs().keys() - strange_files.SLOW_BOMBS))
def test_small_files_that_ask_for_much_do_not_get_it(tmp_path: Path, name: str) -> None:
    begun = time.monotonic()
    said, events = strange_files.outcome(strange_files.bombs()[name](20_000), tmp_path / "a.pt")
    assert said != "weights"
    assert events == []
    assert time.monotonic() - begun < 60


@pytest.mark.slow
def test_damaged_files_are_weights_or_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        corpus = [
            strange_files.written(kind, writer)
            for kind in strange_files.kinds()[::4]
            for writer in strange_files.WRITERS
        ]
    mark = tmp_path / "mark"
    for seed in range(400):
        _, events = strange_files.outcome(
            strange_files.mutated(seed, corpus, str(mark)), tmp_path / "a.pt"
        )
        assert events == [], seed
    assert not mark.exists()


def machine(data: bytes) -> Machine:
    import io

    return Machine(io.BytesIO(data), len(data), Budget(len(data)))


def test_names_are_two_texts_and_calls_are_kept_as_data() -> None:
    found = machine(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R}X\x01\0\0\0aK\x01sb.").load()
    assert isinstance(found, StandIn)
    assert (found.name, found.arguments, found.state) == (Name("os", "system"), ("ls",), {"a": 1})
    assert not callable(found)
    assert not callable(found.name)


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\x01.",
        b"\x83\x01\0.",
        b"\x84\x01\0\0\0.",
        b"\x97.",
        b"]\x98.",
        b"Pos.system\n.",
        b"\x80\x02K\x01)R.",
        b"\x80\x02K\x01}b.",
        b"\x80\x02cos\nsystem\n}b.",
        b"\x80\x02K\x01K\x02a.",
        b"\x80\x63N.",
        b"",
        b"t.",
        b"h\x05.",
    ],
)
def test_opcodes_that_no_checkpoint_needs_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        machine(data).load()


def test_a_tensor_may_not_reach_beyond_its_storage(tmp_path: Path) -> None:
    plain = strange_files.WRITERS["zip"]({"a": torch.zeros(4)})
    beyond = {
        "size": (b"K\x04\x85q\x06", b"K\x05\x85q\x06"),
        "offset": (b"QK\x00", b"QK\x01"),
        "stride": (b"K\x01\x85q\x07", b"K\x02\x85q\x07"),
        "storage": (b"cpuq\x06K\x04", b"cpuq\x06K\x7f"),
    }
    changed = 0
    for old, new in beyond.values():
        data = strange_files.with_pickle(
            plain, lambda data, old=old, new=new: data.replace(old, new)
        )
        if data == strange_files.with_pickle(plain, bytes):
            continue
        changed += 1
        (tmp_path / "a.pt").write_bytes(data)
        with pytest.raises(CheckpointError, match="is damaged or no checkpoint"):
            read_weights(tmp_path / "a.pt")
    assert changed >= 2


def test_what_the_user_allows_is_left_to_torch(tmp_path: Path) -> None:
    content = {**STATE, "_extra_state": {"when": torch.Size([1, 2]), "where": {1, 2}}}
    torch.save(content, tmp_path / "a.pt")
    assert read_weights(tmp_path / "a.pt")["_extra_state"] == {"when": (1, 2), "where": {1, 2}}


def test_plain_torch_reads_only_what_names_nothing_but_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    load = torch.load

    def noted(path: Path, **how: Any) -> Any:
        opened.append((path.name, how["weights_only"]))
        return load(path, **how)

    monkeypatch.setattr(torch, "load", noted)
    torch.save(STATE, tmp_path / "plain.pt")
    torch.save({**STATE, "x": torch.eye(2).to_sparse()}, tmp_path / "sparse.pt")
    torch.save({"state_dict": STATE, "args": Path("a")}, tmp_path / "path.pt")
    for path in sorted(tmp_path.iterdir()):
        read_weights(path)
    assert opened == [("plain.pt", True)]


def test_both_readers_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"state_dict": STATE}, tmp_path / "1.pt")
    by_torch = weights_digest(read_weights(tmp_path / "1.pt"))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("not asked"))
    torch.save({"state_dict": STATE, "args": Path("a")}, tmp_path / "2.pt")
    assert weights_digest(read_weights(tmp_path / "2.pt")) == by_torch == weights_digest(STATE)
