"""People judging policies: serving, studies, blind ratings, results, export.

models/        rows: endpoints, suites, studies, answers, items, assignments, ratings
serving.py     the gateway: the only code that talks to vLLM
generation.py  the answers of a study, generated once and stored
assignment.py  who gets which item, and which answer stands left
leaderboard.py win rates and Bradley-Terry strengths (pure functions)
export.py      ratings to preference pairs to a sealed dataset version
demo/          the demo workspace, its simulated raters and its report
"""
