"""The training engine: preference pairs and a base model go in, a policy comes out.

A library of its own: torch and Transformers, never Django. `python -m training.engine RUN_DIR` trains what
RUN_DIR/config.json asks for; docs/ARCHITECTURE.md describes the folder, the events and the exit statuses.

| method | file      | loss                                          | needs reference?       | needs reward model?  |
|--------|-----------|-----------------------------------------------|------------------------|----------------------|
| sft    | sft.py    | next-token likelihood of the chosen answer    | no                     | no                   |
| dpo    | dpo.py    | losses.dpo (conservative, robust), losses.ipo | yes, cached log-probs  | no                   |
| cpo    | cpo.py    | losses.constrained_cpo, hard floor or smooth  | yes, cached log-probs  | for reward_margin    |
| reward | reward.py | losses.bradley_terry, margins if asked for    | no                     | it is one            |
| rlhf   | rlhf.py   | policy_gradients: RLOO, GRPO, Dr. GRPO or PPO | yes, frozen beside it  | named, or trained    |

Two more learn from pairs without a reference: contrastive_cpo (contrastive_cpo.py, losses.contrastive_cpo plus
likelihood of the chosen answer) and simpo (simpo.py, losses.simpo). What the pair methods share is pairwise.py.

What the methods share, in the order in which data meets it: data.py (sealed rows to tokens), packing.py (tokens to
batches), policy.py (models), logprobs.py (log-probabilities of answers), reference.py (those of the reference,
cached), loop.py (the one optimizer loop), checkpoints.py, diagnostics.py (on held-out pairs), rollouts.py (sampling),
probes.py (on the policy's own answers), artifacts.py.

RLHF alone: experience.py (answers to advantages), shaping.py (terms of the reward), value_head.py (PPO), decoding.py
(how sampling grows answers), vllm_rollouts.py (sampling through vLLM).

inspection.py trains nothing: it looks at how a reference, a policy or a reward model (inspected.py) ranks pairs.

Where several devices share a run, launch.py starts a process for each by torchrun, and distributed.py shards the
policy, shares out the parts of a step and sums what they give. No method knows about it.

Nothing here keeps a random state or a position in the data: both are functions of (seed, step), which is why a
resumed run repeats an uninterrupted one bit for bit on a CPU.
"""
