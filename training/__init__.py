"""Preference data, runs and policies.

models/        rows: datasets and versions, runs and their events, policies
preferences/   pairs: wire format, import, sealed Parquet, checks (no torch, no HTTP)
config/        the typed configuration of every method, shared by form, command line and engine
launching/     what stands around the launch form: presets, estimates, methods in words
runs/          the run state machine, the supervision of trainers, and what their pages tell
policies.py    registering base models; lineage.py: where a policy comes from
engine/        the trainer (torch, no Django)
world/         the demo world: a small invented domain whose true reward is known
"""
