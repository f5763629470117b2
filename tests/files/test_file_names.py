"""`vog.files.file_names`: what a name is made of."""

from pathlib import Path

import pytest

from vog.files.file_names import split_scheme


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("jax:net.py:build", ("jax:", "net.py:build")),
        ("tf1:deep/net.py:build", ("tf1:", "deep/net.py:build")),
        ("net.py:build", ("", "net.py:build")),
        ("package.module:function", ("", "package.module:function")),
        ("module:function", ("", "module:function")),
        (r"C:\net.py:build", ("", r"C:\net.py:build")),
        (r"jax:C:\net.py:build", ("jax:", r"C:\net.py:build")),
        ("", ("", "")),
    ],
)
def test_schemes(name: str, parts: tuple[str, str]) -> None:
    assert split_scheme(name) == parts


def test_a_scheme_before_a_path_that_is_there(tmp_path: Path) -> None:
    assert split_scheme(f"savedmodel:{tmp_path}") == ("savedmodel:", str(tmp_path))
    assert split_scheme(f"savedmodel:{tmp_path / 'gone'}")[0] == ""
