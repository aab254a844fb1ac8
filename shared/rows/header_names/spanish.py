"""What Spanish headers call columns."""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "full_name": (
        "Nombre completo", "Nombre y apellidos", "Nombre y apellido", "Nombres y apellidos", "Apellidos y nombre",
        "Apellidos y nombres", "Apellido y nombre", "Apellidos, nombre", "Nombre Apellidos", "Nombre Apellido",
        "Nombre del empleado", "Nombre empleado", "Nombre del trabajador", "Nombre trabajador",
        "Nombre del colaborador",
    ),
    "name": ("Nombre", "Nombres", "Nombre(s)", "Nombre para mostrar", "Persona"),
    "employee": ("Empleado", "Empleada", "Empleado/a", "Trabajador", "Trabajadora", "Trabajador/a", "Colaborador"),
    "given_name": ("Nombre de pila", "Primer nombre", "Nombre propio"),
    "middle_name": ("Segundo nombre", "Otros nombres"),
    "family_name": (
        "Apellidos", "Apellido", "Apellido(s)", "Primer apellido", "1er apellido", "Apellido 1", "Apellido paterno",
    ),
    "second_family_name": ("Segundo apellido", "2º apellido", "2do apellido", "Apellido 2", "Apellido materno"),
    "company_name": (
        "Empresa", "Nombre de la empresa", "Nombre empresa", "Nombre (empresa)", "Compañía", "Nombre de la compañía",
        "Sociedad", "Razón social", "Organización", "Nombre de la organización", "Empleador",
    ),
    "legal_entity": ("Entidad legal", "Entidad jurídica", "Filial"),
    "mobile": (
        "Móvil", "Teléfono móvil", "Tel. móvil", "Número de móvil", "Número móvil", "Núm. móvil", "Nº de móvil",
        "Nº móvil", "Número de teléfono móvil", "Celular", "Teléfono celular", "Tel. celular", "Número de celular",
        "Número celular", "Nº de celular", "Nº celular", "Móvil corporativo", "Móvil de empresa", "Móvil profesional",
        "Móvil trabajo", "Móvil del trabajo", "Teléfono móvil corporativo", "Teléfono móvil del trabajo",
        "Celular corporativo",
    ),
    "private_mobile": ("Móvil personal", "Móvil particular", "Teléfono móvil personal", "Celular personal"),
    "phone": (
        "Teléfono", "Teléfono 1", "Tel.", "Telf.", "Tfno.", "Tlf.", "Tlfno.", "Número de teléfono", "Número telefónico",
        "Núm. de teléfono", "Núm. teléfono", "Nº de teléfono", "Nº teléfono", "Teléfono de contacto",
    ),
    "work_phone": (
        "Teléfono del trabajo", "Teléfono de trabajo", "Teléfono trabajo", "Teléfono de la oficina",
        "Teléfono oficina", "Teléfono profesional", "Teléfono de empresa", "Teléfono empresa", "Teléfono corporativo",
    ),
    "email_address": (
        "Correo electrónico", "Correo electrónico 1", "Correo", "Correo-e", "Dirección de correo electrónico",
        "Dirección de correo", "Dirección de e-mail", "Dirección e-mail", "Mail", "Correo del empleado",
    ),
    "work_email": (
        "Correo corporativo", "Correo electrónico corporativo", "Correo profesional", "Correo electrónico profesional",
        "Correo del trabajo", "Correo de trabajo", "Correo electrónico del trabajo", "Correo electrónico de trabajo",
        "Correo de empresa", "Correo de la empresa", "E-mail corporativo", "E-mail profesional", "E-mail de empresa",
        "E-mail de trabajo", "E-mail trabajo",
    ),
    "other_email": (
        "Correo personal", "Correo electrónico personal", "Correo particular", "E-mail personal", "E-mail particular",
        "Correo electrónico 2",
    ),
    "somebody_else": (
        "Responsable", "Jefe", "Supervisor", "Emergencia", "Emergencias", "Contacto de emergencia", "Cónyuge",
        "Antiguo",
    ),
}  # fmt: skip
