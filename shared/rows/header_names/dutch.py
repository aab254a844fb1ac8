"""What Dutch headers call columns, in the Netherlands and in Belgium."""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "full_name": (
        "Volledige naam", "Voor- en achternaam", "Voornaam en achternaam", "Voornaam Achternaam",
        "Achternaam, voornaam", "Achternaam en voornaam", "Naam en voornaam", "Naam medewerker",
        "Naam van de medewerker", "Medewerkernaam", "Naam werknemer", "Naam van de werknemer",
    ),
    "name": ("Naam", "Weergavenaam", "Persoon"),
    "employee": ("Medewerker", "Medewerkster", "Werknemer", "Werkneemster", "Collega"),
    "given_name": ("Voornaam", "Voornamen"),
    "call_name": ("Roepnaam",),
    "middle_name": ("Tweede voornaam", "Tweede naam", "Middelste naam"),
    "name_infix": (
        "Tussenvoegsel", "Tussenvoegsels", "Tussenvoegsel(s)", "Tussenv.", "Tussenvgsl", "Voorvoegsel", "Voorvoegsels",
    ),
    "family_name": ("Achternaam", "Familienaam"),
    "company_name": (
        "Bedrijf", "Bedrijfsnaam", "Naam bedrijf", "Naam van het bedrijf", "Naam (bedrijf)", "Organisatie",
        "Organisatienaam", "Naam organisatie", "Onderneming", "Vennootschap", "Firma", "Firmanaam", "Werkgever",
        "Naam werkgever",
    ),
    "legal_entity": ("Juridische entiteit", "Rechtspersoon", "Dochteronderneming"),
    "mobile": (
        "Mobiel", "Mobiel nr.", "Mobiel nummer", "Mobiele nummer", "Mobiele telefoon", "Mobiele telefoon nr.",
        "Mobiel telefoonnummer", "Mobiele telefoonnummer", "Telefoon mobiel", "Telefoonnummer mobiel", "Tel. mobiel",
        "06-nummer", "GSM", "GSM-nummer", "GSM nr.", "Mobiel werk", "Mobiel zakelijk", "Zakelijk mobiel",
        "Zakelijk mobiel nummer", "Zakelijke mobiele telefoon", "Mobiele telefoon werk", "Mobiele telefoon zakelijk",
    ),
    "private_mobile": ("Mobiel privé", "Privé mobiel", "Mobiele telefoon privé", "GSM privé"),
    "phone": (
        "Telefoon", "Telefoon 1", "Telefoonnummer", "Telefoonnummer 1", "Telefoon nr.", "Tel.", "Tel. nr.",
        "Tel. nummer",
    ),
    "work_phone": (
        "Telefoon werk", "Telefoonnummer werk", "Telefoon op werk", "Telefoon zakelijk", "Zakelijke telefoon",
        "Zakelijk telefoonnummer", "Werktelefoon",
    ),
    "email_address": (
        "E-mailadres", "E-mailadres 1", "Mail", "Mailadres", "E-mail medewerker", "E-mailadres medewerker",
    ),
    "work_email": (
        "E-mail werk", "E-mailadres werk", "E-mail zakelijk", "E-mailadres zakelijk", "Zakelijke e-mail",
        "Zakelijk e-mailadres", "Werk e-mail", "Werkmail", "Werk e-mailadres",
    ),
    "other_email": (
        "E-mail privé", "E-mailadres privé", "Privé e-mail", "Privé e-mailadres", "Persoonlijk e-mailadres",
        "E-mailadres 2",
    ),
    "somebody_else": ("Leidinggevende", "Noodgeval", "Noodcontact", "Contactpersoon", "Echtgenoot", "Oud"),
}  # fmt: skip
