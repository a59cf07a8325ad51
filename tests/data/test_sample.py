"""The sample corpus as a whole, and the forms and word order of its German."""

import hashlib
import os
import re
import subprocess
import sys

import pytest

from automl_tf.data.sample import generate, lexicon, phrases, words
from automl_tf.data.sample.clauses import Clause, Order, Tense
from automl_tf.data.sample.morphology import (
    Agreement,
    Case,
    german_past,
    german_present,
    number_words,
)
from automl_tf.data.sample.phrases import NounPhrase

TRAIN, VALIDATION, TEST = 20_000, 500, 500
KINDS = frozenset({"person", "name", "animal", "food", "drink", "goods", "idea", "place", "city"})
NOUNS = {noun.german: noun for noun in words.nouns(KINDS)}
LISTED = [*words.verb_list(lexicon.REPORTS), *words.verb_list(lexicon.ATTEMPTS)]
VERBS = {v.german.prefix + v.german.infinitive: v for v in words.verbs()}
VERBS |= {verb.german.infinitive: verb for verb in LISTED}
CONJUNCTIONS = "weil|dass|obwohl|wenn|als|bevor|während"


@pytest.fixture(scope="module")
def corpus():
    return generate(TRAIN, VALIDATION, TEST, seed=1)


@pytest.fixture(scope="module")
def german(corpus):
    return [target for _, target in corpus["train"]]


def finite_forms(verb):
    """The finite forms of a German verb without its prefix."""
    for agreement in Agreement:
        yield german_present(verb.infinitive, verb.third, agreement)
        yield german_past(verb.past, agreement)


@pytest.fixture(scope="module")
def finite():
    """All finite forms, as they stand in front and at the end of a clause."""
    auxiliaries = ["sein", "haben", "werden", "können", "müssen", "sollten"]
    forms = {german_present(name, "", agreement) for name in auxiliaries for agreement in Agreement}
    forms |= {"war", "waren"}
    parted = {(v.german.prefix, form) for v in VERBS.values() for form in finite_forms(v.german)}
    return forms | {form for _, form in parted}, forms | {prefix + form for prefix, form in parted}


def digest(seed, hash_seed):
    code = f"from automl_tf.data.sample import generate; print(generate(300, 20, 20, {seed}))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    return hashlib.sha256(run.stdout).hexdigest()


def test_the_text_depends_on_the_seed_alone():
    assert digest(5, "1") == digest(5, "2") != digest(6, "1")


def test_no_sentence_occurs_twice_and_the_splits_do_not_depend_on_each_other(corpus):
    assert [len(split) for split in corpus.values()] == [TRAIN, VALIDATION, TEST]
    for side in (0, 1):
        sentences = [pair[side] for split in corpus.values() for pair in split]
        assert len(sentences) == len(set(sentences))
    small = generate(100, VALIDATION, TEST, seed=1)
    assert small == {**corpus, "train": corpus["train"][:100]}


def test_sentences_are_written_properly(corpus):
    lengths = [len(source.split()) for source, _ in corpus["train"]]
    assert min(lengths) >= 4
    assert 20 < max(lengths) <= 30
    for pair in corpus["train"]:
        assert pair[0][-1] == pair[1][-1]
        for text in pair:
            assert re.match(r"[A-ZÄÖÜ\d].*[^\s,.?][.?]$", text), text
            assert not re.search(r"\s\s|\s[,.?]|,[.?,]|,\S|None|\ba [aeio]", text), text


def test_every_word_is_used(corpus):
    english, german = (" ".join(pair[side] for pair in corpus["train"]) for side in (0, 1))
    used = set(re.findall(r"[\w-]+", english)), set(re.findall(r"[\w-]+", german))
    for noun in NOUNS.values():
        assert used[0] & {noun.english, noun.english_plural}, noun
        assert used[1] & {noun.german, noun.german_plural, f"{noun.german_plural}n"}, noun
    for verb in VERBS.values():
        assert used[0] & set(verb.english[:3]), verb
    assert {adjective.english for adjective in words.adjectives(KINDS)} <= used[0]
    assert all(f" {first} " in english for first, _ in words.modifiers())


def test_the_finite_verb_stands_last_in_dependent_clauses_and_second_elsewhere(german, finite):
    in_front, at_the_end = finite
    texts = [text for text in german if text.count(",") == 1]
    after = [c for t in texts for c in re.findall(rf", (?:{CONJUNCTIONS}) (.*)[.?]", t)]
    before = [c for t in texts for c in re.findall(rf"^(?:{CONJUNCTIONS.title()}) (.*), (.*)\.", t)]
    assert len(after) > 500
    assert len(before) > 300
    for clause in [*after, *(first for first, _ in before)]:
        assert clause.split()[-1] in at_the_end, clause
    for _, main in before:
        assert main.split()[0] in in_front, main
    fronted = [text for text in german if re.match(r"(Gestern|Heute|Bald|Sonntags) [a-z]", text)]
    assert len(fronted) > 100
    assert all(text.split()[1].strip(".,") in in_front for text in fronted)


