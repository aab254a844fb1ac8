"""What Italian headers call columns."""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "full_name": (
        "Nome completo", "Nome e cognome", "Cognome e nome", "Nome Cognome", "Cognome Nome", "Nominativo",
        "Nominativo dipendente", "Nome dipendente", "Nome del dipendente", "Nome collaboratore",
        "Nome del collaboratore",
    ),
    "name": ("Nome", "Nome visualizzato", "Persona"),
    "employee": ("Dipendente", "Collaboratore", "Collaboratrice", "Lavoratore", "Lavoratrice", "Impiegato"),
    "given_name": ("Nome di battesimo", "Nome proprio", "Primo nome"),
    "middle_name": ("Secondo nome", "Altri nomi"),
    "family_name": ("Cognome", "Cognomi"),
    "company_name": (
        "Azienda", "Società", "Ditta", "Impresa", "Ragione sociale", "Denominazione sociale", "Nome azienda",
        "Nome dell'azienda", "Nome società", "Nome della società", "Nome ditta", "Nome (azienda)", "Datore di lavoro",
        "Organizzazione",
    ),
    "legal_entity": ("Entità legale", "Persona giuridica"),
    "mobile": (
        "Cellulare", "Cell.", "Telefono cellulare", "Telefono mobile", "Tel. cellulare", "Tel. cell.", "Tel. mobile",
        "Telefonino", "Mobile", "Numero di cellulare", "Numero cellulare", "Numero mobile",
        "Numero di telefono cellulare", "Numero di telefono mobile", "N. cellulare", "N° cellulare", "Nr. cellulare",
        "Cellulare aziendale", "Cellulare lavoro", "Cellulare di lavoro", "Telefono cellulare aziendale",
    ),
    "private_mobile": ("Cellulare personale", "Cellulare privato", "Telefono cellulare personale"),
    "phone": (
        "Telefono", "Telefono 1", "Tel.", "Numero di telefono", "Numero telefono", "Numero telefonico", "N. telefono",
        "N° telefono", "N° di telefono", "Nr. telefono", "Recapito telefonico",
    ),
    "work_phone": (
        "Telefono ufficio", "Telefono (ufficio)", "Telefono aziendale", "Telefono lavoro", "Telefono di lavoro",
        "Tel. ufficio", "Tel. aziendale",
    ),
    "email_address": (
        "Posta elettronica", "Indirizzo e-mail", "Indirizzo e-mail 1", "Indirizzo mail",
        "Indirizzo di posta elettronica", "Indirizzo posta elettronica", "Mail", "E-mail dipendente",
    ),
    "work_email": (
        "E-mail aziendale", "E-mail di lavoro", "E-mail lavoro", "E-mail ufficio", "Mail aziendale",
        "Posta elettronica aziendale", "Indirizzo e-mail aziendale",
    ),
    "other_email": (
        "E-mail personale", "E-mail privata", "Mail personale", "Indirizzo e-mail personale", "Indirizzo e-mail 2",
    ),
    "somebody_else": ("Responsabile", "Emergenza", "Contatto di emergenza", "Referente", "Coniuge", "Precedente"),
}  # fmt: skip
