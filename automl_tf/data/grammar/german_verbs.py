"""Forms of German verbs."""

import re
from dataclasses import dataclass

from automl_tf.data.grammar.words import GermanVerb

_PRESENT = {
    "sein": ("bin", "bist", "ist", "sind"),
    "haben": ("habe", "hast", "hat", "haben"),
    "werden": ("werde", "wirst", "wird", "werden"),
    "wissen": ("weiß", "weißt", "weiß", "wissen"),
    "können": ("kann", "kannst", "kann", "können"),
    "müssen": ("muss", "musst", "muss", "müssen"),
    "dürfen": ("darf", "darfst", "darf", "dürfen"),
    "wollen": ("will", "willst", "will", "wollen"),
    "sollten": ("sollte", "solltest", "sollte", "sollten"),
    "möchten": ("möchte", "möchtest", "möchte", "möchten"),
}
_PAST = {
    "sein": "war",
    "haben": "hatte",
    "werden": "wurde",
    "können": "konnte",
    "müssen": "musste",
    "dürfen": "durfte",
    "wollen": "wollte",
}
_KEEPS_ITS_START = re.compile(r"be|ge|ver|er|ent|zer|emp|miss|über")


@dataclass(frozen=True)
class Agreement:
    """What a finite verb agrees with: person, from one to three, and number."""

    person: int
    plural: bool


def stem_of(infinitive: str) -> str:
    """The infinitive without -en or -n."""
    return re.sub(r"e?n$", "", infinitive)


def needs_e(stem: str) -> bool:
    """Whether an e stands between this stem and -t: ``er arbeitet``, ``er öffnet``."""
    return re.search(r"([td]|[^aeiouäöülrhmn][mn])$", stem) is not None


def _with_t(stem: str) -> str:
    return stem + ("et" if needs_e(stem) else "t")


def weak_past(infinitive: str) -> str:
    """The regular past: ``kaufte``, ``öffnete``."""
    return _with_t(stem_of(infinitive)) + "e"


def weak_participle(infinitive: str) -> str:
    """The regular participle: ``gekauft``, but ``besucht`` and ``repariert``."""
    unstressed = _KEEPS_ITS_START.match(infinitive) or infinitive.endswith("ieren")
    return ("" if unstressed else "ge") + _with_t(stem_of(infinitive))


def present(verb: GermanVerb, agreement: Agreement) -> str:
    """The present tense without the prefix."""
    return _present(verb.infinitive, verb.changed_stem, agreement)


def auxiliary_present(infinitive: str, agreement: Agreement) -> str:
    """The present of an auxiliary or modal verb."""
    return _present(infinitive, "", agreement)


def _present(infinitive: str, changed_stem: str, agreement: Agreement) -> str:
    if infinitive in _PRESENT:
        forms = _PRESENT[infinitive]
        return forms[-1] if agreement.plural else forms[agreement.person - 1]
    if agreement.plural:
        return infinitive
    first, second, third = _singular_present(stem_of(infinitive), changed_stem)
    return (first, second, third)[agreement.person - 1]


def _singular_present(stem: str, changed_stem: str) -> tuple[str, str, str]:
    first = re.sub(r"el$", "l", stem) + "e"
    changed = changed_stem or stem
    if changed == stem and needs_e(stem):
        return first, stem + "est", stem + "et"
    second = changed + ("t" if re.search(r"[sßxz]$", changed) else "st")
    third = changed if changed != stem and changed.endswith("t") else changed + "t"
    return first, second, third


def past(verb: GermanVerb, agreement: Agreement) -> str:
    """The simple past without the prefix."""
    return _past(verb.past, agreement)


def auxiliary_past(infinitive: str, agreement: Agreement) -> str:
    """The simple past of an auxiliary or modal verb."""
    return _past(_PAST[infinitive], agreement)


def _past(first: str, agreement: Agreement) -> str:
    if agreement.plural:
        return first + ("n" if first.endswith("e") else "en")
    second_person = len(("ich", "du"))
    if agreement.person == second_person:
        return first + "st"
    return first


def imperative(verb: GermanVerb) -> str:
    """The imperative to one familiar person, without the prefix: ``kauf``, ``öffne``, ``gib``."""
    stem, changed = stem_of(verb.infinitive), verb.changed_stem
    if "e" in stem and "i" in changed and changed != stem:
        return changed
    if stem.endswith("el"):
        return stem[:-2] + "le"
    return stem + ("e" if needs_e(stem) or re.search(r"(er|ig|nk)$", stem) else "")


def with_zu(verb: GermanVerb) -> str:
    """The infinitive with ``zu``: ``zu kaufen``, ``anzurufen``."""
    return f"{verb.prefix}zu{verb.infinitive}" if verb.prefix else f"zu {verb.infinitive}"


def infinitive(verb: GermanVerb) -> str:
    """The infinitive with its prefix: ``anrufen``."""
    return verb.prefix + verb.infinitive