def test_animals_eat_by_another_verb_than_people(corpus):
    known = words.nouns(frozenset({"animal"}))
    animals = {form for noun in known for form in (noun.english, noun.english_plural)}
    eat = [pair for pair in corpus["train"] if re.match(r"The \w+ (eats|ate) [^,]*$", pair[0])]
    assert eat
    for source, target in eat:
        animal = source.split()[1] in animals
        assert re.search(r"\b(friss|fraß)" if animal else r"\b(iss|aß)", target), target


@pytest.mark.parametrize(
    ("noun", "forms"),
    {
        "Hund": "it er sein der",
        "Katze": "it sie ihr die",
        "Pferd": "it es sein das",
        "Mädchen": "she es sein das",
        "Anna": "she sie ihr die",
    }.items(),
)
def test_pronouns_and_possessives_go_by_gender(noun, forms):
    phrase = NounPhrase(NOUNS[noun])
    pronoun, relative = phrase.pronoun(), phrase.relative_pronoun()
    found = [pronoun.english(Case.NOM), pronoun.german(Case.NOM), pronoun.possessive().german]
    assert " ".join([*found, relative.german(Case.NOM)]) == forms


@pytest.mark.parametrize(
    ("determiner", "noun", "plural", "forms"),
    [
        (phrases.THE, "Mann", False, "der alte Mann, den alten ~, dem alten ~, des alten ~es"),
        (phrases.THE, "Bär", False, "der alte Bär, den alten ~en, dem alten ~en, des alten ~en"),
        (phrases.A, "Frau", False, "eine alte Frau, eine alte ~, einer alten ~, einer alten ~"),
        (phrases.A, "Bild", False, "ein altes Bild, ein altes ~, einem alten ~, eines alten ~es"),
        (phrases.BARE, "Ei", True, "alte Eier, alte ~er, alten ~ern, alter ~er"),
        (phrases.BARE, "Käse", False, "alter Käse, alten ~, altem ~, alten ~s"),
        (
            phrases.THESE,
            "Ei",
            True,
            "diese alten Eier, diese alten ~er, diesen alten ~ern, dieser alten ~er",
        ),
        (
            phrases.MANY,
            "Ei",
            True,
            "viele alte Eier, viele alte ~er, vielen alten ~ern, vieler alter ~er",
        ),
        (
            phrases.HE.possessive(),
            "Ei",
            True,
            "seine alten Eier, seine alten ~er, seinen alten ~ern, seiner alten ~er",
        ),
    ],
)
def test_phrases_are_declined(determiner, noun, plural, forms):
    phrase = NounPhrase(
        NOUNS[noun], determiner, plural, adjectives=(words.Adjective("old", "alt"),)
    )
    assert ", ".join(phrase.german(case) for case in Case) == forms.replace("~", noun)


def test_a_clause_in_all_orders():
    dog = NounPhrase(NOUNS["Hund"], owner=NounPhrase(NOUNS["Nachbar"]))
    clause = Clause(VERBS["abholen"], phrases.HE, Tense.PAST, object=dog)
    assert clause.english() == "he picked up the neighbour’s dog"
    assert [clause.german(order) for order in Order] == [
        "er holte den Hund des Nachbarn ab",
        "holte er den Hund des Nachbarn ab",
        "er den Hund des Nachbarn abholte",
        "den Hund des Nachbarn abzuholen",
    ]
    cat = NounPhrase(NOUNS["Katze"]).pronoun()
    clause = Clause(VERBS["geben"], phrases.I, Tense.PAST, object=cat, recipient=phrases.HE)
    assert clause.english() == "I gave it to him"
    assert clause.german(Order.SECOND) == "ich habe sie ihm gegeben"


CONJUGATED = """öffnen öffne öffnet öffneten geöffnet
sehen sehe sieht sahen gesehen
anrufen rufe ruft riefen angerufen
einladen lade lädt luden eingeladen
wissen weiß weiß wussten gewusst
reparieren repariere repariert reparierten repariert
vorbereiten bereite bereitet bereiteten vorbereitet"""


@pytest.mark.parametrize("line", CONJUGATED.splitlines())
def test_verbs_are_conjugated(line):
    name, *forms = line.split()
    first, _, third, _, _, past = finite_forms(VERBS[name].german)
    assert [first, third, past, VERBS[name].german.participle] == forms


def test_numbers():
    assert number_words(12) == ("twelve", "zwölf")
    assert number_words(21) == ("twenty-one", "einundzwanzig")
    assert number_words(70) == ("seventy", "siebzig")
