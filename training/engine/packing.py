"""From tokenised examples to one batch of tensors; up to here a pair (or a group of samples) is one object.

A prompt is encoded once and all its answers attend to it but not to each other:

    row       | p p p p | a a a | b b | q q | c c | d d d | - - |     p, q prompts; a, b and c, d their answers
    positions | 0 1 2 3 | 4 5 6 | 4 5 | 0 1 | 2 3 | 2 3 4 | 0 0 |     restarted, so that each answer follows its prompt

Several examples share a row (first fit, longest first), so little is spent on padding; on the CPU all of them share
one row and nothing is (attention.py). Architectures that do not take a mask of our own get plain batches instead:
one row per prompt and answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from training.engine.attention import Segment
from training.engine.logprobs import predicting_positions

ROW_LENGTH = 96
"""Shortest capacity of a packed row: short examples fill it well, and attention over it stays cheap."""

MULTIPLE = 32
"""A single row is filled up to a multiple of this, so that few lengths occur: every new one leaves a hole in the heap,
and a kernel in oneDNN's cache; 60 steps of eight pairs held 2.9 GB instead of 1.6."""

PADDING = -1


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt with its answers as token ids: one for demonstrations, two for a pair (chosen first), a group in RL."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    weight: float = 1.0
    label: float = 1.0  # P(the first answer is the better one)
    margin: float = 0.0  # how much better, in the unit of rewards
    row: int = -1  # its number in the sealed file; -1 for what did not come from there

    @property
    def length(self) -> int:
        return len(self.prompt) + sum(map(len, self.answers))


@dataclass(frozen=True, slots=True)
class Batch:
    """What a forward pass needs; R rows of L tokens, A answers with N tokens in all, in the order of the examples."""

    tokens: Tensor  # [R, L] token ids
    positions: Tensor  # [R, L] position within prompt plus answer
    example_of: Tensor  # [R, L] which example of the row, PADDING where none
    branch_of: Tensor  # [R, L] 0 in the prompt, k in its k-th answer
    sources: Tensor  # [N] flat positions whose states predict the answer tokens
    targets: Tensor  # [N] those tokens
    answer_of: Tensor  # [N] the answer each belongs to
    ends: Tensor  # [A] flat position of each answer's last token
    lengths: Tensor  # [A] tokens of each answer
    packed: bool

    @property
    def answers(self) -> int:
        return len(self.ends)

    def to(self, device: torch.device) -> Batch:
        tensors = {f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)[:-1]}
        return replace(self, **tensors)

    def attention_mask(self, dtype: torch.dtype) -> Tensor:
        """Packed: additive block mask [R, 1, L, L], 0 or -inf. Plain: [R, L], 1 on tokens and 0 on padding."""
        if not self.packed:
            return (self.example_of != PADDING).long()
        # Padding sees padding, so that no row of the softmax is empty; nothing reads what comes of it.
        same_example = self.example_of[:, :, None] == self.example_of[:, None, :]
        return _additive(same_example & _visible(self.branch_of), dtype)[:, None]

    def segments(self) -> list[Segment]:
        """The examples of a batch that is one row, each with the mask of its own block; padding is a block too."""
        _, lengths = torch.unique_consecutive(self.example_of[0], return_counts=True)
        ends = lengths.cumsum(0).tolist()
        bounds = zip([0, *ends[:-1]], ends, strict=True)
        return [Segment(a, b, _additive(_visible(self.branch_of[0, a:b]), torch.float32)) for a, b in bounds]


def _visible(branch_of: Tensor) -> Tensor:
    """Which key a query may see within one example [..., L, L]: earlier ones of the prompt and of its own answer."""
    key, query = branch_of[..., None, :], branch_of[..., :, None]
    earlier = torch.ones(2 * branch_of.shape[-1:], dtype=torch.bool, device=branch_of.device).tril()
    return earlier & ((key == 0) | (key == query))


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, float("-inf"))


def pack(examples: Sequence[Example], *, packed: bool = True, one_row: bool = False) -> Batch:
    """Lay the examples out as one batch on the CPU, packed in rows, in `one_row`, or plain.

    Raises ValueError when there are no examples.
    """
    if not examples:
        raise ValueError("a batch needs at least one example")
    lengths = [e.length for e in examples]
    rows = _first_fit(lengths, max(ROW_LENGTH, sum(lengths) if one_row else max(lengths))) if packed else None
    pieces = _packed_pieces(examples, rows) if rows is not None else _plain_pieces(examples)
    return _fill(examples, pieces, packed=packed, multiple=MULTIPLE if packed and one_row else 1)


@dataclass(slots=True)
class _Piece:
    """A prompt with some of its answers, laid out from `start` of `row`."""

    example: int
    row: int
    start: int
    group: int  # which example of the row this is
    branches: range  # which of the example's answers follow the prompt


