"""What goes wrong with each method on the demo world, by true reward, and whether the product says so.

laboratory.py   a world with its base, pairs and runs, in one folder, through the engine's own command
answers.py      a policy's answers to prompts (a process of its own, because it loads torch)
questions.py    the four experiments
__main__.py     `python -m bench.pathologies`: all of them over several seeds, as a table and as JSON
"""
