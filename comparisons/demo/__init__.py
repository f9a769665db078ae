"""The demo workspace: the product's own loop on the small invented world of training/world.

workspace.py   the stages that prepare it, each repeated without repeating finished work
guideline.py   what its raters are told, with the facts of the world
preparing.py   what is being done, for the home page
waiting.py     waiting for workers and engine, with progress told
evaluation.py  true reward of what the served policies answer
raters.py      simulated raters who rate through the real pages
check.py       the whole loop without a person, and its report
"""