def _first_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Rows of example indices, each row within the capacity: first fit by decreasing length."""
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        row = next((r for r, free in enumerate(room) if free >= lengths[index]), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(capacity)
        rows[row].append(index)
        room[row] -= lengths[index]
    return rows


def _packed_pieces(examples: Sequence[Example], rows: list[list[int]]) -> list[_Piece]:
    pieces = []
    for row, indices in enumerate(rows):
        start = 0
        for group, index in enumerate(indices):
            pieces.append(_Piece(index, row, start, group, range(len(examples[index].answers))))
            start += examples[index].length
    return pieces


def _plain_pieces(examples: Sequence[Example]) -> list[_Piece]:
    """One row per prompt and answer, right-padded by whoever fills it."""
    answers = [(index, k) for index, example in enumerate(examples) for k in range(len(example.answers))]
    return [_Piece(index, row, 0, 0, range(k, k + 1)) for row, (index, k) in enumerate(answers)]


def _fill(examples: Sequence[Example], pieces: list[_Piece], *, packed: bool, multiple: int) -> Batch:
    """Write the pieces into arrays and note, per answer, where it is predicted, what it is and where it ends."""
    first_answer = np.cumsum([0, *(len(e.answers) for e in examples)])
    rows = 1 + max(p.row for p in pieces)
    length = -(-max(p.start + _piece_length(examples, p) for p in pieces) // multiple) * multiple
    tokens, positions, branch_of = (np.zeros((rows, length), dtype=np.int64) for _ in range(3))
    example_of = np.full((rows, length), PADDING, dtype=np.int64)
    sources: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * int(first_answer[-1])
    ends = np.zeros(int(first_answer[-1]), dtype=np.int64)
    for piece in pieces:
        example = examples[piece.example]
        at, prompt_end = piece.start, piece.start + len(example.prompt)
        tokens[piece.row, at:prompt_end] = example.prompt
        positions[piece.row, at:prompt_end] = np.arange(len(example.prompt))
        at = prompt_end
        for branch in piece.branches:
            answer, slot = example.answers[branch], first_answer[piece.example] + branch
            end = at + len(answer)
            tokens[piece.row, at:end] = answer
            positions[piece.row, at:end] = np.arange(len(example.prompt), len(example.prompt) + len(answer))
            branch_of[piece.row, at:end] = branch + 1
            sources[slot] = piece.row * length + predicting_positions(prompt_end, at, len(answer))
            ends[slot] = piece.row * length + end - 1
            at = end
        example_of[piece.row, piece.start : at] = piece.group
    answers = [answer for example in examples for answer in example.answers]
    lengths = np.array([len(answer) for answer in answers], dtype=np.int64)
    return Batch(
        tokens=torch.from_numpy(tokens),
        positions=torch.from_numpy(positions),
        example_of=torch.from_numpy(example_of),
        branch_of=torch.from_numpy(branch_of),
        sources=torch.from_numpy(np.concatenate(sources)),
        targets=torch.tensor([token for answer in answers for token in answer]),
        answer_of=torch.from_numpy(np.repeat(np.arange(len(answers)), lengths)),
        ends=torch.from_numpy(ends),
        lengths=torch.from_numpy(lengths),
        packed=packed,
    )


def _piece_length(examples: Sequence[Example], piece: _Piece) -> int:
    example = examples[piece.example]
    return len(example.prompt) + sum(len(example.answers[k]) for k in piece.branches)


def split_by_tokens(examples: Sequence[Example], most: int, *, packed: bool = True, ways: int = 1) -> list[list[int]]:
    """Indices of consecutive examples whose tokens together stay within `most` (one example may exceed it alone).

    Plain batches are counted as they are laid out: the prompt once per answer, and padding. With several `ways` the
    parts are about equal and a multiple of `ways` in number, unless there are too few examples.
    """
    if ways > 1:
        return _even_split(examples, most, packed, ways)
    parts: list[list[int]] = []
    for index in range(len(examples)):
        if parts and _laid_out(examples, [*parts[-1], index], packed) <= most:
            parts[-1].append(index)
        else:
            parts.append([index])
    return parts


def _even_split(examples: Sequence[Example], most: int, packed: bool, ways: int) -> list[list[int]]:
    """As many runs of examples with about equal tokens as it takes for each to fit."""
    total = sum(example.length for example in examples)
    for count in range(ways, len(examples) + ways, ways):
        parts: list[list[int]] = [[] for _ in range(count)]
        before = 0
        for index, example in enumerate(examples):
            parts[int(count * (before + example.length / 2) / total)].append(index)
            before += example.length
        if all(len(part) <= 1 or _laid_out(examples, part, packed) <= most for part in parts):
            return [part for part in parts if part]
    return [[index] for index in range(len(examples))]


def _laid_out(examples: Sequence[Example], part: Sequence[int], packed: bool) -> int:
    """Tokens of these examples in one batch; the gaps at the ends of packed rows are not counted."""
    if packed:
        return sum(examples[index].length for index in part)
    rows = [len(examples[index].prompt) + len(answer) for index in part for answer in examples[index].answers]
    return len(rows) * max(rows)
