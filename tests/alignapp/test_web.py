"""What the web process does to stay small."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path, reverse

from comparisons.models import Study
from tests.comparisons.export.material import study_with
from tests.factories import make_user
from tests.training.preferences.killing import address_of_test_database
from tests.training.preferences.pairs import pair
from tests.without_arrow import as_a_worker
from tooling import needs
from tooling.descendants import descendants
from training.models import DatasetVersion
from training.preferences.versions import dataset_named, seal

DOWNLOAD = """
import asyncio, json, sys
from pathlib import Path
from alignapp.web import stay_small
stay_small()
import django
django.setup()
from django.conf import settings
home = settings.HOME = settings.FILE_UPLOAD_TEMP_DIR = Path(sys.argv[1])
settings.ALLOWED_HOSTS = ["*"]
from alignapp.accounts.models import User
from django.test import AsyncClient

async def download(addresses):
    client = AsyncClient()
    await client.aforce_login(await User.objects.aget(username="rita"))
    for number, address in enumerate(addresses):
        response = await client.get(address)
        assert response.streaming, (address, response.status_code)
        (home / f"download-{number}").write_bytes(b"".join([chunk async for chunk in response]))

asyncio.run(download(json.loads(sys.argv[2])))
assert not {"pandas", "pyarrow"} & set(sys.modules), "loaded all the same"
"""
QUERIES = """
import re, time
from pathlib import Path
from alignapp.web import stay_small
stay_small()
import duckdb

def megabytes():
    return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000

def query():
    with duckdb.connect() as database:
        return database.execute("SELECT sum(n * n) FROM range(1_000_000) numbers(n)").fetchone()

first, used = query(), megabytes()
deadline = time.monotonic() + 20
while (kept := megabytes()) > used - 15 and time.monotonic() < deadline:
    query()  # nothing is given back without work
    time.sleep(0.2)
assert kept < used - 15, (used, kept)
assert query() == first, "it works as before"
"""
REFUSED = """
from alignapp.web import stay_small
stay_small()
for name in ("pandas", "pyarrow", "pyarrow.parquet"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert "leave it to a worker" in str(error), error
    else:
        raise SystemExit(f"{name} was imported")
"""


def run(program: str, *arguments: str, **environment: str) -> None:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_arrow_and_pandas_do_not_come_into_the_web_process():
    run(REFUSED)


def page_that_needs_arrow(request: HttpRequest) -> HttpResponse:
    import pyarrow.compute

    return HttpResponse(pyarrow.compute.__name__)


def page_on_which_a_worker_was_quick(request: HttpRequest) -> HttpResponse:
    with as_a_worker():
        return page_that_needs_arrow(request)


urlpatterns = [path("page/", page_that_needs_arrow), path("quick/", page_on_which_a_worker_was_quick)]


@pytest.mark.urls(__name__)
@pytest.mark.django_db
def test_a_page_that_needs_arrow_fails_in_tests(client: Client):
    client.force_login(make_user())
    with pytest.raises(ModuleNotFoundError, match="left to workers"):
        client.get("/page/")
    assert client.get("/quick/").content == b"pyarrow.compute"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


@pytest.mark.django_db(transaction=True)
def test_every_download_of_pairs_is_made_without_arrow(home: Path):
    make_user("rita")
    study = study_with([["first", "first", "second"]] * 20)
    version = seal(dataset_named("Islands"), [pair(f"Q{n}?", "Yes.", "No.") for n in range(20)], {})
    found = [*downloads_of(study, version)]
    run(DOWNLOAD, str(home), json.dumps(found), DATABASE_URL=address_of_test_database(), PYTHONPATH=str(os.getcwd()))
    files = [home / f"download-{number}" for number in range(len(found))]
    rows = [pq.read_metadata(file).num_rows for file in files if file.read_bytes()[:4] == b"PAR1"]
    folders = [len(zipfile.ZipFile(file).namelist()) for file in files if zipfile.is_zipfile(file)]
    lines = [len(file.read_bytes().splitlines()) for file in files if file.read_bytes()[:1] == b"{"]
    assert (rows, folders, lines) == ([20] * 5, [3, 3], [20] * 4)


def downloads_of(study: Study, version: DatasetVersion) -> list[str]:
    """Every kind of file, of a study and of a version."""
    of_study = reverse("study-export", args=[study.slug])
    of_version = reverse("dataset-version-download", args=[version.dataset.slug, version.number])
    forms = [f"type={kind}&form={form}" for kind in ("jsonl", "parquet") for form in ("plain", "conversational")]
    kinds = ["jsonl", "jsonl-plain", "parquet", "parquet-plain", "folder", "sealed"]
    studies = [f"{of_study}?{query}" for query in (*forms, "type=folder&form=plain")]
    return studies + [f"{of_version}?form={kind}" for kind in kinds]


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(address).is_success
    return False


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_web_process_that_dies_is_replaced_and_none_outlives_the_one_above_them(tmp_path: Path, end: signal.Signals):
    port = needs.free_port()
    environment = os.environ | {"WEB_PROCESSES": "2", "ALIGNAPP_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "alignapp.web", "--port", str(port)]
    above = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def at_work() -> set[int]:
        return {pid for pid, line in descendants(above.pid).items() if "spawn_main" in line}

    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/health/"))
        before = at_work()
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(at_work() - before) == 1 and len(at_work()) == len(before))
        until(lambda: answers(f"http://127.0.0.1:{port}/health/"))
    finally:
        both = at_work()
        above.send_signal(end)
        above.wait(30)
    assert len(before) == 2
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in both), seconds=30)


def test_code_of_duckdb_that_was_used_does_not_stay_resident():
    run(QUERIES)
