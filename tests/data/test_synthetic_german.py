"""German sentences: agreement and word order, seen from the finished text."""

import itertools
import re

import pytest

from automl_tf.data.grammar import german_verbs, verb_tables
from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.compounds import compounds_of
from automl_tf.data.grammar.function_words import ALL, BARE, MANY, NO, OUR, THE, A
from automl_tf.data.grammar.german_phrases import phrase_words
from automl_tf.data.grammar.german_verbs import Agreement
from automl_tf.data.grammar.meaning import Description, Entity
from automl_tf.data.grammar.nouns import all_nouns
from automl_tf.data.grammar.places import all_sites
from automl_tf.data.grammar.qualities import all_adjectives
from automl_tf.data.grammar.verbs import actions, dealings, moves, special
from automl_tf.data.grammar.words import Case
from automl_tf.data.synthetic import generate, pair

# Which gender (or p, plural) and case an article can show, and the adjective endings behind it.
ARTICLES = {
    "der": {("m", "nom"): "e", ("f", "dat"): "en", ("f", "gen"): "en", ("p", "gen"): "en"},
    "die": {("f", "nom"): "e", ("f", "acc"): "e", ("p", "nom"): "en", ("p", "acc"): "en"},
    "das": {("n", "nom"): "e", ("n", "acc"): "e"},
    "den": {("m", "acc"): "en", ("p", "dat"): "en"},
    "dem": {("m", "dat"): "en", ("n", "dat"): "en"},
    "des": {("m", "gen"): "en", ("n", "gen"): "en"},
    "ein": {("m", "nom"): "er", ("n", "nom"): "es", ("n", "acc"): "es"},
    "eine": {("f", "nom"): "e", ("f", "acc"): "e"},
    "einen": {("m", "acc"): "en"},
    "einem": {("m", "dat"): "en", ("n", "dat"): "en"},
    "einer": {("f", "dat"): "en", ("f", "gen"): "en"},
    "im": {("m", "dat"): "en", ("n", "dat"): "en"},
    "zur": {("f", "dat"): "en"},
    "ins": {("n", "acc"): "e"},
    "dieser": {("m", "nom"): "e", ("f", "dat"): "en", ("f", "gen"): "en", ("p", "gen"): "en"},
    "diese": {("f", "nom"): "e", ("f", "acc"): "e", ("p", "nom"): "en", ("p", "acc"): "en"},
    "meine": {("f", "nom"): "e", ("f", "acc"): "e", ("p", "nom"): "en", ("p", "acc"): "en"},
    "meinen": {("m", "acc"): "en", ("p", "dat"): "en"},
    "keine": {("f", "nom"): "e", ("f", "acc"): "e", ("p", "nom"): "en", ("p", "acc"): "en"},
}
INTENSIFIERS = {"sehr", "ziemlich", "zu", "äußerst"}
ENDING = re.compile(r"(e[nrsm]?)$")
TEXTS = [tuple(re.sub(r"\b(\d+)[.]", r"\1", side) for side in pair(Chance(s))) for s in range(6000)]


def readings():
    """Gender or plural and case of every form of every noun."""
    found = {}
    nouns = [*all_nouns(), *(site.noun for site in all_sites())]
    for noun in [*nouns, *(c for head in nouns for c in compounds_of(head))]:
        oblique = noun.de_plural if noun.weak else noun.de
        dative_plural = noun.de_plural + ("" if re.search("[ns]$", noun.de_plural) else "n")
        forms = [
            (noun.de, noun.gender, "nom"),
            (oblique, noun.gender, "acc"),
            (oblique, noun.gender, "dat"),
            (noun.genitive, noun.gender, "gen"),
            (noun.de_plural, "p", "nom"),
            (noun.de_plural, "p", "acc"),
            (dative_plural, "p", "dat"),
            (noun.de_plural, "p", "gen"),
        ]
        for form, gender, case in forms:
            found.setdefault(form, set()).add((gender, case))
    return found


