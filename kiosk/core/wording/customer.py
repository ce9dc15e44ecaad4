"""What customers read: short, present tense, "you", what to do before what went wrong."""

from typing import Final

SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    # nobody is here
    "attract.hold": ("Hold your band to the reader", "Band bitte an den Leser halten"),
    "attract.where-below": ("The reader is below this screen", "Der Leser ist unter dem Bildschirm"),
    "attract.where-right": ("The reader is on your right", "Der Leser ist rechts von Ihnen"),
    "attract.where-left": ("The reader is on your left", "Der Leser ist links von Ihnen"),
    # reading: a band is at the reader; words only after a quarter of a second
    "reading.moment": ("One moment", "Einen Moment"),
    # masked: nobody touched the screen for a while
    "masked.ask": ("Are you still here?", "Sind Sie noch da?"),
    "masked.touch": ("Touch the screen to go on.", "Zum Weitermachen bitte berühren."),
    # neutral: the same for every band that opens no page
    "neutral.see-team": ("Please see our team", "Bitte zu unserem Team"),
    "neutral.line": ("They help you at the counter.", "Am Tresen hilft man Ihnen."),
    # try again
    "again.longer": ("Please hold your band to the reader again", "Band bitte noch einmal an den Leser halten"),
    "again.longer-line": ("Keep it still until you see your page.", "Ruhig halten, bis Ihre Seite erscheint."),
    "again.one": ("One band at a time, please", "Bitte nur ein Band"),
    "again.one-line": (
        "Hold only yours to the reader.",
        "Nur Ihres an den Leser halten.",
    ),
    # the reader, this device
    "reader-gone.line": (
        "Bands cannot be read here at the moment.",
        "Bänder sind hier gerade nicht lesbar.",
    ),
    "out-of-order.line": ("This screen is out of order.", "Dieser Bildschirm ist außer Betrieb."),
    "not-possible.heading": ("Please see our team", "Bitte zu unserem Team"),
    "not-possible.page": (
        "Today not possible here: opening your page.",
        "Heute hier nicht möglich: Ihre Seite.",
    ),
    "not-possible.code": (
        "Today not possible here: showing a code.",
        "Heute hier nicht möglich: einen Code zeigen.",
    ),
    "too-small.line": (
        "This screen is too small: {columns} x {rows} at least",
        "Dieser Bildschirm ist zu klein: mindestens {columns} x {rows}",
    ),
    "not-possible.action": (
        "Today not possible here: calling the counter.",
        "Heute hier nicht möglich: den Tresen rufen.",
    ),
    # buttons, always in the same places
    "button.done": ("Done", "Fertig"),
    "button.back": ("Back", "Zurück"),
    "button.help": ("Help", "Hilfe"),
    "button.more": ("More", "Mehr"),
    "button.here": ("I am here", "Bin da"),
    "button.ring-counter": ("Collect", "Abholen"),
    "button.ask-team": ("Ask us", "Fragen"),
    "button.ask-about": ("Ask us", "Fragen"),
    "button.find": ("Ask us", "Fragen"),
    "button.exchange": ("Exchange", "Umtauschen"),
    "button.prove-handle": ("Get code", "Code"),
    "button.tickets": ("Confirm", "Bestätigen"),
    # help
    "help.heading": ("Our team is here for you", "Unser Team ist für Sie da"),
    "help.line": (
        "Please come to the counter. What you told us is there already.",
        "Bitte kommen Sie zum Tresen. Was Sie uns gesagt haben, ist schon da.",
    ),
    "help.line-nobody": ("Please come to the counter.", "Bitte kommen Sie zum Tresen."),
    # done something: what we told the counter, and nothing that nobody confirmed
    "rung.heading": ("We told the counter you are here", "Der Tresen wurde benachrichtigt"),
    "rung.parcel": (
        "You come for your parcel. Please go there.",
        "Sie holen Ihr Paket ab. Bitte gehen Sie hin.",
    ),
    "rung.exchange": (
        "Please bring the item there. Nothing to explain.",
        "Bitte bringen Sie das Teil hin. Nichts zu erklären.",
    ),
    "rung.find": (
        "We said what you are looking for. Please go there.",
        "Wir haben gesagt, was Sie suchen. Bitte gehen Sie hin.",
    ),
    "rung.tickets": (
        "Please go there with your bands. Nothing is used up yet.",
        "Bitte mit den Bändern hingehen. Noch ist nichts eingelöst.",
    ),
    "rung.line": ("Please go there.", "Bitte gehen Sie hin."),
    # what the counter reads in the thread of a customer who rang
    "button.forget-me": ("Forget me", "Vergessen"),
    "button.ok": ("OK", "OK"),
    "pin.ask": ("Your PIN, please", "Ihre PIN bitte"),
    "pin.why": (
        "Then we delete what we know of you.",
        "Dann löschen wir, was wir von Ihnen wissen.",
    ),
    "pin.wrong": ("That was not it. Once more.", "Das war sie nicht. Noch einmal."),
    "pin.none": ("For this you need a PIN", "Dafür brauchen Sie eine PIN"),
    "pin.none-line": (
        "You get one at the counter, with your ID.",
        "Die gibt es am Tresen, mit Ausweis.",
    ),
    "pin.locked": ("Your PIN is locked", "Ihre PIN ist gesperrt"),
    "pin.locked-line": (
        "The counter gives you a new one, with your ID.",
        "Am Tresen gibt es eine neue, mit Ausweis.",
    ),
    "erasure.heading": ("We will delete it", "Wir löschen es"),
    "erasure.line": (
        "Within a month, everywhere. You will hear from us.",
        "Binnen eines Monats, überall. Sie hören von uns.",
    ),
    "rang.forget_me": (
        "Asked at the kiosk that all we know of them is deleted.",
        "Bat am Kiosk, dass wir alles löschen, was wir wissen.",
    ),
    "rang.ring_counter": (
        "Is at the kiosk to collect a parcel.",
        "Ist am Kiosk, um ein Paket abzuholen.",
    ),
    "rang.ask_team": (
        "Is at the kiosk and asks about what we owe.",
        "Ist am Kiosk und fragt, was wir schulden.",
    ),
    "rang.ask_about": (
        "Is at the kiosk and has a question about this.",
        "Ist am Kiosk und hat hierzu eine Frage.",
    ),
    "rang.exchange": (
        "Is at the kiosk for the exchange already chosen.",
        "Ist am Kiosk für den schon gewählten Umtausch.",
    ),
    "rang.find": (
        "Is at the kiosk and cannot find this product.",
        "Ist am Kiosk und findet dieses Produkt nicht.",
    ),
    "rang.tickets": (
        "Is at the kiosk with the tickets; nothing is redeemed yet.",
        "Ist am Kiosk mit den Tickets; noch ist nichts eingelöst.",
    ),
    # greeting
    "greeting.hello": ("Hello, {name}.", "Hallo, {name}."),
    "greeting.hello-two": ("Hello, {name} and {other}.", "Hallo, {name} und {other}."),
    "greeting.hello-many": ("Hello, {name} and family.", "Hallo, {name} und Familie."),
    "greeting.plain": ("Hello.", "Hallo."),
    "greeting.nothing": ("Nothing is waiting. Can we help?", "Nichts liegt an. Können wir helfen?"),
    # what waits
    "waiting.here": ("Ready for you here", "Liegt hier bereit"),
    "waiting.here-line": ("Order {order}, {items}.", "Bestellung {order}, {items}."),
    "waiting.since": (
        "Since {since}. Please go to the counter.",
        "Seit {since}. Bitte gehen Sie zum Tresen.",
    ),
    "waiting.go": ("Please go to the counter.", "Bitte gehen Sie zum Tresen."),
    "waiting.not-yet": (
        "Not here yet. The day is not known.",
        "Noch nicht da. Der Tag ist nicht bekannt.",
    ),
    "waiting.elsewhere": ("Ready for you in {store}", "Liegt bereit in {store}"),
    "waiting.elsewhere-line": (
        "Order {order}, {items}. Not in this store.",
        "Bestellung {order}, {items}. Nicht hier.",
    ),
    "waiting.another-store": ("another store", "einem anderen Laden"),
    "waiting.expected": ("On its way here", "Auf dem Weg hierher"),
    "waiting.expected-elsewhere": ("On its way to {store}", "Auf dem Weg nach {store}"),
    "waiting.ticket": ("{title}", "{title}"),
    "waiting.ticket-line": ("Your ticket.", "Ihr Ticket."),
    "waiting.ticket-until": (
        "Your ticket, valid until {until}.",
        "Ihr Ticket, gültig bis {until}.",
    ),
    "waiting.tickets-line": ("{count} tickets: {names}.", "{count} Tickets: {names}."),
    "ticket.confirm": (
        "We tell the counter. Nothing is used up yet.",
        "Wir sagen es dem Tresen. Noch ist nichts eingelöst.",
    ),
    "ticket.family": (
        "Family? Hold their bands to the reader, too.",
        "Familie? Halten Sie auch deren Bänder an den Leser.",
    ),
    "tickets.confirm": (
        "Confirm all {count} at once: we tell the counter. Nothing is used up yet.",
        "Alle {count} auf einmal: Wir sagen es dem Tresen. Noch ist nichts eingelöst.",
    ),
    "tickets.confirm-two": (
        "Confirm both at once: we tell the counter. Nothing is used up yet.",
        "Beide auf einmal: Wir sagen es dem Tresen. Noch ist nichts eingelöst.",
    ),
    "waiting.something": ("Something is waiting for you", "Für Sie liegt etwas bereit"),
    "waiting.something-line": ("Please see our team.", "Bitte zu unserem Team."),
    "items.one": ("1 item", "1 Teil"),
    "items.count": ("{count} items", "{count} Teile"),
    "items.several": ("several items", "mehrere Teile"),
    "items.line": ("{count} x {title}", "{count} x {title}"),
    "items.line-paid": ("{count} x {title}, {price}", "{count} x {title}, {price}"),
    "items.more": ("and {count} more", "und {count} weitere"),
    "items.hidden": (
        "We do not show these items here.",
        "Diese Teile zeigen wir hier nicht.",
    ),
    "items.code": ("Paid with your code.", "Mit Ihrem Code bezahlt."),
    # what we owe
    "owed.case": ("Your request of {day} ({channel})", "Ihre Anfrage ({day}, {channel})"),
    "owed.promised": (
        "{by} promised an answer by {due}.",
        "{by} hat bis {due} eine Antwort zugesagt.",
    ),
    "owed.overdue": (
        "{by} promised an answer by {due}. We are late. Sorry.",
        "{by}: zugesagt bis {due}. Wir sind zu spät. Verzeihung.",
    ),
    "owed.again": (
        "Promised by {due}. We are late. Sorry. Now by {again}.",
        "Verzeihung, zu spät seit {due}. Jetzt bis {again}.",
    ),
    "owed.kept": ("{by} has answered you.", "{by} hat Ihnen geantwortet."),
    "owed.forget": ("We do it by {due}.", "Wir tun es bis {due}."),
    "owed.forget-late": (
        "Promised by {due}. We are late. Sorry.",
        "Verzeihung, zu spät seit {due}.",
    ),
    "owed.known": (
        "We know what you told us.",
        "Wir wissen, was Sie uns gesagt haben.",
    ),
    "owed.no-repeat": (
        "Our team sees it at the counter. Nothing to repeat.",
        "Unser Team sieht es am Tresen. Nichts zu wiederholen.",
    ),
    "owed.number": ("Number {number}", "Nummer {number}"),
    "owed.wrote": ("You wrote {day} ({channel})", "Sie schrieben {day} ({channel})"),
    "owed.called": ("You called {day}", "Ihr Anruf {day}"),
    "owed.asked": ("You asked us {day}", "Sie fragten uns {day}"),
    "owed.unanswered": (
        "We have not answered. Sorry.",
        "Wir haben nicht geantwortet. Verzeihung.",
    ),
    "owed.ask": (
        "Ask us at the counter. Nothing to repeat.",
        "Fragen Sie am Tresen, ohne zu wiederholen.",
    ),
    "owed.answer-due": ("You will have an answer by {due}.", "Antwort bis {due}."),
    "owed.answer": ("We owe you an answer", "Wir schulden Ihnen eine Antwort"),
    "owed.answer-line": ("Please see our team.", "Bitte zu unserem Team."),
    # an earlier band
    "lost.heading": ("Your earlier band is blocked", "Ihr früheres Band ist gesperrt"),
    "lost.since": ("Since {day}. It opens nothing.", "Seit {day}. Es öffnet nichts."),
    "lost.this-one": ("The band you hold now works.", "Das Band, das Sie jetzt tragen, gilt."),
    "lost.found": (
        "Found the earlier one? Please ask us.",
        "Das frühere gefunden? Bitte fragen Sie uns.",
    ),
    # help with the newest delivered order, and with the newest that was sent and not told to have arrived
    "order.delivered": ("Your order {order}", "Ihre Bestellung {order}"),
    "order.arrived": (
        "{items} delivered, ordered {day}.",
        "{items} geliefert, bestellt {day}.",
    ),
    "order.sent": ("{items} sent to you, ordered {day}.", "{items} versandt, bestellt {day}."),
    "order.arrival": (
        "Day of arrival unknown. Please ask us.",
        "Ankunft unbekannt. Bitte fragen Sie uns.",
    ),
    "order.exchange": (
        "Size {wanted} instead of {had}, at the price you paid: {price}.",
        "Größe {wanted} statt {had}, zum bezahlten Preis: {price}.",
    ),
    "order.wish": (
        "Exchange at the counter: nothing to repeat.",
        "Umtausch am Tresen, nichts zu wiederholen.",
    ),
    "order.not-right": (
        "Not right? We help at the counter.",
        "Passt etwas nicht? Wir helfen am Tresen.",
    ),
    # where they write to us, and nobody knows it is them
    "handle.heading": ("Link what you wrote to us online", "Ihre Nachrichten hierher holen"),
    "handle.line": (
        "Send us a code once, and repeat nothing.",
        "Einmal einen Code senden, nichts wiederholen.",
    ),
    "handle.how": (
        "We show six digits. Send them to us where you write to us.",
        "Wir zeigen sechs Ziffern. Senden Sie sie dort, wo Sie uns schreiben.",
    ),
    "handle.code": ("Your code: {code}", "Ihr Code: {code}"),
    "handle.code-line": (
        "Send it to us within 10 minutes, where you write to us.",
        "Binnen 10 Minuten an uns senden, dort wo Sie uns schreiben.",
    ),
    "handle.proved": ("We know you on {channel} now", "Wir kennen Sie nun auf {channel}"),
    "handle.proved-line": (
        "What you wrote there is with the rest.",
        "Was Sie dort schrieben, liegt beim Übrigen.",
    ),
    # points
    "points.one": ("{count} point", "{count} Punkt"),
    "points.balance": ("{count} points", "{count} Punkte"),
    "points.line": ("They are yours to use at the counter.", "Am Tresen können Sie sie nutzen."),
    "points.line-one": ("It is yours to use at the counter.", "Am Tresen können Sie ihn nutzen."),
    # one offer
    "offer.title": ("{title}", "{title}"),
    "offer.reason": ("{reason}", "{reason}"),
    "offer.for-you": ("An offer for you.", "Ein Angebot für Sie."),
    "offer.price-differs": (
        "{web} on the web, {store} here (as of {when}).",
        "{web} im Web, {store} hier (Stand {when}).",
    ),
    "offer.web-counts": ("The web price counts here too.", "Der Web-Preis gilt auch hier."),
    "offer.web-says": ("The web says {count} (as of {when}).", "Das Web sagt {count} (Stand {when})."),
    "offer.cannot-find": (
        "You cannot find it? Ask us.",
        "Nicht zu finden? Fragen Sie uns.",
    ),
    "offer.price": ("{price} (as of {when}).", "{price} (Stand {when})."),
    "offer.stock": ("{count} here (counted {when}).", "{count} hier (gezählt {when})."),
    "offer.stock-none": ("None here (counted {when}).", "Hier keine (gezählt {when})."),
    "offer.stock-doubtful": (
        "Perhaps not here: somebody did not find it.",
        "Vielleicht nicht da: jemand fand es nicht.",
    ),
    "offer.stock-unknown": (
        "We do not know whether it is here.",
        "Ob es hier ist, wissen wir nicht.",
    ),
    "offer.until": ("For you until {until}.", "Für Sie bis {until}."),
    # age
    "page.as-of": ("As of {when}", "Stand {when}"),
    "fact.as-of": ("As of {when}.", "Stand {when}."),
    # days
    "day.today": ("today", "heute"),
    "day.yesterday": ("yesterday", "gestern"),
    "day.tomorrow": ("tomorrow", "morgen"),
    "day.on": ("on {day}", "am {day}"),
    # channels, as people call them
    "channel.web": ("web", "Web"),
    "channel.app": ("app", "App"),
    "channel.phone": ("phone", "Telefon"),
    "channel.whatsapp": ("WhatsApp", "WhatsApp"),
    "channel.instagram": ("Instagram", "Instagram"),
    "channel.tiktok": ("TikTok", "TikTok"),
    "channel.x": ("X", "X"),
    "channel.chat": ("chat", "Chat"),
    "channel.email": ("e-mail", "E-Mail"),
    "channel.store": ("store", "Laden"),
    "channel.sms": ("SMS", "SMS"),
    "channel.other": ("another way", "anderer Weg"),
}  # fmt: skip
"""Id to one sentence a language; the first part of an id says where it is used."""
