"""Packed files: read whole or not at all, and never more than was asked for."""

from __future__ import annotations

import gzip
import random
import zipfile

import pytest
import zstandard

from tests.training.preferences.sources.files import LINES, PACK, ROWS, read, values, zipped
from training.preferences.sources import UnreadableFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "upload"


@pytest.mark.parametrize("kind", PACK)
def test_a_packed_file_is_read_as_what_it_holds(path, kind):
    assert values(read(path, PACK[kind](LINES), f"rows.jsonl.{kind}")) == ROWS


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("missing", [1, 7, 60])
def test_an_archive_that_was_cut_off_is_refused_as_a_whole(path, kind, missing):
    with pytest.raises(UnreadableFile, match=r"ends before|cut off|damaged"):
        read(path, PACK[kind](LINES)[:-missing])


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip"])
def test_a_damaged_archive_is_refused_as_a_whole(path, kind):
    """Random text hardly shrinks, so the byte that is turned over lies within the data; every check sum sees it."""
    text = random.Random(1).randbytes(4000).hex()
    packed = bytearray(PACK[kind](f'{{"a":"{text}"}}\n'.encode() * 2))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(UnreadableFile, match="damaged"):
        read(path, bytes(packed))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_members_one_after_the_other_and_padding_are_one_file(path, pack):
    assert values(read(path, pack(LINES) + pack(LINES) + b"\0" * 512)) == ROWS + ROWS


def test_what_follows_an_archive_and_is_none_makes_it_unreadable(path):
    with pytest.raises(UnreadableFile, match="damaged"):
        read(path, gzip.compress(LINES) + b"rubbish")


@pytest.mark.parametrize("kind", PACK)
def test_a_file_that_unpacks_to_too_much_is_stopped_on_the_way(path, kind):
    """2 MB of one letter shrink to some kB: more than 100 times, which counts from 1 MB on."""
    bomb = PACK[kind](b'{"a":"' + b"x" * 2_000_000 + b'"}')
    with pytest.raises(UnreadableFile, match="unpacks to more than 100 times its size"):
        read(path, bomb, ratio=100, ratio_from=1_000_000)
    with pytest.raises(UnreadableFile, match="the most that is read"):
        read(path, bomb, unpacked=1_000_000)


def test_a_zip_with_several_files_names_them(path):
    with pytest.raises(UnreadableFile, match=r"holds 2 files: 'a.jsonl', 'b.jsonl'"):
        read(path, zipped("a.jsonl", "b.jsonl"))
    with pytest.raises(UnreadableFile, match="holds no file"):
        read(path, zipped())


def test_shadows_of_a_mac_do_not_count_as_files(path):
    assert values(read(path, zipped("a.jsonl", "__MACOSX/._a.jsonl", ".DS_Store"))) == ROWS


def test_an_excel_workbook_is_told_from_a_zip(path):
    with pytest.raises(UnreadableFile, match="Excel"):
        read(path, zipped("xl/workbook.xml", "[Content_Types].xml"))


def test_an_archive_in_an_archive_is_refused(path):
    with pytest.raises(UnreadableFile, match="another archive"):
        read(path, gzip.compress(zipped("a.jsonl")))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_whose_content_would_be_unpacked_in_one_go_is_refused(path, method):
    """Python's zipfile gives the decoder a mebibyte of these at once, out of which 20 gigabytes may come."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.jsonl", LINES)
    with pytest.raises(UnreadableFile, match="packed in a way that cannot be read"):
        read(path, path.read_bytes())