READINGS = readings()
VERBS = [verb.de for verb in (*actions(), *dealings(), *moves())]
VERBS += [
    special(line.split("=")[0].split()[0].rstrip("*"), infinitive).de
    for line in verb_tables.SPECIAL.strip().splitlines()
    for infinitive in [line.split("=")[1].removeprefix(" sich").split()[0]]
]
PERSONS = [Agreement(person, plural) for person in (1, 2, 3) for plural in (False, True)]
AUXILIARIES = {
    german_verbs.auxiliary_present(verb, agreement)
    for verb in [
        "sein",
        "haben",
        "werden",
        "können",
        "müssen",
        "dürfen",
        "wollen",
        "sollten",
        "möchten",
    ]
    for agreement in PERSONS
} | {
    german_verbs.auxiliary_past(verb, agreement)
    for verb in ["sein", "haben", "werden", "können", "müssen", "dürfen", "wollen"]
    for agreement in PERSONS
}
FINITE = {
    (verb.prefix, form(verb, agreement))
    for verb in VERBS
    for form in (german_verbs.present, german_verbs.past)
    for agreement in PERSONS
}
AT_THE_END = {prefix + form for prefix, form in FINITE} | AUXILIARIES
IN_FRONT = {form for _, form in FINITE} | AUXILIARIES
RELATIVE = {
    "der": {"m", "f"},
    "die": {"f", "p"},
    "das": {"n"},
    "den": {"m"},
    "dem": {"m", "n"},
    "denen": {"p"},
    "dessen": {"m", "n"},
    "deren": {"f", "p"},
}
DO_OR_BE = r"(?:Do|Does|Did|Is|Are|Was|Were|Has|Have|Will|Can|Could) "
PARADIGMS = [
    (THE, "Mann", False, "der alte Mann, den alten Mann, dem alten Mann, des alten Mannes"),
    (THE, "Junge", False, "der alte Junge, den alten Jungen, dem alten Jungen, des alten Jungen"),
    (THE, "Frau", False, "die alte Frau, die alte Frau, der alten Frau, der alten Frau"),
    (THE, "Kind", False, "das alte Kind, das alte Kind, dem alten Kind, des alten Kindes"),
    (THE, "Kind", True, "die alten Kinder, die alten Kinder, den alten Kindern, der alten Kinder"),
    (A, "Mann", False, "ein alter Mann, einen alten Mann, einem alten Mann, eines alten Mannes"),
    (A, "Frau", False, "eine alte Frau, eine alte Frau, einer alten Frau, einer alten Frau"),
    (A, "Haus", False, "ein altes Haus, ein altes Haus, einem alten Haus, eines alten Hauses"),
    (A, "Haus", True, "alte Häuser, alte Häuser, alten Häusern, alter Häuser"),
    (
        NO,
        "Auto",
        True,
        "keine alten Autos, keine alten Autos, keinen alten Autos, keiner alten Autos",
    ),
    (BARE, "Käse", False, "alter Käse, alten Käse, altem Käse, alten Käses"),
    (BARE, "Milch", False, "alte Milch, alte Milch, alter Milch, alter Milch"),
    (BARE, "Brot", False, "altes Brot, altes Brot, altem Brot, alten Brotes"),
    (OUR, "Tür", False, "unsere alte Tür, unsere alte Tür, unserer alten Tür, unserer alten Tür"),
    (
        MANY,
        "Stadt",
        True,
        "viele alte Städte, viele alte Städte, vielen alten Städten, vieler alter Städte",
    ),
    (
        ALL,
        "Stadt",
        True,
        "alle alten Städte, alle alten Städte, allen alten Städten, aller alten Städte",
    ),
]
CONJUNCTIONS = "weil|dass|obwohl|wenn|als|bevor|nachdem|während|sobald|bis|damit|ob|warum|wann"


ADJECTIVES = {
    stem + ending
    for adjective in all_adjectives()
    for stem in (adjective.de_stem, adjective.de_comparative, adjective.de_superlative)
    for ending in ("e", "en", "er", "es", "em")
    if stem
}


def phrases():
    """Article, adjectives and noun wherever they stand together; relative pronouns left out."""
    for _, text in TEXTS:
        words = re.sub(r"([.?!,])", r" \1", text[0].lower() + text[1:]).split()
        for start, word in enumerate(words):
            behind_a_comma = "," in words[max(start - 2, 0) : start]
            if word in ARTICLES and not behind_a_comma:
                rest = [w for w in words[start + 1 :] if w not in INTENSIFIERS]
                adjectives = list(itertools.takewhile(ADJECTIVES.__contains__, rest))
                noun = rest[len(adjectives)]
                if noun in READINGS and noun != "Uhr":
                    yield word, adjectives, noun, text


def test_articles_and_adjectives_agree_with_their_nouns():
    adjectives_seen = 0
    for article, adjectives, noun, text in phrases():
        possible = ARTICLES[article].keys() & READINGS[noun]
        assert possible, (article, noun, text)
        endings = {ARTICLES[article][reading] for reading in possible}
        for adjective in adjectives:
            assert ENDING.search(adjective)[0] in endings, (adjective, text)
            adjectives_seen += 1
    assert adjectives_seen > 1000


