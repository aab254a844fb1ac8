"""What French headers call columns."""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "full_name": (
        "Nom complet", "Nom et prénom", "Nom et prénoms", "Noms et prénoms", "Nom & prénom", "Nom, prénom",
        "Prénom Nom", "Prénom et nom", "Prénoms et nom", "Nom du salarié", "Nom de l'employé", "Nom du collaborateur",
        "Nom employé", "Nom salarié", "Nom collaborateur",
    ),
    "name": ("Nom", "Noms", "Nom affiché", "Nom d'affichage", "Personne"),
    "employee": (
        "Employé", "Employée", "Employé(e)", "Salarié", "Salariée", "Salarié(e)", "Collaborateur", "Collaboratrice",
        "Agent",
    ),
    "given_name": ("Prénom", "Prénoms", "Prénom(s)", "Prénom du salarié", "Premier prénom"),
    "call_name": ("Prénom usuel", "Prénom d'usage"),
    "middle_name": ("Deuxième prénom", "Second prénom", "2e prénom", "2ème prénom", "Prénom 2", "Autres prénoms"),
    "family_name": ("Nom de famille", "Nom d'usage", "Nom usuel", "Patronyme", "Nom patronymique"),
    "company_name": (
        "Société", "Entreprise", "Raison sociale", "Nom de la société", "Nom de l'entreprise", "Nom société",
        "Nom entreprise", "Nom (société)", "Employeur", "Nom de l'employeur", "Organisation", "Organisme",
        "Nom de l'organisation", "Nom de l'organisme", "Compagnie",
    ),
    "legal_entity": ("Entité juridique", "Entité légale", "Filiale", "Entité"),
    "mobile": (
        "Mobile", "Portable", "Téléphone portable", "Téléphone mobile", "Tél. portable", "Tél. mobile", "Tél. port.",
        "Numéro de portable", "Numéro de mobile", "Numéro portable", "Numéro mobile", "N° de portable", "N° de mobile",
        "N° portable", "N° mobile", "Numéro de téléphone portable", "Numéro de téléphone mobile", "Cellulaire",
        "Téléphone cellulaire", "Numéro de cellulaire", "GSM", "Numéro de GSM", "N° GSM", "Natel",
        "Portable professionnel", "Portable pro", "Mobile professionnel", "Mobile pro",
        "Téléphone portable professionnel", "Téléphone mobile professionnel", "Tél. portable pro", "Tél. mobile pro",
    ),
    "private_mobile": (
        "Portable personnel", "Portable perso", "Mobile personnel", "Mobile perso", "Téléphone portable personnel",
        "Téléphone mobile personnel",
    ),
    "phone": (
        "Téléphone", "Téléphone 1", "Tél.", "Numéro de téléphone", "Numéro téléphone", "Numéro de tél.",
        "N° de téléphone", "N° téléphone", "N° de tél.", "N° tél.",
    ),
    "work_phone": (
        "Téléphone professionnel", "Téléphone pro", "Téléphone bureau", "Téléphone (bureau)", "Téléphone du bureau",
        "Tél. professionnel", "Tél. pro", "Tél. bureau", "Ligne directe",
    ),
    "email_address": (
        "Adresse e-mail", "Adresse mail", "Adresse e-mail 1", "Courriel", "Adresse courriel", "Adresse de courriel",
        "Adresse électronique", "Courrier électronique", "Adresse de messagerie", "Messagerie", "Mél", "Mail",
        "E-mail du salarié", "E-mail salarié",
    ),
    "work_email": (
        "E-mail professionnel", "E-mail pro", "Adresse e-mail professionnelle", "Mail professionnel", "Mail pro",
        "Adresse mail professionnelle", "Courriel professionnel", "Adresse électronique professionnelle",
        "Adresse e-mail pro",
    ),
    "other_email": (
        "E-mail personnel", "E-mail perso", "Adresse e-mail personnelle", "Mail personnel", "Mail perso",
        "Courriel personnel", "Adresse e-mail 2", "Adresse de messagerie 2",
    ),
    "somebody_else": (
        "Responsable", "Supérieur", "Urgence", "Contact d'urgence", "Conjoint", "Télécopie", "Ancien", "Ancienne",
    ),
}  # fmt: skip
