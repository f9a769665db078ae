"""What stands around the launch form.

methods.py        each method in the words of the launch page
presets.py        settings that are known to be sensible
config_fields.py  configurations seen field by field: names, labels, faults as sentences
estimates.py      steps, memory and arithmetic of a run to come, by formula
throughput.py     what earlier runs measured, and the forecast made of both
device.py         the machine that a run would train on
"""