def test_subordinate_clauses_end_in_their_finite_verb():
    clauses = [
        clause
        for _, text in TEXTS
        if text.count(",") == 1
        for clause in re.findall(rf"(?:^|, )(?:{CONJUNCTIONS}) ([^,.?!]*)[,.?!]", text)
        if not text.endswith("?")
    ]
    clauses += [
        clause
        for _, text in TEXTS
        if text.count(",") == 1
        for clause in re.findall(rf"^(?:{CONJUNCTIONS.title()}) ([^,]*),", text)
        if not text.endswith("?")
    ]
    assert len(clauses) > 1000
    for clause in clauses:
        assert clause.split()[-1] in AT_THE_END, clause


def test_a_main_clause_behind_a_subordinate_one_starts_with_its_finite_verb():
    mains = [
        main
        for _, text in TEXTS
        if text.count(",") == 1
        for main in re.findall(rf"^(?:{CONJUNCTIONS.title()}) [^,]*, (.*)[.]", text)
    ]
    assert len(mains) > 300
    for main in mains:
        assert main.split()[0] in IN_FRONT, main


def without_infinitives():
    """The texts whose commas stand before no infinitive with ``zu``."""
    return [text for source, text in TEXTS if not re.search(r"\bto\b|without|instead", source)]


def test_relative_clauses_end_in_their_finite_verb():
    clauses = [
        clause
        for text in without_infinitives()
        for clause in re.findall(
            r", (?:(?:an|auf|über|um|mit|von|nach|gegen|in) )?"
            r"(?:der|die|das|den|dem|denen|dessen|deren) ([^,.?!]*)[,.?!]",
            text,
        )
    ]
    assert len(clauses) > 500
    for clause in clauses:
        assert clause.split()[-1] in AT_THE_END, clause


def test_relative_pronouns_agree_with_the_noun_before_them():
    seen = 0
    for text in without_infinitives():
        for noun, pronoun in re.findall(r"(\w+), (der|die|das|den|dem|denen|deren|dessen) ", text):
            genders = {gender for gender, _ in READINGS.get(noun, ())}
            if genders and text.count(", ") == 1:
                assert genders & RELATIVE[pronoun], text
                seen += 1
    assert seen > 100


@pytest.mark.parametrize(
    ("lead", "order"),
    [
        (r"Gestern|Jetzt|Vorgestern|Heute|Vielleicht|Leider|Plötzlich|Endlich|Morgen|Bald", 1),
        (r"Jeden Tag|Letzte Woche|Letztes Jahr|Nächste Woche|Am Abend|Im Winter|Am Montag", 2),
    ],
)
def test_the_finite_verb_stands_second(lead, order):
    starts = [text for _, text in TEXTS if re.match(rf"(?:{lead}) (?!Abend|Morgen)", text)]
    assert len(starts) > 20
    for text in starts:
        assert text.split()[order].strip(".") in IN_FRONT, text


def test_yes_or_no_questions_start_with_their_finite_verb():
    questions = [target for source, target in TEXTS if re.match(DO_OR_BE, source)]
    assert len(questions) > 100
    for question in questions:
        word = question.split()[0]
        assert word[0].lower() + word[1:] in IN_FRONT, question


def test_prefixes_are_parted_in_main_clauses_alone():
    calls = [text for source, text in TEXTS if re.search(r"\bcalls?\b|\bcalled\b", source)]
    together = {"anruft", "anrufen", "angerufen", "anrief", "anriefen", "anzurufen", "anrufe"}
    parted = [
        text for text in calls if re.search(r"\b(?i:rief|riefen|rufe|ruft|rufst|ruf)\b", text)
    ]
    assert parted
    for text in calls:
        assert together & set(re.sub(r"[,.?!]", "", text).split()) or re.search(
            r"\b(?i:rief|riefen|rufe|rufen|ruft|rufst|ruf)\b.* an\b", text
        ), text


def test_nothing_contracted_is_left_apart():
    for _, text in TEXTS:
        assert not re.search(r"\b(in|an|von|zu|bei) dem [A-ZÄÖÜ]|\bzu der [A-ZÄÖÜ]", text), text


@pytest.mark.parametrize(("determiner", "noun", "plural", "forms"), PARADIGMS)
def test_whole_phrases_are_declined(determiner, noun, plural, forms):
    nouns = [*all_nouns(), *(site.noun for site in all_sites())]
    entity = Entity(
        next(n for n in nouns if n.de == noun),
        determiner,
        plural,
        descriptions=(Description(next(a for a in all_adjectives() if a.en == "old")),),
    )
    found = [" ".join(phrase_words(entity, case)) for case in Case]
    assert found == [form.strip() for form in forms.split(",")]


def test_corpora_differ_from_language_to_language():
    pairs = generate(200, 10, 10, seed=3)["train"]
    assert all(source != target for source, target in pairs)
