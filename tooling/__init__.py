"""What makes a fresh clone run: setup, lock, broker, demo supervisor, test needs. Standard library only.

| module | run as | does |
|---|---|---|
| `setup.py` | `make setup` | the virtual environment from the lock, after a look at what the machine lacks |
| `lock.py` | `make lock` | resolves requirements.in into requirements.lock |
| `needs.py` | – | what the machine must have (Python, disk, ports, Chromium …), one function each |
| `broker.py` | Procfile | runs redis-server, or the Valkey binary that a package ships |
| `demo.py` | `make demo`, `make demo-check` | preflight, migrations, then all processes under honcho |
| `test.py` | `make test` | sees to browser and PostgreSQL, then pytest on both cores |
| `descendants.py` | – | finds and ends every process that came from this one |
"""
