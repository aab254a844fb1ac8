"""What German headers call columns."""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "full_name": (
        "Vollständiger Name", "Vollname", "Ganzer Name", "Kompletter Name", "Vor- und Nachname", "Vor- und Zuname",
        "Vorname und Nachname", "Vorname Nachname", "Nachname, Vorname", "Nachname und Vorname", "Name, Vorname",
        "Name und Vorname", "Vorname Name", "Vor- und Familienname", "Familienname, Vorname", "Mitarbeitername",
        "Name des Mitarbeiters", "Name der Mitarbeiterin", "Name Mitarbeiter", "Name Mitarbeiter/in",
        "Name des Mitarbeiters bzw. Bewerbers", "Name des Beschäftigten", "Personenname",
    ),
    "name": ("Name", "Person", "Anzeigename"),
    "employee": (
        "Mitarbeiter", "Mitarbeiter:in", "Mitarbeitende", "Mitarbeitende:r", "Beschäftigter", "Beschäftigte",
        "Arbeitnehmer", "Arbeitnehmer:in", "Angestellter", "Angestellte",
    ),
    "given_name": ("Vorname", "Vornamen", "Vorname(n)", "Vorname des Mitarbeiters", "Erster Vorname", "1. Vorname"),
    "call_name": ("Rufname",),
    "middle_name": ("Weitere Vornamen", "Weiterer Vorname", "Zweiter Vorname", "2. Vorname", "Mittelname", "Zweitname"),
    "name_infix": ("Vorsatzwort", "Namensvorsatz"),
    "family_name": ("Nachname", "Nachnamen", "Familienname", "Zuname", "Nachname des Mitarbeiters"),
    "company_name": (
        "Firma", "Firmenname", "Firmenbezeichnung", "Firma/Organisation", "Unternehmen", "Unternehmensname",
        "Name der Firma", "Name des Unternehmens", "Name (Firma)", "Name (Unternehmen)", "Gesellschaft", "Arbeitgeber",
        "Betrieb", "Organisation", "Organisationsname",
    ),
    "legal_entity": (
        "Tochtergesellschaft", "Tochterunternehmen", "Rechtseinheit", "Rechtliche Einheit", "Konzerngesellschaft",
        "Juristische Person",
    ),
    "mobile": (
        "Mobil", "Mobil-Nr.", "Mobilnummer", "Mobile Nummer", "Mobilrufnummer", "Mobiltelefon", "Mobiltelefon-Nr.",
        "Mobiltelefonnummer", "Mobilfunk", "Mobilfunk-Nr.", "Mobilfunknummer", "Handy", "Handy-Nr.", "Handynummer",
        "Telefon mobil", "Telefonnummer mobil", "Tel. mobil", "Tel.-Nr. mobil", "Rufnummer mobil", "Natel",
        "Natelnummer", "Diensthandy", "Firmenhandy", "Mobil geschäftlich", "Mobil dienstlich", "Mobil beruflich",
        "Mobiltelefon geschäftlich", "Mobiltelefon dienstlich", "Handy geschäftlich", "Handy dienstlich",
        "Dienstliche Mobilnummer", "Geschäftliche Mobilnummer", "Berufliche Mobilnummer",
        "Geschäftliches Mobiltelefon", "Dienstliches Mobiltelefon",
    ),
    "private_mobile": (
        "Mobil privat", "Mobiltelefon privat", "Handy privat", "Privathandy", "Private Mobilnummer",
        "Private Handynummer", "Privates Mobiltelefon",
    ),
    "phone": (
        "Telefon", "Telefon-Nr.", "Telefonnummer", "Telefonnummer 1", "Telefon 1", "Tel.", "Tel.-Nr.", "Tel. Nummer",
        "Rufnummer", "Fon",
    ),
    "work_phone": (
        "Telefon geschäftlich", "Telefon geschäftl.", "Telefon dienstlich", "Telefon beruflich", "Telefon Büro",
        "Telefon Arbeit", "Diensttelefon", "Firmentelefon", "Geschäftliche Telefonnummer",
        "Dienstliche Telefonnummer", "Berufliche Telefonnummer", "Tel. geschäftlich", "Tel. dienstlich",
    ),
    "email_address": (
        "E-Mail-Adresse", "E-Mail-Adr.", "E-Mail-Adresse 1", "E-Mail 1", "Mail", "Mail-Adresse", "E-Mail Mitarbeiter",
        "Mitarbeiter-E-Mail", "Elektronische Postadresse",
    ),
    "work_email": (
        "E-Mail geschäftlich", "E-Mail dienstlich", "E-Mail beruflich", "E-Mail Arbeit", "E-Mail Büro",
        "Geschäftliche E-Mail", "Geschäftliche E-Mail-Adresse", "Dienstliche E-Mail", "Dienstliche E-Mail-Adresse",
        "Berufliche E-Mail", "Berufliche E-Mail-Adresse", "Dienst-E-Mail", "Firmen-E-Mail", "Firmen-E-Mail-Adresse",
        "E-Mail-Adresse geschäftlich", "E-Mail-Adresse dienstlich",
    ),
    "other_email": (
        "E-Mail privat", "E-Mail-Adresse privat", "Private E-Mail", "Private E-Mail-Adresse", "Privat-E-Mail",
        "E-Mail 2", "E-Mail-Adresse 2", "E-Mail 2: Adresse",
    ),
    "somebody_else": (
        "Vorgesetzter", "Vorgesetzte", "Führungskraft", "Notfall", "Notfallkontakt", "Ansprechpartner", "Fax", "alt",
        "früher", "keine Angabe",
    ),
}  # fmt: skip
