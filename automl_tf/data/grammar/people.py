"""Nouns for people, in the notation of ``nouns``; names of people and cities."""

TABLES = {
    "man": """
man, men = der Mann, Männer
friend = der Freund, Freunde ; kin relation
father = der Vater, Väter ; kin only
brother = der Bruder, Brüder ; kin relation
boy = der Junge, Jungen, weak
teacher = der Lehrer, Lehrer ; job kin
doctor = der Arzt, Ärzte ; job kin
neighbour = der Nachbar, Nachbarn, weak ; kin
son = der Sohn, Söhne ; kin relation
student = der Student, Studenten, weak ; job kin
grandfather = der Großvater, Großväter ; kin
uncle = der Onkel, Onkel ; kin relation
farmer = der Bauer, Bauern, weak ; job
king = der König, Könige
colleague = der Kollege, Kollegen, weak ; kin relation
police officer = der Polizist, Polizisten, weak ; job
guest = der Gast, Gäste ; kin
customer = der Kunde, Kunden, weak ; kin
writer = der Schriftsteller, Schriftsteller ; job
baker = der Bäcker, Bäcker ; job
driver = der Fahrer, Fahrer ; job kin
waiter = der Kellner, Kellner ; job
artist = der Künstler, Künstler ; job
tourist = der Tourist, Touristen, weak
gardener = der Gärtner, Gärtner ; job kin
soldier = der Soldat, Soldaten, weak ; job enemy
thief, thieves = der Dieb, Diebe ; enemy
chef = der Koch, Köche ; job
musician = der Musiker, Musiker ; job
journalist = der Journalist, Journalisten, weak ; job
mayor = der Bürgermeister, Bürgermeister
hunter = der Jäger, Jäger ; job
carpenter = der Tischler, Tischler ; job
fisherman, fishermen = der Fischer, Fischer ; job
prince = der Prinz, Prinzen, weak
nephew = der Neffe, Neffen, weak ; kin relation
poet = der Dichter, Dichter ; job
sailor = der Matrose, Matrosen, weak ; job
detective = der Detektiv, Detektive ; job
photographer = der Fotograf, Fotografen, weak ; job
butcher = der Metzger, Metzger ; job
wizard = der Zauberer, Zauberer ; enemy
shepherd = der Hirte, Hirten, weak ; job
giant = der Riese, Riesen, weak ; enemy
""",
    "woman": """
woman, women = die Frau, Frauen
mother = die Mutter, Mütter ; kin only
sister = die Schwester, Schwestern ; kin relation
daughter = die Tochter, Töchter ; kin relation
grandmother = die Großmutter, Großmütter ; kin
aunt = die Tante, Tanten ; kin relation
scientist = die Wissenschaftlerin, Wissenschaftlerinnen ; job
nurse = die Krankenschwester, Krankenschwestern ; job
queen = die Königin, Königinnen
lawyer = die Anwältin, Anwältinnen ; job kin
singer = die Sängerin, Sängerinnen ; job
director = die Direktorin, Direktorinnen ; kin only
actress = die Schauspielerin, Schauspielerinnen ; job
engineer = die Ingenieurin, Ingenieurinnen ; job
princess = die Prinzessin, Prinzessinnen
judge = die Richterin, Richterinnen ; job
professor = die Professorin, Professorinnen ; job kin
pilot = die Pilotin, Pilotinnen ; job
niece = die Nichte, Nichten ; kin relation
waitress = die Kellnerin, Kellnerinnen ; job
architect = die Architektin, Architektinnen ; job
witch = die Hexe, Hexen ; enemy
minister = die Ministerin, Ministerinnen
dancer = die Tänzerin, Tänzerinnen ; job
landlady = die Vermieterin, Vermieterinnen ; kin only
surgeon = die Chirurgin, Chirurginnen ; job
""",
    "child": """
child, children = das Kind, Kinder ; kin
girl = das Mädchen, Mädchen
baby = das Baby, Babys ; kin
""",
}

_MEN = (
    "Peter Thomas Paul Max Felix Jonas Lukas Karl Martin Stefan Jakob David Anton Hans Emil "
    "Oskar Moritz Georg Ludwig Konrad"
)
_WOMEN = (
    "Anna Maria Laura Lena Julia Sophie Emma Clara Eva Sarah Lisa Martha Helena Nina Paula Ida "
    "Frieda Rosa Greta Charlotte"
)
_SURNAMES = (
    "Müller Schmidt Weber Wagner Becker Hoffmann Koch Richter Klein Wolf Neumann Schwarz Braun "
    "Zimmermann Krüger Hartmann Lange Vogel"
)
MEN = tuple(_MEN.split())
WOMEN = tuple(_WOMEN.split())
SURNAMES = tuple(_SURNAMES.split())

CITIES = {
    "Berlin": "Berlin",
    "Vienna": "Wien",
    "Munich": "München",
    "Hamburg": "Hamburg",
    "Cologne": "Köln",
    "Paris": "Paris",
    "London": "London",
    "Zurich": "Zürich",
    "Rome": "Rom",
    "Prague": "Prag",
    "Germany": "Deutschland",
    "France": "Frankreich",
    "Italy": "Italien",
    "Austria": "Österreich",
    "Spain": "Spanien",
    "Geneva": "Genf",
    "Athens": "Athen",
    "Warsaw": "Warschau",
    "Venice": "Venedig",
    "Nuremberg": "Nürnberg",
    "Lisbon": "Lissabon",
    "Brussels": "Brüssel",
    "Norway": "Norwegen",
    "Greece": "Griechenland",
    "Poland": "Polen",
    "Hungary": "Ungarn",
}
