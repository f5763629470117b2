"""A changed checkpoint is noticed by its stamp."""

import os
import shutil
from pathlib import Path

from vog.checkpoints import stamp


def test_a_file_that_was_changed(tmp_path: Path) -> None:
    path = tmp_path / "1.pt"
    assert stamp(path) is None
    path.write_bytes(b"abc")
    before = stamp(path)
    assert before == stamp(path)
    os.utime(path, ns=(0, 0))
    assert stamp(path) not in (before, None)
    path.write_bytes(b"abcd")
    assert stamp(path) != before


def test_any_change_deep_in_a_folder_is_noticed(tmp_path: Path) -> None:
    folder, file = tmp_path / "100", tmp_path / "100/default/d/0"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"abc")
    stamps = [stamp(folder)]
    os.utime(file, ns=(0, 2**62))
    stamps.append(stamp(folder))
    file.write_bytes(b"abcd")
    stamps.append(stamp(folder))
    (folder / "empty").touch()
    stamps.append(stamp(folder))
    shutil.rmtree(folder / "default")
    stamps.append(stamp(folder))
    assert None not in stamps
    assert len(set(stamps)) == len(stamps)
