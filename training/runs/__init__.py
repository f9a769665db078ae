"""What happens to a run between its launch and its policy.

queue.py           the state machine: create, claim, heartbeat, cancel, resume, finish, fail
admission.py       what may be queued
supervision.py     the trainer process of a claimed run: spawn, watch, stop, classify its end
process_groups.py  ending process groups and making sure that they are gone
trainer_events.py  events.jsonl on its way into rows
progress.py        how far a run is, and how long it will still take
curves.py          metrics as charts
story.py           warnings, samples, the end of the log
comparison.py      runs beside each other
"""
