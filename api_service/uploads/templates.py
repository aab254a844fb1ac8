"""Files to fill in: the header, in the sender's language if it is said, and one row as an example."""

from __future__ import annotations

import io
from typing import Final, Literal, get_args

from api_service.http.csv_download import EXCEL_MARK, csv_lines
from shared.rows.fields import FIELD_NAMES, FIELDS

Language = Literal["en", "de", "fr", "es", "it", "pt", "nl", "pl"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

# Each is one of the names by which a header is known. A field without a name here has its own.
_HEADERS: Final[dict[Language, dict[str, str]]] = {
    "en": {"employee_name": "Full name", "company_name": "Company", "mobile_no": "Mobile number", "email": "Email"},
    "de": {
        "employee_name": "Vollständiger Name",
        "company_name": "Firma",
        "mobile_no": "Mobilnummer",
        "email": "E-Mail-Adresse",
    },
    "fr": {
        "employee_name": "Nom complet",
        "company_name": "Société",
        "mobile_no": "Téléphone portable",
        "email": "Adresse e-mail",
    },
    "es": {
        "employee_name": "Nombre completo",
        "company_name": "Empresa",
        "mobile_no": "Teléfono móvil",
        "email": "Correo electrónico",
    },
    "it": {
        "employee_name": "Nome completo",
        "company_name": "Azienda",
        "mobile_no": "Cellulare",
        "email": "Indirizzo e-mail",
    },
    "pt": {
        "employee_name": "Nome completo",
        "company_name": "Empresa",
        "mobile_no": "Telefone celular",
        "email": "Endereço de e-mail",
    },
    "nl": {
        "employee_name": "Volledige naam",
        "company_name": "Bedrijf",
        "mobile_no": "Mobiel nummer",
        "email": "E-mailadres",
    },
    "pl": {
        "employee_name": "Imię i nazwisko",
        "company_name": "Firma",
        "mobile_no": "Telefon komórkowy",
        "email": "Adres e-mail",
    },
}
# What Excel takes for the border of cells where these are spoken: it has commas in its numbers there.
_WITH_SEMICOLONS: Final = frozenset(LANGUAGES) - {"en"}
_COLUMN_WIDTH: Final = 28


def template_csv(language: Language | None = None) -> bytes:
    """Without a language as programs like it; with one as Excel in that language opens it."""
    if language is None:
        return csv_lines([FIELD_NAMES, _example()])
    delimiter = ";" if language in _WITH_SEMICOLONS else ","
    return EXCEL_MARK + csv_lines([header(language), _example()], delimiter)


def template_xlsx(language: Language | None = None) -> bytes:
    """Its columns are text, so that Excel makes no number of a phone and takes no zero away."""
    # It is asked for seldom, and takes memory once it is imported.
    import xlsxwriter

    content = io.BytesIO()
    workbook = xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = workbook.add_worksheet()
    sheet.set_column(0, len(FIELDS) - 1, _COLUMN_WIDTH, workbook.add_format({"num_format": "@"}))
    sheet.write_row(0, 0, header(language), workbook.add_format({"num_format": "@", "bold": True}))
    sheet.write_row(1, 0, _example(), workbook.add_format({"num_format": "@"}))
    sheet.freeze_panes(1, 0)
    workbook.close()
    return content.getvalue()


def header(language: Language | None) -> list[str]:
    names = {} if language is None else _HEADERS[language]
    return [names.get(name, name) for name in FIELD_NAMES]


def _example() -> list[str]:
    return [field.example for field in FIELDS]
