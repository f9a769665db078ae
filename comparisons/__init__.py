"""People judging policies: serving, studies, blind ratings, results, export.

models/        rows: endpoints, suites, studies, answers, items, assignments, ratings
serving/       real vLLM: the gateway, the keeper of the engine and of its adapters
suites.py      prompts on which policies are compared
creation.py    making a study; sampling.py: how its answers are drawn
generation.py  the answers of a study, generated once and stored; quarantine.py: what raters must not see
pairing.py     two answers each into items
studies.py     a study's states and progress; design_in_words.py: what it fixed; overview.py: the loop on the home page
flags.py       why raters skipped items, and setting one aside; adjudication.py: deciding what they disagree about
assignment/    who gets which item, and which answer stands left
statistics/    of judgements (pure functions): strengths, plans, verdicts, agreement; results/: from rows to these
export/        ratings to preference pairs to a sealed dataset version
people.py      annotators and pools; audit.py: who did what to a study, audit_in_words.py: as its page tells it
demo/          the demo workspace, its simulated raters and its report
"""
