"""The lexicon: one German word for each English one, and forms that a grammar book gives."""

import pytest

from automl_tf.data.grammar import german_nouns, german_verbs
from automl_tf.data.grammar.compounds import all_parts
from automl_tf.data.grammar.english_predicates import third_person
from automl_tf.data.grammar.german_verbs import Agreement
from automl_tf.data.grammar.nouns import all_nouns
from automl_tf.data.grammar.places import all_sites, nouns_of
from automl_tf.data.grammar.qualities import adjectives_for, all_adjectives
from automl_tf.data.grammar.verbs import actions, dealings, english_ing, moves, special
from automl_tf.data.grammar.words import Case, Frame

NOUNS = {noun.en: noun for noun in [*all_nouns(), *(site.noun for site in all_sites())]}
VERBS = [*actions(), *dealings(), *moves()]

# Nominative, accusative, dative, genitive singular; nominative and dative plural.
DECLENSIONS = """
Mann Mann Mann Mannes Männer Männern
Junge Jungen Jungen Jungen Jungen Jungen
Student Studenten Studenten Studenten Studenten Studenten
Nachbar Nachbarn Nachbarn Nachbarn Nachbarn Nachbarn
Bauer Bauern Bauern Bauern Bauern Bauern
Lehrer Lehrer Lehrer Lehrers Lehrer Lehrern
Frau Frau Frau Frau Frauen Frauen
Königin Königin Königin Königin Königinnen Königinnen
Kind Kind Kind Kindes Kinder Kindern
Mädchen Mädchen Mädchen Mädchens Mädchen Mädchen
Haus Haus Haus Hauses Häuser Häusern
Auto Auto Auto Autos Autos Autos
Bus Bus Bus Busses Busse Bussen
Fluss Fluss Fluss Flusses Flüsse Flüssen
Tisch Tisch Tisch Tisches Tische Tischen
Museum Museum Museum Museums Museen Museen
Apfel Apfel Apfel Apfels Äpfel Äpfeln
Löwe Löwen Löwen Löwen Löwen Löwen
Geheimnis Geheimnis Geheimnis Geheimnisses Geheimnisse Geheimnissen
Café Café Café Cafés Cafés Cafés
See See See Sees Seen Seen
Schloss Schloss Schloss Schlosses Schlösser Schlössern
Vater Vater Vater Vaters Väter Vätern
"""

# Infinitive: I, you, he, we in the present; he, they in the past; participle; infinitive with zu.
CONJUGATIONS = """
kaufen: kaufe kaufst kauft kaufen kaufte kauften gekauft zu kaufen
öffnen: öffne öffnest öffnet öffnen öffnete öffneten geöffnet zu öffnen
warten: warte wartest wartet warten wartete warteten gewartet zu warten
lächeln: lächle lächelst lächelt lächeln lächelte lächelten gelächelt zu lächeln
füttern: füttere fütterst füttert füttern fütterte fütterten gefüttert zu füttern
putzen: putze putzt putzt putzen putzte putzten geputzt zu putzen
reparieren: repariere reparierst repariert reparieren reparierte reparierten repariert zu reparieren
besuchen: besuche besuchst besucht besuchen besuchte besuchten besucht zu besuchen
begegnen: begegne begegnest begegnet begegnen begegnete begegneten begegnet zu begegnen
lesen: lese liest liest lesen las lasen gelesen zu lesen
essen: esse isst isst essen aß aßen gegessen zu essen
nehmen: nehme nimmst nimmt nehmen nahm nahmen genommen zu nehmen
geben: gebe gibst gibt geben gab gaben gegeben zu geben
halten: halte hältst hält halten hielt hielten gehalten zu halten
waschen: wasche wäschst wäscht waschen wusch wuschen gewaschen zu waschen
finden: finde findest findet finden fand fanden gefunden zu finden
bitten: bitte bittest bittet bitten bat baten gebeten zu bitten
sitzen: sitze sitzt sitzt sitzen saß saßen gesessen zu sitzen
laufen: laufe läufst läuft laufen lief liefen gelaufen zu laufen
kennen: kenne kennst kennt kennen kannte kannten gekannt zu kennen
bellen: belle bellst bellt bellen bellte bellten gebellt zu bellen
vergessen: vergesse vergisst vergisst vergessen vergaß vergaßen vergessen zu vergessen
rufen: rufe rufst ruft rufen rief riefen angerufen anzurufen
laden: lade lädst lädt laden lud luden eingeladen einzuladen
kommen: komme kommst kommt kommen kam kamen angekommen anzukommen
hören: höre hörst hört hören hörte hörten zugehört zuzuhören
"""


def german_of(words):
    """The German words of each English one."""
    found = {}
    for english, german in words:
        found.setdefault(english, set()).add(german)
    return found


