"""What Polish headers call columns."""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "full_name": (
        "Imię i nazwisko", "Nazwisko i imię", "Imiona i nazwisko", "Nazwisko i imiona", "Imię Nazwisko",
        "Nazwisko, imię", "Pełne imię i nazwisko", "Pełne nazwisko", "Imię i nazwisko pracownika",
        "Nazwisko i imię pracownika",
    ),
    "name": ("Nazwa wyświetlana", "Osoba"),
    "employee": ("Pracownik", "Pracowniczka"),
    "given_name": ("Imię", "Imiona", "Pierwsze imię", "Imię pracownika"),
    "middle_name": ("Drugie imię",),
    "family_name": ("Nazwisko", "Nazwisko pracownika"),
    "company_name": (
        "Firma", "Nazwa firmy", "Firma (nazwa)", "Spółka", "Nazwa spółki", "Przedsiębiorstwo", "Nazwa przedsiębiorstwa",
        "Pracodawca", "Nazwa pracodawcy", "Zakład pracy", "Organizacja", "Nazwa organizacji",
    ),
    "legal_entity": ("Podmiot prawny", "Osoba prawna"),
    "mobile": (
        "Telefon komórkowy", "Telefon kom.", "Telefon mobilny", "Komórka", "Komórkowy", "Tel. komórkowy", "Tel. kom.",
        "Numer komórki", "Numer komórkowy", "Nr komórki", "Nr kom.", "Nr tel. kom.", "Nr tel. komórkowego",
        "Numer telefonu komórkowego", "Nr telefonu komórkowego", "Komórka służbowa", "Telefon komórkowy służbowy",
        "Służbowy telefon komórkowy",
    ),
    "private_mobile": ("Komórka prywatna", "Telefon komórkowy prywatny", "Prywatny telefon komórkowy"),
    "phone": (
        "Telefon", "Telefon 1", "Telefon kontaktowy", "Tel.", "Numer telefonu", "Numer tel.", "Nr telefonu", "Nr tel.",
    ),
    "work_phone": (
        "Telefon służbowy", "Telefon firmowy", "Telefon do pracy", "Telefon w pracy", "Telefon (praca)",
        "Numer służbowy", "Służbowy numer telefonu",
    ),
    "email_address": (
        "Adres e-mail", "Adres e-mail 1", "Adres mailowy", "Poczta elektroniczna", "Poczta e-mail",
        "Adres poczty elektronicznej", "Mail", "E-mail pracownika", "Adres e-mail pracownika",
    ),
    "work_email": (
        "E-mail służbowy", "Służbowy e-mail", "Adres e-mail służbowy", "Służbowy adres e-mail", "E-mail firmowy",
        "Firmowy adres e-mail", "E-mail (praca)",
    ),
    "other_email": (
        "E-mail prywatny", "Prywatny e-mail", "Adres e-mail prywatny", "Prywatny adres e-mail", "Adres e-mail 2",
    ),
    "somebody_else": ("Przełożony", "Kierownik", "Nagły wypadek", "W nagłych wypadkach", "Faks", "Poprzedni", "Stary"),
}  # fmt: skip
