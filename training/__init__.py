"""Preference data, runs and policies.

models/        rows: datasets and versions, runs and their events, policies
preferences/   pairs: wire format, import, sealed Parquet, checks (no torch, no HTTP)
config.py      the typed configuration of every method, shared by form, command line and engine
queue.py       the run state machine: create, claim, heartbeat, cancel, resume, finish, fail
supervision.py runs a trainer process for a claimed run
engine/        the trainer (torch, no Django)
world/         the demo world: a small invented domain whose true reward is known
"""
