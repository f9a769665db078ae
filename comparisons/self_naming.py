"""Words with which a model speaks of itself, prompts that make it do so, and what a failed service says instead.

All of it is about the one who answers: "I am Qwen", not "Qwen was released in 2023". A model or company that is merely
spoken of tells nothing about who wrote the answer.
"""

from __future__ import annotations

import re

# Names of models that are hardly anything else after "I am". Falcon, Phi or Command are; their makers give them away.
MODELS = (
    r"(?:chat ?gpt|gpt[- ]?[2-9][\w.]*|open ?ai|claude|gemini|gemma|(?:google )?bard|llama|code ?llama|qwen|qwq|"
    r"tongyi|mi[sx]tral|deep ?seek|copilot|grok|chatglm|kimi|ernie bot|vicuna|smollm|olmo|internlm|baichuan)"
    r"(?:[- ]?\d[\w.-]*)?"
)
MAKERS = (
    r"(?:open ?ai|anthropic|google|deepmind|meta|facebook|alibaba|microsoft|mistral|deep ?seek|cohere|xai|apple|amazon|"
    r"nvidia|ibm|baidu|tencent|bytedance|zhipu|moonshot|hugging ?face|eleuther ?ai|stability ai|ai21|databricks|"
    r"nous research|technology innovation institute|allen institute)"
)
KINDS = r"(?:ai|artificial intelligence|(?:large )?language model|llm|chat ?bot)"
MADE = r"(?:created|made|trained|built|developed|designed|programmed|released)"
# "I am an AI researcher" is a person's sentence.
PEOPLE = (
    r"(?:researcher|engineer|scientist|developer|student|expert|enthusiast|consultant|teacher|professor|ethicist|"
    r"company|startup|lab|team|user|skeptic|optimist)"
)
I_AM = r"\bi(?: am|'m|’m)"

SELF_NAMING = re.compile(
    rf"\bas an? (?:{KINDS})\b(?![ -]{PEOPLE})"
    rf"|{I_AM} (?:(?:just|only|simply|merely|but|actually|a mere) )*(?:an? )?{KINDS}\b(?![ -]{PEOPLE})"
    rf"|(?:{I_AM}|\bmy name is|\byou can call me) (?:(?:just|actually|called|named|the model) )*{MODELS}\b"
    rf"|{I_AM} [^.!?\n]{{1,40}}, an? (?:[\w-]+ ){{0,3}}(?:{KINDS}|assistant)\b"
    rf"|\bi(?: was|'ve been|’ve been| have been| am|'m|’m) {MADE} by (?:the )?{MAKERS}\b"
    r"|\bmy (?:training data|training cut-?off|knowledge cut-?off)\b",
    re.IGNORECASE,
)

WHO_ARE_YOU = re.compile(
    rf"\bwho (?:are|has {MADE}|{MADE}) you\b"
    rf"|\b(?:what|which) (?:[\w-]+ ){{0,3}}(?:model|assistant|{KINDS})(?: [\w-]+)? "
    r"(?:are you\b|am i (?:talking|speaking|chatting)|powers you\b)"
    rf"|\b(?:what|which) (?:[\w-]+ ){{0,2}}{KINDS} is this\b"
    rf"|\bare you (?:(?:an?|the|really|actually|just|based on|powered by) )*(?:{MODELS}|{KINDS})\b(?![ -]{PEOPLE})"
    rf"|\b(?:what|which) (?:company|organi[sz]ation|lab|team|people|person|developer)s? (?:has |have )?{MADE} you\b"
    rf"|\bwho (?:is|are|was|were) your (?:creator|maker|developer|trainer)s?\b|\bwho {MADE} this (?:model|{KINDS})\b"
    rf"|\bwere you {MADE} by\b|\bwhat are you\s*(?:\?|$)|\bintroduce yourself\b|\byour name\b",
    re.IGNORECASE,
)

# An answer that is the message of a broken program. Fenced code is somebody's example.
FAILURE = re.compile(
    r"^[ \t]*Traceback \(most recent call last\):"
    r"|\A\W*(?:error\W+)?(?:http(?:/\d(?:\.\d)?)?\W+)?(?:50[0-4]\W+)?"
    r"(?:internal server error|bad gateway|service unavailable|gateway time-?out)\b",
    re.IGNORECASE | re.MULTILINE,
)
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
ABOUT_FAILURES = re.compile(
    r"\b(?:errors?|traceback|exceptions?|https?|status(?: code)?s?|servers?|debug|crash\w*|50[0-4])\b", re.IGNORECASE
)


def failure_in(text: str) -> str:
    """The message of a broken program that stands where an answer should, or nothing."""
    found = FAILURE.search(FENCED.sub("", text))
    return " ".join(found.group().split()) if found else ""
