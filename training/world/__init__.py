"""The demo world: a small invented domain whose true answers and true reward are known.

islands.py         48 islands, their facts, what the base is taught wrongly, which islands the pairs leave out
phrasing.py        questions (a fact, asked in a wording) and answers in five styles, as text
gold.py            the true reward of a free-text answer, from its text alone
suites.py          which questions are trained on and which are kept for evaluation
demonstrations.py  SFT rows that make the base a flawed reference
tokenizer.py       a model folder to train from scratch: tokenizer, chat template, Llama configuration
pairs.py           sampled answers -> preference pairs labelled by the true reward with a set error rate
presets.py         measured settings of every method for the demo

Everything follows from one seed. Nothing here imports torch, transformers or Django.
docs/world.md holds the formula, the hole, the error rates and the measured figures.
"""
