"""Nouns for people, in the notation of ``nouns``; names of people and cities."""

TABLES = {
    "man": """
man, men = der Mann, Männer
friend = der Freund, Freunde
father = der Vater, Väter
brother = der Bruder, Brüder
boy = der Junge, Jungen, weak
teacher = der Lehrer, Lehrer ; job
doctor = der Arzt, Ärzte ; job
neighbour = der Nachbar, Nachbarn, weak
son = der Sohn, Söhne
student = der Student, Studenten, weak ; job
grandfather = der Großvater, Großväter
uncle = der Onkel, Onkel
farmer = der Bauer, Bauern, weak ; job
king = der König, Könige
colleague = der Kollege, Kollegen, weak
police officer = der Polizist, Polizisten, weak ; job
guest = der Gast, Gäste
customer = der Kunde, Kunden, weak
writer = der Schriftsteller, Schriftsteller ; job
baker = der Bäcker, Bäcker ; job
driver = der Fahrer, Fahrer ; job
waiter = der Kellner, Kellner ; job
artist = der Künstler, Künstler ; job
tourist = der Tourist, Touristen, weak
gardener = der Gärtner, Gärtner ; job
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
nephew = der Neffe, Neffen, weak
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
mother = die Mutter, Mütter
sister = die Schwester, Schwestern
daughter = die Tochter, Töchter
grandmother = die Großmutter, Großmütter
aunt = die Tante, Tanten
scientist = die Wissenschaftlerin, Wissenschaftlerinnen ; job
nurse = die Krankenschwester, Krankenschwestern ; job
queen = die Königin, Königinnen
lawyer = die Anwältin, Anwältinnen ; job
singer = die Sängerin, Sängerinnen ; job
director = die Direktorin, Direktorinnen
actress = die Schauspielerin, Schauspielerinnen ; job
engineer = die Ingenieurin, Ingenieurinnen ; job
princess = die Prinzessin, Prinzessinnen
judge = die Richterin, Richterinnen ; job
professor = die Professorin, Professorinnen ; job
pilot = die Pilotin, Pilotinnen ; job
niece = die Nichte, Nichten
waitress = die Kellnerin, Kellnerinnen ; job
architect = die Architektin, Architektinnen ; job
witch = die Hexe, Hexen ; enemy
minister = die Ministerin, Ministerinnen
dancer = die Tänzerin, Tänzerinnen ; job
landlady = die Vermieterin, Vermieterinnen
surgeon = die Chirurgin, Chirurginnen ; job
""",
    "child": """
child, children = das Kind, Kinder
girl = das Mädchen, Mädchen
baby = das Baby, Babys
""",
}

MEN = (
    "Peter Thomas Paul Max Felix Jonas Lukas Karl Martin Stefan Jakob David Anton Hans Emil "
    "Oskar Moritz Georg Ludwig Konrad"
).split()
WOMEN = (
    "Anna Maria Laura Lena Julia Sophie Emma Clara Eva Sarah Lisa Martha Helena Nina Paula Ida "
    "Frieda Rosa Greta Charlotte"
).split()
SURNAMES = (
    "Müller Schmidt Weber Wagner Becker Hoffmann Koch Richter Klein Wolf Neumann Schwarz Braun "
    "Zimmermann Krüger Hartmann Lange Vogel"
).split()

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
