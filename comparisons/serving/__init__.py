"""Real vLLM: talking to it, keeping it up, keeping its adapters loaded.

gateway.py         the only code that talks to vLLM; every answer is timed by its own clock
keeper.py          the loop behind `manage.py serve_policies`: start, watch, restart, reconcile
adapters.py        the reconcile step: every adapter of the root, tried out before it counts as served
engine_process.py  vLLM's command line and process
lifeline.py        ends vLLM's whole process group with its keeper, however the keeper ends
"""
