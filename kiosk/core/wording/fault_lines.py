"""What staff read of a fault: what it is, and what to try."""

from typing import Final

SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    # the reader
    "fault.driver": (
        "The reader had a fault. Unplug it, count to five, plug it in.",
        "Der Leser hatte eine Störung. Abziehen, bis fünf zählen, einstecken.",
    ),
    "fault.reader": (
        "The reader had a fault. Unplug it, count to five, plug it in.",
        "Der Leser hatte eine Störung. Abziehen, bis fünf zählen, einstecken.",
    ),
    "fault.service_down": (
        "The reader service stopped. It starts again by itself; if not within a minute, restart this device.",
        "Der Leserdienst steht. Er startet selbst neu; wenn nicht in einer Minute, Gerät neu starten.",
    ),
    "fault.reader_absent": (
        "Reader not found. Check its plug and its cable.",
        "Leser nicht gefunden. Stecker und Kabel prüfen.",
    ),
    "fault.reader_busy": (
        "Another program uses the reader. Close it.",
        "Ein anderes Programm benutzt den Leser. Bitte schließen.",
    ),
    "fault.reader_fault": (
        "The reader answers nonsense. Unplug it, count to five, plug it in.",
        "Der Leser antwortet Unsinn. Abziehen, bis fünf zählen, einstecken.",
    ),
    # the band
    "fault.band": (
        "A band could not be read. Ask the customer to tap again.",
        "Ein Band war nicht lesbar. Kundin oder Kunden bitten, es noch einmal zu halten.",
    ),
    "fault.band_left": (
        "A band left too early. Ask the customer to hold it still.",
        "Ein Band war zu kurz da. Bitten, es ruhig zu halten.",
    ),
    "fault.band_silent": (
        "A band did not answer. Ask the customer to hold it flat and still.",
        "Ein Band hat nicht geantwortet. Bitten, es flach und ruhig zu halten.",
    ),
    "fault.band_collision": (
        "Two bands were at the reader. One at a time.",
        "Zwei Bänder waren am Leser. Bitte nur eines.",
    ),
    "fault.band_refused": (
        "A band refused us. See ID and find the customer by name.",
        "Ein Band hat uns abgelehnt. Ausweis ansehen und nach Namen suchen.",
    ),
    "fault.band_untrusted": (
        "A band failed its proof: it may be a copy. See ID before anything else.",
        "Ein Band hat die Prüfung nicht bestanden: vielleicht eine Kopie. Erst den Ausweis ansehen.",
    ),
    "fault.key_unknown": (
        "A band has a newer key than this shop. See ID; the centre sends the key.",
        "Ein Band hat einen neueren Schlüssel als dieser Laden. Ausweis ansehen; die Zentrale schickt ihn.",
    ),
    "fault.band_unsupported": (
        "A card or phone was held to the reader that is no band of ours.",
        "Eine Karte oder ein Telefon war am Leser, kein Band von uns.",
    ),
    "fault.band_malformed": (
        "A band holds something unreadable. Link a new one after seeing ID.",
        "Auf einem Band steht Unlesbares. Nach Blick auf den Ausweis ein neues verbinden.",
    ),
    # the centre
    "fault.sync": (
        "Exchange with the centre failed. It is tried again by itself.",
        "Der Austausch mit der Zentrale ist fehlgeschlagen. Er wird von selbst wiederholt.",
    ),
    "fault.centre": (
        "The centre has a fault. Go on working; everything is kept here.",
        "Die Zentrale hat eine Störung. Weiterarbeiten; alles bleibt hier erhalten.",
    ),
    "fault.centre_unreachable": (
        "The centre is not reached. Go on working; everything is kept here. Check the network cable.",
        "Die Zentrale ist nicht erreichbar. Weiterarbeiten; alles bleibt hier erhalten. Netzkabel prüfen.",
    ),
    "fault.centre_certificate": (
        "The centre's certificate does not hold. Go on working; everything is kept here. Call the technician.",
        "Das Zertifikat der Zentrale gilt nicht. Weiterarbeiten; alles bleibt hier erhalten. Technik rufen.",
    ),
    "fault.centre_busy": (
        "The centre is busy and asked us to come later. Go on working.",
        "Die Zentrale ist ausgelastet. Weiterarbeiten.",
    ),
    "fault.centre_refused": (
        "The centre refused. Hand it to a supervisor.",
        "Die Zentrale hat abgelehnt. Bitte an die Leitung geben.",
    ),
    "fault.centre_incompatible": (
        "This device needs an update to talk to the centre. Call the technician.",
        "Dieses Gerät braucht eine Aktualisierung. Technik rufen.",
    ),
    "fault.not_trusted": (
        "The centre does not know this device, or is not ours. Call the technician.",
        "Die Zentrale kennt dieses Gerät nicht, oder ist nicht unsere. Technik rufen.",
    ),
    # this device's files
    "fault.store": (
        "This device's files have a fault. Find the customer at another counter.",
        "Die Dateien dieses Geräts haben eine Störung. An einem anderen Tresen suchen.",
    ),
    "fault.store_full": (
        "The disk is full. Nothing more can be recorded here; use another counter.",
        "Die Platte ist voll. Hier lässt sich nichts mehr festhalten; anderen Tresen nutzen.",
    ),
    "fault.store_corrupt": (
        "A file is damaged. It is rebuilt from the centre; until then use another counter.",
        "Eine Datei ist beschädigt. Sie wird neu geholt; bis dahin anderen Tresen nutzen.",
    ),
    "fault.store_too_new": (
        "A newer version wrote these files. Call the technician.",
        "Eine neuere Version hat diese Dateien geschrieben. Technik rufen.",
    ),
    "fault.malformed": (
        "Something arrived that does not parse. It is kept and counted; call the technician.",
        "Etwas Unlesbares kam an. Es ist aufgehoben und gezählt; Technik rufen.",
    ),
    # this box
    "fault.device": (
        "This device has a fault. Call the technician.",
        "Dieses Gerät hat eine Störung. Technik rufen.",
    ),
    "fault.enrolment": (
        "This device is not known to the centre yet. Show its code to a supervisor.",
        "Dieses Gerät ist der Zentrale noch nicht bekannt. Code der Leitung zeigen.",
    ),
    "fault.folder_in_use": (
        "The program already runs on this device. Close the other one.",
        "Das Programm läuft auf diesem Gerät schon. Das andere schließen.",
    ),
    "fault.address_taken": (
        "Another program holds the address this one listens on. Close it.",
        "Ein anderes Programm belegt die Adresse. Bitte schließen.",
    ),
    "fault.disk_full": (
        "The disk is full. Nothing more can be recorded here; use another counter.",
        "Die Platte ist voll. Hier lässt sich nichts mehr festhalten; anderen Tresen nutzen.",
    ),
    "fault.disk_fault": (
        "The disk refused. Call the technician; use another counter.",
        "Die Platte verweigert. Technik rufen; anderen Tresen nutzen.",
    ),
    "fault.slow": (
        "A band was seen but not read in time. Ask the customer to tap again.",
        "Ein Band wurde gesehen, aber nicht rechtzeitig gelesen. Noch einmal halten lassen.",
    ),
    "fault.crash": (
        "This screen failed and starts again by itself. If it stays dark, restart it.",
        "Dieser Bildschirm ist ausgefallen und startet selbst neu. Bleibt er dunkel, neu starten.",
    ),
    "fault.other": (
        "Something failed here that has no name yet. Call the technician.",
        "Hier ist etwas ausgefallen, das noch keinen Namen hat. Technik rufen.",
    ),
}
"""Id to one sentence a language; the second part of an id is the fault's code."""