def test_an_english_noun_or_adjective_has_one_german_word():
    words = [(noun.en, noun.de) for noun in NOUNS.values()]
    words += [(adjective.en, adjective.de) for adjective in all_adjectives()]
    words += [(f"{english} {head}", f"{german} {head}") for english, german, head in all_parts()]
    assert {e: g for e, g in german_of(words).items() if len(g) > 1} == {}
    assert len(NOUNS) == len(all_nouns()) + len(all_sites())


def test_an_english_verb_has_one_german_verb_in_each_frame():
    words = [
        (
            (verb.en.base, verb.en.particle, verb.en.preposition, verb.frame),
            (verb.de.prefix, verb.de.infinitive),
        )
        for verb in VERBS
        if verb.frame is not Frame.NOTHING
    ]
    assert {e: g for e, g in german_of(words).items() if len(g) > 1} == {}


def test_english_singular_and_plural_differ():
    assert [noun.en for noun in NOUNS.values() if noun.en == noun.en_plural] == []


def test_kinds_that_words_ask_for_exist():
    names = {name for noun in NOUNS.values() for name in (*noun.kinds, noun.en)} | {"city"}
    asked = [kind for verb in VERBS for kind in (*verb.subjects, *verb.objects)]
    asked += [kind for adjective in all_adjectives() for kind in adjective.kinds]
    asked += [head for _, _, head in all_parts()]
    assert set(asked) <= names


def test_every_verb_finds_subjects_and_objects():
    for verb in VERBS:
        assert nouns_of(verb.subjects)
        assert verb.frame in {Frame.NOTHING, Frame.GOAL, Frame.PLACE} or nouns_of(verb.objects)


def test_what_a_state_can_be_told_of_has_an_adjective():
    for noun in nouns_of(("person", "animal", "food", "goods", "furniture", "building", "idea")):
        assert adjectives_for((*noun.kinds, noun.en)), noun.en


@pytest.mark.parametrize("row", DECLENSIONS.strip().splitlines())
def test_nouns_are_declined(row):
    nominative, *others = row.split()
    noun = next(noun for noun in NOUNS.values() if noun.de == nominative)
    cases = (Case.ACCUSATIVE, Case.DATIVE, Case.GENITIVE)
    forms = [german_nouns.noun_form(noun, case, plural=False) for case in cases]
    plurals = (Case.NOMINATIVE, Case.DATIVE)
    forms += [german_nouns.noun_form(noun, case, plural=True) for case in plurals]
    assert forms == others


@pytest.mark.parametrize("row", CONJUGATIONS.strip().splitlines())
def test_verbs_are_conjugated(row):
    infinitive, forms = row.split(": ")
    *forms, participle, zu, zu_verb = (
        forms.split() if " zu " in forms else [*forms.split()[:-1], "", forms.split()[-1]]
    )
    with_zu = f"{zu} {zu_verb}".strip()
    verb = next(
        verb.de
        for verb in [*VERBS, special("ask", "bitten")]
        if (verb.de.infinitive, verb.de.participle) == (infinitive, participle)
    )
    agreements = [
        Agreement(1, plural=False),
        Agreement(2, plural=False),
        Agreement(3, plural=False),
    ]
    found = [german_verbs.present(verb, agreement) for agreement in agreements]
    found.append(german_verbs.present(verb, Agreement(1, plural=True)))
    found.append(german_verbs.past(verb, Agreement(3, plural=False)))
    found.append(german_verbs.past(verb, Agreement(3, plural=True)))
    assert [*found, verb.participle, german_verbs.with_zu(verb)] == [*forms, participle, with_zu]


@pytest.mark.parametrize(
    ("infinitive", "command"),
    [
        ("kaufen", "kauf"),
        ("öffnen", "öffne"),
        ("warten", "warte"),
        ("füttern", "füttere"),
        ("lesen", "lies"),
        ("nehmen", "nimm"),
        ("helfen", "hilf"),
        ("essen", "iss"),
        ("waschen", "wasch"),
        ("finden", "finde"),
        ("vergessen", "vergiss"),
    ],
)
def test_commands(infinitive, command):
    verb = next(verb.de for verb in VERBS if verb.de.infinitive == infinitive)
    assert german_verbs.imperative(verb) == command


@pytest.mark.parametrize(
    ("base", "third", "ing"),
    [
        ("carry", "carries", "carrying"),
        ("watch", "watches", "watching"),
        ("go", "goes", "going"),
        ("run", "runs", "running"),
        ("write", "writes", "writing"),
        ("see", "sees", "seeing"),
        ("open", "opens", "opening"),
        ("sleep", "sleeps", "sleeping"),
        ("draw", "draws", "drawing"),
        ("buy", "buys", "buying"),
        ("have", "has", "having"),
    ],
)
def test_english_verbs(base, third, ing):
    assert third_person(base) == third
    assert english_ing(base) == ing
