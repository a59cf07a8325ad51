"""Nouns for made and found things, in the notation of ``nouns``."""

TABLES = {
    "writing": """
letter = der Brief, Briefe ; opening sent
book = das Buch, Bücher ; text goods flat
story, stories = die Geschichte, Geschichten ; told
report = der Bericht, Berichte ; sent
message = die Nachricht, Nachrichten ; sent
poem = das Gedicht, Gedichte ; learned told
novel = der Roman, Romane ; text
postcard = die Postkarte, Postkarten ; sent flat
article = der Artikel, Artikel
diary = das Tagebuch, Tagebücher ; flat
fairy tale = das Märchen, Märchen ; told
""",
    "text": """
newspaper = die Zeitung, Zeitungen ; goods flat
magazine = die Zeitschrift, Zeitschriften ; goods flat
contract = der Vertrag, Verträge ; sent
dictionary = das Wörterbuch, Wörterbücher ; goods flat
""",
    "idea": """
question = die Frage, Fragen
problem = das Problem, Probleme ; solved
plan = der Plan, Pläne ; planned
idea = die Idee, Ideen ; planned
secret = das Geheimnis, Geheimnisse ; told
task = die Aufgabe, Aufgaben ; solved
mistake = der Fehler, Fehler
rule = die Regel, Regeln ; learned rule
decision = die Entscheidung, Entscheidungen
riddle = das Rätsel, Rätsel ; solved
truth = die Wahrheit ; told
word = das Wort, Wörter ; learned
dream = der Traum, Träume ; told
""",
    "event": """
journey = die Reise, Reisen
party, parties = die Feier, Feiern ; attended
concert = das Konzert, Konzerte ; attended
exam = die Prüfung, Prüfungen ; attended
game = das Spiel, Spiele ; learned attended
wedding = die Hochzeit, Hochzeiten ; attended
meeting = die Sitzung, Sitzungen ; attended
race = das Rennen, Rennen ; attended
holiday = der Feiertag, Feiertage
""",
    "song": """
song = das Lied, Lieder ; learned heard songs
film = der Film, Filme, Films
joke = der Witz, Witze ; told joke
language = die Sprache, Sprachen ; learned
""",
    "sound": """
noise = das Geräusch, Geräusche ; heard
voice = die Stimme, Stimmen ; heard
""",
    "music": """
piano = das Klavier, Klaviere ; heard
guitar = die Gitarre, Gitarren ; heard
violin = die Geige, Geigen ; heard
flute = die Flöte, Flöten ; heard
trumpet = die Trompete, Trompeten ; heard
drum = die Trommel, Trommeln
""",
    "vehicle": """
car = das Auto, Autos ; parked
train = der Zug, Züge ; ridden
bicycle = das Fahrrad, Fahrräder ; parked
bus = der Bus, Busse, Busses ; ridden
ship = das Schiff, Schiffe ; ridden
boat = das Boot, Boote ; built
truck = der Lastwagen, Lastwagen ; parked
plane = das Flugzeug, Flugzeuge ; ridden
taxi = das Taxi, Taxis ; ridden
motorcycle = das Motorrad, Motorräder ; parked
tram = die Straßenbahn, Straßenbahnen ; ridden
tractor = der Traktor, Traktoren ; parked
sledge = der Schlitten, Schlitten
carriage = die Kutsche, Kutschen ; parked
""",
    "furniture": """
table = der Tisch, Tische ; top
door = die Tür, Türen ; opening fixed polished
chair = der Stuhl, Stühle ; top
window = das Fenster, Fenster ; opening fixed polished
bed = das Bett, Betten ; top
lamp = die Lampe, Lampen ; breakable
clock = die Uhr, Uhren ; machine
cupboard = der Schrank, Schränke ; opening
mirror = der Spiegel, Spiegel ; breakable polished
sofa = das Sofa, Sofas ; top
shelf, shelves = das Regal, Regale ; top
bench = die Bank, Bänke ; top
carpet = der Teppich, Teppiche
desk = der Schreibtisch, Schreibtische ; top
wall = die Wand, Wände ; fixed
curtain = der Vorhang, Vorhänge
cradle = die Wiege, Wiegen
""",
    "part": """
roof = das Dach, Dächer ; polished
entrance = der Eingang, Eingänge ; fixed
gate = das Tor, Tore ; opening fixed polished
staircase = die Treppe, Treppen
""",
    "clothing": """
coat = der Mantel, Mäntel
shirt = das Hemd, Hemden
dress = das Kleid, Kleider
shoe = der Schuh, Schuhe ; polished
hat = der Hut, Hüte
jacket = die Jacke, Jacken
skirt = der Rock, Röcke
scarf, scarves = der Schal, Schals
suit = der Anzug, Anzüge
glove = der Handschuh, Handschuhe
cap = die Mütze, Mützen
boot = der Stiefel, Stiefel ; polished
tie = die Krawatte, Krawatten
blouse = die Bluse, Blusen
sock = die Socke, Socken
belt = der Gürtel, Gürtel
""",
    "thing": """
key = der Schlüssel, Schlüssel ; flat
bag = die Tasche, Taschen ; opening goods
picture = das Bild, Bilder ; drawn goods
flower = die Blume, Blumen ; drawn goods planted
box = die Kiste, Kisten ; opening
gift = das Geschenk, Geschenke ; opening
suitcase = der Koffer, Koffer ; opening goods
ball = der Ball, Bälle ; goods
umbrella = der Regenschirm, Regenschirme ; goods
camera = die Kamera, Kameras ; goods machine
ticket = die Fahrkarte, Fahrkarten ; goods flat
plate = der Teller, Teller ; breakable goods
basket = der Korb, Körbe ; goods standing
knife, knives = das Messer, Messer ; goods instrument
map = die Karte, Karten ; drawn goods flat
ring = der Ring, Ringe ; goods
candle = die Kerze, Kerzen ; goods
spoon = der Löffel, Löffel ; flat
coin = die Münze, Münzen ; flat
doll = die Puppe, Puppen ; goods
blanket = die Decke, Decken ; goods flat
pencil = der Bleistift, Bleistifte ; goods flat
vase = die Vase, Vasen ; breakable goods
pillow = das Kissen, Kissen ; goods
wallet = der Geldbeutel, Geldbeutel ; goods flat
parcel = das Paket, Pakete ; opening sent
stamp = die Briefmarke, Briefmarken ; goods
bucket = der Eimer, Eimer ; standing
rope = das Seil, Seile
""",
    "plant": """
tree = der Baum, Bäume ; drawn planted fixed
rose = die Rose, Rosen ; drawn planted goods
bush = der Busch, Büsche ; planted fixed
tulip = die Tulpe, Tulpen ; drawn planted goods
""",
    "machine": """
computer = der Computer, Computer ; goods
radio = das Radio, Radios ; goods
telephone = das Telefon, Telefone ; goods
machine = die Maschine, Maschinen
washing machine = die Waschmaschine, Waschmaschinen ; goods
refrigerator = der Kühlschrank, Kühlschränke ; goods opening
engine = der Motor, Motoren
printer = der Drucker, Drucker ; goods
bell = die Glocke, Glocken
heater = die Heizung, Heizungen
television = der Fernseher, Fernseher ; goods
""",
    "tool": """
hammer = der Hammer, Hämmer ; instrument
ladder = die Leiter, Leitern
shovel = die Schaufel, Schaufeln
axe = die Axt, Äxte
brush = der Pinsel, Pinsel
screwdriver = der Schraubenzieher, Schraubenzieher ; instrument
""",
}
