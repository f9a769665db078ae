"""Where rows come from: files and data sets, read as a stream of `SourceRow` and `Refusal`.

| module          | reads                                                                             |
|-----------------|-----------------------------------------------------------------------------------|
| json_lines      | one object per line                                                               |
| json_arrays     | a JSON list, `{"data": [...]}`, or an object of columns                           |
| tables          | CSV and TSV with a header                                                         |
| parquet         | Parquet                                                                           |
| hub             | what the `datasets` library opens: saved folders, folders of files, names         |
| declared        | which files a data set may name as its own                                        |
| packing, files  | gzip, bzip2, xz, zstd and zip around any file; UTF-16; files that change meanwhile |
| opening         | which of these a file needs                                                       |

Every row is yielded once, as a row or a refusal. What is left of a source that cannot be read (cut off, damaged,
changed meanwhile) raises UnreadableFile, and what was read before must not be used.
"""

from training.preferences.sources.hub import open_hub
from training.preferences.sources.opening import open_source
from training.preferences.sources.rows import ChangedWhileRead, Limits, Source, SourceRow, UnreadableFile

__all__ = ["ChangedWhileRead", "Limits", "Source", "SourceRow", "UnreadableFile", "open_hub", "open_source"]
