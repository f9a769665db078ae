"""Every measure that a run page shows: what it is, its formula, what is healthy, when it is alarming, what helps.

δ = log π(chosen) − log π(rejected) of the policy (θ) or the reference (ref), summed over tokens unless it says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from training.diagnosis import thresholds as t
from training.diagnosis.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class Measure:
    """One entry; `pattern` fits the names of the metrics that it explains."""

    key: str
    pattern: str
    title: str
    definition: str
    formula: str
    healthy: str
    remedy: str = ""
    thresholds: tuple[Threshold, ...] = ()


def measures_of(names: Iterable[str]) -> list[Measure]:
    """The measures that explain these metrics, in the catalogue's order."""
    listed = list(names)
    return [measure for measure in MEASURES if any(re.search(measure.pattern, name) for name in listed)]


def measure(key: str) -> Measure:
    """The entry of this key; raises KeyError."""
    return _BY_KEY[key]


_PAIRS = (
    Measure(
        key="loss",
        pattern=r"^(train|held_out|(reward|member_\d+)(_held_out)?)/loss$",
        title="Loss",
        definition="What training minimises, on the pairs of a step and on held-out pairs that are never trained on. "
        "For the policy of RLHF it is a surrogate, of which only the gradient means something.",
        formula="mean over pairs (tokens for SFT) of the method's loss, by weight",
        healthy="Both fall; the held-out one may flatten but does not turn. Losses of different methods do "
        "not compare.",
        remedy="Stop where the held-out loss is lowest, or take fewer passes.",
        thresholds=(t.LOSS_RISE,),
    ),
    Measure(
        key="ranking_accuracy",
        pattern=r"/(reference_)?ranking_accuracy(_per_token)?$",
        title="Ranking accuracy",
        definition="Share of pairs whose chosen answer the model finds likelier than the rejected one: in all "
        "(summed), or per token, which takes the advantage of short answers away. Beside it the reference's own.",
        formula="mean 1[δ_θ > 0]; reference: mean 1[δ_ref > 0]",
        healthy="Above the reference's and rising. It is what the policy does; the implicit reward only says "
        "what changed.",
        remedy="Constrained CPO, whose target is the right order and not only a better one than before.",
        thresholds=(t.RANKING_ACCURACY,),
    ),
    Measure(
        key="implicit_reward_accuracy",
        pattern=r"/implicit_reward_accuracy$",
        title="Accuracy of the implicit reward",
        definition="Share of pairs that training has moved towards the chosen answer, relative to the reference.",
        formula="mean 1[δ_θ > δ_ref + 0.01]: less than a hundredth of a nat may be rounding, so it begins at 0",
        healthy="Rises on training and held-out pairs alike. It can be high while the policy still ranks wrongly.",
        remedy="Above its threshold, look at the ranking accuracy: it should have risen too.",
        thresholds=(t.REWARD_ACCURACY,),
    ),
    Measure(
        key="generalisation_gap",
        pattern=r"/(implicit_reward_accuracy|accuracy)$",
        title="Gap between training and held-out pairs",
        definition="How much better the model does on the pairs it is trained on than on others.",
        formula="accuracy on training pairs since the last look − accuracy on held-out pairs",
        healthy="A few points.",
        remedy="Fewer passes or smaller steps; label smoothing where labels are noisy.",
        thresholds=(t.GAP,),
    ),
    Measure(
        key="undesirable_share",
        pattern=r"/undesirable_share$",
        title="Pairs in the undesirable region",
        definition="Share of pairs that training improved without getting the order right: the loss of DPO is below "
        "its start, and the policy still prefers the rejected answer (Constrained Preference Optimization, def. 3.3).",
        formula="mean 1[δ_ref < δ_θ < 0]",
        healthy="Rises at first, because pairs pass through the region, and then falls to a few per cent.",
        remedy="Constrained CPO with floor 0, at the same budget.",
        thresholds=(t.UNDESIRABLE_SHARE, t.UNDESIRABLE_SHARE_GRAVE),
    ),
    Measure(
        key="pessimistic_share",
        pattern=r"/pessimistic_share$",
        title="Pessimistic pairs",
        definition="Share of pairs that the reference ranks wrongly. It does not change during a run.",
        formula="mean 1[δ_ref < 0]",
        healthy="About 45 % is usual even for good references (arXiv 2602.11902); DPO stops early on these pairs.",
    ),
    Measure(
        key="contradicted_share",
        pattern=r"/contradicted_share$",
        title="Sure contradictions of the labels",
        definition="Of the half of the held-out pairs on which the model is surest, the share whose label it "
        "contradicts. Weak models err where they are unsure; wrong labels are contradicted at any certainty.",
        formula="mean 1[Δ < 0] over the half with the largest |Δ|, Δ = δ_θ − δ_ref (the score gap for a reward model)",
        healthy="Falls as the model learns; in common data sets 20 to 40 % of the pairs are noisy (arXiv 2404.09824). "
        "It bounds the share of flipped labels from above, since the model errs too: on the demo world it ends at 13 % "
        "without flipped labels, 26 % with 10 % and 40 % with 30 % of them. Before the 500th pair it means little.",
        remedy="Read the contradicted pairs; clean the data, or smooth the labels.",
        thresholds=(t.CONTRADICTED_SHARE,),
    ),
    Measure(
        key="margin_gain",
        pattern=r"/margin(_gain)?$",
        title="Margin",
        definition="By how many nats the chosen answer is likelier than the rejected one, and how much of that is "
        "gained over the reference (for a reward model: the gap of the scores).",
        formula="mean δ_θ; gain: mean (δ_θ − δ_ref)",
        healthy="Rises together with the accuracy. Where it alone grows, pairs that are right already are "
        "pushed further.",
        remedy="Stop earlier, or raise β.",
        thresholds=(t.MARGIN_GROWTH,),
    ),
    Measure(
        key="displacement",
        pattern=r"_displacement$",
        title="Displacement in all",
        definition="How much likelier the chosen and the rejected answers have become, summed over their tokens.",
        formula="mean [log π_θ(y) − log π_ref(y)]",
        healthy="As per token; long answers weigh more here.",
    ),
    Measure(
        key="chosen_displacement",
        pattern=r"_displacement_per_token$",
        title="Likelihood displacement",
        definition="How much likelier the chosen and the rejected answers have become, per token.",
        formula="mean [log π_θ(y) − log π_ref(y)] / |y|",
        healthy="Chosen near 0 or above. Where both fall, the probability goes to answers that are in no pair.",
        remedy="A likelihood term for the chosen answers, a larger β or smaller steps.",
        thresholds=(t.DISPLACEMENT, t.NO_DISPLACEMENT),
    ),
)
_SAMPLES = (
    Measure(
        key="kl",
        pattern=r"/kl(_low|_high|_k3)?$",
        title="KL to the reference",
        definition="How far the policy has moved, in nats per answer, measured on its own sampled answers to held-out "
        "prompts, with a 95 % interval over the answers. k3 estimates the same with less variance.",
        formula="mean over answers of k1 = Σ_t log π_θ(y_t) − log π_ref(y_t); k3 = Σ_t e^−ρ − 1 + ρ; ± 1.96 s / √n",
        healthy="There is no universal limit; it should buy accuracy on held-out pairs as it grows.",
        remedy="A larger β, or smaller steps.",
        thresholds=(t.KL_GROWTH,),
    ),
    Measure(
        key="length_ratio",
        pattern=r"/length_ratio$",
        title="Length against the reference's",
        definition="How many times as long the policy's own answers are as the reference's to the same prompts.",
        formula="mean |y_θ| / mean |y_ref|",
        healthy="Near 1, unless the raters wanted longer or shorter answers.",
        remedy="Length normalisation (DPO), a length penalty (RLHF), or balanced data.",
        thresholds=(t.LENGTH_RATIO_HIGH, t.LENGTH_RATIO_LOW),
    ),
    Measure(
        key="length",
        pattern=r"/length$",
        title="Length of the answers",
        definition="Mean tokens of the policy's sampled answers, the end token included.",
        formula="mean |y|",
        healthy="As long as the raters wanted.",
    ),
    Measure(
        key="style",
        pattern=r"^own/(markup_share|opening_share|repetition)$",
        title="Style of the answers",
        definition="Share of the policy's own answers with lists, headings, bold type or code; with the commonest "
        "opening of three words; and the share of their trigrams that occurred in them before.",
        formula="shares over answers; repetition: 1 − distinct / all trigrams of an answer, averaged",
        healthy="Near where it began at step 0, which is the reference's. A drift shows a style that the data rewards.",
        remedy="Look at the samples; balance the data for that style.",
    ),
    Measure(
        key="entropy",
        pattern=r"^(own|rollout)/entropy$",
        title="Entropy",
        definition="How open the policy's choice of the next token is, on average over its own answers.",
        formula="mean over tokens of −Σ_v π(v) log π(v), in nats",
        healthy="Falls little; well above half of what it was before training.",
        remedy="A larger β or a dearer KL, smaller steps.",
        thresholds=(t.REMAINING_DIVERSITY,),
    ),
    Measure(
        key="distinct_2",
        pattern=r"^own/distinct_2$",
        title="Distinct bigrams",
        definition="Variety across the policy's own answers: different word pairs over all word pairs (Li et "
        "al. 2016).",
        formula="distinct bigrams / bigrams, all answers together",
        healthy="Near its value at step 0. It falls as answers grow longer, so read it with the length.",
        remedy="A larger β or a dearer KL, smaller steps.",
        thresholds=(t.REMAINING_DIVERSITY,),
    ),
)
_REWARD = (
    Measure(
        key="reward_accuracy",
        pattern=r"^reward(_held_out)?/accuracy",
        title="Accuracy of the reward model",
        definition="Share of pairs whose chosen answer gets the higher score; on held-out pairs also for those whose "
        "longer, and whose shorter, answer was chosen.",
        formula="mean 1[r(chosen) > r(rejected)], by weight; where a label is a probability, that of the answer "
        "which scores higher",
        healthy="65 to 75 % is usual where people themselves disagree; alike for longer and shorter.",
    ),
    Measure(
        key="ece",
        pattern=r"^reward_held_out/ece(_by_chance)?$",
        title="Expected calibration error",
        definition="How far the reward model's probabilities are from the shares that come true. By chance: what a "
        "perfectly calibrated model would show with as many pairs.",
        formula="Σ over 15 bins of equal mass: n_b / n · |accuracy_b − confidence_b|",
        healthy="Not far above chance.",
        remedy="The fitted temperature, which is stored with the model; fewer passes.",
        thresholds=(t.ECE, t.ECE_GRAVE),
    ),
    Measure(
        key="brier",
        pattern=r"^reward_held_out/(brier|log_loss)$",
        title="Brier score and log-loss",
        definition="Squared and logarithmic error of the probability that the chosen answer is the better one.",
        formula="mean (1 − p)²; mean −log p; p = σ(r(chosen) − r(rejected))",
        healthy="Below 0.25 and 0.69, which tossing a coin gives.",
    ),
    Measure(
        key="temperature",
        pattern=r"^reward_held_out/temperature$",
        title="Fitted temperature",
        definition="What the gaps of the scores are to be divided by so that their probabilities fit the "
        "held-out pairs.",
        formula="argmin over T of mean −log σ((r(chosen) − r(rejected)) / T)",
        healthy="Near 1. Above: the model is too sure; below: not sure enough.",
    ),
    Measure(
        key="length_correlation",
        pattern=r"^reward_held_out/length_correlation$",
        title="Reward and length",
        definition="How strongly an answer's score goes with its length.",
        formula="Pearson's r of score and tokens over all held-out answers",
        healthy="Weak.",
        remedy="Pairs in which the shorter answer is the better one; a price per token in RLHF.",
        thresholds=(t.LENGTH_CORRELATION, t.LENGTH_CORRELATION_NEGATIVE),
    ),
    Measure(
        key="longer_preferred",
        pattern=r"^reward_held_out/longer_",
        title="Preference for the longer answer",
        definition="How often the model prefers the longer of two answers, beside how often the labels do.",
        formula="mean 1[the longer one scores higher]; mean 1[the longer one was chosen]",
        healthy="The two are alike.",
        thresholds=(t.LENGTH_PREFERENCE, t.SLICE_GAP),
    ),
    Measure(
        key="disagreement",
        pattern=r"^reward_held_out/disagreement$",
        title="Disagreement of the reward models",
        definition="Share of held-out pairs that two models, trained on the same pairs in another order, rank "
        "differently.",
        formula="mean 1[sign Δr_1 ≠ sign Δr_2]",
        healthy="Well below the share of errors.",
        remedy="More pairs, or fewer flipped ones.",
        thresholds=(t.DISAGREEMENT,),
    ),
    Measure(
        key="member_gap",
        pattern=r"^reward_held_out/member_gap$",
        title="Distance of the reward models",
        definition="How far apart the gaps are that two such models see between chosen and rejected, on average over "
        "the held-out pairs.",
        formula="mean |Δr_1 − Δr_2|, in standard deviations of the scores",
        healthy="Small beside the gaps themselves.",
    ),
)
_ROLLOUTS = (
    Measure(
        key="score",
        pattern=r"^(own|rollout)/(score|reward|clipped_share|term_.*)$",
        title="Learned reward",
        definition="The reward model's score, in standard deviations above the reference's mean; the reward that is "
        "trained on, with its named terms and the price of KL; and the share of scores that were clipped.",
        formula="score = (raw − shift) / scale; reward = clipped score + terms − β KL",
        healthy="Rises and flattens. It is a proxy: only people's judgements tell whether answers got better.",
    ),
    Measure(
        key="over_optimisation",
        pattern=r"^(own|rollout)/score$",
        title="Over-optimisation",
        definition="The score rises while held-out judgements of people are met less well: the policy has found what "
        "the reward model likes and people do not (Goodhart's law; Gao et al. 2023, arXiv 2210.10760).",
        formula="score above, and agreement with held-out pairs below, their values at its best look, two looks long",
        healthy="Both rise together.",
        remedy="A dearer KL, smaller steps, or stopping earlier.",
        thresholds=(t.PROXY_RISE, t.JUDGEMENT_FALL),
    ),
    Measure(
        key="truncated_share",
        pattern=r"/truncated_share$",
        title="Cut-off answers",
        definition="Share of sampled answers that reached the length limit without an end.",
        formula="mean 1[no end token]",
        healthy="Below 5 to 10 %.",
        remedy="A higher limit, or a larger penalty for a missing end.",
        thresholds=(t.TRUNCATED_SHARE,),
    ),
    Measure(
        key="zero_spread_share",
        pattern=r"^rollout/zero_spread_share$",
        title="Groups without a difference",
        definition="Share of prompts whose sampled answers all got the same reward; such groups give no gradient.",
        formula="mean 1[deviation of the group's rewards < 10⁻⁶]",
        healthy="Low; it rises when the policy always gives the same answer.",
        remedy="Larger groups, a dearer KL.",
        thresholds=(t.ZERO_SPREAD_SHARE,),
    ),
    Measure(
        key="clip_share",
        pattern=r"^rollout/clip_share$",
        title="Clipped ratios",
        definition="Share of probability ratios outside the trusted range, which are not pushed further.",
        formula="mean 1[|π/π_old − 1| > clip range and the push would go further]",
        healthy="A few per cent; the ratio is 1 in the first update on a batch.",
        remedy="Smaller steps, or fewer updates on each batch.",
        thresholds=(t.CLIP_SHARE,),
    ),
    Measure(
        key="ratio_max",
        pattern=r"^rollout/ratio_max$",
        title="Largest ratio",
        definition="The largest probability ratio between the policy now and the policy that wrote the answers.",
        formula="max π(y) / π_old(y)",
        healthy="1 in the first update on a batch, below 2 in the others.",
        thresholds=(t.RATIO_MAX,),
    ),
    Measure(
        key="sampler_gap",
        pattern=r"^rollout/sampler_gap$",
        title="Gap between sampler and trainer",
        definition="How differently what wrote the answers and what is trained see their tokens.",
        formula="mean over tokens of |log p_sampler − log p_trainer|, in nats",
        healthy="Below 0.01 in fp32; in bf16 and for vLLM it is corrected by truncated importance weights.",
        remedy="fp32, or the trainer's own sampler.",
        thresholds=(t.SAMPLER_GAP,),
    ),
    Measure(
        key="explained_variance",
        pattern=r"^rollout/explained_variance$",
        title="Explained variance of the value head",
        definition="How much of the returns' variance PPO's value head predicts.",
        formula="1 − Var(return − value) / Var(return)",
        healthy="Rises from 0 towards 1; below 0 it is worse than a constant.",
    ),
)
_OPTIMISER = (
    Measure(
        key="grad_norm",
        pattern=r"/grad_norm$",
        title="Gradient norm",
        definition="Length of the gradient before it is clipped to the gradient limit.",
        formula="‖∇L‖₂ over all trained weights",
        healthy="Steady; peaks are cut by the limit.",
    ),
    Measure(
        key="learning_rate",
        pattern=r"/learning_rate$",
        title="Learning rate",
        definition="The step size of AdamW by the schedule.",
        formula="linear warm-up, then cosine, linear or constant",
        healthy="As planned.",
    ),
)
MEASURES = (*_PAIRS, *_SAMPLES, *_REWARD, *_ROLLOUTS, *_OPTIMISER)
_BY_KEY = {entry.key: entry for entry in MEASURES}
