"""Preference data: from a file somebody has to a sealed version that any method can train on.

| module       | what it holds                                                        | needs          |
|--------------|----------------------------------------------------------------------|----------------|
| records.py   | the wire format: Message, Pair, Refusal, and when a pair is usable    | nothing        |
| sources/     | readers of files and data sets: bytes -> rows                         | pydantic-core  |
| formats/     | one module per format: row -> pairs; recognition of a sample          | pydantic       |
| reading.py   | opens what an import reads                                           | Django         |
| drafts.py    | imports to be confirmed, started again, swept away                   | Django         |
| versions.py  | datasets and their sealed versions                                   | Django         |
| trl.py       | writers: Pair -> the forms TRL reads                                  | nothing        |
| splits.py    | train or held out, by hash of the prompt                              | nothing        |
| sealing.py   | writes sealed Parquet, content-addressed                              | pyarrow        |
| store.py     | reads sealed Parquet: counts, pages, lengths                          | DuckDB         |
| row_files.py | writes rows as Parquet without pyarrow, for downloads                  | DuckDB         |
| checks/      | one function per rule over a sealed version, one collector            | DuckDB         |
| two_raters.py | from how often two agree to how often one errs                        | nothing        |
| report.py    | what the rules found, as one object for page, command and JSON        | the above      |
| refused.py   | the downloadable list of rows that could not be used                 | nothing        |
| import_queue.py | the states of an ImportJob: claim, heartbeat, cancel, end         | Django         |
| importing.py | file or pairs -> DatasetVersion                                      | Django         |

Nothing here imports torch or speaks HTTP. pyarrow and DuckDB are imported inside functions: the web process pays for
DuckDB only when somebody looks at data, and refuses pyarrow (alignapp/web.py), whose work is left to workers.
"""
